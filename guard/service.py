"""A complete guard but for its sockets: made from a configuration, changed over to another, and closed.

Its sockets are opened in `guard.listening`, several guards of one process are kept in `guard.host`.
"""

from __future__ import annotations

import logging
import resource
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from starlette.types import ASGIApp

from guard.app import admin_app, traffic_app
from guard.audit.files import worker_chain, worker_log
from guard.audit.keys import load_or_create_key
from guard.audit.log import AuditLog
from guard.bundle.bundle import Opened
from guard.bundle.source import NeedsRestart
from guard.decide.cache import ResultCache
from guard.decide.counters import Counters
from guard.decide.pins import Refusal
from guard.decide.policy import Policy
from guard.decide.taint import Taints
from guard.decide.term import Term
from guard.decide.watch import Watch
from guard.host_memory import message_memory
from guard.http.connection import upstream_of
from guard.http.request_bounds import DEFAULT_BOUNDS, RequestBounds
from guard.http.stdio_command import socket_of
from guard.http.upstream import Upstream
from guard.identity.caller_token import CallerTokens
from guard.identity.introduction import CallerIntroduction
from guard.identity.signing_keys import FILE, IdentityKeys
from guard.inspect.panel import acting_tools
from guard.memory import MessageMemory, Rooms
from guard.opening import anchor_token, counters_of, make_state, marks_of
from guard.runtime import Runtime
from guard.traces.opening import collector_headers, tracer_of
from model.guard_config import GuardConfig
from wire.http import HttpPolicy
from wire.sse import KEEP_ALIVE_SECONDS

log = logging.getLogger("ringwall.guard")


class GuardService:
    """One guard. `open` it inside the event loop, `apply` each new configuration, and `close` it."""

    def __init__(
        self, runtime: Runtime, state: Path, counters: Counters, client: httpx.AsyncClient, sockets: Path | None
    ) -> None:
        self.runtime = runtime
        self._state = state
        self._counters = counters
        self._client = client
        self._sockets = sockets

    @classmethod
    async def open(
        cls,
        opened: Opened,
        state: Path,
        *,
        keep_alive: float = KEEP_ALIVE_SECONDS,
        bounds: RequestBounds = DEFAULT_BOUNDS,
        sockets: Path | None = None,
        memory: MessageMemory | None = None,
        worker: int = 1,
        workers: int = 1,
        shared: Counters | None = None,
    ) -> GuardService:
        """Make everything but the sockets. `state` is a directory that only the guard may write. A stream that is silent
        for `keep_alive` seconds gets a comment. A command is reached through its socket in the folder `sockets`, where there
        is one, else started. `memory` is what the process has for messages, by default half of all there is. Of several
        `workers` each is a `worker` with an audit log of its own, and counts in `shared` unless a Redis counts.

        Raises:
            RingwallError: a secret, schema, log or state file cannot be used, so the guard does not start.
        """
        config = opened.for_server
        make_state(state)
        # For issuers' keys, which are never fetched from where a redirect points.
        client = HttpPolicy(None, proxies=True).async_client(timeout=5.0)
        counters = shared if shared is not None and config.guard.redis is None else counters_of(config)
        introduction = _introduction(config, state)
        trace_headers = collector_headers(config)
        policy = _policy(opened, state, counters, client, lambda _: None, introduction)
        audit = AuditLog.open(
            config.audit.model_copy(update={"path": str(worker_log(Path(config.audit.path), worker))}),
            server=worker_chain(policy.server, worker),
            key=load_or_create_key(state / "audit.key"),
            anchor_token=anchor_token(config),
        )
        memory = memory or message_memory(parts=workers)
        rooms = partial(memory.room, server=policy.server)
        upstream = _upstream(config, introduction, sockets, rooms)
        watch = Watch(upstream, lambda: policy, rooms=rooms)
        runtime = Runtime(
            policy,
            upstream,
            audit,
            watch,
            Taints(config.guard.taint, time.monotonic),
            ResultCache(config.tool_lock, opened.sha256, time.monotonic),
            memory=memory,
            keep_alive=keep_alive,
            bounds=bounds.within(resource.getrlimit(resource.RLIMIT_NOFILE)[0]),
        )
        watch.follow(lambda: runtime.policy)
        runtime.trace_with(tracer_of(config, trace_headers, runtime.metrics))
        runtime.watch_term()
        if (marks := marks_of(config)) is not None:
            await marks.tools.announce(opened.sha256, acting_tools(config))
        runtime.taints.shared = marks
        service = cls(runtime, state, counters, client, sockets)
        policy.pins.report_to(runtime.refused)
        audit.event(
            "open",
            {
                "bundle": opened.sha256,
                "sequence": opened.sequence,
                "identity": "demo" if config.identity.demo else "verified",
                "denied": sorted(opened.denied),
                **({"workers": workers} if workers > 1 else {}),
            },
        )
        watch.refresh()
        runtime.judge_definitions()
        # Starts to fetch the issuers' keys, so that the first caller need not wait for them.
        policy.verifier.problems()
        return service

    async def apply(self, opened: Opened) -> None:
        """Put another configuration in force.

        Raises RingwallError when that is impossible. Then nothing changes, except that whom it denies is denied at once:
        a revoked caller must not wait for a restart, nor for the rest of the configuration to be corrected.
        """
        self.runtime.deny(opened.denied)
        old, new = self.runtime.policy.config, opened.for_server
        fixed = ("listen", "path", "admin_port", "audit", "server")
        changed = [key for key in fixed if getattr(old, key) != getattr(new, key)]
        if changed or old.guard.redis != new.guard.redis:
            fields = ", ".join(changed) or "guard.redis"
            raise NeedsRestart(
                f"{fields} differs from what this guard was started with (its deny list is in force)",
                remedy="restart the guard",
            )
        introduction = _introduction(new, self._state)
        policy = _policy(
            opened, self._state, self._counters, self._client, self.runtime.refused, introduction, self.runtime.policy
        )
        moved = new.origin != old.origin
        retraced = moved or new.guard.traces != old.guard.traces
        trace_headers = collector_headers(new) if retraced else {}
        upstream = _upstream(new, introduction, self._sockets, self.runtime.room) if moved else None
        if (marks := self.runtime.taints.shared) is not None:
            await marks.tools.announce(opened.sha256, acting_tools(new))
        await self.runtime.apply(policy, upstream)
        if retraced:
            self.runtime.trace_with(tracer_of(new, trace_headers, self.runtime.metrics))
        policy.verifier.problems()
        if upstream is not None:
            self.runtime.watch.aim(upstream)
        log.info("configuration %d (%s) is in force", opened.sequence, opened.sha256)

    def traffic_app(self) -> ASGIApp:
        """The application for what the gateway sends."""
        return traffic_app(self.runtime)

    def admin_app(self) -> ASGIApp:
        """The application for the operator."""
        return admin_app(self.runtime)

    def readiness(self) -> dict[str, Any]:
        """The document of /readyz."""
        return self.runtime.readiness()

    async def close(self) -> None:
        await self.runtime.close()
        for issuer in self.runtime.policy.verifier.issuers:
            await issuer.close()
        await self._counters.close()
        if self.runtime.taints.shared is not None:
            await self.runtime.taints.shared.close()
        await self._client.aclose()


def _policy(
    opened: Opened,
    state: Path,
    counters: Counters,
    client: httpx.AsyncClient,
    report: Callable[[Refusal], None],
    introduction: CallerIntroduction | None,
    previous: Policy | None = None,
) -> Policy:
    return Policy(
        opened.for_server,
        sha256=opened.sha256,
        sequence=opened.sequence,
        denied=opened.denied,
        term=Term(opened.issued, opened.expires),
        client=client,
        counters=counters,
        report=report,
        state=state,
        introduction=introduction,
        previous=previous,
    )


def _upstream(
    config: GuardConfig, introduction: CallerIntroduction | None, sockets: Path | None, rooms: Rooms
) -> Upstream:
    socket = None if sockets is None else socket_of(sockets, config.server.environment, config.server.name)
    return upstream_of(config.origin, introduction=introduction, socket=socket, rooms=rooms)


def _introduction(config: GuardConfig, state: Path) -> CallerIntroduction | None:
    """The keys are read anew for each configuration, so one that pins others is refused; raises InputError."""
    place = config.origin.identity
    if place == "none":
        return None
    tokens = CallerTokens(IdentityKeys(state / FILE), f"{config.server.environment}.{config.server.name}")
    tokens.pin(config.origin.identity_keys)
    return CallerIntroduction(place, tokens)
