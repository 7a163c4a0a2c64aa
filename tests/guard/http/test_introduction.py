"""The server learns who calls: by a token of the guard's own in each request, and by nothing that a client says."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jwt
import pytest
import uvicorn
from starlette.applications import Starlette
from starlette.routing import Route

from guard.bundle.bundle import Opened
from guard.identity import signing_keys
from guard.identity.introduction import CallerIntroduction
from guard.identity.signing_keys import FILE, IdentityKeys, rotate
from guard.listening import _Server
from guard.probe.probe import probe
from model.errors import InputError
from model.server import Origin as OriginSettings
from operations.onboard.lock import build_lock
from tests.guard.test_verified_road import AUDIENCE, HOST, agent, identity, person
from tests.support.guard_service import MODERN, Guarded, Origin, config_for, guarded, sse
from tests.support.ports import free_port
from tests.support.token_issuer import TokenIssuer
from tests.support.waiting import eventually, eventually_sync

SERVER = Path(__file__).parents[2] / "servers" / "introduced_server.py"
HEADER, META = "ringwall-identity", "io.ringwall/identity"
GRANTS = [{"to": {"all": True}, "tools": ["whoami"]}]


def introduction_of(guard: Guarded) -> CallerIntroduction:
    introduction = guard.service.runtime.policy.introduction
    assert introduction is not None
    return introduction


def claims_of(guard: Guarded, token: str) -> dict[str, Any]:
    """The claims, verified by the guard's published keys."""
    keys = {key["kid"]: jwt.PyJWK(key) for key in introduction_of(guard).tokens.jwks()["keys"]}
    header = jwt.get_unverified_header(token)
    assert (header["alg"], header["typ"]) == ("ES256", "ringwall-identity+jwt")
    return jwt.decode(token, keys[header["kid"]], algorithms=["ES256"], audience="dev.raw", issuer="ringwall/dev.raw")


def latest(origin: Origin) -> dict[str, str]:
    """The headers of the caller's latest request; the guard reads the server's lists whenever it wants."""
    for _, headers, _ in reversed(origin.seen):
        if jwt.decode(headers[HEADER], options={"verify_signature": False})["sub"] != "guard":
            return headers
    raise AssertionError("no caller's request came")


def lock_of_server(tmp_path: Path) -> dict[str, Any]:
    """What the real server offers; its lists need no token over stdio."""
    command = (sys.executable, str(SERVER), "stdio", str(tmp_path / "jwks.json"))
    return build_lock(probe(OriginSettings(command=command), timeout=60)).dump()


def listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=5):
        return True
    return False


@contextlib.contextmanager
def http_server(port: int, jwks: str) -> Iterator[str]:
    process = subprocess.Popen([sys.executable, str(SERVER), "http", str(port), jwks])
    try:
        eventually_sync(lambda: listens(port), "the server listens", within=60)
        yield f"http://127.0.0.1:{port}/mcp"
    finally:
        process.kill()
        process.wait(90)


async def test_a_server_of_the_sdk_verifies_the_token_with_the_keys_of_the_admin_port(
    tmp_path: Path, issuer: TokenIssuer
) -> None:
    lock = await asyncio.to_thread(lock_of_server, tmp_path)
    port, admin = free_port(), free_port()
    async with contextlib.AsyncExitStack() as stack:
        server = contextlib.ExitStack()
        stack.callback(server.close)
        jwks = f"http://127.0.0.1:{admin}/.well-known/jwks.json"
        url = await asyncio.to_thread(server.enter_context, http_server(port, jwks))
        changes: dict[str, Any] = {"tool_lock": lock, "grants": GRANTS, "admin_port": admin}
        origin = {"url": url, "identity": "header"}
        guard = await stack.enter_async_context(
            guarded(Origin(), tmp_path, origin=origin, identity=identity(issuer), **changes)
        )

        async def ready() -> bool:
            return (await guard.client.get(f"http://127.0.0.1:{admin}/readyz")).status_code == 200

        # The guard's own look at the lists needs a token too, and its keys are there only once it listens.
        await eventually(ready, "the guard is ready before anybody calls")
        guard.client.headers.update(person(issuer))
        await guard.initialize()
        await guard.post({"jsonrpc": "2.0", "method": "notifications/initialized"})
        answer = await guard.request("tools/call", {"name": "whoami", "arguments": {}})
        claims = answer["result"]["structuredContent"]
        assert claims["sub"] == "person:ada"
        assert (claims["email"], claims["method"], claims["tool"]) == ("ada@example.com", "tools/call", "whoami")
        assert 0 < claims["exp"] - claims["iat"] <= 60
        record = next(record for record in guard.records() if record.get("identity", {}).get("jti") == claims["jti"])
        assert (record["incident"], record["principal"]) == (claims["incident"], "person:ada")
        modern = await guard.modern("tools/call", {"name": "whoami", "arguments": {}})
        assert modern.json()["result"]["structuredContent"]["sub"] == "person:ada"
        # Another guard's key is worth nothing there, and neither is none.
        foreign = IdentityKeys(tmp_path / "foreign.keys").signing()
        forged = jwt.encode(
            claims, foreign.private, algorithm="ES256", headers={"kid": introduction_of(guard).tokens.key_id}
        )
        for headers in ({}, {HEADER: forged}):
            direct = await guard.client.post(url, json={}, headers={**headers, "accept": "application/json"})
            assert direct.status_code == 401


async def test_a_command_of_the_sdk_verifies_the_token_in_meta_with_keys_it_pins(tmp_path: Path) -> None:
    pinned = tmp_path / "jwks.json"
    lock = await asyncio.to_thread(lock_of_server, tmp_path)
    (tmp_path / "state").mkdir(mode=0o700)
    keys = IdentityKeys(tmp_path / "state" / FILE)
    pinned.write_text(json.dumps(keys.jwks()))
    command = [sys.executable, str(SERVER), "stdio", str(pinned)]
    origin = {"command": command, "identity": "meta", "identity_keys": keys.jwks()["keys"]}
    async with guarded(Origin(), tmp_path, origin=origin, tool_lock=lock, grants=GRANTS) as guard:
        await guard.initialize()
        await guard.post({"jsonrpc": "2.0", "method": "notifications/initialized"})
        answer = await guard.request("tools/call", {"name": "whoami", "arguments": {}, "_meta": {META: "forged"}})
        assert answer["result"]["structuredContent"]["sub"] == "person:ada"
        modern = await guard.modern("tools/call", {"name": "whoami", "arguments": {}})
        assert modern.json()["result"]["structuredContent"]["tool"] == "whoami"


async def test_each_request_of_a_caller_has_a_token_of_its_own_and_so_have_the_guards(
    tmp_path: Path, issuer: TokenIssuer
) -> None:
    origin = Origin(get=lambda _: _stream())
    async with guarded(origin, tmp_path, identity=identity(issuer), beside_url={"identity": "header"}) as guard:
        who = person(issuer)
        await guard.post(_initialize(), who)
        session = {"mcp-session-id": "s-1"}
        await guard.post(_call("search"), {**who, **session, HEADER: "forged", "Ringwall_Identity": "forged"})
        await guard.post({"jsonrpc": "2.0", "method": "notifications/initialized"}, {**who, **session})
        await guard.client.get("/mcp", headers={**who, **session, "accept": "text/event-stream"})
        await guard.client.delete("/mcp", headers={**who, **session})
        sent = [(verb, claims_of(guard, headers[HEADER])) for verb, headers, _ in origin.seen]
        assert len({claims["jti"] for _, claims in sent}) == len(sent)
        told = {(claims["method"], claims["sub"], claims.get("tool")) for _, claims in sent if claims["sub"] != "guard"}
        assert told == {
            ("initialize", "person:ada", None),
            ("tools/call", "person:ada", "search"),
            ("notifications/initialized", "person:ada", None),
            ("http GET", "person:ada", None),
            ("http DELETE", "person:ada", None),
        }
        assert {(claims["kind"], "email" in claims) for _, claims in sent if claims["sub"] == "guard"} == {
            ("guard", False)
        }
        audited = {record["identity"]["jti"] for record in guard.records() if "identity" in record}
        assert audited == {claims["jti"] for _, claims in sent if claims["sub"] != "guard"}
        log = guard.audit.read_text()
        assert not any(headers[HEADER] in log for _, headers, _ in origin.seen)
        assert all("cf-access-jwt-assertion" not in headers for _, headers, _ in origin.seen)


async def test_a_server_on_a_unix_socket_is_told_and_sent_its_key_as_any_other(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DESK_KEY", "planted-desk-key")
    origin, path = Origin(), str(tmp_path / "mcp.sock")
    app = Starlette(routes=[Route("/mcp", origin.handle, methods=["GET", "POST", "DELETE"])])
    server = _Server(uvicorn.Config(app, uds=path, log_config=None, lifespan="off"))
    running = asyncio.get_running_loop().create_task(server.serve())
    await eventually(lambda: server.started, "the server listens")
    settings = {"socket": path, "identity": "header", "headers": {"X-Desk-Key": {"env": "DESK_KEY"}}}
    async with guarded(Origin(), tmp_path, origin=settings) as guard:
        await guard.post(_call("search"))
        sent = latest(origin)
        assert (claims_of(guard, sent[HEADER])["tool"], sent["x-desk-key"]) == ("search", "planted-desk-key")
    server.should_exit = True
    await running


async def test_an_agent_is_named_and_only_groups_that_a_grant_used_are_told(
    tmp_path: Path, issuer: TokenIssuer
) -> None:
    grants = [
        {"to": {"idp_groups": [{"provider": "okta", "group": "support"}]}, "tools": ["search"]},
        {"to": {"idp_groups": [{"provider": "okta", "group": "admins"}]}, "tools": ["delete"]},
        {"to": {"agents": ["ci"]}, "tools": ["search"]},
    ]
    origin = Origin()
    changes: dict[str, Any] = {"identity": identity(issuer), "grants": grants, "beside_url": {"identity": "header"}}
    async with guarded(origin, tmp_path, **changes) as guard:
        ada = person(issuer, custom={"groups": ["support", "admins", "chess"]})
        for headers, name, expected in (
            (ada, "search", {"kind": "person", "groups": ["support"]}),
            (ada, "delete", {"kind": "person", "groups": ["admins"]}),
            (agent(issuer), "search", {"kind": "agent", "agent": "ci", "sub": "agent:ci.access"}),
        ):
            await guard.post(_call(name), headers)
            claims = claims_of(guard, latest(origin)[HEADER])
            assert claims.items() >= expected.items()
            assert ("groups" in claims) is ("groups" in expected)
            assert ("email" in claims) is (claims["kind"] == "person")


async def test_a_prompt_and_a_resource_are_named_as_such(tmp_path: Path) -> None:
    prompt, resource = {"name": "brief"}, {"uri": "file:///docs/a", "name": "a"}
    origin = Origin(prompts=[prompt], resources=[resource])
    origin.replies |= {"prompts/get": lambda _: {"messages": []}, "resources/read": lambda _: {"contents": []}}
    async with guarded(origin, tmp_path, beside_url={"identity": "meta"}) as guard:
        await guard.initialize()
        for method, params, claim in (
            ("prompts/get", prompt, {"prompt": "brief"}),
            ("resources/read", {"uri": "file:///docs/a"}, {"resource": "file:///docs/a"}),
            ("ping", {}, {}),
        ):
            await guard.request(method, params)
            (body,) = (json.loads(body) for _, _, body in origin.seen if f'"{method}"'.encode() in body)
            claims = claims_of(guard, body["params"]["_meta"][META])
            named = {name: value for name, value in claims.items() if name in ("tool", "prompt", "resource")}
            assert (claims["method"], named) == (method, claim)


@pytest.mark.parametrize("place", ["none", "header", "meta"])
async def test_what_a_client_says_in_the_guards_places_never_arrives(tmp_path: Path, place: str) -> None:
    origin = Origin()
    origin.replies["tools/call"] = lambda m: sse(
        {"jsonrpc": "2.0", "id": "q", "method": "ping"},
        {"jsonrpc": "2.0", "id": m["id"], "result": {"content": []}},
    )
    async with guarded(origin, tmp_path, beside_url={"identity": place}) as guard:
        await guard.initialize()
        forged = {META: "forged-token", "IO.Ringwall/other": "forged-token", "com.example/kept": 1}
        headers = {HEADER: "forged-token", "Ringwall-Identity": "forged-token"}
        await guard.request("tools/call", {"name": "search", "arguments": {}, "_meta": forged}, **headers)
        await guard.modern(
            "tools/call",
            {
                "name": "search",
                "arguments": {},
                "_meta": {
                    "io.modelcontextprotocol/protocolVersion": MODERN,
                    "io.modelcontextprotocol/clientCapabilities": {},
                    **forged,
                },
            },
        )
        await guard.post(
            {"jsonrpc": "2.0", "method": "notifications/initialized", "params": {"_meta": forged}}, headers
        )
        await guard.post({"jsonrpc": "2.0", "id": "q", "result": {"_meta": forged}}, headers)
        calls = [body for _, _, body in origin.seen if b"forged-token" in body]
        assert calls == []
        assert not any("forged-token" in str(headers) for _, headers, _ in origin.seen)
        assert sum(b"com.example/kept" in body for _, _, body in origin.seen) == 4
        metas = [json.loads(body)["params"]["_meta"] for _, _, body in origin.seen if b'"tools/call"' in body]
        assert all((META in meta) is (place == "meta") for meta in metas)
        assert all((HEADER in headers) is (place == "header") for _, headers, _ in origin.seen)


async def test_a_token_ends_with_the_callers_own_and_within_a_minute(tmp_path: Path, issuer: TokenIssuer) -> None:
    origin = Origin()
    async with guarded(origin, tmp_path, identity=identity(issuer), beside_url={"identity": "header"}) as guard:
        soon = int(time.time()) + 20
        await guard.post(_call("search"), person(issuer, exp=soon))
        assert claims_of(guard, latest(origin)[HEADER])["exp"] == soon
        await guard.post(_call("search"), person(issuer))
        claims = claims_of(guard, latest(origin)[HEADER])
        assert claims["exp"] - claims["iat"] == 60


async def test_the_guards_own_token_opens_no_front_door(tmp_path: Path, issuer: TokenIssuer) -> None:
    origin = Origin()
    async with guarded(origin, tmp_path, identity=identity(issuer), beside_url={"identity": "header"}) as guard:
        await guard.post(_call("search"), person(issuer))
        token = latest(origin)[HEADER]
        refused = await guard.post(_call("search"), {"host": HOST, "cf-access-jwt-assertion": token})
        assert (refused.status_code, AUDIENCE in token) == (401, False)


async def test_keys_change_under_a_running_guard_and_are_known_before_and_after(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(signing_keys, "LOOK_SECONDS", 0.0)
    origin = Origin()
    async with guarded(origin, tmp_path, beside_url={"identity": "header"}, admin_port=free_port()) as guard:
        admin = f"http://127.0.0.1:{guard.config.admin_port}"
        before = (await guard.client.get(f"{admin}/.well-known/jwks.json")).json()["keys"]
        ready = (await guard.client.get(f"{admin}/readyz")).json()
        assert ready["origin_identity"] == {"place": "header", "key_id": before[0]["kid"]}
        await guard.post(_call("search"))
        assert jwt.get_unverified_header(latest(origin)[HEADER])["kid"] == before[0]["kid"]
        rotate(tmp_path / "state" / FILE)
        after = (await guard.client.get(f"{admin}/.well-known/jwks.json")).json()["keys"]
        assert [key["kid"] for key in after][::2] == [before[1]["kid"], before[0]["kid"]]
        assert all(not {"d", "p", "q"} & key.keys() for key in after)
        await guard.post(_call("search"))
        assert jwt.get_unverified_header(latest(origin)[HEADER])["kid"] == before[1]["kid"]


async def test_a_configuration_that_pins_other_keys_is_refused_and_nothing_changes(tmp_path: Path) -> None:
    origin = Origin()
    async with guarded(origin, tmp_path) as guard:
        foreign = IdentityKeys(tmp_path / "foreign.keys").jwks()["keys"]
        pinning = config_for(origin, tmp_path, beside_url={"identity": "header", "identity_keys": foreign})
        opened = Opened(
            pinning.model_copy(update={"listen": guard.config.listen}), "sha256:" + "2" * 64, 2, frozenset()
        )
        with pytest.raises(InputError, match="has none of the identity keys"):
            await guard.service.apply(opened)
        assert guard.service.runtime.policy.introduction is None
        own = IdentityKeys(tmp_path / "state" / FILE).jwks()["keys"]
        fitting = config_for(origin, tmp_path, beside_url={"identity": "header", "identity_keys": own[1:2]})
        await guard.service.apply(
            Opened(fitting.model_copy(update={"listen": guard.config.listen}), "sha256:" + "3" * 64, 3, frozenset())
        )
        await guard.post(_call("search"))
        # The first of the host's keys that the stack file pins.
        assert jwt.get_unverified_header(latest(origin)[HEADER])["kid"] == own[1]["kid"]


async def test_without_identity_no_keys_are_made_and_none_are_published(tmp_path: Path) -> None:
    async with guarded(Origin(), tmp_path, admin_port=free_port()) as guard:
        answer = await guard.client.get(f"http://127.0.0.1:{guard.config.admin_port}/.well-known/jwks.json")
        assert answer.status_code == 404
        assert not (tmp_path / "state" / FILE).exists()


def _call(name: str) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "arguments": {}}}


def _initialize() -> dict[str, Any]:
    params = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "t", "version": "1"}}
    return {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}


async def _stream() -> Any:
    return sse({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"})
