"""What a server may offer: tools, prompts, resources and instructions of its lock, with the words that changed."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator
from typing import Any

from model.canonical import digest
from model.text import visible
from model.tool_lock import Entry, ToolEntry, ToolLock
from model.word_difference import word_difference
from plan.diff.model import Change, Direction, change
from plan.diff.semantic.directions import (
    Elsewhere,
    Rule,
    Table,
    any_change,
    false_loosens,
    ladder,
    no_effect,
    true_loosens,
)

_SELF_REPORTED = "the server says it of itself; nothing trusts it"
_DERIVED = Elsewhere("tools")
#: Of one text; a comment shows less (`plan.diff.markdown`), the page and the JSON document all of it.
_MAX_TEXT = 20_000
_PARTS = {"tools": "tool", "prompts": "prompt", "resources": "resource", "resource_templates": "resource template"}

TABLE: Table = {
    "version": Rule(no_effect, "format of the lock", "", 5, why="says how the file is read; both sides were read"),
    "server.name": Rule(no_effect, "name the server gives itself", "guard", 10, why=_SELF_REPORTED),
    "server.version": Rule(no_effect, "version the server gives itself", "guard", 10, why=_SELF_REPORTED),
    "server.protocol_versions": Rule(no_effect, "protocol versions it spoke", "guard", 10, why=_SELF_REPORTED),
    "server.instructions": Rule(any_change, "instructions", "guard", 75),
    "server.instructions_sha256": _DERIVED,
    "tools[].risk": Rule(ladder("read", "write", "execute", "unknown"), "risk", "guard", 80),
    "tools[].reasons": Rule(no_effect, "reasons of its risk", "guard", 10, why="explains the risk, decides nothing"),
    "tools[].outbound": Rule(false_loosens, "outbound, which taint blocks", "guard", 75),
    "tools[].cacheable": Rule(true_loosens, "cacheable", "guard", 50),
    **{
        f"{part}[].{key}": _DERIVED
        for part in _PARTS
        for key in ("name", "description", "sha256", "definition", *(["uri"] if part == "resources" else []))
    },
    "resource_templates[].uri_template": _DERIVED,
    **dict.fromkeys(_PARTS, _DERIVED),
}


def compare_locks(stack: str, before: ToolLock, after: ToolLock, granted: Collection[tuple[str, str]]) -> list[Change]:
    """Changes of the lock itself; `granted` is what somebody may use after it: (kind, name or pattern)."""
    changes = list(_server(stack, before, after))
    for part, word in _PARTS.items():
        was, now = ({entry.key: entry for entry in lock.entries()[part]} for lock in (before, after))
        for key in sorted(was.keys() | now.keys()):
            changes += _entry(stack, word, key, was.get(key), now.get(key), granted)
    return changes


def _server(stack: str, before: ToolLock, after: ToolLock) -> Iterator[Change]:
    one, other = before.server, after.server
    if one.instructions != other.instructions:
        lines = [] if one.instructions is None else [words(one.instructions, other.instructions or "")]
        lines = lines or [f"new words: {_cut(visible(other.instructions or ''))}"]
        gone = other.instructions is None
        title = "the server's instructions " + ("are gone" if gone else "changed" if one.instructions else "are new")
        direction = Direction.TIGHTENS if gone else Direction.LOOSENS
        yield change("lock-instructions", direction, 75, stack, "guard", title, lines)
    for key in ("name", "version", "protocol_versions"):
        was, now = getattr(one, key), getattr(other, key)
        if was != now if key != "protocol_versions" else set(was) != set(now):
            rule = TABLE[f"server.{key}"]
            assert isinstance(rule, Rule)  # noqa: S101 - the table above
            title = f"{rule.what}: {_text(was)} → {_text(now)}"
            yield change("lock-server", Direction.NEUTRAL, rule.risk, stack, "guard", title, [f"neutral: {rule.why}"])


def _usable(word: str, key: str, granted: Collection[tuple[str, str]]) -> bool:
    """Whether a grant may name an entry. A resource may match a pattern, and a template any granted URI: what it makes
    is read by that grant (guard.decide.policy)."""
    if not word.startswith("resource"):
        return (word, key) in granted
    names = [name for kind, name in granted if kind == "resource"]
    return bool(names) and (word != "resource" or key in names or any(c in "*?" for name in names for c in name))


def _entry(
    stack: str, word: str, key: str, was: Entry | None, now: Entry | None, granted: Collection[tuple[str, str]]
) -> Iterator[Change]:
    if was is None and now is not None:
        used = _usable(word, key, granted)  # else neither listed nor callable (guard.decide.grants)
        direction = Direction.LOOSENS if used else Direction.NEUTRAL
        risk = f" [{now.risk}]" if isinstance(now, ToolEntry) else ""
        lines = [f"its words: {_cut(now.description)}"] if now.description else []
        lines += [] if used else ["neutral: no grant names it, so it is neither listed nor callable"]
        yield change("lock-added", direction, 65 if used else 30, stack, "guard", f"{word} {key}{risk} is new", lines)
    elif now is None:
        yield change("lock-removed", Direction.TIGHTENS, 40, stack, "guard", f"{word} {key} is gone")
    elif was is not None:
        if was.sha256 != now.sha256:
            # Approved words reach the model: no text is proven harmless by comparing it.
            lines = list(definition_difference(was.definition, now.definition))
            title = f"{word} {key}: {_places(was.definition, now.definition)} changed"
            weight = 80 if _usable(word, key, granted) else 60
            yield change("lock-definition", Direction.LOOSENS, weight, stack, "guard", title, lines)
        if isinstance(was, ToolEntry) and isinstance(now, ToolEntry):
            yield from _decisions(stack, key, was, now)


def _decisions(stack: str, name: str, was: ToolEntry, now: ToolEntry) -> Iterator[Change]:
    for key in ("risk", "outbound", "cacheable", "reasons"):
        one, other = getattr(was, key), getattr(now, key)
        rule = TABLE[f"tools[].{key}"]
        if one == other or not isinstance(rule, Rule) or (key == "reasons" and set(one) == set(other)):
            continue
        direction = rule.judge(one, other)
        lines = [f"neutral: {rule.why}"] if direction is Direction.NEUTRAL else []
        title = f"tool {name}: {rule.what}: {_text(one)} → {_text(other)}"
        yield change(f"lock-{key}", direction, rule.risk, stack, "guard", title, lines)


def _places(before: dict[str, Any], after: dict[str, Any]) -> str:
    changed = {key for key in {*before, *after} if key not in before or key not in after or before[key] != after[key]}
    names = {"description": "text", "inputSchema": "input schema", "outputSchema": "output schema"}
    found = sorted(names.get(key, visible(key)) for key in changed)
    return ", ".join(found) or "definition"


def definition_difference(before: Any, after: Any, pointer: str = "") -> Iterator[str]:
    """Every place where two definitions differ, by JSON pointer (RFC 6901); texts word by word, hidden characters shown."""
    if isinstance(before, dict) and isinstance(after, dict):
        for key in sorted(before.keys() | after.keys()):
            here = f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}"
            if key not in before:
                yield f"{visible(here)}: new, {_text(after[key])}"
            elif key not in after:
                yield f"{visible(here)}: gone, was {_text(before[key])}"
            else:
                yield from definition_difference(before[key], after[key], here)
    elif isinstance(before, list) and isinstance(after, list) and len(before) == len(after):
        for index, (one, other) in enumerate(zip(before, after, strict=True)):
            yield from definition_difference(one, other, f"{pointer}/{index}")
    elif isinstance(before, str) and isinstance(after, str):
        if before != after:
            yield f"{visible(pointer)}: {words(before, after)}"
    elif digest(before) != digest(after):
        yield f"{visible(pointer) or 'definition'}: {_text(before)} → {_text(after)}"


def words(before: str, after: str) -> str:
    """Two texts word by word, ``[-gone-] {+new+}``; long runs of equal words are left out, and said so."""
    return _cut(word_difference(visible(before), visible(after))) or "only white space changed"


def _text(value: Any) -> str:
    return _cut(visible(json.dumps(value, ensure_ascii=False, sort_keys=True)))


def _cut(text: str) -> str:
    if len(text) <= _MAX_TEXT:
        return text
    return f"{text[:_MAX_TEXT]}… ({len(text) - _MAX_TEXT} more characters, {digest(text)[:19]}…)"
