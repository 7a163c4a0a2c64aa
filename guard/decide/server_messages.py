"""Decides what the client sees of what the server sends beside answers: its own requests, and notifications.

Each stream has a rate for each kind of them (`guard.decide.stream_rate`). Answers are decided in `guard.decide.from_server`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from guard.decide import answers, methods
from guard.decide.answers import error
from guard.decide.context import Context, Prepared
from guard.decide.exchange import Exchange
from guard.decide.methods import Method, Names
from guard.decide.reasons import Decision, Reason
from guard.decide.server_questions import fault_of
from guard.decide.stream_rate import Traffic
from guard.decide.subscriptions import is_subscribed
from guard.http.http_rules import forwarded
from guard.inspect.verdict import Leg
from wire.json import dump
from wire.jsonrpc import Notification, Request

_PROGRESS = methods.SERVER["notifications/progress"]


async def pass_request(exchange: Exchange, request: Request) -> Mapping[str, Any] | None:
    """The server's request as the client sees it; None if it sees nothing of it, which the server is told."""
    row = methods.request_from_server(request.method, modern=exchange.caller.modern)
    about = exchange.context(request.id, request.method, row or methods.UNKNOWN)
    if not await _within_rate(exchange, about, Traffic.REQUEST):
        # Whoever asks without end is not answered without end either.
        if exchange.rate.admits(Traffic.REFUSAL):
            await tell_server(exchange, error(request.id, answers.REFUSED, answers.text("server", about.incident)))
        return None
    if row is None:
        await exchange.record(about, Decision.REFUSE, Reason.UNKNOWN_METHOD, leg=Leg.SERVER_REQUESTS)
        await tell_server(exchange, error(request.id, answers.METHOD_NOT_FOUND, "Method not found"))
        return None
    fault = fault_of(exchange.policy.config.guard.questions, request.method, request.params)
    if fault is not None:
        await exchange.record(about, Decision.REFUSE, fault.reason, leg=Leg.SERVER_REQUESTS, problem=fault.problem)
        await tell_server(exchange, error(request.id, answers.REFUSED, answers.text("server", about.incident)))
        return None
    inspected = await exchange.inspect(Leg.SERVER_REQUESTS, about, request.params)
    await exchange.record_inspected(about, inspected, Leg.SERVER_REQUESTS)
    exchange.taint(inspected, about)
    await exchange.runtime.agree_on_text()
    if not inspected.passed:
        await tell_server(exchange, error(request.id, answers.REFUSED, answers.text("server", about.incident)))
        return None
    if not exchange.runtime.remember(exchange.caller, "server", request.id, request.method):
        await tell_server(exchange, error(request.id, answers.REFUSED, answers.text("server", about.incident)))
        return None
    return request.body


async def pass_notification(exchange: Exchange, notification: Notification) -> Mapping[str, Any] | None:
    """The server's notification as the client sees it; None if it sees nothing of it."""
    row = methods.notification_from_server(notification.method)
    about = exchange.context("", notification.method, row or methods.UNKNOWN)
    if row is None:
        await exchange.record(about, Decision.REFUSE, Reason.UNKNOWN_METHOD, leg=Leg.RESULTS)
        return None
    if row.changes_lists:
        # Also where the client is not told: its next call is judged by what the server offers then.
        caller, runtime = exchange.caller, exchange.runtime
        runtime.watch.changed(runtime.upstream.place(caller.session, caller.principal.id, modern=caller.modern))
    if not await _within_rate(exchange, about, _traffic(row)):
        return None
    if row.names is Names.URI:
        uri = notification.params.get("uri")
        if not isinstance(uri, str) or not exchange.caller.rights.resource(uri):
            await exchange.record(about, Decision.REFUSE, Reason.NOT_GRANTED, leg=Leg.RESULTS)
            return None
        if not is_subscribed(exchange, uri):
            about.name = uri
            await exchange.record(about, Decision.REFUSE, Reason.NOT_SUBSCRIBED, leg=Leg.RESULTS)
            return None
    inspected = await exchange.inspect(Leg.RESULTS, about, notification.params)
    if inspected.decision is not Decision.ALLOW or inspected.verdicts:
        await exchange.record_inspected(about, inspected, Leg.RESULTS)
    exchange.taint(inspected, about)
    await exchange.runtime.agree_on_text()
    if not inspected.passed:
        return None
    return {**notification.body, "params": inspected.value} if notification.params else notification.body


async def tell_server(exchange: Exchange, message: Mapping[str, Any]) -> None:
    """Send the server the refusal of its request, as it waits for an answer."""
    sent = forwarded(exchange.headers, modern=exchange.caller.modern, bearer=exchange.policy.forward_bearer)
    headers, body = exchange.introduced(Prepared(message, sent))
    exchange.runtime.post_refusal(lambda: exchange.send("POST", headers, dump(body)))


def _traffic(row: Method) -> Traffic:
    if row is _PROGRESS:
        return Traffic.PROGRESS
    return Traffic.LISTS if row.changes_lists else Traffic.NOTIFICATION


async def _within_rate(exchange: Exchange, about: Context, traffic: Traffic) -> bool:
    """Whether one more message of this kind may pass on this stream; records it where it may not."""
    if exchange.rate.admits(traffic):
        return True
    exchange.runtime.metrics.dropped_events.labels(traffic.value).inc()
    reason = Reason.PROGRESS_FLOOD if traffic is Traffic.PROGRESS else Reason.SERVER_FLOOD
    await exchange.record(about, Decision.REFUSE, reason, leg=Leg.RESULTS)
    return False
