"""Who a request with an opaque token is from: what its issuer says, by the rules of a JWT's claims, and nobody otherwise."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from guard.identity.verifier import Forbidden, IdentityUnavailable, NotIdentified, Verifier
from model.guard_config import Identity
from tests.support.introspecting_issuer import CLIENT, SECRET, IntrospectingIssuer
from tests.support.issued_tokens import PERSON, SERVICE_TOKEN
from tests.support.token_issuer import NOW, Clock, TokenIssuer
from tests.support.waiting import eventually
from wire.http import HttpPolicy

HOST, AUD = "tickets.example.com", "a" * 64
RESOURCE = f"https://{HOST}/mcp"
ISS = "https://example.cloudflareaccess.com"


@pytest.fixture
def issuer() -> Iterator[IntrospectingIssuer]:
    with IntrospectingIssuer() as issuer:
        yield issuer


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    file = tmp_path / "idp-secret"
    file.write_text(SECRET + "\n", encoding="utf-8")
    file.chmod(0o600)
    return file


@pytest.fixture
def identity(issuer: IntrospectingIssuer, secret: Path) -> Callable[..., Identity]:
    def make(*, scopes: tuple[str, ...] = (), access: TokenIssuer | None = None, **settings: Any) -> Identity:
        introspection = {
            "endpoint": issuer.endpoint,
            "client_id": CLIENT,
            "client_secret": {"file": str(secret)},
            **settings,
        }
        external = {"issuer": issuer.url, "introspection": introspection, "audience": RESOURCE, "scopes": list(scopes)}
        given: dict[str, Any] = {"external": external, "agents": {"ci-client": "ci", "e3678.access": "ci"}}
        if access is not None:
            doors = [{"hostname": HOST, "audience": AUD}]
            given["access"] = {"issuer": ISS, "jwks_uri": access.jwks_uri, "front_doors": doors}
        return Identity.model_validate(given)

    return make


@contextlib.asynccontextmanager
async def verifying(settings: Identity, clock: Clock | None = None) -> AsyncIterator[Verifier]:
    clock = clock or Clock()
    async with HttpPolicy(None, proxies=True).async_client(timeout=5) as client:
        verifier = Verifier(settings, client, clock=clock, monotonic=clock)
        try:
            yield verifier
        finally:
            for issuer in verifier.issuers:
                await issuer.close()


def bearer(token: str) -> list[tuple[bytes, bytes]]:
    return [(b"authorization", f"Bearer {token}".encode())]


def assertion(token: str) -> list[tuple[bytes, bytes]]:
    return [(b"cf-access-jwt-assertion", token.encode())]


def person(issuer: IntrospectingIssuer, token: str = "2YotnFZFEjr1zCsicMWpAA", **change: Any) -> str:  # noqa: S107
    claims = {"iss": issuer.url, "aud": RESOURCE, "sub": "kari", "exp": NOW + 300, "iat": NOW, "scope": "read write"}
    return issuer.give(token, **{**claims, "client_id": "app", "token_type": "Bearer", **change})


async def refusal(settings: Identity, token: str) -> NotIdentified:
    async with verifying(settings) as verifier:
        with pytest.raises(NotIdentified) as caught:
            await verifier.principal(bearer(token), HOST)
    return caught.value


@pytest.mark.parametrize("method", ["basic", "post"])
async def test_an_active_token_names_person_or_configured_agent(
    issuer: IntrospectingIssuer, identity: Callable[..., Identity], method: str
) -> None:
    async with verifying(identity(client_authentication=method)) as verifier:
        found = await verifier.principal(bearer(person(issuer, email="k@example.com")), HOST)
        assert (found.id, found.kind, found.email, found.expires) == (
            "person:kari",
            "person",
            "k@example.com",
            NOW + 300,
        )
        machine = person(issuer, "machine", sub="ci-client", client_id="ci-client")
        agent = await verifier.principal(bearer(machine), HOST)
        assert (agent.id, agent.agent) == ("agent:ci-client", "ci")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"active": False}, "bearer_inactive"),
        ({"aud": "https://other.example.com/mcp"}, "bearer_wrong_audience"),
        ({"aud": None}, "bearer_wrong_audience"),
        ({"iss": "https://evil.example"}, "bearer_wrong_issuer"),
        ({"exp": NOW}, "bearer_expired"),
        ({"exp": None}, "bearer_bad_times"),
        ({"exp": str(NOW + 300)}, "bearer_bad_times"),
        ({"nbf": NOW + 31}, "bearer_not_yet_valid"),
        ({"iat": NOW + 31}, "bearer_issued_in_future"),
        ({"token_type": "DPoP"}, "bearer_wrong_type"),
        ({"token_type": None, "typ": "Refresh"}, "bearer_wrong_type"),
        ({"token_use": "refresh_token"}, "bearer_wrong_type"),
        ({"cnf": {"x5t#S256": "x"}}, "bearer_sender_constrained"),
        ({"sub": None}, "bearer_ambiguous"),
        ({"sub": "nobody", "client_id": "nobody"}, "bearer_unknown_agent"),
    ],
)
async def test_what_the_issuer_does_not_say_of_this_server_is_refused(
    issuer: IntrospectingIssuer, identity: Callable[..., Identity], change: dict[str, Any], reason: str
) -> None:
    refused = await refusal(identity(), person(issuer, **change))
    assert (refused.status, refused.reason) == (401, reason)
    assert 'error="invalid_token"' in str(refused.www_authenticate)


async def test_an_unknown_token_is_refused_and_asked_about_once(
    issuer: IntrospectingIssuer, identity: Callable[..., Identity]
) -> None:
    async with verifying(identity()) as verifier:
        for _ in range(3):
            with pytest.raises(NotIdentified, match="bearer_inactive"):
                await verifier.principal(bearer("unknown"), HOST)
    assert issuer.asked == ["unknown"]


async def test_a_missing_scope_is_403(issuer: IntrospectingIssuer, identity: Callable[..., Identity]) -> None:
    refused = await refusal(identity(scopes=("read", "admin")), person(issuer))
    assert isinstance(refused, Forbidden)
    assert 'scope="read admin"' in str(refused.www_authenticate)


@pytest.mark.parametrize(
    "fault", [401, 500, 302, b"{}", b'{"active": 1}', b'{"active": true, "active": true}', b"x" * 70_000]
)
async def test_an_issuer_that_does_not_say_is_503_and_no_wrong_login(
    issuer: IntrospectingIssuer, identity: Callable[..., Identity], fault: int | bytes
) -> None:
    token = person(issuer)
    issuer.fault, issuer.headers = fault, {"location": issuer.endpoint}
    refused = await refusal(identity(), token)
    assert isinstance(refused, IdentityUnavailable)
    assert (refused.status, refused.reason) == (503, "issuer_unavailable")


async def test_a_withdrawn_token_opens_the_server_for_the_configured_time_at_most(
    issuer: IntrospectingIssuer, identity: Callable[..., Identity]
) -> None:
    clock = Clock()
    async with verifying(identity(cache="20s"), clock) as verifier:
        headers = bearer(person(issuer))
        await verifier.principal(headers, HOST)
        issuer.tokens.clear()
        clock.now += 19
        await verifier.principal(headers, HOST)
        assert len(issuer.asked) == 1
        clock.now += 1
        with pytest.raises(NotIdentified, match="bearer_inactive"):
            await verifier.principal(headers, HOST)


async def test_an_answer_is_never_kept_past_the_tokens_end(
    issuer: IntrospectingIssuer, identity: Callable[..., Identity]
) -> None:
    clock = Clock()
    async with verifying(identity(cache="1m"), clock) as verifier:
        headers = bearer(person(issuer, exp=NOW + 10))
        await verifier.principal(headers, HOST)
        clock.now += 10
        with pytest.raises(NotIdentified, match="bearer_expired"):
            await verifier.principal(headers, HOST)


async def test_requests_that_wait_for_one_answer_share_it_and_outlive_a_caller_that_goes(
    issuer: IntrospectingIssuer, identity: Callable[..., Identity]
) -> None:
    headers = bearer(person(issuer))
    issuer.gate.clear()
    async with verifying(identity()) as verifier:
        callers = [asyncio.create_task(verifier.principal(headers, HOST)) for _ in range(5)]
        await asyncio.sleep(0)
        callers[0].cancel()
        issuer.gate.set()
        found = await asyncio.gather(*callers[1:])
    assert [principal.id for principal in found] == ["person:kari"] * 4
    assert len(issuer.asked) == 1


async def test_an_issuer_that_asks_for_a_pause_gets_it(
    issuer: IntrospectingIssuer, identity: Callable[..., Identity]
) -> None:
    clock, token = Clock(), person(issuer)
    async with verifying(identity(), clock) as verifier:
        issuer.fault, issuer.headers = 429, {"retry-after": "7"}
        for _ in range(3):
            with pytest.raises(IdentityUnavailable):
                await verifier.principal(bearer(token), HOST)
        assert len(issuer.asked) == 1
        issuer.fault, clock.now = None, clock.now + 7
        assert (await verifier.principal(bearer(token), HOST)).id == "person:kari"


async def test_a_guard_is_ready_once_its_issuer_answered_it(
    issuer: IntrospectingIssuer, identity: Callable[..., Identity], secret: Path
) -> None:
    secret.write_text("wrong\n", encoding="utf-8")
    async with verifying(identity()) as verifier:
        assert verifier.problems() == [f"{issuer.endpoint}: never asked"]
        refused = f"{issuer.endpoint}: answered 401, so it does not take the client that asks"
        await eventually(lambda: verifier.problems() == [refused], "the refusal of the client")
        secret.unlink()
        await eventually(lambda: "cannot be opened" in "".join(verifier.problems()), "the missing secret")
        # A rotated secret is read without a restart.
        secret.touch(0o600)
        secret.write_text(SECRET, encoding="utf-8")
        await eventually(lambda: verifier.problems() == [], "an answer")
        assert len(set(issuer.asked)) == len(issuer.asked)
        assert "s3cret" not in repr(verifier.issuers)


async def test_a_persons_session_needs_the_same_verified_address_in_the_token(
    issuer: IntrospectingIssuer, identity: Callable[..., Identity]
) -> None:
    with TokenIssuer() as access:
        settings = identity(access=access)
        edge = assertion(access.sign(PERSON.claims(ISS, AUD, NOW)))
        machine = assertion(access.sign(SERVICE_TOKEN.claims(ISS, AUD, NOW)))
        async with verifying(settings) as verifier:
            own = bearer(person(issuer, "own", email="KARI@example.com", email_verified=True))
            assert (await verifier.principal(edge + own, HOST)).id == "person:kari"
            changes: list[dict[str, Any]] = [
                {"email": "ola@example.com"},
                {},
                {"email": "kari@example.com", "email_verified": False},
            ]
            for number, change in enumerate(changes):
                other = bearer(person(issuer, f"other{number}", **change))
                with pytest.raises(NotIdentified, match="principals_differ"):
                    await verifier.principal(edge + other, HOST)
            assert (await verifier.principal(machine + bearer(person(issuer, "any")), HOST)).id == "person:kari"


async def test_a_new_bundle_keeps_an_issuer_whose_settings_stay(
    issuer: IntrospectingIssuer, identity: Callable[..., Identity]
) -> None:
    clock = Clock()
    async with (
        verifying(identity(), clock) as verifier,
        HttpPolicy(None, proxies=True).async_client(timeout=5) as client,
    ):
        same = Verifier(identity(), client, clock=clock, monotonic=clock, previous=verifier)
        assert same.issuers == verifier.issuers
        other = Verifier(identity(cache="1s"), client, clock=clock, monotonic=clock, previous=verifier)
        assert other.issuers != verifier.issuers
