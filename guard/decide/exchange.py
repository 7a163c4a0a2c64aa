"""One caller's exchange with the server: the policy, inspection, audit record and refusals that both directions share.

A client's message is decided in `guard.decide.from_client`, a server's in `guard.decide.from_server`. Each decision is in
the audit log before it takes effect.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NoReturn

from guard.audit.record import AuditRecord
from guard.cancellation import heed_cancellation
from guard.decide import answers
from guard.decide.answers import error, new_incident, status_of, tool_error
from guard.decide.context import Caller, Context, Prepared, Sink, Stop
from guard.decide.methods import Method, Names, Section
from guard.decide.policy import Policy
from guard.decide.reasons import AnyReason, Decision, Reason
from guard.decide.stream_rate import StreamRate
from guard.http.upstream import NoToken, UpstreamAnswer, send_with_token
from guard.inspect.inspection import Inspected
from guard.inspect.verdict import EVERYTHING, Leg, Outcome
from guard.memory import Room
from guard.runtime import Runtime
from guard.traces.span import NO_SPAN, Span
from model.finding_exceptions import admits_exceptions, rule_of
from model.parameter_kinds import KindTree
from wire.jsonrpc import Id


@dataclass(slots=True)
class Exchange:
    """One caller under one policy. A policy that was replaced stays open until its exchanges have ended."""

    runtime: Runtime
    policy: Policy
    caller: Caller
    headers: Mapping[str, str] = field(default_factory=dict)
    sink: Sink | None = None
    rate: StreamRate = field(default_factory=StreamRate)
    #: The resources whose changes this stream of the 2026 era reports.
    subscriptions: frozenset[str] = frozenset()
    span: Span = NO_SPAN
    #: What the request's messages take of the process's memory.
    room: Room = field(kw_only=True)

    def context(self, id_: Id, method: str, row: Method, size: int = 0) -> Context:
        """The context of a message that arrives now, under a new incident id."""
        return Context(id_, method, row, self.caller.modern, new_incident(), time.monotonic(), size)

    def client_context(self, id_: Id, method: str, row: Method, size: int) -> Context:
        """As `context`, of a message whose sender the server may be told."""
        context = self.context(id_, method, row, size)
        if self.policy.introduction is not None:
            context.token = self.policy.introduction.tokens.new_id()
        return context

    async def send(self, verb: str, headers: Mapping[str, str], body: bytes | None) -> UpstreamAnswer:
        """Send the caller's request to the server, by the caller's own token for it where the stack file has one exchanged.

        Raises:
            UpstreamDown: there is no answer.
            CancelledError: the request was ended before.
        """
        heed_cancellation()
        upstream, principal = self.runtime.upstream, self.caller.principal
        exchanged = upstream.exchanged
        if exchanged is None:
            if self.policy.config.origin.token_exchange is not None:
                raise NoToken("the connection to the server is being replaced", 1.0)
            return await upstream.send(verb, headers, body, owner=principal.id)
        token = self.headers.get("authorization", "").partition(" ")[2].strip()
        return await send_with_token(
            upstream, exchanged, lambda: exchanged.of_caller(principal, token), verb, headers, body, owner=principal.id
        )

    def introduced(self, prepared: Prepared) -> tuple[Mapping[str, str], Mapping[str, Any]]:
        """Headers and body of a message that goes to the server, which is told who calls if the stack file says so."""
        introduction, about = self.policy.introduction, prepared.about
        if introduction is None:
            return prepared.headers, prepared.body
        if about is None or about.token is None:
            return introduction.of_guard(prepared.headers, prepared.body)
        kind, section = _TOOL if about.row.is_call else _NAMED.get(about.row.names, (None, None))
        named = {kind: about.name} if kind else {}
        return introduction.of_caller(
            prepared.headers,
            prepared.body,
            about.token,
            self.caller.principal,
            message={"method": about.method, **named},
            groups=self.policy.grants.deciding_groups(self.caller.principal, section, about.name),
            incident=about.incident,
        )

    def introduced_verb(self, verb: str, headers: dict[str, str]) -> dict[str, str]:
        """Headers of a request without a message. Raises AuditUnwritable, as the token's id is recorded."""
        introduction, principal = self.policy.introduction, self.caller.principal
        if introduction is None or introduction.place != "header":
            return headers
        token = introduction.tokens.new_id()
        self.runtime.audit.write(
            AuditRecord(
                method=f"http {verb}",
                decision=Decision.ALLOW,
                reason=Decision.ALLOW,
                bundle=self.policy.sha256,
                principal=principal.id,
                identity=token.as_json(),
            )
        )
        return introduction.of_caller(headers, {}, token, principal, message={"method": f"http {verb}"})[0]

    async def inspect(
        self,
        leg: Leg,
        context: Context,
        value: Any,
        kinds: KindTree = EVERYTHING,
        media_types: frozenset[str] = frozenset(),
    ) -> Inspected:
        """Let the engines judge every string of `value`.

        `kinds` says what each argument in it is, `media_types` what may pass uninspected.
        """
        return await self.policy.inspector.inspect(
            leg,
            context.method,
            context.name,
            value,
            principal=self.caller.principal.hash,
            principal_kind=self.caller.principal.kind,
            incident=context.incident,
            structural=context.row.structural,
            kinds=kinds,
            media_types=media_types,
            memory=self.room.size,
        )

    async def judge_definition(self, kind: str, key: str, context: Context, shown: Any = None) -> Inspected:
        """The decision on a pinned definition, the same for lists and calls; `shown` is the server's form of it."""
        return await self.policy.definitions.judge(
            kind, key, shown=shown, principal=self.caller.principal.hash, incident=context.incident
        )

    async def record(
        self,
        context: Context,
        decision: Decision,
        reason: AnyReason | None,
        *,
        answer_size: int | None = None,
        inspected: Inspected | None = None,
        leg: Leg | None = None,
        key: str | None = None,
        problem: str | None = None,
    ) -> None:
        """Write a decision to the audit log; returns once it is as durable as configured. Raises AuditUnwritable."""
        await self.runtime.record(
            self.policy,
            self.caller,
            context,
            decision=decision,
            reason=reason,
            leg=leg,
            inspected=inspected,
            request_bytes=context.request_bytes,
            response_bytes=answer_size,
            key=key,
            problem=problem,
        )
        self.span.decided(context.incident, decision, reason, leg)

    async def record_inspected(
        self, context: Context, inspected: Inspected, leg: Leg, answer_size: int | None = None
    ) -> None:
        """Write to the audit log what the engines and the leg's policy decided."""
        await self.record(
            context, inspected.decision, inspected.reason, answer_size=answer_size, inspected=inspected, leg=leg
        )

    async def refuse(
        self,
        context: Context,
        reason: Reason,
        code: int,
        text: str,
        data: Mapping[str, Any] | None = None,
        headers: Mapping[str, str] | None = None,
        key: str | None = None,
        problem: str | None = None,
    ) -> NoReturn:
        """Record a refusal and answer it with a JSON-RPC error; raises Stop."""
        begun = context.incident
        await self.record(context, Decision.REFUSE, reason, key=key, problem=problem)
        # Of a flood, this refusal may be counted under the incident of another.
        text = text.replace(begun, context.incident)
        message = error(context.id, code, text, data, context.incident)
        raise Stop(status_of(code, modern=context.modern), message, headers)

    async def refuse_silently(
        self, context: Context, reason: Reason, status: int = 400, *, problem: str | None = None
    ) -> NoReturn:
        """Record the refusal of a message that has no answer, and answer with a bare HTTP status; raises Stop."""
        await self.record(context, Decision.REFUSE, reason, problem=problem)
        raise Stop(status, None, {answers.INCIDENT_HEADER: context.incident})

    async def refuse_call(
        self,
        context: Context,
        reason: Reason,
        text: str,
        decision: Decision = Decision.REFUSE,
        *,
        key: str | None = None,
        problem: str | None = None,
    ) -> NoReturn:
        """Record the refusal of a tool call and answer it as a tool's error, which the model reads; raises Stop."""
        begun = context.incident
        await self.record(context, decision, reason, key=key, problem=problem)
        text = text.replace(begun, context.incident)
        raise Stop(200, tool_error(context.id, text, modern=context.modern, incident=context.incident))

    def withheld(self, context: Context, inspected: Inspected, leg: Leg) -> dict[str, Any]:
        """The answer in place of a result that is withheld."""
        silent = inspected.reason is Reason.NO_VERDICT
        # What tries to steer a model is not for the model to ask for.
        final = inspected.attacked or not can_be_allowed(context, inspected, leg)
        if context.row.is_call:
            key = "no_verdict_result" if silent else "results_final" if final else "results"
            text = answers.text(key, context.incident)
            return tool_error(context.id, text, modern=context.modern, incident=context.incident)
        key = "no_verdict_other" if silent else "other_final" if final else "other"
        code = answers.NO_VERDICT if silent else answers.REFUSED
        return error(context.id, code, answers.text(key, context.incident), incident=context.incident)

    def taint(self, inspected: Inspected, context: Context) -> None:
        """Mark the principal as tainted if the text tries to steer a model, or may, whether the policy blocked it or not."""
        if inspected.untrusted:
            self.runtime.taints.mark(self.caller.principal.id, context.incident, suspected=not inspected.attacked)
            self.runtime.metrics.taints.inc()

    async def release(self, context: Context) -> None:
        """Free the request's place among its principal's calls in flight, as it is over."""
        if context.writes:
            # A result that was read while this call ran may show what was there before it.
            self.runtime.cache.clear()
        if context.ticket is not None:
            await context.ticket.release()


#: What a method names, as the token about its caller calls it, and the grants that decide about it.
_TOOL = ("tool", Section.TOOLS)
_NAMED = {Names.NAME: ("prompt", Section.PROMPTS), Names.URI: ("resource", Section.RESOURCES)}


def can_be_allowed(context: Context, inspected: Inspected, leg: Leg) -> bool:
    """Whether a reviewed change of the stack file or lock could let pass what was blocked, so that to ask makes sense."""
    if inspected.reason is Reason.UNREADABLE:
        return leg in (Leg.RESULTS, Leg.RESOURCES)  # the lock's media types
    rules = [
        rule_of(verdict.engine, finding.rule)
        for verdict in inspected.verdicts
        if verdict.outcome is Outcome.BLOCK
        for finding in verdict.findings
    ]
    return admits_exceptions(leg, context.method, rules)
