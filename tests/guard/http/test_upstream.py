"""Requests to the server over real HTTP: a server that is away, that is silent, and headers in both directions."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from starlette.responses import Response, StreamingResponse

from guard.http.upstream import HttpUpstream, UpstreamDown
from model.errors import InputError
from model.server import Origin as OriginSettings
from tests.guard.test_verified_road import HOST, identity, person
from tests.support.guard_messages import call, result
from tests.support.guard_service import Origin, guarded, serving, sse
from tests.support.issued_tokens import EXTERNAL_PERSON
from tests.support.message_memory import unbounded
from tests.support.ports import free_port
from tests.support.token_issuer import TokenIssuer


async def test_a_server_that_is_away_is_said_to_be_and_comes_back(tmp_path: Path) -> None:
    origin = Origin()
    async with guarded(origin, tmp_path, origin={"url": "http://127.0.0.1:9/mcp"}) as guard:
        response = await guard.post({"jsonrpc": "2.0", "id": 1, "method": "ping"})
        # Not 502, which Kong's breaker would take for the guard's own failure.
        assert response.status_code == 200
        assert response.json()["error"]["code"] == -31004
        assert "Nothing was executed" in response.json()["error"]["message"]
    port = free_port()
    late = Origin(port=port)
    async with guarded(Origin(), tmp_path, origin={"url": f"http://127.0.0.1:{port}/mcp"}) as guard:
        asking = asyncio.ensure_future(guard.request("ping"))
        await asyncio.sleep(0)
        async with serving(late):
            assert (await asking)["result"] == {}


@pytest.mark.parametrize(
    ("verb", "headers", "cut"),
    [
        ("GET", {}, False),
        ("POST", {"mcp-method": "subscriptions/listen"}, False),
        ("POST", {"mcp-method": "tools/call"}, True),
    ],
)
async def test_only_a_call_has_a_longest_silence(verb: str, headers: dict[str, str], cut: bool) -> None:
    async def reply(_: Any) -> Response:
        async def body() -> AsyncIterator[bytes]:
            yield b":\n\n"
            await asyncio.sleep(2)
            yield b"data: late\n\n"

        return StreamingResponse(body(), media_type="text/event-stream")

    origin = Origin(get=reply, replies={"ping": reply})
    async with serving(origin):
        upstream = HttpUpstream(OriginSettings(url=f"http://127.0.0.1:{origin.port}/mcp"), silence=1.5)
        try:
            body = None if verb == "GET" else json.dumps({"jsonrpc": "2.0", "id": 1, "method": "ping"}).encode()
            answer = await upstream.send(verb, headers, body, owner="a")
            if cut:
                with pytest.raises(UpstreamDown):
                    await answer.read(1 << 20, unbounded())
            else:
                assert b"late" in await answer.read(1 << 20, unbounded())
            answer.close()
        finally:
            await upstream.close()


async def test_a_header_of_the_server_that_is_not_ascii_is_left_out(tmp_path: Path) -> None:
    origin = Origin()

    def reply(message: dict[str, Any]) -> Response:
        body = json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result("x")})
        return Response(body, media_type="application/json", headers={"retry-after": "\xff1"})

    origin.replies["tools/call"] = reply
    async with guarded(origin, tmp_path) as guard:
        await guard.initialize()
        response = await guard.post(call(1))
        assert response.json()["result"] == result("x")
        assert "retry-after" not in response.headers


async def test_the_refusal_of_a_servers_question_carries_what_the_server_knows_its_client_by(
    tmp_path: Path, issuer: TokenIssuer
) -> None:
    audience = f"https://{HOST}/mcp"
    external = {"issuer": issuer.url, "jwks_uri": issuer.jwks_uri, "audience": audience, "scopes": ["mcp:use"]}
    claims: dict[str, Any] = {"sub": "ada", "email": "ada@example.com", "scope": "mcp:use"}
    token = f"Bearer {issuer.sign(EXTERNAL_PERSON.claims(issuer.url, audience, **claims), typ='at+jwt')}"
    refused = asyncio.Event()
    origin = Origin()
    origin.replies["tools/call"] = lambda m: sse(
        {"jsonrpc": "2.0", "id": "q", "method": "tasks/list"},
        {"jsonrpc": "2.0", "id": m["id"], "result": result("done")},
    )
    handle = origin.handle

    async def listening(request: Any) -> Response:
        response = await handle(request)
        if b'"error"' in origin.seen[-1][2]:
            refused.set()
        return response

    origin.handle = listening  # type: ignore[method-assign]
    async with guarded(origin, tmp_path, identity={**identity(issuer), "external": external}) as guard:
        await guard.post(call(9), {**person(issuer), "authorization": token})
        await asyncio.wait_for(refused.wait(), 30)
        assert origin.seen[-1][1]["authorization"] == token


def _challenging(message: dict[str, Any]) -> Response:
    headers = {"www-authenticate": 'Bearer resource_metadata="https://evil.example/.well-known/x", scope="all"'}
    return Response("", 401, headers)


async def test_no_client_is_sent_to_sign_in_where_the_server_says(tmp_path: Path, issuer: TokenIssuer) -> None:
    """In mode access a 401 of the server is about the guard's credentials, so the client must not sign in anew over it."""
    origin = Origin(get=lambda request: _later(_challenging({})))
    origin.replies |= {"tools/call": _challenging, "initialize": _challenging}
    async with guarded(origin, tmp_path, identity=identity(issuer)) as guard:
        who = person(issuer)
        for body in (call(1), {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {"protocolVersion": "2025-11-25",
                     "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}}):  # fmt: skip
            response = await guard.post(body, who)
            assert (response.status_code, response.json()["error"]["code"]) == (200, -31004)
            assert "www-authenticate" not in response.headers
        assert guard.reasons()[-1] == ("initialize", "error", "origin_401")
        stream = await guard.client.get("/mcp", headers={**who, "accept": "text/event-stream"})
        assert (stream.status_code, "www-authenticate" in stream.headers) == (424, False)


async def test_in_mode_external_a_401_of_the_server_becomes_the_configured_issuers_challenge(
    tmp_path: Path, issuer: TokenIssuer
) -> None:
    audience = f"https://{HOST}/mcp"
    external = {"issuer": issuer.url, "jwks_uri": issuer.jwks_uri, "audience": audience}
    claims: dict[str, Any] = {"sub": "ada", "email": "ada@example.com"}
    token = f"Bearer {issuer.sign(EXTERNAL_PERSON.claims(issuer.url, audience, **claims), typ='at+jwt')}"
    origin = Origin()
    origin.replies["tools/call"] = _challenging
    async with guarded(origin, tmp_path, identity={**identity(issuer), "external": external}) as guard:
        response = await guard.post(call(1), {**person(issuer), "authorization": token})
        assert response.status_code == 401
        metadata = f"https://{HOST}/.well-known/oauth-protected-resource/mcp"
        expected = f'Bearer error="invalid_token", resource_metadata="{metadata}"'
        assert response.headers.get_list("www-authenticate") == [expected]


async def _later(response: Response) -> Response:
    return response


async def test_the_servers_own_key_goes_with_every_request_and_no_client_can_send_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DESK_KEY", "planted-desk-key")
    bearer = tmp_path / "bearer"
    bearer.write_text("planted-bearer\n")
    bearer.chmod(0o600)
    headers = {"X-Desk-Key": {"env": "DESK_KEY"}, "Authorization": {"file": str(bearer), "scheme": "Bearer"}}
    origin = Origin()
    async with guarded(origin, tmp_path, beside_url={"headers": headers}) as guard:
        await guard.initialize()
        await guard.post(call(1), {"x-desk-key": "mine", "authorization": "Bearer mine"})
        await guard.client.get("/mcp", headers={"x-desk-key": "mine", "mcp-session-id": "s-1", "accept": "*/*"})
        assert {verb for verb, _, _ in origin.seen} >= {"POST", "GET"}
        for _, sent, _ in origin.seen:
            assert (sent["x-desk-key"], sent["authorization"]) == ("planted-desk-key", "Bearer planted-bearer")
        assert "planted" not in guard.audit.read_text()


async def test_a_header_whose_secret_is_not_there_keeps_the_guard_from_starting(tmp_path: Path) -> None:
    headers = {"X-Desk-Key": {"env": "NO_SUCH_VARIABLE"}}
    with pytest.raises(InputError, match="NO_SUCH_VARIABLE is not set"):
        async with guarded(Origin(), tmp_path, beside_url={"headers": headers}):
            pass
