"""Admits a client's message under the limits of its principal and of the server, or refuses it with the limit's name.

How budgets and calls in flight are counted is in `guard.decide.limits`.
"""

from __future__ import annotations

import time
from typing import NoReturn

from components.gateway.names import REMAINING_HEADER
from guard.decide import answers
from guard.decide.context import Context, Stop
from guard.decide.exchange import Exchange
from guard.decide.grants import ToolRight
from guard.decide.limits import COUNTED_KEYS, NO_REMAINDER, Limited, ReachedLimit
from guard.decide.reasons import Decision, Reason
from guard.decide.tokens import estimate, read_remaining


async def admit(exchange: Exchange, context: Context, right: ToolRight | None) -> None:
    """Take the request's place among the calls in flight and its tokens; raises Stop when a limit is reached."""
    tool = context.name if context.row.is_call else None
    tokens = estimate(context.request_bytes)
    try:
        context.ticket = await exchange.policy.limits.admit(exchange.caller.principal, tool, right, tokens)
        _check_server(exchange)
    except Limited as limited:
        await _refuse(exchange, context, limited.reached)


async def admit_structural(exchange: Exchange, context: Context) -> None:
    """Take the tokens of a request that holds no place among the calls in flight; raises Stop when a limit is reached."""
    principal, tokens = exchange.caller.principal, estimate(context.request_bytes)
    try:
        context.ticket = await exchange.policy.limits.admit_structural(principal, tokens)
        _check_server(exchange)
        if context.row.opens_session and not exchange.runtime.sessions.has_room(principal):
            raise Limited(ReachedLimit("sessions", exchange.runtime.sessions.most, exchange.runtime.sessions.most))
    except Limited as limited:
        await _refuse(exchange, context, limited.reached)


async def check_size(exchange: Exchange, context: Context) -> None:
    """Refuse a request that is larger than the stack file allows; raises Stop.

    The gateway cuts off what is far larger, and the guard does not read it to its end (`components.gateway.flood`).
    """
    try:
        too_large = await exchange.policy.limits.admit_oversized(exchange.caller.principal, context.request_bytes)
    except Limited as limited:
        await _refuse(exchange, context, limited.reached)
    if too_large is not None:
        await _refuse(exchange, context, too_large)


def _check_server(exchange: Exchange) -> None:
    """Judge the server's budget, after the principal's own and before anything is executed. Raises Limited."""
    exchange.policy.limits.check_server(read_remaining(exchange.headers.get(REMAINING_HEADER)), time.time())


async def _refuse(exchange: Exchange, context: Context, reached: ReachedLimit) -> NoReturn:
    """Record the limit and answer it inside the protocol, over HTTP 200 in either era; raises Stop.

    What was refused counts as a request and costs no tokens: one that is too large for the budget would use it up.
    """
    if reached is NO_REMAINDER:
        reason = Reason.NO_GATEWAY_REMAINDER
    else:
        reason = Reason.TOO_LARGE if reached.key == "limits.body_kilobytes" else Reason.RATE_LIMITED
    context.reached = reached
    if reached.key not in COUNTED_KEYS and context.ticket is None:
        await exchange.policy.limits.fine_request(exchange.caller.principal)
    await exchange.record(context, Decision.REFUSE, reason, key=None if reached is NO_REMAINDER else reached.key)
    wait = reached.retry_after_seconds
    headers = {} if wait is None else {"retry-after": str(wait)}
    text = answers.limited(reached.text, wait)
    if context.row.is_call:
        message = answers.tool_error(
            context.id, text, modern=context.modern, incident=context.incident, limit=reached.as_json()
        )
    else:
        message = answers.error(context.id, answers.LIMITED, text, reached.as_json(), context.incident)
    stop = Stop(200, message, headers)
    stop.paid = True
    raise stop


async def pay(exchange: Exchange, size: int) -> int:
    """Charge a message that has no answer to its sender's budget, and return the tokens that the budget could pay.

    The message passes in any case: a client that could not cancel, or answer the server, would wait for ever.
    """
    return await exchange.policy.limits.fine(exchange.caller.principal, estimate(size))
