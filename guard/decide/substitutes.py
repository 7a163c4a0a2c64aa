"""The guard's answers in place of those that the server did not give, or that cannot be passed on.

Each is in the audit log before it is sent. What the server's form lacked is told to the operator in full and to the
caller as one word; what the engines found is never told (`guard.decide.answers`).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from guard.decide import answers
from guard.decide.answers import error, tool_error
from guard.decide.context import Context
from guard.decide.exchange import Exchange
from guard.decide.reasons import Decision, Reason
from guard.decide.server_questions import QuestionFault
from guard.http.upstream import AnswerTooLarge, AnswerWithoutRoom, IdInUse, NoToken, Slip, UnusableAnswer
from guard.inspect.verdict import Leg
from wire.jsonrpc import Id


async def unavailable(
    exchange: Exchange, context: Context, retry_after: int | None, *, sent: bool
) -> Mapping[str, Any]:
    """The answer in place of one that the server did not give.

    It says whether the server may have received the request (`sent`), and when to try again.
    """
    await exchange.record(context, Decision.ERROR, Reason.ORIGIN_UNAVAILABLE, leg=Leg.RESULTS)
    outcome = "It may have been executed." if sent else "Nothing was executed."
    later = "" if retry_after is None else f" Try again in {retry_after} s."
    text = f"The server is not available. {outcome}{later} Incident {context.incident}."
    data = None if retry_after is None else {"retryAfterSeconds": retry_after}
    return error(context.id, answers.ORIGIN_UNAVAILABLE, text, data, context.incident)


async def executed(exchange: Exchange, context: Context, reason: Reason, key: str) -> Mapping[str, Any]:
    """The answer to a request that was executed and whose result is withheld, being over a limit of results.

    It must not read as a refusal, or the client sends the request again.
    """
    await exchange.release(context)
    await exchange.record(context, Decision.BLOCK, reason, leg=Leg.RESULTS)
    reached = context.reached
    text = answers.text(key, context.incident) + (f" {reached.text}" if reached else "")
    limit = reached.as_json() if reached else None
    if context.row.is_call:
        return tool_error(context.id, text, modern=context.modern, incident=context.incident, limit=limit)
    return error(context.id, answers.WITHHELD, text, {"executed": True, **(limit or {})}, context.incident)


async def for_question(exchange: Exchange, context: Context, fault: QuestionFault) -> Mapping[str, Any]:
    """The answer in place of a question that the server may not ask the client."""
    await exchange.record(context, Decision.BLOCK, fault.reason, leg=Leg.SERVER_REQUESTS, problem=fault.problem)
    final = fault.reason.key is None
    if context.row.is_call:
        text = answers.text("results_final" if final else "results", context.incident)
        return tool_error(context.id, text, modern=context.modern, incident=context.incident)
    text = answers.text("other_final" if final else "other", context.incident)
    return error(context.id, answers.REFUSED, text, incident=context.incident)


async def for_slip(exchange: Exchange, context: Context, slip: Slip) -> Mapping[str, Any]:
    """The answer in place of one that cannot be passed on although the server is up."""
    if isinstance(slip, AnswerTooLarge):
        return await executed(exchange, context, Reason.RESULT_TOO_LARGE, "too_large")
    if isinstance(slip, AnswerWithoutRoom):
        return await executed(exchange, context, Reason.MEMORY_USED_UP, "no_room")
    if isinstance(slip, IdInUse):
        return await _id_in_use(exchange, context)
    reason = slip.reason if isinstance(slip, UnusableAnswer) else Reason.ORIGIN_BROKEN
    await exchange.release(context)
    exchange.runtime.log.warning("%s: %s", context.method, slip)
    await exchange.record(context, Decision.ERROR, reason, leg=Leg.RESULTS, problem=str(slip))
    outcome = "Nothing was executed." if reason is Reason.ORIGIN_REDIRECTS else "It may have been executed."
    text = f"The server's answer cannot be passed on. {outcome} Incident {context.incident}."
    return error(context.id, answers.ORIGIN_UNAVAILABLE, text, {"reason": reason}, context.incident)


async def without_token(
    exchange: Exchange, context: Context, problem: NoToken, retry_after: int | None
) -> Mapping[str, Any]:
    """The refusal of a request that the server cannot be sent in the caller's name."""
    await exchange.record(context, Decision.REFUSE, Reason.NO_UPSTREAM_TOKEN, problem=str(problem))
    await exchange.release(context)
    later = "" if retry_after is None else f" Try again in {retry_after} s."
    text = answers.text("no_token", context.incident) + later
    data = None if retry_after is None else {"retryAfterSeconds": retry_after}
    if context.row.is_call:
        return tool_error(context.id, text, modern=context.modern, incident=context.incident)
    return error(context.id, answers.ORIGIN_UNAVAILABLE, text, data, context.incident)


async def _id_in_use(exchange: Exchange, context: Context) -> Mapping[str, Any]:
    await exchange.record(context, Decision.REFUSE, Reason.ID_IN_USE)
    await exchange.release(context)
    text = "Another request with this id awaits its answer. Nothing was executed."
    return error(context.id, answers.INVALID_REQUEST, text, incident=context.incident)


def wrong_id(request: Id, answer: Id | None) -> UnusableAnswer:
    """The slip of an answer under another id: whoever compares it with the request's would wait for ever."""
    kind, request_kind = _KINDS[type(answer)], _KINDS[type(request)]
    if kind == request_kind:
        return UnusableAnswer(Reason.ORIGIN_WRONG_ID, f"the id is not the request's, and {kind} as that is", "/id")
    return UnusableAnswer(Reason.ORIGIN_WRONG_ID, f"the id is {kind}, and the request's is {request_kind}", "/id")


_KINDS: Mapping[type, str] = {str: "a string", int: "a number", type(None): "null"}
