"""A server's current offer compared with its tool lock, and the rows and lines in which commands show both.

The comparison of two locks itself is in `operations.onboard.lock`.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, get_args

from guard.inspect.definitions import definition_findings
from guard.probe.probe import probe
from model.errors import InputError
from model.server import Origin
from model.text import visible
from model.tool_lock import ClientCapability, ToolLock
from operations.onboard.acceptance import keep_acceptances, with_notes
from operations.onboard.lock import LockChange, build_lock, compare, subject_of
from operations.onboard.risk import Concern, examine
from wire.mcp import ServerOffer


@dataclass(frozen=True)
class Comparison:
    """The difference between a running server and its lock. `new` is the lock it would get, reviewed decisions kept;
    `notes` say what of the server does not hold, where it was asked twice."""

    new: ToolLock
    changes: tuple[LockChange, ...]
    concerns: tuple[Concern, ...]
    notes: tuple[str, ...] = ()

    @property
    def is_unchanged(self) -> bool:
        return not self.changes


def ask_server(origin: Origin, timeout: float, capabilities: tuple[ClientCapability, ...] = ()) -> ServerOffer:
    """What the server offers to a client with these capabilities; raises as `guard.probe.probe.probe`."""
    return probe(origin, timeout=timeout, client_capabilities=capabilities)


def capabilities_of(text: str | None, lock: ToolLock | None = None) -> tuple[ClientCapability, ...]:
    """The capabilities that `--client-capabilities` names, else those that the lock was made with.

    Raises:
        InputError: it names what no client has.
    """
    if text is None:
        return lock.server.client_capabilities if lock is not None else ()
    known = get_args(ClientCapability)
    names = sorted({name.strip() for name in text.split(",")} - {"", "none"})
    for name in names:
        if name not in known:
            raise InputError(
                f"{visible(name)} is none",
                key="--client-capabilities",
                remedy=f"give some of {', '.join(known)}, or none",
            )
    return tuple(capability for capability in known if capability in names)


def compared(lock: ToolLock, offer: ServerOffer, foreign_names: Iterable[str] = ()) -> Comparison:
    """Compare a server's offer with its lock; `foreign_names` are the tools of further servers.

    Only concerns about changed entries are returned: the reviewer saw those about unchanged entries when approving them.
    """
    new = lock_of(offer, lock)
    changes = compare(lock, new)
    changed = {("server" if change.part == "instructions" else change.part, change.name) for change in changes}
    names = {("resource", entry.uri): entry.name for entry in new.resources}
    names.update({("resource template", entry.uri_template): entry.name for entry in new.resource_templates})
    touched = {(part, names.get((part, key), key)) for part, key in changed}
    pinned = pinned_offer(offer, new)
    concerns = tuple(concern for concern in examine(pinned, foreign_names) if (concern.part, concern.name) in touched)
    return Comparison(new, changes, concerns)


def lock_of(offer: ServerOffer, previous: ToolLock | None = None) -> ToolLock:
    """The lock of an offer as a reviewer is shown it: with the decisions of `previous`, and with the guard's notes."""
    lock = build_lock(offer, previous)
    return with_notes(lock if previous is None else keep_acceptances(lock, previous))


def pinned_offer(offer: ServerOffer, lock: ToolLock) -> ServerOffer:
    """The offer without what its lock leaves out."""
    tools, prompts, resources, templates = (
        tuple(entry.definition for entry in entries) for entries in lock.entries().values()
    )
    return replace(offer, tools=tools, prompts=prompts, resources=resources, resource_templates=templates)


def left_out_lines(lock: ToolLock) -> list[str]:
    """What cannot be used although the server offers it, and what the guard leaves to the server, each with the reason."""
    return [
        *(f"{visible(subject_of(left_out))} is left out: {left_out.reason}" for left_out in lock.left_out),
        *(
            f"{visible(tool.name)}: the guard cannot match the pattern at {visible(place)} in linear time, so only the "
            "server enforces it"
            for tool in lock.tools
            for place in tool.left_to_server
        ),
    ]


def with_acceptances(comparison: Comparison, lock: ToolLock, accepted: ToolLock) -> Comparison:
    """The comparison with `lock`, once a reviewer has accepted findings in the new one."""
    return replace(comparison, new=accepted, changes=compare(lock, accepted))


def default_grants(
    lock: ToolLock, concerns: Iterable[Concern], unstable: Collection[str] = ()
) -> tuple[tuple[str, ...], dict[str, str]]:
    """Choose the tools that are granted at first, and say of each remaining tool why it is withheld.

    A tool is granted only when it reads, raised no concern, quotes no attack and is the same at each start, and the guard
    will show it.
    """
    hidden = {(finding.kind, finding.key) for finding in definition_findings(lock) if finding.withholds}
    suspicious = {concern.name for concern in concerns if concern.part == "tool"}
    grants: list[str] = []
    withheld: dict[str, str] = {}
    for tool in lock.tools:
        if tool.risk != "read":
            withheld[tool.name] = f"risk {tool.risk}"
        elif ("tools", tool.name) in hidden:
            withheld[tool.name] = "has a finding of the guard that nobody accepted"
        elif tool.noted:
            withheld[tool.name] = "has a note of the guard"
        elif tool.name in suspicious:
            withheld[tool.name] = "has a warning"
        elif tool.name in unstable:
            withheld[tool.name] = "not the same at each start"
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
