"""Passes a stream of a model on: event by event in, what may be sent out, and at its end what it used."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from typing import Any

from guard.decide.reasons import AnyReason, Decision, Reason
from guard.decide.tokens import estimate
from guard.http.upstream import AnswerWithoutRoom, UpstreamAnswer, UpstreamDown
from guard.inspect.inspection import Inspected
from guard.inspect.verdict import ModelLeg
from guard.large_messages import take_step
from guard.memory import HeldMessage
from guard.models.answers import MAX_ANSWER, UnusableModelAnswer, broken_off, unusable, without_room
from guard.models.budgets import Reservation
from guard.models.chat_stream import ChatStream, as_chunks
from guard.models.held_text import WithheldPiece
from guard.models.refusals import ErrorCode, ModelRefusal
from guard.models.requests import ModelRequest
from guard.models.responses_stream import ProviderStreamError, ResponsesStream
from guard.models.runtime import ModelContext, ModelRuntime
from guard.models.sink import ModelSink
from guard.models.taint import TAINTED, closes_tool_calls
from guard.models.usage import ModelUsage
from guard.models.verdicts import blocked_answer
from model.parameter_kinds import KindTree
from wire.json import Malformed, dump, parse
from wire.sse import Event, Reader

END_MARK = "[DONE]"
#: Bytes of one event: the last one of a response repeats all of it.
MAX_EVENT = MAX_ANSWER


async def relay_stream(
    runtime: ModelRuntime,
    context: ModelContext,
    sink: ModelSink,
    request: ModelRequest,
    upstream: UpstreamAnswer,
    reservation: Reservation,
    expected: ModelUsage,
) -> None:
    """Judge a stream and pass it on. Raises ModelRefusal, and UpstreamDown where it broke off; whatever happens, what was
    used is charged and recorded."""

    async def judge(leg: ModelLeg, value: Any, kinds: KindTree) -> Inspected:
        if leg is ModelLeg.TOOL_CALLS and closes_tool_calls(context):
            return TAINTED
        return await context.policy.inspector.judge(
            leg,
            value,
            context.method,
            context.name,
            principal=context.principal,
            incident=context.incident,
            kinds=kinds,
            memory=context.room.size,
        )

    hold_back = context.policy.config.guard.hold_back
    stream: ChatStream | ResponsesStream
    if request.kind == "chat":
        stream = ChatStream(request.model.name, hold_back, judge, wants_usage=request.wants_usage, tools=request.tools)
    else:
        stream = ResponsesStream(request, hold_back, judge)
    await sink.open_stream({})
    refusal: ModelRefusal | None = None
    end: tuple[Decision, AnyReason | None] = (Decision.ERROR, Reason.ANSWER_CUT)
    try:
        await _pass_on(stream, upstream, sink, request, context.room.held())
        end = Decision.ALLOW, None
    except WithheldPiece as withheld:
        refusal = blocked_answer(withheld.leg, withheld.inspected, context.incident)
    except (UnusableModelAnswer, Malformed) as problem:
        refusal = unusable(str(problem))
    except ProviderStreamError:
        refusal = ModelRefusal(
            ErrorCode.PROVIDER_FAILED, "The provider failed", Reason.ORIGIN_BROKEN, decision=Decision.ERROR
        )
    except AnswerWithoutRoom as problem:
        refusal = without_room(problem)
    except UpstreamDown as problem:
        runtime.breaker(request.model).failed(context.principal.id, reached=True)
        refusal = broken_off(problem)
    finally:
        usage = stream.usage or ModelUsage(expected.input, estimate(stream.text_size), estimated=True)
        await reservation.settle(usage)
        sink.admit(usage.tokens)
        for leg, inspected in _distinct(stream.noted):
            await runtime.record(context, inspected.decision, inspected.reason, leg=leg, inspected=inspected)
        if refusal is None:
            decision, reason = end
            await runtime.record(context, decision, reason, usage=usage, response_bytes=stream.text_size)
    if refusal is not None:
        refusal.usage = usage
        raise refusal
    if request.kind == "chat":
        # After the record: a client takes this for the end of an answer that is accounted for.
        await sink.event(Event(END_MARK))


async def _pass_on(
    stream: ChatStream | ResponsesStream,
    upstream: UpstreamAnswer,
    sink: ModelSink,
    request: ModelRequest,
    held: HeldMessage,
) -> None:
    complete = False
    size = 0
    # Kong 3.9.3 sends the last event without the blank line that would end it.
    async for event in upstream.events(Reader(MAX_EVENT, forgiving=True), held, ending=b"\n\n"):
        if not event.data:
            continue
        if event.data.strip() == END_MARK:
            complete = True
            break
        size += len(event.data)
        if size > 4 * MAX_ANSWER:
            raise UnusableModelAnswer("its stream is larger than is passed on")
        value = await take_step(held.size, parse, event.data.encode())
        if isinstance(value, dict) and value.get("error"):
            raise ProviderStreamError
        for chunk in await stream.take(value):
            await _send(sink, request, chunk)
        # A slow judgement must not keep other callers waiting behind a fast stream.
        await asyncio.sleep(0)
    for chunk in await stream.end():
        await _send(sink, request, chunk)
    if not (complete or stream.is_whole):
        raise UpstreamDown("the stream ended before its answer did")


async def _send(sink: ModelSink, request: ModelRequest, chunk: Mapping[str, Any]) -> None:
    name = None if request.kind == "chat" else chunk["type"]
    await sink.event(Event(dump(chunk).decode(), name))


def _distinct(noted: list[tuple[ModelLeg, Inspected]]) -> list[tuple[ModelLeg, Inspected]]:
    """The decisions on pieces where something was found, each kind of it once."""
    kinds: dict[tuple[Any, ...], tuple[ModelLeg, Inspected]] = {}
    for leg, inspected in noted:
        if inspected.decision is not Decision.ALLOW or inspected.covered:
            rules = tuple(finding.rule for verdict in inspected.verdicts for finding in verdict.findings)
            kinds.setdefault((leg, inspected.decision, rules), (leg, inspected))
    return list(kinds.values())


async def send_as_stream(
    sink: ModelSink, request: ModelRequest, answer: Mapping[str, Any], headers: Mapping[str, str]
) -> None:
    """Send a whole answer, which was judged, to a client that asked for a stream."""
    if request.kind != "chat":
        raise unusable("it is no stream")
    await sink.open_stream(headers)
    for chunk in as_chunks(answer, wants_usage=request.wants_usage):
        await _send(sink, request, chunk)
    await sink.event(Event(END_MARK))
