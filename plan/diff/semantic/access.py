"""Who may reach a server at all: people, agents, hosted clients, and the countries and posture asked of them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from model.environment import Environment
from model.server import People, Server
from plan.diff.model import Change, Direction, change
from plan.diff.semantic.directions import allow_list


@dataclass(frozen=True)
class Door:
    """One public name: who passes, and what else is asked of people."""

    hostname: str
    principals: frozenset[str]
    countries: frozenset[str] = frozenset()
    posture: frozenset[str] = frozenset()


def doors(settings: Environment, manifest: Server) -> dict[str, Door]:
    """By hosted client; the server's own door under the empty name. Groups are written out."""
    own = _people(settings, manifest.access.people)
    own |= {f"agent {agent}" for agent in manifest.access.agents}
    people = manifest.access.people is not None
    found = {
        "": Door(
            manifest.hostname,
            frozenset(own),
            frozenset(manifest.countries or settings.countries) if people else frozenset(),
            frozenset(manifest.posture) if people else frozenset(),
        )
    }
    for client, hosted in manifest.access.hosted_clients.items():
        found[client] = Door(hosted.hostname, frozenset(_people(settings, hosted.people)))
    return found


def _people(settings: Environment, people: People | None) -> set[str]:
    if people is None:
        return set()
    groups = [settings.groups[name] for name in people.groups]
    found = {f"person {email}" for email in (*people.emails, *(e for g in groups for e in g.emails))}
    found |= {f"everyone at {domain}" for domain in (*people.domains, *(d for g in groups for d in g.domains))}
    for group in groups:
        for claim in group.idp_groups:
            found.add(f"group {claim.group} of {claim.provider}" + (f" ({claim.claim})" if claim.claim else ""))
    return found


def compare_access(
    stack: str, before: dict[str, Door], after: dict[str, Door], everyone_may: Iterable[str] = ()
) -> list[Change]:
    """Changes of who may reach one server; `everyone_may` names what everybody admitted may call after it."""
    may = ", ".join(everyone_may)
    reach = (f"everyone admitted may call: {may}",) if may else ()
    changes: list[Change] = []
    for client in sorted({*before, *after}):
        was, now = before.get(client), after.get(client)
        through = f" through {client}" if client else ""
        if was is None and now is not None:
            title = f"opens {now.hostname}{through} to {_names(now.principals)}"
            changes.append(change("access-opened", Direction.LOOSENS, 90, stack, "edge", title, reach))
        elif now is None and was is not None:
            title = f"closes {was.hostname}{through}"
            changes.append(change("access-closed", Direction.TIGHTENS, 60, stack, "edge", title))
        elif was is not None and now is not None:
            changes += _door(stack, client, was, now, reach)
    return changes


def _door(stack: str, client: str, was: Door, now: Door, reach: tuple[str, ...]) -> Iterator[Change]:
    if client and was.hostname != now.hostname:
        title = f"public name for {client}: {was.hostname} → {now.hostname}"
        yield change("access-hostname", Direction.LOOSENS, 80, stack, "edge", title)
    place = f" through {client}" if client else ""
    if gained := now.principals - was.principals:
        title = f"{_names(gained)} may now reach the server{place}"
        yield change("access-gained", Direction.LOOSENS, 88, stack, "edge", title, reach)
    if lost := was.principals - now.principals:
        title = f"{_names(lost)} may no longer reach the server{place}"
        yield change("access-lost", Direction.TIGHTENS, 60, stack, "edge", title)
    if was.countries != now.countries:
        # No country rule at all only where no person is admitted, and then there is nobody to ask.
        direction = allow_list(was.countries, now.countries) if now.countries else Direction.TIGHTENS
        if not was.countries:
            direction = Direction.NEUTRAL
        if direction is not Direction.NEUTRAL and now.countries:
            title = f"countries people may come from: {_set(was.countries, now.countries)}"
            yield change("access-countries", direction, 75, stack, "edge", title)
    if was.posture != now.posture and _has_people(now) and _has_people(was):
        direction = Direction.LOOSENS if was.posture - now.posture else Direction.TIGHTENS
        title = f"posture rules people's devices must pass: {_set(was.posture, now.posture)}"
        yield change("access-posture", direction, 80, stack, "edge", title)


def _has_people(door: Door) -> bool:
    return any(not name.startswith("agent ") for name in door.principals)


def _set(was: frozenset[str], now: frozenset[str]) -> str:
    return ", ".join([f"+ {name}" for name in sorted(now - was)] + [f"- {name}" for name in sorted(was - now)])


def _names(names: Iterable[str]) -> str:
    return ", ".join(sorted(names))


def compare_identity_providers(stack: str, before: Environment, after: Environment) -> list[Change]:
    """Which providers may sign people in. With none declared all of the account's may (`components.edge.server`)."""
    was, now = set(before.identity_providers), set(after.identity_providers)
    if was == now:
        return []
    title = f"identity providers that may sign people in: {_set(frozenset(was), frozenset(now))}"
    lines: tuple[str, ...] = () if now else ("with none declared, every provider of the account may",)
    lines += () if was else ("none was declared before, so every provider of the account could",)
    return [change("access-providers", allow_list(was, now), 85, stack, "edge", title, lines)]
