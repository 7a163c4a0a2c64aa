"""Puts a call to the guard's own decision code, offline: the guard of one server without its server and without a network.

The policy is built from the files as for a deployment, and the message is decided by `guard.decide.from_client`, so that the
answer is the guard's and no second opinion. Assumed are what only a running guard can know: the server offers what the lock
pins, no budget is used up, and the caller was sent no untrusted text. An engine that is a vendor's is not asked.
"""

from __future__ import annotations

import json
import logging
import tempfile
import time
from collections.abc import AsyncIterator, Collection, Iterable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from components.gateway.names import REMAINING_HEADER
from components.guard.settings import build_guard_config
from guard.audit.log import AuditLog
from guard.decide.cache import ResultCache
from guard.decide.context import Caller, Stop
from guard.decide.counters import MemoryCounters
from guard.decide.definitions import Definitions
from guard.decide.exchange import Exchange
from guard.decide.from_client import judge_tool, prepare
from guard.decide.limits import Limiter
from guard.decide.methods import CLIENT
from guard.decide.policy import Policy
from guard.decide.taint import Taints
from guard.decide.watch import Watch
from guard.http.connection import upstream_of
from guard.inspect.exceptions import Exceptions
from guard.inspect.inspection import Inspector
from guard.inspect.panel import Panel
from guard.inspect.verdict import Outcome, ScanItem, Verdict
from guard.memory import UNBOUNDED
from guard.runtime import Runtime
from model.base import seconds
from model.canonical import digest
from model.engines import EmbeddedEngine, Engines
from model.guard_config import Audit, GuardConfig
from model.server import Origin
from model.stacks import ServerStack
from model.tool_lock import EntryKind
from operations.access.question import METHODS, AccessQuestion, absence
from operations.access.refusals import giving_grants
from operations.access.visitor import Visitor
from wire.json import dump
from wire.jsonrpc import Request

#: Never asked: whoever speaks to a server is `guard.http`, and nothing here forwards a message.
_NOWHERE = Origin(url="http://127.0.0.1:1/mcp")
# What a guard tells its operator is in the answer; without a handler Python would print it.
logging.getLogger("ringwall.guard").addHandler(logging.NullHandler())


@dataclass(frozen=True)
class GuardAnswer:
    """What the guard decides on a call. `record` is its audit record where it refuses, None where the call goes on.

    `grants` are the numbers of the grants that apply to the caller, and `body` is the message that would be forwarded.
    """

    grants: tuple[int, ...]
    record: Mapping[str, Any] | None = None
    body: Mapping[str, Any] | None = None
    size: int = 0

    @property
    def passes(self) -> bool:
        return self.record is None


class Rehearsal:
    """One server's guard as the files describe it; `rehearsal_of` opens it."""

    def __init__(self, stack: ServerStack, runtime: Runtime, audit_file: Path) -> None:
        self.stack = stack
        self.runtime = runtime
        self._audit_file = audit_file

    @property
    def policy(self) -> Policy:
        return self.runtime.policy

    def absence(self, question: AccessQuestion) -> str | None:
        """What to do where the lock has nothing of this name; None where it has."""
        return absence(question, self.stack.lock, self.policy)

    def misfit(self, tool: str, arguments: Mapping[str, Any]) -> str | None:
        """How arguments break the tool's own pinned schema, which is the same for every caller; None where they fit."""
        pinned = self.policy.tool(tool)
        if pinned is None:
            return None
        problem = pinned.check(arguments)
        return pinned.check(pinned.fill(arguments)) if problem is not None and pinned.fill is not None else problem

    def giving(self, numbers: Iterable[int], question: AccessQuestion) -> list[int]:
        """Those of the grants that give what is asked for."""
        return giving_grants(self.policy, numbers, question)

    async def ask(self, visitor: Visitor, question: AccessQuestion) -> GuardAnswer:
        """The guard's decision. Without arguments a tool is judged by grants, lock and engines, whatever they will be."""
        policy, principal = self.policy, visitor.principal
        # Each refusal has a record of its own, however often its like was refused.
        self.runtime.repeats.close()
        # Every question meets full budgets.
        counters = MemoryCounters(time.monotonic)
        policy.limits = Limiter(policy.config.limits, counters, behind_gateway=policy.behind_gateway)
        version = "2025-11-25"
        caller = Caller(principal, policy.grants.rights(principal), False, version, None, "")
        remaining = {REMAINING_HEADER: str(policy.config.limits.tokens_per_minute)}
        exchange = Exchange(self.runtime, policy, caller, remaining, room=self.runtime.room(principal.id))
        params = question.params()
        body = {"jsonrpc": "2.0", "id": 1, "method": METHODS[question.kind], "params": params}
        request = Request(1, METHODS[question.kind], params, body)
        size = len(dump(body))
        grants = policy.grants.applying(principal)
        try:
            if question.kind == "tool" and question.arguments is None:
                context = exchange.context(1, request.method, CLIENT[request.method], size)
                await judge_tool(exchange, request, context, question.name)
                return GuardAnswer(grants, size=size)
            prepared = await prepare(exchange, request, {}, size)
        except Stop:
            return GuardAnswer(grants, self._last_record(), size=size)
        if prepared.context is not None:
            await exchange.release(prepared.context)
        return GuardAnswer(grants, body=prepared.body, size=size)

    def _last_record(self) -> dict[str, Any]:
        record = json.loads(self._audit_file.read_text("utf-8").splitlines()[-1])
        return record if isinstance(record, dict) else {}


@asynccontextmanager
async def rehearsal_of(server: ServerStack) -> AsyncIterator[Rehearsal]:
    """The guard of a server, and its audit log in a folder that is removed at the end.

    Raises:
        InputError: the guard would not start with these files.
    """
    with tempfile.TemporaryDirectory(prefix="ringwall-explain-") as folder:
        file = Path(folder) / "audit.jsonl"
        config = _config(server, file)
        client = silent_client()
        policy = Policy(
            config,
            sha256=digest(config.dump()),
            sequence=1,
            denied=frozenset(),
            client=client,
            counters=MemoryCounters(time.monotonic),
            report=lambda _: None,
        )
        if server.manifest.guard.engines.embedded is None:
            await policy.panel.close()
            policy.panel = panel_of_nobody(config.guard.deadline)
            exceptions = Exceptions(config.guard.exceptions)
            policy.inspector = Inspector(policy.panel, config.guard.legs, server.stack, exceptions)
            policy.definitions = Definitions(config.tool_lock, policy.inspector)
        audit = AuditLog.open(config.audit, server=server.stack, key=Ed25519PrivateKey.generate())
        upstream = upstream_of(_NOWHERE)
        runtime = Runtime(
            policy,
            upstream,
            audit,
            _Pinned(upstream, lambda: policy),
            Taints(config.guard.taint, time.monotonic),
            ResultCache(config.tool_lock, policy.sha256, time.monotonic),
            memory=UNBOUNDED,
        )
        try:
            yield Rehearsal(server, runtime, file)
        finally:
            await runtime.close()
            for issuer in policy.verifier.issuers:
                await issuer.close()
            await client.aclose()


def _config(server: ServerStack, audit_file: Path) -> GuardConfig:
    manifest = server.manifest
    config = build_guard_config(
        server, dict.fromkeys(manifest.hostnames, "offline"), {agent: agent for agent in manifest.access.agents}
    )
    engines = engines_here(manifest.guard.engines)
    guard = config.guard.model_copy(update={"engines": engines, "redis": None, "audit_anchor": None, "traces": None})
    return config.model_copy(update={"guard": guard, "redis": None, "audit": Audit(path=str(audit_file))})


def engines_here(engines: Engines) -> Engines:
    """The engines that a question may ask: a vendor's key is on the host, and no text leaves this machine for a question."""
    return Engines(embedded=engines.embedded or EmbeddedEngine())


def panel_of_nobody(deadline: str) -> Panel:
    """A panel that lets everything pass, where only vendors' engines judge."""
    return Panel([_NotAsked()], seconds(deadline))


class _Pinned(Watch):
    """The lists of a server that offers what the lock pins."""

    async def fresh(self, place: str, kinds: Collection[EntryKind]) -> None:
        return


class _NotAsked:
    """Stands where only vendors' engines judge, which are not asked."""

    name = "not-asked"

    def judge(self, item: ScanItem, deadline: float) -> Verdict:
        return Verdict(Outcome.ALLOW, self.name)

    async def scan(self, item: ScanItem, deadline: float) -> Verdict:
        return self.judge(item, deadline)

    async def close(self) -> None:
        return


def silent_client() -> httpx.AsyncClient:
    """A client that asks nobody."""
    return httpx.AsyncClient(transport=_NoNetwork())


class _NoNetwork(httpx.AsyncBaseTransport):
    """Fetches nothing: whoever calls is taken for verified."""

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("an offline question asks no network", request=request)
