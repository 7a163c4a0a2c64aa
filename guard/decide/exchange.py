"""One client message from the moment its sender is proven to its last answer: every decision the guard makes about it.

Both directions pass here. What the client sends is decided before anything is forwarded; what the server sends back is
decided before the client sees it. Each decision is in the audit log before it takes effect.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, NoReturn, Protocol

from components.gateway.names import REMAINING_HEADER
from guard.decide import answers
from guard.decide.answers import error, new_incident, status_of, tool_error, unknown_tool
from guard.decide.cache import CacheKey
from guard.decide.consent import VALID_SECONDS
from guard.decide.limits import NO_REMAINDER, Limited, Ticket
from guard.decide.lists import DECIDING, LISTS, filter_list, holds_definitions, member
from guard.decide.methods import (
    CLIENT_NOTIFICATIONS,
    CLIENT_REQUESTS,
    SERVER_NOTIFICATIONS,
    SERVER_REQUESTS,
    STRUCTURAL,
)
from guard.decide.tokens import estimate, read_remaining
from guard.http.http_rules import Refused, check_param_headers, forwarded, rewrite_param_headers, unmirrored
from guard.http.upstream import AnswerTooLarge, UpstreamAnswer, UpstreamDown
from guard.identity.principal import Principal
from guard.inspect.inspection import Decision, Inspected
from guard.inspect.verdict import Leg
from model.errors import Unreachable
from model.tool_lock import digest
from wire.json import Malformed, dump, parse
from wire.jsonrpc import Answer, Id, Message, Notification, Request, blurred, blurred_arguments, classify
from wire.sse import Event, OverLimit, Reader

if TYPE_CHECKING:
    from guard.decide.grants import Rights, ToolRight
    from guard.decide.policy import Policy
    from guard.runtime import Runtime

_RESOURCE_METHODS = ("resources/read", "resources/subscribe", "resources/unsubscribe")
#: An answer, or one event of a stream, may be this large; a client's request has the configured limit.
MAX_ANSWER = 16 * 1024 * 1024


class Sink(Protocol):
    """Where answers go: one JSON body, or a stream of events."""

    streaming: bool

    def admit(self, tokens: int) -> None:
        """A message of so many tokens was let through."""

    async def answer(self, status: int, message: Mapping[str, Any] | None, headers: Mapping[str, str] = ...) -> None:
        """The final answer to it: the whole body, or the last message on an open stream."""

    async def open_stream(self, headers: Mapping[str, str]) -> None: ...

    async def event(self, event: Event) -> None: ...


@dataclass(slots=True)
class Caller:
    """Who sends, in which era and session, and what it may do."""

    principal: Principal
    rights: Rights
    modern: bool
    version: str
    session: str | None
    hostname: str

    @property
    def channel(self) -> str:
        """What request ids are unique in: a session, or the principal where there is none (no session id has a blank)."""
        return self.session or f" {self.principal.id}"


@dataclass(slots=True)
class Context:
    """What is known about a request while its answer is awaited."""

    id: Id
    method: str
    name: str
    modern: bool
    incident: str
    started: float
    right: ToolRight | None = None
    ticket: Ticket | None = None
    cache_key: CacheKey | None = None
    request_bytes: int = 0
    writes: bool = False
    #: The server did not behave: an HTTP 5xx, or what is no answer.
    failed: bool = False


@dataclass(slots=True)
class Prepared:
    """A message that may be forwarded. `context` is there when an answer is awaited, `answers` when it is itself the answer
    to a server's request: id and method."""

    body: Mapping[str, Any]
    headers: dict[str, str]
    context: Context | None = None
    cached: bytes | None = None
    answers: tuple[Id, str] | None = None
    #: What a message without an answer costs the server's budget: what its sender's own could pay.
    tokens: int = 0


class Stop(Exception):
    """The guard answers itself. `message` None: the status says it all."""

    def __init__(self, status: int, message: dict[str, Any] | None, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status)
        #: Its sender's budget has paid for the message already.
        self.paid = False
        self.status = status
        self.message = message
        self.headers = dict(headers or {})


@dataclass(slots=True)
class Exchange:
    """Decides for one caller under one policy; a policy that is replaced meanwhile ends with its exchanges."""

    runtime: Runtime
    policy: Policy
    caller: Caller
    headers: Mapping[str, str] = field(default_factory=dict)
    sink: Sink | None = None

    # -- from the client ----------------------------------------------------------------------------------------------

    async def prepare(self, message: Message, headers: dict[str, str], size: int) -> Prepared:
        """Decide about a client's message; raises Stop with the answer when it goes no further."""
        if isinstance(message, Request):
            return await self._request(message, headers, size)
        if isinstance(message, Notification):
            return await self._notification(message, headers, size)
        return await self._client_answer(message, headers, size)

    async def _request(self, request: Request, headers: dict[str, str], size: int) -> Prepared:
        caller = self.caller
        context = Context(
            request.id, request.method, "", caller.modern, new_incident(), time.monotonic(), request_bytes=size
        )
        if request.method not in CLIENT_REQUESTS[caller.modern]:
            await self._record(context, "refuse", "unknown_method", size=size)
            raise self._stop(context, answers.METHOD_NOT_FOUND, "Method not found")
        prepared = Prepared(request.body, headers, context)
        try:
            await self._decide(request, prepared, context, size)
        except Stop as stop:
            stop.paid = context.ticket is not None
            await self.release(context)
            raise
        except BaseException:
            await self.release(context)
            raise
        return prepared

    async def _decide(self, request: Request, prepared: Prepared, context: Context, size: int) -> None:
        if request.method in STRUCTURAL:
            await self._admit_structural(context)
        if request.method == "tools/call":
            await self._call(request, prepared)
        elif request.method == "prompts/get":
            await self._prompt(request, context)
        elif request.method in _RESOURCE_METHODS:
            await self._resource(request.params.get("uri"), context)
        elif request.method == "completion/complete":
            await self._completion(request, context)
        elif request.method == "subscriptions/listen":
            await self._listen(request, context)
        if prepared.cached is not None:
            return
        await self._state(request, prepared, context)
        if context.ticket is None:
            await self._admit(context, None)
        await self._arguments(request, prepared, size)

    async def _call(self, request: Request, prepared: Prepared) -> None:
        context, caller, policy = prepared.context, self.caller, self.policy
        assert context is not None  # noqa: S101 - a request always has one
        name, arguments = request.params.get("name"), request.params.get("arguments", {})
        if not isinstance(name, str) or not isinstance(arguments, dict):
            await self._record(context, "refuse", "malformed", size=context.request_bytes)
            raise self._stop(context, answers.INVALID_PARAMS, "name must be a string and arguments an object")
        context.name = name
        right = caller.rights.tools.get(name)
        tool = policy.tool(name)
        if right is None or tool is None:
            await self._record(context, "refuse", "not_granted" if tool else "not_in_lock", size=context.request_bytes)
            raise Stop(status_of(answers.INVALID_PARAMS, modern=context.modern), unknown_tool(request.id, name))
        if "task" in request.params:
            await self._record(context, "refuse", "tasks", size=context.request_bytes)
            raise self._stop(context, answers.INVALID_PARAMS, "tasks are not carried")
        await self._fresh(context)
        if policy.pins.entry("tools", name) is None:
            await self._record(context, "refuse", "lock_mismatch", size=context.request_bytes)
            raise Stop(status_of(answers.INVALID_PARAMS, modern=context.modern), unknown_tool(request.id, name))
        if context.modern and tool.mirrored:
            try:
                check_param_headers(self.headers, tool.schema, arguments, request.id)
            except Refused as refused:
                await self._record(context, "refuse", "header_mismatch", size=context.request_bytes)
                raise Stop(refused.status, refused.message) from None
        problem = tool.check(arguments)
        if problem is None and blurred_arguments(arguments, tool.schema):
            problem = "a name is a property's in another spelling"
        if problem is None and (unfit := right.check(arguments)):
            problem = f"not granted: {unfit}"
        if problem is not None:
            await self._record(context, "refuse", "arguments", size=context.request_bytes)
            raise Stop(200, tool_error(request.id, f"Invalid arguments: {problem}", modern=context.modern))
        context.right = right
        if tool.outbound and self.runtime.taints.tainted(caller.principal.id) is not None:
            await self._tainted(context, request)
        plain = request.params.keys() <= {"name", "arguments", "_meta"}
        if tool.cacheable and plain and "progressToken" not in _meta(request.params):
            context.cache_key = self.runtime.cache.key(caller.principal.id, name, arguments, caller.version)
            prepared.cached = self.runtime.cache.get(context.cache_key) if context.cache_key else None
        await self._admit(context, right)
        if tool.writes:
            # What was read before may be untrue afterwards.
            self.runtime.cache.clear()
            context.writes = True
        if prepared.cached is not None:
            await self._record(context, "allow", "cached", size=context.request_bytes)
            if context.ticket is not None:
                await context.ticket.charge(estimate(len(prepared.cached)))

    async def _fresh(self, context: Context) -> None:
        """Wait until what the server offers is known, so that what changed since is refused; raises Stop."""
        try:
            await self.runtime.watch.fresh()
        except Unreachable:
            await self._record(context, "refuse", "origin_unavailable", size=context.request_bytes)
            raise self._stop(context, answers.ORIGIN_UNAVAILABLE, "The server is not available.") from None

    async def _tainted(self, context: Context, request: Request) -> None:
        policy = self.policy.config.guard.taint.outbound_call
        if policy == "allow":
            await self._record(context, "flag", "taint", size=context.request_bytes)
            return
        if policy == "ask" and await self._consented(context, request):
            await self._record(context, "flag", "taint_confirmed", size=context.request_bytes)
            return
        await self._record(context, "block", "taint", size=context.request_bytes)
        text = f"{answers.TEXTS['taint']} Incident {context.incident}."
        raise Stop(200, tool_error(context.id, text, modern=context.modern))

    async def _consented(self, context: Context, request: Request) -> bool:
        """Ask the person; raises Stop with the question in the 2026 era, where the client repeats the call."""
        consents, principal = self.runtime.consents, self.caller.principal.id
        params = request.params
        if context.modern:
            call = digest({"tool": context.name, "arguments": params.get("arguments", {})})
            if consents.is_ours(params.get("requestState")):
                return consents.redeem(params, principal, call)
            capabilities = _meta(params).get("io.modelcontextprotocol/clientCapabilities")
            if not isinstance(capabilities, dict) or "elicitation" not in capabilities or "inputResponses" in params:
                return False
            await self._record(context, "flag", "taint_asked", size=context.request_bytes)
            result = consents.result(principal, call, context.name)
            raise Stop(200, {"jsonrpc": "2.0", "id": context.id, "result": result})
        if self.sink is None or not self.runtime.sessions.can(self.caller.channel, "elicitation"):
            return False
        await self._record(context, "flag", "taint_asked", size=context.request_bytes)
        message, answer = consents.request(self.caller.channel, context.name)
        await self.sink.open_stream({})
        await self.sink.event(Event(dump(message).decode()))
        try:
            return await asyncio.wait_for(answer, VALID_SECONDS)
        except TimeoutError:
            return False

    async def _prompt(self, request: Request, context: Context) -> None:
        name = request.params.get("name")
        context.name = name if isinstance(name, str) else ""
        known = context.name in self.caller.rights.prompts
        if known:
            await self._fresh(context)
        if not known or self.policy.pins.entry("prompts", context.name) is None:
            await self._record(context, "refuse", "not_granted", size=context.request_bytes)
            raise self._stop(context, answers.INVALID_PARAMS, f"Unknown prompt: {context.name[:128]}")

    async def _resource(self, uri: Any, context: Context) -> None:
        context.name = uri if isinstance(uri, str) else ""
        known = self.caller.rights.resource(context.name)
        if known:
            await self._fresh(context)
        if not (known and self.policy.resource_pinned(context.name)):
            await self._record(context, "refuse", "not_granted", size=context.request_bytes)
            text = f"Unknown resource: {context.name[:256]}"
            raise self._stop(context, answers.INVALID_PARAMS, text, {"uri": context.name[:2048]})

    async def _completion(self, request: Request, context: Context) -> None:
        ref = request.params.get("ref")
        kind = ref.get("type") if isinstance(ref, dict) else None
        name = (ref.get("name") if kind == "ref/prompt" else ref.get("uri")) if isinstance(ref, dict) else None
        context.name = name if isinstance(name, str) else ""
        rights, pins = self.caller.rights, self.policy.pins
        await self._fresh(context)
        if kind == "ref/prompt":
            known = context.name in rights.prompts and pins.entry("prompts", context.name) is not None
        else:
            template = pins.entry("resource_templates", context.name) is not None and rights.template(context.name)
            known = kind == "ref/resource" and (
                template or (rights.resource(context.name) and self.policy.resource_pinned(context.name))
            )
        if not known:
            await self._record(context, "refuse", "not_granted", size=context.request_bytes)
            raise self._stop(context, answers.INVALID_PARAMS, "Unknown reference")

    async def _listen(self, request: Request, context: Context) -> None:
        wanted = request.params.get("notifications")
        uris = wanted.get("resourceSubscriptions", []) if isinstance(wanted, dict) else []
        for uri in uris if isinstance(uris, list) else [None]:
            await self._resource(uri, context)
        context.name = ""

    async def _state(self, request: Request, prepared: Prepared, context: Context) -> None:
        """`requestState` is a handle to the server's memory: only the principal it was given to may bring it back."""
        state = request.params.get("requestState")
        if state is None:
            return
        if self.runtime.consents.is_ours(state):
            # The guard's own question: the server never heard of it.
            own = ("requestState", "inputResponses")
            params = {key: value for key, value in request.params.items() if key not in own}
            prepared.body = {**request.body, "params": params}
            return
        if not isinstance(state, str) or not self.runtime.states.holds(state, self.caller.principal):
            await self._record(context, "refuse", "foreign_state", size=context.request_bytes)
            raise self._stop(context, answers.INVALID_PARAMS, "Unknown requestState")

    async def _admit(self, context: Context, right: ToolRight | None) -> None:
        tool = context.name if context.method == "tools/call" else None
        tokens = estimate(context.request_bytes)
        try:
            context.ticket = await self.policy.limits.admit(self.caller.principal, tool, right, tokens)
            self._check_server()
        except Limited as limited:
            await self._limited(context, limited)

    async def _admit_structural(self, context: Context) -> None:
        tokens = estimate(context.request_bytes)
        try:
            context.ticket = await self.policy.limits.admit_structural(self.caller.principal, tokens)
            self._check_server()
            if context.method == "initialize" and not self.runtime.sessions.has_room(self.caller.principal):
                raise Limited("sessions", None)
        except Limited as limited:
            await self._limited(context, limited)

    def _check_server(self) -> None:
        """The server's budget, judged after the principal's own, and before anything is executed. Raises Limited."""
        self.policy.limits.check_server(read_remaining(self.headers.get(REMAINING_HEADER)), time.time())

    async def _limited(self, context: Context, limited: Limited) -> NoReturn:
        reason = "no_gateway_remainder" if limited.what == NO_REMAINDER else "rate_limited"
        await self._record(context, "refuse", reason, size=context.request_bytes)
        wait = limited.retry_after_seconds
        data = {"limit": limited.what} if wait is None else {"limit": limited.what, "retryAfterSeconds": wait}
        later = "" if wait is None else f" Try again in {wait} s."
        message = error(
            context.id, answers.LIMITED, f"Too much was asked, nothing was executed: {limited.what}.{later}", data
        )
        headers = {} if wait is None else {"retry-after": str(wait)}
        raise Stop(status_of(answers.LIMITED, modern=context.modern), message, headers)

    async def _arguments(self, request: Request, prepared: Prepared, size: int) -> None:
        context = prepared.context
        assert context is not None  # noqa: S101
        params = prepared.body.get("params", {})
        uri = params.get("uri") if request.method in _RESOURCE_METHODS else None
        if uri is not None:
            # A locked resource is approved by its very URI; of one that a template makes, what was filled in is judged.
            shown = None if self.policy.pins.entry("resources", uri) else uri.partition("://")[2]
            params = {**params, "uri": shown}
        inspected = await self._inspect(Leg.ARGUMENTS, context, params)
        if uri is not None and inspected.decision is Decision.REDACT and inspected.value["uri"] != params["uri"]:
            # A URI with a piece cut out names something else, and it must not leave whole.
            inspected = replace(inspected, decision=Decision.BLOCK, value=None)
        tool = self.policy.tool(context.name) if request.method == "tools/call" else None
        beside = unmirrored(prepared.headers, tool.schema if tool else {}) if context.modern else {}
        if beside and inspected.passed:
            headers = await self._inspect(Leg.ARGUMENTS, context, beside)
            if headers.decision in (Decision.BLOCK, Decision.REDACT):
                inspected = replace(headers, decision=Decision.BLOCK, value=None)
        await self._record(
            context, inspected.decision, inspected.reason, size=size, inspected=inspected, leg=Leg.ARGUMENTS
        )
        if not inspected.passed:
            key = "no_verdict" if inspected.reason == "no_verdict" else "arguments"
            text = f"{answers.TEXTS[key]} Incident {context.incident}."
            if request.method == "tools/call":
                raise Stop(200, tool_error(request.id, text, modern=context.modern))
            code = answers.NO_VERDICT if inspected.reason == "no_verdict" else answers.REFUSED
            raise self._stop(context, code, text)
        if inspected.decision is Decision.REDACT:
            await self._redacted(request, prepared, inspected)

    async def _redacted(self, request: Request, prepared: Prepared, inspected: Inspected) -> None:
        cleaned = inspected.value
        if request.method in _RESOURCE_METHODS:
            cleaned = {**cleaned, "uri": request.params["uri"]}
        prepared.body = {**request.body, "params": cleaned}
        context = prepared.context
        if request.method != "tools/call" or context is None:
            return
        tool, arguments = self.policy.tool(context.name), inspected.value.get("arguments", {})
        problem = tool.check(arguments) if tool else "gone"
        if problem or tool is None or (context.right and context.right.check(arguments)):
            await self._record(context, "refuse", "arguments", size=context.request_bytes)
            raise Stop(200, tool_error(request.id, f"Invalid arguments: {problem}", modern=context.modern))
        if context.modern and tool.mirrored:
            rewrite_param_headers(prepared.headers, tool.schema, arguments)

    async def _notification(self, notification: Notification, headers: dict[str, str], size: int) -> Prepared:
        context = Context(
            "", notification.method, "", self.caller.modern, new_incident(), time.monotonic(), request_bytes=size
        )
        if notification.method not in CLIENT_NOTIFICATIONS[self.caller.modern]:
            await self._record(context, "refuse", "unknown_method", size=size)
            raise Stop(400, None)
        inspected = await self._inspect(Leg.ARGUMENTS, context, notification.params)
        await self._record(
            context, inspected.decision, inspected.reason, size=size, inspected=inspected, leg=Leg.ARGUMENTS
        )
        if not inspected.passed:
            raise Stop(400, None)
        body = notification.body
        if inspected.decision is Decision.REDACT:
            body = {**body, "params": inspected.value}
        return Prepared(body, headers, tokens=await self._paid(size))

    async def _client_answer(self, answer: Answer, headers: dict[str, str], size: int) -> Prepared:
        """The client's answer to a server's request: only to one that was put to this very session."""
        context = Context("", "answer", "", self.caller.modern, new_incident(), time.monotonic(), request_bytes=size)
        if self.runtime.consents.hear(self.caller.channel, answer):
            await self._record(context, "allow", "taint_answered", size=size)
            raise Stop(202, None)
        method = None
        if answer.id is not None and not self.caller.modern:
            method = self.runtime.recall(self.caller, "server", answer.id)
        if answer.id is None or method is None:
            await self._record(context, "refuse", "unexpected_answer", size=size)
            raise Stop(400, None)
        # Once: what the server took for an answer must not be followed by another.
        self.runtime.forget(self.caller, "server", answer.id)
        answered = (answer.id, method)
        context.name = method
        inspected = await self._inspect(Leg.ARGUMENTS, context, answer.result if answer.error is None else answer.error)
        await self._record(
            context, inspected.decision, inspected.reason, size=size, inspected=inspected, leg=Leg.ARGUMENTS
        )
        tokens = await self._paid(size)
        if not inspected.passed:
            # The server waits for this id, so it must hear something.
            refusal = error(answer.id, answers.REFUSED, answers.TEXTS["other"])
            return Prepared(refusal, headers, answers=answered, tokens=tokens)
        if inspected.decision is Decision.REDACT:
            member = "result" if answer.error is None else "error"
            return Prepared({**answer.body, member: inspected.value}, headers, answers=answered, tokens=tokens)
        return Prepared(answer.body, headers, answers=answered, tokens=tokens)

    async def _paid(self, size: int) -> int:
        """Tokens that the sender's own budget pays for a message nobody answers. It passes in any case: a client that could
        not cancel, or answer, would wait for ever."""
        return await self.policy.limits.fine(self.caller.principal, estimate(size))

    # -- from the server ----------------------------------------------------------------------------------------------

    async def relay(self, context: Context, upstream: UpstreamAnswer, sink: Sink) -> None:
        """The server's answer to `context`, decided and passed on; the sink always gets a final answer.

        No HTTP 5xx of the server's reaches the client as such: one caller may be able to provoke it, and Kong would take it
        for a failure of the guard, which is everyone's.
        """
        headers = self._answer_headers(upstream)
        try:
            if upstream.media_type == "text/event-stream" and upstream.status == 200:
                await self._relay_stream(context, upstream, sink, headers)
                return
            body = await upstream.read(MAX_ANSWER)
        except AnswerTooLarge:
            await sink.answer(200, await self._executed(context, "too_large"))
            return
        context.failed = upstream.status >= 500
        message: Message | None
        try:
            message = classify(parse(body))
        except Malformed:
            message = None
        fits = isinstance(message, Answer) and message.id in (context.id, None)
        if not (fits and isinstance(message, Answer)) and 400 <= upstream.status < 500:
            # Its status says what it means: 404 is a session that ended, and the client begins another.
            await self._record(context, "error", f"origin_{upstream.status}", size=0)
            refusal = error(context.id, answers.ORIGIN_UNAVAILABLE, "The server refused this.")
            await sink.answer(upstream.status, refusal, headers)
            return
        if context.failed and not fits:
            await sink.answer(200, await self._broken(context, f"the server answered HTTP {upstream.status}"))
            return
        if not isinstance(message, Answer) or not fits or (message.id is None and upstream.status < 400):
            await sink.answer(200, await self._broken(context, "the server did not answer with the answer to this"))
            return
        self._keep_up()
        decided = await self.decide_answer(context, message)
        await sink.answer(200 if context.failed else upstream.status, decided, headers)

    async def _relay_stream(
        self, context: Context, upstream: UpstreamAnswer, sink: Sink, headers: Mapping[str, str]
    ) -> None:
        await sink.open_stream(headers)
        resumable = False
        async for event in self.events(upstream):
            resumable = resumable or bool(event.id)
            if await self.deliver(event, sink, context):
                return
            if context.ticket is not None and event.data:
                await context.ticket.charge(estimate(len(event.data)))
                if context.ticket.exhausted and context.method not in STRUCTURAL:
                    await sink.answer(200, await self._executed(context, "used_up"))
                    return
        if not (resumable and not context.modern):
            # No cursor to come back with: without an answer the client would wait for ever.
            await sink.answer(200, await self._broken(context, "the stream ended without an answer"))

    def _keep_up(self) -> None:
        """Judge what comes from now on by the configuration in force now: the engines of a replaced one are closed soon."""
        if self.policy is not self.runtime.policy:
            self.policy = self.runtime.policy
            self.caller.rights = self.policy.grants.rights(self.caller.principal)

    async def events(self, upstream: UpstreamAnswer) -> AsyncIterator[Event]:
        """Events of an upstream stream; one that breaks or breaks the rules just ends. Raises AnswerTooLarge."""
        reader = Reader(MAX_ANSWER)
        try:
            async for chunk in upstream.chunks():
                for event in reader.feed(chunk):
                    yield event
        except OverLimit:
            self.runtime.log.warning("upstream stream ended: an event is over %d bytes", MAX_ANSWER)
            raise AnswerTooLarge("an event is over the limit") from None
        except (UpstreamDown, Malformed) as problem:
            self.runtime.log.warning("upstream stream ended: %s", problem)

    async def deliver(self, event: Event, sink: Sink, context: Context | None) -> bool:
        """Pass one event on as far as it may go. True when it was the final answer to `context`."""
        self._keep_up()
        if event.id:
            event = replace(event, id=self.runtime.cursors.seal(event.id, self.caller.channel))
        if not event.is_message:
            # Another event type is nothing MCP knows; its place in the stream stays, its data does not.
            await sink.event(event if not event.data else Event("", None, event.id, event.retry))
            return False
        try:
            message = classify(parse((event.data or "").encode()))
        except Malformed:
            if context is not None:
                await sink.answer(200, await self._broken(context, "the server sent what is not a JSON-RPC message"))
                return True
            self.runtime.log.warning("the server sent what is not a JSON-RPC message; it is not passed on")
            message = None
        final = isinstance(message, Answer) and context is not None and message.id == context.id
        out = None if message is None else await self.decide_from_server(message, context)
        if out is None:
            await sink.event(Event(None, None, event.id, event.retry))
        else:
            await sink.event(Event(dump(out).decode(), event.event, event.id, event.retry))
        return final

    async def decide_from_server(self, message: Message, context: Context | None) -> Mapping[str, Any] | None:
        """What the client sees of a server's message; None: nothing."""
        if isinstance(message, Request):
            return await self._server_request(message, context)
        if isinstance(message, Notification):
            return await self._server_notification(message)
        if context is not None and message.id == context.id:
            return await self.decide_answer(context, message)
        known = None if message.id is None else self.runtime.recall(self.caller, "client", message.id)
        if isinstance(known, Context):
            return await self.decide_answer(known, message)
        lost = Context(message.id or "", "answer", "", self.caller.modern, new_incident(), time.monotonic())
        await self._record(lost, "block", "unexpected_answer", size=0, leg=Leg.RESULTS)
        return error(message.id, answers.REFUSED, f"{answers.TEXTS['other']} Incident {lost.incident}.")

    async def decide_answer(self, context: Context, answer: Answer) -> Mapping[str, Any]:
        """The server's answer to a request, as the client may see it."""
        try:
            if answer.error is not None:
                return await self._error_answer(context, answer)
            result: dict[str, Any] = answer.result or {}
            if blurred(result, DECIDING):
                return await self._broken(context, "a member of the result is a known one in another spelling")
            if context.method in LISTS:
                return await self._list(context, answer, result)
            if context.method in ("initialize", "server/discover"):
                return await self._introduction(context, answer, result)
            return await self._result(context, answer, result)
        finally:
            await self.release(context)

    async def _error_answer(self, context: Context, answer: Answer) -> Mapping[str, Any]:
        leg, size = _leg_of(context.method), len(dump(answer.error))
        inspected = await self._inspect(leg, context, answer.error)
        self._met(inspected, context)
        await self._record(
            context, inspected.decision, inspected.reason, inspected=inspected, leg=leg, answer_size=size
        )
        if context.ticket is not None:
            await context.ticket.charge(estimate(size))
        if not inspected.passed:
            return self._withheld(context, inspected)
        return {**answer.body, "error": inspected.value}

    async def _list(self, context: Context, answer: Answer, result: dict[str, Any]) -> Mapping[str, Any]:
        kind = LISTS[context.method]
        kept, rest, dropped = filter_list(self.policy.pins, kind, self.caller.rights, result, modern=context.modern)
        inspected = await self._inspect(Leg.DEFINITIONS, context, rest)
        if not inspected.passed:
            await self._record(context, "block", inspected.reason, inspected=inspected, leg=Leg.DEFINITIONS)
            return self._withheld(context, inspected)
        passed = []
        for definition in kept:
            one = await self._inspect(Leg.DEFINITIONS, context, definition)
            if one.passed:
                passed.append(definition)
            else:
                dropped += 1
                named = Context(
                    context.id,
                    context.method,
                    str(definition.get("name")),
                    context.modern,
                    context.incident,
                    context.started,
                )
                await self._record(named, "block", one.reason, inspected=one, leg=Leg.DEFINITIONS)
        await self._record(context, "allow", f"withheld_{dropped}" if dropped else None, leg=Leg.DEFINITIONS)
        return await self._charged(context, {**answer.body, "result": {**rest, member(kind): passed}})

    async def _introduction(self, context: Context, answer: Answer, result: dict[str, Any]) -> Mapping[str, Any]:
        shown = dict(result)
        if "instructions" in shown and not await self._instructions(context, shown["instructions"]):
            del shown["instructions"]
        capabilities = shown.get("capabilities")
        if isinstance(capabilities, dict):
            # What the guard does not carry must not be promised.
            shown["capabilities"] = {
                k: v for k, v in capabilities.items() if k not in ("tasks", "experimental", "extensions")
            }
        rest = {key: value for key, value in shown.items() if key != "instructions"}
        inspected = await self._inspect(Leg.DEFINITIONS, context, rest)
        await self._record(context, inspected.decision, inspected.reason, inspected=inspected, leg=Leg.DEFINITIONS)
        if not inspected.passed:
            return self._withheld(context, inspected)
        if context.modern and "ttlMs" in shown:
            shown["cacheScope"] = "private"
        return await self._charged(context, {**answer.body, "result": shown})

    async def _charged(self, context: Context, answer: Mapping[str, Any]) -> Mapping[str, Any]:
        """`answer`, paid for by the principal's own budget: what the server's pays for, its caller pays for first."""
        if context.ticket is not None:
            await context.ticket.charge(estimate(len(dump(answer))))
        return answer

    async def _instructions(self, context: Context, text: Any) -> bool:
        """Whether the server's instructions may be shown; without them a session works all the same."""
        if not self.policy.pins.admits_instructions(text):
            return False
        inspected = await self._inspect(Leg.DEFINITIONS, context, {"instructions": text})
        if not inspected.passed:
            await self._record(context, "block", inspected.reason, inspected=inspected, leg=Leg.DEFINITIONS)
        return inspected.passed

    async def _result(self, context: Context, answer: Answer, result: dict[str, Any]) -> Mapping[str, Any]:
        leg = _leg_of(context.method)
        if holds_definitions(result):
            # A list is shown as the answer to the request for it alone: there it is filtered.
            return await self._broken(context, "the server sent definitions that were not asked for")
        asks = result.get("inputRequests") if result.get("resultType") == "input_required" else None
        if asks is not None:
            leg = Leg.SERVER_REQUESTS
        inspected = await self._inspect(leg, context, result)
        self._met(inspected, context)
        size = len(dump(result))
        await self._record(
            context, inspected.decision, inspected.reason, inspected=inspected, leg=leg, answer_size=size
        )
        if context.ticket is not None:
            await context.ticket.charge(estimate(size))
        if not inspected.passed:
            return self._withheld(context, inspected)
        shown = inspected.value
        state = shown.get("requestState")
        if isinstance(state, str) and not self.runtime.states.bind(state, self.caller.principal):
            await self._record(context, "block", "too_many_states", leg=leg)
            return self._withheld(context, inspected)
        if context.modern and "ttlMs" in shown:
            shown = {**shown, "cacheScope": "private"}
        if (
            context.cache_key is not None
            and inspected.decision is Decision.ALLOW
            and asks is None
            and not shown.get("isError")
        ):
            self.runtime.cache.put(context.cache_key, dump(shown))
        return {**answer.body, "result": shown}

    async def _server_request(self, request: Request, context: Context | None) -> Mapping[str, Any] | None:
        about = Context(request.id, request.method, "", self.caller.modern, new_incident(), time.monotonic())
        if request.method not in SERVER_REQUESTS[self.caller.modern]:
            await self._record(about, "refuse", "unknown_method", leg=Leg.SERVER_REQUESTS)
            await self._tell_server(error(request.id, answers.METHOD_NOT_FOUND, "Method not found"))
            return None
        inspected = await self._inspect(Leg.SERVER_REQUESTS, about, request.params)
        await self._record(about, inspected.decision, inspected.reason, inspected=inspected, leg=Leg.SERVER_REQUESTS)
        self._met(inspected, about)
        if not inspected.passed:
            await self._tell_server(error(request.id, answers.REFUSED, answers.TEXTS["other"]))
            return None
        if not self.runtime.remember(self.caller, "server", request.id, request.method):
            await self._tell_server(error(request.id, answers.REFUSED, answers.TEXTS["other"]))
            return None
        return request.body

    async def _server_notification(self, notification: Notification) -> Mapping[str, Any] | None:
        about = Context("", notification.method, "", self.caller.modern, new_incident(), time.monotonic())
        if notification.method not in SERVER_NOTIFICATIONS:
            await self._record(about, "refuse", "unknown_method", leg=Leg.RESULTS)
            return None
        if notification.method == "notifications/resources/updated":
            uri = notification.params.get("uri")
            if not isinstance(uri, str) or not self.caller.rights.resource(uri):
                await self._record(about, "refuse", "not_granted", leg=Leg.RESULTS)
                return None
        if notification.method.endswith("/list_changed"):
            self.runtime.watch.again()
        inspected = await self._inspect(Leg.RESULTS, about, notification.params)
        if inspected.decision is not Decision.ALLOW or inspected.verdicts:
            await self._record(about, inspected.decision, inspected.reason, inspected=inspected, leg=Leg.RESULTS)
        self._met(inspected, about)
        if not inspected.passed:
            return None
        return {**notification.body, "params": inspected.value} if notification.params else notification.body

    async def _tell_server(self, message: Mapping[str, Any]) -> None:
        """A refusal of a server's request: sent beside the stream, as the server waits for it."""
        headers = forwarded(self.headers, modern=self.caller.modern, bearer=self.policy.forward_bearer)
        self.runtime.post_aside(message, headers, owner=self.caller.principal.id)

    # -- shared -------------------------------------------------------------------------------------------------------

    def _met(self, inspected: Inspected, context: Context) -> None:
        """Whoever was sent text that steers a model is tainted, whatever policy made of it."""
        if inspected.untrusted:
            self.runtime.taints.mark(self.caller.principal.id, context.incident)

    async def _inspect(self, leg: Leg, context: Context, value: Any) -> Inspected:
        return await self.policy.inspector.inspect(
            leg,
            context.method,
            context.name,
            value,
            principal=self.caller.principal.hash,
            incident=context.incident,
            structural=context.method in STRUCTURAL,
        )

    def _withheld(self, context: Context, inspected: Inspected) -> Mapping[str, Any]:
        silent = inspected.reason == "no_verdict"
        if context.method == "tools/call":
            key = "no_verdict_result" if silent else "results"
            return tool_error(context.id, f"{answers.TEXTS[key]} Incident {context.incident}.", modern=context.modern)
        code = answers.NO_VERDICT if silent else answers.REFUSED
        return error(context.id, code, f"{answers.TEXTS['other']} Incident {context.incident}.")

    async def unavailable(self, context: Context, retry_after: int | None, *, sent: bool) -> Mapping[str, Any]:
        """The answer when the server did not: whether it may have heard the request, and when to come again."""
        await self._record(context, "error", "origin_unavailable", leg=Leg.RESULTS)
        done = "It may have been executed." if sent else "Nothing was executed."
        later = "" if retry_after is None else f" Try again in {retry_after} s."
        text = f"The server is not available. {done}{later} Incident {context.incident}."
        data = None if retry_after is None else {"retryAfterSeconds": retry_after}
        return error(context.id, answers.ORIGIN_UNAVAILABLE, text, data)

    async def _executed(self, context: Context, why: str) -> Mapping[str, Any]:
        """The call ran and its answer is over a limit that only an answer can exceed: said so, and not as a refusal."""
        await self.release(context)
        await self._record(context, "block", f"result_{why}", leg=Leg.RESULTS)
        text = f"{answers.TEXTS[why]} Incident {context.incident}."
        if context.method == "tools/call":
            return tool_error(context.id, text, modern=context.modern)
        return error(context.id, answers.WITHHELD, text, {"executed": True})

    async def _broken(self, context: Context, why: str) -> Mapping[str, Any]:
        context.failed = True
        await self.release(context)
        self.runtime.log.warning("%s: %s", context.method, why)
        await self._record(context, "error", "origin_broken", leg=Leg.RESULTS)
        return error(context.id, answers.ORIGIN_UNAVAILABLE, f"The server did not answer. Incident {context.incident}.")

    async def release(self, context: Context) -> None:
        """The call is over: its place among the principal's calls in flight is free again."""
        if context.writes:
            # What was read while it ran may be what was there before.
            self.runtime.cache.clear()
        if context.ticket is not None:
            await context.ticket.release()

    def _stop(self, context: Context, code: int, text: str, data: Any = None) -> Stop:
        return Stop(status_of(code, modern=context.modern), error(context.id, code, text, data))

    def _answer_headers(self, upstream: UpstreamAnswer) -> dict[str, str]:
        return {
            name: value
            for name, value in upstream.headers.items()
            # The guard knows the session it bound; a client that took up another would lose its own.
            if name != "mcp-session-id" or value == self.caller.session
        }

    async def _record(
        self,
        context: Context,
        decision: str,
        reason: str | None,
        *,
        size: int | None = None,
        answer_size: int | None = None,
        inspected: Inspected | None = None,
        leg: Leg | None = None,
    ) -> None:
        await self.runtime.record(
            self.policy,
            self.caller,
            context,
            decision=str(decision),
            reason=reason,
            leg=leg,
            inspected=inspected,
            request_bytes=size if size is not None else context.request_bytes,
            response_bytes=answer_size,
        )


def _meta(params: Mapping[str, Any]) -> Mapping[str, Any]:
    meta = params.get("_meta")
    return meta if isinstance(meta, dict) else {}


def _leg_of(method: str) -> Leg:
    if method == "prompts/get":
        return Leg.PROMPTS
    if method == "resources/read":
        return Leg.RESOURCES
    return Leg.RESULTS
