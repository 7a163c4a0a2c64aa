"""What Kong and the provider say to a request of a model route without a guard."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator
from contextlib import asynccontextmanager

from components.gateway.guardless_plugins import offered, streams
from guard.decide.reasons import Decision, Reason
from model.guardless import LOST
from model.name_patterns import matches_any
from model.stacks import ModelStack
from model.suggestions import did_you_mean
from operations.access.answers import RingAnswer
from operations.access.inner_answers import RING, inner_answers
from operations.access.model_answers import provider_answers
from operations.access.places import server_place
from operations.access.question import AccessQuestion
from operations.access.refusals import absence_words, grantees_of
from operations.access.rehearsal import GuardAnswer
from operations.access.visitor import Visitor
from plan.grant_words import budget_words


class DirectRehearsal:
    """A route whose own check at Kong decides: everyone whom Access admits may use each model that a grant names."""

    def __init__(self, stack: ModelStack) -> None:
        self.stack = stack

    def absence(self, question: AccessQuestion) -> str | None:
        """What to do where the route has no model of this name; None where it has."""
        models = self.stack.manifest.models
        return None if question.name in models else did_you_mean(question.name, models, none="the route has no models")

    def giving(self, numbers: Iterable[int], question: AccessQuestion) -> list[int]:
        """Those of the grants that give what is asked for."""
        grants = self.stack.manifest.grants
        return [number for number in numbers if matches_any(grants[number].models, question.name)]

    async def ask(self, visitor: Visitor, question: AccessQuestion) -> GuardAnswer:
        """The decision of Kong's own check, as far as it is about models."""
        manifest = self.stack.manifest
        numbers = tuple(range(len(manifest.grants)))
        if manifest.lockdown is None and question.name in offered(self.stack):
            return GuardAnswer(numbers)
        return GuardAnswer(numbers, {"decision": Decision.REFUSE, "reason": Reason.NOT_GRANTED})


@asynccontextmanager
async def direct_rehearsal_of(stack: ModelStack) -> AsyncIterator[DirectRehearsal]:
    """The same for every caller, so there is nothing to open."""
    yield DirectRehearsal(stack)


def direct_answers(rehearsal: DirectRehearsal, question: AccessQuestion, answer: GuardAnswer) -> list[RingAnswer]:
    """The answers behind the identity check."""
    stack = rehearsal.stack
    manifest = stack.manifest
    if manifest.lockdown is not None:
        remedy = f"once it is safe, open it with `ringwall lockdown {stack.stack} --lift`"
        return [RingAnswer(RING, "refuses", "a closed route answers 503", server_place(stack, "lockdown"), remedy)]
    if (missing := rehearsal.absence(question)) is not None:
        return [RingAnswer(RING, "refuses", absence_words(stack, question), server_place(stack, "models"), missing)]
    if not answer.passes:
        remedy = "grant it with to: {all: true}, or give the route a guard"
        text = f"no grant gives {question} to anybody"
        return [RingAnswer(RING, "refuses", text, server_place(stack, "grants"), remedy)]
    return [
        *_gateway_answers(rehearsal, question, answer),
        *inner_answers(stack),
        *(RingAnswer("guard", "note", f"there is no guard: {text}", server_place(stack, "guard")) for text in LOST),
        *provider_answers(stack, question),
    ]


def _gateway_answers(rehearsal: DirectRehearsal, question: AccessQuestion, answer: GuardAnswer) -> Iterator[RingAnswer]:
    stack = rehearsal.stack
    manifest = stack.manifest
    for number in rehearsal.giving(answer.grants, question):
        text = f"grant {number + 1} gives {question} to {grantees_of(manifest.grants[number].to)}"
        yield RingAnswer(RING, "passes", text, server_place(stack, "grants", number))
    text = "the request must be a chat completion of texts, without tools that the provider runs; Kong was not asked"
    yield RingAnswer(RING, "depends", text, server_place(stack, "models", question.name))
    if not streams(stack):
        text = "an answer that streams is refused: a check of answers is not known to read streams"
        yield RingAnswer(RING, "note", text, server_place(stack, "gateway"))
    text = f"at most {budget_words(manifest.limits.principal.dump())}, of one caller and all models"
    yield RingAnswer(RING, "note", text, server_place(stack, "limits", "principal"))
