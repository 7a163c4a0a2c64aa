"""Answers over HTTP in place of a server that was not asked, or that did not answer."""

from __future__ import annotations

from guard.decide import substitutes
from guard.decide.context import Prepared
from guard.decide.exchange import Exchange
from guard.http import refusals
from guard.http.sink import HttpSink, SilentSink
from guard.http.upstream import NoToken


async def without_token(exchange: Exchange, prepared: Prepared, sink: HttpSink | SilentSink, problem: NoToken) -> None:
    """Refuse what the server cannot be asked in the caller's name. It is up, so no breaker counts this."""
    wait = None if problem.wait is None else max(1, round(problem.wait))
    headers = {} if wait is None else {"retry-after": str(wait)}
    if prepared.answers is not None:
        exchange.runtime.remember(exchange.caller, "server", *prepared.answers)
    if prepared.context is None:
        exchange.runtime.log.warning("the server cannot be told this: %s", problem)
        await refusals.fail(exchange.runtime, sink, exchange.caller.principal, headers)
        return
    message = await substitutes.without_token(exchange, prepared.context, problem, wait)
    await sink.refuse(200, message, headers)


async def unavailable(
    exchange: Exchange, prepared: Prepared, sink: HttpSink | SilentSink, wait: int | None, *, sent: bool
) -> None:
    """Answer in place of a server that did not. The status is never a 5xx, or Kong would take the guard for broken."""
    context = prepared.context
    headers = {} if wait is None else {"retry-after": str(wait)}
    if prepared.answers is not None:
        # The server did not receive the client's answer, so the client may send it again.
        exchange.runtime.remember(exchange.caller, "server", *prepared.answers)
    if context is None:
        await refusals.fail(exchange.runtime, sink, exchange.caller.principal, headers)
        return
    message = await substitutes.unavailable(exchange, context, wait, sent=sent)
    await exchange.release(context)
    if sent:
        await sink.answer(200, message, headers)
    else:
        await sink.refuse(200, message, headers)
