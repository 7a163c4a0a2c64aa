"""Compares who may reach a server at all: people, agents and hosted clients, and the countries and posture required of
them. What they may call once admitted is compared in `grants`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from model.environment import Environment
from model.server import People
from model.stacks import PerimeterManifest
from plan.diff.model import Change, Direction, change
from plan.diff.semantic.directions import allow_list


@dataclass(frozen=True)
class Door:
    """One public name: who is admitted by it, and what else is required of people."""

    hostname: str
    principals: frozenset[str]
    countries: frozenset[str] = frozenset()
    posture: frozenset[str] = frozenset()


def doors(settings: Environment, manifest: PerimeterManifest) -> dict[str, Door]:
    """The doors of a server by hosted client, its own public name under the empty one. Groups are resolved to people."""
    principals = people_of(settings, manifest.access.people)
    principals |= {f"agent {agent}" for agent in manifest.access.agents}
    people = manifest.access.people is not None
    doors_by_client = {
        "": Door(
            manifest.hostname,
            frozenset(principals),
            frozenset(manifest.countries or settings.countries) if people else frozenset(),
            frozenset(manifest.posture) if people else frozenset(),
        )
    }
    for client, hosted in manifest.access.hosted_clients.items():
        doors_by_client[client] = Door(hosted.hostname, frozenset(people_of(settings, hosted.people)))
    return doors_by_client


def people_of(settings: Environment, people: People | None) -> set[str]:
    """The people whom a manifest names, its groups resolved, in a reviewer's words."""
    if people is None:
        return set()
    groups = [settings.groups[name] for name in people.groups]
    principals = {f"person {email}" for email in (*people.emails, *(e for g in groups for e in g.emails))}
    principals |= {f"everyone at {domain}" for domain in (*people.domains, *(d for g in groups for d in g.domains))}
    for group in groups:
        for claim in group.idp_groups:
            principals.add(f"group {claim.group} of {claim.provider}" + (f" ({claim.claim})" if claim.claim else ""))
    return principals


def compare_access(
    stack: str, base: dict[str, Door], head: dict[str, Door], everyone_may: Iterable[str] = ()
) -> list[Change]:
    """Changes of who may reach one server; `everyone_may` names what everybody admitted may call after it."""
    names = ", ".join(everyone_may)
    reach = (f"everyone admitted may call: {names}",) if names else ()
    changes: list[Change] = []
    for client in sorted({*base, *head}):
        base_door, head_door = base.get(client), head.get(client)
        suffix = f" through {client}" if client else ""
        if base_door is None and head_door is not None:
            title = f"opens {head_door.hostname}{suffix} to {_names(head_door.principals)}"
            changes.append(change("access-opened", Direction.LOOSENS, 90, stack, "edge", title, reach))
        elif head_door is None and base_door is not None:
            title = f"closes {base_door.hostname}{suffix}"
            changes.append(change("access-closed", Direction.TIGHTENS, 60, stack, "edge", title))
        elif base_door is not None and head_door is not None:
            changes += _door(stack, client, base_door, head_door, reach)
    return changes


def _door(stack: str, client: str, base: Door, head: Door, reach: tuple[str, ...]) -> Iterator[Change]:
    if client and base.hostname != head.hostname:
        title = f"public name for {client}: {base.hostname} → {head.hostname}"
        yield change("access-hostname", Direction.LOOSENS, 80, stack, "edge", title)
    suffix = f" through {client}" if client else ""
    if gained := head.principals - base.principals:
        title = f"{_names(gained)} may now reach the server{suffix}"
        yield change("access-gained", Direction.LOOSENS, 88, stack, "edge", title, reach)
    if lost := base.principals - head.principals:
        title = f"{_names(lost)} may no longer reach the server{suffix}"
        yield change("access-lost", Direction.TIGHTENS, 60, stack, "edge", title)
    if base.countries != head.countries:
        # There is no country rule only where no person is admitted, and then it would apply to nobody.
        direction = allow_list(base.countries, head.countries) if head.countries else Direction.TIGHTENS
        if not base.countries:
            direction = Direction.NEUTRAL
        if direction is not Direction.NEUTRAL and head.countries:
            title = f"countries people may come from: {_set(base.countries, head.countries)}"
            yield change("access-countries", direction, 75, stack, "edge", title)
    if base.posture != head.posture and _has_people(head) and _has_people(base):
        direction = Direction.LOOSENS if base.posture - head.posture else Direction.TIGHTENS
        title = f"posture rules people's devices must pass: {_set(base.posture, head.posture)}"
        yield change("access-posture", direction, 80, stack, "edge", title)


def _has_people(door: Door) -> bool:
    return any(not name.startswith("agent ") for name in door.principals)


def _set(base: frozenset[str], head: frozenset[str]) -> str:
    return ", ".join([f"+ {name}" for name in sorted(head - base)] + [f"- {name}" for name in sorted(base - head)])


def _names(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def compare_identity_providers(stack: str, base: Environment, head: Environment) -> list[Change]:
    """Changes of which identity providers may sign people in; with none declared, all of the account's may
    (`components.edge.server`)."""
    base_providers, head_providers = set(base.identity_providers), set(head.identity_providers)
    if base_providers == head_providers:
        return []
    title = f"identity providers that may sign people in: {_set(frozenset(base_providers), frozenset(head_providers))}"
    lines: tuple[str, ...] = () if head_providers else ("with none declared, every provider of the account may",)
    lines += () if base_providers else ("none was declared before, so every provider of the account could",)
    return [change("access-providers", allow_list(base_providers, head_providers), 85, stack, "edge", title, lines)]
