"""Decides what the client sees of what the server sends: answers and streams.

What the answer to a method may hold is in the method's row in `guard.decide.methods`. The server's own requests and
notifications are decided in `guard.decide.server_messages`, what a client sends in `guard.decide.from_client`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from enum import Enum
from typing import Any

from guard.decide import answers, methods, substitutes
from guard.decide.answers import error
from guard.decide.context import Context, Sink
from guard.decide.exchange import Exchange
from guard.decide.lists import DECIDING, filter_list, holds_definitions
from guard.decide.methods import ResultKind, Section
from guard.decide.pins import KEYS
from guard.decide.reasons import Decision, Reason, origin_status, withheld
from guard.decide.server_messages import pass_notification, pass_request, tell_server
from guard.decide.server_questions import fault_in_error, fault_in_result
from guard.decide.stream_events import MAX_ANSWER, events, pass_empty, readable_id
from guard.decide.tokens import estimate, repeated_bytes
from guard.http.upstream import Slip, UnusableAnswer, UpstreamAnswer
from guard.inspect.content import is_handle
from guard.inspect.verdict import Leg
from guard.large_messages import take_step
from wire.faults import diagnose
from wire.json import Malformed, dump, parse
from wire.jsonrpc import Answer, Message, Notification, Request, blurred, classify
from wire.sse import Event


async def relay(exchange: Exchange, context: Context, upstream: UpstreamAnswer, sink: Sink) -> None:
    """Decide the server's answer to `context` and pass it on. The sink always gets a final answer.

    An HTTP 5xx of the server never reaches the client as a 5xx. One caller may be able to provoke it, and Kong would take
    it for a failure of the guard and close the guard to everyone.
    """
    status, headers = answer_head(exchange, upstream)
    try:
        if upstream.media_type == "text/event-stream" and upstream.status == 200:
            await _relay_stream(exchange, context, upstream, sink, headers)
            return
        body = await upstream.read(MAX_ANSWER, exchange.room.held())
    except Slip as slip:
        await sink.answer(200, await substitutes.for_slip(exchange, context, slip))
        return
    context.failed = upstream.status >= 500
    message: Answer | None = None
    try:
        message = await take_step(exchange.room.size, _fitting, context, body, refused=upstream.status >= 400)
    except UnusableAnswer as slip:
        if 400 <= upstream.status < 500:
            # The status tells the client what to do: after a 404 its session is over, and it begins another.
            await exchange.record(context, Decision.ERROR, origin_status(upstream.status), problem=str(slip))
            refusal = error(context.id, answers.ORIGIN_UNAVAILABLE, "The server refused this.")
            await sink.answer(status, refusal, headers)
            return
        if context.failed:
            slip = UnusableAnswer(Reason.ORIGIN_BROKEN, f"the server answered HTTP {upstream.status}")
        await sink.answer(200, await substitutes.for_slip(exchange, context, slip))
        return
    _adopt_policy(exchange)
    decided = await _answer(exchange, context, message)
    await sink.answer(200 if context.failed else status, decided, headers)


def _fitting(context: Context, body: bytes, *, refused: bool) -> Answer:
    """The answer to this request; raises UnusableAnswer. An error without an id says that the request was not understood."""
    try:
        message = classify(parse(body))
    except Malformed as malformed:
        raise UnusableAnswer(Reason.ORIGIN_MALFORMED, str(malformed), diagnose(body).place) from None
    if not isinstance(message, Answer):
        raise UnusableAnswer(Reason.ORIGIN_BROKEN, "the server asks something where its answer should be")
    if message.id == context.id or (message.id is None and refused):
        return message
    raise substitutes.wrong_id(context.id, message.id)


async def _relay_stream(
    exchange: Exchange, context: Context, upstream: UpstreamAnswer, sink: Sink, headers: Mapping[str, str]
) -> None:
    await sink.open_stream(headers)
    resumable = False
    async for event in events(exchange, upstream):
        resumable = resumable or bool(event.id)
        delivered = await deliver(exchange, event, sink, context)
        if delivered is EventDelivery.ANSWER:
            return
        if context.ticket is not None and event.data and delivered is EventDelivery.MESSAGE:
            await context.ticket.charge(estimate(len(event.data)))
            if context.ticket.exhausted and not context.row.structural:
                context.reached = context.ticket.exhausted
                await sink.answer(200, await substitutes.executed(exchange, context, Reason.RESULT_USED_UP, "used_up"))
                return
    if not (resumable and not context.modern):
        # The client has no event id to resume the stream by, so without an answer it would wait for ever.
        context.failed = True
        slip = UnusableAnswer(Reason.ORIGIN_BROKEN, "the stream ended without an answer")
        await sink.answer(200, await substitutes.for_slip(exchange, context, slip))


def _adopt_policy(exchange: Exchange) -> None:
    """Judge further messages by the configuration in force, as the engines of a replaced one are closed soon."""
    if exchange.policy is not exchange.runtime.policy:
        exchange.policy = exchange.runtime.policy
        exchange.caller.rights = exchange.policy.grants.rights(exchange.caller.principal)


class EventDelivery(Enum):
    """What the client got of one event: the final answer to its request, a message, or nothing that it pays for."""

    ANSWER = "answer"
    MESSAGE = "message"
    NOTHING = "nothing"


async def deliver(exchange: Exchange, event: Event, sink: Sink, context: Context | None) -> EventDelivery:
    """Pass on what the client may see of one event."""
    _adopt_policy(exchange)
    if event.id:
        known = is_handle(event.id) or await readable_id(exchange, event.id)
        event = replace(event, id=exchange.runtime.cursors.seal(event.id, exchange.caller.channel) if known else None)
    if not event.is_message:
        # MCP knows no other event type. The event keeps its place in the stream (its id) and loses its data and its name.
        await pass_empty(exchange, Event(None if event.data is None else "", None, event.id, event.retry), sink)
        return EventDelivery.NOTHING
    message: Message | None
    try:
        message = await take_step(exchange.room.size, _message_of, event)
    except Malformed as malformed:
        if await _unreadable(exchange, event, malformed, sink, context):
            return EventDelivery.ANSWER
        message = None
    final = isinstance(message, Answer) and context is not None and message.id == context.id
    if isinstance(message, Answer) and context is not None and not final:
        # The stream that answers one request holds no other answers, so this is that request's, under a wrong id.
        await sink.answer(
            200, await substitutes.for_slip(exchange, context, substitutes.wrong_id(context.id, message.id))
        )
        return EventDelivery.ANSWER
    out = None if message is None else await _decide(exchange, message, context)
    if out is None:
        await pass_empty(exchange, Event(None, None, event.id, event.retry), sink)
        return EventDelivery.NOTHING
    await sink.event(Event(dump(out).decode(), event.event, event.id, event.retry))
    return EventDelivery.ANSWER if final else EventDelivery.MESSAGE


def _message_of(event: Event) -> Message:
    return classify(parse((event.data or "").encode()))


async def _unreadable(
    exchange: Exchange, event: Event, malformed: Malformed, sink: Sink, context: Context | None
) -> bool:
    """Note a message that cannot be read. True when it was to answer `context`, which then has an error in its place.

    A notification that cannot be read costs itself alone; the server is told of a request that was not understood.
    """
    fault = await take_step(exchange.room.size, diagnose, (event.data or "").encode())
    slip = UnusableAnswer(Reason.ORIGIN_MALFORMED, str(malformed), fault.place)
    if context is not None and (fault.is_answer or not fault.is_message):
        await sink.answer(200, await substitutes.for_slip(exchange, context, slip))
        return True
    exchange.runtime.log.warning("the server sent a message that is not passed on: %s", slip)
    for id_ in fault.answers if context is None else ():
        # A client that resumed its stream awaits the answer on this one.
        resumed = exchange.runtime.recall(exchange.caller, "client", id_)
        if isinstance(resumed, Context):
            await sink.event(Event(dump(await substitutes.for_slip(exchange, resumed, slip)).decode()))
    if fault.asks is not None:
        await tell_server(exchange, error(fault.asks, answers.PARSE_ERROR, f"the message is refused: {malformed}"))
    return False


async def _decide(exchange: Exchange, message: Message, context: Context | None) -> Mapping[str, Any] | None:
    """What the client sees of a server's message; None if it sees nothing of it."""
    if isinstance(message, Request):
        return await pass_request(exchange, message)
    if isinstance(message, Notification):
        return await pass_notification(exchange, message)
    if context is not None and message.id == context.id:
        return await _answer(exchange, context, message)
    known = None if message.id is None else exchange.runtime.recall(exchange.caller, "client", message.id)
    if isinstance(known, Context):
        return await _answer(exchange, known, message)
    lost = exchange.context(message.id or "", methods.ANSWER.name, methods.ANSWER)
    await exchange.record(lost, Decision.BLOCK, Reason.UNEXPECTED_ANSWER, leg=Leg.RESULTS)
    return error(message.id, answers.REFUSED, answers.text("other_final", lost.incident))


async def _answer(exchange: Exchange, context: Context, answer: Answer) -> Mapping[str, Any]:
    """The server's answer to a request, as the client may see it."""
    exchange.span.answered(answer)
    try:
        if answer.error is not None:
            return await _error_answer(exchange, context, answer)
        result: dict[str, Any] = answer.result or {}
        if answer.absent and not context.row.answers_nothing:
            problem = UnusableAnswer(
                Reason.ORIGIN_MALFORMED, "the result is null or an array, not an object", "/result"
            )
            return await substitutes.for_slip(exchange, context, problem)
        if blurred(result, DECIDING):
            problem = UnusableAnswer(Reason.ORIGIN_BROKEN, "a member is a known one in another spelling", "/result")
            return await substitutes.for_slip(exchange, context, problem)
        if context.row.result is ResultKind.LIST and context.row.section is not None:
            return await _list(exchange, context, context.row.section, answer, result)
        if context.row.result is ResultKind.INTRODUCTION:
            return await _introduction(exchange, context, answer, result)
        return await _result(exchange, context, answer, result)
    finally:
        await exchange.release(context)


async def _error_answer(exchange: Exchange, context: Context, answer: Answer) -> Mapping[str, Any]:
    fault = fault_in_error(exchange.policy.config.guard.questions, answer)
    if fault is not None:
        return await substitutes.for_question(exchange, context, fault)
    leg, size = context.row.leg, len(dump(answer.error))
    inspected = await exchange.inspect(leg, context, answer.error)
    exchange.taint(inspected, context)
    await exchange.record_inspected(context, inspected, leg, size)
    if context.ticket is not None:
        context.ticket.owe(estimate(size))
    if not inspected.passed:
        return exchange.withheld(context, inspected, leg)
    return {**answer.body, "error": inspected.value}


async def _list(
    exchange: Exchange, context: Context, section: Section, answer: Answer, result: dict[str, Any]
) -> Mapping[str, Any]:
    pins, rights = exchange.policy.pins, exchange.caller.rights
    shown, remainder, dropped = filter_list(pins, section, rights, result, modern=context.modern)
    inspected = await exchange.inspect(Leg.DEFINITIONS, context, remainder)
    if not inspected.passed:
        await exchange.record_inspected(context, inspected, Leg.DEFINITIONS)
        return exchange.withheld(context, inspected, Leg.DEFINITIONS)
    passed = []
    for definition in shown:
        key = definition[KEYS[section]]
        judged = await exchange.judge_definition(section, key, context, shown=definition)
        if judged.passed:
            passed.append(definition)
        else:
            dropped += 1
            named = replace(context, name=key, request_bytes=0)
            await exchange.record_inspected(named, judged, Leg.DEFINITIONS)
    await exchange.record(context, Decision.ALLOW, withheld(dropped), leg=Leg.DEFINITIONS)
    return _charged(context, {**answer.body, "result": {**remainder, section.member: passed}})


async def _introduction(
    exchange: Exchange, context: Context, answer: Answer, result: dict[str, Any]
) -> Mapping[str, Any]:
    shown = dict(result)
    if "instructions" in shown and not await _instructions(exchange, context, shown["instructions"]):
        del shown["instructions"]
    capabilities = shown.get("capabilities")
    if isinstance(capabilities, dict):
        # A capability that the guard does not carry must not be offered.
        shown["capabilities"] = {
            k: v for k, v in capabilities.items() if k not in ("tasks", "experimental", "extensions")
        }
    remainder = {key: value for key, value in shown.items() if key != "instructions"}
    inspected = await exchange.inspect(Leg.DEFINITIONS, context, remainder)
    await exchange.record_inspected(context, inspected, Leg.DEFINITIONS)
    if not inspected.passed:
        return exchange.withheld(context, inspected, Leg.DEFINITIONS)
    if context.modern and "ttlMs" in shown:
        shown["cacheScope"] = "private"
    return _charged(context, {**answer.body, "result": shown})


def _charged(context: Context, answer: Mapping[str, Any]) -> Mapping[str, Any]:
    """Charge an answer to its principal's budget, as everything that the server's budget pays for; returns the answer."""
    if context.ticket is not None:
        context.ticket.owe(estimate(len(dump(answer))))
    return answer


async def _instructions(exchange: Exchange, context: Context, text: Any) -> bool:
    """Whether the server's instructions may be shown; without them a session works all the same."""
    if not exchange.policy.pins.admits_instructions(text):
        return False
    if text is None:
        return True
    inspected = await exchange.judge_definition("instructions", "", context)
    if not inspected.passed:
        await exchange.record_inspected(context, inspected, Leg.DEFINITIONS)
    return inspected.passed


async def _result(exchange: Exchange, context: Context, answer: Answer, result: dict[str, Any]) -> Mapping[str, Any]:
    leg = context.row.leg
    if holds_definitions(result):
        # Lists are filtered in the answers to the list methods alone, so no other answer may hold one.
        problem = UnusableAnswer(Reason.ORIGIN_BROKEN, "the server sent definitions that were not asked for", "/result")
        return await substitutes.for_slip(exchange, context, problem)
    asks = result.get("inputRequests") if result.get("resultType") == "input_required" else None
    if asks is not None:
        leg = Leg.SERVER_REQUESTS
    fault = fault_in_result(exchange.policy.config.guard.questions, result)
    if fault is not None:
        return await substitutes.for_question(exchange, context, fault)
    media_types = exchange.policy.media_types(context.row.section, context.name)
    inspected = await exchange.inspect(leg, context, result, media_types=media_types)
    exchange.taint(inspected, context)
    size, repeated = await take_step(exchange.room.size, _sizes, result)
    await exchange.record_inspected(context, inspected, leg, size)
    if context.ticket is not None:
        context.ticket.owe(estimate(size - repeated))
    if not inspected.passed:
        return exchange.withheld(context, inspected, leg)
    shown = inspected.value
    state = shown.get("requestState")
    if isinstance(state, str) and not exchange.runtime.states.bind(state, exchange.caller.principal):
        await exchange.record(context, Decision.BLOCK, Reason.TOO_MANY_STATES, leg=leg)
        return exchange.withheld(context, inspected, leg)
    await exchange.runtime.agree_on_text()
    if context.modern and "ttlMs" in shown:
        shown = {**shown, "cacheScope": "private"}
    if (
        context.cache_key is not None
        and inspected.decision is Decision.ALLOW
        and not inspected.covered
        and asks is None
        and not shown.get("isError")
    ):
        exchange.runtime.cache.put(context.cache_key, dump(shown))
    if exchange.sink is not None:
        exchange.sink.repeats(repeated if inspected.decision is Decision.ALLOW else repeated_bytes(shown))
    return {**answer.body, "result": shown}


def _sizes(result: dict[str, Any]) -> tuple[int, int]:
    """The bytes of a result, and those of them that repeat others."""
    return len(dump(result)), repeated_bytes(result)


def answer_head(exchange: Exchange, upstream: UpstreamAnswer) -> tuple[int, dict[str, str]]:
    """The status and the headers by which the client gets the server's answer.

    A client that reads 401 signs in again, which helps in mode external alone: the server judged the caller's own token.
    Else it judged the guard's credentials, and the JSON-RPC error alone says that it refused.
    """
    headers = {
        name: value
        for name, value in upstream.headers.items()
        # The guard knows only the session that it bound; a client that took up another could not use it.
        if name != "mcp-session-id" or value == exchange.caller.session
    }
    if upstream.status not in (401, 407):
        return upstream.status, headers
    if upstream.status == 401 and exchange.policy.forward_bearer:
        headers["www-authenticate"] = exchange.policy.verifier.challenge(exchange.caller.hostname, "invalid_token")
        return 401, headers
    return 200, headers
