"""Finds the principal of a request: the third and last check of the token, which trusts neither edge nor gateway.

Signature and times are checked in `assertions`; about a token that is no JWT `introspection` asks its issuer. Only
`cf-access-jwt-assertion` and, in mode external, `authorization` are read. Every other header that claims an identity
(x-ringwall-principal, cf-access-authenticated-user-email, cookies) may be written by anybody and is never read.
"""

from __future__ import annotations

import hashlib
import re
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import httpx

from guard.decide.reasons import Composed, Reason, TokenFault, token_reason
from guard.identity.assertions import BadToken, audiences, text, verify
from guard.identity.introspection import IssuerAnswers, IssuerUnavailable
from guard.identity.keys import IssuerKeys, KeysUnavailable
from guard.identity.principal import Principal
from model.guard_config import AccessIdentity, ExternalIdentity, FrontDoor, Identity

ASSERTION = b"cf-access-jwt-assertion"
AUTHORIZATION = b"authorization"
CACHE_SECONDS = 60.0
CACHE_ENTRIES = 4096
_ID = re.compile(r"[^\x00-\x20\x7f]{1,256}")
_BEARER = re.compile(rb"bearer +([A-Za-z0-9._~+/=-]+) *", re.IGNORECASE)
_SCOPE = re.compile(r"[\x21\x23-\x5b\x5d-\x7e]+")

Headers = Sequence[tuple[bytes, bytes]]


class NotIdentified(Exception):
    """The request has no verified principal. `reason` is for the audit log; the caller gets `status` only, and
    `www_authenticate` where the client can act on it."""

    status = 401

    def __init__(self, reason: Reason | Composed, www_authenticate: str | None = None) -> None:
        self.reason = reason
        self.www_authenticate = www_authenticate
        super().__init__(reason)


class Unauthenticated(NotIdentified):
    """401: the identity is missing, wrong, or given more than once."""


class Forbidden(NotIdentified):
    """403: the token is valid and lacks a scope (RFC 6750 section 3.1)."""

    status = 403


class IdentityUnavailable(NotIdentified):
    """503: the issuer's keys, or its word about a token, cannot be had, so nobody can be verified."""

    status = 503


class Verifier:
    """Turns headers into a principal.

    `client` fetches the issuers' keys. `path` is that of the MCP endpoint, for the metadata address. `clock` gives Unix
    seconds; `monotonic` measures the age of the keys. `previous` is the verifier of the bundle before: keys of issuers in
    both are taken over, so that a new bundle works while the issuer is down. A verified request is cached for 60 s at most
    (less where the stack file says for how long an issuer's word counts), and never past its token's expiry.
    """

    def __init__(
        self,
        identity: Identity,
        client: httpx.AsyncClient,
        *,
        path: str = "/mcp",
        clock: Callable[[], float] = time.time,
        monotonic: Callable[[], float] = time.monotonic,
        previous: Verifier | None = None,
    ) -> None:
        issuers = previous.issuers if previous else ()
        key_sets = {keys.uri: keys for keys in issuers if isinstance(keys, IssuerKeys)}
        self._agents = dict(identity.agents)
        self._access = identity.access
        self._external = identity.external
        self._demo = None
        self._path = path
        self._clock = clock
        self._doors: dict[str, FrontDoor] = {}
        self._access_keys: IssuerKeys | None = None
        self._external_issuer: IssuerKeys | IssuerAnswers | None = None
        if identity.access:
            self._doors = {door.hostname: door for door in identity.access.front_doors}
            uri = identity.access.jwks_uri
            self._access_keys = key_sets.get(uri) or IssuerKeys(uri, client, monotonic)
        self._cache_seconds = CACHE_SECONDS
        if identity.external and identity.external.introspection:
            settings = identity.external.introspection
            earlier = (
                issuer for issuer in issuers if isinstance(issuer, IssuerAnswers) and issuer.settings == settings
            )
            self._external_issuer = introspection = next(earlier, None) or IssuerAnswers(settings, client, monotonic)
            # The issuer may withdraw the token meanwhile.
            self._cache_seconds = min(CACHE_SECONDS, introspection.cache_seconds)
        elif identity.external and identity.external.jwks_uri:
            uri = identity.external.jwks_uri
            self._external_issuer = key_sets.get(uri) or IssuerKeys(uri, client, monotonic)
        if identity.demo:
            demo = identity.demo
            kind = "person" if demo.principal.startswith("person:") else "agent"
            self._demo = Principal(demo.principal, kind, agent=demo.agent, email=demo.email)  # type: ignore[arg-type]
        self._verified: OrderedDict[bytes, tuple[float, float, Principal]] = OrderedDict()

    @property
    def issuers(self) -> tuple[IssuerKeys | IssuerAnswers, ...]:
        """The issuers' keys, and the issuer that is asked about each token; to close at the end."""
        return tuple(issuer for issuer in (self._access_keys, self._external_issuer) if issuer is not None)

    def problems(self) -> list[str]:
        """The issuers of whom no token can be verified. Starts to fetch their keys, or to ask them."""
        return [problem for issuer in self.issuers if (problem := issuer.problem()) is not None]

    async def principal(self, headers: Headers, hostname: str) -> Principal:
        """The principal that all configured identities agree on.

        Args:
            headers: as they arrived, with repeated ones.
            hostname: the request's Host; a port in it is ignored.

        Raises:
            Unauthenticated: 401. Forbidden: 403. IdentityUnavailable: 503.
        """
        if self._demo is not None:
            return self._demo
        hostname = hostname.partition(":")[0].lower()
        assertions = [value for name, value in headers if name.lower() == ASSERTION] if self._access else []
        bearers = [value for name, value in headers if name.lower() == AUTHORIZATION] if self._external else []
        unix_time = self._clock()
        key = _key(hostname, assertions, bearers)
        known = self._verified.get(key)
        if known is not None and known[0] <= unix_time < known[1]:
            return known[2]
        try:
            principal = await self._verify(assertions, bearers, hostname, unix_time)
        except KeysUnavailable:
            raise IdentityUnavailable(Reason.KEYS_UNAVAILABLE) from None
        except IssuerUnavailable:
            raise IdentityUnavailable(Reason.ISSUER_UNAVAILABLE) from None
        self._remember(key, principal, unix_time)
        return principal

    def _remember(self, key: bytes, principal: Principal, unix_time: float) -> None:
        self._verified[key] = (unix_time, min(principal.expires, unix_time + self._cache_seconds), principal)
        self._verified.move_to_end(key)
        if len(self._verified) > CACHE_ENTRIES:
            self._verified.popitem(last=False)

    async def _verify(
        self, assertions: list[bytes], bearers: list[bytes], hostname: str, unix_time: float
    ) -> Principal:
        first = second = None
        if self._access and self._access_keys:
            try:
                first = await self._by_access(self._access, self._access_keys, assertions, hostname, unix_time)
            except BadToken as bad:
                raise Unauthenticated(token_reason("access", bad.fault)) from None
        if self._external and self._external_issuer:
            try:
                second = await self._by_bearer(self._external, self._external_issuer, bearers, hostname, unix_time)
            except BadToken as bad:
                error = None if bad.fault is TokenFault.MISSING else "invalid_token"
                raise Unauthenticated(token_reason("bearer", bad.fault), self.challenge(hostname, error)) from None
        if first is None or second is None:
            return first or second or _nobody()
        if not _same_caller(first, second):
            raise Unauthenticated(Reason.PRINCIPALS_DIFFER)
        return replace(second, hosted_client=first.hosted_client, expires=min(first.expires, second.expires))

    async def _by_access(
        self, access: AccessIdentity, keys: IssuerKeys, values: list[bytes], hostname: str, unix_time: float
    ) -> Principal:
        """The person or service token of an Access assertion (claims: Cloudflare One docs, "Application token")."""
        token = _only(values)
        door = self._doors.get(hostname)
        if door is None:
            raise BadToken(TokenFault.UNKNOWN_HOSTNAME)
        claims = await verify(token, keys, access.issuer, unix_time)
        named_audiences = audiences(claims)
        foreign_audiences = {front_door.audience for front_door in self._doors.values()} - {door.audience}
        if door.audience not in named_audiences or foreign_audiences.intersection(named_audiences):
            raise BadToken(TokenFault.WRONG_AUDIENCE)
        # Type `org` is the global session token: its holder is signed in to the team, but not admitted to this application.
        if claims.get("type") != "app":
            raise BadToken(TokenFault.WRONG_TOKEN_TYPE)
        subject, email, name = text(claims, "sub"), text(claims, "email"), text(claims, "common_name")
        if subject and email and "common_name" not in claims:
            # A person's token has nbf, a service token has none (same page).
            if "nbf" not in claims:
                raise BadToken(TokenFault.BAD_TIMES)
            return _person(subject, email, claims, door.hosted_client)
        if name and claims.get("sub") in (None, "") and "email" not in claims:
            return self._agent(name, claims, door.hosted_client)
        raise BadToken(TokenFault.AMBIGUOUS)

    async def _by_bearer(
        self,
        external: ExternalIdentity,
        issuer: IssuerKeys | IssuerAnswers,
        values: list[bytes],
        hostname: str,
        unix_time: float,
    ) -> Principal:
        match = _BEARER.fullmatch(_only(values))
        if match is None:
            raise BadToken(TokenFault.MALFORMED)
        if isinstance(issuer, IssuerAnswers):
            claims = await issuer.claims(match[1], external.issuer, unix_time)
        else:
            claims = await verify(match[1], issuer, external.issuer, unix_time)
        if external.audience not in audiences(claims):
            raise BadToken(TokenFault.WRONG_AUDIENCE)
        # A sender-constrained token proves nothing without its proof (RFC 9449 section 7.2, RFC 8705 section 3).
        if "cnf" in claims:
            raise BadToken(TokenFault.SENDER_CONSTRAINED)
        subject = text(claims, "sub")
        if subject is None:
            raise BadToken(TokenFault.AMBIGUOUS)
        if not set(external.scopes) <= _scopes(claims):
            raise Forbidden(Reason.INSUFFICIENT_SCOPE, self.challenge(hostname, "insufficient_scope"))
        clients = {claims[name] for name in ("client_id", "azp", "cid", "appid") if text(claims, name)}
        if _is_machine(subject, clients, claims):
            if len(clients) != 1:
                raise BadToken(TokenFault.AMBIGUOUS)
            return self._agent(clients.pop(), claims, None)
        # Some issuers write "false" as text (Cognito, Apple): only true and "true" count as verified.
        email = text(claims, "email") if claims.get("email_verified", True) in (True, "true") else None
        return _person(subject, email, claims, None)

    def _agent(self, client_id: str, claims: dict[str, Any], hosted_client: str | None) -> Principal:
        name = self._agents.get(client_id)
        if name is None:
            raise BadToken(TokenFault.UNKNOWN_AGENT)
        if not _ID.fullmatch(client_id):
            raise BadToken(TokenFault.MALFORMED)
        return Principal(
            f"agent:{client_id}", "agent", agent=name, hosted_client=hosted_client, expires=float(claims["exp"])
        )

    def challenge(self, hostname: str, error: str | None) -> str:
        """What the caller is asked for in mode external: RFC 6750 section 3, with the metadata address of RFC 9728 section
        5.1. It names configured hosts only."""
        external = self._external
        if external is None:
            raise AssertionError("only bearer tokens are challenged")
        host = hostname if hostname in self._doors else external.audience.partition("://")[2].partition("/")[0]
        fields = [f'error="{error}"'] if error else []
        scope = " ".join(external.scopes)
        if scope and all(_SCOPE.fullmatch(item) for item in external.scopes):
            fields.append(f'scope="{scope}"')
        fields.append(f'resource_metadata="https://{host}/.well-known/oauth-protected-resource{self._path}"')
        return "Bearer " + ", ".join(fields)


def _key(hostname: str, assertions: list[bytes], bearers: list[bytes]) -> bytes:
    hashed = hashlib.sha256(hostname.encode())
    for mark, values in ((b"\x00a", assertions), (b"\x00b", bearers)):
        for value in values:
            hashed.update(b"%b%d:" % (mark, len(value)))
            hashed.update(value)
    return hashed.digest()


def _only(values: list[bytes]) -> bytes:
    if not values:
        raise BadToken(TokenFault.MISSING)
    if len(values) > 1:
        raise BadToken(TokenFault.REPEATED)
    return values[0]


def _person(subject: str, email: str | None, claims: dict[str, Any], hosted_client: str | None) -> Principal:
    if not _ID.fullmatch(subject) or (email is not None and not _ID.fullmatch(email)):
        raise BadToken(TokenFault.MALFORMED)
    return Principal(
        f"person:{subject}",
        "person",
        email=email,
        hosted_client=hosted_client,
        claims=claims,
        expires=float(claims["exp"]),
    )


def _scopes(claims: dict[str, Any]) -> set[str]:
    """`scope` (RFC 9068: one string) or `scp` (Entra: one string; Okta: a list)."""
    for name in ("scope", "scp"):
        value = claims.get(name)
        if isinstance(value, str):
            return set(value.split(" "))
        if isinstance(value, list) and all(isinstance(item, str) for item in value):
            return set(value)
    return set()


def _is_machine(subject: str, clients: set[str], claims: dict[str, Any]) -> bool:
    """Whether this is a client-credentials token, which belongs to no person: RFC 9068 (sub is the client), and the claims
    that Auth0, Entra and Keycloak set. Treated as a person, it would get what is granted to every person."""
    if claims.get("gty") == "client-credentials" or claims.get("idtyp") == "app":
        return True
    username = claims.get("preferred_username")
    return any(
        subject in (client, f"{client}@clients") or username == f"service-account-{client}" for client in clients
    )


def _same_caller(access: Principal, bearer: Principal) -> bool:
    """Whether both tokens may belong to one caller. A service token at the edge may come with a person's bearer token. A
    person's Access session may not come with an agent's bearer token, nor one agent's with another's, and a person's own
    token says so by its verified address. Kong asks the same, but of a JWT alone."""
    if bearer.kind == "agent":
        return access.kind == "agent" and access.agent == bearer.agent
    if access.kind == "agent":
        return True
    return access.email is not None and bearer.email is not None and access.email.lower() == bearer.email.lower()


def _nobody() -> Principal:
    raise Unauthenticated(Reason.NO_IDENTITY_CONFIGURED)
