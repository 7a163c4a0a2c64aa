"""Asks all engines about one item under one deadline, and makes one judgement of their verdicts.

Any BLOCK wins; else any engine without a verdict makes it NO_VERDICT; only ALLOW from every engine is ALLOW. A panel
without engines gives NO_VERDICT. What policy decides on a judgement is in `guard.inspect.inspection`.
"""

from __future__ import annotations

import asyncio
import hashlib
import inspect
import logging
import os
import time
import traceback
from collections import OrderedDict
from collections.abc import Callable, Hashable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from typing import Protocol, cast

from guard.inspect.definitions import pinned_definitions
from guard.inspect.verdict import (
    AnyLeg,
    EngineFinding,
    Leg,
    ModelLeg,
    Outcome,
    ScanItem,
    Verdict,
    VerdictEngine,
    rule_id,
)
from model.base import seconds
from model.guard_config import GuardConfig
from model.model_guard_config import ModelGuardConfig
from model.value_types import value_type
from wire.secrets import read_secret

log = logging.getLogger("ringwall.guard.engines")

#: Engines keep the deadline themselves and say why they gave no verdict. One that does not is cancelled this much later.
GRACE = 0.1
CACHED = 4096
#: Characters of a document that local engines judge on the event loop, in 30 ms at worst and well under one as a rule. A
#: longer one is judged on a thread, so that a text made to be slow delays no other caller.
AT_ONCE = 32 * 1024
#: Seconds that a verdict stays cached: a vendor's policy may change under the same project or profile.
CACHE_SECONDS = 3600.0


class LocalEngine(Protocol):
    """An engine that needs no network and may be called synchronously, from any thread."""

    name: str

    def judge(self, item: ScanItem, deadline: float) -> Verdict: ...


@value_type()
class Judgement:
    """The outcome of all engines. `verdicts` holds no verdict of an engine that another engine's BLOCK made needless."""

    outcome: Outcome
    verdicts: tuple[Verdict, ...]

    @property
    def findings(self) -> tuple[EngineFinding, ...]:
        """The findings of all engines, also of those that allow."""
        return tuple(finding for verdict in self.verdicts for finding in verdict.findings)

    def accepting(self, rules: frozenset[str]) -> Judgement:
        """The judgement without the findings of rules that a reviewer accepted.

        A block without a finding stays, as nothing says what was accepted, and an unread rest stays without a verdict.
        """
        if not rules or self.outcome is Outcome.ALLOW:
            return self
        verdicts = tuple(_accepting(verdict, rules) for verdict in self.verdicts)
        return Judgement(_outcome(verdicts), verdicts)


class Panel:
    """Several engines as one. It owns the engines: `close` closes them.

    Engines with a plain ``judge(item, deadline)`` are called first and directly; when one of them blocks, no text leaves
    the host. They get half of the budget, so that a vendor always has enough time and its breaker does not open for it.

    Args:
        budget: seconds for all engines together.
        thorough: legs on which policy or an exception may let a finding pass. There every engine must answer, as each may
            find something else; on the other legs the first BLOCK ends the judgement.
        clock: monotonic, for the age of cached verdicts.
    """

    def __init__(
        self,
        engines: Sequence[VerdictEngine],
        budget: float,
        *,
        thorough: frozenset[Leg] = frozenset(),
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._engines = tuple(engines)
        self._local = tuple(cast(LocalEngine, engine) for engine in engines if _is_local(engine))
        self._remote = tuple(engine for engine in engines if not _is_local(engine))
        self._budget = budget
        self._thorough = thorough
        self._clock = clock
        #: The verdicts on an item that is known to be clean; to know it took no time, and the metrics should say so.
        self.clean = tuple(Verdict(Outcome.ALLOW, engine.name) for engine in engines)
        #: Of each engine that decides by the item and what it knows: the latter. Empty if one of them asks a service.
        bases = [getattr(engine, "basis", None) for engine in engines]
        self._bases: tuple[Callable[[], Hashable], ...] = () if None in bases else tuple(filter(None, bases))
        self._names = ",".join(engine.name for engine in engines)
        self._cache: OrderedDict[bytes, tuple[float, Judgement]] = OrderedDict()
        self._ending: set[asyncio.Task[Verdict]] = set()
        # Two threads: more would only take turns, and one long text must not hold up the next.
        self._threads = ThreadPoolExecutor(2, "ringwall-judge")

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(engine.name for engine in self._engines)

    def watch_tools(self, names: Callable[[], frozenset[str]]) -> None:
        """Tell the engines that look for orders to call a tool what tools there are, as `names` says at each text."""
        for engine in self._engines:
            if watch := getattr(engine, "watch_tools", None):
                watch(names)

    def basis(self) -> Hashable | None:
        """What the judgement of an item depends on at this moment besides the item; None where an engine asks a service,
        which may say something else the next time."""
        bases = self._bases
        if len(bases) == 1:  # as nearly always
            return bases[0]()
        return tuple([basis() for basis in bases]) if bases else None

    async def judge(self, item: ScanItem) -> Judgement:
        """The engines' judgement of `item`, within the budget. Raises nothing but the caller's own cancellation."""
        if item.leg is not Leg.DEFINITIONS:
            return await self._judge(item)
        key = self._key(item)
        entry = self._cache.get(key)
        if entry is not None and self._clock() < entry[0]:
            self._cache.move_to_end(key)
            return entry[1]
        judgement = await self._judge(item)
        if judgement.outcome is not Outcome.NO_VERDICT:
            # A verdict from the cache takes no time, and the metrics should say so.
            cached = replace(
                judgement, verdicts=tuple(replace(verdict, milliseconds=0.0) for verdict in judgement.verdicts)
            )
            self._cache[key] = (self._clock() + CACHE_SECONDS, cached)
            self._cache.move_to_end(key)
            if len(self._cache) > CACHED:
                self._cache.popitem(last=False)
        return judgement

    async def close(self) -> None:
        """Cancel what is under way and close every engine."""
        for task in self._ending:
            task.cancel()
        await asyncio.gather(*self._ending, return_exceptions=True)
        for failure in await asyncio.gather(*(engine.close() for engine in self._engines), return_exceptions=True):
            if isinstance(failure, Exception):
                log.error("an engine could not be closed: %s", _described(failure))
        self._threads.shutdown(wait=False)

    async def _judge(self, item: ScanItem) -> Judgement:
        decisive = item.leg not in self._thorough
        started = time.monotonic()
        deadline = started + self._budget
        verdicts: tuple[Verdict, ...] = ()
        for local in self._local:
            verdict = await self._judged(local, item, started + self._budget / 2)
            verdicts += (verdict,)
            if decisive and verdict.outcome is Outcome.BLOCK:
                return Judgement(Outcome.BLOCK, verdicts)
        if len(self._remote) == 1:
            verdicts += (await _scan(self._remote[0], item, deadline),)
        elif self._remote:
            verdicts += await self._all(item, deadline, decisive)
        return Judgement(_outcome(verdicts), verdicts)

    async def _judged(self, engine: LocalEngine, item: ScanItem, deadline: float) -> Verdict:
        if len(item.document) <= AT_ONCE:
            return _judged(engine, item, deadline)
        try:
            judging = asyncio.get_running_loop().run_in_executor(self._threads, _judged, engine, item, deadline)
        except RuntimeError:  # closed
            return _silent(engine.name, "not asked: the panel is closed")
        return await judging

    async def _all(self, item: ScanItem, deadline: float, decisive: bool) -> tuple[Verdict, ...]:
        tasks = [asyncio.create_task(_scan(engine, item, deadline)) for engine in self._remote]
        pending = set(tasks)
        try:
            while pending:
                finished, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                if decisive and any(
                    not task.cancelled() and task.result().outcome is Outcome.BLOCK for task in finished
                ):
                    break
        finally:
            # Not awaited: a judgement that is ready must not wait for an engine that is slow to stop.
            for task in pending:
                task.cancel()
                self._ending.add(task)
                task.add_done_callback(self._ending.discard)
        heard = [(engine, task) for engine, task in zip(self._remote, tasks, strict=True) if task not in pending]
        return tuple(
            _silent(engine.name, "ended itself") if task.cancelled() else task.result() for engine, task in heard
        )

    def _key(self, item: ScanItem) -> bytes:
        parts = (item.leg.value, self._names, item.server, item.method, item.name, item.document)
        digest = hashlib.sha256()
        for part in parts:
            data = part.encode("utf-8", "surrogatepass")
            digest.update(len(data).to_bytes(8, "big"))
            digest.update(data)
        return digest.digest()


def acting_tools(config: GuardConfig | ModelGuardConfig) -> frozenset[str]:
    """The names of a server's tools that change something; a model route has none."""
    if not isinstance(config, GuardConfig):
        return frozenset()
    return frozenset(tool.name for tool in config.tool_lock.tools if tool.risk != "read")


def build_panel(config: GuardConfig | ModelGuardConfig, environ: Mapping[str, str] = os.environ) -> Panel:
    """The engines that the configuration names, all of them or none.

    Raises:
        InputError: an engine's secret, certificates or model cannot be read. The embedded engine never stands in for
            another.
    """
    engine_settings, legs = config.guard.engines, config.guard.legs
    excepted: set[str] = {exception.leg for exception in config.guard.exceptions}
    every: tuple[AnyLeg, ...] = tuple(ModelLeg) if isinstance(config, ModelGuardConfig) else tuple(Leg)
    passing = [leg for leg in every if getattr(legs, leg.value) != "block" or leg.value in excepted]
    thorough = frozenset(leg.judged_as if isinstance(leg, ModelLeg) else leg for leg in passing)
    tools = frozenset[str]()
    if isinstance(config, GuardConfig):
        tools = frozenset(tool.name for tool in config.tool_lock.tools)
        if any(pinned.accepted for pinned in pinned_definitions(config.tool_lock)):
            thorough |= {Leg.DEFINITIONS}  # behind an accepted finding of one engine there may be one of another
    # Secrets are read first, so that a missing one leaves no client open.
    services = [
        (service, read_secret(service.secret, environ) if service.secret else "")
        for service in engine_settings.services
    ]
    engines: list[VerdictEngine] = []
    if engine_settings.embedded:
        from guard.engines.embedded import EmbeddedVerdictEngine

        engines.append(EmbeddedVerdictEngine(tools, acting_tools=acting_tools(config), thorough=thorough))
    if services:
        from guard.engines.services import make_engine

        engines += [make_engine(service, secret, thorough=thorough) for service, secret in services]
    if local := engine_settings.model:
        from guard.engines.local_model import ModelVerdictEngine, OnnxClassifier

        engines.append(ModelVerdictEngine(OnnxClassifier(local.sensitivity), local.characters))
    return Panel(engines, seconds(config.guard.deadline), thorough=thorough)


def _is_local(engine: VerdictEngine) -> bool:
    judge = getattr(engine, "judge", None)
    return callable(judge) and not inspect.iscoroutinefunction(judge)


def _accepting(verdict: Verdict, rules: frozenset[str]) -> Verdict:
    if verdict.outcome is not Outcome.BLOCK or not verdict.findings:
        return verdict
    remaining = tuple(finding for finding in verdict.findings if rule_id(verdict.engine, finding) not in rules)
    if not all(finding.advisory for finding in remaining):
        return replace(verdict, findings=remaining)
    return replace(verdict, outcome=Outcome.NO_VERDICT if verdict.error else Outcome.ALLOW, findings=remaining)


def _outcome(verdicts: tuple[Verdict, ...]) -> Outcome:
    if len(verdicts) == 1:
        return verdicts[0].outcome
    outcomes = {verdict.outcome for verdict in verdicts}
    if Outcome.BLOCK in outcomes:
        return Outcome.BLOCK
    return Outcome.ALLOW if outcomes == {Outcome.ALLOW} else Outcome.NO_VERDICT


def _judged(engine: LocalEngine, item: ScanItem, deadline: float) -> Verdict:
    started = time.monotonic()
    try:
        verdict = engine.judge(item, deadline)
    except Exception as error:
        return _failed(engine.name, error, started)
    return _checked(engine.name, verdict, started)


async def _scan(engine: VerdictEngine, item: ScanItem, deadline: float) -> Verdict:
    started = time.monotonic()
    try:
        async with asyncio.timeout(deadline + GRACE - started) as limit:
            verdict = await engine.scan(item, deadline)
    except TimeoutError as error:
        if not limit.expired():
            return _failed(engine.name, error, started)
        log.error("engine %s did not keep its deadline", engine.name)
        return _silent(engine.name, "no verdict within the budget", started)
    except Exception as error:
        return _failed(engine.name, error, started)
    return _checked(engine.name, verdict, started)


def _checked(name: str, verdict: object, started: float) -> Verdict:
    if isinstance(verdict, Verdict) and isinstance(verdict.outcome, Outcome):
        return verdict
    log.error("engine %s answered with something other than a verdict", name)
    return _silent(name, "answered with something other than a verdict", started)


def _failed(name: str, error: Exception, started: float) -> Verdict:
    log.error("engine %s failed: %s", name, _described(error))
    return _silent(name, f"failed ({type(error).__name__})", started)


def _silent(name: str, reason: str, started: float | None = None) -> Verdict:
    spent = 0.0 if started is None else (time.monotonic() - started) * 1000
    return Verdict(Outcome.NO_VERDICT, name, milliseconds=spent, error=reason)


def _described(error: BaseException) -> str:
    """The error's type and place, never its message, which may quote the text that was judged."""
    frames = traceback.extract_tb(error.__traceback__)
    place = f" at {os.path.basename(frames[-1].filename)}:{frames[-1].lineno}" if frames else ""
    return f"{type(error).__name__}{place}"
