"""Checks of token issuers: their keys can be fetched, or they can be asked; their metadata matches; clients can sign in."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

from model.errors import Unreachable
from model.text import visible
from operations.doctor.checks import Check, clock, ok
from operations.doctor.http import ServiceResponse, fetch
from operations.keys.decide import read_jwks


@dataclass(frozen=True)
class CheckedIssuer:
    """An issuer to check.

    `address` is where its keys are, or where it is asked about tokens if `introspected`. `discovery` is false for
    Cloudflare Access, where each application has its own metadata.
    """

    name: str
    issuer: str
    address: str
    discovery: bool = True
    introspected: bool = False

    @property
    def ids(self) -> tuple[str, ...]:
        first = "issuer.introspection" if self.introspected else "issuer.keys"
        return (first, "issuer.metadata") if self.discovery else (first,)


def check(issuer: CheckedIssuer) -> Iterator[Check]:
    """Check the keys or the address of questions, then the issuer's clock, then the metadata."""
    answer, finding = _introspection(issuer) if issuer.introspected else _keys(issuer)
    yield finding
    if answer is not None:
        yield from clock(answer.host, answer.skew)
    if issuer.discovery:
        yield from _metadata(issuer)


def _keys(issuer: CheckedIssuer) -> tuple[ServiceResponse | None, Check]:
    id_, subject = "issuer.keys", issuer.name
    try:
        answer = fetch(issuer.address)
    except Unreachable as error:
        remedy = "correct jwks_uri (or cloudflare.team), or allow connections to it"
        return None, Check(id_, "error", str(error), remedy, subject)
    if answer.status != 200:
        text = f"{issuer.address} answered {answer.status}"
        return answer, Check(id_, "error", text, "correct jwks_uri (or cloudflare.team), or ask the issuer", subject)
    try:
        keys = read_jwks(answer.body)
    except ValueError as error:
        return answer, Check(id_, "error", f"{issuer.address}: {error}", "ask the issuer: no token verifies", subject)
    if keys.ignored:
        text = f"{len(keys.keys)} usable keys; not used: {visible('; '.join(keys.ignored))[:200]}"
        return answer, Check(id_, "warning", text, "ask the issuer to sign with RS256 alone", subject)
    return answer, ok(id_, f"{len(keys.keys)} usable keys", subject)


def _introspection(issuer: CheckedIssuer) -> tuple[ServiceResponse | None, Check]:
    """Ask about a made-up token as a stranger, whom an issuer must refuse (RFC 7662 section 2.1)."""
    id_, subject, name = "issuer.introspection", issuer.name, "introspection.endpoint"
    try:
        answer = fetch(issuer.address, form={"token": "ringwall-doctor"})
    except Unreachable as error:
        return None, Check(id_, "error", str(error), f"correct {name}, or allow connections to it", subject)
    if answer.status in (400, 401, 403):
        return answer, ok(id_, "refuses whoever shows no client", subject)
    if answer.status == 200:
        text = f"{issuer.address} tells strangers about tokens: whoever guesses one learns whose it is"
        return answer, Check(id_, "warning", text, "ask the issuer to answer its clients alone", subject)
    text = f"{issuer.address} answered {answer.status}"
    return answer, Check(id_, "error", text, f"correct {name}, or ask the issuer", subject)


def discovery_urls(issuer: str) -> tuple[str, ...]:
    """URLs of the metadata in the order in which a client tries them.

    RFC 8414 section 3.1, then OpenID Connect inserted, then appended (MCP authorization specification).
    """
    parts = urlsplit(issuer)
    base, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    urls = [
        f"{base}/.well-known/oauth-authorization-server{path}",
        f"{base}/.well-known/openid-configuration{path}",
        f"{base}{path}/.well-known/openid-configuration",
    ]
    return tuple(dict.fromkeys(urls))


def _metadata(issuer: CheckedIssuer) -> Iterator[Check]:
    id_, subject = "issuer.metadata", issuer.name
    metadata = None
    for url in discovery_urls(issuer.issuer):
        try:
            answer = fetch(url)
        except Unreachable as error:
            yield Check(id_, "error", str(error), "correct issuer, or allow connections to it", subject)
            return
        if answer.status == 200 and (metadata := answer.object()) is not None:
            break
    if metadata is None:
        text = f"{issuer.issuer} publishes no metadata: clients cannot find where to sign in"
        yield Check(id_, "error", text, "correct issuer, or have it publish RFC 8414 metadata", subject)
        return
    problems = False
    if metadata.get("issuer") != issuer.issuer:
        problems = True
        text = f"its metadata names the issuer {visible(str(metadata.get('issuer')))[:200]}, not {issuer.issuer}"
        yield Check(id_, "error", text, "write issuer exactly as its metadata and its tokens do", subject)
    name, key = (
        ("introspection_endpoint", "introspection.endpoint") if issuer.introspected else ("jwks_uri", "jwks_uri")
    )
    # Optional for whoever is asked (RFC 8414 section 2).
    if metadata.get(name, issuer.address if issuer.introspected else None) != issuer.address:
        problems = True
        text = f"its metadata names another {name}, {visible(str(metadata.get(name)))[:200]}"
        yield Check(id_, "error", text, f"verify with the issuer which is right, then correct {key}", subject)
    methods = metadata.get("code_challenge_methods_supported")
    if not isinstance(methods, list) or "S256" not in methods:
        problems = True
        text = "it does not say that it supports PKCE with S256: MCP clients must refuse it"
        yield Check(id_, "error", text, "switch PKCE (S256) on at the issuer", subject)
    if not problems:
        yield ok(
            id_,
            f"names itself{'' if issuer.introspected else ', its keys'} and PKCE as the stack file expects",
            subject,
        )
