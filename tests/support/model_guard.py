"""A model route's guard that runs, with its inner route and provider, and the official client of OpenAI's API before it."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import openai

from guard.bundle.bundle import Opened
from guard.http.request_bounds import DEFAULT_BOUNDS, RequestBounds
from guard.listening import serve
from guard.memory import MessageMemory
from guard.models.service import ModelGuardService
from model.model_guard_config import ModelGuardConfig
from tests.support.loopback_http import NO_AUTHORITIES
from tests.support.model_provider import KEY, InnerStandIn, Provider, listening
from tests.support.ports import free_port
from tests.support.route_guard import route_config, small
from wire.sse import KEEP_ALIVE_SECONDS

ME = "person:ada"
ASK: Any = [{"role": "user", "content": "How are you today?"}]
#: Nobody shall meet a limit who does not test one.
WIDE = {"principal": {}, "all": {"tokens_per_day": 1_000_000_000}}


@dataclass
class RouteGuard:
    """The guard, what stands behind it, and clients that speak to it."""

    service: ModelGuardService
    provider: Provider
    inner: InnerStandIn
    config: ModelGuardConfig
    audit: Path
    url: str
    raw: httpx.AsyncClient
    headers: Mapping[str, str]

    def client(self, **options: Any) -> openai.AsyncOpenAI:
        """The official client; without `max_retries` it repeats nothing."""
        values = {"max_retries": 0, "default_headers": dict(self.headers), **options}
        return openai.AsyncOpenAI(base_url=f"{self.url}/v1", api_key="sk-of-the-client", **values)

    async def ask(self, messages: Any = None, **members: Any) -> httpx.Response:
        """One chat completion as bare HTTP."""
        body = {"model": "small", "messages": messages or ASK, **members}
        return await self.raw.post("/v1/chat/completions", json=body)

    def records(self) -> list[dict[str, Any]]:
        """Every decision in the audit log so far."""
        # A line that is being written has no end yet.
        lines = self.audit.read_text().rpartition("\n")[0].splitlines()
        return [record for line in lines if (record := json.loads(line)).get("kind") == "decision"]

    def decisions(self) -> list[tuple[str, str, str | None]]:
        """(decision, reason, leg) of every decision so far."""
        return [(record["decision"], record["reason"], record["leg"]) for record in self.records()]


@contextlib.asynccontextmanager
async def route_guarded(
    state: Path,
    provider: Provider | None = None,
    *,
    headers: Mapping[str, str] | None = None,
    denied: frozenset[str] = frozenset(),
    keep_alive: float = KEEP_ALIVE_SECONDS,
    bounds: RequestBounds = DEFAULT_BOUNDS,
    expires: int | None = None,
    targets: list[str] | None = None,
    memory: MessageMemory | None = None,
    **changes: Any,
) -> AsyncIterator[RouteGuard]:
    """The guard before its inner route and provider, all running until the end of the block."""
    provider = provider or Provider()
    models = changes.get("models", [small()])
    inner = InnerStandIn({row["inner_host"]: row["provider_model"] for row in models})
    key = state / "inner.key"
    key.write_text(KEY)
    key.chmod(0o600)
    async with listening(provider.handle) as provider_url, listening(inner.handle) as inner_url:
        inner.targets = [*(targets or ()), provider_url]
        values = {
            "listen": {"port": free_port()},
            "inner": {"url": inner_url, "key": {"file": str(key)}},
            "identity": {"demo": {"principal": ME, "email": "ada@example.com"}},
            "limits": WIDE,
            "audit": {"path": str(state / "audit.jsonl")},
            **changes,
        }
        config = route_config(**values)
        opened = Opened(config, "sha256:" + "1" * 64, 1, denied, expires)
        service = await ModelGuardService.open(
            opened, state / "state", keep_alive=keep_alive, bounds=bounds, memory=memory
        )
        started, stop = asyncio.Event(), asyncio.Event()
        running = asyncio.get_running_loop().create_task(serve(service, stop, started=started.set))
        waiting = asyncio.ensure_future(started.wait())
        await asyncio.wait([running, waiting], return_when=asyncio.FIRST_COMPLETED)
        waiting.cancel()
        url = f"http://127.0.0.1:{config.listen.port}"
        try:
            async with httpx.AsyncClient(
                base_url=url, headers=headers, timeout=60, trust_env=False, verify=NO_AUTHORITIES
            ) as raw:
                yield RouteGuard(service, provider, inner, config, state / "audit.jsonl", url, raw, dict(headers or {}))
        finally:
            service.runtime.end_work()
            running.cancel()
            await asyncio.gather(running, return_exceptions=True)
            await service.close()
            await inner.client.aclose()
