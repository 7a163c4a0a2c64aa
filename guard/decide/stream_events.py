"""The events of a server's stream as they are read, and those that hold no message: comments, ids, names.

What a message in an event may hold is decided in `guard.decide.from_server`.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

from guard.decide import methods
from guard.decide.context import Sink
from guard.decide.exchange import Exchange
from guard.decide.reasons import Decision, Reason
from guard.decide.stream_rate import Traffic
from guard.http.upstream import AnswerTooLarge, Slip, UnusableAnswer, UpstreamAnswer, UpstreamDown
from guard.inspect.verdict import Leg
from wire.json import Malformed
from wire.sse import Event, OverLimit, Reader

#: An answer, or one event of a stream, may be this large; a client's request has the configured limit.
MAX_ANSWER = 16 * 1024 * 1024
#: Events until others have their turn: a chunk may hold thousands.
_TURN = 32
#: The row by which an event's id is judged, which is no message.
_EVENT_ID = methods.Method("event id", methods.MessageKind.NOTIFICATION)


async def events(exchange: Exchange, upstream: UpstreamAnswer) -> AsyncIterator[Event]:
    """The events of an upstream stream. A stream that breaks off ends here without an error.

    Raises AnswerTooLarge for an event over the limit, AnswerWithoutRoom, UnusableAnswer where the stream cannot be read.
    """
    reader, number = Reader(MAX_ANSWER), 0
    try:
        async for event in upstream.events(reader, exchange.room.held()):
            yield event
            number += 1
            if number % _TURN == 0:
                await asyncio.sleep(0)
    except OverLimit:
        exchange.runtime.log.warning("upstream stream ended: an event is over %d bytes", MAX_ANSWER)
        raise AnswerTooLarge("an event is over the limit") from None
    except Malformed as problem:
        raise UnusableAnswer(Reason.ORIGIN_MALFORMED, str(problem)) from None
    except Slip:
        raise
    except UpstreamDown as problem:
        exchange.runtime.log.warning("upstream stream ended: %s", problem)


async def pass_empty(exchange: Exchange, event: Event, sink: Sink) -> None:
    """Pass on an event that says nothing, unless too many of them came: what it has beside an id is nothing either."""
    if exchange.rate.admits(Traffic.EMPTY):
        await sink.event(event)
    else:
        exchange.runtime.metrics.dropped_events.labels(Traffic.EMPTY.value).inc()


async def readable_id(exchange: Exchange, text: str) -> bool:
    """Whether an event's id that is text may be shown. Without its id a client resumes from the event before."""
    about = exchange.context("", _EVENT_ID.name, _EVENT_ID)
    inspected = await exchange.inspect(Leg.RESULTS, about, {"id": text})
    exchange.taint(inspected, about)
    if not inspected.passed:
        await exchange.record_inspected(about, inspected, Leg.RESULTS)
    return inspected.decision is Decision.ALLOW
