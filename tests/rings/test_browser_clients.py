"""A page that a stack file's `cors.origins` names can speak MCP through Kong: it may send the headers and read them."""

from __future__ import annotations

from pathlib import Path

import httpx
import pytest

from components.gateway.plugins import cors_plugin
from tests.support.guard_service import Origin, guarded
from tests.support.kong_gateway.configuration import Configuration, Plugin, Route, Service
from tests.support.kong_gateway.server import KongGateway
from tests.support.kong_manifests import server, stack
from tests.support.loopback_http import NO_AUTHORITIES

PAGE = "https://inspector.example"
#: What the SDKs send, in either era.
SENT = (
    "accept",
    "authorization",
    "content-type",
    "last-event-id",
    "mcp-method",
    "mcp-name",
    "mcp-protocol-version",
    "mcp-session-id",
)


def names(header: str) -> set[str]:
    return {name.strip().lower() for name in header.split(",")}


async def test_a_page_may_send_what_an_sdk_sends_and_reads_session_and_challenge(tmp_path: Path) -> None:
    spec = cors_plugin(stack(manifest=server(cors={"origins": [PAGE]})))
    async with guarded(Origin(), tmp_path, browser_origins=[PAGE]) as guard:
        target = Service("mcp", (f"127.0.0.1:{guard.config.listen.port}",))
        routes = (Route("mcp", paths=("~/mcp$",)),)
        with KongGateway(Configuration((target,), routes, (Plugin(spec.name, spec.config, "mcp"),))) as gateway:
            async with httpx.AsyncClient(
                base_url=gateway.url, timeout=60, trust_env=False, verify=NO_AUTHORITIES
            ) as client:
                asked = {"origin": PAGE, "access-control-request-method": "POST"}
                asked["access-control-request-headers"] = ",".join(SENT)
                preflight = await client.options("/mcp", headers=asked)
                # Kong's cors answers 200 where others answer 204; browsers take any 2xx (Fetch standard, CORS-preflight).
                assert preflight.status_code == 200
                assert preflight.headers["access-control-allow-origin"] == PAGE
                assert names(preflight.headers["access-control-allow-headers"]) >= set(SENT)
                assert names(preflight.headers["access-control-allow-methods"]) >= {"get", "post", "delete"}
                assert guard.origin.calls == []
                begin = {
                    "protocolVersion": "2025-11-25",
                    "capabilities": {},
                    "clientInfo": {"name": "x", "version": "1"},
                }
                body = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": begin}
                headers = {"origin": PAGE, "accept": "application/json, text/event-stream"}
                answer = await client.post("/mcp", json=body, headers=headers)
                assert answer.headers["mcp-session-id"] == "s-1"
                exposed = names(answer.headers["access-control-expose-headers"])
                assert exposed >= {"mcp-session-id", "www-authenticate"}


@pytest.mark.parametrize("origin", ["https://inspector.example.evil", "http://inspector.example"])
async def test_a_page_of_another_origin_is_not_named(tmp_path: Path, origin: str) -> None:
    spec = cors_plugin(stack(manifest=server(cors={"origins": [PAGE]})))
    configuration = Configuration(
        (Service("mcp", ("127.0.0.1:9",)),), (Route("mcp"),), (Plugin(spec.name, spec.config, "mcp"),)
    )
    with KongGateway(configuration) as gateway:
        async with httpx.AsyncClient(
            base_url=gateway.url, timeout=60, trust_env=False, verify=NO_AUTHORITIES
        ) as client:
            asked = {"origin": origin, "access-control-request-method": "POST"}
            answer = await client.options("/mcp", headers=asked)
            assert answer.headers.get("access-control-allow-origin") != origin
