"""Checks of token issuers: their keys can be fetched, their metadata matches the stack file, MCP clients can sign in."""

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
    """An issuer to check. `discovery` is false for Cloudflare Access, where each application has its own metadata."""

    name: str
    issuer: str
    jwks_uri: str
    discovery: bool = True

    @property
    def ids(self) -> tuple[str, ...]:
        return ("issuer.keys", "issuer.metadata") if self.discovery else ("issuer.keys",)


def check(issuer: CheckedIssuer) -> Iterator[Check]:
    """Check the keys, then the issuer's clock, then the metadata."""
    answer, finding = _keys(issuer)
    yield finding
    if answer is not None:
        yield from clock(answer.host, answer.skew)
    if issuer.discovery:
        yield from _metadata(issuer)


def _keys(issuer: CheckedIssuer) -> tuple[ServiceResponse | None, Check]:
    id_, subject = "issuer.keys", issuer.name
    try:
        answer = fetch(issuer.jwks_uri)
    except Unreachable as error:
        remedy = "correct jwks_uri (or cloudflare.team), or allow connections to it"
        return None, Check(id_, "error", str(error), remedy, subject)
    if answer.status != 200:
        text = f"{issuer.jwks_uri} answered {answer.status}"
        return answer, Check(id_, "error", text, "correct jwks_uri (or cloudflare.team), or ask the issuer", subject)
    try:
        keys = read_jwks(answer.body)
    except ValueError as error:
        return answer, Check(id_, "error", f"{issuer.jwks_uri}: {error}", "ask the issuer: no token verifies", subject)
    if keys.ignored:
        text = f"{len(keys.keys)} usable keys; not used: {visible('; '.join(keys.ignored))[:200]}"
        return answer, Check(id_, "warning", text, "ask the issuer to sign with RS256 alone", subject)
    return answer, ok(id_, f"{len(keys.keys)} usable keys", subject)


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
    if metadata.get("jwks_uri") != issuer.jwks_uri:
        problems = True
        text = f"its metadata names another jwks_uri, {visible(str(metadata.get('jwks_uri')))[:200]}"
        yield Check(id_, "error", text, "verify with the issuer which is right, then correct jwks_uri", subject)
    methods = metadata.get("code_challenge_methods_supported")
    if not isinstance(methods, list) or "S256" not in methods:
        problems = True
        text = "it does not say that it supports PKCE with S256: MCP clients must refuse it"
        yield Check(id_, "error", text, "switch PKCE (S256) on at the issuer", subject)
    if not problems:
        yield ok(id_, "names itself, its keys and PKCE as the stack file expects", subject)
