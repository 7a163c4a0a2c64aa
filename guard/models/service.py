"""A complete guard of a model route: made from a configuration, and given another one while it runs.

How it is served and ended is in `guard.service`, as for an MCP server's guard.
"""

from __future__ import annotations

import resource
from pathlib import Path
from typing import Any

import httpx
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from guard.audit.keys import load_or_create_key
from guard.audit.log import AuditLog
from guard.bundle.bundle import Opened
from guard.bundle.source import NeedsRestart
from guard.decide.counters import Counters
from guard.decide.term import Term
from guard.health import HEALTH, healthz_of
from guard.host_memory import message_memory
from guard.http.request_bounds import DEFAULT_BOUNDS, RequestBounds
from guard.logs import SERVER
from guard.memory import MessageMemory
from guard.models.endpoint import ModelEndpoint
from guard.models.inner import InnerConnections
from guard.models.policy import ModelPolicy
from guard.models.runtime import ModelRuntime
from guard.opening import anchor_token, counters_of, make_state
from guard.traces.opening import collector_headers, model_tracer_of
from wire.http import HttpPolicy
from wire.sse import KEEP_ALIVE_SECONDS


class ModelGuardService:
    """One guard of a model route. `open` it inside the event loop, `apply` each new configuration, and `close` it."""

    def __init__(self, runtime: ModelRuntime, counters: Counters, client: httpx.AsyncClient) -> None:
        self.runtime = runtime
        self._counters = counters
        self._client = client

    @classmethod
    async def open(
        cls,
        opened: Opened,
        state: Path,
        *,
        keep_alive: float = KEEP_ALIVE_SECONDS,
        bounds: RequestBounds = DEFAULT_BOUNDS,
        memory: MessageMemory | None = None,
    ) -> ModelGuardService:
        """Make everything but the sockets. `state` is a directory that only the guard may write, `memory` what the process
        has for messages, by default a share of all there is.

        Raises:
            RingwallError: a secret, log or state file cannot be used, so the guard does not start.
        """
        config = opened.for_route
        make_state(state)
        # For issuers' keys, which are never fetched from where a redirect points.
        client = HttpPolicy(None, proxies=True).async_client(timeout=5.0)
        counters = counters_of(config)
        policy = _policy(opened, client, counters)
        routes = InnerConnections(config)
        trace_headers = collector_headers(config)
        audit = AuditLog.open(
            config.audit,
            server=policy.server,
            key=load_or_create_key(state / "audit.key"),
            anchor_token=anchor_token(config),
        )
        files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
        runtime = ModelRuntime(
            policy,
            routes,
            audit,
            memory=memory or message_memory(),
            keep_alive=keep_alive,
            bounds=bounds.within(files),
        )
        runtime.trace_with(model_tracer_of(config, trace_headers, runtime.metrics))
        runtime.watch_term()
        audit.event(
            "open",
            {
                "bundle": opened.sha256,
                "sequence": opened.sequence,
                "identity": "demo" if config.identity.demo else "verified",
                "denied": sorted(opened.denied),
            },
        )
        # Starts to fetch the issuers' keys, so that the first caller need not wait for them.
        policy.verifier.problems()
        return cls(runtime, counters, client)

    async def apply(self, opened: Opened) -> None:
        """Put another configuration in force.

        Raises RingwallError when that is impossible. Then nothing changes, except that whom it denies is denied at once.
        """
        self.runtime.deny(opened.denied)
        old, new = self.runtime.policy.config, opened.for_route
        fixed = ("listen", "path", "admin_port", "audit", "model_route", "redis")
        changed = [key for key in fixed if getattr(old, key) != getattr(new, key)]
        if changed or old.guard.redis != new.guard.redis:
            fields = ", ".join(changed) or "guard.redis"
            raise NeedsRestart(
                f"{fields} differs from what this guard was started with (its deny list is in force)",
                remedy="restart the guard",
            )
        policy = _policy(opened, self._client, self._counters, self.runtime.policy)
        retraced = (old.guard.traces, old.inner) != (new.guard.traces, new.inner)
        trace_headers = collector_headers(new) if retraced else {}
        moved = (old.inner, old.models, old.timeouts) != (new.inner, new.models, new.timeouts)
        await self.runtime.apply(policy, InnerConnections(new) if moved else None)
        if retraced:
            self.runtime.trace_with(model_tracer_of(new, trace_headers, self.runtime.metrics))
        policy.verifier.problems()
        self.runtime.log.info("configuration %d (%s) is in force", opened.sequence, opened.sha256)

    def traffic_app(self) -> ASGIApp:
        """The endpoint, and `/healthz` for the gateway's probes, which is answered for any Host."""
        endpoint = ModelEndpoint(self.runtime)
        health = healthz_of(self.runtime)

        server = self.runtime.policy.server

        async def app(scope: Scope, receive: Receive, send: Send) -> None:
            SERVER.set(server)
            await (health if scope["type"] == "http" and scope["path"] == HEALTH else endpoint)(scope, receive, send)

        return app

    def readiness(self) -> dict[str, Any]:
        """The document of /readyz."""
        return self.runtime.readiness()

    def admin_app(self) -> ASGIApp:
        """`/readyz` (what is in force and what is wrong; 503 if anything is) and `/metrics`."""
        runtime = self.runtime

        async def readyz(_: Request) -> Response:
            state = runtime.readiness()
            return JSONResponse(state, 200 if state["ready"] else 503)

        async def metrics(_: Request) -> Response:
            runtime.metrics.state(runtime.readiness(), 0)
            return PlainTextResponse(runtime.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

        return Starlette(
            routes=[Route("/readyz", readyz, methods=["GET"]), Route("/metrics", metrics, methods=["GET"])]
        )

    async def close(self) -> None:
        await self.runtime.close()
        for issuer in self.runtime.policy.verifier.issuers:
            await issuer.close()
        await self._counters.close()
        await self._client.aclose()


def _policy(
    opened: Opened, client: httpx.AsyncClient, counters: Counters, previous: ModelPolicy | None = None
) -> ModelPolicy:
    return ModelPolicy(
        opened.for_route,
        sha256=opened.sha256,
        sequence=opened.sequence,
        denied=opened.denied,
        term=Term(opened.issued, opened.expires),
        client=client,
        counters=counters,
        previous=previous,
    )
