"""Calls that could send data out after their principal met untrusted text: allowed, refused, or put to the person.

Who met untrusted text is in `guard.decide.taint`, the open questions are in `guard.decide.consent`.
"""

from __future__ import annotations

import asyncio

from guard.decide import answers
from guard.decide.consent import VALID_SECONDS
from guard.decide.context import Context, Stop, meta_of
from guard.decide.exchange import Exchange
from guard.decide.reasons import Decision, Reason
from guard.decide.taint import TaintMark
from model.canonical import digest
from wire.json import dump
from wire.jsonrpc import Request
from wire.sse import Event


async def check_outbound(exchange: Exchange, context: Context, request: Request, mark: TaintMark) -> None:
    """Judge an outbound call of a tainted principal by `taint.outbound_call`; raises Stop when it goes no further."""
    policy = exchange.policy.config.guard.taint.outbound_call
    if policy == "allow":
        await exchange.record(context, Decision.FLAG, Reason.TAINT)
        return
    missing = None
    if policy == "ask":
        missing = await _missing_consent(exchange, context, request)
        if missing is None:
            await exchange.record(context, Decision.FLAG, Reason.TAINT_CONFIRMED)
            return
    problem = f"untrusted text was sent in incident {mark.incident}{f' of {mark.server}' if mark.server else ''}"
    if missing is not None:
        problem += f", and {missing}"
    text = answers.text("taint", context.incident)
    await exchange.refuse_call(context, Reason.TAINT, text, Decision.BLOCK, problem=problem)


#: Why a call goes no further where people are asked.
_NOBODY, _DECLINED = "the client cannot ask a person", "the person did not allow the call"


async def _missing_consent(exchange: Exchange, context: Context, request: Request) -> str | None:
    """Why the call lacks a person's consent; None if the person allowed it.

    In the 2026 era raises Stop with the question, as the client then repeats the call with the answer.
    """
    runtime, caller, params = exchange.runtime, exchange.caller, request.params
    consents, principal = runtime.consents, caller.principal.id
    if context.modern:
        call = digest({"tool": context.name, "arguments": params.get("arguments", {})})
        if consents.is_consent_state(params.get("requestState")):
            return None if await consents.redeem(params, principal, call) else _DECLINED
        capabilities = meta_of(params).get("io.modelcontextprotocol/clientCapabilities")
        if not isinstance(capabilities, dict) or "elicitation" not in capabilities or "inputResponses" in params:
            return _NOBODY
        await exchange.record(context, Decision.FLAG, Reason.TAINT_ASKED)
        result = consents.result(principal, call, context.name)
        await runtime.agree()
        raise Stop(200, {"jsonrpc": "2.0", "id": context.id, "result": result})
    if exchange.sink is None or not runtime.sessions.can(caller.channel, "elicitation"):
        return _NOBODY
    await exchange.record(context, Decision.FLAG, Reason.TAINT_ASKED)
    message, answer = consents.request(caller.channel, context.name)
    await exchange.sink.open_stream({})
    await exchange.sink.event(Event(dump(message).decode()))
    try:
        return None if await asyncio.wait_for(answer, VALID_SECONDS) else _DECLINED
    except TimeoutError:
        return _DECLINED
