"""Every ring's answer to one call, in the order in which it meets them: edge, gateway, guard, origin. Offline."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.stacks import PerimeterStack
from operations.access.answers import RingAnswer
from operations.access.direct_answers import DirectRehearsal, direct_answers
from operations.access.edge import edge_answers
from operations.access.gateway_answers import gateway_answers
from operations.access.guards import AnyRehearsal, guard_of
from operations.access.model_answers import model_answers
from operations.access.model_rehearsal import ModelRehearsal
from operations.access.question import AccessQuestion
from operations.access.server_answers import server_answers
from operations.access.visitor import Visitor


@dataclass(frozen=True)
class Explanation:
    """The answers of all rings. Each is given also where an earlier ring refuses, so that all obstacles are known."""

    stack: str
    visitor: Visitor
    question: AccessQuestion
    answers: tuple[RingAnswer, ...]

    @property
    def allowed(self) -> bool:
        return all(answer.effect != "refuses" for answer in self.answers)

    def as_json(self, root: Path) -> dict[str, Any]:
        return {
            "version": 1,
            "stack": self.stack,
            "principal": str(self.visitor),
            "groups": [group.group for group in self.visitor.groups],
            "kind": self.question.kind,
            "name": self.question.name,
            "allowed": self.allowed,
            "answers": [answer.as_json(root) for answer in self.answers],
        }


def explain(stack: PerimeterStack, visitor: Visitor, question: AccessQuestion) -> Explanation:
    """Ask every ring; raises InputError where the guard would not start with these files."""
    return asyncio.run(_explain(stack, visitor, question))


async def _explain(stack: PerimeterStack, visitor: Visitor, question: AccessQuestion) -> Explanation:
    async with guard_of(stack) as rehearsal:
        return await explanation_of(rehearsal, visitor, question)


async def explanation_of(rehearsal: AnyRehearsal, visitor: Visitor, question: AccessQuestion) -> Explanation:
    """As `explain`, by a guard that is open already."""
    stack, answer = rehearsal.stack, await rehearsal.ask(visitor, question)
    if isinstance(rehearsal, ModelRehearsal):
        behind = model_answers(rehearsal, visitor, question, answer)
    elif isinstance(rehearsal, DirectRehearsal):
        behind = direct_answers(rehearsal, question, answer)
    else:
        behind = server_answers(rehearsal, visitor, question, answer)
    answers = (*edge_answers(stack, visitor), *gateway_answers(stack, answer.size), *behind)
    return Explanation(stack.stack, visitor, question, answers)
