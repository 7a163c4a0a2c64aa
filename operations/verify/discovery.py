"""Probes of OAuth discovery: how a client that knows only the URL learns where to sign in.

Standards: MCP authorization, RFC 9728, RFC 8414, RFC 7591. In mode access Cloudflare serves the metadata without a login.
In mode external Access protects the metadata too, so it is requested with the caller's service token, and clients need
their own way past Access. What one vendor's client makes of all this is in `clients`.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import httpx

from model.text import visible
from operations.verify.challenges import Challenge, challenge_of
from operations.verify.client import USER_AGENT, Headers, HttpResponse, NoResponse
from operations.verify.context import Probe, VerifyContext
from operations.verify.report import ProbeResult, failed, passed, skipped
from operations.verify.subject import PublicHostname, attempt, described

WELL_KNOWN = "/.well-known/oauth-protected-resource"
_AUTHORIZATION_SERVER = "/.well-known/oauth-authorization-server"
_OIDC = "/.well-known/openid-configuration"


@dataclass(frozen=True)
class UserAgents:
    """How a client names itself: when it speaks MCP, and when it fetches documents and registers."""

    mcp: str = USER_AGENT
    discovery: str = USER_AGENT


@dataclass
class Discovery:
    """The result of discovery at one public name. `problems` holds, by subject, each problem that keeps every client out."""

    challenge: Challenge
    documents: dict[str, dict[str, Any]] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    issuer: str | None = None
    metadata: dict[str, Any] = field(default_factory=dict)
    metadata_url: str | None = None

    @property
    def registration(self) -> tuple[str, ...]:
        """Registration methods of the authorization server, in the order in which clients try them (MCP 2025-11-25)."""
        methods = ("CIMD",) if self.metadata.get("client_id_metadata_document_supported") is True else ()
        return (*methods, "DCR") if isinstance(self.metadata.get("registration_endpoint"), str) else methods


async def discover(
    context: VerifyContext, door: PublicHostname, agents: UserAgents = UserAgents()
) -> Discovery | ProbeResult:
    """Run discovery once for each public name and user agent; a Result where it cannot be run."""
    key = f"discovery {door.hostname} {agents}"
    if key not in context.cache:
        context.cache[key] = await _walk(context, door, agents)
    discovery: Discovery | ProbeResult = context.cache[key]
    return discovery


def _past_access(context: VerifyContext) -> Headers | ProbeResult:
    """The headers that get a request for metadata past Access; none in mode access."""
    if context.subject.mode == "access":
        return ()
    if context.caller is None or not context.caller.access:
        return skipped("mode external: Access stands before discovery, and no service token was given")
    return context.caller.access


async def _walk(context: VerifyContext, door: PublicHostname, agents: UserAgents) -> Discovery | ProbeResult:
    past = _past_access(context)
    if isinstance(past, ProbeResult):
        return past
    answer = await attempt(context.send_initialize(door, (*past, ("user-agent", agents.mcp))))
    if isinstance(answer, NoResponse):
        return failed(str(answer), "see edge.reachable")
    discovery = Discovery(challenge_of(context.subject, answer))
    sent = (*past, ("user-agent", agents.discovery))
    await _resource_metadata(context, door, discovery, sent)
    document = next(iter(discovery.documents.values()), None)
    servers = document.get("authorization_servers") if document else None
    if isinstance(servers, list) and servers and isinstance(servers[0], str):
        await _server_metadata(context, discovery, servers[0], sent)
    else:
        discovery.problems["server"] = "no document names an authorization server"
    return discovery


async def _resource_metadata(context: VerifyContext, door: PublicHostname, discovery: Discovery, sent: Headers) -> None:
    path = context.subject.path.rstrip("/")
    urls = {"path": context.url(door, f"{WELL_KNOWN}{path}"), "root": context.url(door, WELL_KNOWN)}
    pointer = discovery.challenge.pointer
    if pointer is not None:
        if problem := context.client.allows(pointer):
            discovery.problems["pointer"] = f"resource_metadata {problem}: {visible(pointer)}"
        elif urlsplit(pointer).hostname != door.hostname:
            discovery.problems["pointer"] = f"resource_metadata points to another host: {visible(pointer)}"
        else:
            urls = {"pointer": pointer, **urls}
    for name, url in urls.items():
        answer = await attempt(context.client.send("GET", url, headers=(("accept", "application/json"), *sent)))
        document = answer.json() if isinstance(answer, HttpResponse) and answer.status == 200 else None
        if isinstance(document, dict):
            discovery.documents[name] = document
        else:
            observed = str(answer) if isinstance(answer, NoResponse) else described(context.subject, answer)
            discovery.problems[name] = f"{visible(url)}: {observed}, no JSON object"


def metadata_urls(issuer: str) -> list[str]:
    """URLs of an issuer's metadata, in the order that MCP prescribes: RFC 8414 insertion, OIDC insertion, OIDC appended."""
    parts = urlsplit(issuer)
    base, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    return list(dict.fromkeys((f"{base}{_AUTHORIZATION_SERVER}{path}", f"{base}{_OIDC}{path}", f"{base}{path}{_OIDC}")))


async def _server_metadata(context: VerifyContext, discovery: Discovery, issuer: str, sent: Headers) -> None:
    discovery.issuer = issuer
    if problem := context.client.allows(issuer):
        discovery.problems["server"] = f"the authorization server {visible(issuer)} {problem}"
        return
    server_names = {door.hostname for door in context.subject.doors}
    tried = []
    for url in metadata_urls(issuer):
        # The service token goes to this server's own names only.
        trusted = urlsplit(url).hostname in server_names
        headers = sent if trusted else tuple(header for header in sent if header[0] == "user-agent")
        answer = await attempt(context.client.send("GET", url, headers=(("accept", "application/json"), *headers)))
        document = answer.json() if isinstance(answer, HttpResponse) and answer.status == 200 else None
        if isinstance(document, dict):
            discovery.metadata, discovery.metadata_url = document, url
            return
        tried.append(urlsplit(url).path)
    discovery.problems["server"] = f"no metadata of {visible(issuer)} at {', '.join(tried)}"


async def challenge(context: VerifyContext, door: PublicHostname) -> ProbeResult:
    discovery = await discover(context, door)
    if isinstance(discovery, ProbeResult):
        return discovery
    answer = discovery.challenge
    if "pointer" in discovery.problems:
        return failed(discovery.problems["pointer"])
    if answer.pointer is None:
        return failed(answer.text)
    return passed(f"{answer.text} at {visible(urlsplit(answer.pointer).path)}")


async def well_known(context: VerifyContext, door: PublicHostname) -> ProbeResult:
    discovery = await discover(context, door)
    if isinstance(discovery, ProbeResult):
        return discovery
    problems = [discovery.problems[name] for name in ("path", "root") if name in discovery.problems]
    return failed("; ".join(problems)) if problems else passed("both are there")


def _canonical(context: VerifyContext, door: PublicHostname) -> str:
    """The value of `resource` that is right: the URL of this public name, or in mode external the audience of its tokens."""
    return context.subject.resource if context.subject.mode == "external" else context.url(door)


def same_url(first: str, second: str) -> bool:
    """Whether two URLs are equal as a client compares them: a host in any case, and no path is the path `/`. Any other
    slash at the end counts."""
    try:
        return _compared(first) == _compared(second)
    except httpx.InvalidURL:
        return False


def _compared(url: str) -> tuple[str, str, int | None, bytes, str]:
    parts = httpx.URL(url)
    return parts.scheme, parts.host, parts.port, parts.raw_path, parts.fragment


async def resource(context: VerifyContext, door: PublicHostname) -> ProbeResult:
    discovery = await discover(context, door)
    if isinstance(discovery, ProbeResult):
        return discovery
    if not discovery.documents:
        return failed("there is no protected-resource metadata to check")
    canonical = _canonical(context, door)
    wrong = {
        name: visible(str(document.get("resource")))
        for name, document in discovery.documents.items()
        if not same_url(str(document.get("resource")), canonical)
    }
    if wrong:
        return failed(", ".join(f"{name}: {value}" for name, value in wrong.items()))
    return passed(canonical)


async def authorization_server(
    context: VerifyContext, door: PublicHostname, agents: UserAgents = UserAgents()
) -> ProbeResult:
    discovery = await discover(context, door, agents)
    if isinstance(discovery, ProbeResult):
        return discovery
    if "server" in discovery.problems:
        return failed(discovery.problems["server"])
    expected = context.subject.external_issuer
    if expected is not None and discovery.issuer != expected:
        return failed(f"the documents name {visible(str(discovery.issuer))}, tokens are taken from {expected}")
    if discovery.metadata.get("issuer") != discovery.issuer:
        return failed(
            f"its issuer is {visible(str(discovery.metadata.get('issuer')))}, not {visible(str(discovery.issuer))}"
        )
    problems = []
    for name in ("authorization_endpoint", "token_endpoint"):
        endpoint = discovery.metadata.get(name)
        problem = context.client.allows(endpoint) if isinstance(endpoint, str) else "is missing"
        problems += [f"{name} {problem}"] if problem else []
    return failed("; ".join(problems)) if problems else passed(f"{visible(urlsplit(str(discovery.metadata_url)).path)}")


async def pkce(context: VerifyContext, door: PublicHostname, agents: UserAgents = UserAgents()) -> ProbeResult:
    discovery = await discover(context, door, agents)
    if isinstance(discovery, ProbeResult):
        return discovery
    if not discovery.metadata:
        return skipped("there is no authorization server metadata to check")
    methods = discovery.metadata.get("code_challenge_methods_supported")
    if not isinstance(methods, list):
        return failed("code_challenge_methods_supported is missing: clients must refuse")
    return passed("S256") if "S256" in methods else failed(f"only {visible(', '.join(map(str, methods)))}")


async def registration(context: VerifyContext, door: PublicHostname) -> ProbeResult:
    discovery = await discover(context, door)
    if isinstance(discovery, ProbeResult):
        return discovery
    if not discovery.metadata:
        return skipped("there is no authorization server metadata to check")
    if discovery.registration:
        return passed(", ".join(discovery.registration))
    if door.registration is not None and not door.registration.enabled:
        return skipped("access.clients lets no client register")
    return failed("neither CIMD nor DCR: each client needs an id that is registered by hand")


METADATA_REMEDY = (
    "mode access: run `ringwall drift` on the Access application's OAuth settings; external: on the gateway"
)
PROBES = (
    Probe(
        "discovery.challenge",
        "a request without a token, as a client's first",
        "401 with WWW-Authenticate: Bearer and resource_metadata on this name",
        METADATA_REMEDY,
        challenge,
    ),
    Probe(
        "discovery.well-known",
        "both protected-resource well-known paths (RFC 9728)",
        "200 and JSON, without a login in front",
        METADATA_REMEDY,
        well_known,
    ),
    Probe(
        "discovery.resource",
        "`resource` of every such document",
        "the canonical URL of this server",
        "clients refuse a document for another URL; correct oauth.audience, or the host name",
        resource,
    ),
    Probe(
        "discovery.authorization-server",
        "the authorization server's metadata (RFC 8414, then OpenID Connect)",
        "found, its issuer exactly as named, endpoints by https",
        "see the issuer's own documents; in mode external correct the environment's issuers",
        authorization_server,
    ),
    Probe("discovery.pkce", "code_challenge_methods_supported", "S256", "switch PKCE on at the issuer", pkce),
    Probe(
        "discovery.registration",
        "how a client registers",
        "client id metadata documents or dynamic registration",
        "switch one of them on at the issuer, or give every client an id by hand",
        registration,
    ),
)
