"""A server's current offer compared with its tool lock, and the rows and lines in which commands show both.

The comparison of two locks itself is in `operations.onboard.lock`.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from model.server import Origin
from model.text import visible
from model.tool_lock import ToolLock
from operations.onboard.lock import LockChange, build_lock, compare
from operations.onboard.risk import Concern, examine
from wire.mcp import ServerOffer, probe, target_of


@dataclass(frozen=True)
class Comparison:
    """The difference between a running server and its lock. `new` is the lock it would get, reviewed decisions kept."""

    new: ToolLock
    changes: tuple[LockChange, ...]
    concerns: tuple[Concern, ...]

    @property
    def is_unchanged(self) -> bool:
        return not self.changes


def ask_server(origin: Origin, timeout: float) -> ServerOffer:
    return probe(target_of(origin), timeout=timeout)


def compared(lock: ToolLock, offer: ServerOffer) -> Comparison:
    """Compare a server's offer with its lock.

    Only concerns about changed entries are returned: the reviewer saw those about unchanged entries when approving them.
    """
    new = build_lock(offer, lock)
    changes = compare(lock, new)
    changed = {("server" if change.part == "instructions" else change.part, change.name) for change in changes}
    names = {("resource", entry.uri): entry.name for entry in new.resources}
    names.update({("resource template", entry.uri_template): entry.name for entry in new.resource_templates})
    touched = {(part, names.get((part, key), key)) for part, key in changed}
    concerns = tuple(concern for concern in examine(offer) if (concern.part, concern.name) in touched)
    return Comparison(new, changes, concerns)


def default_grants(lock: ToolLock, concerns: Iterable[Concern]) -> tuple[tuple[str, ...], dict[str, str]]:
    """Choose the tools that are granted at first, and say of each remaining tool why it is withheld.

    A tool is granted only when it reads and raised no concern.
    """
    suspicious = {concern.name for concern in concerns if concern.part == "tool"}
    grants: list[str] = []
    withheld: dict[str, str] = {}
    for tool in lock.tools:
        if tool.risk != "read":
            withheld[tool.name] = f"risk {tool.risk}"
        elif tool.name in suspicious:
            withheld[tool.name] = "has a warning"
        else:
            grants.append(tool.name)
    return tuple(grants), withheld


def tool_rows(lock: ToolLock, grants: Sequence[str], withheld: dict[str, str]) -> list[list[str]]:
    """Make table rows of tool, risk, outbound, grant, reasons."""
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
