"""Building a tool lock from a server's offer, and comparing two locks of one server.

`build_lock` pins what the server offers at the moment; `compare` lists the changes between two locks. A decision that a
person made about a tool (risk, outbound, parameters …) is kept as long as its definition is unchanged; a changed tool is
judged anew. Reading and writing of the lock file is in `model.tool_lock`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar, cast

from model.canonical import digest
from model.definitions import same_meaning
from model.difference import ValueChange, pointers, short_json
from model.parameter_kinds import kinds_to_compare, parameter_kinds
from model.strict_arguments import names_only_some
from model.text import visible
from model.tool_lock import (
    Entry,
    EntryKind,
    LeftOut,
    LockedServer,
    PromptEntry,
    ResourceEntry,
    ResourceTemplateEntry,
    ToolEntry,
    ToolLock,
    readable_description,
)
from model.word_difference import word_difference
from operations.onboard.acceptance import acceptance_changes
from operations.onboard.definitions import Pinnable, sift
from operations.onboard.risk import assess, traits_of
from operations.onboard.risk_secrets import ServerTraits

if TYPE_CHECKING:
    from wire.mcp import ServerOffer

E = TypeVar("E", bound=Entry)
Part = Literal["server", "instructions", "tool", "prompt", "resource", "resource template", "left out"]


@dataclass(frozen=True)
class LockChange:
    """One entry of a lock that was added, removed or changed.

    `text` is the word-level difference of its readable description (or of the instructions). `values` holds every changed
    JSON pointer of its definition, `decisions` every change of a reviewer's decision (risk, outbound, parameters …).
    """

    kind: Literal["added", "removed", "changed"]
    part: Part
    name: str
    text: str = ""
    values: tuple[ValueChange, ...] = ()
    decisions: tuple[ValueChange, ...] = ()
    risk: str | None = None

    @property
    def blocks(self) -> bool:
        """True when the guard refuses the running server's version of this entry until the lock is updated."""
        return self.part not in ("server", "left out") and (self.kind == "added" or bool(self.values or self.text))


def build_lock(offer: ServerOffer, previous: ToolLock | None = None) -> ToolLock:
    """Build the lock of everything that can be pinned, its entries sorted by key; the rest is in its `left_out`.

    An entry that means the same as in `previous` is that lock's entry, with its decisions.
    """
    sifted = sift(offer)
    pinned = {} if previous is None else previous.entries()
    known = {(kind, entry.key): entry for kind, entries in pinned.items() for entry in entries}

    def entries_of(kind: EntryKind, make: Callable[[Pinnable, dict[str, Any]], E]) -> tuple[E, ...]:
        return tuple(_entry(known.get((kind, item.key)), item, make) for item in sifted.pinnable[kind])

    traits = traits_of([item.definition for item in sifted.pinnable["tools"]], offer.name)

    return ToolLock(
        strict_arguments=previous is not None and previous.strict_arguments,
        server=LockedServer(
            name=offer.name,
            version=offer.version,
            protocol_versions=offer.protocol_versions,
            instructions=offer.instructions,
            instructions_sha256=None if offer.instructions is None else digest(offer.instructions),
            client_capabilities=offer.client_capabilities,
        ),
        tools=entries_of("tools", lambda item, common: _tool(item, common, traits)),
        prompts=entries_of("prompts", lambda _, common: PromptEntry(**common)),
        resources=entries_of("resources", lambda item, common: ResourceEntry(**common, uri=item.key)),
        resource_templates=entries_of(
            "resource_templates", lambda item, common: ResourceTemplateEntry(**common, uri_template=item.key)
        ),
        left_out=sifted.left_out,
    )


def _entry(previous: Any, item: Pinnable, make: Callable[[Pinnable, dict[str, Any]], E]) -> E:
    if previous is not None and same_meaning(previous.definition, item.definition):
        # What is left to the server follows from the definition and from what RE2 takes.
        derived = {"left_to_server": item.left_to_server} if isinstance(previous, ToolEntry) else {}
        unchanged: E = previous.model_copy(update=derived)
        return unchanged
    common = {
        "name": item.definition["name"],
        "description": readable_description(item.definition),
        "sha256": digest(item.definition),
        "definition": item.definition,
    }
    return make(item, common)


def _tool(item: Pinnable, common: dict[str, Any], traits: ServerTraits) -> ToolEntry:
    judged = assess(item.definition, traits)
    return ToolEntry(
        **common,
        risk=judged.risk,
        reasons=judged.reasons,
        outbound=judged.outbound,
        parameters=parameter_kinds(item.definition, judged.risk),
        # Proposed where it can be decided with nothing in use yet: the maker named the properties and did not think of
        # others. An older lock stays as it is, as its clients may be sending what no schema names.
        strict_arguments=True if names_only_some(item.definition["inputSchema"]) else None,
        left_to_server=item.left_to_server,
    )


def compare(old: ToolLock, new: ToolLock) -> tuple[LockChange, ...]:
    """List the changes from `old` to `new`: server, instructions, then tools, prompts, resources and templates by key."""
    changes = [*_server(old.server, new.server)]
    changes += _compare("tool", old.tools, new.tools)
    changes += _compare("prompt", old.prompts, new.prompts)
    changes += _compare("resource", old.resources, new.resources)
    changes += _compare("resource template", old.resource_templates, new.resource_templates)
    changes += _left_out(old, new)
    changes += _acceptances(old, new)
    return tuple(changes)


def _left_out(old: ToolLock, new: ToolLock) -> Iterator[LockChange]:
    """What is left out on one side alone. A reason in other words, such as that of a failed list, is no change."""
    bases, heads = ({(left_out.kind, left_out.key): left_out for left_out in lock.left_out} for lock in (old, new))
    for place in sorted(bases.keys() ^ heads.keys()):
        if place in heads:
            yield LockChange("added", "left out", subject_of(heads[place]), text=heads[place].reason)
        else:
            yield LockChange("removed", "left out", subject_of(bases[place]))


def subject_of(left_out: LeftOut) -> str:
    """What is left out: ``tool get_screen``, or ``the list of resources``."""
    kind = left_out.kind.replace("_", " ")
    return f"{kind[:-1]} {left_out.key}" if left_out.key else f"the list of {kind}"


def _acceptances(old: ToolLock, new: ToolLock) -> Iterator[LockChange]:
    parts: dict[str, Part] = {"resource_templates": "resource template", "instructions": "instructions"}
    for kind, key, change in acceptance_changes(old, new):
        part = parts.get(kind) or cast("Part", kind.removesuffix("s"))
        yield LockChange("changed", part, key or new.server.name, decisions=(change,))


def _server(old: LockedServer, new: LockedServer) -> Iterator[LockChange]:
    keys = ("name", "version", "protocol_versions", "client_capabilities")
    base, head = ({key: value for key, value in server.dump().items() if key in keys} for server in (old, new))
    values = tuple(pointers(base, head))
    if values:
        yield LockChange("changed", "server", new.name, decisions=values)
    if old.instructions != new.instructions:
        kind: Literal["added", "removed", "changed"] = (
            "added" if old.instructions is None else "removed" if new.instructions is None else "changed"
        )
        text = word_difference(visible(old.instructions or ""), visible(new.instructions or ""))
        values = () if text else (ValueChange("", short_json(old.instructions), short_json(new.instructions)),)
        yield LockChange(kind, "instructions", new.name, text, values)


def _compare(
    part: Literal["tool", "prompt", "resource", "resource template"], old: Iterable[Entry], new: Iterable[Entry]
) -> Iterator[LockChange]:
    bases, heads = ({entry.key: entry for entry in entries} for entries in (old, new))
    for key in sorted(bases.keys() | heads.keys()):
        base, head = bases.get(key), heads.get(key)
        risk = head.risk if isinstance(head, ToolEntry) else None
        if base is None and head is not None:
            yield LockChange("added", part, key, text=head.description, risk=risk)
        elif head is None:
            yield LockChange("removed", part, key)
        elif base is not None:
            equal = base.sha256 == head.sha256 or same_meaning(base.definition, head.definition)
            base_decisions, head_decisions = _decisions(base, head)
            if equal and base_decisions == head_decisions:
                continue
            yield LockChange(
                "changed",
                part,
                key,
                word_difference(base.description, head.description),
                () if equal else tuple(pointers(base.definition, head.definition)),
                tuple(pointers(base_decisions, head_decisions)),
                risk,
            )


def _decisions(base: Entry, head: Entry) -> tuple[dict[str, Any], dict[str, Any]]:
    """What a reviewer decided about two entries of one key."""
    sides = tuple(_own_decisions(entry) for entry in (base, head))
    if isinstance(base, ToolEntry) and isinstance(head, ToolEntry):
        for side, kinds in zip(sides, kinds_to_compare(base, head), strict=True):
            side["parameters"] = kinds
    return sides[0], sides[1]


def _own_decisions(entry: Entry) -> dict[str, Any]:
    media_types = sorted(getattr(entry, "media_types", ()))
    decisions: dict[str, Any] = {"media_types": media_types} if media_types else {}
    if isinstance(entry, ToolEntry):
        decisions |= {"risk": entry.risk, "outbound": entry.outbound, "cacheable": entry.cacheable}
        if entry.strict_arguments is not None:
            decisions["strict_arguments"] = entry.strict_arguments
        if entry.left_to_server:
            # Not a decision of a reviewer, but what the guard enforces depends on it too.
            decisions["left_to_server"] = list(entry.left_to_server)
    return decisions


_SIGNS = {"added": "+", "removed": "-", "changed": "~"}


def render(changes: Iterable[LockChange]) -> list[str]:
    """Render the changes as plain text: one line for each, its details indented below it, hidden characters made visible."""
    lines = []
    for change in changes:
        if change.part == "left out":
            state = f"is left out: {change.text}" if change.kind == "added" else "is no longer left out"
            lines.append(f"{_SIGNS[change.kind]} {visible(change.name)} {state}")
            continue
        risk = f" (risk: {change.risk})" if change.risk and change.kind == "added" else ""
        name = "" if change.part == "instructions" else f" {visible(change.name)}"
        lines.append(f"{_SIGNS[change.kind]} {change.part}{name} {change.kind}{risk}")
        if change.text:
            lines.append(f"    {change.text}")
        for value in (*change.values, *change.decisions):
            lines.append(f"    {visible(value.pointer) or 'text'}: {_arrow(value)}")
    return lines


def _arrow(value: ValueChange) -> str:
    if value.order_only:
        return f"only the order, {value.before} -> {value.after}"
    if value.before is None:
        return f"new, {value.after}"
    if value.after is None:
        return f"gone, was {value.before}"
    return f"{value.before} -> {value.after}"
