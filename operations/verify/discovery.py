"""How a client that knows only the URL finds out where to sign in (MCP authorization; RFC 9728, RFC 8414, RFC 7591).

In mode access Cloudflare serves the documents without a login. In mode external Access stands before them too, so they
are asked for with the caller's service token, and clients need a way past Access of their own.
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from model.text import visible
from operations.verify.client import Answer, Headers, NoAnswer
from operations.verify.context import Context, Probe
from operations.verify.report import Result, failed, passed, skipped
from operations.verify.subject import Door, attempt, described

WELL_KNOWN = "/.well-known/oauth-protected-resource"
_AS = "/.well-known/oauth-authorization-server"
_OIDC = "/.well-known/openid-configuration"
_METADATA = re.compile(r'resource_metadata\s*=\s*"([^"]*)"', re.IGNORECASE)
#: Where the rehearsed sign-in would come back to; nobody listens there.
LOOPBACK_REDIRECT = "http://127.0.0.1:33418/"
FOREIGN_REDIRECT = "https://redirect.invalid/callback"


@dataclass
class Found:
    """What discovery at one door came to. A problem that keeps every client out is in `problems`, by subject."""

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
        """Ways to become known to the authorization server, in the order clients try them (MCP 2025-11-25)."""
        ways = ("CIMD",) if self.metadata.get("client_id_metadata_document_supported") is True else ()
        return (*ways, "DCR") if isinstance(self.metadata.get("registration_endpoint"), str) else ways


async def _discover(context: Context, door: Door) -> Found | Result:
    """Everything once a door; a Result where it cannot be looked at."""
    key = f"discovery {door.hostname}"
    if key not in context.cache:
        context.cache[key] = await _walk(context, door)
    found: Found | Result = context.cache[key]
    return found


def _past_access(context: Context) -> Headers | Result:
    if context.subject.mode == "access":
        return ()
    if context.caller is None or not context.caller.access:
        return skipped("mode external: Access stands before discovery, and no service token was given")
    return context.caller.access


async def _walk(context: Context, door: Door) -> Found | Result:
    past = _past_access(context)
    if isinstance(past, Result):
        return past
    found = Found()
    answer = await attempt(context.knock(door, past))
    if isinstance(answer, NoAnswer):
        return failed(str(answer))
    found.status, found.challenge = answer.status, answer.headers.get("www-authenticate")
    if match := _METADATA.search(found.challenge or ""):
        found.pointer = match[1]
    await _resource_metadata(context, door, found, past)
    document = next(iter(found.documents.values()), None)
    servers = document.get("authorization_servers") if document else None
    if isinstance(servers, list) and servers and isinstance(servers[0], str):
        await _server_metadata(context, found, servers[0], past)
    else:
        found.problems["server"] = "no document names an authorization server"
    return found


async def _resource_metadata(context: Context, door: Door, found: Found, past: Headers) -> None:
    path = context.subject.path.rstrip("/")
    urls = {"path": context.url(door, f"{WELL_KNOWN}{path}"), "root": context.url(door, WELL_KNOWN)}
    if found.pointer is not None:
        if urlsplit(found.pointer).hostname != door.hostname:
            found.problems["pointer"] = f"resource_metadata points to another host: {visible(found.pointer)}"
        elif problem := context.client.allows(found.pointer):
            found.problems["pointer"] = f"resource_metadata {problem}: {visible(found.pointer)}"
        else:
            urls = {"pointer": found.pointer, **urls}
    for name, url in urls.items():
        answer = await attempt(context.client.send("GET", url, headers=(("accept", "application/json"), *past)))
        document = answer.json() if isinstance(answer, Answer) and answer.status == 200 else None
        if isinstance(document, dict):
            found.documents[name] = document
        else:
            seen = str(answer) if isinstance(answer, NoAnswer) else described(context.subject, answer)
            found.problems[name] = f"{visible(url)}: {seen}, no JSON object"


def metadata_urls(issuer: str) -> list[str]:
    """Where an issuer's metadata is, in the order MCP prescribes: RFC 8414 insertion, OIDC insertion, OIDC appended."""
    parts = urlsplit(issuer)
    base, path = f"{parts.scheme}://{parts.netloc}", parts.path.rstrip("/")
    return list(dict.fromkeys((f"{base}{_AS}{path}", f"{base}{_OIDC}{path}", f"{base}{path}{_OIDC}")))


async def _server_metadata(context: Context, found: Found, issuer: str, past: Headers) -> None:
    found.issuer = issuer
    if problem := context.client.allows(issuer):
        found.problems["server"] = f"the authorization server {visible(issuer)} {problem}"
        return
    own = {door.hostname for door in context.subject.doors}
    tried = []
    for url in metadata_urls(issuer):
        # The service token goes to this server's own names only.
        headers = past if urlsplit(url).hostname in own else ()
        answer = await attempt(context.client.send("GET", url, headers=(("accept", "application/json"), *headers)))
        document = answer.json() if isinstance(answer, Answer) and answer.status == 200 else None
        if isinstance(document, dict):
            found.metadata, found.metadata_url = document, url
            return
        tried.append(urlsplit(url).path)
    found.problems["server"] = f"no metadata of {visible(issuer)} at {', '.join(tried)}"


async def challenge(context: Context, door: Door) -> Result:
    found = await _discover(context, door)
    if isinstance(found, Result):
        return found
    if found.status != 401:
        return failed(f"{found.status}: a client learns from a 401 only that it must sign in")
    if not (found.challenge or "").lower().startswith("bearer"):
        return failed("401 without WWW-Authenticate: Bearer")
    if "pointer" in found.problems:
        return failed(found.problems["pointer"])
    if found.pointer is None:
        return failed("401 whose WWW-Authenticate has no resource_metadata (required in 2025-06-18)")
    return passed(f"401 with resource_metadata at {visible(urlsplit(found.pointer).path)}")


async def well_known(context: Context, door: Door) -> Result:
    found = await _discover(context, door)
    if isinstance(found, Result):
        return found
    problems = [found.problems[name] for name in ("path", "root") if name in found.problems]
    return failed("; ".join(problems)) if problems else passed("both are there")


def _canonical(context: Context, door: Door) -> set[str]:
    """What `resource` may be: this name's own URL, or in mode external the audience that tokens are for."""
    if context.subject.mode == "external":
        return {context.subject.resource}
    own = context.url(door)
    return {own.removesuffix("/")} if context.subject.path == "/" else {own}


async def resource(context: Context, door: Door) -> Result:
    found = await _discover(context, door)
    if isinstance(found, Result):
        return found
    if not found.documents:
        return failed("no document was there to look at")
    allowed = _canonical(context, door)
    wrong = {
        name: visible(str(document.get("resource")))
        for name, document in found.documents.items()
        if str(document.get("resource")).removesuffix("/") not in allowed
    }
    if wrong:
        return failed(", ".join(f"{name}: {value}" for name, value in wrong.items()))
    return passed(sorted(allowed)[0])


async def authorization_server(context: Context, door: Door) -> Result:
    found = await _discover(context, door)
    if isinstance(found, Result):
        return found
    if "server" in found.problems:
        return failed(found.problems["server"])
    expected = context.subject.external_issuer
    if expected is not None and found.issuer != expected:
        return failed(f"the documents name {visible(str(found.issuer))}, tokens are taken from {expected}")
    if found.metadata.get("issuer") != found.issuer:
        return failed(f"its issuer is {visible(str(found.metadata.get('issuer')))}, not {visible(str(found.issuer))}")
    problems = []
    for name in ("authorization_endpoint", "token_endpoint"):
        endpoint = found.metadata.get(name)
        problem = context.client.allows(endpoint) if isinstance(endpoint, str) else "is missing"
        problems += [f"{name} {problem}"] if problem else []
    return failed("; ".join(problems)) if problems else passed(f"{visible(urlsplit(str(found.metadata_url)).path)}")


async def pkce(context: Context, door: Door) -> Result:
    found = await _discover(context, door)
    if isinstance(found, Result):
        return found
    if not found.metadata:
        return skipped("there is no authorization server metadata to look at")
    methods = found.metadata.get("code_challenge_methods_supported")
    if not isinstance(methods, list):
        return failed("code_challenge_methods_supported is missing: clients must refuse")
    return passed("S256") if "S256" in methods else failed(f"only {visible(', '.join(map(str, methods)))}")


async def registration(context: Context, door: Door) -> Result:
    found = await _discover(context, door)
    if isinstance(found, Result):
        return found
    if not found.metadata:
        return skipped("there is no authorization server metadata to look at")
    if found.registration:
        return passed(", ".join(found.registration))
    return failed("neither CIMD nor DCR: each client needs an id that was registered by hand")


async def loopback_redirect(context: Context, door: Door) -> Result:
    """Registers as a desktop client would; a redirect to a stranger's site must be refused (confused deputy)."""
    found = await _discover(context, door)
    if isinstance(found, Result):
        return found
    if "DCR" not in found.registration:
        return skipped("no dynamic registration is offered")
    if not context.register:
        return skipped("registering leaves a client at the authorization server; add --register to try it")
    endpoint = str(found.metadata["registration_endpoint"])
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


async def _register(context: Context, endpoint: str, redirect: str) -> tuple[int | str, Any]:
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
    return (str(answer), None) if isinstance(answer, NoAnswer) else (answer.status, answer.json())


@dataclass(frozen=True)
class ClientWay:
    """How a client goes about it: which documents it can start from (any), which registration it can use (any), and
    what its sign-in comes back to."""

    id: str
    name: str
    starts: tuple[str, ...]
    registers: tuple[str, ...]
    returns: str


#: Starting points: what the vendors' clients do on top of the specification's order (pointer, path, root). Redirects:
#: code.claude.com/docs (MCP), cursor.com/docs/mcp, github.com/microsoft/vscode issue 278512, and the Inspector's own page.
CLIENTS = (
    ClientWay("claude", "Claude", ("pointer", "path", "root"), ("CIMD", "DCR"), "http://localhost:PORT/callback"),
    ClientWay(
        "cursor",
        "Cursor",
        ("pointer", "path", "root"),
        ("DCR",),
        "http://localhost:8787/callback, before that cursor://anysphere.cursor-mcp/oauth/callback",
    ),
    ClientWay(
        "vscode",
        "VS Code",
        ("pointer", "path", "root"),
        ("CIMD", "DCR"),
        "http://127.0.0.1:33418/ and https://vscode.dev/redirect",
    ),
    ClientWay(
        "inspector",
        "MCP Inspector",
        ("pointer", "path", "root"),
        ("DCR",),
        "http://localhost:6274/oauth/callback",
    ),
)


def client_probe(way: ClientWay) -> Probe:
    """The whole walk of one client up to the browser."""

    async def run(context: Context, door: Door) -> Result:
        found = await _discover(context, door)
        if isinstance(found, Result):
            return found
        start = next((name for name in way.starts if name in found.documents), None)
        if start is None:
            return failed("finds no protected-resource metadata")
        stated = str(found.documents[start].get("resource")).removesuffix("/")
        if stated not in _canonical(context, door):
            return failed(f"refuses: resource is {visible(stated)}, not the URL it was given")
        for step in (authorization_server, pkce):
            result = await step(context, door)
            if result.outcome != "pass":
                return failed(result.seen)
        how = next((one for one in found.registration if one in way.registers), None)
        if how is None:
            return skipped(f"needs {' or '.join(way.registers)}, or a client id set by hand; neither is offered")
        return passed(f"from {start}, {how}; comes back to {way.returns}")

    return Probe(
        f"discovery.client.{way.id}",
        f"discovery as {way.name} does it",
        f"a document with the right resource, metadata, S256, {' or '.join(way.registers)}",
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
        "how a client becomes known",
        "client id metadata documents or dynamic registration",
        "switch one of them on at the issuer, or give every client an id by hand",
        registration,
    ),
    Probe(
        "discovery.loopback-redirect",
        "registration with a loopback redirect, and with a stranger's",
        "the first is taken, the second is not",
        "allow loopback redirects for dynamically registered clients and nothing else",
        loopback_redirect,
    ),
    *(client_probe(way) for way in CLIENTS),
)
