"""A client, Kong with the limits that our stacks set, a whole guard and its server, each real HTTP on loopback."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from components.gateway.limits import limits as limit_plugins
from components.gateway.names import PRINCIPAL_HEADER, TOKENS
from guard.decide.answers import LIMIT_META
from model.server import Server
from tests.support.guard_service import Guarded, Origin, guarded
from tests.support.issued_tokens import PERSON
from tests.support.kong_gateway.configuration import Configuration, Plugin, Route, Service
from tests.support.kong_gateway.counters import starts
from tests.support.kong_gateway.server import KongGateway
from tests.support.kong_manifests import server, stack
from tests.support.loopback_http import NO_AUTHORITIES
from tests.support.token_issuer import TokenIssuer

HOST = "raw.example.com"
AUDIENCE = "a" * 64


class GatewayClock:
    """Kong's clock, which a test moves on. It begins in the middle of a minute and of an hour."""

    def __init__(self) -> None:
        self.now = time.time() // 3600 * 3600 + 1830.0

    def __call__(self) -> float:
        return self.now


@dataclass
class Road:
    """Everything between a client and the server's answer."""

    gateway: KongGateway
    guard: Guarded
    origin: Origin
    issuer: TokenIssuer
    clock: GatewayClock
    client: httpx.AsyncClient
    _ids: int = 0

    def headers(self, name: str) -> dict[str, str]:
        """What Kong's identity check would have let through for this person."""
        assertion = self.issuer.sign(PERSON.claims(self.issuer.url, AUDIENCE, sub=name, email=f"{name}@example.com"))
        return {
            "host": HOST,
            "content-type": "application/json",
            "accept": "application/json, text/event-stream",
            "cf-access-jwt-assertion": assertion,
            PRINCIPAL_HEADER: f"person:{name}",
        }

    async def post(self, body: Any, who: str = "ada", **headers: str) -> httpx.Response:
        sent = {**self.headers(who), **headers}
        if isinstance(body, bytes):
            return await self.client.post("/mcp", content=body, headers=sent)
        return await self.client.post("/mcp", json=body, headers=sent)

    async def call(self, tool: str = "search", text: str = "x", who: str = "ada", **headers: str) -> httpx.Response:
        """One `tools/call`."""
        self._ids += 1
        params = {"name": tool, "arguments": {"text": text}}
        body = {"jsonrpc": "2.0", "id": self._ids, "method": "tools/call", "params": params}
        return await self.post(body, who, **headers)

    @property
    def executed(self) -> int:
        """Calls that reached the server."""
        return sum(call.get("method") == "tools/call" for call in self.origin.calls)

    @property
    def spent(self) -> float:
        """Tokens that Kong counted in the minute that is on."""
        began = starts(int(self.clock()))["minute"]
        return self.gateway.counters.get(("response-ratelimit", "mcp", "127.0.0.1", str(began), TOKENS, "minute"))


def refusal_in(response: httpx.Response) -> dict[str, Any] | None:
    """The refusal that a client reads from this answer; None when it reads a result, a tool's own error among them.

    A call that met a limit is refused by a tool error that names it.
    """
    if response.status_code >= 400:
        return {"status": response.status_code}
    (message,) = messages_in(response)
    limit = message.get("result", {}).get("_meta", {}).get(LIMIT_META)
    if limit is not None:
        assert message["result"]["isError"]
        return {"data": limit, "text": message["result"]["content"][0]["text"]}
    refusal = message.get("error")
    return refusal if isinstance(refusal, dict) else None


def messages_in(response: httpx.Response) -> list[dict[str, Any]]:
    """Every JSON-RPC message of a body or a stream."""
    if not response.headers["content-type"].startswith("text/event-stream"):
        return [response.json()]
    return [json.loads(line[6:]) for line in response.text.splitlines() if line.startswith("data: {")]


@contextlib.asynccontextmanager
async def limited_road(origin: Origin, state: Path, **limits: Any) -> AsyncIterator[Road]:
    """The road with these `limits` of a stack file."""
    manifest: Server = server(limits=limits)
    with TokenIssuer() as issuer:
        access = {
            "issuer": issuer.url,
            "jwks_uri": issuer.jwks_uri,
            "front_doors": [{"hostname": HOST, "audience": AUDIENCE}],
        }
        async with guarded(origin, state, identity={"access": access}, limits=manifest.limits.dump()) as guard:
            plugins = tuple(Plugin(one.name, one.config, "mcp") for one in limit_plugins(stack(manifest=manifest)))
            target = f"127.0.0.1:{guard.config.listen.port}"
            configuration = Configuration((Service("mcp", (target,)),), (Route("mcp", paths=("~/mcp$",)),), plugins)
            clock = GatewayClock()
            with KongGateway(configuration, clock) as gateway:
                async with httpx.AsyncClient(
                    base_url=gateway.url, timeout=60, trust_env=False, verify=NO_AUTHORITIES
                ) as client:
                    yield Road(gateway, guard, origin, issuer, clock, client)
