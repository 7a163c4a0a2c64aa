"""Admits a client's message under the limits of its principal and of the server, or refuses it with the limit's name.

How budgets and calls in flight are counted is in `guard.decide.limits`.
"""

from __future__ import annotations

import time
from typing import NoReturn

from components.gateway.names import REMAINING_HEADER
from guard.decide import answers
from guard.decide.context import Context
from guard.decide.exchange import Exchange
from guard.decide.grants import ToolRight
from guard.decide.limits import NO_REMAINDER, Limited
from guard.decide.reasons import Reason
from guard.decide.tokens import estimate, read_remaining

#: The key of the stack file that sets a limit.
_KEYS = {
    "concurrency": "limits.concurrency",
    "requests_per_minute": "limits.tools",
    "tokens_per_minute": "limits.tools",
    "principal_tokens_per_minute": "limits.principal_tokens_per_minute",
    "server_tokens_per_minute": "limits.tokens_per_minute",
    "counters unavailable": "guard.redis",
}


async def admit(exchange: Exchange, context: Context, right: ToolRight | None) -> None:
    """Take the request's place among the calls in flight and its tokens; raises Stop when a limit is reached."""
    tool = context.name if context.row.is_call else None
    tokens = estimate(context.request_bytes)
    try:
        context.ticket = await exchange.policy.limits.admit(exchange.caller.principal, tool, right, tokens)
        _check_server(exchange)
    except Limited as limited:
        await _refuse(exchange, context, limited)


async def admit_structural(exchange: Exchange, context: Context) -> None:
    """Take the tokens of a request that holds no place among the calls in flight; raises Stop when a limit is reached."""
    principal, tokens = exchange.caller.principal, estimate(context.request_bytes)
    try:
        context.ticket = await exchange.policy.limits.admit_structural(principal, tokens)
        _check_server(exchange)
        if context.row.opens_session and not exchange.runtime.sessions.has_room(principal):
            raise Limited("sessions", None)
    except Limited as limited:
        await _refuse(exchange, context, limited)


def _check_server(exchange: Exchange) -> None:
    """Judge the server's budget, after the principal's own and before anything is executed. Raises Limited."""
    exchange.policy.limits.check_server(read_remaining(exchange.headers.get(REMAINING_HEADER)), time.time())


async def _refuse(exchange: Exchange, context: Context, limited: Limited) -> NoReturn:
    reason = Reason.NO_GATEWAY_REMAINDER if limited.limit == NO_REMAINDER else Reason.RATE_LIMITED
    wait = limited.retry_after_seconds
    data = {"limit": limited.limit} if wait is None else {"limit": limited.limit, "retryAfterSeconds": wait}
    later = "" if wait is None else f" Try again in {wait} s."
    text = f"A limit is reached ({limited.limit}); nothing was executed.{later}"
    headers = {} if wait is None else {"retry-after": str(wait)}
    await exchange.refuse(context, reason, answers.LIMITED, text, data, headers, key=_KEYS.get(limited.limit))


async def pay(exchange: Exchange, size: int) -> int:
    """Charge a message that has no answer to its sender's budget, and return the tokens that the budget could pay.

    The message passes in any case: a client that could not cancel, or answer the server, would wait for ever.
    """
    return await exchange.policy.limits.fine(exchange.caller.principal, estimate(size))
