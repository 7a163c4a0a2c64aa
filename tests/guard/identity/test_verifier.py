"""Who a request is from: every wrong token, and every header that is not to be believed."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from guard.identity.keys import IssuerKeys
from guard.identity.principal import Principal
from guard.identity.verifier import Forbidden, IdentityUnavailable, NotIdentified, Unauthenticated, Verifier
from model.guard_config import Identity
from tests.support.issued_tokens import EXTERNAL_PERSON, PERSON, SERVICE_TOKEN
from tests.support.loopback_http import NO_AUTHORITIES
from tests.support.token_issuer import NOW, Clock, TokenIssuer

HOST, HOSTED = "tickets.example.com", "claude.example.com"
AUD, HOSTED_AUD = "a" * 64, "b" * 64
RESOURCE = f"https://{HOST}/mcp"
ISS = "https://example.cloudflareaccess.com"
METADATA = f'resource_metadata="https://{HOST}/.well-known/oauth-protected-resource/mcp"'

Headers = list[tuple[bytes, bytes]]


@pytest.fixture
def issuer() -> Iterator[TokenIssuer]:
    with TokenIssuer() as issuer:
        yield issuer


def identity(issuer: TokenIssuer, *kinds: str, scopes: tuple[str, ...] = ()) -> Identity:
    doors = [
        {"hostname": HOST, "audience": AUD},
        {"hostname": HOSTED, "audience": HOSTED_AUD, "hosted_client": "claude"},
    ]
    given: dict[str, Any] = {"agents": {"e3678.access": "ci", "ci-client": "ci"}}
    if "access" in kinds:
        given["access"] = {"issuer": ISS, "jwks_uri": issuer.jwks_uri, "front_doors": doors}
    if "external" in kinds:
        given["external"] = {
            "issuer": issuer.url,
            "jwks_uri": issuer.jwks_uri,
            "audience": RESOURCE,
            "scopes": list(scopes),
        }
    return Identity.model_validate(given)


async def ask(settings: Identity, headers: Headers, host: str = HOST, clock: Clock | None = None) -> Principal:
    async with httpx.AsyncClient(trust_env=False, verify=NO_AUTHORITIES) as client:
        clocks = clock or Clock()
        return await Verifier(settings, client, clock=clocks, monotonic=clocks).principal(headers, host)


def assertion(token: str) -> Headers:
    return [(b"cf-access-jwt-assertion", token.encode())]


def bearer(token: str) -> Headers:
    return [(b"authorization", f"Bearer {token}".encode())]


async def refusal(settings: Identity, headers: Headers, host: str = HOST, clock: Clock | None = None) -> NotIdentified:
    with pytest.raises(NotIdentified) as caught:
        await ask(settings, headers, host, clock)
    return caught.value


async def test_person_is_known_by_subject_with_email_and_expiry(issuer: TokenIssuer) -> None:
    found = await ask(identity(issuer, "access"), assertion(issuer.sign(PERSON.claims(ISS, AUD, NOW))))
    assert found == Principal(
        "person:7335d417-61da-459d-899c-0a01c76a2f94", "person", email="kari@example.com", expires=NOW + 600
    )
    assert found.claims["country"] == "NO"


async def test_service_token_is_the_configured_agent_though_it_has_no_nbf(issuer: TokenIssuer) -> None:
    found = await ask(identity(issuer, "access"), assertion(issuer.sign(SERVICE_TOKEN.claims(ISS, AUD, NOW))))
    assert (found.id, found.kind, found.agent, found.email) == ("agent:e3678.access", "agent", "ci", None)


async def test_hosted_clients_door_is_noted(issuer: TokenIssuer) -> None:
    token = issuer.sign(PERSON.claims(ISS, HOSTED_AUD, NOW))
    assert (await ask(identity(issuer, "access"), assertion(token), HOSTED)).hosted_client == "claude"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"iss": "https://other.cloudflareaccess.com"}, "access_wrong_issuer"),
        ({"iss": [ISS]}, "access_wrong_issuer"),
        ({"aud": [HOSTED_AUD]}, "access_wrong_audience"),
        ({"aud": [AUD, HOSTED_AUD]}, "access_wrong_audience"),
        ({"aud": "c" * 64}, "access_wrong_audience"),
        ({"aud": None}, "access_wrong_audience"),
        ({"aud": {AUD: 1}}, "access_wrong_audience"),
        ({"exp": NOW, "iat": NOW - 60}, "access_expired"),
        ({"exp": None}, "access_bad_times"),
        ({"exp": str(NOW + 600)}, "access_bad_times"),
        ({"exp": True}, "access_bad_times"),
        ({"exp": 1e300}, "access_bad_times"),
        ({"iat": None}, "access_bad_times"),
        ({"iat": NOW + 31}, "access_issued_in_future"),
        ({"nbf": NOW + 31}, "access_not_yet_valid"),
        ({"nbf": "0"}, "access_bad_times"),
        ({"nbf": None}, "access_bad_times"),
        ({"kid": "one"}, "access_key_id_in_payload"),
        ({"type": "org"}, "access_wrong_token_type"),
        ({"type": None}, "access_wrong_token_type"),
        ({"sub": ""}, "access_ambiguous"),
        ({"email": None}, "access_ambiguous"),
        ({"common_name": "e3678.access"}, "access_ambiguous"),
        ({"sub": "", "common_name": "e3678.access"}, "access_ambiguous"),
        ({"sub": "", "email": None, "common_name": "unknown.access"}, "access_unknown_agent"),
        ({"sub": "two words"}, "access_malformed"),
        ({"sub": 7}, "access_ambiguous"),
    ],
)
async def test_claims_that_do_not_prove_who_calls_are_refused(
    issuer: TokenIssuer, change: dict[str, Any], reason: str
) -> None:
    refused = await refusal(identity(issuer, "access"), assertion(issuer.sign(PERSON.claims(ISS, AUD, NOW, **change))))
    assert (refused.status, refused.reason, refused.www_authenticate) == (401, reason, None)


@pytest.mark.parametrize(
    ("header", "reason"),
    [
        ({"crit": ["exp"]}, "access_header_refused"),
        ({"jku": "https://evil.example/keys"}, "access_header_refused"),
        ({"x5u": "https://evil.example/cert"}, "access_header_refused"),
        ({"jwk": {"kty": "oct", "k": "AA"}}, "access_header_refused"),
        ({"kid": "two"}, "access_unknown_key"),
        ({"typ": "logout+jwt"}, "access_wrong_type"),
        ({"algorithm": "HS256"}, "access_algorithm_refused"),
        ({"algorithm": "PS256"}, "access_unknown_key"),
        ({"number": 1}, "access_bad_signature"),
    ],
)
async def test_tokens_that_choose_their_own_proof_are_refused(
    issuer: TokenIssuer, header: dict[str, Any], reason: str
) -> None:
    assert (
        await refusal(identity(issuer, "access"), assertion(issuer.sign(PERSON.claims(ISS, AUD, NOW), **header)))
    ).reason == reason


async def test_unsigned_and_altered_tokens_are_refused(issuer: TokenIssuer) -> None:
    settings, token = identity(issuer, "access"), issuer.sign(PERSON.claims(ISS, AUD, NOW))
    header, payload, signature = token.split(".")
    none = issuer.raw(b'{"alg":"none","kid":"one"}', json.dumps(PERSON.claims(ISS, AUD, NOW)).encode()).rpartition(".")[
        0
    ]
    other = issuer.sign(PERSON.claims(ISS, AUD, NOW, sub="someone-else")).split(".")[1]
    expected = {
        f"{none}.": "access_malformed",
        f"{none}.AA": "access_algorithm_refused",
        f"{header}.{other}.{signature}": "access_bad_signature",
        f"{header}.{payload}!.{signature}": "access_malformed",
        f"{token} ": "access_malformed",
        "": "access_malformed",
        "a" * 17_000: "access_too_large",
    }
    assert {text: (await refusal(settings, assertion(text))).reason for text in expected} == expected


async def test_claim_written_twice_is_refused(issuer: TokenIssuer) -> None:
    payload = json.dumps(PERSON.claims(ISS, AUD, NOW))[:-1] + ', "sub": "someone-else"}'
    token = issuer.raw(b'{"alg":"RS256","kid":"one"}', payload.encode())
    assert (await refusal(identity(issuer, "access"), assertion(token))).reason == "access_malformed"


async def test_no_header_but_the_assertion_is_believed(issuer: TokenIssuer) -> None:
    settings, token = identity(issuer, "access"), issuer.sign(PERSON.claims(ISS, AUD, NOW)).encode()
    claimed = [
        (b"x-ringwall-principal", b"person:admin"),
        (b"x-ringwall-assertion", b"Bearer " + token),
        (b"cf-access-authenticated-user-email", b"admin@example.com"),
        (b"cookie", b"CF_Authorization=" + token),
        (b"authorization", b"Bearer " + token),
    ]
    assert (await refusal(settings, claimed)).reason == "access_missing"
    found = await ask(settings, [*claimed, (b"Cf-Access-Jwt-Assertion", token)])
    assert (found.id, found.email) == ("person:7335d417-61da-459d-899c-0a01c76a2f94", "kari@example.com")


async def test_repeated_assertion_is_refused(issuer: TokenIssuer) -> None:
    token = issuer.sign(PERSON.claims(ISS, AUD, NOW))
    assert (await refusal(identity(issuer, "access"), assertion(token) * 2)).reason == "access_repeated"


async def test_host_names_the_audience(issuer: TokenIssuer) -> None:
    settings, token = identity(issuer, "access"), issuer.sign(PERSON.claims(ISS, AUD, NOW))
    assert (await ask(settings, assertion(token), "Tickets.example.com:443")).email == "kari@example.com"
    assert (await refusal(settings, assertion(token), HOSTED)).reason == "access_wrong_audience"
    assert (await refusal(settings, assertion(token), "other.example.com")).reason == "access_unknown_hostname"


async def test_issuer_without_keys_is_503_and_not_a_wrong_login(issuer: TokenIssuer) -> None:
    issuer.fault = 500
    refused = await refusal(identity(issuer, "access"), assertion(issuer.sign(PERSON.claims(ISS, AUD, NOW))))
    assert isinstance(refused, IdentityUnavailable)
    assert (refused.status, refused.reason) == (503, "keys_unavailable")


def token_claims(issuer: TokenIssuer, **extra: Any) -> dict[str, Any]:
    # Without `client_id`: what names the client differs with the issuer, and each test says it.
    plain = {"sub": "kari", "exp": NOW + 300, "scope": "read write", "client_id": None, "email": None}
    return EXTERNAL_PERSON.claims(issuer.url, RESOURCE, NOW, **(plain | extra))


async def test_bearer_token_names_person_or_configured_agent(issuer: TokenIssuer) -> None:
    settings = identity(issuer, "external")
    issuer.keys.append({**issuer.keys[0], "kid": "two"})
    signed = issuer.sign(token_claims(issuer, email="k@example.com", azp="app"), kid="two", typ="at+jwt")
    found = await ask(settings, bearer(signed))
    assert (found.id, found.email, found.expires) == ("person:kari", "k@example.com", NOW + 300)
    agent = await ask(settings, bearer(issuer.sign(token_claims(issuer, sub="ci-client", client_id="ci-client"))))
    assert (agent.id, agent.agent) == ("agent:ci-client", "ci")
    for unverified in (False, "false", None, 0):
        claims = {**token_claims(issuer, email="boss@example.com"), "email_verified": unverified}
        assert (await ask(settings, bearer(issuer.sign(claims)))).email is None
    verified = issuer.sign(token_claims(issuer, email="boss@example.com", email_verified="true"))
    assert (await ask(settings, bearer(verified))).email == "boss@example.com"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"aud": "https://other.example.com/mcp"}, "bearer_wrong_audience"),
        ({"iss": "https://evil.example"}, "bearer_wrong_issuer"),
        ({"sub": None}, "bearer_ambiguous"),
        ({"cnf": {"jkt": "x"}}, "bearer_sender_constrained"),
        ({"sub": "nobody", "client_id": "nobody"}, "bearer_unknown_agent"),
        ({"sub": "nobody@clients", "azp": "nobody"}, "bearer_unknown_agent"),
        ({"idtyp": "app", "appid": "nobody"}, "bearer_unknown_agent"),
        ({"preferred_username": "service-account-nobody", "azp": "nobody"}, "bearer_unknown_agent"),
        ({"gty": "client-credentials"}, "bearer_ambiguous"),
        ({"sub": "ci-client", "client_id": "ci-client", "azp": "other"}, "bearer_ambiguous"),
    ],
)
async def test_bearer_tokens_for_others_or_of_unknown_machines_are_refused(
    issuer: TokenIssuer, change: dict[str, Any], reason: str
) -> None:
    refused = await refusal(identity(issuer, "external"), bearer(issuer.sign(token_claims(issuer, **change))))
    assert (refused.reason, refused.www_authenticate) == (reason, f'Bearer error="invalid_token", {METADATA}')


@pytest.mark.parametrize(
    "scope", [{"scope": "read write"}, {"scope": None, "scp": "write read"}, {"scope": None, "scp": ["read", "write"]}]
)
async def test_scopes_are_read_in_every_vendors_form(issuer: TokenIssuer, scope: dict[str, Any]) -> None:
    settings = identity(issuer, "external", scopes=("read", "write"))
    assert (await ask(settings, bearer(issuer.sign(token_claims(issuer, **scope))))).id == "person:kari"


async def test_missing_scope_is_403_and_names_all_scopes(issuer: TokenIssuer) -> None:
    settings = identity(issuer, "external", scopes=("read", "write"))
    refused = await refusal(settings, bearer(issuer.sign(token_claims(issuer, scope="read writer"))))
    assert isinstance(refused, Forbidden)
    assert refused.www_authenticate == f'Bearer error="insufficient_scope", scope="read write", {METADATA}'


async def test_missing_or_odd_authorization_is_challenged(issuer: TokenIssuer) -> None:
    settings, token = identity(issuer, "external"), issuer.sign(token_claims(issuer))
    missing = await refusal(settings, [], "evil.example")
    assert (missing.reason, missing.www_authenticate) == ("bearer_missing", f"Bearer {METADATA}")
    for value in (f"Basic {token}", token, f"Bearer {token} {token}", f"Bearer {token},Bearer {token}"):
        assert (await refusal(settings, [(b"authorization", value.encode())])).reason == "bearer_malformed"
    assert (await refusal(settings, bearer(token) * 2)).reason == "bearer_repeated"


async def test_with_both_configured_both_must_hold_and_agree(issuer: TokenIssuer) -> None:
    settings = identity(issuer, "access", "external")
    edge, machine = (
        assertion(issuer.sign(PERSON.claims(ISS, AUD, NOW))),
        assertion(issuer.sign(SERVICE_TOKEN.claims(ISS, AUD, NOW))),
    )
    own = bearer(issuer.sign(token_claims(issuer, email="KARI@example.com")))
    other = bearer(issuer.sign(token_claims(issuer, email="ola@example.com")))
    agent = bearer(issuer.sign(token_claims(issuer, sub="ci-client", client_id="ci-client")))
    found = await ask(settings, edge + own)
    assert (found.id, found.expires) == ("person:kari", NOW + 300)
    assert (await ask(settings, machine + other)).id == "person:kari"
    assert (await ask(settings, machine + agent)).id == "agent:ci-client"
    assert (await refusal(settings, edge)).reason == "bearer_missing"
    assert (await refusal(settings, own)).reason == "access_missing"
    assert (await refusal(settings, edge + other)).reason == "principals_differ"
    assert (await refusal(settings, edge + agent)).reason == "principals_differ"


async def test_demo_answers_the_configured_principal() -> None:
    demo = {"principal": "person:demo", "email": "demo@example.com"}
    settings = Identity.model_validate({"demo": demo})
    found = await ask(settings, [])
    assert (found.id, found.kind, found.email, found.expires) == (
        "person:demo",
        "person",
        "demo@example.com",
        float("inf"),
    )


async def test_remembered_token_is_quick_but_never_outlives_its_expiry_or_its_host(issuer: TokenIssuer) -> None:
    clock = Clock()
    headers = [(f"x-{n}".encode(), b"v") for n in range(20)] + assertion(
        issuer.sign(PERSON.claims(ISS, AUD, NOW, exp=NOW + 20, custom={"groups": ["a"] * 20}))
    )

    async with httpx.AsyncClient(trust_env=False, verify=NO_AUTHORITIES) as client:
        verifier = Verifier(identity(issuer, "access"), client, clock=clock, monotonic=clock)
        first = await verifier.principal(headers, HOST)
        assert await verifier.principal(headers, HOST) is first
        with pytest.raises(Unauthenticated):
            await verifier.principal(headers, HOSTED)
        started = time.process_time()
        for _ in range(2000):
            await verifier.principal(headers, HOST)
        each = (time.process_time() - started) / 2000
        clock.now += 51
        with pytest.raises(Unauthenticated, match="access_expired"):
            await verifier.principal(headers, HOST)
    print(f"cached verification {each * 1e6:.1f} us")
    assert each < 500e-6, "a cached verification must not check the signature again"


async def test_new_bundle_keeps_the_keys_of_an_issuer_that_stays(issuer: TokenIssuer) -> None:
    async with httpx.AsyncClient(trust_env=False, verify=NO_AUTHORITIES) as client:
        headers, clock = assertion(issuer.sign(PERSON.claims(ISS, AUD, NOW))), Clock()
        first = Verifier(identity(issuer, "access"), client, clock=clock, monotonic=clock)
        await first.principal(headers, HOST)
        issuer.fault = 500
        second = Verifier(identity(issuer, "access"), client, clock=clock, monotonic=clock, previous=first)
        await second.principal(headers, HOST)
        third = Verifier(identity(issuer, "access"), client, clock=clock, monotonic=clock)
        with pytest.raises(IdentityUnavailable):
            await third.principal(headers, HOST)


async def test_remembered_token_is_verified_again_after_a_minute(issuer: TokenIssuer) -> None:
    clock = Clock()
    headers = assertion(issuer.sign(PERSON.claims(ISS, AUD, NOW, exp=NOW + 7200)))
    async with httpx.AsyncClient(trust_env=False, verify=NO_AUTHORITIES) as client:
        verifier = Verifier(identity(issuer, "access"), client, clock=clock, monotonic=clock)
        await verifier.principal(headers, HOST)
        issuer.keys = [{**issuer.keys[0], "kid": "next"}]
        clock.now += 59
        await verifier.principal(headers, HOST)
        clock.now += 3600
        await verifier.principal(headers, HOST)  # old keys answer while they are refreshed
        (keys,) = verifier.issuers
        assert isinstance(keys, IssuerKeys)
        await keys.warm()
        clock.now += 61
        with pytest.raises(Unauthenticated, match="access_unknown_key"):
            await verifier.principal(headers, HOST)
