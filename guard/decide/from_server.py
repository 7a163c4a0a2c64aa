"""Decides what the client sees of what the server sends: answers, the server's own requests, notifications, streams.

What the answer to a method may hold is in the method's row in `guard.decide.methods`. What a client sends is decided in
`guard.decide.from_client`.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from typing import Any

from guard.decide import answers, methods
from guard.decide.answers import error, tool_error
from guard.decide.context import Context, Sink
from guard.decide.exchange import Exchange
from guard.decide.lists import DECIDING, filter_list, holds_definitions
from guard.decide.methods import Names, ResultKind, Section
from guard.decide.reasons import Decision, Reason, origin_status, withheld
from guard.decide.tokens import estimate, repeated_bytes
from guard.http.http_rules import forwarded
from guard.http.upstream import AnswerTooLarge, UpstreamAnswer, UpstreamDown
from guard.inspect.verdict import Leg
from wire.json import Malformed, dump, parse
from wire.jsonrpc import Answer, Message, Notification, Request, blurred, classify
from wire.sse import Event, OverLimit, Reader

#: An answer, or one event of a stream, may be this large; a client's request has the configured limit.
MAX_ANSWER = 16 * 1024 * 1024


async def relay(exchange: Exchange, context: Context, upstream: UpstreamAnswer, sink: Sink) -> None:
    """Decide the server's answer to `context` and pass it on. The sink always gets a final answer.

    An HTTP 5xx of the server never reaches the client as a 5xx. One caller may be able to provoke it, and Kong would take
    it for a failure of the guard and close the guard to everyone.
    """
    headers = _answer_headers(exchange, upstream)
    try:
        if upstream.media_type == "text/event-stream" and upstream.status == 200:
            await _relay_stream(exchange, context, upstream, sink, headers)
            return
        body = await upstream.read(MAX_ANSWER)
    except AnswerTooLarge:
        await sink.answer(200, await _executed(exchange, context, Reason.RESULT_TOO_LARGE, "too_large"))
        return
    context.failed = upstream.status >= 500
    message: Message | None
    try:
        message = classify(parse(body))
    except Malformed:
        message = None
    fits = isinstance(message, Answer) and message.id in (context.id, None)
    if not (fits and isinstance(message, Answer)) and 400 <= upstream.status < 500:
        # The status tells the client what to do: after a 404 its session is over, and it begins another.
        await exchange.record(context, Decision.ERROR, origin_status(upstream.status))
        refusal = error(context.id, answers.ORIGIN_UNAVAILABLE, "The server refused this.")
        await sink.answer(upstream.status, refusal, headers)
        return
    if context.failed and not fits:
        await sink.answer(200, await _broken(exchange, context, f"the server answered HTTP {upstream.status}"))
        return
    if not isinstance(message, Answer) or not fits or (message.id is None and upstream.status < 400):
        await sink.answer(200, await _broken(exchange, context, "the server did not answer with the answer to this"))
        return
    _adopt_policy(exchange)
    decided = await _answer(exchange, context, message)
    await sink.answer(200 if context.failed else upstream.status, decided, headers)


async def _relay_stream(
    exchange: Exchange, context: Context, upstream: UpstreamAnswer, sink: Sink, headers: Mapping[str, str]
) -> None:
    await sink.open_stream(headers)
    resumable = False
    async for event in events(exchange, upstream):
        resumable = resumable or bool(event.id)
        if await deliver(exchange, event, sink, context):
            return
        if context.ticket is not None and event.data:
            await context.ticket.charge(estimate(len(event.data)))
            if context.ticket.exhausted and not context.row.structural:
                context.reached = context.ticket.exhausted
                await sink.answer(200, await _executed(exchange, context, Reason.RESULT_USED_UP, "used_up"))
                return
    if not (resumable and not context.modern):
        # The client has no event id to resume the stream by, so without an answer it would wait for ever.
        await sink.answer(200, await _broken(exchange, context, "the stream ended without an answer"))


def _adopt_policy(exchange: Exchange) -> None:
    """Judge further messages by the configuration in force, as the engines of a replaced one are closed soon."""
    if exchange.policy is not exchange.runtime.policy:
        exchange.policy = exchange.runtime.policy
        exchange.caller.rights = exchange.policy.grants.rights(exchange.caller.principal)


async def events(exchange: Exchange, upstream: UpstreamAnswer) -> AsyncIterator[Event]:
    """The events of an upstream stream. A stream that breaks off or is malformed ends here without an error.

    Raises AnswerTooLarge for an event over the limit.
    """
    reader = Reader(MAX_ANSWER)
    try:
        async for chunk in upstream.chunks():
            for event in reader.feed(chunk):
                yield event
    except OverLimit:
        exchange.runtime.log.warning("upstream stream ended: an event is over %d bytes", MAX_ANSWER)
        raise AnswerTooLarge("an event is over the limit") from None
    except (UpstreamDown, Malformed) as problem:
        exchange.runtime.log.warning("upstream stream ended: %s", problem)


async def deliver(exchange: Exchange, event: Event, sink: Sink, context: Context | None) -> bool:
    """Pass on what the client may see of one event. True when it was the final answer to `context`."""
    _adopt_policy(exchange)
    if event.id:
        event = replace(event, id=exchange.runtime.cursors.seal(event.id, exchange.caller.channel))
    if not event.is_message:
        # MCP knows no other event type. The event keeps its place in the stream (its id) and loses its data.
        await sink.event(event if not event.data else Event("", None, event.id, event.retry))
        return False
    try:
        message = classify(parse((event.data or "").encode()))
    except Malformed:
        if context is not None:
            await sink.answer(200, await _broken(exchange, context, "the server sent what is not a JSON-RPC message"))
            return True
        exchange.runtime.log.warning("the server sent what is not a JSON-RPC message; it is not passed on")
        message = None
    final = isinstance(message, Answer) and context is not None and message.id == context.id
    out = None if message is None else await _decide(exchange, message, context)
    if out is None:
        await sink.event(Event(None, None, event.id, event.retry))
    else:
        await sink.event(Event(dump(out).decode(), event.event, event.id, event.retry))
    return final


async def _decide(exchange: Exchange, message: Message, context: Context | None) -> Mapping[str, Any] | None:
    """What the client sees of a server's message; None if it sees nothing of it."""
    if isinstance(message, Request):
        return await _request(exchange, message)
    if isinstance(message, Notification):
        return await _notification(exchange, message)
    if context is not None and message.id == context.id:
        return await _answer(exchange, context, message)
    known = None if message.id is None else exchange.runtime.recall(exchange.caller, "client", message.id)
    if isinstance(known, Context):
        return await _answer(exchange, known, message)
    lost = exchange.context(message.id or "", methods.ANSWER.name, methods.ANSWER)
    await exchange.record(lost, Decision.BLOCK, Reason.UNEXPECTED_ANSWER, leg=Leg.RESULTS)
    return error(message.id, answers.REFUSED, f"{answers.TEXTS['other']} Incident {lost.incident}.")


async def _answer(exchange: Exchange, context: Context, answer: Answer) -> Mapping[str, Any]:
    """The server's answer to a request, as the client may see it."""
    try:
        if answer.error is not None:
            return await _error_answer(exchange, context, answer)
        result: dict[str, Any] = answer.result or {}
        if blurred(result, DECIDING):
            return await _broken(exchange, context, "a member of the result is a known one in another spelling")
        if context.row.result is ResultKind.LIST and context.row.section is not None:
            return await _list(exchange, context, context.row.section, answer, result)
        if context.row.result is ResultKind.INTRODUCTION:
            return await _introduction(exchange, context, answer, result)
        return await _result(exchange, context, answer, result)
    finally:
        await exchange.release(context)


async def _error_answer(exchange: Exchange, context: Context, answer: Answer) -> Mapping[str, Any]:
    leg, size = context.row.leg, len(dump(answer.error))
    inspected = await exchange.inspect(leg, context, answer.error)
    exchange.taint(inspected, context)
    await exchange.record_inspected(context, inspected, leg, size)
    if context.ticket is not None:
        await context.ticket.charge(estimate(size))
    if not inspected.passed:
        return exchange.withheld(context, inspected)
    return {**answer.body, "error": inspected.value}


async def _list(
    exchange: Exchange, context: Context, section: Section, answer: Answer, result: dict[str, Any]
) -> Mapping[str, Any]:
    pins, rights = exchange.policy.pins, exchange.caller.rights
    shown, remainder, dropped = filter_list(pins, section, rights, result, modern=context.modern)
    inspected = await exchange.inspect(Leg.DEFINITIONS, context, remainder)
    if not inspected.passed:
        await exchange.record_inspected(context, inspected, Leg.DEFINITIONS)
        return exchange.withheld(context, inspected)
    passed = []
    for definition in shown:
        judged = await exchange.inspect(Leg.DEFINITIONS, context, definition)
        if judged.passed:
            passed.append(definition)
        else:
            dropped += 1
            named = replace(context, name=str(definition.get("name")), request_bytes=0)
            await exchange.record_inspected(named, judged, Leg.DEFINITIONS)
    await exchange.record(context, Decision.ALLOW, withheld(dropped), leg=Leg.DEFINITIONS)
    return await _charged(exchange, context, {**answer.body, "result": {**remainder, section.member: passed}})


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
        return exchange.withheld(context, inspected)
    if context.modern and "ttlMs" in shown:
        shown["cacheScope"] = "private"
    return await _charged(exchange, context, {**answer.body, "result": shown})


async def _charged(exchange: Exchange, context: Context, answer: Mapping[str, Any]) -> Mapping[str, Any]:
    """Charge an answer to its principal's budget, as everything that the server's budget pays for; returns the answer."""
    if context.ticket is not None:
        await context.ticket.charge(estimate(len(dump(answer))))
    return answer


async def _instructions(exchange: Exchange, context: Context, text: Any) -> bool:
    """Whether the server's instructions may be shown; without them a session works all the same."""
    if not exchange.policy.pins.admits_instructions(text):
        return False
    inspected = await exchange.inspect(Leg.DEFINITIONS, context, {"instructions": text})
    if not inspected.passed:
        await exchange.record_inspected(context, inspected, Leg.DEFINITIONS)
    return inspected.passed


async def _result(exchange: Exchange, context: Context, answer: Answer, result: dict[str, Any]) -> Mapping[str, Any]:
    leg = context.row.leg
    if holds_definitions(result):
        # Lists are filtered in the answers to the list methods alone, so no other answer may hold one.
        return await _broken(exchange, context, "the server sent definitions that were not asked for")
    asks = result.get("inputRequests") if result.get("resultType") == "input_required" else None
    if asks is not None:
        leg = Leg.SERVER_REQUESTS
    inspected = await exchange.inspect(leg, context, result)
    exchange.taint(inspected, context)
    size, repeated = len(dump(result)), repeated_bytes(result)
    await exchange.record_inspected(context, inspected, leg, size)
    if context.ticket is not None:
        await context.ticket.charge(estimate(size - repeated))
    if not inspected.passed:
        return exchange.withheld(context, inspected)
    shown = inspected.value
    state = shown.get("requestState")
    if isinstance(state, str) and not exchange.runtime.states.bind(state, exchange.caller.principal):
        await exchange.record(context, Decision.BLOCK, Reason.TOO_MANY_STATES, leg=leg)
        return exchange.withheld(context, inspected)
    if context.modern and "ttlMs" in shown:
        shown = {**shown, "cacheScope": "private"}
    if (
        context.cache_key is not None
        and inspected.decision is Decision.ALLOW
        and asks is None
        and not shown.get("isError")
    ):
        exchange.runtime.cache.put(context.cache_key, dump(shown))
    if exchange.sink is not None:
        exchange.sink.repeats(repeated if inspected.decision is Decision.ALLOW else repeated_bytes(shown))
    return {**answer.body, "result": shown}


async def _request(exchange: Exchange, request: Request) -> Mapping[str, Any] | None:
    row = methods.request_from_server(request.method, modern=exchange.caller.modern)
    about = exchange.context(request.id, request.method, row or methods.UNKNOWN)
    if row is None:
        await exchange.record(about, Decision.REFUSE, Reason.UNKNOWN_METHOD, leg=Leg.SERVER_REQUESTS)
        await _tell_server(exchange, error(request.id, answers.METHOD_NOT_FOUND, "Method not found"))
        return None
    inspected = await exchange.inspect(Leg.SERVER_REQUESTS, about, request.params)
    await exchange.record_inspected(about, inspected, Leg.SERVER_REQUESTS)
    exchange.taint(inspected, about)
    if not inspected.passed:
        await _tell_server(exchange, error(request.id, answers.REFUSED, answers.TEXTS["other"]))
        return None
    if not exchange.runtime.remember(exchange.caller, "server", request.id, request.method):
        await _tell_server(exchange, error(request.id, answers.REFUSED, answers.TEXTS["other"]))
        return None
    return request.body


async def _notification(exchange: Exchange, notification: Notification) -> Mapping[str, Any] | None:
    row = methods.notification_from_server(notification.method)
    about = exchange.context("", notification.method, row or methods.UNKNOWN)
    if row is None:
        await exchange.record(about, Decision.REFUSE, Reason.UNKNOWN_METHOD, leg=Leg.RESULTS)
        return None
    if row.names is Names.URI:
        uri = notification.params.get("uri")
        if not isinstance(uri, str) or not exchange.caller.rights.resource(uri):
            await exchange.record(about, Decision.REFUSE, Reason.NOT_GRANTED, leg=Leg.RESULTS)
            return None
    if row.changes_lists:
        exchange.runtime.watch.refresh()
    inspected = await exchange.inspect(Leg.RESULTS, about, notification.params)
    if inspected.decision is not Decision.ALLOW or inspected.verdicts:
        await exchange.record_inspected(about, inspected, Leg.RESULTS)
    exchange.taint(inspected, about)
    if not inspected.passed:
        return None
    return {**notification.body, "params": inspected.value} if notification.params else notification.body


async def _tell_server(exchange: Exchange, message: Mapping[str, Any]) -> None:
    """Send the server the refusal of its request, as it waits for an answer."""
    headers = forwarded(exchange.headers, modern=exchange.caller.modern, bearer=exchange.policy.forward_bearer)
    exchange.runtime.post_refusal(message, headers, owner=exchange.caller.principal.id)


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
    return error(context.id, answers.ORIGIN_UNAVAILABLE, text, data)


async def _executed(exchange: Exchange, context: Context, reason: Reason, key: str) -> Mapping[str, Any]:
    """The answer to a request that was executed and whose result is withheld, being over a limit of results.

    It must not read as a refusal, or the client sends the request again.
    """
    await exchange.release(context)
    await exchange.record(context, Decision.BLOCK, reason, leg=Leg.RESULTS)
    reached = context.reached
    cause = f" {reached.text}" if reached else ""
    text = f"{answers.TEXTS[key]}{cause} Incident {context.incident}."
    limit = reached.as_json() if reached else None
    if context.row.is_call:
        return tool_error(context.id, text, modern=context.modern, limit=limit)
    return error(context.id, answers.WITHHELD, text, {"executed": True, **(limit or {})})


async def _broken(exchange: Exchange, context: Context, problem: str) -> Mapping[str, Any]:
    context.failed = True
    await exchange.release(context)
    exchange.runtime.log.warning("%s: %s", context.method, problem)
    await exchange.record(context, Decision.ERROR, Reason.ORIGIN_BROKEN, leg=Leg.RESULTS)
    return error(context.id, answers.ORIGIN_UNAVAILABLE, f"The server did not answer. Incident {context.incident}.")


def _answer_headers(exchange: Exchange, upstream: UpstreamAnswer) -> dict[str, str]:
    return {
        name: value
        for name, value in upstream.headers.items()
        # The guard knows only the session that it bound; a client that took up another could not use it.
        if name != "mcp-session-id" or value == exchange.caller.session
    }
