"""A server's current offer compared with its tool lock, and the rows and lines in which commands show both.

The comparison of two locks itself is in `operations.onboard.lock`.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from guard.inspect.definitions import definition_findings
from model.server import Origin
from model.text import visible
from model.tool_lock import ToolLock
from operations.onboard.acceptance import keep_acceptances
from operations.onboard.lock import LockChange, build_lock, compare
from operations.onboard.risk import Concern, examine
from wire.mcp import ServerOffer, probe, target_of

_PLAIN = re.compile(r"[A-Za-z0-9_.\-/:{}]{1,256}")


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
    new = keep_acceptances(build_lock(offer, lock), lock)
    changes = compare(lock, new)
    changed = {("server" if change.part == "instructions" else change.part, change.name) for change in changes}
    names = {("resource", entry.uri): entry.name for entry in new.resources}
    names.update({("resource template", entry.uri_template): entry.name for entry in new.resource_templates})
    touched = {(part, names.get((part, key), key)) for part, key in changed}
    concerns = tuple(concern for concern in examine(offer) if (concern.part, concern.name) in touched)
    return Comparison(new, changes, concerns)


def with_acceptances(comparison: Comparison, lock: ToolLock, accepted: ToolLock) -> Comparison:
    """The comparison with `lock`, once a reviewer has accepted findings in the new one."""
    return replace(comparison, new=accepted, changes=compare(lock, accepted))


def default_grants(lock: ToolLock, concerns: Iterable[Concern]) -> tuple[tuple[str, ...], dict[str, str]]:
    """Choose the tools that are granted at first, and say of each remaining tool why it is withheld.

    A tool is granted only when it reads, has a plain name and raised no concern, and the guard will show it.
    """
    hidden = {(finding.kind, finding.key) for finding in definition_findings(lock) if not finding.accepted}
    suspicious = {concern.name for concern in concerns if concern.part == "tool"}
    grants: list[str] = []
    withheld: dict[str, str] = {}
    for tool in lock.tools:
        if tool.risk != "read":
            withheld[tool.name] = f"risk {tool.risk}"
        elif ("tools", tool.name) in hidden:
            withheld[tool.name] = "has a finding of the guard that nobody accepted"
        elif tool.name in suspicious:
            withheld[tool.name] = "has a warning"
        elif not _PLAIN.fullmatch(tool.name):
            withheld[tool.name] = "its name cannot stand in a grant"
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
