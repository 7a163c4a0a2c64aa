"""What guards of every kind share: the requests they serve, the refusals they note, and whom and when they end.

What an MCP server's guard has besides is in `guard.runtime`, what a model route's has in `guard.models.runtime`.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections import defaultdict
from collections.abc import Callable, Coroutine, Iterator
from dataclasses import asdict
from typing import Any, Generic, Protocol, TypeVar

from guard.audit.files import AuditUnwritable
from guard.audit.log import AuditLog
from guard.audit.record import AuditRecord
from guard.audit.repeats import RefusalNote, Repeats
from guard.decide.answers import new_incident
from guard.decide.reasons import AnyReason, Decision, deciding_key
from guard.decide.taint import Taints
from guard.decide.term import Term
from guard.decide.tokens import ServerBudget
from guard.http.request_bounds import RequestBounds
from guard.identity.principal import Principal
from guard.inspect.inspection import Inspected
from guard.inspect.payload import payload_of
from guard.memory import MessageMemory, Room
from guard.metrics import GuardMetrics
from model.guard_bundle import AnyGuardConfig
from model.text import visible


class WorkEnded(Exception):
    """The guard ended a request, because its principal is denied or the guard closes."""


class WorkInProgress:
    """The context in which one request is served; raises WorkEnded at its end where the guard ended it."""

    __slots__ = ("_ended", "_principal", "_task", "_work")

    def __init__(
        self,
        work: dict[str, set[asyncio.Task[Any]]],
        ended: set[asyncio.Task[Any]],
        principal: str,
        task: asyncio.Task[Any],
    ) -> None:
        self._work = work
        self._ended = ended
        self._principal = principal
        self._task = task

    def __enter__(self) -> None:
        self._work[self._principal].add(self._task)

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        task, running = self._task, self._work[self._principal]
        was_ended = task in self._ended
        self._ended.discard(task)
        running.discard(task)
        if not running:
            del self._work[self._principal]
        if was_ended and kind is not None and issubclass(kind, asyncio.CancelledError):
            task.uncancel()
            raise WorkEnded from None


class ReadyVerifier(Protocol):
    """What is asked of the check of callers' tokens."""

    def problems(self) -> list[str]: ...


class PolicyInForce(Protocol):
    """What is asked of a policy of either kind."""

    sha256: str
    sequence: int
    server: str
    denied: frozenset[str]
    term: Term

    @property
    def verifier(self) -> ReadyVerifier: ...

    @property
    def config(self) -> AnyGuardConfig: ...


class DecidedMessage(Protocol):
    """What is asked of a message that is decided, of either kind."""

    method: str
    incident: str


P = TypeVar("P", bound=PolicyInForce)


class GuardWork(Generic[P]):
    """The work of one guard under the policy in force."""

    #: The principals that were sent untrusted text, where the guard keeps such marks.
    taints: Taints | None = None

    def __init__(
        self, policy: P, audit: AuditLog, *, keep_alive: float, bounds: RequestBounds, memory: MessageMemory
    ) -> None:
        self.policy = policy
        self.memory = memory
        self.audit = audit
        self.budget = ServerBudget()
        #: Seconds of silence after which a stream gets a keep-alive, and a call is answered as a stream.
        self.keep_alive = keep_alive
        self.bounds = bounds
        self.metrics = GuardMetrics()
        self.log = logging.getLogger("ringwall.guard")
        #: The state of the configuration's source, as members of `bundle` in /readyz.
        self.source_status: Callable[[], dict[str, Any]] = dict
        self.draining = False
        #: Requests being served, open streams among them.
        self.busy = 0
        self.streaming = 0
        self.repeats = Repeats(self._count_repeats)
        self._wait_for_disk = policy.config.audit.fsync == "always"
        self._work: dict[str, set[asyncio.Task[Any]]] = defaultdict(set)
        self._noted: dict[str, float] = {}
        self._ended: set[asyncio.Task[Any]] = set()
        self._background: set[asyncio.Task[None]] = set()

    def deny(self, principals: frozenset[str]) -> None:
        """Deny these principals too, at once, whatever becomes of the configuration that names them."""
        added = principals - self.policy.denied
        if not added:
            return
        self.audit.event("deny", {"bundle": self.policy.sha256, "denied": sorted(added)})
        self.policy.denied |= added
        for principal in added:
            self.end_work(principal)

    def look_again(self) -> None:
        """Look at what the guard stands before, once it listens."""

    def watch_term(self) -> None:
        """Begin to watch whether the configuration in force expires, by the host's clock, which may be set at any time."""
        self.in_background(self._watch_term())

    async def _watch_term(self) -> None:
        shown: str | None = None
        while True:
            term, clock = self.policy.term, time.time()
            text = term.warning(clock) or term.problem(clock)
            if text is not None and text != shown:
                self.log.warning("%s", text)
            shown = text
            if term.is_over(clock):
                self.end_work()
            await asyncio.sleep(_TERM_INTERVAL)

    # -- streams ------------------------------------------------------------------------------------------------------

    def has_room(self, principal: str) -> bool:
        """Whether one more request of the principal's is served beside those that are, open streams among them."""
        most = self.bounds.streams + self.policy.config.limits.concurrency
        return len(self._work.get(principal, ())) < most

    def room(self, principal: str) -> Room:
        """The room of one request of a principal in the memory that the process has for messages."""
        return self.memory.room(principal, self.policy.server)

    def work_for(self, principal: str, task: asyncio.Task[Any]) -> WorkInProgress:
        """Registers the running `task` as work for `principal` while the context lasts, so that a denial can end it.

        Raises:
            WorkEnded: it was ended, or the principal was denied since it was identified.
        """
        if principal in self.policy.denied:
            raise WorkEnded
        return WorkInProgress(self._work, self._ended, principal, task)

    @contextlib.contextmanager
    def open_stream(self) -> Iterator[None]:
        """Count a stream while it is open."""
        self.streaming += 1
        self.metrics.open_streams.inc()
        try:
            yield
        finally:
            self.streaming -= 1
            self.metrics.open_streams.dec()

    def end_work(self, principal: str | None = None) -> int:
        """End all requests of one principal, or of all principals; returns how many there were."""
        tasks = [task for owner, running in self._work.items() if principal in (None, owner) for task in running]
        for task in tasks:
            self.end_task(task)
        return len(tasks)

    def end_task(self, task: asyncio.Task[Any]) -> None:
        """End one request, as `end_work` does."""
        self._ended.add(task)
        task.cancel("ended by the guard")

    def note_refusal(self, principal: Principal | None, reason: AnyReason, decision: Decision = Decision.REFUSE) -> str:
        """Record a request that was refused before there was a message to decide on, or that has no answer.

        Returns its incident id. The metrics count all of them.
        """
        self.metrics.decided(decision, reason, None)
        owner, fresh = principal.id if principal else None, new_incident()
        incident = self.repeats.incident(RefusalNote(owner, decision, str(reason), "http"), fresh)
        if incident == fresh:
            self.audit.write(
                AuditRecord(
                    method="http",
                    decision=decision,
                    reason=str(reason),
                    key=deciding_key(reason),
                    bundle=self.policy.sha256,
                    principal=owner,
                    incident=incident,
                )
            )
        return incident

    def _count_repeats(self, refused: RefusalNote, incident: str, count: int) -> None:
        """Record how many refusals followed another one without records of their own."""
        with contextlib.suppress(AuditUnwritable):  # the guard is closed then, and says so to every caller
            self.audit.write(
                AuditRecord(
                    method=refused.method,
                    decision=refused.decision,
                    reason=refused.reason,
                    bundle=self.policy.sha256,
                    principal=refused.principal,
                    incident=incident,
                    repeats=count,
                )
            )

    def joins_a_flood(
        self, message: DecidedMessage, principal: Principal, decision: Decision, reason: AnyReason | None
    ) -> bool:
        """Whether a refusal has no record of its own, as it is counted under another; `message.incident` is then that one's.

        For messages that no limit bounds, as they were never admitted; whatever passes has a record.
        """
        if decision not in (Decision.REFUSE, Decision.BLOCK):
            return False
        begun = message.incident
        message.incident = self.repeats.incident(
            RefusalNote(principal.id, decision, str(reason or decision), message.method), begun
        )
        return message.incident != begun

    async def write(self, record: AuditRecord, inspected: Inspected | None) -> None:
        """Write the record of a decision, count what the engines said, and tell the operator what was stopped.

        Returns once the record is as durable as the configuration demands.

        Raises:
            AuditUnwritable: nothing may pass without a record, so the caller gets 503.
        """
        sequence = self.audit.write(record)
        if record.decision is Decision.BLOCK or (record.decision is Decision.REFUSE and record.key is not None):
            self.tell_operator(record)
        if inspected is not None:
            for verdict in inspected.verdicts:
                self.metrics.engine(verdict)
            if inspected.passed:
                self.metrics.passed_unseen(inspected.uninspected)
        if self._wait_for_disk:
            await self.audit.durable(sequence)

    def readiness(self) -> dict[str, Any]:
        """The document of /readyz, which `up`, `drift` and `lockdown` read: they compare `bundle.sha256` and `denied` with
        what they sent.

        `ready` is false while the guard would refuse every call: the audit log is closed, what it stands before was never
        reached, an issuer's keys are missing, the configuration has expired, or the guard is draining. `warnings` say what
        will be so.
        """
        policy, audit, clock = self.policy, self.audit, time.time()
        expired, warning = policy.term.problem(clock), policy.term.warning(clock)
        problems = [
            *([f"audit: {audit.reason}"] if not audit.healthy else []),
            *(f"identity: {problem}" for problem in policy.verifier.problems()),
            *self.problems(),
            *([f"bundle: {expired}"] if expired else []),
            *(["draining"] if self.draining else []),
        ]
        return {
            "version": 1,
            "ready": not problems,
            "problems": problems,
            "warnings": [f"bundle: {warning}"] if warning else [],
            "server": policy.server,
            "identity": "demo" if policy.config.identity.demo else "verified",
            "bundle": {
                "sha256": policy.sha256,
                "sequence": policy.sequence,
                **policy.term.members(),
                **self.source_status(),
            },
            "engines": list(policy.config.guard.engines.names),
            "denied": sorted(policy.denied),
            **self.own_readiness(),
            "audit": {
                "writable": audit.healthy,
                "sequence": audit.sequence,
                "synced": audit.synced,
                "anchor_lag_records": audit.anchor_lag_records,
                "anchor": asdict(audit.anchor) if audit.anchor else None,
            },
        }

    def problems(self) -> list[str]:
        """What keeps this kind of guard from being ready, beside what keeps any."""
        raise NotImplementedError

    def own_readiness(self) -> dict[str, Any]:
        """The members of /readyz that this kind of guard has beside those of any; `origin_breaker` among them."""
        raise NotImplementedError

    def in_background(self, work: Coroutine[Any, Any, None]) -> None:
        """Do this beside the requests; it is cancelled when the guard closes."""
        task = asyncio.get_running_loop().create_task(work)
        self._background.add(task)
        task.add_done_callback(self._background.discard)

    def tell_operator(self, record: AuditRecord) -> None:
        """Say in the guard's own log what stopped a message; one line a reason and second at most, as callers decide how
        often they are stopped."""
        moment = time.monotonic()
        if moment - self._noted.get(f"call {record.reason}", float("-inf")) >= 1.0:
            self._noted[f"call {record.reason}"] = moment
            self.log.warning("%s", visible(record.summary()))

    async def end_background(self) -> None:
        """Cancel what is done beside the requests."""
        for task in self._background:
            task.cancel()
        await asyncio.gather(*self._background, return_exceptions=True)


def inspection_members(
    inspected: Inspected | None, reason: AnyReason | None, key: str | None, problem: str | None, *, payloads: bool
) -> dict[str, Any]:
    """The members of an audit record that come from the inspection, if there was one.

    `key` and `problem` stand before the inspection's own; `payloads` is whether the configuration asks for payloads.
    """
    if inspected is None:
        return {"key": key or deciding_key(reason), "problem": problem}
    members: dict[str, Any] = {
        "key": key or inspected.key or deciding_key(reason),
        "problem": problem or inspected.problem,
        "exceptions": tuple(dict.fromkeys(item.rule for item in inspected.covered)) if inspected.covered else (),
        "engines": inspected.verdicts,
        "uninspected": inspected.uninspected,
    }
    if inspected.document is not None:
        members["content_sha256"] = f"sha256:{inspected.digest}"
        if payloads:
            members["payload"] = payload_of(inspected)
    return members


#: Seconds between two looks at the clock: so long a stream may outlast its configuration.
_TERM_INTERVAL = 1.0
