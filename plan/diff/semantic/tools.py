"""Compares tool locks: the tools, prompts, resources and instructions of a server, with the words that changed.

Who may use them is compared in `grants`.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from typing import Any

from model.canonical import digest
from model.definitions import same_meaning
from model.difference import ABSENT, by_pointer, reordered
from model.parameter_kinds import JUDGED, SUBJECTS, kinds_to_compare
from model.text import visible
from model.tool_lock import Entry, LockedServer, ParameterKind, ToolEntry, ToolLock
from model.word_difference import word_difference
from plan.diff.model import Change, Direction, change
from plan.diff.semantic.directions import (
    Delegated,
    KeyRule,
    Table,
    any_change,
    false_loosens,
    grows_loosens,
    ladder,
    no_effect,
    true_loosens,
)

_SELF_REPORTED = "the server reports it about itself, and nothing relies on it"
_DERIVED = Delegated("tools")
#: Characters shown of one text; a comment shows fewer (`plan.diff.markdown`), the page and the JSON document all of these.
_MAX_TEXT = 20_000
_WITH_MEDIA_TYPES = ("tools", "resources", "resource_templates")
_PARTS = {"tools": "tool", "prompts": "prompt", "resources": "resource", "resource_templates": "resource template"}

_STRICT = "refuses arguments that its schema does not name"

_ACCEPTED = KeyRule(grows_loosens, "findings of the guard that a reviewer accepts", "guard", 85)
_NOTED = KeyRule(
    no_effect,
    "quoted attacks that a reviewer was shown",
    "guard",
    45,
    proof="a note stops nothing, and the words themselves are compared as the definition's",
)


def _fewer_subjects_loosen(base: Any, head: Any) -> Direction:
    """For kinds of arguments by place: an argument for which less is looked for loosens; without a kind it is everything."""
    for pointer in {*base, *head}:
        before, after = (JUDGED[kinds[pointer]] if pointer in kinds else SUBJECTS for kinds in (base, head))
        if before - after:
            return Direction.LOOSENS
    return Direction.TIGHTENS


TABLE: Table = {
    "version": KeyRule(no_effect, "format of the lock", "", 5, proof="says how the file is read; both sides were read"),
    "server.name": KeyRule(no_effect, "name the server gives itself", "guard", 10, proof=_SELF_REPORTED),
    "server.version": KeyRule(no_effect, "version the server gives itself", "guard", 10, proof=_SELF_REPORTED),
    "server.protocol_versions": KeyRule(no_effect, "protocol versions it spoke", "guard", 10, proof=_SELF_REPORTED),
    "server.client_capabilities": KeyRule(
        no_effect,
        "capabilities announced to it when it was looked at",
        "guard",
        10,
        proof="what it offers with them is judged entry by entry",
    ),
    "server.instructions": KeyRule(any_change, "instructions", "guard", 75),
    "server.instructions_sha256": _DERIVED,
    "server.accepted": _ACCEPTED,
    "server.noted": _NOTED,
    **{f"{part}[].accepted": _ACCEPTED for part in _PARTS},
    **{f"{part}[].noted": _NOTED for part in _PARTS},
    "tools[].risk": KeyRule(ladder("read", "write", "execute", "unknown"), "risk", "guard", 80),
    "tools[].reasons": KeyRule(
        no_effect, "reasons of its risk", "guard", 10, proof="explains the risk, decides nothing"
    ),
    "tools[].outbound": KeyRule(false_loosens, "outbound, which taint blocks", "guard", 75),
    "tools[].cacheable": KeyRule(true_loosens, "cacheable", "guard", 50),
    "tools[].left_to_server": KeyRule(grows_loosens, "patterns that only the server enforces", "guard", 60),
    "strict_arguments": KeyRule(false_loosens, _STRICT, "guard", 60),
    "tools[].strict_arguments": KeyRule(false_loosens, _STRICT, "guard", 60),
    "left_out": KeyRule(
        no_effect, "left out of the lock", "guard", 20, proof="nobody can use what the lock leaves out"
    ),
    **{f"left_out[].{key}": _DERIVED for key in ("kind", "key", "reason")},
    "tools[].parameters": KeyRule(_fewer_subjects_loosen, "what its arguments are", "guard", 70),
    **{
        f"{part}[].media_types": KeyRule(grows_loosens, "media types that pass uninspected", "guard", 60)
        for part in _WITH_MEDIA_TYPES
    },
    **{
        f"{part}[].{key}": _DERIVED
        for part in _PARTS
        for key in ("name", "description", "sha256", "definition", *(["uri"] if part == "resources" else []))
    },
    "resource_templates[].uri_template": _DERIVED,
    **dict.fromkeys(_PARTS, _DERIVED),
}


def compare_locks(stack: str, base: ToolLock, head: ToolLock, granted: Collection[tuple[str, str]]) -> list[Change]:
    """Changes of the lock itself; `granted` is what somebody may use after it: (kind, name or pattern)."""
    changes = list(_server(stack, base, head))
    for part, word in _PARTS.items():
        base_entries, head_entries = ({entry.key: entry for entry in lock.entries()[part]} for lock in (base, head))
        for key in sorted(base_entries.keys() | head_entries.keys()):
            changes += _entry(stack, word, key, base_entries.get(key), head_entries.get(key), granted)
    return [*changes, *_strictness(stack, base, head), *_left_out(stack, base, head)]


def _strictness(stack: str, base_lock: ToolLock, head_lock: ToolLock) -> Iterator[Change]:
    """What each tool of both locks does with arguments that its schema does not name, wherever the lock says it."""
    rule = TABLE["tools[].strict_arguments"]
    assert isinstance(rule, KeyRule)  # noqa: S101 - the table above
    base_tools = {tool.name: tool for tool in base_lock.tools}
    for tool in sorted(head_lock.tools, key=lambda entry: entry.name):
        if tool.name not in base_tools:
            continue
        base, head = base_lock.is_strict(base_tools[tool.name]), head_lock.is_strict(tool)
        if base != head:
            title = f"tool {tool.name}: {rule.label}: {_text(base)} → {_text(head)}"
            yield change("lock-strict_arguments", rule.judge(base, head), rule.risk, stack, "guard", title, [])


def _left_out(stack: str, base_lock: ToolLock, head_lock: ToolLock) -> Iterator[Change]:
    rule = TABLE["left_out"]
    assert isinstance(rule, KeyRule)  # noqa: S101 - the table above
    base, head = ({(entry.kind, entry.key): entry.reason for entry in lock.left_out} for lock in (base_lock, head_lock))
    for kind, key in sorted(base.keys() | head.keys()):
        reason = head.get((kind, key))
        if base.get((kind, key)) == reason:
            continue
        word = _PARTS[kind]
        title = f"{f'{word} {key}' if key else f'the list of {word}s'} is {rule.label}"
        if reason is None:
            title = title.replace(" is ", " is no longer ", 1)
        lines = [*([f"reason: {_cut(visible(reason))}"] if reason else []), f"neutral: {rule.proof}"]
        yield change("lock-left-out", Direction.NEUTRAL, rule.risk, stack, "guard", title, lines)


def _server(stack: str, base_lock: ToolLock, head_lock: ToolLock) -> Iterator[Change]:
    base, head = base_lock.server, head_lock.server
    if base.instructions != head.instructions:
        lines = [] if base.instructions is None else [words(base.instructions, head.instructions or "")]
        lines = lines or [f"new words: {_cut(visible(head.instructions or ''))}"]
        removed = head.instructions is None
        title = "the server's instructions " + (
            "are gone" if removed else "changed" if base.instructions else "are new"
        )
        direction = Direction.TIGHTENS if removed else Direction.LOOSENS
        yield change("lock-instructions", direction, 75, stack, "guard", title, lines)
    same_text = base if base.instructions == head.instructions else None
    yield from _acceptance(stack, "the server's instructions", same_text, head)
    for key in ("name", "version", "protocol_versions", "client_capabilities"):
        base_value, head_value = getattr(base, key), getattr(head, key)
        is_set = isinstance(base_value, tuple)
        if set(base_value) != set(head_value) if is_set else base_value != head_value:
            rule = TABLE[f"server.{key}"]
            assert isinstance(rule, KeyRule)  # noqa: S101 - the table above
            title = f"{rule.label}: {_text(base_value)} → {_text(head_value)}"
            yield change("lock-server", Direction.NEUTRAL, rule.risk, stack, "guard", title, [f"neutral: {rule.proof}"])


def _usable(word: str, key: str, granted: Collection[tuple[str, str]]) -> bool:
    """Whether a grant may cover an entry. A resource may match a granted pattern. A template may expand to any granted URI,
    which that grant lets a caller read (`guard.decide.policy`)."""
    if not word.startswith("resource"):
        return (word, key) in granted
    names = [name for kind, name in granted if kind == "resource"]
    return bool(names) and (word != "resource" or key in names or any(c in "*?" for name in names for c in name))


def _entry(
    stack: str, word: str, key: str, base: Entry | None, head: Entry | None, granted: Collection[tuple[str, str]]
) -> Iterator[Change]:
    if base is None and head is not None:
        used = _usable(word, key, granted)  # what no grant covers is neither listed nor callable (guard.decide.grants)
        direction = Direction.LOOSENS if used else Direction.NEUTRAL
        risk = f" [{head.risk}]" if isinstance(head, ToolEntry) else ""
        lines = [f"its description: {_cut(head.description)}"] if head.description else []
        if isinstance(head, ToolEntry) and head.left_to_server:
            lines.append(f"only the server enforces its patterns at {visible(', '.join(head.left_to_server))}")
        lines += [] if used else ["neutral: no grant covers it, so it is neither listed nor callable"]
        yield change("lock-added", direction, 65 if used else 30, stack, "guard", f"{word} {key}{risk} is new", lines)
        yield from _acceptance(stack, f"{word} {key}", None, head)
    elif head is None:
        yield change("lock-removed", Direction.TIGHTENS, 40, stack, "guard", f"{word} {key} is gone")
    elif base is not None:
        if base.sha256 != head.sha256 and same_meaning(base.definition, head.definition):
            lines = list(definition_difference(base.definition, head.definition))
            lines.append("neutral: these arrays are sets, so both definitions mean the same and the guard takes either")
            title = f"{word} {key}: only the order of sets changed"
            yield change("lock-order", Direction.NEUTRAL, 20, stack, "guard", title, lines)
        elif base.sha256 != head.sha256:
            # Approved texts reach the model, and comparing two texts does not prove the new one harmless.
            lines = list(definition_difference(base.definition, head.definition))
            title = f"{word} {key}: {_places(base.definition, head.definition)} changed"
            weight = 80 if _usable(word, key, granted) else 60
            yield change("lock-definition", Direction.LOOSENS, weight, stack, "guard", title, lines)
        yield from _acceptance(stack, f"{word} {key}", base if base.sha256 == head.sha256 else None, head)
        if isinstance(base, ToolEntry) and isinstance(head, ToolEntry):
            yield from _decisions(stack, key, base, head)
        yield from _media_types(stack, word, key, base, head)


def _acceptance(
    stack: str, subject: str, base: Entry | LockedServer | None, head: Entry | LockedServer
) -> Iterator[Change]:
    """The rules that a reviewer accepts for one definition, and was shown; those for another text than before (`base` is
    None) count as new."""
    for rule in sorted({*(base.accepted if base else ())} ^ {*head.accepted}):
        new = rule in head.accepted
        title = f"{subject}: the guard's finding {rule} is {'accepted' if new else 'no longer accepted'}"
        direction = Direction.LOOSENS if new else Direction.TIGHTENS
        yield change("lock-accepted", direction, _ACCEPTED.risk, stack, _ACCEPTED.ring, title)
    for rule in sorted({*(base.noted if base else ())} ^ {*head.noted}):
        title = f"{subject}: the guard's note {rule} is {'new' if rule in head.noted else 'gone'}"
        lines = [f"neutral: {_NOTED.proof}"]
        yield change("lock-noted", Direction.NEUTRAL, _NOTED.risk, stack, _NOTED.ring, title, lines)


def _decisions(stack: str, name: str, base_entry: ToolEntry, head_entry: ToolEntry) -> Iterator[Change]:
    for key in ("risk", "outbound", "cacheable", "left_to_server", "reasons"):
        base, head = getattr(base_entry, key), getattr(head_entry, key)
        rule = TABLE[f"tools[].{key}"]
        if base == head or not isinstance(rule, KeyRule) or (key == "reasons" and set(base) == set(head)):
            continue
        direction = rule.judge(base, head)
        lines = [f"neutral: {rule.proof}"] if direction is Direction.NEUTRAL else []
        title = f"tool {name}: {rule.label}: {_text(base)} → {_text(head)}"
        yield change(f"lock-{key}", direction, rule.risk, stack, "guard", title, lines)
    yield from _kinds(stack, name, *kinds_to_compare(base_entry, head_entry))


def _kinds(
    stack: str, name: str, base: Mapping[str, ParameterKind], head: Mapping[str, ParameterKind]
) -> Iterator[Change]:
    rule = TABLE["tools[].parameters"]
    if base == head or not isinstance(rule, KeyRule):
        return
    changed = sorted(pointer for pointer in {*base, *head} if base.get(pointer) != head.get(pointer))
    lines = [f"{visible(at)}: {base.get(at, 'everything')} → {head.get(at, 'everything')}" for at in changed]
    title = f"tool {name}: {rule.label}: {', '.join(visible(at) for at in changed)}"
    yield change("lock-parameters", rule.judge(base, head), rule.risk, stack, "guard", _cut(title), lines)


def _media_types(stack: str, word: str, key: str, base_entry: Entry, head_entry: Entry) -> Iterator[Change]:
    base, head = (sorted(getattr(entry, "media_types", ())) for entry in (base_entry, head_entry))
    rule = TABLE["tools[].media_types"]
    if base != head and isinstance(rule, KeyRule):
        title = f"{word} {key}: {rule.label}: {_text(base)} → {_text(head)}"
        yield change("lock-media_types", rule.judge(base, head), rule.risk, stack, "guard", title, [])


def _places(base: dict[str, Any], head: dict[str, Any]) -> str:
    changed = {key for key in {*base, *head} if key not in base or key not in head or base[key] != head[key]}
    names = {"description": "text", "inputSchema": "input schema", "outputSchema": "output schema"}
    names_changed = sorted(names.get(key, visible(key)) for key in changed)
    return ", ".join(names_changed) or "definition"


def definition_difference(base: Any, head: Any) -> Iterator[str]:
    """Every place where two definitions differ, by JSON pointer (RFC 6901); texts word by word, hidden characters shown."""
    for pointer, base_value, head_value in by_pointer(base, head):
        place = visible(pointer)
        if base_value is ABSENT:
            yield f"{place}: new, {_text(head_value)}"
        elif head_value is ABSENT:
            yield f"{place}: gone, was {_text(base_value)}"
        elif isinstance(base_value, str) and isinstance(head_value, str):
            yield f"{place}: {words(base_value, head_value)}"
        else:
            order = "only the order, " if reordered(base_value, head_value) else ""
            yield f"{place or 'definition'}: {order}{_text(base_value)} → {_text(head_value)}"


def words(base: str, head: str) -> str:
    """Two texts word by word, ``[-gone-] {+new+}``; where long runs of equal words are left out, the text says so."""
    return _cut(word_difference(visible(base), visible(head))) or "only white space changed"


def _text(value: Any) -> str:
    return _cut(visible(json.dumps(value, ensure_ascii=False, sort_keys=True)))


def _cut(text: str) -> str:
    if len(text) <= _MAX_TEXT:
        return text
    return f"{text[:_MAX_TEXT]}… ({len(text) - _MAX_TEXT} more characters, {digest(text)[:19]}…)"
