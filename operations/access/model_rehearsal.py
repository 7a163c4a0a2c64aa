"""Asks one model route's guard what it decides on a request, as `operations.access.rehearsal` does before an MCP server:
the configuration that a deployment would export, and the guard's own code. No model is asked, and no network."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from components.guard.model_settings import build_model_guard_config
from guard.audit.log import AuditLog
from guard.decide.counters import MemoryCounters
from guard.decide.reasons import Decision, Reason
from guard.inspect.exceptions import Exceptions
from guard.inspect.inspection import Inspector
from guard.memory import UNBOUNDED
from guard.models.budgets import ModelBudgets, Reservation
from guard.models.exchange import ModelExchange
from guard.models.inner import InnerConnections
from guard.models.inspection import CleanParts, PartInspector
from guard.models.policy import ModelPolicy
from guard.models.refusals import ModelRefusal
from guard.models.requests import FORMATS, ModelRequest
from guard.models.runtime import ModelContext, ModelRuntime
from guard.models.sink import ModelSink
from guard.models.usage import ModelUsage
from model.base import SecretRef
from model.canonical import digest
from model.guard_config import Audit
from model.model_guard_config import ModelGuardConfig
from model.model_route import ModelKind
from model.stacks import ModelStack, leg_of
from model.suggestions import did_you_mean
from operations.access.question import AccessQuestion
from operations.access.refusals import giving_grants
from operations.access.rehearsal import GuardAnswer, engines_here, panel_of_nobody, silent_client
from operations.access.visitor import Visitor
from wire.json import dump


class ModelRehearsal:
    """One route's guard as the files describe it; `model_rehearsal_of` opens it."""

    def __init__(self, stack: ModelStack, runtime: ModelRuntime, audit_file: Path) -> None:
        self.stack = stack
        self.runtime = runtime
        self._audit_file = audit_file

    @property
    def policy(self) -> ModelPolicy:
        return self.runtime.policy

    def absence(self, question: AccessQuestion) -> str | None:
        """What to do where the route has no model of this name; None where it has."""
        models = self.stack.manifest.models
        return None if question.name in models else did_you_mean(question.name, models, none="the route has no models")

    def giving(self, numbers: Iterable[int], question: AccessQuestion) -> list[int]:
        """Those of the grants that give what is asked for."""
        return giving_grants(self.policy, numbers, question)

    async def ask(self, visitor: Visitor, question: AccessQuestion) -> GuardAnswer:
        """The guard's decision. Without a request only the grants judge."""
        policy, principal = self.policy, visitor.principal
        # Every question meets full budgets.
        policy.budgets = ModelBudgets(policy.config, MemoryCounters(time.monotonic))
        applying = policy.applying(principal)
        if question.name not in policy.granted(principal):
            return GuardAnswer(applying, {"decision": Decision.REFUSE, "reason": Reason.NOT_GRANTED})
        if question.arguments is None:
            return GuardAnswer(applying)
        body = {**question.arguments, "model": question.name}
        kind, encoded = _kind(body, self.stack.manifest.models[question.name].kinds), dump(body)
        context = ModelContext(policy, principal, FORMATS[kind].path, self.runtime.room(principal.id), len(encoded))
        exchange = _UnsentExchange(self.runtime, context, ModelSink(_unsent, self.runtime))
        await exchange.serve(kind, encoded)
        if exchange.refusal is not None:
            return GuardAnswer(applying, self._last_record(exchange.refusal), size=len(encoded))
        return GuardAnswer(applying, body=exchange.forwarded, size=len(encoded))

    def _last_record(self, refusal: ModelRefusal) -> dict[str, Any]:
        record: dict[str, Any] = json.loads(self._audit_file.read_text("utf-8").splitlines()[-1])
        # What is wrong with the request itself, which its sender is told and no engine found.
        return record if refusal.inspected else {**record, "problem": refusal.message}


class _UnsentExchange(ModelExchange):
    """An exchange that ends where its request would be sent. `forwarded` is what would be, `refusal` why nothing is."""

    forwarded: Mapping[str, Any] | None = None
    refusal: ModelRefusal | None = None

    async def refuse(self, refusal: ModelRefusal) -> None:
        self.refusal = refusal
        # Each has a record of its own, however often its like was refused.
        self.context.admitted = True
        await super().refuse(refusal)

    async def _forward(
        self, request: ModelRequest, body: Any, reservation: Reservation, expected: ModelUsage, key: object
    ) -> None:
        self.forwarded = body


def _kind(body: Mapping[str, Any], kinds: tuple[ModelKind, ...]) -> ModelKind:
    """What a request asks of a model: `messages` is a member of chat completions alone."""
    if "messages" in body or "input" not in body:
        return "chat"
    return "embeddings" if "embeddings" in kinds and "responses" not in kinds else "responses"


async def _unsent(message: object) -> None:
    """Drops an answer that nobody waits for."""


@asynccontextmanager
async def model_rehearsal_of(stack: ModelStack) -> AsyncIterator[ModelRehearsal]:
    """The guard of a model route, and its audit log in a folder that is removed at the end.

    Raises:
        InputError: the guard would not start with these files.
    """
    with TemporaryDirectory(prefix="ringwall-explain-") as name:
        folder = Path(name)
        config = _config(stack, folder)
        client = silent_client()
        policy = ModelPolicy(
            config,
            sha256=digest(config.dump()),
            sequence=1,
            denied=frozenset(),
            client=client,
            counters=MemoryCounters(time.monotonic),
        )
        if leg_of(stack).settings.engines.embedded is None:
            await policy.panel.close()
            policy.panel = panel_of_nobody(config.guard.deadline)
            inspector = Inspector(policy.panel, config.guard.legs, policy.server, Exceptions(config.guard.exceptions))
            policy.inspector = PartInspector(inspector, CleanParts())
        audit = AuditLog.open(config.audit, server=policy.server, key=Ed25519PrivateKey.generate())
        runtime = ModelRuntime(policy, InnerConnections(config), audit, memory=UNBOUNDED)
        try:
            yield ModelRehearsal(stack, runtime, Path(config.audit.path))
        finally:
            await runtime.close()
            for issuer in policy.verifier.issuers:
                await issuer.close()
            await client.aclose()


def _config(stack: ModelStack, folder: Path) -> ModelGuardConfig:
    manifest = stack.manifest
    config = build_model_guard_config(
        stack, dict.fromkeys(manifest.hostnames, "offline"), {agent: agent for agent in manifest.access.agents}
    )
    key = folder / "guard-key"
    key.touch(mode=0o600)
    key.write_text("nothing-is-sent", encoding="utf-8")
    guard = config.guard.model_copy(
        update={
            "engines": engines_here(leg_of(stack).settings.engines),
            "redis": None,
            "audit_anchor": None,
            "traces": None,
        }
    )
    inner = config.inner.model_copy(update={"key": SecretRef(file=str(key))})
    audit = Audit(path=str(folder / "audit.jsonl"))
    return config.model_copy(update={"guard": guard, "inner": inner, "redis": None, "cache": None, "audit": audit})
