"""Compares the MCP portal of an environment: who may use it, what it offers of which server, and as whom it calls."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from components.edge.offered import offered_prompts, offered_tools
from model.clients import client_name, redirect_uris
from model.portal import Portal
from model.stacks import EnvironmentStack
from plan.diff.model import Change, Direction, change
from plan.diff.semantic.access import Door, compare_access, people_of
from plan.diff.semantic.clients import ANY, LOOPBACK, Clients, compare_clients
from plan.diff.semantic.directions import Delegated, KeyRule, Table, ladder, longer_loosens

_DELEGATED = (
    "", ".hostname", ".servers", ".people", ".people.emails", ".people.domains", ".people.groups", ".agents", ".shared",
    ".countries", ".posture", ".clients", ".clients[].name", ".clients[].redirect_uris", ".session", ".code_mode",
)  # fmt: skip
TABLE: Table = {f"portal{key}": Delegated("portal") for key in _DELEGATED}
_SESSION = KeyRule(longer_loosens, "how long a sign-in to the portal lasts", "edge", 65)
_CODE_MODE = ladder("enforced", "default_on", "opt_in", "off")


@dataclass(frozen=True)
class _PortalSide:
    """One side's portal, its names resolved."""

    portal: Portal
    door: Door
    clients: Clients
    #: Tools and prompts that are on, by server.
    on: dict[str, frozenset[str]]


def compare_portal(base: EnvironmentStack | None, head: EnvironmentStack | None) -> list[Change]:
    """Changes of one environment's portal, those by its servers' locks and grants among them."""
    stack = next((side.stack for side in (head, base) if side is not None), "")
    base_side, head_side = _side(base), _side(head)
    doors = ({"the portal": side.door} if side else {} for side in (base_side, head_side))
    changes = compare_access(stack, *doors)
    if head_side is not None:
        changes += _servers(stack, base_side, head_side)
    if base_side is not None and head_side is not None:
        changes += compare_clients(stack, base_side.clients, head_side.clients)
        changes += _settings(stack, base_side.portal, head_side.portal)
    elif head_side is not None and head_side.portal.code_mode:
        changes.append(_code_mode(stack, "off", head_side.portal.code_mode))
    return changes


def _side(environment: EnvironmentStack | None) -> _PortalSide | None:
    if environment is None or (portal := environment.settings.portal) is None:
        return None
    settings = environment.settings
    people = people_of(settings, portal.people)
    door = Door(
        portal.hostname,
        frozenset(people | {f"agent {agent}" for agent in portal.agents}),
        frozenset(portal.countries or settings.countries) if portal.people else frozenset(),
        frozenset(portal.posture) if portal.people else frozenset(),
    )
    clients: Clients = {ANY: LOOPBACK}
    if portal.clients is not None:
        clients = {client_name(client): redirect_uris(client) for client in portal.clients}
    on = {}
    for name in portal.published(environment.servers):
        server = environment.servers[name]
        tools, prompts = offered_tools(server, portal), offered_prompts(server, portal)
        on[name] = frozenset(
            [tool for tool, enabled in tools.items() if enabled]
            + [f"prompt {prompt}" for prompt, enabled in prompts.items() if enabled]
        )
    return _PortalSide(portal, door, clients, on)


def _servers(stack: str, base: _PortalSide | None, head: _PortalSide) -> Iterator[Change]:
    before = base.on if base else {}
    for server in sorted({*before, *head.on}):
        if server not in head.on:
            title = f"the portal no longer offers {server}"
            yield change("portal-server-lost", Direction.TIGHTENS, 50, stack, "edge", title)
            continue
        gained = sorted(head.on[server] - before.get(server, frozenset()))
        lost = sorted(before.get(server, frozenset()) - head.on[server])
        if server not in before:
            title = f"the portal offers {server}: {', '.join(gained) or 'none of its tools'}"
            yield change("portal-server-gained", Direction.LOOSENS, 80, stack, "edge", title)
        elif gained:
            title = f"the portal offers more of {server}: {', '.join(gained)}"
            yield change("portal-tools-gained", Direction.LOOSENS, 70, stack, "edge", title)
        if lost:
            title = f"the portal offers less of {server}: {', '.join(lost)} is off"
            yield change("portal-tools-lost", Direction.TIGHTENS, 40, stack, "edge", title)
        agent, former = head.portal.shared.get(server), base.portal.shared.get(server) if base else None
        if agent != former:
            # Either way somebody else acts: everybody with one agent's rights, or each person with their own.
            caller = f"agent {agent}, whoever uses it" if agent else "the person who uses it"
            title = f"the portal calls {server} as {caller}"
            yield change("portal-caller", Direction.LOOSENS, 85, stack, "edge", title)


def _settings(stack: str, base: Portal, head: Portal) -> Iterator[Change]:
    if (direction := _SESSION.judge(base.session, head.session)) is not Direction.NEUTRAL:
        title = f"{_SESSION.label}: {base.session} → {head.session}"
        yield change("portal-session", direction, _SESSION.risk, stack, _SESSION.ring, title)
    if base.code_mode != head.code_mode:
        yield _code_mode(stack, base.code_mode or "off", head.code_mode or "off")


def _code_mode(stack: str, base: str, head: str) -> Change:
    title = f"code that clients may run in the portal: {base} → {head}"
    return change("portal-code-mode", _CODE_MODE(base, head), 75, stack, "edge", title)
