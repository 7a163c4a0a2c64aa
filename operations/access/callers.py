"""Who may use one tool, prompt, resource or model, by which grant; and who is admitted at the edge and may not.

A row is everybody whom one entry of the files names: an address, a domain, a group, an agent. What it may do follows from
the guard's own grants and the edge's own policies, asked for somebody who is nothing but what the row says.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from components.edge.offered import offered_prompts, offered_tools
from model.environment import Environment, Group
from model.errors import InputError
from model.portal_checks import portal_words
from model.server import Grantees, People
from model.stacks import PerimeterStack, ServerStack
from operations.access.answers import RingAnswer
from operations.access.edge import edge_answers
from operations.access.guards import AnyRehearsal, guard_of
from operations.access.places import FilePlace, server_place
from operations.access.question import AccessQuestion
from operations.access.refusals import absence_words
from operations.access.visitor import Visitor

#: Stands for somebody of whom nothing is known but the domain or the group.
_ANYBODY = "*"


@dataclass(frozen=True)
class CallerRow:
    """Everybody whom one entry of the files names. `grants` are the numbers of the grants that give what is asked for.

    `state` is ``may``, ``not_granted`` (admitted at the edge and refused by the guard), ``not_admitted`` (granted, and the
    edge refuses) or ``neither``.
    """

    name: str
    visitor: Visitor
    state: Literal["may", "not_granted", "not_admitted", "neither"]
    grants: tuple[tuple[int, FilePlace], ...]
    edge: tuple[RingAnswer, ...]


@dataclass(frozen=True)
class Callers:
    """Who may and who may not use what is asked for. `portal` says whether the environment's portal has it on, and for
    whom it calls; None where no portal offers the server."""

    stack: str
    question: AccessQuestion
    rows: tuple[CallerRow, ...]
    portal: str | None = None

    def having(self, state: str) -> list[CallerRow]:
        return [row for row in self.rows if row.state == state]

    def as_json(self, root: Path) -> dict[str, Any]:
        return {
            "version": 1,
            "stack": self.stack,
            "kind": self.question.kind,
            "name": self.question.name,
            "portal": self.portal,
            "callers": [
                {
                    "name": row.name,
                    "principal": str(row.visitor) if _ANYBODY not in row.visitor.name else None,
                    "state": row.state,
                    "grants": [
                        {"grant": number + 1, "file": place.relative(root), "line": place.line}
                        for number, place in row.grants
                    ],
                    "edge": [answer.as_json(root) for answer in row.edge],
                }
                for row in self.rows
            ],
        }


def callers_of(stack: PerimeterStack, question: AccessQuestion) -> Callers:
    """Raises InputError where there is nothing of this name, or the guard would not start with these files."""
    return asyncio.run(_callers_of(stack, question))


async def _callers_of(stack: PerimeterStack, question: AccessQuestion) -> Callers:
    async with guard_of(stack) as rehearsal:
        if (remedy := rehearsal.absence(question)) is not None:
            file = stack.lock_file if isinstance(stack, ServerStack) else stack.document.file
            raise InputError(absence_words(stack, question), file=file, remedy=remedy)
        rows = [await _row(rehearsal, question, name, visitor) for name, visitor in _named(stack).items()]
    return Callers(stack.stack, question, tuple(rows), _in_portal(stack, question))


def _in_portal(stack: PerimeterStack, question: AccessQuestion) -> str | None:
    """A sentence about the portal. What it has on of tools and prompts follows from lock and grants."""
    portal = stack.settings.portal
    if portal is None or not isinstance(stack, ServerStack) or (offer := portal_words(stack)) is None:
        return None
    if question.kind == "resource":
        return offer
    on = offered_tools(stack, portal) if question.kind == "tool" else offered_prompts(stack, portal)
    return f"{offer}; {question} is {'on' if on.get(question.name) else 'off'} there"


async def _row(rehearsal: AnyRehearsal, question: AccessQuestion, name: str, visitor: Visitor) -> CallerRow:
    stack = rehearsal.stack
    answer, edge = await rehearsal.ask(visitor, question), edge_answers(stack, visitor)
    admitted = all(item.effect != "refuses" for item in edge)
    giving = rehearsal.giving(answer.grants, question) if answer.passes else []
    places = tuple((number, server_place(stack, "grants", number)) for number in giving)
    if answer.passes:
        return CallerRow(name, visitor, "may" if admitted else "not_admitted", places, tuple(edge))
    return CallerRow(name, visitor, "not_granted" if admitted else "neither", places, tuple(edge))


def _named(stack: PerimeterStack) -> dict[str, Visitor]:
    """Everybody whom access and grants name, each with a name for people, in the order of the files."""
    manifest, settings = stack.manifest, stack.settings
    rows: dict[str, Visitor] = {}
    for members in (manifest.access.people, *manifest.grantees):
        if members is not None:
            rows.update(_people(members, settings, None))
    agents = [*manifest.access.agents, *(agent for grant in manifest.grants for agent in grant.to.agents)]
    rows.update({f"agent {agent}": Visitor("agent", agent) for agent in agents})
    for client, hosted in sorted(manifest.access.hosted_clients.items()):
        rows.update(_people(hosted.people, settings, client))
    return rows


def _people(members: People | Grantees, settings: Environment, through: str | None) -> Iterator[tuple[str, Visitor]]:
    ending = f" through {through}" if through else ""
    for group in (members, *(settings.groups[name] for name in members.groups)):
        for email in group.emails:
            yield f"{email}{ending}", Visitor("person", email, through=through)
        for domain in group.domains:
            yield f"everyone at {domain}{ending}", Visitor("person", f"{_ANYBODY}@{domain}", through=through)
        for member in group.idp_groups if isinstance(group, Group) else ():
            claim = f" ({member.claim})" if member.claim else ""
            name = f"group {member.group} of {member.provider}{claim}{ending}"
            yield name, Visitor("person", _ANYBODY, (member,), through)
