"""Every principal as its issuer documents it passes all rings; every bent claim stops at the outermost ring that can
know, and at each ring inside that can know it too."""

from __future__ import annotations

import base64
import hmac
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from tests.rings.conftest import EXTERNAL_KID, Headers, Rings
from tests.support import issued_tokens
from tests.support.issued_tokens import IssuedToken
from tests.support.token_issuer import private_key

ALL = ("cloudflared", "kong", "guard")
INSIDE = ("kong", "guard")
PERSON, AGENT, HOSTED = "person", "service token", "hosted client's person"
PEOPLE = (PERSON, HOSTED)
#: Which kind of token each public name is asked with.
DOORS: dict[str, tuple[str, IssuedToken]] = {
    PERSON: ("one.example.com", issued_tokens.PERSON),
    AGENT: ("one.example.com", issued_tokens.SERVICE_TOKEN),
    HOSTED: ("hosted-claude.example.com", issued_tokens.HOSTED_CLIENT),
}
RESOURCE = "https://external.example.com/mcp"
SCOPE = {"scope": "tickets.read"}


def claims(rings: Rings, kind: str, **changes: Any) -> dict[str, Any]:
    host, token = DOORS[kind]
    return token.claims(rings.access_issuer, rings.audiences[host], **changes)


def sent(token: str) -> Headers:
    return [("cf-access-jwt-assertion", token)]


@pytest.mark.parametrize("kind", DOORS)
def test_a_token_as_its_issuer_documents_it_passes_every_ring(rings: Rings, kind: str) -> None:
    host = DOORS[kind][0]
    headers = sent(rings.access.sign(claims(rings, kind)))
    assert rings.stops_at(host, headers) is None
    assert [ring for ring in ALL if rings.refuses(ring, host, headers)] == []


def test_the_audience_may_be_a_text(rings: Rings) -> None:
    host = DOORS[PERSON][0]
    assert rings.stops_at(host, sent(rings.access.sign(claims(rings, PERSON, aud=rings.audiences[host])))) is None


def test_a_linked_applications_token_opens_nothing(rings: Rings) -> None:
    token = rings.access.sign(issued_tokens.LINKED_APP.claims(rings.access_issuer, "9" * 64))
    assert rings.stops_at("one.example.com", sent(token)) == "cloudflared"
    assert rings.stops_at("one.example.com", [("cf-access-token", token)]) == "cloudflared"


@dataclass(frozen=True)
class Bent:
    """One thing wrong. `rings` are all that can know, the outermost first; `of` are the kinds it is bent for."""

    rings: tuple[str, ...]
    claims: Callable[[float], dict[str, Any]] = lambda now: {}
    header: dict[str, Any] | None = None
    of: tuple[str, ...] = (*PEOPLE, AGENT)
    number: int = 0
    algorithm: str = "RS256"


CLAIMS: dict[str, Bent] = {
    "exp missing": Bent(ALL, lambda now: {"exp": None}),
    "expired": Bent(ALL, lambda now: {"exp": now - 1, "iat": now - 60}),
    # Go's json.Number reads a quoted number.
    "exp as text": Bent(INSIDE, lambda now: {"exp": str(int(now + 600))}),
    "exp 1e18": Bent(INSIDE, lambda now: {"exp": 1e18}),
    "exp beyond the session": Bent(("kong",), lambda now: {"exp": now + 9 * 3600}),
    "iat missing": Bent(INSIDE, lambda now: {"iat": None}),
    "iat in the future": Bent(INSIDE, lambda now: {"iat": now + 120}),
    "nbf in ten minutes": Bent(ALL, lambda now: {"nbf": now + 600, "exp": now + 900}),
    "nbf in two minutes": Bent(INSIDE, lambda now: {"nbf": now + 120}),
    "nbf as text": Bent(INSIDE, lambda now: {"nbf": "0"}),
    "nbf missing": Bent(INSIDE, lambda now: {"nbf": None}, of=PEOPLE),
    "another issuer": Bent(ALL, lambda now: {"iss": "https://other.cloudflareaccess.com"}),
    "a list of issuers": Bent(ALL, lambda now: {"iss": ["https://example.cloudflareaccess.com"]}),
    "another application": Bent(ALL, lambda now: {"aud": ["9" * 64]}),
    "another server of ours": Bent(ALL, lambda now: {"aud": ["2" * 64]}),
    "no audience": Bent(ALL, lambda now: {"aud": None}),
    "audience as an object": Bent(ALL, lambda now: {"aud": {"0": "1" * 64}}),
    "kid in the payload": Bent(INSIDE, lambda now: {"kid": "one"}),
    "type org": Bent(INSIDE, lambda now: {"type": "org"}),
    "no type": Bent(INSIDE, lambda now: {"type": None}),
    "no subject": Bent(INSIDE, lambda now: {"sub": None}, of=PEOPLE),
    "empty subject and no common name": Bent(INSIDE, lambda now: {"sub": ""}, of=PEOPLE),
    "no common name": Bent(INSIDE, lambda now: {"common_name": None}, of=(AGENT,)),
    "a person and an agent": Bent(INSIDE, lambda now: {"sub": "ada", "common_name": issued_tokens.CLIENT_ID}),
    "an agent with an email": Bent(INSIDE, lambda now: {"email": "ada@example.com"}, of=(AGENT,)),
    "no email": Bent(INSIDE, lambda now: {"email": None}, of=PEOPLE),
    "email in a custom claim": Bent(
        INSIDE, lambda now: {"email": None, "custom": {"email": "ada@example.com"}}, of=PEOPLE
    ),
    "a subject of two words": Bent(INSIDE, lambda now: {"sub": "two words"}, of=PEOPLE),
    # Which client ids are agents stands in the guard's configuration alone.
    "an agent nobody configured": Bent(("guard",), lambda now: {"common_name": "stranger.access"}, of=(AGENT,)),
    "a key nobody knows": Bent(ALL, header={"kid": "two"}),
    # go-jose tries every key.
    "no kid": Bent(INSIDE, header={"kid": ""}),
    "foreign signature": Bent(ALL, number=1),
    "alg none": Bent(ALL, algorithm="none"),
    "alg HS256": Bent(ALL, algorithm="HS256"),
    "its own key's address": Bent(INSIDE, header={"jku": "https://evil.example/keys"}),
    "critical header": Bent(ALL, header={"crit": ["exp"]}),
    "a logout token": Bent(INSIDE, header={"typ": "logout+jwt"}),
}
CASES = [pytest.param(kind, bent, id=f"{kind}: {name}") for name, bent in CLAIMS.items() for kind in bent.of]


def bend(rings: Rings, kind: str, bent: Bent) -> str:
    body = claims(rings, kind, **bent.claims(int(time.time())))
    header = {"kid": "one", **(bent.header or {})}
    return rings.access.sign(body, algorithm=bent.algorithm, number=bent.number, **header)


@pytest.mark.parametrize(("kind", "bent"), CASES)
def test_a_bent_token_stops_at_the_outermost_ring_that_can_know(rings: Rings, kind: str, bent: Bent) -> None:
    host = DOORS[kind][0]
    headers = sent(bend(rings, kind, bent))
    assert rings.stops_at(host, headers) == bent.rings[0]
    assert tuple(ring for ring in ALL if not rings_pass(rings, ring, host, headers)) == bent.rings


def rings_pass(rings: Rings, ring: str, host: str, headers: Headers) -> bool:
    """Whether a ring alone lets the request on; cloudflared is asked without what stands behind it."""
    if ring == "cloudflared":
        return rings.front.judge(host, dict(reversed(headers)).get("cf-access-jwt-assertion", "")) is None
    return not rings.refuses(ring, host, headers)


def test_the_public_key_is_no_secret_to_sign_with(rings: Rings) -> None:
    pem = private_key("rsa", 0).public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    host = DOORS[PERSON][0]
    unsigned = rings.access.sign(claims(rings, PERSON), algorithm="HS256").rpartition(".")[0]
    signature = base64.urlsafe_b64encode(hmac.digest(pem, unsigned.encode(), "sha256")).rstrip(b"=").decode()
    headers = sent(f"{unsigned}.{signature}")
    assert rings.stops_at(host, headers) == "cloudflared"
    assert rings.refuses("kong", host, headers)
    assert rings.refuses("guard", host, headers)


def test_a_token_for_two_of_a_servers_names_stops_at_the_gateway(rings: Rings) -> None:
    host = "hosted-claude.example.com"
    both = [rings.audiences[host], rings.audiences["hosted.example.com"]]
    headers = sent(rings.access.sign(claims(rings, HOSTED, aud=both)))
    assert rings.stops_at(host, headers) == "kong"
    assert rings.refuses("guard", host, headers)


def test_of_two_assertions_none_counts(rings: Rings) -> None:
    host = DOORS[PERSON][0]
    good, foreign = rings.access.sign(claims(rings, PERSON)), rings.access.sign(claims(rings, PERSON), number=1)
    for headers in (sent(good) + sent(foreign), sent(good) + sent(good)):
        assert rings.stops_at(host, headers) == "kong"
        assert rings.refuses("guard", host, headers)


def test_no_assertion_stops_at_once_whatever_else_is_sent(rings: Rings) -> None:
    host, good = DOORS[PERSON][0], rings.access.sign(claims(rings, PERSON))
    elsewhere: list[Headers] = [
        [],
        [("authorization", f"Bearer {good}")],
        [("x-ringwall-assertion", f"Bearer {good}"), ("x-ringwall-principal", "person:ada")],
        [("cookie", f"CF_Authorization={good}")],
    ]
    for headers in elsewhere:
        assert rings.stops_at(host, headers) == "cloudflared"
        assert rings.refuses("kong", host, headers)
        assert rings.refuses("guard", host, headers)


# Mode external: a bearer token of an issuer of one's own behind Access.


def behind_access(rings: Rings, bearer: str, assertion: dict[str, Any] | None = None, **signing: Any) -> Headers:
    audience = rings.audiences["external.example.com"]
    body = assertion or issued_tokens.PERSON.claims(rings.access_issuer, audience)
    return [*sent(rings.access.sign(body, **signing)), ("authorization", f"Bearer {bearer}")]


def bearer(rings: Rings, token: IssuedToken = issued_tokens.EXTERNAL_PERSON, **changes: Any) -> dict[str, Any]:
    return token.claims(rings.external_issuer, RESOURCE, **(SCOPE | changes))


def signed(rings: Rings, body: dict[str, Any], **signing: Any) -> str:
    given: dict[str, Any] = {"kid": EXTERNAL_KID, "typ": "at+jwt", "number": 2} | signing
    return rings.external.sign(body, **given)


def test_an_external_issuers_person_passes_every_ring(rings: Rings) -> None:
    headers = behind_access(rings, signed(rings, bearer(rings)))
    assert rings.stops_at("external.example.com", headers) is None


def test_an_external_issuers_machine_is_nobody_until_it_is_configured(rings: Rings) -> None:
    audience = rings.audiences["external.example.com"]
    edge = issued_tokens.SERVICE_TOKEN.claims(rings.access_issuer, audience)
    headers = behind_access(rings, signed(rings, bearer(rings, issued_tokens.EXTERNAL_AGENT)), edge)
    assert rings.stops_at("external.example.com", headers) == "guard"


BEARERS: dict[str, Callable[[Rings], str]] = {
    "exp missing": lambda rings: signed(rings, bearer(rings, exp=None)),
    "expired": lambda rings: signed(rings, bearer(rings, exp=int(time.time()) - 1)),
    "exp as text": lambda rings: signed(rings, bearer(rings, exp=str(int(time.time()) + 600))),
    "iat missing": lambda rings: signed(rings, bearer(rings, iat=None)),
    "nbf in two minutes": lambda rings: signed(rings, bearer(rings, nbf=int(time.time()) + 120)),
    "nbf as text": lambda rings: signed(rings, bearer(rings, nbf="0")),
    "another issuer": lambda rings: signed(rings, bearer(rings, iss="https://evil.example")),
    "another resource": lambda rings: signed(rings, bearer(rings, aud="https://other.example.com/mcp")),
    "no scope": lambda rings: signed(rings, bearer(rings, scope="openid")),
    "another person than Access admitted": lambda rings: signed(rings, bearer(rings, email="bob@example.com")),
    "sender-constrained": lambda rings: signed(rings, bearer(rings, cnf={"jkt": "x"})),
    "no subject": lambda rings: signed(rings, bearer(rings, sub=None)),
    "kid in the payload": lambda rings: signed(rings, bearer(rings, kid=EXTERNAL_KID)),
    "a key nobody knows": lambda rings: signed(rings, bearer(rings), kid="two"),
    "foreign signature": lambda rings: signed(rings, bearer(rings), number=3),
    "the Access key": lambda rings: signed(rings, bearer(rings), number=0, kid="one"),
    "an ID token": lambda rings: signed(rings, bearer(rings), typ="id+jwt"),
    "no token": lambda rings: "",
}


@pytest.mark.parametrize("case", BEARERS)
def test_a_bent_bearer_token_stops_at_the_gateway_and_the_guard_would_refuse_it_too(rings: Rings, case: str) -> None:
    headers = behind_access(rings, BEARERS[case](rings))
    assert rings.stops_at("external.example.com", headers) == "kong"
    assert rings.refuses("guard", "external.example.com", headers)


def test_a_forged_assertion_beside_a_good_bearer_token_stops_at_cloudflared_and_at_the_guard(rings: Rings) -> None:
    """Kong runs one jwt plugin a request, and in this mode it verifies the bearer token."""
    headers = behind_access(rings, signed(rings, bearer(rings)), number=1)
    assert rings.stops_at("external.example.com", headers) == "cloudflared"
    assert rings.refuses("guard", "external.example.com", headers)
