"""The MCP endpoint: takes HTTP requests, has each message decided, forwards it to the server and answers the client.

The checks come in the order of trust: is the request for this guard (Host, Origin), who sends it, is it one message with
one meaning, is it allowed. Only then is anything sent to the server. What is allowed is decided in `guard.decide`.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

from components.gateway.names import REMAINING_HEADER
from guard.audit.files import AuditUnwritable
from guard.decide import answers, from_client, from_server, methods, stream_events, substitutes
from guard.decide.answers import error
from guard.decide.context import Prepared, Stop
from guard.decide.exchange import Exchange
from guard.decide.policy import Policy
from guard.decide.reasons import Reason
from guard.decide.tokens import estimate, read_remaining
from guard.http import refusals
from guard.http.arrival import Arrival, Receive, bounded, hold, read_body, until_disconnect
from guard.http.bounded_writer import note_sender
from guard.http.ended_sessions import end_untold
from guard.http.http_rules import (
    HttpRefusal,
    accepts_stream,
    check_body_headers,
    check_modern,
    check_modern_notification,
    check_version,
    forwarded,
    is_modern,
    legacy_version,
    read_headers,
    session_of,
)
from guard.http.request_reader import check_target
from guard.http.sink import HttpSink, Send, SilentSink
from guard.http.unsent import unavailable, without_token
from guard.http.upstream import NoToken, Slip, UpstreamAnswer, UpstreamDown, UpstreamFull
from guard.identity.principal import Principal
from guard.identity.verifier import NotIdentified
from guard.large_messages import take_step
from guard.runtime import Runtime
from guard.work import WorkEnded
from wire.json import Malformed, dump, parse
from wire.jsonrpc import Answer, Message, Notification, Request, classify

Scope = MutableMapping[str, Any]

MAX_BATCH = 50


class McpEndpoint:
    """An ASGI application for the one path that speaks MCP."""

    def __init__(self, runtime: Runtime) -> None:
        self.runtime = runtime
        self._handlers: Mapping[str, Callable[[Arrival], Awaitable[None]]] = {
            "POST": self._post,
            "GET": self._get,
            "DELETE": self._delete,
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started = time.monotonic()
        sink = HttpSink(send, self.runtime)
        self.runtime.busy += 1
        try:
            try:
                await self._serve(scope, receive, sink)
            except HttpRefusal as refused:
                await refusals.refuse(self.runtime, sink, refused)
                if sink.principal is not None:
                    await self.runtime.policy.limits.fine(sink.principal, sink.unjudged)
            except WorkEnded:
                await refusals.refuse_ended(self.runtime, sink)
        except AuditUnwritable:
            # Nothing passes without a record, so a stream that has begun ends without its answer.
            if not sink.streaming and not sink.finished:
                await sink.refuse(
                    503, error(None, answers.NO_VERDICT, "The guard is closed: its audit log cannot be written.")
                )
        finally:
            self.runtime.busy -= 1
            with contextlib.suppress(OSError):
                await sink.end()
            if not sink.streaming:
                self.runtime.metrics.answered(sink.status, time.monotonic() - started)

    async def _serve(self, scope: Scope, receive: Receive, sink: HttpSink) -> None:
        runtime, policy = self.runtime, self.runtime.policy
        if scope["type"] != "http":
            raise HttpRefusal(400, Reason.WEBSOCKET)
        headers = read_headers(scope["headers"])
        check_target(scope, headers)
        if "upgrade" in headers:
            raise HttpRefusal(
                400, Reason.WEBSOCKET, error(None, answers.INVALID_REQUEST, "no protocol upgrade is served")
            )
        if scope.get("query_string"):
            raise HttpRefusal(
                400, Reason.QUERY, error(None, answers.INVALID_REQUEST, "the MCP endpoint takes no query")
            )
        hostname = policy.names.hostname(headers)
        if runtime.draining:
            raise HttpRefusal(503, Reason.DRAINING, None, {"retry-after": "1"})
        if not runtime.audit.healthy:
            raise AuditUnwritable("the audit log is closed")
        if policy.term.is_over(time.time()):
            text = "The guard's configuration has expired, so it lets nothing pass."
            raise HttpRefusal(403, Reason.BUNDLE_EXPIRED, error(None, answers.REFUSED, text))
        if policy.behind_gateway:
            sink.remaining = read_remaining(headers.get(REMAINING_HEADER))
        handle = self._handlers.get(scope["method"])
        if handle is None:
            raise HttpRefusal(405, Reason.NO_SUCH_VERB, None, {"allow": "POST, GET, DELETE"})
        principal = await self._identify(policy, scope, hostname, sink)
        if not runtime.has_room(principal.id):
            text = "You have as many streams and requests open as are served at once."
            refusal = error(None, answers.LIMITED, text)
            raise HttpRefusal(429, Reason.TOO_MANY_STREAMS, refusal, {"retry-after": "1"})
        with runtime.work_for(principal.id, sink.task):
            async with bounded(principal):
                with runtime.room(principal.id) as room:
                    await handle(Arrival(policy, principal, hostname, headers, receive, sink, room))

    async def _identify(self, policy: Policy, scope: Scope, hostname: str, sink: HttpSink) -> Principal:
        try:
            principal = await policy.verifier.principal(scope["headers"], hostname)
        except NotIdentified as refused:
            headers = {"www-authenticate": refused.www_authenticate} if refused.www_authenticate else {}
            message = error(None, answers.UNAUTHENTICATED, "Who you are could not be verified.")
            raise HttpRefusal(refused.status, refused.reason, message, headers) from None
        sink.principal = principal
        note_sender(scope, principal)
        if principal.id in policy.denied:
            raise refusals.denied()
        return principal

    # -- POST ---------------------------------------------------------------------------------------------------------

    async def _post(self, arrival: Arrival) -> None:
        policy, sink = arrival.policy, arrival.sink
        check_body_headers(arrival.headers, policy.body_end)
        body = await read_body(arrival.receive, policy.body_end, arrival.room.held())
        sink.unjudged = estimate(len(body))
        try:
            value = await take_step(arrival.room.size, parse, body)
        except Malformed as malformed:
            text = f"the body is refused: {malformed}"
            raise HttpRefusal(400, Reason.MALFORMED, error(None, answers.PARSE_ERROR, text)) from None
        if isinstance(value, list):
            if len(body) > policy.body_limit:
                raise HttpRefusal(413, Reason.TOO_LARGE, error(None, answers.PARSE_ERROR, "the body is too large"))
            async with until_disconnect(arrival.receive, arrival.sink.task):
                await self._batch(arrival, value)
            return
        exchange, message = self._open(arrival, value)
        sink.unjudged = 0
        async with until_disconnect(arrival.receive, arrival.sink.task):
            with exchange.span:
                await self._message(exchange, message, len(body), sink)

    def _open(self, arrival: Arrival, value: Any) -> tuple[Exchange, Message]:
        """The message, and its exchange in the message's era and session; raises Refused."""
        headers = arrival.headers
        try:
            message = classify(value)
        except Malformed as malformed:
            id_ = value.get("id") if isinstance(value, dict) and isinstance(value.get("id"), str | int) else None
            text = f"the message is refused: {malformed}"
            raise HttpRefusal(400, Reason.MALFORMED, error(id_, answers.INVALID_REQUEST, text)) from None
        modern = is_modern(headers, value)
        session = None
        if modern:
            if isinstance(message, Request):
                check_modern(headers, message.body, message.id)
            elif isinstance(message, Notification):
                check_modern_notification(headers, message.method)
            else:
                text = "answers are not posted in this version"
                raise HttpRefusal(400, Reason.MALFORMED, error(None, answers.INVALID_REQUEST, text))
            version = headers["mcp-protocol-version"]
        else:
            version = legacy_version(headers)
            session = session_of(headers)
            if isinstance(message, Request) and _opens_session(message) and session is not None:
                # Some clients send the id of a session that ended, and only its absence begins another.
                if self.runtime.sessions.holds(session, arrival.principal):
                    refusal = error(message.id, answers.INVALID_REQUEST, "a session is initialized once")
                    raise HttpRefusal(400, Reason.BAD_SESSION, refusal)
                headers = {name: value for name, value in headers.items() if name != "mcp-session-id"}
                session = None
            self._check_session(session, arrival.principal, message)
        caller = arrival.caller(modern=modern, version=version, session=session)
        exchange = Exchange(self.runtime, arrival.policy, caller, headers, arrival.sink, room=arrival.room)
        if self.runtime.tracer is not None:
            exchange.span = self.runtime.tracer.begin(arrival.policy, caller, headers, message)
        return exchange, message

    def _check_session(self, session: str | None, principal: Principal, message: Message | None = None) -> None:
        """Refuse a session that is not this principal's: its id is a handle, never a proof (MCP security best practices)."""
        if session is None:
            return
        if not self.runtime.sessions.holds(session, principal):
            id_ = message.id if isinstance(message, Request) else None
            raise HttpRefusal(404, Reason.UNKNOWN_SESSION, error(id_, answers.INVALID_REQUEST, "Session not found"))

    async def _message(self, exchange: Exchange, message: Message, size: int, sink: HttpSink | SilentSink) -> None:
        """Carry out one message. The sink has its answer afterwards, whatever happened."""
        method = "" if isinstance(message, Answer) else message.method
        headers = forwarded(
            exchange.headers, modern=exchange.caller.modern, bearer=exchange.policy.forward_bearer, method=method
        )
        try:
            prepared = await from_client.prepare(exchange, message, headers, size)
        except Stop as stop:
            if not stop.paid:
                await exchange.policy.limits.fine(exchange.caller.principal, estimate(size))
            await sink.refuse(stop.status, stop.message, stop.headers)
            return
        context = prepared.context
        sink.admit(prepared.tokens if context is None else estimate(size))
        if prepared.cached is not None and context is not None:
            await exchange.release(context)
            await hold(prepared.cached, exchange.room.held())
            result = await take_step(exchange.room.size, parse, prepared.cached)
            await sink.answer(200, {"jsonrpc": "2.0", "id": context.id, "result": result})
            return
        await self._forward(exchange, prepared, sink)

    async def _forward(self, exchange: Exchange, prepared: Prepared, sink: HttpSink | SilentSink) -> None:
        runtime, caller, context = self.runtime, exchange.caller, prepared.context
        wait = runtime.origin.retry_after()
        if wait is not None:
            await unavailable(exchange, prepared, sink, wait, sent=False)
            return
        if context is not None and not context.row.opens_session and accepts_stream(exchange.headers):
            # The answer to `initialize` carries the session's id in its headers, which are not known yet.
            sink.stream_if_silent()
        upstream: UpstreamAnswer | None = None
        try:
            headers, body = exchange.span.sent(*exchange.introduced(prepared))
            upstream = await exchange.send("POST", headers, dump(body))
            if context is None:
                await self._acknowledge(exchange, upstream, sink)
                return
            if context.row.opens_session and not self._bind(exchange, upstream, prepared):
                await sink.answer(200, await substitutes.unavailable(exchange, context, None, sent=True))
                return
            if caller.session:
                runtime.remember(caller, "client", context.id, context)
            if upstream.media_type == "text/event-stream":
                with runtime.open_stream():
                    await from_server.relay(exchange, context, upstream, sink)
            else:
                await from_server.relay(exchange, context, upstream, sink)
            if context.failed:
                runtime.origin.failed(caller.principal.id, reached=True)
            else:
                runtime.origin.succeeded()
            if upstream.status == 404 and caller.session:
                runtime.sessions.end(caller.session)
        except NoToken as problem:
            await without_token(exchange, prepared, sink, problem)
        except Slip as slip:
            if context is not None:
                await sink.answer(200, await substitutes.for_slip(exchange, context, slip))
            else:
                runtime.log.warning("the server cannot be told this: %s", slip)
                await refusals.fail(runtime, sink, caller.principal)
        except UpstreamDown as problem:
            runtime.log.warning("the server is not available: %s", problem)
            if not isinstance(problem, UpstreamFull):
                runtime.watch.forget()
                runtime.origin.failed(caller.principal.id, reached=problem.sent)
            await unavailable(exchange, prepared, sink, runtime.origin.retry_after(), sent=problem.sent)
        finally:
            if upstream is not None:
                upstream.close()
            if context is not None:
                await exchange.release(context)
            if runtime.sessions.untold:
                end_untold(exchange)

    async def _acknowledge(self, exchange: Exchange, upstream: UpstreamAnswer, sink: HttpSink | SilentSink) -> None:
        """Answer a notification or an answer that was forwarded: 202, or the status by which the server refused it."""
        if upstream.media_type != "text/event-stream":
            # A stream would be no answer here, and it may never end.
            await upstream.read(stream_events.MAX_ANSWER, exchange.room.held())
        await sink.answer(202 if upstream.status < 300 else _status_shown(upstream), None)

    def _bind(self, exchange: Exchange, upstream: UpstreamAnswer, prepared: Prepared) -> bool:
        """Bind the session that the server opened. False if there is no room for it, or it is another principal's."""
        session = upstream.headers.get("mcp-session-id")
        if session is None or upstream.status != 200:
            return True
        if not self.runtime.sessions.bind(session, exchange.caller.principal):
            self.runtime.log.warning("the server opened a session that cannot be held, or is another's")
            return False
        exchange.caller.session = session
        capabilities = prepared.body.get("params", {}).get("capabilities")
        if isinstance(capabilities, dict) and "elicitation" in capabilities:
            self.runtime.sessions.allow(session, "elicitation")
        return True

    async def _batch(self, arrival: Arrival, batch: list[Any]) -> None:
        """Carry out a batch, which 2025-03-26 alone has. Each message is decided by itself; the answers come as a stream."""
        sink = arrival.sink
        version = legacy_version(arrival.headers)
        if version != "2025-03-26" or not 0 < len(batch) <= MAX_BATCH:
            raise HttpRefusal(400, Reason.BATCH, error(None, answers.INVALID_REQUEST, "batches are not accepted"))
        opened = [self._open(arrival, value) for value in batch]
        if any(isinstance(message, Request) and _opens_session(message) for _, message in opened):
            raise HttpRefusal(400, Reason.BATCH, error(None, answers.INVALID_REQUEST, "initialize stands alone"))
        if any(exchange.caller.modern for exchange, _ in opened):
            raise HttpRefusal(400, Reason.BATCH, error(None, answers.INVALID_REQUEST, "batches are not accepted"))
        requests = [message for _, message in opened if isinstance(message, Request)]
        if len({message.id for message in requests}) != len(requests):
            raise HttpRefusal(400, Reason.BATCH, error(None, answers.INVALID_REQUEST, "an id is used twice"))
        sink.unjudged = 0
        sink.keep_open = bool(requests)
        if requests:
            await sink.open_stream({})
        for (exchange, message), value in zip(opened, batch, strict=True):
            answer_sink = sink if isinstance(message, Request) else SilentSink()
            exchange.sink = answer_sink
            with exchange.span:
                await self._message(exchange, message, len(dump(value)), answer_sink)
        if not requests:
            await sink.answer(202, None)

    # -- GET and DELETE -----------------------------------------------------------------------------------------------

    async def _get(self, arrival: Arrival) -> None:
        """Open the legacy server stream, or resume one after Last-Event-ID. Every event is judged, also if resumed."""
        headers = arrival.headers
        async with until_disconnect(arrival.receive, arrival.sink.task):
            check_version(headers)
            session = session_of(headers)
            self._check_session(session, arrival.principal)
            caller = arrival.caller(modern=False, version=legacy_version(headers), session=session)
            await self._listen(Exchange(self.runtime, arrival.policy, caller, headers, room=arrival.room), arrival.sink)

    async def _listen(self, exchange: Exchange, sink: HttpSink) -> None:
        caller, principal, session = exchange.caller, exchange.caller.principal, exchange.caller.session
        sent = forwarded(exchange.headers, modern=False, bearer=exchange.policy.forward_bearer)
        sent["accept"] = "text/event-stream"
        del sent["content-type"]
        if exchange.headers.get("last-event-id"):
            cursor = self.runtime.cursors.open(exchange.headers["last-event-id"], caller.channel)
            if cursor is None:
                raise HttpRefusal(
                    400, Reason.FOREIGN_CURSOR, error(None, answers.INVALID_REQUEST, "Unknown Last-Event-ID")
                )
            sent["last-event-id"] = cursor
        upstream: UpstreamAnswer | None = None
        try:
            sent = exchange.introduced_verb("GET", sent)
            upstream = await exchange.send("GET", sent, None)
            if upstream.status != 200 or upstream.media_type != "text/event-stream":
                status = _status_shown(upstream) if upstream.status >= 400 else 405
                await sink.answer(status, None, {"allow": "POST, DELETE"} if status == 405 else None)
                return
            if session is not None:
                # Keep-alives must not hold a stream open whose session the client or the server ended by another request.
                sink.session_ended = lambda: not self.runtime.sessions.lives(session, principal)
            with self.runtime.open_stream():
                await sink.open_stream({})
                async for event in stream_events.events(exchange, upstream):
                    delivered = await from_server.deliver(exchange, event, sink, None)
                    if event.data and delivered is not from_server.EventDelivery.NOTHING:
                        await exchange.policy.limits.fine(principal, estimate(len(event.data)))
        except UpstreamDown as problem:
            self.runtime.log.warning("the server is not available: %s", problem)
            if not sink.streaming:
                await refusals.fail(self.runtime, sink, principal)
        finally:
            if upstream is not None:
                upstream.close()

    async def _delete(self, arrival: Arrival) -> None:
        """End the client's session."""
        headers, principal = arrival.headers, arrival.principal
        async with until_disconnect(arrival.receive, arrival.sink.task):
            check_version(headers)
            session = session_of(headers)
            if session is None:
                raise HttpRefusal(400, Reason.BAD_SESSION, error(None, answers.INVALID_REQUEST, "no session is named"))
            self._check_session(session, principal)
            caller = arrival.caller(modern=False, version=legacy_version(headers), session=session)
            exchange = Exchange(self.runtime, arrival.policy, caller, headers, room=arrival.room)
            sent = forwarded(headers, modern=False, bearer=arrival.policy.forward_bearer)
            sent = exchange.introduced_verb("DELETE", sent)
            try:
                upstream = await exchange.send("DELETE", sent, None)
            except UpstreamDown:
                await refusals.fail(self.runtime, arrival.sink, principal)
                return
            upstream.close()
            if upstream.status != 405:
                self.runtime.sessions.end(session)
            await arrival.sink.answer(_status_shown(upstream), None)


def _opens_session(request: Request) -> bool:
    row = methods.CLIENT.get(request.method)
    return row is not None and row.opens_session


def _status_shown(upstream: UpstreamAnswer) -> int:
    """The status for an answer without a body: a 5xx of the server must not look like one of the guard's own, nor its 401 as
    if the client's sign-in had ended."""
    return answers.ORIGIN_FAILED if upstream.status >= 500 or upstream.status in (401, 407) else upstream.status
