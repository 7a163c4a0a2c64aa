"""What a client sends, decided before anything of it is forwarded.

A request's method has one row in `guard.decide.methods`; what the row names is judged by grants and lock, then the limits,
then the engines. What the server answers is decided in `guard.decide.from_server`.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NoReturn

from components.gateway.names import REMAINING_HEADER
from guard.decide import answers, methods
from guard.decide.answers import error, tool_error
from guard.decide.consent import VALID_SECONDS
from guard.decide.context import Context, Prepared, Stop
from guard.decide.exchange import Exchange
from guard.decide.grants import ToolRight
from guard.decide.limits import NO_REMAINDER, Limited
from guard.decide.methods import Kind, Names, Section
from guard.decide.policy import PinnedTool
from guard.decide.reasons import Decision, Reason
from guard.decide.tokens import estimate, read_remaining
from guard.http.http_rules import Refused, check_param_headers, rewrite_param_headers, unmirrored
from guard.inspect.inspection import Inspected
from guard.inspect.verdict import Leg
from model.canonical import digest
from model.errors import Unreachable
from wire.json import dump
from wire.jsonrpc import Answer, Message, Notification, Request, blurred_arguments
from wire.sse import Event


async def prepare(exchange: Exchange, message: Message, headers: dict[str, str], size: int) -> Prepared:
    """Decide about a client's message; raises Stop with the answer when it goes no further."""
    if isinstance(message, Request):
        return await _request(exchange, message, headers, size)
    if isinstance(message, Notification):
        return await _notification(exchange, message, headers, size)
    return await _answer(exchange, message, headers, size)


# -- requests ---------------------------------------------------------------------------------------------------------


async def _request(exchange: Exchange, request: Request, headers: dict[str, str], size: int) -> Prepared:
    row = methods.from_client(request.method, Kind.REQUEST, modern=exchange.caller.modern)
    context = exchange.context(request.id, request.method, row or methods.UNKNOWN, size)
    if row is None:
        await exchange.refuse(context, Reason.UNKNOWN_METHOD, answers.METHOD_NOT_FOUND, "Method not found")
    prepared = Prepared(request.body, headers, context)
    try:
        await _decide(exchange, request, prepared, context)
    except Stop as stop:
        stop.paid = context.ticket is not None
        await exchange.release(context)
        raise
    except BaseException:
        await exchange.release(context)
        raise
    return prepared


async def _decide(exchange: Exchange, request: Request, prepared: Prepared, context: Context) -> None:
    row = context.row
    if row.structural:
        await _admit_structural(exchange, context)
    if row.is_call:
        await _call(exchange, request, prepared, context)
    elif row.names is Names.NAME:
        await _prompt(exchange, request, context)
    elif row.names is Names.URI:
        await _resource(exchange, request.params.get("uri"), context)
    elif row.names is Names.REFERENCE:
        await _reference(exchange, request, context)
    elif row.names is Names.SUBSCRIPTIONS:
        await _subscriptions(exchange, request, context)
    if prepared.cached is not None:
        return
    await _state(exchange, request, prepared, context)
    if context.ticket is None:
        await _admit(exchange, context, None)
    await _inspect_params(exchange, request, prepared, context)


async def _call(exchange: Exchange, request: Request, prepared: Prepared, context: Context) -> None:
    caller, policy, runtime = exchange.caller, exchange.policy, exchange.runtime
    name, arguments = request.params.get("name"), request.params.get("arguments", {})
    if not isinstance(name, str) or not isinstance(arguments, dict):
        text = "name must be a string and arguments an object"
        await exchange.refuse(context, Reason.MALFORMED, answers.INVALID_PARAMS, text)
    context.name = name
    unknown = f"Unknown tool: {name[:128]}"
    right = caller.rights.tools.get(name)
    tool = policy.tool(name)
    if right is None or tool is None:
        reason = Reason.NOT_GRANTED if tool else Reason.NOT_IN_LOCK
        await exchange.refuse(context, reason, answers.INVALID_PARAMS, unknown)
    if "task" in request.params:
        await exchange.refuse(context, Reason.TASKS, answers.INVALID_PARAMS, "tasks are not carried")
    await _fresh(exchange, context)
    if policy.pins.entry(Section.TOOLS, name) is None:
        await exchange.refuse(context, Reason.LOCK_MISMATCH, answers.INVALID_PARAMS, unknown)
    if context.modern and tool.mirrored:
        try:
            check_param_headers(exchange.headers, tool.schema, arguments, request.id)
        except Refused as refused:
            await exchange.record(context, Decision.REFUSE, Reason.HEADER_MISMATCH)
            raise Stop(refused.status, refused.message) from None
    problem = tool.check(arguments)
    if problem is None and blurred_arguments(arguments, tool.schema):
        problem = "a name is a property's in another spelling"
    if problem is None and (unfit := right.check(arguments)):
        problem = f"not granted: {unfit}"
    if problem is not None:
        await exchange.refuse_call(context, Reason.ARGUMENTS, f"Invalid arguments: {problem}")
    context.right = right
    if tool.outbound and runtime.taints.tainted(caller.principal.id) is not None:
        await _tainted(exchange, context, request)
    plain = request.params.keys() <= {"name", "arguments", "_meta"}
    if tool.cacheable and plain and "progressToken" not in _meta(request.params):
        context.cache_key = runtime.cache.key(caller.principal.id, name, arguments, caller.version)
        prepared.cached = runtime.cache.get(context.cache_key) if context.cache_key else None
    await _admit(exchange, context, right)
    if tool.writes:
        # What was read before may be untrue afterwards.
        runtime.cache.clear()
        context.writes = True
    if prepared.cached is not None:
        await exchange.record(context, Decision.ALLOW, Reason.CACHED)
        if context.ticket is not None:
            await context.ticket.charge(estimate(len(prepared.cached)))


async def _fresh(exchange: Exchange, context: Context) -> None:
    """Wait until what the server offers is known, so that what changed since is refused; raises Stop."""
    try:
        await exchange.runtime.watch.fresh()
        return
    except Unreachable:
        pass
    text = "The server is not available."
    await exchange.refuse(context, Reason.ORIGIN_UNAVAILABLE, answers.ORIGIN_UNAVAILABLE, text)


async def _prompt(exchange: Exchange, request: Request, context: Context) -> None:
    name = request.params.get("name")
    context.name = name if isinstance(name, str) else ""
    known = context.name in exchange.caller.rights.prompts
    if known:
        await _fresh(exchange, context)
    if not known or exchange.policy.pins.entry(Section.PROMPTS, context.name) is None:
        text = f"Unknown prompt: {context.name[:128]}"
        await exchange.refuse(context, Reason.NOT_GRANTED, answers.INVALID_PARAMS, text)


async def _resource(exchange: Exchange, uri: Any, context: Context) -> None:
    context.name = uri if isinstance(uri, str) else ""
    known = exchange.caller.rights.resource(context.name)
    if known:
        await _fresh(exchange, context)
    if not (known and exchange.policy.resource_pinned(context.name)):
        text, data = f"Unknown resource: {context.name[:256]}", {"uri": context.name[:2048]}
        await exchange.refuse(context, Reason.NOT_GRANTED, answers.INVALID_PARAMS, text, data)


async def _reference(exchange: Exchange, request: Request, context: Context) -> None:
    ref = request.params.get("ref")
    kind = ref.get("type") if isinstance(ref, dict) else None
    name = (ref.get("name") if kind == "ref/prompt" else ref.get("uri")) if isinstance(ref, dict) else None
    context.name = name if isinstance(name, str) else ""
    rights, pins = exchange.caller.rights, exchange.policy.pins
    await _fresh(exchange, context)
    if kind == "ref/prompt":
        known = context.name in rights.prompts and pins.entry(Section.PROMPTS, context.name) is not None
    else:
        template = pins.entry(Section.RESOURCE_TEMPLATES, context.name) is not None and rights.template(context.name)
        known = kind == "ref/resource" and (
            template or (rights.resource(context.name) and exchange.policy.resource_pinned(context.name))
        )
    if not known:
        await exchange.refuse(context, Reason.NOT_GRANTED, answers.INVALID_PARAMS, "Unknown reference")


async def _subscriptions(exchange: Exchange, request: Request, context: Context) -> None:
    wanted = request.params.get("notifications")
    uris = wanted.get("resourceSubscriptions", []) if isinstance(wanted, dict) else []
    for uri in uris if isinstance(uris, list) else [None]:
        await _resource(exchange, uri, context)
    context.name = ""


async def _state(exchange: Exchange, request: Request, prepared: Prepared, context: Context) -> None:
    """`requestState` is a handle to the server's memory: only the principal it was given to may bring it back."""
    state = request.params.get("requestState")
    if state is None:
        return
    if exchange.runtime.consents.is_ours(state):
        # The guard's own question: the server never heard of it.
        own = ("requestState", "inputResponses")
        params = {key: value for key, value in request.params.items() if key not in own}
        prepared.body = {**request.body, "params": params}
        return
    if not isinstance(state, str) or not exchange.runtime.states.holds(state, exchange.caller.principal):
        await exchange.refuse(context, Reason.FOREIGN_STATE, answers.INVALID_PARAMS, "Unknown requestState")


# -- taint and consent ------------------------------------------------------------------------------------------------


async def _tainted(exchange: Exchange, context: Context, request: Request) -> None:
    policy = exchange.policy.config.guard.taint.outbound_call
    if policy == "allow":
        await exchange.record(context, Decision.FLAG, Reason.TAINT)
        return
    if policy == "ask" and await _consented(exchange, context, request):
        await exchange.record(context, Decision.FLAG, Reason.TAINT_CONFIRMED)
        return
    text = f"{answers.TEXTS['taint']} Incident {context.incident}."
    await exchange.refuse_call(context, Reason.TAINT, text, Decision.BLOCK)


async def _consented(exchange: Exchange, context: Context, request: Request) -> bool:
    """Ask the person; raises Stop with the question in the 2026 era, where the client repeats the call."""
    runtime, caller, params = exchange.runtime, exchange.caller, request.params
    consents, principal = runtime.consents, caller.principal.id
    if context.modern:
        call = digest({"tool": context.name, "arguments": params.get("arguments", {})})
        if consents.is_ours(params.get("requestState")):
            return consents.redeem(params, principal, call)
        capabilities = _meta(params).get("io.modelcontextprotocol/clientCapabilities")
        if not isinstance(capabilities, dict) or "elicitation" not in capabilities or "inputResponses" in params:
            return False
        await exchange.record(context, Decision.FLAG, Reason.TAINT_ASKED)
        result = consents.result(principal, call, context.name)
        raise Stop(200, {"jsonrpc": "2.0", "id": context.id, "result": result})
    if exchange.sink is None or not runtime.sessions.can(caller.channel, "elicitation"):
        return False
    await exchange.record(context, Decision.FLAG, Reason.TAINT_ASKED)
    message, answer = consents.request(caller.channel, context.name)
    await exchange.sink.open_stream({})
    await exchange.sink.event(Event(dump(message).decode()))
    try:
        return await asyncio.wait_for(answer, VALID_SECONDS)
    except TimeoutError:
        return False


# -- limits -----------------------------------------------------------------------------------------------------------


async def _admit(exchange: Exchange, context: Context, right: ToolRight | None) -> None:
    tool = context.name if context.row.is_call else None
    tokens = estimate(context.request_bytes)
    try:
        context.ticket = await exchange.policy.limits.admit(exchange.caller.principal, tool, right, tokens)
        _check_server(exchange)
    except Limited as limited:
        await _limited(exchange, context, limited)


async def _admit_structural(exchange: Exchange, context: Context) -> None:
    principal, tokens = exchange.caller.principal, estimate(context.request_bytes)
    try:
        context.ticket = await exchange.policy.limits.admit_structural(principal, tokens)
        _check_server(exchange)
        if context.row.opens_session and not exchange.runtime.sessions.has_room(principal):
            raise Limited("sessions", None)
    except Limited as limited:
        await _limited(exchange, context, limited)


def _check_server(exchange: Exchange) -> None:
    """The server's budget, judged after the principal's own, and before anything is executed. Raises Limited."""
    exchange.policy.limits.check_server(read_remaining(exchange.headers.get(REMAINING_HEADER)), time.time())


async def _limited(exchange: Exchange, context: Context, limited: Limited) -> NoReturn:
    reason = Reason.NO_GATEWAY_REMAINDER if limited.what == NO_REMAINDER else Reason.RATE_LIMITED
    wait = limited.retry_after_seconds
    data = {"limit": limited.what} if wait is None else {"limit": limited.what, "retryAfterSeconds": wait}
    later = "" if wait is None else f" Try again in {wait} s."
    text = f"Too much was asked, nothing was executed: {limited.what}.{later}"
    headers = {} if wait is None else {"retry-after": str(wait)}
    await exchange.refuse(context, reason, answers.LIMITED, text, data, headers)


async def _paid(exchange: Exchange, size: int) -> int:
    """Tokens that the sender's own budget pays for a message nobody answers. It passes in any case: a client that could
    not cancel, or answer, would wait for ever."""
    return await exchange.policy.limits.fine(exchange.caller.principal, estimate(size))


# -- inspection -------------------------------------------------------------------------------------------------------


async def _inspect_params(exchange: Exchange, request: Request, prepared: Prepared, context: Context) -> None:
    params = prepared.body.get("params", {})
    uri = params.get("uri") if context.row.names is Names.URI else None
    if uri is not None:
        # A locked resource is approved by its very URI; of one that a template makes, what was filled in is judged.
        shown = None if exchange.policy.pins.entry(Section.RESOURCES, uri) else uri.partition("://")[2]
        params = {**params, "uri": shown}
    inspected = await exchange.inspect(Leg.ARGUMENTS, context, params)
    if uri is not None and inspected.decision is Decision.REDACT and inspected.value["uri"] != params["uri"]:
        # A URI with a piece cut out names something else, and it must not leave whole.
        inspected = replace(inspected, decision=Decision.BLOCK, value=None)
    tool = exchange.policy.tool(context.name) if context.row.is_call else None
    extra = unmirrored(prepared.headers, tool.schema if tool else {}) if context.modern else {}
    if extra and inspected.passed:
        headers = await exchange.inspect(Leg.ARGUMENTS, context, extra)
        if headers.decision in (Decision.BLOCK, Decision.REDACT):
            inspected = replace(headers, decision=Decision.BLOCK, value=None)
    await exchange.record_inspected(context, inspected, Leg.ARGUMENTS)
    if not inspected.passed:
        raise _blocked(context, inspected)
    if inspected.decision is Decision.REDACT:
        await _redacted(exchange, request, prepared, context, inspected, tool)


def _blocked(context: Context, inspected: Inspected) -> Stop:
    silent = inspected.reason is Reason.NO_VERDICT
    text = f"{answers.TEXTS['no_verdict' if silent else 'arguments']} Incident {context.incident}."
    if context.row.is_call:
        return Stop(200, tool_error(context.id, text, modern=context.modern))
    code = answers.NO_VERDICT if silent else answers.REFUSED
    return Stop(answers.status_of(code, modern=context.modern), error(context.id, code, text))


async def _redacted(
    exchange: Exchange,
    request: Request,
    prepared: Prepared,
    context: Context,
    inspected: Inspected,
    tool: PinnedTool | None,
) -> None:
    """Forward the params without what was cut out; a call must still fit its schema and its grant."""
    cleaned = inspected.value
    if context.row.names is Names.URI:
        cleaned = {**cleaned, "uri": request.params["uri"]}
    prepared.body = {**request.body, "params": cleaned}
    if not context.row.is_call:
        return
    arguments = inspected.value.get("arguments", {})
    problem = tool.check(arguments) if tool else "gone"
    if problem or tool is None or (context.right and context.right.check(arguments)):
        await exchange.refuse_call(context, Reason.ARGUMENTS, f"Invalid arguments: {problem}")
    if context.modern and tool.mirrored:
        rewrite_param_headers(prepared.headers, tool.schema, arguments)


# -- notifications and answers ----------------------------------------------------------------------------------------


async def _notification(exchange: Exchange, notification: Notification, headers: dict[str, str], size: int) -> Prepared:
    row = methods.from_client(notification.method, Kind.NOTIFICATION, modern=exchange.caller.modern)
    context = exchange.context("", notification.method, row or methods.UNKNOWN, size)
    if row is None:
        await exchange.refuse_silently(context, Reason.UNKNOWN_METHOD)
    inspected = await exchange.inspect(Leg.ARGUMENTS, context, notification.params)
    await exchange.record_inspected(context, inspected, Leg.ARGUMENTS)
    if not inspected.passed:
        raise Stop(400, None)
    body = notification.body
    if inspected.decision is Decision.REDACT:
        body = {**body, "params": inspected.value}
    return Prepared(body, headers, tokens=await _paid(exchange, size))


async def _answer(exchange: Exchange, answer: Answer, headers: dict[str, str], size: int) -> Prepared:
    """The client's answer to a server's request: only to one that was put to this very session."""
    runtime, caller = exchange.runtime, exchange.caller
    context = exchange.context("", methods.ANSWER.name, methods.ANSWER, size)
    if runtime.consents.hear(caller.channel, answer):
        await exchange.record(context, Decision.ALLOW, Reason.TAINT_ANSWERED)
        raise Stop(202, None)
    method = None
    if answer.id is not None and not caller.modern:
        method = runtime.recall(caller, "server", answer.id)
    if answer.id is None or method is None:
        await exchange.refuse_silently(context, Reason.UNEXPECTED_ANSWER)
    # Once: what the server took for an answer must not be followed by another.
    runtime.forget(caller, "server", answer.id)
    answered = (answer.id, method)
    context.name = method
    inspected = await exchange.inspect(Leg.ARGUMENTS, context, answer.result if answer.error is None else answer.error)
    await exchange.record_inspected(context, inspected, Leg.ARGUMENTS)
    tokens = await _paid(exchange, size)
    if not inspected.passed:
        # The server waits for this id, so it must hear something.
        refusal = error(answer.id, answers.REFUSED, answers.TEXTS["other"])
        return Prepared(refusal, headers, answers=answered, tokens=tokens)
    if inspected.decision is Decision.REDACT:
        member = "result" if answer.error is None else "error"
        return Prepared({**answer.body, member: inspected.value}, headers, answers=answered, tokens=tokens)
    return Prepared(answer.body, headers, answers=answered, tokens=tokens)


def _meta(params: Mapping[str, Any]) -> Mapping[str, Any]:
    meta = params.get("_meta")
    return meta if isinstance(meta, dict) else {}
