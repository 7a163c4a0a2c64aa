"""Ends at the server the sessions that ended here, as too many or unused for a day, as their client would: by a DELETE.

A server that keeps a process or a file for each session would keep those for ever: their clients get 404 from the guard,
begin another session, and never end the one that they lost.
"""

from __future__ import annotations

import asyncio

from guard.audit.files import AuditUnwritable
from guard.audit.record import AuditRecord
from guard.decide.context import digest_of_session
from guard.decide.exchange import Exchange
from guard.decide.reasons import Decision
from guard.http.http_rules import forwarded
from guard.http.upstream import UpstreamDown

#: Seconds that the server has. Nobody waits for it.
_PATIENCE = 30.0


def end_untold(exchange: Exchange) -> None:
    """Have the server told, beside another request of the session's principal and by its credentials.

    Raises:
        AuditUnwritable: the guard is closed.
    """
    runtime, principal = exchange.runtime, exchange.caller.principal
    for session, reason in runtime.sessions.take_untold(principal):
        runtime.metrics.decided(Decision.ALLOW, reason, None)
        runtime.audit.write(
            AuditRecord(
                method="http DELETE",
                decision=Decision.ALLOW,
                reason=reason,
                bundle=exchange.policy.sha256,
                principal=principal.id,
                session=digest_of_session(session),
            )
        )
        runtime.log.info("session %s of %s is ended (%s)", digest_of_session(session), principal.id, reason)
        runtime.in_background(_end(exchange, session))


async def _end(exchange: Exchange, session: str) -> None:
    headers = forwarded(
        {**exchange.headers, "mcp-session-id": session}, modern=False, bearer=exchange.policy.forward_bearer
    )
    # The version is the new session's; a server takes a request without one.
    headers.pop("mcp-protocol-version", None)
    try:
        async with asyncio.timeout(_PATIENCE):
            answer = await exchange.send("DELETE", exchange.introduced_verb("DELETE", headers), None)
        answer.close()
    except (UpstreamDown, TimeoutError, AuditUnwritable) as problem:
        shown, reason = digest_of_session(session), str(problem) or "it does not answer"
        exchange.runtime.log.warning("the server could not be told that session %s is over: %s", shown, reason)
