"""Building a tool lock from a server's offer, and comparing two locks of one server.

`build_lock` pins what the server offers at the moment; `compare` lists the changes between two locks. A decision that a
person made about a tool (risk, outbound, parameters …) is kept as long as its definition is unchanged; a changed tool is
judged anew. Reading and writing of the lock file is in `model.tool_lock`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal, TypeVar

from model.canonical import digest
from model.difference import ValueChange, pointers, short_json
from model.errors import InputError
from model.parameter_kinds import kinds_to_compare, parameter_kinds
from model.text import visible
from model.tool_lock import (
    Entry,
    LockedServer,
    PromptEntry,
    ResourceEntry,
    ResourceTemplateEntry,
    ToolEntry,
    ToolLock,
    readable_description,
)
from model.word_difference import word_difference
from operations.onboard.risk import assess

if TYPE_CHECKING:
    from wire.mcp import ServerOffer

E = TypeVar("E", bound=Entry)


@dataclass(frozen=True)
class LockChange:
    """One entry of a lock that was added, removed or changed.

    `text` is the word-level difference of its readable description (or of the instructions). `values` holds every changed
    JSON pointer of its definition, `decisions` every change of a reviewer's decision (risk, outbound, parameters …).
    """

    kind: Literal["added", "removed", "changed"]
    part: Literal["server", "instructions", "tool", "prompt", "resource", "resource template"]
    name: str
    text: str = ""
    values: tuple[ValueChange, ...] = ()
    decisions: tuple[ValueChange, ...] = ()
    risk: str | None = None

    @property
    def blocks(self) -> bool:
        """True when the guard refuses the running server's version of this entry until the lock is updated."""
        return self.part != "server" and (self.kind == "added" or bool(self.values or self.text))


def build_lock(offer: ServerOffer, previous: ToolLock | None = None) -> ToolLock:
    """Build the lock of everything that the server offers, its entries sorted by key.

    A tool whose definition is unchanged since `previous` keeps the entry, and so the decisions, of that lock.

    Raises:
        InputError: the offer cannot be pinned: an entry without a name, or two with one name.
    """
    previous_tools = {tool.sha256: tool for tool in previous.tools} if previous else {}

    def tool(definition: dict[str, Any], common: dict[str, Any]) -> ToolEntry:
        previous_entry = previous_tools.get(common["sha256"])
        if previous_entry is not None:
            return previous_entry
        judged = assess(definition)
        return ToolEntry(
            **common,
            risk=judged.risk,
            reasons=judged.reasons,
            outbound=judged.outbound,
            parameters=parameter_kinds(definition, judged.risk),
        )

    return ToolLock(
        server=LockedServer(
            name=offer.name,
            version=offer.version,
            protocol_versions=offer.protocol_versions,
            instructions=offer.instructions,
            instructions_sha256=None if offer.instructions is None else digest(offer.instructions),
        ),
        tools=_entries("tool", offer.tools, tool),
        prompts=_entries("prompt", offer.prompts, lambda _, common: PromptEntry(**common)),
        resources=_entries(
            "resource", offer.resources, lambda item, common: ResourceEntry(**common, uri=_key(item, "uri"))
        ),
        resource_templates=_entries(
            "resource template",
            offer.resource_templates,
            lambda item, common: ResourceTemplateEntry(**common, uri_template=_key(item, "uriTemplate")),
        ),
    )


def _key(definition: dict[str, Any], key: str) -> str:
    value = definition.get(key)
    if not isinstance(value, str) or not value:
        raise InputError(f"the server offers something without a {key}", remedy="have the server corrected")
    return value


def _entries(
    part: str, definitions: Sequence[dict[str, Any]], make: Callable[[dict[str, Any], dict[str, Any]], E]
) -> tuple[E, ...]:
    entries: dict[str, E] = {}
    for definition in definitions:
        name = _key(definition, "name")
        common = {
            "name": name,
            "description": readable_description(definition),
            "sha256": digest(definition),
            "definition": definition,
        }
        entry = make(definition, common)
        if entry.key in entries:
            raise InputError(
                f"the server offers the {part} {visible(entry.key)} twice, so a call could mean either",
                remedy="have the server corrected",
            )
        entries[entry.key] = entry
    return tuple(entries[key] for key in sorted(entries))


def compare(old: ToolLock, new: ToolLock) -> tuple[LockChange, ...]:
    """List the changes from `old` to `new`: server, instructions, then tools, prompts, resources and templates by key."""
    changes = [*_server(old.server, new.server)]
    changes += _compare("tool", old.tools, new.tools)
    changes += _compare("prompt", old.prompts, new.prompts)
    changes += _compare("resource", old.resources, new.resources)
    changes += _compare("resource template", old.resource_templates, new.resource_templates)
    return tuple(changes)


def _server(old: LockedServer, new: LockedServer) -> Iterator[LockChange]:
    keys = ("name", "version", "protocol_versions")
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
        elif base is not None and (base.sha256 != head.sha256 or operator.ne(*_decisions(base, head))):
            yield LockChange(
                "changed",
                part,
                key,
                word_difference(base.description, head.description),
                tuple(pointers(base.definition, head.definition)) if base.sha256 != head.sha256 else (),
                tuple(pointers(*_decisions(base, head))),
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
    return decisions


_SIGNS = {"added": "+", "removed": "-", "changed": "~"}


def render(changes: Iterable[LockChange]) -> list[str]:
    """Render the changes as plain text: one line for each, its details indented below it, hidden characters made visible."""
    lines = []
    for change in changes:
        risk = f" (risk: {change.risk})" if change.risk and change.kind == "added" else ""
        name = "" if change.part == "instructions" else f" {visible(change.name)}"
        lines.append(f"{_SIGNS[change.kind]} {change.part}{name} {change.kind}{risk}")
        if change.text:
            lines.append(f"    {change.text}")
        for value in (*change.values, *change.decisions):
            lines.append(f"    {visible(value.pointer) or 'text'}: {_arrow(value)}")
    return lines


def _arrow(value: ValueChange) -> str:
    if value.before is None:
        return f"new, {value.after}"
    if value.after is None:
        return f"gone, was {value.before}"
    return f"{value.before} -> {value.after}"
