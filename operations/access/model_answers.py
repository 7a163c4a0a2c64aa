"""What a model route's guard, Kong's inner route and the provider say to one request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.gateway.inner_entities import address
from guard.decide.reasons import Reason
from model.stacks import ModelStack, leg_of
from operations.access.answers import RingAnswer
from operations.access.inner_answers import inner_answers
from operations.access.model_rehearsal import ModelRehearsal
from operations.access.places import server_place
from operations.access.question import AccessQuestion
from operations.access.refusals import RING, absence_words, excepted, grantees_of, narrow_grant, stopped
from operations.access.rehearsal import GuardAnswer
from operations.access.settings_answers import settings_answers
from operations.access.visitor import Visitor
from plan.grant_words import budget_words


def model_answers(
    rehearsal: ModelRehearsal, visitor: Visitor, question: AccessQuestion, answer: GuardAnswer
) -> list[RingAnswer]:
    """The answers behind the public route, given what the guard decided."""
    stack = rehearsal.stack
    if answer.record is not None:
        return [_refusal(rehearsal, visitor, question, answer.record)]
    return [
        *_guard_answers(rehearsal, question, answer),
        *inner_answers(stack),
        *provider_answers(stack, question),
    ]


def _refusal(
    rehearsal: ModelRehearsal, visitor: Visitor, question: AccessQuestion, record: Mapping[str, Any]
) -> RingAnswer:
    stack = rehearsal.stack
    if record.get("reason") != Reason.NOT_GRANTED:
        return stopped(stack, record, server_place(stack, *str(record.get("key") or "grants").split(".")))
    if (missing := rehearsal.absence(question)) is not None:
        return RingAnswer(RING, "refuses", absence_words(stack, question), server_place(stack, "models"), missing)
    if stack.manifest.lockdown is not None:
        remedy = f"once it is safe, open it with `ringwall lockdown {stack.stack} --lift`"
        return RingAnswer(RING, "refuses", "a closed route grants nothing", server_place(stack, "lockdown"), remedy)
    grants = stack.manifest.grants
    giving = rehearsal.giving(range(len(grants)), question)
    place, text = server_place(stack, "grants"), f"no grant gives {question} to anybody"
    if giving:
        place = server_place(stack, "grants", giving[0])
        text = f"grant {giving[0] + 1} gives {question} to {grantees_of(grants[giving[0]].to)} alone"
    remedy = f"add this grant to {stack.stack}"
    return RingAnswer(RING, "refuses", text, place, remedy, narrow_grant(visitor, question))


def _guard_answers(rehearsal: ModelRehearsal, question: AccessQuestion, answer: GuardAnswer) -> list[RingAnswer]:
    stack, manifest, answers = rehearsal.stack, rehearsal.stack.manifest, []
    for number in rehearsal.giving(answer.grants, question):
        grant, place = manifest.grants[number], server_place(stack, "grants", number)
        text = f"grant {number + 1} gives {question} to {grantees_of(grant.to)}"
        if words := budget_words(grant.budget.dump()):
            text += f", each for {words}"
        answers.append(RingAnswer(RING, "passes", text, place))
    model, place = manifest.models[question.name], server_place(stack, "models", question.name)
    engines = leg_of(stack).settings.engines
    if question.arguments is None:
        text = f"the request must be one of {' or '.join(model.kinds)}, and pass the engines; none was given"
        answers.append(RingAnswer(RING, "depends", text, place))
    elif engines.embedded is not None:
        text = "the guard's own rules stop nothing in this request"
        answers.append(RingAnswer(RING, "passes", text, server_place(stack, "guard", "legs")))
    if vendors := [name for name in engines.names if name not in ("embedded", "model")]:
        text = f"{' and '.join(vendors)} must pass the request too; no vendor was asked"
        answers.append(RingAnswer(RING, "depends", text, server_place(stack, "guard", "engines")))
    answers.append(
        RingAnswer(RING, "note", "the answer and its tool calls are judged too", server_place(stack, "guard", "legs"))
    )
    if model.max_output_tokens is not None:
        text = f"at most {model.max_output_tokens} output tokens an answer"
        answers.append(
            RingAnswer(RING, "note", text, server_place(stack, "models", question.name, "max_output_tokens"))
        )
    if model.price is not None:
        text = f"a million tokens cost {model.price.input} in and {model.price.output} out"
        answers.append(RingAnswer(RING, "note", text, server_place(stack, "models", question.name, "price")))
    for key, owner in (("principal", "one caller"), ("all", "all callers together")):
        text = f"at most {budget_words(getattr(manifest.limits, key).dump())}, of {owner} and all models"
        answers.append(RingAnswer(RING, "note", text, server_place(stack, "limits", key)))
    answers += excepted(stack, question.kind, {question.name})
    return [*answers, *settings_answers(stack, RING)]


def provider_answers(stack: ModelStack, question: AccessQuestion) -> list[RingAnswer]:
    """Where the prompt goes."""
    answers = []
    for number, target in enumerate(stack.manifest.models[question.name].targets):
        scheme, host, port = address(target)
        text = f"the prompt goes to {target.provider}/{target.model} at {scheme}://{host}:{port}"
        place = server_place(stack, "models", question.name, "targets", number)
        answers.append(RingAnswer("origin", "passes", text, place))
    return answers
