"""What lives as long as the process: the audit log, sessions, counters, taint, the server's connection, open streams.

How one message is decided is in `guard.decide`; how the process starts, listens and ends is in `guard.service`.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Awaitable, Callable
from typing import Any

from guard.audit.log import AuditLog
from guard.audit.record import AuditRecord
from guard.decide import answers
from guard.decide.answers import error
from guard.decide.cache import ResultCache
from guard.decide.consent import Consents
from guard.decide.context import Caller, Context
from guard.decide.pins import Refusal
from guard.decide.policy import Policy
from guard.decide.reasons import AnyReason, Decision, Reason
from guard.decide.sessions import Cursors, RequestStates, Sessions
from guard.decide.taint import MarksUnavailable, Taints
from guard.decide.watch import Watch
from guard.http.http_rules import HttpRefusal
from guard.http.origin_breaker import OriginBreaker
from guard.http.request_bounds import DEFAULT_BOUNDS, RequestBounds
from guard.http.upstream import Upstream, UpstreamAnswer, UpstreamDown
from guard.inspect.inspection import Inspected
from guard.inspect.panel import acting_tools
from guard.inspect.verdict import Leg
from guard.memory import MessageMemory
from guard.metrics import UNLISTED
from guard.traces.tracer import Tracer, close_tracer
from guard.work import GuardWork, inspection_members
from model.text import visible
from wire.jsonrpc import Id
from wire.sse import KEEP_ALIVE_SECONDS

log = logging.getLogger("ringwall.guard")


class Runtime(GuardWork[Policy]):
    """What all exchanges share. `apply` replaces `policy`, and `upstream` if the server moved; everything else stays."""

    taints: Taints

    def __init__(
        self,
        policy: Policy,
        upstream: Upstream,
        audit: AuditLog,
        watch: Watch,
        taints: Taints,
        cache: ResultCache,
        *,
        memory: MessageMemory,
        keep_alive: float = KEEP_ALIVE_SECONDS,
        bounds: RequestBounds = DEFAULT_BOUNDS,
    ) -> None:
        super().__init__(policy, audit, keep_alive=keep_alive, bounds=bounds, memory=memory)
        self.upstream = upstream
        self.watch = watch
        self.taints = taints
        self.cache = cache
        self.sessions = Sessions(time.monotonic)
        self.states = RequestStates(time.monotonic)
        self.cursors = Cursors()
        self.consents = Consents()
        self.origin = OriginBreaker(time.monotonic, watch.reached)
        self.tracer: Tracer | None = None
        #: Waits until the other processes of this guard know what this one learned of a caller; None where there are none.
        self.agreement: Callable[[], Awaitable[None]] | None = None
        self.refusals: dict[str, Refusal] = {}
        self._refusals_in_flight = 0
        taints.know(acting_tools(policy.config))
        policy.panel.watch_tools(self._acting_tools)

    # -- policy -------------------------------------------------------------------------------------------------------

    async def apply(self, policy: Policy, upstream: Upstream | None = None) -> None:
        """Put another policy in force, and another connection to the server if that changed.

        Open streams continue under the policy they began with. The streams of principals that the new policy denies are
        ended, and all streams when it grants nothing any more (a lockdown).
        """
        # Recorded first: a policy that cannot be recorded is not put in force.
        self.audit.event(
            "config", {"bundle": policy.sha256, "sequence": policy.sequence, "denied": sorted(policy.denied)}
        )
        old, self.policy = self.policy, policy
        if upstream is not None:
            self.in_background(_close_later(self.upstream))
            self.upstream = upstream
            self.origin.forget()
            self.watch.forget()
        self.cache.swap(policy.config.tool_lock, policy.sha256)
        self.taints.reconfigure(policy.config.guard.taint)
        self.taints.know(acting_tools(policy.config))
        policy.panel.watch_tools(self._acting_tools)
        if policy.pins.digest != old.pins.digest:
            self.refusals.clear()
            self.watch.forget()
        for principal in policy.denied:
            self.end_work(principal)
        if old.config.grants and not policy.config.grants:
            self.end_work()
        self.judge_definitions()
        # Exchanges that began under the old policy may still be asking its engines.
        self.in_background(_close_later(old))

    def _acting_tools(self) -> frozenset[str]:
        return self.taints.tools()

    def trace_with(self, tracer: Tracer | None) -> None:
        """Begin further spans with this tracer; those that are under way go where they would have gone."""
        old, self.tracer = self.tracer, tracer
        if old is not None:
            self.in_background(close_tracer(old, _LINGER))

    def look_again(self) -> None:
        """Read the server's lists again until they could be read once, so that /readyz says so before anybody calls: a
        server may start after its guard, and one that asks who calls first fetches the keys of the guard's token here."""
        self.in_background(self._look_until_reached())

    async def _look_until_reached(self) -> None:
        pause = _FIRST_PAUSE
        while self.watch.problem is not None and not await self.watch.reached():
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LAST_PAUSE)

    def judge_definitions(self) -> None:
        """Begin to judge the pinned definitions of the policy in force, so that /readyz names what it withholds."""
        self.in_background(self.policy.definitions.judge_all(self.policy.grants.everything()))

    def refused(self, refusal: Refusal) -> None:
        """Report a definition that nobody may use, once, in the audit log and in the guard's own log."""
        self.metrics.pins_refused.inc()
        shown = f"{refusal.kind} {refusal.key}".strip()
        self.refusals[shown] = refusal
        self.log.warning(
            "refused, as %s: %s\n  %s",
            "it cannot be enforced" if refusal.reason is Reason.UNENFORCEABLE else "the tool lock does not approve it",
            visible(shown),
            refusal.difference.replace("\n", "\n  "),
        )
        self.audit.write(
            AuditRecord(
                method="lock",
                decision=Decision.REFUSE,
                reason=refusal.reason,
                bundle=self.policy.sha256,
                leg=Leg.DEFINITIONS.value,
                name=shown,
                content_sha256=refusal.sha256,
            )
        )

    def problems(self) -> list[str]:
        return [
            *([f"server: {self.watch.problem}"] if self.watch.problem else []),
            *([f"lock: {self.policy.pins.problem}"] if self.policy.pins.problem else []),
        ]

    def own_readiness(self) -> dict[str, Any]:
        policy, introduction = self.policy, self.policy.introduction
        identity = {"place": introduction.place, "key_id": introduction.tokens.key_id} if introduction else None
        refused = [
            {"definition": shown, "sha256": refusal.sha256, "difference": refusal.difference.split("\n")}
            for shown, refusal in sorted(self.refusals.items())
        ]
        withheld = [
            {"definition": entry.name, "sha256": entry.sha256, "difference": list(entry.places), "rules": entry.rules}
            for entry in policy.definitions.withheld
        ]
        return {
            **({"origin_identity": identity} if identity else {}),
            "tool_lock_sha256": policy.pins.digest,
            "refused": refused + withheld,
            "refused_although_locked": [
                *policy.pins.refused,
                *(entry.name.replace(" ", "/", 1) for entry in policy.definitions.withheld),
            ],
            "unenforceable": dict(sorted(policy.pins.unenforceable.items())),
            "left_out": [left_out.dump() for left_out in policy.config.tool_lock.left_out],
            "origin_breaker": "open" if self.origin.is_open else "closed",
        }

    # -- pending requests ---------------------------------------------------------------------------------------------

    def remember(self, caller: Caller, kind: str, id_: Id, value: Any) -> bool:
        """Keep a value for a pending request of the caller's session, or of the caller where the server has no sessions."""
        if caller.session is None and not self.sessions.bind(caller.channel, caller.principal):
            return False
        return self.sessions.remember(caller.channel, _pending(kind, id_), value)

    def recall(self, caller: Caller, kind: str, id_: Id) -> Any | None:
        """The value that was remembered for this request of this session or caller; None if there is none."""
        return self.sessions.context(caller.channel, _pending(kind, id_))

    def forget(self, caller: Caller, kind: str, id_: Id) -> None:
        """It is answered."""
        self.sessions.forget(caller.channel, _pending(kind, id_))

    def post_refusal(self, send: Callable[[], Awaitable[UpstreamAnswer]]) -> None:
        """Answer a server's request with the guard's own refusal, in a POST of its own beside the stream of the request."""
        if self._refusals_in_flight >= MAX_REFUSALS_IN_FLIGHT:
            self.log.warning("the server sends requests faster than it accepts answers: one refusal was not sent")
            return
        self._refusals_in_flight += 1
        self.in_background(self._post(send))

    async def _post(self, send: Callable[[], Awaitable[UpstreamAnswer]]) -> None:
        try:
            answer = await send()
            with self.room("") as room:
                await answer.read(65536, room.held())
            answer.close()
        except UpstreamDown as problem:
            self.log.warning("a refusal could not be sent to the server: %s", problem)
        finally:
            self._refusals_in_flight -= 1

    # -- record -------------------------------------------------------------------------------------------------------

    async def record(
        self,
        policy: Policy,
        caller: Caller,
        context: Context,
        *,
        decision: Decision,
        reason: AnyReason | None,
        leg: Leg | None,
        inspected: Inspected | None,
        request_bytes: int | None,
        response_bytes: int | None,
        key: str | None = None,
        problem: str | None = None,
    ) -> None:
        """Write one decision. Returns once it is as durable as the configuration demands.

        `key` names the key of the stack file that decided, where neither the reason nor the inspection does; so does
        `problem` what was wrong.

        A refusal of a flood has no record: `context.incident` becomes the one that it is counted under.

        Raises:
            AuditUnwritable: nothing may pass without a record, so the caller gets 503.
        """
        # What was admitted is bounded by the limits; what was not, here.
        if context.ticket is None and self.joins_a_flood(context, caller.principal, decision, reason):
            self._count(policy, context, decision, reason, leg)
            return
        await self.write(
            AuditRecord(
                method=context.method,
                decision=decision,
                reason=str(reason or decision),
                bundle=policy.sha256,
                principal=caller.principal.id,
                session=caller.session_digest,
                request_id=context.id if context.id != "" else None,
                leg=str(leg) if leg else None,
                name=context.name or None,
                incident=context.incident,
                request_bytes=request_bytes,
                response_bytes=response_bytes,
                limit=context.reached.as_json() if context.reached else None,
                milliseconds=(time.monotonic() - context.started) * 1000,
                identity=context.token.as_json()
                if context.token and leg is Leg.ARGUMENTS and decision in _PASSING
                else None,
                **inspection_members(inspected, reason, key, problem, payloads=policy.config.audit.payloads),
            ),
            inspected,
        )
        self._count(policy, context, decision, reason, leg)
        if self.agreement is not None or self.taints.shared is not None:
            await self.agree()

    async def agree(self) -> None:
        """Return once every process that must know has heard what this one learned: nothing is sent on before.

        Raises:
            HttpRefusal: they cannot be told.
        """
        if self.agreement is not None:
            await self.agreement()
        if self.taints.shared is not None:
            try:
                await self.taints.shared.agree()
            except MarksUnavailable as problem:
                log.error("the mark of a tainted caller cannot be shared: %s", problem)
                raise _unshared("tell the others about this caller") from None

    async def agree_on_text(self) -> None:
        """As `agree`, before a text that may order a call of any server's tool goes to a client. Raises as that does."""
        if self.taints.shared is not None:
            try:
                self.taints.shared.tools.require()
            except MarksUnavailable as problem:
                log.error("a text is withheld: %s", problem)
                raise _unshared("ask the others what their tools are called") from None
        await self.agree()

    def _count(
        self, policy: Policy, context: Context, decision: Decision, reason: AnyReason | None, leg: Leg | None
    ) -> None:
        """Count a decision in the metrics, whether or not it has a record of its own."""
        tool = None
        if context.row.is_call:
            tool = context.name if policy.pins.holds("tools", context.name) else UNLISTED
        self.metrics.decided(decision, reason, leg, tool)
        if context.reached is not None:
            self.metrics.limit_reached(context.reached.key)

    async def close(self) -> None:
        """End all streams, cancel the background tasks, and close the server's connection and the audit log."""
        self.end_work()
        self.repeats.close()
        await self.end_background()
        await self.origin.close()
        await self.watch.close()
        await self.policy.close()
        await self.upstream.close()
        if self.tracer is not None:
            await close_tracer(self.tracer)
        await self.audit.close()


#: Decisions after which a message goes on.
_PASSING = frozenset((Decision.ALLOW, Decision.FLAG, Decision.REDACT))
#: How many refusals may be under way to the server at once: each of them holds a connection.
MAX_REFUSALS_IN_FLIGHT = 256
#: Seconds until a replaced policy or connection is closed: what began under it should have ended by then.
_LINGER = 120.0
#: Seconds between two looks for a server that was not reached yet; twice as many after each. A command is started for each.
_FIRST_PAUSE = 1.0
_LAST_PAUSE = 60.0


def _unshared(task: str) -> HttpRefusal:
    text = f"The guard cannot {task}. What was asked for may have been executed."
    return HttpRefusal(503, Reason.UNSHARED, error(None, answers.WITHHELD, text))


async def _close_later(replaced: Policy | Upstream) -> None:
    try:
        await asyncio.sleep(_LINGER)
    finally:
        await replaced.close()


def _pending(kind: str, id_: Id) -> str:
    """The key of a pending request: 1 and "1" are different ids, and a client's id is not a server's."""
    return f"{kind} {type(id_).__name__} {id_}"
