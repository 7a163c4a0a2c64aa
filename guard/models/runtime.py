"""What lives as long as a model route's guard: its audit log, counters, answers that are kept, the way to the models."""

from __future__ import annotations

import asyncio
import contextlib
import time
from dataclasses import dataclass, field
from typing import Any

from guard.audit.log import AuditLog
from guard.audit.record import AuditRecord
from guard.decide.answers import new_incident
from guard.decide.cache import ByteCache
from guard.decide.limits import ReachedLimit
from guard.decide.reasons import AnyReason, Decision
from guard.http.origin_breaker import OriginBreaker
from guard.http.request_bounds import DEFAULT_BOUNDS, RequestBounds
from guard.identity.principal import Principal
from guard.inspect.inspection import Inspected
from guard.inspect.verdict import ModelLeg
from guard.memory import MessageMemory, Room
from guard.metrics import UNLISTED
from guard.models.budgets import limit_json
from guard.models.inner import InnerConnections
from guard.models.policy import ModelPolicy
from guard.models.usage import ModelUsage
from guard.traces.model_tracer import ModelSpan, ModelTracer
from guard.traces.tracer import close_tracer
from guard.work import GuardWork, inspection_members
from model.base import seconds
from model.model_guard_config import InnerModel
from wire.sse import KEEP_ALIVE_SECONDS

#: Seconds between two looks whether the gateway is there, until it is.
_PROBE_INTERVAL = 2.0
#: Seconds until a replaced policy or connection is closed: what began under it should have ended by then.
_LINGER = 120.0


@dataclass(slots=True)
class ModelContext:
    """What is known of one request while it is decided. `model` is None until a granted one is named."""

    policy: ModelPolicy
    principal: Principal
    method: str
    room: Room
    request_bytes: int = 0
    name: str = ""
    model: InnerModel | None = None
    admitted: bool = False
    span: ModelSpan | None = None
    #: Whether the conversation has a tool result that tries to steer the model, and passed.
    tainted: bool = False
    incident: str = field(default_factory=new_incident)
    started: float = field(default_factory=time.monotonic)


class ModelRuntime(GuardWork[ModelPolicy]):
    """What all requests to one route share. `apply` replaces the policy, and the way to the models with it."""

    def __init__(
        self,
        policy: ModelPolicy,
        routes: InnerConnections,
        audit: AuditLog,
        *,
        memory: MessageMemory,
        keep_alive: float = KEEP_ALIVE_SECONDS,
        bounds: RequestBounds = DEFAULT_BOUNDS,
    ) -> None:
        super().__init__(policy, audit, keep_alive=keep_alive, bounds=bounds, memory=memory)
        self.routes = routes
        self.cache = _cache(policy)
        self.tracer: ModelTracer | None = None
        self._breakers: dict[str, OriginBreaker] = {}

    async def apply(self, policy: ModelPolicy, routes: InnerConnections | None = None) -> None:
        """Put another policy in force. Open streams continue under theirs, but for principals that are denied or, when the
        policy grants nothing any more (a lockdown), all."""
        # Recorded first: a policy that cannot be recorded is not put in force.
        self.audit.event(
            "config", {"bundle": policy.sha256, "sequence": policy.sequence, "denied": sorted(policy.denied)}
        )
        old, self.policy = self.policy, policy
        if routes is not None:
            self.in_background(_close_later(self.routes))
            self.routes = routes
            for breaker in self._breakers.values():
                breaker.forget()
        self.cache = _cache(policy)
        for principal in policy.denied:
            self.end_work(principal)
        if old.config.grants and not policy.config.grants:
            self.end_work()
        self.in_background(_close_later(old))

    def trace_with(self, tracer: ModelTracer | None) -> None:
        """Begin further spans with this tracer; those that are under way go where they would have gone."""
        old, self.tracer = self.tracer, tracer
        if old is not None:
            self.in_background(close_tracer(old, _LINGER))

    def look_again(self) -> None:
        """Begin to look for the gateway, so that /readyz says whether it is there before anybody calls."""
        self.in_background(self._probe())

    async def _probe(self) -> None:
        while not await self.routes.reached():
            await asyncio.sleep(_PROBE_INTERVAL)

    def breaker(self, model: InnerModel) -> OriginBreaker:
        """The breaker of a model. A probe reaches the gateway alone, as every answer of a model costs; so after a pause
        requests are let through again."""
        breaker = self._breakers.get(model.name)
        if breaker is None:
            breaker = self._breakers[model.name] = OriginBreaker(time.monotonic, self._reached)
        return breaker

    async def _reached(self) -> bool:
        return await self.routes.reached()

    # -- record -------------------------------------------------------------------------------------------------------

    async def record(
        self,
        context: ModelContext,
        decision: Decision,
        reason: AnyReason | None,
        *,
        leg: ModelLeg | None = None,
        inspected: Inspected | None = None,
        response_bytes: int | None = None,
        usage: ModelUsage | None = None,
        reached: ReachedLimit | None = None,
        key: str | None = None,
        problem: str | None = None,
    ) -> None:
        """Write one decision. Returns once it is as durable as the configuration demands.

        A refusal of a flood has no record: `context.incident` becomes the one that it is counted under.

        Raises:
            AuditUnwritable: nothing may pass without a record, so the caller gets 503.
        """
        model = UNLISTED if context.model is None else context.model.name
        self.metrics.model_decided(decision, reason, leg, model)
        if context.span is not None:
            context.span.decided(context.incident, decision, reason, leg)
            if usage is not None:
                context.span.used(usage)
        if reached is not None:
            self.metrics.limit_reached(reached.key)
        if not context.admitted and self.joins_a_flood(context, context.principal, decision, reason):
            return
        price = context.model.price if context.model else None
        payloads = context.policy.config.audit.payloads
        if usage is not None:
            self.metrics.model_used(model, usage.input, usage.output)
        await self.write(
            AuditRecord(
                method=context.method,
                decision=decision,
                reason=str(reason or decision),
                bundle=context.policy.sha256,
                principal=context.principal.id,
                leg=leg.value if leg else None,
                name=context.name or None,
                incident=context.incident,
                request_bytes=context.request_bytes,
                response_bytes=response_bytes,
                tokens=usage.tokens if usage else None,
                usage=usage.as_json(price) if usage else None,
                limit=limit_json(reached) if reached else None,
                milliseconds=(time.monotonic() - context.started) * 1000,
                **inspection_members(inspected, reason, key, problem, payloads=payloads),
            ),
            inspected,
        )

    # -- state --------------------------------------------------------------------------------------------------------

    def problems(self) -> list[str]:
        return [f"gateway: {self.routes.problem}"] if self.routes.problem else []

    def own_readiness(self) -> dict[str, Any]:
        open_breakers = sorted(name for name, breaker in self._breakers.items() if breaker.is_open)
        return {
            "models": [model.name for model in self.policy.config.models],
            "models_unavailable": open_breakers,
            "origin_breaker": "open" if open_breakers else "closed",
        }

    async def close(self) -> None:
        """End all requests, cancel what is done beside them, and close the connections and the audit log."""
        self.end_work()
        self.repeats.close()
        await self.end_background()
        for breaker in self._breakers.values():
            await breaker.close()
        await self.policy.close()
        await self.routes.close()
        if self.tracer is not None:
            await close_tracer(self.tracer)
        await self.audit.close()


def _cache(policy: ModelPolicy) -> ByteCache | None:
    """A cache of its own for each policy: what passed one policy may not pass the next."""
    settings = policy.config.cache
    return None if settings is None else ByteCache(time.monotonic, ttl=float(seconds(settings.lifetime)))


async def _close_later(replaced: ModelPolicy | InnerConnections) -> None:
    with contextlib.suppress(asyncio.CancelledError):
        await asyncio.sleep(_LINGER)
    await replaced.close()
