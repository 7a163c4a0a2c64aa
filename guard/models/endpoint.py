"""The endpoint of a model route: takes HTTP requests in OpenAI's form and answers them in it, refusals too.

The checks come in the order of trust, as before an MCP server (`guard.http.endpoint`): is the request for this guard, who
sends it, is it one request with one meaning. What becomes of a request to a model is in `guard.models.exchange`.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import MutableMapping
from typing import Any
from urllib.parse import unquote

from components.gateway.names import REMAINING_HEADER
from guard.audit.files import AuditUnwritable
from guard.decide.reasons import Reason
from guard.decide.tokens import read_remaining
from guard.http.arrival import Receive, bounded, read_body, until_disconnect
from guard.http.bounded_writer import note_sender
from guard.http.http_rules import HttpRefusal, check_body_headers, read_headers
from guard.http.request_reader import check_target
from guard.http.sink import Send
from guard.identity.principal import Principal
from guard.identity.verifier import NotIdentified
from guard.models.exchange import ModelExchange
from guard.models.policy import ModelPolicy
from guard.models.refusals import OF_STATUS, ErrorCode, ModelRefusal
from guard.models.requests import FORMATS
from guard.models.runtime import ModelContext, ModelRuntime
from guard.models.sink import ModelSink
from guard.traces.trace_context import TRACEPARENT
from guard.work import WorkEnded
from model.model_route import ModelKind

Scope = MutableMapping[str, Any]

_MODELS = "models"
_KINDS: dict[str, ModelKind] = {row.path: kind for kind, row in FORMATS.items()}
#: The time of each model in the list, which clients require and nothing depends on.
_CREATED = 0


class ModelEndpoint:
    """An ASGI application for every path of a model route."""

    def __init__(self, runtime: ModelRuntime) -> None:
        self.runtime = runtime

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        started, runtime = time.monotonic(), self.runtime
        sink = ModelSink(send, runtime)
        runtime.busy += 1
        try:
            try:
                await self._serve(scope, receive, sink)
            except HttpRefusal as refused:
                if refused.reason is not Reason.DISCONNECTED:
                    await self._refuse(sink, _in_openai_form(refused))
            except ModelRefusal as refusal:
                await self._refuse(sink, refusal)
            except WorkEnded:
                await self._refuse(sink, _ended(runtime.policy, sink.principal))
        except AuditUnwritable:
            # Nothing passes without a record, so a stream that has begun ends without its answer.
            if not sink.streaming and not sink.finished:
                code, text = ErrorCode.GUARD_CLOSED, "The guard is closed: its audit log cannot be written."
                error = {"message": text, "type": code.type, "param": None, "code": code.value}
                await sink.refuse(code.status, {"error": error})
        finally:
            runtime.busy -= 1
            with contextlib.suppress(OSError):
                await sink.end()
            if not sink.streaming:
                runtime.metrics.answered(sink.status, time.monotonic() - started)

    async def _refuse(self, sink: ModelSink, refusal: ModelRefusal) -> None:
        """Note a refusal of a request that no exchange had begun for, and answer it."""
        incident = self.runtime.note_refusal(sink.principal, refusal.reason, refusal.decision)
        if not sink.finished:
            await sink.refuse(refusal.code.status, refusal.body(incident), refusal.answer_headers(incident))

    async def _serve(self, scope: Scope, receive: Receive, sink: ModelSink) -> None:
        runtime, policy = self.runtime, self.runtime.policy
        if scope["type"] != "http":
            raise HttpRefusal(400, Reason.WEBSOCKET)
        headers = read_headers(scope["headers"])
        check_target(scope, headers)
        if "upgrade" in headers:
            raise ModelRefusal(ErrorCode.INVALID_REQUEST, "No protocol upgrade is served", Reason.WEBSOCKET)
        if scope.get("query_string"):
            raise ModelRefusal(ErrorCode.INVALID_REQUEST, "The endpoint takes no query", Reason.QUERY)
        hostname = policy.names.hostname(headers)
        if runtime.draining:
            text = "The guard ends"
            raise ModelRefusal(ErrorCode.GUARD_CLOSED, text, Reason.DRAINING, headers={"retry-after": "1"})
        if not runtime.audit.healthy:
            raise AuditUnwritable("the audit log is closed")
        if policy.term.is_over(time.time()):
            text = "The guard's configuration has expired, so it lets nothing pass"
            raise ModelRefusal(ErrorCode.PERMISSION_DENIED, text, Reason.BUNDLE_EXPIRED)
        if policy.behind_gateway:
            sink.remaining = read_remaining(headers.get(REMAINING_HEADER))
        path = _below(policy.config.path, scope["path"])
        kind = _KINDS.get(path)
        listing = path == _MODELS or path.startswith(f"{_MODELS}/")
        if kind is None and not listing:
            known = ", ".join((*_KINDS, _MODELS))
            raise ModelRefusal(
                ErrorCode.NOT_FOUND, f"The endpoint serves {known} and nothing else", Reason.NO_SUCH_PATH
            )
        verb = "GET" if listing else "POST"
        if scope["method"] != verb:
            text = f"The path takes {verb} alone"
            raise ModelRefusal(ErrorCode.METHOD_NOT_ALLOWED, text, Reason.NO_SUCH_VERB, headers={"allow": verb})
        principal = await self._identify(policy, scope, hostname, sink)
        if not runtime.has_room(principal.id):
            text = "You have as many streams and requests open as are served at once"
            headers = {"retry-after": "1"}
            raise ModelRefusal(ErrorCode.RATE_LIMITED, text, Reason.TOO_MANY_STREAMS, headers=headers)
        with runtime.work_for(principal.id, sink.task):
            async with bounded(principal):
                if kind is None:
                    await self._list(policy, principal, path, sink)
                    return
                check_body_headers(headers, policy.body_end)
                with runtime.room(principal.id) as room:
                    body = await read_body(receive, policy.body_end, room.held())
                    context = ModelContext(policy, principal, FORMATS[kind].path, room, len(body))
                    if runtime.tracer is not None:
                        context.span = runtime.tracer.begin(kind, headers.get(TRACEPARENT))
                    with context.span or contextlib.nullcontext():
                        async with until_disconnect(receive, sink.task):
                            await ModelExchange(runtime, context, sink).serve(kind, body)

    async def _identify(self, policy: ModelPolicy, scope: Scope, hostname: str, sink: ModelSink) -> Principal:
        try:
            principal = await policy.verifier.principal(scope["headers"], hostname)
        except NotIdentified as refused:
            headers = {"www-authenticate": refused.www_authenticate} if refused.www_authenticate else {}
            code = OF_STATUS[refused.status]
            raise ModelRefusal(code, "Who you are could not be verified", refused.reason, headers=headers) from None
        sink.principal = principal
        note_sender(scope, principal)
        if principal.id in policy.denied:
            raise _denied()
        return principal

    async def _list(self, policy: ModelPolicy, principal: Principal, path: str, sink: ModelSink) -> None:
        """Answer with the models that are granted, or with one of them."""
        rows = {
            name: {"id": name, "object": "model", "created": _CREATED, "owned_by": policy.server}
            for name in policy.granted(principal)
        }
        if path == _MODELS:
            await sink.answer(200, {"object": "list", "data": list(rows.values())})
            return
        name = unquote(path.removeprefix(f"{_MODELS}/"))
        if name not in rows:
            text = f"The model {name[:128]!r} does not exist or you do not have access to it. An operator can grant it"
            raise ModelRefusal(ErrorCode.MODEL_NOT_FOUND, text, Reason.NOT_GRANTED, "model")
        await sink.answer(200, rows[name])


def _below(base: str, path: str) -> str:
    """The path below the route's own; empty for every other one."""
    prefix = base if base.endswith("/") else f"{base}/"
    return path.removeprefix(prefix) if path.startswith(prefix) else ""


def _denied() -> ModelRefusal:
    return ModelRefusal(ErrorCode.PERMISSION_DENIED, "This principal is denied", Reason.DENIED)


def _ended(policy: ModelPolicy, principal: Principal | None) -> ModelRefusal:
    """What a request is told that the guard ended while it was served."""
    if principal is not None and principal.id in policy.denied:
        return _denied()
    text = "The guard ended this request, as it closes or its configuration closed the route"
    return ModelRefusal(ErrorCode.PERMISSION_DENIED, text, Reason.DRAINING)


def _in_openai_form(refused: HttpRefusal) -> ModelRefusal:
    """A refusal by the rules for HTTP, which are those of every guard."""
    code = OF_STATUS.get(refused.status, ErrorCode.INVALID_REQUEST)
    text = refused.message["error"]["message"] if refused.message else "The request is refused"
    return ModelRefusal(code, text[:1].upper() + text[1:], refused.reason, headers=refused.headers)
