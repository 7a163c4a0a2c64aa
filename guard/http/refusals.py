"""Answers requests that go no further, each under an incident that stands in the audit log, in its text and in a header."""

from __future__ import annotations

from collections.abc import Mapping

from guard.decide import answers
from guard.decide.answers import error
from guard.decide.reasons import Decision, Reason
from guard.http.http_rules import HttpRefusal
from guard.http.sink import HttpSink, SilentSink
from guard.identity.principal import Principal
from guard.runtime import Runtime


async def refuse(runtime: Runtime, sink: HttpSink, refused: HttpRefusal) -> None:
    """Note a refusal and answer it; a stream that has begun ends without a further message."""
    if refused.reason is Reason.DISCONNECTED:
        return  # nobody reads an answer, and nothing was attempted
    incident = runtime.note_refusal(sink.principal, refused.reason)
    if not sink.streaming and not sink.finished:
        message = refused.message and answers.of_refusal(refused.message, incident)
        await sink.refuse(refused.status, message, {**refused.headers, answers.INCIDENT_HEADER: incident})


async def refuse_ended(runtime: Runtime, sink: HttpSink) -> None:
    """Answer a request that the guard ended while it was served. A stream ends so without any message."""
    if sink.streaming or sink.finished:
        return
    if sink.principal is not None and sink.principal.id in runtime.policy.denied:
        await refuse(runtime, sink, denied())
        return
    text = "The guard ended this request, as it closes or its configuration closed the server."
    await refuse(runtime, sink, HttpRefusal(403, Reason.DRAINING, error(None, answers.REFUSED, text)))


async def fail(
    runtime: Runtime, sink: HttpSink | SilentSink, principal: Principal, headers: Mapping[str, str] | None = None
) -> None:
    """Answer what has no JSON-RPC answer and did not reach the server."""
    incident = runtime.note_refusal(principal, Reason.ORIGIN_UNAVAILABLE, Decision.ERROR)
    await sink.refuse(answers.ORIGIN_FAILED, None, {**(headers or {}), answers.INCIDENT_HEADER: incident})


def denied() -> HttpRefusal:
    """The refusal of a principal on the deny list."""
    return HttpRefusal(403, Reason.DENIED, error(None, answers.REFUSED, "This principal is denied."))
