"""What a server offers, side by side with its lock, in the form the commands show it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from model.server import Origin
from model.text import visible
from model.tool_lock import ToolLock
from operations.onboard.lock import LockChange, build_lock, compare
from operations.onboard.risk import Concern, examine
from wire.mcp import ServerOffer, probe, target_of

_PLAIN = re.compile(r"[A-Za-z0-9_.\-/:{}]{1,256}")


@dataclass(frozen=True)
class Comparison:
    """A running server against its lock. `new` is the lock it would get; a reviewer's decisions stay in it."""

    new: ToolLock
    changes: tuple[LockChange, ...]
    concerns: tuple[Concern, ...]

    @property
    def same(self) -> bool:
        return not self.changes


def ask_server(origin: Origin, timeout: float) -> ServerOffer:
    return probe(target_of(origin), timeout=timeout)


def compared(lock: ToolLock, offer: ServerOffer) -> Comparison:
    """Concerns are those about entries that changed: the others were approved with them in sight."""
    new = build_lock(offer, lock)
    changes = compare(lock, new)
    changed = {("server" if c.part == "instructions" else c.part, c.name) for c in changes}
    names = {("resource", e.uri): e.name for e in new.resources}
    names.update({("resource template", e.uri_template): e.name for e in new.resource_templates})
    touched = {(part, names.get((part, key), key)) for part, key in changed}
    concerns = tuple(c for c in examine(offer) if (c.part, c.name) in touched)
    return Comparison(new, changes, concerns)


def default_grants(lock: ToolLock, concerns: Iterable[Concern]) -> tuple[tuple[str, ...], dict[str, str]]:
    """Tools to grant at first, and why each other one is not: only what reads, has a plain name and nothing odd in it."""
    odd = {concern.name for concern in concerns if concern.part == "tool"}
    grants: list[str] = []
    withheld: dict[str, str] = {}
    for tool in lock.tools:
        if tool.risk != "read":
            withheld[tool.name] = f"risk {tool.risk}"
        elif tool.name in odd:
            withheld[tool.name] = "has a warning"
        elif not _PLAIN.fullmatch(tool.name):
            withheld[tool.name] = "its name cannot stand in a grant"
        else:
            grants.append(tool.name)
    return tuple(grants), withheld


def tool_rows(lock: ToolLock, grants: Sequence[str], withheld: dict[str, str]) -> list[list[str]]:
    """Rows of tool, risk, outbound, grant, why."""
    return [
        [
            visible(tool.name),
            tool.risk,
            "yes" if tool.outbound else "no",
            "all" if tool.name in grants else f"nobody: {withheld.get(tool.name, 'no grant')}",
            visible("; ".join(tool.reasons)),
        ]
        for tool in lock.tools
    ]


def concern_lines(concerns: Iterable[Concern]) -> list[str]:
    return [visible(str(concern)) for concern in concerns]


def changes_json(changes: Iterable[LockChange]) -> list[dict[str, Any]]:
    return [{**asdict(change), "blocks": change.blocks} for change in changes]
