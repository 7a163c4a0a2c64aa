"""What a caller reads of a request that was blocked or an answer that is withheld: which part, and never which rule."""

from __future__ import annotations

from guard.decide.reasons import Decision, Reason
from guard.inspect.inspection import Inspected
from guard.inspect.verdict import ModelLeg
from guard.models.conversation import Path, shown
from guard.models.inspection import InspectedLeg
from guard.models.refusals import ErrorCode, ModelRefusal

_PARTS = {
    ModelLeg.PROMPTS: "a message",
    ModelLeg.TOOL_RESULTS: "a tool result",
    ModelLeg.DEFINITIONS: "a tool definition",
    ModelLeg.ANSWERS: "an earlier answer",
    ModelLeg.TOOL_CALLS: "a tool call",
}


def blocked_request(decision: InspectedLeg, incident: str) -> ModelRefusal:
    """The refusal of a request on which something was found, or nothing could be said."""
    result = decision.result
    place = _place(result)
    if result.reason is Reason.NO_VERDICT:
        text = "The guard could not reach a verdict, and sent nothing to the model. Try again later"
        refusal = ModelRefusal(ErrorCode.NO_VERDICT, text, Reason.NO_VERDICT)
    else:
        part = _PARTS[decision.leg] + (f" ({place})" if place else "")
        text = (
            f"The guard blocked {part} of this request, and sent nothing to the model. "
            f"An operator can allow it: give them incident {incident}"
        )
        refusal = ModelRefusal(ErrorCode.CONTENT_FILTER, text, result.reason or Reason.BLOCKED, place)
    refusal.decision, refusal.leg, refusal.inspected = Decision.BLOCK, decision.leg, result
    return refusal


def blocked_answer(leg: ModelLeg, result: Inspected, incident: str) -> ModelRefusal:
    """The refusal of an answer. The request was carried out and is charged; it must not read as if it were not."""
    part = "a tool call of the model's answer" if leg is ModelLeg.TOOL_CALLS else "the model's answer"
    if result.reason is Reason.TAINT:
        text = (
            "The model asked for a tool call in a conversation with a tool result that tries to steer it. The guard blocked "
            f"the call. An operator can allow it: give them incident {incident}"
        )
        refusal = ModelRefusal(ErrorCode.CONTENT_FILTER, text, Reason.TAINT)
    elif result.reason is Reason.NO_VERDICT:
        text = f"The model answered. The guard could not reach a verdict on {part}, which is withheld"
        refusal = ModelRefusal(ErrorCode.ANSWER_UNJUDGED, text, Reason.NO_VERDICT)
    else:
        text = (
            f"The model answered. The guard blocked {part}, which is withheld. "
            f"An operator can allow it: give them incident {incident}"
        )
        refusal = ModelRefusal(ErrorCode.CONTENT_FILTER, text, result.reason or Reason.BLOCKED)
    refusal.decision, refusal.leg, refusal.inspected = Decision.BLOCK, leg, result
    return refusal


def _place(result: Inspected) -> str | None:
    """The message or definition that the first finding stands in, as OpenAI's API names places: messages[3]."""
    pointers = (finding.pointer for verdict in result.verdicts for finding in verdict.findings if not finding.advisory)
    pointer = next(pointers, "")
    steps = pointer.split("/")[1:3]
    if not steps or pointer.endswith("#"):
        return None
    path: Path = tuple(int(step) if step.isdigit() and len(step) < 10 else step[:64] for step in steps)
    return shown(path[:2] if len(path) > 1 and isinstance(path[1], int) else path[:1])
