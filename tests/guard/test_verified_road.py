"""The guard with a real identity: signed tokens of people and agents, over real HTTP, each bound to what is theirs."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.guard_service import Origin, guarded, sse, tool
from tests.support.introspecting_issuer import CLIENT, SECRET, IntrospectingIssuer
from tests.support.issued_tokens import EXTERNAL_PERSON, PERSON, SERVICE_TOKEN
from tests.support.token_issuer import TokenIssuer
from tests.support.waiting import LIFETIMES

HOST = "raw.example.com"
AUDIENCE = "a" * 64


@pytest.fixture
def issuer() -> Iterator[TokenIssuer]:
    with TokenIssuer() as one:
        yield one


def identity(issuer: TokenIssuer) -> dict[str, Any]:
    access = {
        "issuer": issuer.url,
        "jwks_uri": issuer.jwks_uri,
        "front_doors": [{"hostname": HOST, "audience": AUDIENCE}],
    }
    return {"access": access, "agents": {"ci.access": "ci"}}


def person(issuer: TokenIssuer, name: str = "ada", **changes: Any) -> dict[str, str]:
    changes = {"sub": name, "email": f"{name}@example.com"} | changes
    return {"host": HOST, "cf-access-jwt-assertion": issuer.sign(PERSON.claims(issuer.url, AUDIENCE, **changes))}


def agent(issuer: TokenIssuer) -> dict[str, str]:
    claims = SERVICE_TOKEN.claims(issuer.url, AUDIENCE, common_name="ci.access")
    return {"host": HOST, "cf-access-jwt-assertion": issuer.sign(claims)}


def call(name: str = "search", **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": "tools/call", "params": {"name": name, "arguments": {}, **params}}


async def test_only_a_token_for_this_very_front_door_gets_through(tmp_path: Path, issuer: TokenIssuer) -> None:
    async with guarded(Origin(), tmp_path, identity=identity(issuer)) as guard:
        good = person(issuer)
        refused: list[dict[str, str]] = [
            {"host": HOST},
            {
                "host": HOST,
                "x-ringwall-principal": "person:ada",
                "cf-access-authenticated-user-email": "ada@example.com",
            },
            {"host": HOST, "cookie": f"CF_Authorization={good['cf-access-jwt-assertion']}"},
            person(issuer, aud=["b" * 64]),
            person(issuer, exp=int(time.time()) - 3600, iat=int(time.time()) - 7200),
            person(issuer, iss="https://evil.example"),
            person(issuer, common_name="ci.access"),
            {**good, "cf-access-jwt-assertion": good["cf-access-jwt-assertion"][:-6] + "AAAAAA"},
        ]
        for headers in refused:
            assert (await guard.post(call(), headers)).status_code == 401
        assert (await guard.post(call(), {**good, "host": "127.0.0.1"})).status_code == 421
        assert guard.origin.calls == []
        assert (await guard.post(call(), good)).status_code == 200
        assert guard.records()[-1]["principal"] == "person:ada"
        assert guard.origin.seen[-1][1].keys() & {"cf-access-jwt-assertion", "cookie", "authorization"} == set()


async def test_people_and_agents_have_their_own_grants(tmp_path: Path, issuer: TokenIssuer) -> None:
    grants = [
        {"to": {"emails": ["ada@example.com"]}, "tools": ["search", "delete"]},
        {"to": {"agents": ["ci"]}, "tools": ["search"]},
    ]
    async with guarded(Origin(), tmp_path, identity=identity(issuer), grants=grants) as guard:
        who = {"ada": person(issuer), "bob": person(issuer, "bob"), "ci": agent(issuer)}
        may = {
            (name, one): "result" in (await guard.post(call(one), headers)).json()
            for name, headers in who.items()
            for one in ("search", "delete")
        }
        assert [pair for pair, allowed in may.items() if allowed] == [
            ("ada", "search"),
            ("ada", "delete"),
            ("ci", "search"),
        ]


async def test_a_session_and_its_state_belong_to_one_principal(tmp_path: Path, issuer: TokenIssuer) -> None:
    origin = Origin()
    needed = {"resultType": "input_required", "inputRequests": {}, "requestState": "opaque"}
    origin.replies["tools/call"] = lambda _: needed
    async with guarded(origin, tmp_path, identity=identity(issuer)) as guard:
        ada, bob = person(issuer), person(issuer, "bob")
        init = {
            "protocolVersion": "2025-11-25",
            "capabilities": {},
            "clientInfo": {"name": "t", "version": "1"},
        }
        body = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": init}
        session = {"mcp-session-id": (await guard.post(body, ada)).headers["mcp-session-id"]}
        assert (await guard.post(call(), {**bob, **session})).status_code == 404
        assert (await guard.client.get("/mcp", headers={**bob, **session})).status_code == 404
        assert (await guard.client.delete("/mcp", headers={**bob, **session})).status_code == 404
        assert (await guard.post(call(), {**ada, **session})).status_code == 200
        again = {"name": "search", "arguments": {}, "requestState": "opaque"}
        assert (
            (await guard.modern("tools/call", again, **bob))
            .json()["error"]["message"]
            .startswith("Unknown requestState. Incident ")
        )
        assert "result" in (await guard.modern("tools/call", again, **ada)).json()


async def test_a_stream_ends_with_the_token_that_opened_it(tmp_path: Path, issuer: TokenIssuer) -> None:
    origin = Origin()
    over = asyncio.Event()

    async def get(_: Any) -> Any:
        async def forever() -> None:
            await over.wait()

        return sse(": hello\n\n", then=forever)

    origin.get = get
    async with guarded(origin, tmp_path, identity=identity(issuer)) as guard:
        for lifetime in LIFETIMES:
            headers = person(issuer, exp=int(time.time()) + lifetime)
            async with guard.client.stream("GET", "/mcp", headers=headers) as stream:
                lines = [line async for line in stream.aiter_lines()]
            if stream.status_code == 200 and lines:
                break
        assert lines == [":", ""]
        over.set()


async def test_an_opaque_token_is_asked_about_and_opens_the_server_in_both_eras(
    tmp_path: Path, issuer: TokenIssuer
) -> None:
    secret = tmp_path / "secret"
    secret.touch(0o600)
    secret.write_text(SECRET, encoding="utf-8")
    with IntrospectingIssuer() as asked:
        introspection = {"endpoint": asked.endpoint, "client_id": CLIENT, "client_secret": {"file": str(secret)}}
        external = {"issuer": asked.url, "introspection": introspection, "audience": f"https://{HOST}/mcp"}
        both = {**identity(issuer), "external": external}
        claims = {"sub": "u1", "aud": external["audience"], "exp": int(time.time()) + 300}
        asked.give("of-ada", email="ada@example.com", **claims)
        asked.give("of-bob", email="bob@example.com", **claims)
        async with guarded(Origin(tools=[tool("search")]), tmp_path, identity=both, denied=frozenset()) as guard:
            ada = person(issuer)
            own = {**ada, "authorization": "Bearer of-ada"}
            assert "result" in (await guard.post(call(), own)).json()
            assert "result" in (await guard.modern("tools/call", {"name": "search", "arguments": {}}, **own)).json()
            assert guard.records()[-1]["principal"] == "person:u1"
            for token in ("of-bob", "of-nobody"):
                refused = await guard.post(call(), {**ada, "authorization": f"Bearer {token}"})
                assert refused.status_code == 401
            assert "resource_metadata" in refused.headers["www-authenticate"]
            asked.fault = 500
            assert (await guard.post(call(), {**ada, "authorization": "Bearer of-ada-anew"})).status_code == 503
            asked.fault = None
            assert len(guard.origin.calls) == 2
        async with guarded(Origin(), tmp_path / "2", identity=both, denied=frozenset({"person:u1"})) as guard:
            assert (await guard.post(call(), own)).status_code == 403


async def test_the_issuers_new_key_is_taken_up_and_its_absence_is_no_pass(tmp_path: Path, issuer: TokenIssuer) -> None:
    issuer.fault = 500
    async with guarded(Origin(), tmp_path, identity=identity(issuer)) as guard:
        assert (await guard.post(call(), person(issuer))).status_code == 503
        assert guard.origin.calls == []


async def test_a_bearer_token_beside_the_assertion_must_name_the_same_person(
    tmp_path: Path, issuer: TokenIssuer
) -> None:
    external = {
        "issuer": issuer.url,
        "jwks_uri": issuer.jwks_uri,
        "audience": f"https://{HOST}/mcp",
        "scopes": ["mcp:use"],
    }

    def bearer(**changes: Any) -> str:
        changes = {"sub": "u1", "email": "ada@example.com", "scope": "mcp:use"} | changes
        return issuer.sign(EXTERNAL_PERSON.claims(issuer.url, f"https://{HOST}/mcp", **changes), typ="at+jwt")

    both = {**identity(issuer), "external": external}
    async with guarded(Origin(tools=[tool("search")]), tmp_path, identity=both) as guard:
        ada = person(issuer)
        missing = await guard.post(call(), ada)
        assert missing.status_code == 401
        assert "/.well-known/oauth-protected-resource/mcp" in missing.headers["www-authenticate"]
        for token, status in [
            (bearer(email="bob@example.com"), 401),
            (bearer(aud="https://other.example/mcp"), 401),
            (bearer(scope="other"), 403),
            (bearer(), 200),
        ]:
            response = await guard.post(call(), {**ada, "authorization": f"Bearer {token}"})
            assert response.status_code == status
        # The server is the token's audience, so it may see it; the Access assertion stays here.
        assert guard.origin.seen[-1][1]["authorization"] == f"Bearer {token}"
        assert guard.records()[-1]["principal"] == "person:u1"
