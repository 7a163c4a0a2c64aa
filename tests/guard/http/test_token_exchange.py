"""The server acts as the caller: by a token exchanged for the caller's own, or not at all."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.responses import Response

from guard.identity import exchanged_tokens
from guard.identity.exchanged_tokens import ExchangedTokens
from guard.identity.principal import Principal
from model.origin_identity import TokenExchange
from tests.guard.test_verified_road import HOST, identity, person
from tests.support.authorization_server import ACCESS_TOKEN, ASSERTION, EXCHANGE, AuthorizationServer
from tests.support.guard_messages import call
from tests.support.guard_service import Origin, guarded
from tests.support.issued_tokens import EXTERNAL_PERSON
from tests.support.loopback_http import NO_AUTHORITIES
from tests.support.token_issuer import TokenIssuer
from wire.token_endpoint import TokenEndpoint, TokenRefused

AUDIENCE = f"https://{HOST}/mcp"
TARGET = "api://tickets"


@pytest.fixture
def server(issuer: TokenIssuer, monkeypatch: pytest.MonkeyPatch) -> Iterator[AuthorizationServer]:
    with AuthorizationServer(issuer, AUDIENCE, TARGET) as running:
        monkeypatch.setenv("CLIENT_SECRET", running.secret)
        yield running


def settings(server: AuthorizationServer, **changes: Any) -> dict[str, Any]:
    return {
        "grant": "token-exchange",
        "token_endpoint": server.url,
        "client_id": server.client_id,
        "client_secret": {"env": "CLIENT_SECRET"},
        "audience": TARGET,
        "own_requests": "none",
        **changes,
    }


def bearer(issuer: TokenIssuer, name: str = "ada", **claims: Any) -> str:
    claims = {"sub": name, "email": f"{name}@example.com", **claims}
    return issuer.sign(EXTERNAL_PERSON.claims(issuer.url, AUDIENCE, **claims), typ="at+jwt")


def caller(issuer: TokenIssuer, name: str = "ada", **claims: Any) -> dict[str, str]:
    return {**person(issuer, name), "authorization": f"Bearer {bearer(issuer, name, **claims)}"}


@asynccontextmanager
async def exchanging(origin: Origin, folder: Path, server: AuthorizationServer, **changes: Any) -> Any:
    issuer = server.subjects
    external = {"issuer": issuer.url, "jwks_uri": issuer.jwks_uri, "audience": AUDIENCE}
    async with guarded(
        origin,
        folder,
        identity={**identity(issuer), "external": external},
        beside_url={"token_exchange": settings(server, **changes)},
    ) as guard:
        yield guard


def sent_tokens(origin: Origin) -> list[str]:
    """The bearer tokens of everything but the guard's own look."""
    return [
        headers["authorization"].removeprefix("Bearer ")
        for _, headers, body in origin.seen
        if b'"tools/call"' in body or b'"ping"' in body
    ]


async def test_each_caller_reaches_the_server_by_a_token_of_their_own(
    tmp_path: Path, server: AuthorizationServer, caplog: pytest.LogCaptureFixture
) -> None:
    issuer, origin = server.subjects, Origin()
    async with exchanging(origin, tmp_path, server) as guard:
        ada, bob = caller(issuer), caller(issuer, "bob")
        for who in (ada, ada, bob, ada):
            assert "result" in (await guard.post(call(1), who)).json()
        tokens = sent_tokens(origin)
        assert [server.given[token] for token in tokens] == ["ada", "ada", "bob", "ada"]
        assert (len(set(tokens)), len(server.asked)) == (2, 2)
        assert server.asked[0]["grant_type"] == EXCHANGE
        secrets = [*tokens, server.secret, *(who["authorization"].split(" ")[1] for who in (ada, bob))]
        everything = guard.audit.read_text() + caplog.text
        assert not any(secret in everything for secret in secrets)
        files = [path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()]
        assert not any(secret.encode() in content for secret in secrets for content in files)


async def test_without_a_token_nothing_is_sent_and_the_refusal_has_an_incident(
    tmp_path: Path, server: AuthorizationServer
) -> None:
    issuer, origin = server.subjects, Origin()
    async with exchanging(origin, tmp_path, server, audience="api://other") as guard:
        answer = (await guard.post(call(1), caller(issuer))).json()["result"]
        assert answer["isError"] is True
        record = guard.records()[-1]
        assert record["incident"] in answer["content"][0]["text"]
        assert (record["decision"], record["reason"], record["key"]) == (
            "refuse",
            "no_upstream_token",
            "origin.token_exchange",
        )
        assert record["problem"] == "the token endpoint answered 400 (invalid_target)"
        ping = await guard.post({"jsonrpc": "2.0", "id": 2, "method": "ping"}, caller(issuer))
        assert ping.json()["error"]["code"] == -31004
        told = await guard.post({"jsonrpc": "2.0", "method": "notifications/initialized"}, caller(issuer))
        stream = await guard.client.get("/mcp", headers={**caller(issuer), "accept": "text/event-stream"})
        assert (told.status_code, stream.status_code) == (424, 424)
        assert sent_tokens(origin) == []
        assert not guard.service.runtime.origin.is_open


async def test_a_401_of_the_server_ends_a_reused_token_and_the_call_is_sent_once_more(
    tmp_path: Path, server: AuthorizationServer
) -> None:
    issuer, origin = server.subjects, Origin()
    ended: set[str] = set()
    handle = origin.handle

    async def judging(request: Any) -> Response:
        token = request.headers.get("authorization", "").removeprefix("Bearer ")
        if token in ended:
            origin.seen.append((request.method, dict(request.headers), await request.body()))
            return Response("", 401, {"www-authenticate": 'Bearer resource_metadata="https://evil.example/"'})
        return await handle(request)

    origin.handle = judging  # type: ignore[method-assign]
    async with exchanging(origin, tmp_path, server) as guard:
        who = caller(issuer)
        assert "result" in (await guard.post(call(1), who)).json()
        ended.update(server.given)
        assert "result" in (await guard.post(call(2), who)).json()
        first, again, other = sent_tokens(origin)
        assert (first == again, other in ended, len(server.asked)) == (True, False, 2)

        class Everything(set[str]):
            def __contains__(self, item: object) -> bool:
                return bool(item)

        ended = Everything()
        before = len(origin.seen)
        answer = await guard.post(call(3), who)
        # The client cannot help it by signing in anew.
        assert (answer.status_code, "www-authenticate" in answer.headers) == (200, False)
        assert answer.json()["error"]["code"] == -31004
        assert len(origin.seen) == before + 2


async def test_an_endpoint_that_asks_for_a_pause_gets_it(tmp_path: Path, server: AuthorizationServer) -> None:
    issuer, origin = server.subjects, Origin()
    async with exchanging(origin, tmp_path, server) as guard:
        server.fault = (429, {"retry-after": "120"}, {"error": "slow_down"})
        first = await guard.post(call(1), caller(issuer))
        second = await guard.post(call(2), caller(issuer, "bob"))
        assert first.headers["retry-after"] == "120"
        assert 100 <= int(second.headers["retry-after"]) <= 120
        assert "Try again in" in second.json()["result"]["content"][0]["text"]
        assert len(server.asked) == 1


async def test_the_guard_reads_lists_in_its_own_name_or_without_a_token(
    tmp_path: Path, server: AuthorizationServer
) -> None:
    origin = Origin()
    async with exchanging(origin, tmp_path, server, own_requests="client-credentials") as guard:
        await guard.post(call(1), caller(server.subjects))
        own = {headers["authorization"].removeprefix("Bearer ") for _, headers, body in origin.seen if b"/list" in body}
        assert {server.given[token] for token in own} == {server.client_id}
    (tmp_path / "second").mkdir()
    silent = Origin()
    async with exchanging(silent, tmp_path / "second", server) as guard:
        await guard.post(call(1), caller(server.subjects))
        assert {headers.get("authorization") for _, headers, body in silent.seen if b"/list" in body} == {None}


async def test_the_assertion_grant_asks_on_behalf_of_the_caller(tmp_path: Path, server: AuthorizationServer) -> None:
    origin = Origin()
    changes = {"grant": "jwt-bearer", "on_behalf_of": True, "client_authentication": "post", "scopes": ["a", "b"]}
    async with exchanging(origin, tmp_path, server, **changes) as guard:
        assert "result" in (await guard.post(call(1), caller(server.subjects))).json()
        assert [server.given[token] for token in sent_tokens(origin)] == ["ada"]
        form = server.asked[0]
        assert (form["grant_type"], form["requested_token_use"], form["scope"]) == (ASSERTION, "on_behalf_of", "a b")
        assert form.keys() & {"subject_token", "subject_token_type"} == set()


# -- how long a token is used ------------------------------------------------------------------------------------------


class Clock:
    def __init__(self) -> None:
        self.now = time.time()

    def __call__(self) -> float:
        return self.now


@asynccontextmanager
async def tokens_of(server: AuthorizationServer, clock: Clock) -> Any:
    endpoint = TokenEndpoint(TokenExchange.model_validate(settings(server)), server.secret)
    tokens = ExchangedTokens(endpoint, for_itself=False, clock=clock)
    try:
        yield tokens
    finally:
        await tokens.close()


def principal(name: str = "ada", expires: float = float("inf")) -> Principal:
    return Principal(f"person:{name}", "person", email=f"{name}@example.com", expires=expires)


@pytest.mark.parametrize(
    ("lifetime", "expires_after", "used_for"),
    [(600, float("inf"), 570), (600, 200, 170), (None, float("inf"), 0), (20, float("inf"), 0)],
)
async def test_a_token_is_used_until_shortly_before_its_end_and_the_callers(
    server: AuthorizationServer, lifetime: int | None, expires_after: float, used_for: int
) -> None:
    clock = Clock()
    server.lifetime = lifetime
    who, own = principal(expires=clock.now + expires_after), bearer(server.subjects)
    async with tokens_of(server, clock) as tokens:
        await tokens.of_caller(who, own)
        for moment, exchanges in ((used_for - 1, 1), (used_for + 1, 2)):
            if moment > 0:
                clock.now += moment - (used_for - 1 if exchanges == 2 else 0)
                await tokens.of_caller(who, own)
                assert len(server.asked) == exchanges


async def test_requests_at_once_wait_for_one_exchange_which_outlives_who_began_it(server: AuthorizationServer) -> None:
    server.lifetime = None  # so nothing but waiting together saves an exchange
    own = bearer(server.subjects)
    async with tokens_of(server, Clock()) as tokens:
        server.gate.clear()
        waiting = [asyncio.ensure_future(tokens.of_caller(principal(), own)) for _ in range(8)]
        await asyncio.sleep(0)
        waiting[0].cancel()
        server.gate.set()
        given = await asyncio.gather(*waiting[1:])
        assert len({token.text for token in given}) == len(server.asked) == 1


async def test_a_token_belongs_to_one_token_of_one_caller(server: AuthorizationServer) -> None:
    own = bearer(server.subjects)
    async with tokens_of(server, Clock()) as tokens:
        first = await tokens.of_caller(principal(), own)
        assert (await tokens.of_caller(principal(), own)).text == first.text
        assert (await tokens.of_caller(principal("bob"), own)).text != first.text
        assert (await tokens.of_caller(principal(), bearer(server.subjects, jti="other"))).text != first.text
        assert first.text not in repr(first)


async def test_the_least_recently_used_token_gives_way(
    server: AuthorizationServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(exchanged_tokens, "MAX_TOKENS", 2)
    own = bearer(server.subjects)
    async with tokens_of(server, Clock()) as tokens:
        for name, exchanges in (("ada", 1), ("bob", 2), ("ada", 2), ("eve", 3), ("ada", 3), ("bob", 4)):
            await tokens.of_caller(principal(name), own)
            assert len(server.asked) == exchanges, name


async def test_a_refused_token_is_not_asked_for_again_at_once(server: AuthorizationServer) -> None:
    clock = Clock()
    gone = bearer(server.subjects, exp=int(time.time()) - 10, iat=int(time.time()) - 100)
    async with tokens_of(server, clock) as tokens:
        for wait, asked in ((0, 1), (1, 1), (5, 2)):
            clock.now += wait
            with pytest.raises(TokenRefused, match=r"answered 400 \(invalid_request\)"):
                await tokens.of_caller(principal(), gone)
            assert len(server.asked) == asked


GOOD = {"access_token": "abc", "token_type": "Bearer", "issued_token_type": ACCESS_TOKEN, "expires_in": 60}


@pytest.mark.parametrize(
    ("fault", "problem"),
    [
        ((200, {}, {**GOOD, "token_type": "N_A"}), "no bearer token"),
        ((200, {}, {**GOOD, "token_type": "DPoP"}), "no bearer token"),
        ((200, {}, {**GOOD, "issued_token_type": "urn:ietf:params:oauth:token-type:id_token"}), "another type"),
        ((200, {}, {name: GOOD[name] for name in ("access_token", "token_type")}), "another type"),
        ((200, {}, {**GOOD, "access_token": "a b\r\nx: y"}), "without a token that can be sent"),
        ((200, {}, {**GOOD, "access_token": "a" * 20_000}), "without a token that can be sent"),
        ((200, {}, {**GOOD, "access_token": 7}), "without a token that can be sent"),
        ((200, {}, [GOOD]), "without a token that can be sent"),
        ((200, {}, b'{"access_token": "a", "access_token": "b"}'), "without a token that can be sent"),
        ((200, {}, b"x" * 70_000), "its answer is over 64 KiB"),
        ((200, {"content-encoding": "gzip"}, b"x"), "compressed"),
        ((307, {"location": "https://evil.example/"}, {}), "answered 307"),
        ((503, {}, b"<html>"), "answered 503"),
        ((400, {}, {"error": "<script>planted</script>"}), "the token endpoint answered 400$"),
        ((401, {}, {"error": "invalid_client", "error_description": "planted"}), r"answered 401 \(invalid_client\)$"),
    ],
)
async def test_any_other_answer_is_no_token(server: AuthorizationServer, fault: Any, problem: str) -> None:
    server.fault = fault
    async with tokens_of(server, Clock()) as tokens:
        with pytest.raises(TokenRefused, match=problem):
            await tokens.of_caller(principal(), bearer(server.subjects))


async def test_an_endpoint_that_is_away_is_no_token(server: AuthorizationServer) -> None:
    gone = TokenExchange.model_validate(settings(server, token_endpoint="http://127.0.0.1:9/token"))
    endpoint = TokenEndpoint(gone, server.secret)
    with pytest.raises(TokenRefused) as refused:
        await endpoint.in_callers_name("token")
    await endpoint.close()
    assert not refused.value.final
    assert server.secret not in str(refused.value)


@pytest.mark.parametrize(
    ("changes", "error"),
    [
        ({}, None),
        ({"audience": "api://other"}, "invalid_target"),
        ({"subject_token_type": "urn:ietf:params:oauth:token-type:id_token"}, "invalid_request"),
        ({"subject_token": "expired"}, "invalid_request"),
        ({"subject_token": "a.b.c"}, "invalid_request"),
        ({"grant_type": "password"}, "unsupported_grant_type"),
        ({"client_secret": "wrong"}, "invalid_client"),
        ({"client_secret": ""}, "invalid_client"),
    ],
)
def test_the_stand_in_is_as_strict_as_the_rfcs(
    server: AuthorizationServer, changes: dict[str, str], error: str | None
) -> None:
    form = {
        "grant_type": EXCHANGE,
        "subject_token": bearer(server.subjects),
        "subject_token_type": ACCESS_TOKEN,
        "audience": TARGET,
        "client_id": server.client_id,
        "client_secret": server.secret,
        **changes,
    }
    if changes.get("subject_token") == "expired":
        form["subject_token"] = bearer(server.subjects, exp=int(time.time()) - 10, iat=int(time.time()) - 100)
    answer = httpx.post(server.url, data=form, trust_env=False, verify=NO_AUTHORITIES)
    assert answer.json().get("error") == error
    assert answer.status_code == (200 if error is None else 401 if error == "invalid_client" else 400)
