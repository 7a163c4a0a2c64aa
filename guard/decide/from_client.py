"""Decides what a client sends, before anything of it is forwarded: requests, notifications, answers to the server.

A request's method has one row in `guard.decide.methods`. What the request names is judged by grants and lock, then by the
limits (`guard.decide.admission`), then by the engines. What the server sends is decided in `guard.decide.from_server`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import orjson

from guard.decide import answers, methods
from guard.decide.admission import admit, admit_structural, check_size, pay
from guard.decide.answers import error, status_of, tool_error
from guard.decide.context import Context, Prepared, Stop, meta_of
from guard.decide.exchange import Exchange, can_be_allowed
from guard.decide.grants import ToolRight
from guard.decide.methods import MessageKind, Names, Section
from guard.decide.outbound import check_outbound, taint_of_caller
from guard.decide.policy import PinnedTool
from guard.decide.question_answers import PARAMS, answer_kinds, foreign_root, foreign_root_in_params
from guard.decide.reasons import Decision, Reason
from guard.decide.subscriptions import note_subscription, subscribed_by
from guard.decide.tokens import estimate, repeated_bytes
from guard.http.http_rules import (
    HttpRefusal,
    check_param_headers,
    mirror_param_headers,
    rewrite_param_headers,
    unmirrored,
)
from guard.identity.introduction import without_claims
from guard.inspect.inspection import Inspected
from guard.inspect.verdict import Leg
from model.errors import Unreachable
from model.text import visible
from model.tool_lock import EntryKind
from wire.jsonrpc import Answer, Message, Notification, Request, blurred_arguments


async def prepare(exchange: Exchange, message: Message, headers: dict[str, str], size: int) -> Prepared:
    """Decide a client's message. Raises Stop with the answer when the message goes no further."""
    message = without_claims(message)
    if isinstance(message, Request):
        return await _request(exchange, message, headers, size)
    if isinstance(message, Notification):
        return await _notification(exchange, message, headers, size)
    return await _answer(exchange, message, headers, size)


# -- requests ---------------------------------------------------------------------------------------------------------


async def _request(exchange: Exchange, request: Request, headers: dict[str, str], size: int) -> Prepared:
    row = methods.from_client(request.method, MessageKind.REQUEST, modern=exchange.caller.modern)
    context = exchange.client_context(request.id, request.method, row or methods.UNKNOWN, size)
    prepared = Prepared(request.body, headers, context, about=context)
    try:
        await check_size(exchange, context)
        if row is None:
            await exchange.refuse(context, Reason.UNKNOWN_METHOD, answers.METHOD_NOT_FOUND, "Method not found")
        await _decide(exchange, request, prepared, context)
    except Stop as stop:
        stop.paid = context.ticket is not None or stop.paid
        if context.ticket is None and context.reached is None:
            await exchange.policy.limits.fine_request(exchange.caller.principal)
        await exchange.release(context)
        raise
    except BaseException:
        await exchange.release(context)
        raise
    return prepared


async def _decide(exchange: Exchange, request: Request, prepared: Prepared, context: Context) -> None:
    row = context.row
    if row.structural:
        await admit_structural(exchange, context)
    if unknown := row.unknown_members(request.params, modern=context.modern):
        text = f"Unknown member of params: {_shown(unknown)}. What MCP does not know for {row.name} belongs into _meta."
        await exchange.refuse(
            context, Reason.UNKNOWN_MEMBER, answers.INVALID_PARAMS, text, problem=f"params: {_shown(unknown)}"
        )
    if problem := row.misshapen(request.params):
        await exchange.refuse(
            context, Reason.MALFORMED, answers.INVALID_PARAMS, f"Invalid params: {problem}", problem=problem
        )
    if row.is_call:
        request = await _call(exchange, request, prepared, context)
    elif row.names is Names.NAME:
        await _prompt(exchange, request, context)
    elif row.names is Names.URI:
        await _resource(exchange, request.params.get("uri"), context)
    elif row.names is Names.REFERENCE:
        await _reference(exchange, request, context)
    elif row.names is Names.SUBSCRIPTIONS:
        await _subscriptions(exchange, request, context)
        exchange.subscriptions = subscribed_by(request.params.get("notifications"))
    if prepared.cached is not None:
        return
    await _state(exchange, request, prepared, context)
    if context.ticket is None:
        await admit(exchange, context, None)
    await _inspect_params(exchange, request, prepared, context)
    if row.subscribes and not note_subscription(exchange, row.name, context.name):
        text = "This session has as many subscriptions as are kept. End some of them."
        await exchange.refuse(context, Reason.TOO_MANY_SUBSCRIPTIONS, answers.LIMITED, text)


async def _call(exchange: Exchange, request: Request, prepared: Prepared, context: Context) -> Request:
    """Judge a tool call; returns it as it goes on, with the defaults of required arguments that were left out."""
    caller, runtime = exchange.caller, exchange.runtime
    if request.params.get("arguments", {}) is None:
        # Some clients write every absent member as null, which has no other meaning here.
        request = _with_arguments(request, {})
    name, arguments = request.params.get("name"), request.params.get("arguments", {})
    if not isinstance(name, str) or not isinstance(arguments, dict):
        text = "name must be a string and arguments an object"
        await exchange.refuse(context, Reason.MALFORMED, answers.INVALID_PARAMS, text)
    right, tool = await judge_tool(exchange, request, context, name)
    if context.modern and tool.mirrored:
        try:
            check_param_headers(exchange.headers, tool.schema, arguments, request.id)
        except HttpRefusal as refused:
            await exchange.record(context, Decision.REFUSE, Reason.HEADER_MISMATCH)
            message = refused.message and answers.of_refusal(refused.message, context.incident)
            raise Stop(refused.status, message) from None
    problem = tool.check(arguments)
    if problem is not None and tool.fill is not None and (filled := tool.fill(arguments)) is not arguments:
        arguments, problem = filled, tool.check(filled)
        request = _with_arguments(request, filled)
        if context.modern and tool.mirrored:
            mirror_param_headers(prepared.headers, tool.schema, filled)
    if problem is None and blurred_arguments(arguments, tool.schema):
        problem = "a name is a property's in another spelling"
    if problem is not None:
        await exchange.refuse_call(context, Reason.ARGUMENTS, f"Invalid arguments: {problem}", problem=problem)
    await _check_constraints(exchange, context, right, arguments)
    context.right, prepared.body = right, request.body
    if tool.outbound and (mark := await taint_of_caller(exchange, context, suspected=tool.reaches)) is not None:
        await check_outbound(exchange, context, request, mark)
    plain = request.params.keys() <= {"name", "arguments", "_meta"}
    if tool.cacheable and plain and "progressToken" not in meta_of(request.params):
        context.cache_key = runtime.cache.key(caller.principal.id, name, arguments, caller.version)
        prepared.cached = runtime.cache.get(context.cache_key) if context.cache_key else None
    await admit(exchange, context, right)
    if tool.writes:
        # The call changes something, so results that were read before it may no longer hold.
        runtime.cache.clear()
        context.writes = True
    if prepared.cached is not None:
        await exchange.record(context, Decision.ALLOW, Reason.CACHED)
        if context.ticket is not None:
            # As it was counted when the server gave it.
            repeated = repeated_bytes(orjson.loads(prepared.cached))
            if exchange.sink is not None:
                exchange.sink.repeats(repeated)
            context.ticket.owe(estimate(len(prepared.cached) - repeated))
    return request


async def judge_tool(exchange: Exchange, request: Request, context: Context, name: str) -> tuple[ToolRight, PinnedTool]:
    """Judge a tool by grants, lock and engines, whatever the arguments are; raises Stop where it may not be called."""
    context.name = name
    right = exchange.caller.rights.tools.get(name)
    pins, tool = exchange.policy.pins, exchange.policy.tool(name)
    if right is None or tool is None:
        missing = Reason.UNENFORCEABLE if f"{Section.TOOLS}/{name}" in pins.unenforceable else Reason.NOT_IN_LOCK
        reason = Reason.NOT_GRANTED if tool else missing
        await exchange.refuse(context, reason, answers.INVALID_PARAMS, _unknown("tool", name[:128], context))
    if "task" in request.params:
        await exchange.refuse(context, Reason.TASKS, answers.INVALID_PARAMS, "tasks are not carried")
    await _fresh(exchange, context, "tools")
    if pins.entry(Section.TOOLS, name) is None:
        await exchange.refuse(
            context, Reason.LOCK_MISMATCH, answers.INVALID_PARAMS, _unknown("tool", name[:128], context)
        )
    await _passed(exchange, context, [(Section.TOOLS, name)], lambda: _unknown("tool", name[:128], context))
    return right, tool


def _shown(names: list[str]) -> str:
    """The first of these names, which the sender chose, short and on one line."""
    return f"{visible(names[0][:64])} and {len(names) - 1} more" if len(names) > 1 else visible(names[0][:64])


def _with_arguments(request: Request, arguments: dict[str, Any]) -> Request:
    params = {**request.params, "arguments": arguments}
    return replace(request, params=params, body={**request.body, "params": params})


def _unknown(kind: str, name: str, context: Context) -> str:
    return f"Unknown {kind}: {name}. {answers.text('unknown', context.incident)}"


async def _check_constraints(exchange: Exchange, context: Context, right: ToolRight, arguments: Any) -> None:
    """Refuse arguments that no grant of the tool allows; raises Stop."""
    if misfit := right.check(arguments):
        text = f"Invalid arguments: not granted: {misfit}. {answers.text('constraint', context.incident)}"
        await exchange.refuse_call(context, Reason.ARGUMENTS, text, key="grants", problem=misfit)


async def _fresh(exchange: Exchange, context: Context, *kinds: EntryKind) -> None:
    """Wait until the server's lists of these kinds are fresh, so that a changed definition is refused.

    Raises Stop if they cannot be read. Other lists have no say in it.
    """
    caller, runtime = exchange.caller, exchange.runtime
    place = runtime.upstream.place(caller.session, caller.principal.id, modern=caller.modern)
    try:
        await runtime.watch.fresh(place, kinds)
        return
    except Unreachable:
        pass
    text = "The server is not available."
    await exchange.refuse(context, Reason.ORIGIN_UNAVAILABLE, answers.ORIGIN_UNAVAILABLE, text)


async def _passed(
    exchange: Exchange,
    context: Context,
    definitions: list[tuple[str, str]],
    unknown: Callable[[], str],
    data: dict[str, Any] | None = None,
) -> None:
    """Refuse what no list shows: the engines' findings withhold every one of these definitions. Raises Stop."""
    inspected = None
    for kind, key in definitions:
        inspected = await exchange.judge_definition(kind, key, context)
        if inspected.passed:
            return
    if inspected is not None:
        await exchange.record_inspected(context, inspected, Leg.DEFINITIONS)
    code = answers.INVALID_PARAMS
    message = error(context.id, code, unknown(), data, context.incident)
    raise Stop(status_of(code, modern=context.modern), message)


async def _prompt(exchange: Exchange, request: Request, context: Context) -> None:
    name = request.params.get("name")
    context.name = name if isinstance(name, str) else ""
    known = context.name in exchange.caller.rights.prompts
    if known:
        await _fresh(exchange, context, "prompts")
    if not known or exchange.policy.pins.entry(Section.PROMPTS, context.name) is None:
        await exchange.refuse(
            context, Reason.NOT_GRANTED, answers.INVALID_PARAMS, _unknown("prompt", context.name[:128], context)
        )
    await _passed(
        exchange, context, [(Section.PROMPTS, context.name)], lambda: _unknown("prompt", context.name[:128], context)
    )


async def _resource(exchange: Exchange, uri: Any, context: Context) -> None:
    context.name = uri if isinstance(uri, str) else ""
    known = exchange.caller.rights.resource(context.name)
    if known:
        await _fresh(exchange, context, "resources", "resource_templates")
    data = {"uri": context.name[:2048]}
    pinning = exchange.policy.pinning(context.name) if known else []
    if not pinning:
        text = _unknown("resource", context.name[:256], context)
        await exchange.refuse(context, Reason.NOT_GRANTED, answers.INVALID_PARAMS, text, data)
    await _passed(exchange, context, pinning, lambda: _unknown("resource", context.name[:256], context), data)


async def _reference(exchange: Exchange, request: Request, context: Context) -> None:
    ref = request.params.get("ref")
    kind = ref.get("type") if isinstance(ref, dict) else None
    name = (ref.get("name") if kind == "ref/prompt" else ref.get("uri")) if isinstance(ref, dict) else None
    context.name = name if isinstance(name, str) else ""
    rights, pins = exchange.caller.rights, exchange.policy.pins
    pinning: list[tuple[str, str]] = []
    if kind == "ref/prompt":
        await _fresh(exchange, context, "prompts")
        if context.name in rights.prompts and pins.entry(Section.PROMPTS, context.name) is not None:
            pinning = [(Section.PROMPTS, context.name)]
    else:
        await _fresh(exchange, context, "resources", "resource_templates")
        if kind == "ref/resource":
            if pins.entry(Section.RESOURCE_TEMPLATES, context.name) is not None and rights.template(context.name):
                pinning = [(Section.RESOURCE_TEMPLATES, context.name)]
            elif rights.resource(context.name):
                pinning = exchange.policy.pinning(context.name)
    if not pinning:
        await exchange.refuse(context, Reason.NOT_GRANTED, answers.INVALID_PARAMS, "Unknown reference")
    await _passed(exchange, context, pinning, lambda: "Unknown reference")


async def _subscriptions(exchange: Exchange, request: Request, context: Context) -> None:
    notifications = request.params.get("notifications")
    uris = notifications.get("resourceSubscriptions") if isinstance(notifications, dict) else None
    uris = [] if uris is None else uris
    for uri in uris if isinstance(uris, list) else [None]:
        await _resource(exchange, uri, context)
    context.name = ""


async def _state(exchange: Exchange, request: Request, prepared: Prepared, context: Context) -> None:
    """Refuse a `requestState` of another principal: it is a handle to the server's memory for the one it was given to."""
    state = request.params.get("requestState")
    if state is None:
        return
    if exchange.runtime.consents.is_consent_state(state):
        # The state of the guard's own question, which the server does not know.
        members = ("requestState", "inputResponses")
        params = {key: value for key, value in request.params.items() if key not in members}
        prepared.body = {**request.body, "params": params}
        return
    if not isinstance(state, str) or not exchange.runtime.states.holds(state, exchange.caller.principal):
        await exchange.refuse(context, Reason.FOREIGN_STATE, answers.INVALID_PARAMS, "Unknown requestState")


# -- inspection -------------------------------------------------------------------------------------------------------


async def _inspect_params(exchange: Exchange, request: Request, prepared: Prepared, context: Context) -> None:
    params = prepared.body.get("params", {})
    if foreign_root_in_params(params):
        text = "a root is a file: URI"
        await exchange.refuse(context, Reason.MALFORMED, answers.INVALID_PARAMS, text)
    uri = params.get("uri") if context.row.names is Names.URI else None
    if uri is not None:
        # The URI of a locked resource was approved itself. Of a URI made from a template only the part after the scheme,
        # which holds what was filled in, is judged.
        shown = None if exchange.policy.pins.entry(Section.RESOURCES, uri) else uri.partition("://")[2]
        params = {**params, "uri": shown}
    tool = exchange.policy.tool(context.name) if context.row.is_call else None
    inspected = await exchange.inspect(Leg.ARGUMENTS, context, params, tool.kinds if tool else PARAMS)
    if uri is not None and inspected.decision is Decision.REDACT and inspected.value["uri"] != params["uri"]:
        # A redacted URI would name another resource, and the URI as sent holds the secret: so it is blocked.
        inspected = replace(inspected, decision=Decision.BLOCK, value=None)
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
    key = "arguments" if can_be_allowed(context, inspected, Leg.ARGUMENTS) else "arguments_final"
    text = answers.text("no_verdict" if silent else key, context.incident)
    if context.row.is_call:
        return Stop(200, tool_error(context.id, text, modern=context.modern, incident=context.incident))
    code = answers.NO_VERDICT if silent else answers.REFUSED
    message = error(context.id, code, text, incident=context.incident)
    return Stop(answers.status_of(code, modern=context.modern), message)


async def _redacted(
    exchange: Exchange,
    request: Request,
    prepared: Prepared,
    context: Context,
    inspected: Inspected,
    tool: PinnedTool | None,
) -> None:
    """Forward the redacted params. The arguments of a call must still fit the pinned schema and the grant."""
    cleaned = inspected.value
    if context.row.names is Names.URI:
        cleaned = {**cleaned, "uri": request.params["uri"]}
    prepared.body = {**request.body, "params": cleaned}
    if not context.row.is_call:
        return
    arguments = inspected.value.get("arguments", {})
    problem = tool.check(arguments) if tool else "the tool is not locked"
    if problem is not None or tool is None:
        await exchange.refuse_call(context, Reason.ARGUMENTS, f"Invalid arguments: {problem}", problem=problem)
    if context.right is not None:
        await _check_constraints(exchange, context, context.right, arguments)
    if context.modern and tool.mirrored:
        rewrite_param_headers(prepared.headers, tool.schema, arguments)


# -- notifications and answers ----------------------------------------------------------------------------------------


async def _notification(exchange: Exchange, notification: Notification, headers: dict[str, str], size: int) -> Prepared:
    row = methods.from_client(notification.method, MessageKind.NOTIFICATION, modern=exchange.caller.modern)
    context = exchange.client_context("", notification.method, row or methods.UNKNOWN, size)
    if row is None:
        await exchange.refuse_silently(context, Reason.UNKNOWN_METHOD)
    if unknown := row.unknown_members(notification.params, modern=exchange.caller.modern):
        await exchange.refuse_silently(context, Reason.UNKNOWN_MEMBER, problem=f"params: {_shown(unknown)}")
    if problem := row.misshapen(notification.params):
        await exchange.refuse_silently(context, Reason.MALFORMED, problem=problem)
    if size > exchange.policy.body_limit:
        await exchange.refuse_silently(context, Reason.TOO_LARGE, status=413)
    inspected = await exchange.inspect(Leg.ARGUMENTS, context, notification.params)
    await exchange.record_inspected(context, inspected, Leg.ARGUMENTS)
    if not inspected.passed:
        raise Stop(400, None, {answers.INCIDENT_HEADER: context.incident})
    body = notification.body
    if inspected.decision is Decision.REDACT:
        body = {**body, "params": inspected.value}
    return Prepared(body, headers, about=context, tokens=await pay(exchange, size))


async def _answer(exchange: Exchange, answer: Answer, headers: dict[str, str], size: int) -> Prepared:
    """The client's answer to a server's request, which must have been sent to this very session."""
    runtime, caller = exchange.runtime, exchange.caller
    context = exchange.client_context("", methods.ANSWER.name, methods.ANSWER, size)
    if runtime.consents.hear(caller.channel, answer):
        await exchange.record(context, Decision.ALLOW, Reason.TAINT_ANSWERED)
        raise Stop(202, None)
    method = None
    if answer.id is not None and not caller.modern:
        method = runtime.recall(caller, "server", answer.id)
    if answer.id is None or method is None:
        await exchange.refuse_silently(context, Reason.UNEXPECTED_ANSWER)
    # A request is answered once: the server must not get a second answer to it.
    runtime.forget(caller, "server", answer.id)
    answered = (answer.id, method)
    context.name = method
    if size > exchange.policy.body_limit:
        await exchange.record(context, Decision.REFUSE, Reason.TOO_LARGE)
        return Prepared(error(answer.id, answers.REFUSED, "The answer is too large."), headers, answers=answered)
    # The server waits for an answer with this id, so it gets a refusal.
    refusal = error(answer.id, answers.REFUSED, answers.text("server", context.incident))
    if method == "roots/list" and foreign_root(answer.result):
        await exchange.record(context, Decision.REFUSE, Reason.MALFORMED)
        return Prepared(refusal, headers, answers=answered, tokens=await pay(exchange, size))
    part = answer.result if answer.error is None else answer.error
    inspected = await exchange.inspect(Leg.ARGUMENTS, context, part, answer_kinds(method))
    await exchange.record_inspected(context, inspected, Leg.ARGUMENTS)
    tokens = await pay(exchange, size)
    if not inspected.passed:
        return Prepared(refusal, headers, answers=answered, tokens=tokens)
    if inspected.decision is Decision.REDACT:
        member = "result" if answer.error is None else "error"
        return Prepared(
            {**answer.body, member: inspected.value}, headers, about=context, answers=answered, tokens=tokens
        )
    return Prepared(answer.body, headers, about=context, answers=answered, tokens=tokens)
