"""Probes of OAuth discovery: how a client that knows only the URL learns where to sign in.

Standards: MCP authorization, RFC 9728, RFC 8414, RFC 7591. In mode access Cloudflare serves the metadata without a login.
In mode external Access protects the metadata too, so it is requested with the caller's service token, and clients need
their own way past Access.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from model.text import visible
from operations.verify.client import Headers, HttpResponse, NoResponse
from operations.verify.context import Probe, VerifyContext
from operations.verify.report import ProbeResult, failed, passed, skipped
from operations.verify.subject import PublicHostname, attempt, described

WELL_KNOWN = "/.well-known/oauth-protected-resource"
_AUTHORIZATION_SERVER = "/.well-known/oauth-authorization-server"
_OIDC = "/.well-known/openid-configuration"
_METADATA = re.compile(r'resource_metadata\s*=\s*"([^"]*)"', re.IGNORECASE)
#: The redirect URI of the rehearsed sign-in; nothing listens there.
LOOPBACK_REDIRECT = "http://127.0.0.1:33418/"
FOREIGN_REDIRECT = "https://redirect.invalid/callback"


@dataclass
class Discovery:
    """The result of discovery at one public name. `problems` holds, by subject, each problem that keeps every client out."""

    status: int = 0
    challenge: str | None = None
    pointer: str | None = None
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


async def _discover(context: VerifyContext, door: PublicHostname) -> Discovery | ProbeResult:
    """Run discovery once for each public name; a Result where it cannot be run."""
    key = f"discovery {door.hostname}"
    if key not in context.cache:
        context.cache[key] = await _walk(context, door)
    discovery: Discovery | ProbeResult = context.cache[key]
    return discovery


def _past_access(context: VerifyContext) -> Headers | ProbeResult:
    """The headers that get a request for metadata past Access; none in mode access."""
    if context.subject.mode == "access":
        return ()
    if context.caller is None or not context.caller.access:
        return skipped("mode external: Access stands before discovery, and no service token was given")
    return context.caller.access


async def _walk(context: VerifyContext, door: PublicHostname) -> Discovery | ProbeResult:
    past = _past_access(context)
    if isinstance(past, ProbeResult):
        return past
    discovery = Discovery()
    answer = await attempt(context.send_initialize(door, past))
    if isinstance(answer, NoResponse):
        return failed(str(answer))
    discovery.status, discovery.challenge = answer.status, answer.headers.get("www-authenticate")
    if match := _METADATA.search(discovery.challenge or ""):
        discovery.pointer = match[1]
    await _resource_metadata(context, door, discovery, past)
    document = next(iter(discovery.documents.values()), None)
    servers = document.get("authorization_servers") if document else None
    if isinstance(servers, list) and servers and isinstance(servers[0], str):
        await _server_metadata(context, discovery, servers[0], past)
    else:
        discovery.problems["server"] = "no document names an authorization server"
    return discovery


async def _resource_metadata(context: VerifyContext, door: PublicHostname, discovery: Discovery, past: Headers) -> None:
    path = context.subject.path.rstrip("/")
    urls = {"path": context.url(door, f"{WELL_KNOWN}{path}"), "root": context.url(door, WELL_KNOWN)}
    if discovery.pointer is not None:
        if urlsplit(discovery.pointer).hostname != door.hostname:
            discovery.problems["pointer"] = f"resource_metadata points to another host: {visible(discovery.pointer)}"
        elif problem := context.client.allows(discovery.pointer):
            discovery.problems["pointer"] = f"resource_metadata {problem}: {visible(discovery.pointer)}"
        else:
            urls = {"pointer": discovery.pointer, **urls}
    for name, url in urls.items():
        answer = await attempt(context.client.send("GET", url, headers=(("accept", "application/json"), *past)))
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


async def _server_metadata(context: VerifyContext, discovery: Discovery, issuer: str, past: Headers) -> None:
    discovery.issuer = issuer
    if problem := context.client.allows(issuer):
        discovery.problems["server"] = f"the authorization server {visible(issuer)} {problem}"
        return
    server_names = {door.hostname for door in context.subject.doors}
    tried = []
    for url in metadata_urls(issuer):
        # The service token goes to this server's own names only.
        headers = past if urlsplit(url).hostname in server_names else ()
        answer = await attempt(context.client.send("GET", url, headers=(("accept", "application/json"), *headers)))
        document = answer.json() if isinstance(answer, HttpResponse) and answer.status == 200 else None
        if isinstance(document, dict):
            discovery.metadata, discovery.metadata_url = document, url
            return
        tried.append(urlsplit(url).path)
    discovery.problems["server"] = f"no metadata of {visible(issuer)} at {', '.join(tried)}"


async def challenge(context: VerifyContext, door: PublicHostname) -> ProbeResult:
    discovery = await _discover(context, door)
    if isinstance(discovery, ProbeResult):
        return discovery
    if discovery.status != 401:
        return failed(f"{discovery.status}: a client learns from a 401 only that it must sign in")
    if not (discovery.challenge or "").lower().startswith("bearer"):
        return failed("401 without WWW-Authenticate: Bearer")
    if "pointer" in discovery.problems:
        return failed(discovery.problems["pointer"])
    if discovery.pointer is None:
        return failed("401 whose WWW-Authenticate has no resource_metadata (required in 2025-06-18)")
    return passed(f"401 with resource_metadata at {visible(urlsplit(discovery.pointer).path)}")


async def well_known(context: VerifyContext, door: PublicHostname) -> ProbeResult:
    discovery = await _discover(context, door)
    if isinstance(discovery, ProbeResult):
        return discovery
    problems = [discovery.problems[name] for name in ("path", "root") if name in discovery.problems]
    return failed("; ".join(problems)) if problems else passed("both are there")


def _canonical(context: VerifyContext, door: PublicHostname) -> set[str]:
    """Allowed values of `resource`: the URL of this public name, or in mode external the audience of its tokens."""
    if context.subject.mode == "external":
        return {context.subject.resource}
    canonical = context.url(door)
    return {canonical.removesuffix("/")} if context.subject.path == "/" else {canonical}


async def resource(context: VerifyContext, door: PublicHostname) -> ProbeResult:
    discovery = await _discover(context, door)
    if isinstance(discovery, ProbeResult):
        return discovery
    if not discovery.documents:
        return failed("there is no protected-resource metadata to check")
    allowed = _canonical(context, door)
    wrong = {
        name: visible(str(document.get("resource")))
        for name, document in discovery.documents.items()
        if str(document.get("resource")).removesuffix("/") not in allowed
    }
    if wrong:
        return failed(", ".join(f"{name}: {value}" for name, value in wrong.items()))
    return passed(sorted(allowed)[0])


async def authorization_server(context: VerifyContext, door: PublicHostname) -> ProbeResult:
    discovery = await _discover(context, door)
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


async def pkce(context: VerifyContext, door: PublicHostname) -> ProbeResult:
    discovery = await _discover(context, door)
    if isinstance(discovery, ProbeResult):
        return discovery
    if not discovery.metadata:
        return skipped("there is no authorization server metadata to check")
    methods = discovery.metadata.get("code_challenge_methods_supported")
    if not isinstance(methods, list):
        return failed("code_challenge_methods_supported is missing: clients must refuse")
    return passed("S256") if "S256" in methods else failed(f"only {visible(', '.join(map(str, methods)))}")


async def registration(context: VerifyContext, door: PublicHostname) -> ProbeResult:
    discovery = await _discover(context, door)
    if isinstance(discovery, ProbeResult):
        return discovery
    if not discovery.metadata:
        return skipped("there is no authorization server metadata to check")
    if discovery.registration:
        return passed(", ".join(discovery.registration))
    return failed("neither CIMD nor DCR: each client needs an id that is registered by hand")


async def loopback_redirect(context: VerifyContext, door: PublicHostname) -> ProbeResult:
    """Register as a desktop client would; a redirect to a stranger's site must be refused (confused deputy)."""
    discovery = await _discover(context, door)
    if isinstance(discovery, ProbeResult):
        return discovery
    if "DCR" not in discovery.registration:
        return skipped("no dynamic registration is offered")
    if not context.register:
        return skipped("registering leaves a client at the authorization server; add --register to try it")
    endpoint = str(discovery.metadata["registration_endpoint"])
    if problem := context.client.allows(endpoint):
        return failed(f"registration_endpoint {problem}")
    local, body = await _register(context, endpoint, LOOPBACK_REDIRECT)
    uris = body.get("redirect_uris") if isinstance(body, dict) else None
    if local not in (200, 201) or not isinstance(uris, list) or LOOPBACK_REDIRECT not in uris:
        return failed(f"{local}: {LOOPBACK_REDIRECT} was not registered")
    foreign, _ = await _register(context, endpoint, FOREIGN_REDIRECT)
    if foreign in (200, 201):
        return failed(f"{FOREIGN_REDIRECT} was registered too ({foreign}): a code could be sent to a stranger")
    return passed(f"{LOOPBACK_REDIRECT} registered, {FOREIGN_REDIRECT} refused ({foreign})")


async def _register(context: VerifyContext, endpoint: str, redirect: str) -> tuple[int | str, Any]:
    document = {
        "client_name": "ringwall verify",
        "redirect_uris": [redirect],
        "grant_types": ["authorization_code", "refresh_token"],
        "response_types": ["code"],
        "token_endpoint_auth_method": "none",
        "application_type": "native",
    }
    headers = (("content-type", "application/json"), ("accept", "application/json"))
    answer = await attempt(context.client.send("POST", endpoint, headers=headers, body=json.dumps(document).encode()))
    return (str(answer), None) if isinstance(answer, NoResponse) else (answer.status, answer.json())


@dataclass(frozen=True)
class ClientFlow:
    """How a client discovers the sign-in: the documents it can start from, the registration methods it can use (one of each
    suffices), and the redirect URI of its sign-in."""

    id: str
    name: str
    starts: tuple[str, ...]
    registers: tuple[str, ...]
    returns: str


#: Starting points: what the vendors' clients do on top of the specification's order (pointer, path, root). Redirects:
#: code.claude.com/docs (MCP), cursor.com/docs/mcp, github.com/microsoft/vscode issue 278512, and the Inspector's own page.
CLIENTS = (
    ClientFlow("claude", "Claude", ("pointer", "path", "root"), ("CIMD", "DCR"), "http://localhost:PORT/callback"),
    ClientFlow(
        "cursor",
        "Cursor",
        ("pointer", "path", "root"),
        ("DCR",),
        "http://localhost:8787/callback, before that cursor://anysphere.cursor-mcp/oauth/callback",
    ),
    ClientFlow(
        "vscode",
        "VS Code",
        ("pointer", "path", "root"),
        ("CIMD", "DCR"),
        "http://127.0.0.1:33418/ and https://vscode.dev/redirect",
    ),
    ClientFlow(
        "inspector",
        "MCP Inspector",
        ("pointer", "path", "root"),
        ("DCR",),
        "http://localhost:6274/oauth/callback",
    ),
)


def client_probe(client: ClientFlow) -> Probe:
    """The probe of one client's discovery, from the URL up to the sign-in in the browser."""

    async def run(context: VerifyContext, door: PublicHostname) -> ProbeResult:
        discovery = await _discover(context, door)
        if isinstance(discovery, ProbeResult):
            return discovery
        start = next((name for name in client.starts if name in discovery.documents), None)
        if start is None:
            return failed("finds no protected-resource metadata")
        stated = str(discovery.documents[start].get("resource")).removesuffix("/")
        if stated not in _canonical(context, door):
            return failed(f"refuses: resource is {visible(stated)}, not the URL it was given")
        for step in (authorization_server, pkce):
            result = await step(context, door)
            if result.outcome != "pass":
                return failed(result.observed)
        method = next((method for method in discovery.registration if method in client.registers), None)
        if method is None:
            return skipped(f"needs {' or '.join(client.registers)}, or a client id set by hand; neither is offered")
        return passed(f"from {start}, {method}; comes back to {client.returns}")

    return Probe(
        f"discovery.client.{client.id}",
        f"discovery as {client.name} does it",
        f"metadata documents with the right resource, S256, {' or '.join(client.registers)}",
        "see the other discovery checks; in mode access managed OAuth must be enabled on the Access application",
        run,
    )


_METADATA_REMEDY = (
    "mode access: run `ringwall drift` on the Access application's OAuth settings; external: on the gateway"
)
PROBES = (
    Probe(
        "discovery.challenge",
        "a request without a token, as a client's first",
        "401 with WWW-Authenticate: Bearer and resource_metadata on this name",
        _METADATA_REMEDY,
        challenge,
    ),
    Probe(
        "discovery.well-known",
        "both protected-resource well-known paths (RFC 9728)",
        "200 and JSON, without a login in front",
        _METADATA_REMEDY,
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
    Probe(
        "discovery.loopback-redirect",
        "registration with a loopback redirect, and with a stranger's",
        "the first is accepted, the second is refused",
        "allow loopback redirects for dynamically registered clients and nothing else",
        loopback_redirect,
    ),
    *(client_probe(flow) for flow in CLIENTS),
)
