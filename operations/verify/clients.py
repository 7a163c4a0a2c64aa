"""Probes of the vendors' clients at the door: each one's whole way from the URL to the sign-in, as that client goes it.

A client is imitated by what its own source or the threads about it show: the user agents it names, what it does with a
challenge that names no document, how it compares `resource`, and the body that it registers with all redirect URIs at once.
The sign-in itself needs a person and is not tried. Only user agents can be imitated from here, which AI Crawl Control and
"Block AI bots" go by (anthropics/claude-ai-mcp#49, #680); bot rules also know the addresses of a vendor.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from model.known_clients import KNOWN_CLIENTS
from model.redirect_uris import loopback_host
from model.text import visible
from operations.verify.challenges import Challenge
from operations.verify.client import Headers
from operations.verify.context import Probe, VerifyContext
from operations.verify.discovery import (
    METADATA_REMEDY,
    Discovery,
    UserAgents,
    authorization_server,
    discover,
    pkce,
    same_url,
)
from operations.verify.registration import client_metadata, register
from operations.verify.report import ProbeResult, failed, passed, skipped
from operations.verify.subject import ExpectedClient, PublicHostname

#: A stranger's site, at a name that nobody can own (RFC 2606).
FOREIGN_REDIRECT = "https://redirect.invalid/callback"
LOOPBACK_REDIRECT = "http://127.0.0.1:33418/"
_FALLBACK = ("path", "root")


@dataclass(frozen=True)
class ClientFlow:
    """How one client signs in.

    `falls_back`: a 401 that names no document makes it look at the well-known paths, which closed clients are not known to
    do. `exact`: `resource` must equal the URL, and may not be a URL above it. `needs_none`: it uses its client id document
    only at a server that announces the authentication method `none`. `members` are those of its registration beyond the
    common ones.
    """

    name: str
    title: str
    redirect_uris: tuple[str, ...]
    agents: UserAgents = field(default_factory=UserAgents)
    registers: tuple[str, ...] = ("CIMD", "DCR")
    falls_back: bool = False
    exact: bool = True
    needs_none: bool = False
    members: Mapping[str, Any] = field(default_factory=dict)

    @property
    def metadata(self) -> dict[str, Any]:
        return client_metadata(self.title, self.redirect_uris, **self.members)


def _known(name: str, agents: UserAgents, **behaviour: Any) -> ClientFlow:
    client = KNOWN_CLIENTS[name]
    return ClientFlow(name, client.client_name, client.registers, agents, **behaviour)


#: User agents: of logs and tests in public repositories (2026). What each does: the TypeScript SDK's client/auth.ts (Claude
#: Code, Inspector), microsoft/vscode's base/common/oauth.ts and extHostMcp.ts, gemini-cli's core/src/mcp; Cursor, Claude and
#: ChatGPT are closed.
KNOWN = (
    _known(
        "claude-code",
        UserAgents("claude-code/2.1.210 (cli)", "claude-code/2.1.210 (cli)"),
        falls_back=True,
        exact=False,
    ),
    _known("cursor", UserAgents("Cursor/3.9.16 (darwin arm64)", "Cursor/3.9.16 (darwin arm64)"), registers=("DCR",)),
    _known(
        "vscode",
        UserAgents("Visual Studio Code/1.128.0", "Visual Studio Code/1.128.0"),
        falls_back=True,
        members={"client_uri": "https://code.visualstudio.com", "application_type": "native"},
    ),
    _known("claude", UserAgents("Claude-User", "python-httpx/0.28.1"), needs_none=True),
    _known(
        "chatgpt",
        UserAgents("openai-mcp/1.0.0 (+https://openai.com/bot)", "openai-mcp/1.0.0 (+https://openai.com/bot)"),
    ),
    _known(
        "inspector",
        UserAgents("node", "node"),
        registers=("DCR",),
        falls_back=True,
        exact=False,
        members={"client_uri": "https://github.com/modelcontextprotocol/inspector"},
    ),
    _known("gemini-cli", UserAgents("node", "node"), registers=("DCR",), falls_back=True),
)

_MANAGED_OAUTH = "in mode access managed OAuth must be on for this Access application: run `ringwall drift`"
_REMEDIES: Mapping[str, str] = {
    "login-page": f"the edge treats the client as a browser; {_MANAGED_OAUTH}",
    "cloudflare-access": f"the edge speaks to a browser; {_MANAGED_OAUTH}",
    "bearer-alone": f"the challenge must name the protected-resource metadata; {METADATA_REMEDY}",
    "html": f"something before the gateway answers with a page of its own; {METADATA_REMEDY}",
    "foreign-scheme": f"something asks for another kind of credentials; {METADATA_REMEDY}",
    "bare": f"the 401 must carry WWW-Authenticate: Bearer with resource_metadata; {METADATA_REMEDY}",
    "open": "nobody is asked to sign in: see edge.no-token",
    "none": "see edge.reachable and discovery.challenge",
}
_BOTS = (
    "a rule of the zone judges the user agent: look at Security > Bots (Block AI bots, Bot Fight Mode), at AI Crawl Control "
    "and at the WAF's custom rules; `ringwall doctor` reads the first two"
)
FROM_HERE = (
    "clients were imitated by their user agents from this machine's address: a rule about a vendor's addresses does not "
    "show here"
)
_OTHER_RESOURCE = "see discovery.resource: the document must name the URL that people type"
_TAKE_OFF = "the edge lets more clients register than the stack file says: run `ringwall drift`"
_NOT_BY_AGENT = "it is refused whatever the user agent: look at the country, address and WAF rules for where you are"


async def _judged(context: VerifyContext, door: PublicHostname, flow: ClientFlow) -> ProbeResult:
    discovery = await discover(context, door, flow.agents)
    if isinstance(discovery, ProbeResult):
        return discovery
    stopped = await _stopped(context, door, flow, discovery)
    if stopped is not None:
        return stopped
    starts = ("pointer",) if discovery.challenge.pointer is not None else _FALLBACK
    start = next((name for name in starts if name in discovery.documents), None)
    if start is None:
        problem = next((discovery.problems[name] for name in starts if name in discovery.problems), "there is none")
        return failed(f"finds no protected-resource metadata: {problem}", METADATA_REMEDY)
    stated = str(discovery.documents[start].get("resource"))
    typed = context.url(door)
    if not (same_url(stated, typed) if flow.exact else _covers(stated, typed)):
        return failed(f"refuses: resource is {visible(stated)}, and the URL it was given is {typed}", _OTHER_RESOURCE)
    for id_, step in (("authorization-server", authorization_server), ("pkce", pkce)):
        result = await step(context, door, flow.agents)
        if result.outcome != "pass":
            return failed(result.observed, f"see discovery.{id_}")
    route = (
        "from resource_metadata" if start == "pointer" else f"from the {start} document, as {discovery.challenge.text}"
    )
    return await _registered(context, door, flow, discovery, route)


async def _stopped(
    context: VerifyContext, door: PublicHostname, flow: ClientFlow, discovery: Discovery
) -> ProbeResult | None:
    """Say why the client stops at the first answer; None when it goes on."""
    challenge = discovery.challenge
    if challenge.kind == "bearer":
        return None
    if challenge.kind == "blocked":
        return await _blocked(context, door, flow, challenge)
    if challenge.status == 401 and flow.falls_back:
        return None
    return failed(f"stops at the first answer: {challenge.text}", _REMEDIES[challenge.kind])


async def _blocked(context: VerifyContext, door: PublicHostname, flow: ClientFlow, challenge: Challenge) -> ProbeResult:
    """Tell a block of this user agent from a block of everybody by what this run's own user agent meets."""
    plain = await discover(context, door)
    if isinstance(plain, Discovery) and plain.challenge.kind != "blocked":
        return failed(
            f"blocked by its user agent ({flow.agents.mcp}): {challenge.text}; others get {plain.challenge.text}", _BOTS
        )
    return failed(f"blocked: {challenge.text}", _NOT_BY_AGENT)


def _covers(stated: str, typed: str) -> bool:
    """Whether `resource` is the URL or one above it on the same origin, which the TypeScript SDK takes too."""
    base = stated.rstrip("/")
    return same_url(stated, typed) or (base.startswith("https://") and typed.startswith(f"{base}/"))


async def _registered(
    context: VerifyContext, door: PublicHostname, flow: ClientFlow, discovery: Discovery, route: str
) -> ProbeResult:
    method = next((method for method in discovery.registration if _uses(flow, method, discovery)), None)
    if method is None:
        return skipped(f"needs {' or '.join(flow.registers)}, or a client id set by hand; neither is offered")
    if method == "CIMD":
        return passed(f"works {route}, by its own client id document (CIMD)")
    if not context.register:
        return skipped(f"works {route} up to its registration, which was not tried", "add --register")
    endpoint = str(discovery.metadata["registration_endpoint"])
    if problem := context.client.allows(endpoint):
        return failed(f"registration_endpoint {problem}", "see discovery.authorization-server")
    sent: Headers = (("user-agent", flow.agents.discovery),)
    registration = await register(context, endpoint, flow.metadata, sent)
    if registration.limited or registration.status is None or registration.status >= 500:
        return skipped(f"works {route} up to its registration, which was not judged: {registration.problem}")
    if registration.problem is not None:
        reason = f"cannot register: {registration.problem}"
        return failed(reason) if is_named(door, flow) else skipped(f"does not work: {reason}", _admit(flow))
    count = f"{len(flow.redirect_uris)} redirect URI{'' if len(flow.redirect_uris) == 1 else 's'}"
    if not (is_named(door, flow) or may_register(door, flow)):
        return failed(f"registered {count}, and access.clients does not let it", _TAKE_OFF)
    return passed(f"works {route}; registered {count}")


def _uses(flow: ClientFlow, method: str, discovery: Discovery) -> bool:
    if method == "CIMD" and flow.needs_none:
        methods = discovery.metadata.get("token_endpoint_auth_methods_supported")
        return isinstance(methods, list) and "none" in methods
    return method in flow.registers


def _admit(flow: ClientFlow) -> str:
    return f"for people who use it, add {flow.name} to access.clients and run `ringwall up`"


async def strangers_redirect(context: VerifyContext, door: PublicHostname) -> ProbeResult:
    """Register a stranger's site, alone and beside a loopback address: a code could be sent there (confused deputy)."""
    discovery = await discover(context, door)
    if isinstance(discovery, ProbeResult):
        return discovery
    if "DCR" not in discovery.registration:
        return skipped("no dynamic registration is offered")
    if not context.register:
        return skipped("no client was registered: add --register")
    endpoint = str(discovery.metadata["registration_endpoint"])
    if problem := context.client.allows(endpoint):
        return failed(f"registration_endpoint {problem}")
    observed = []
    for uris in ((FOREIGN_REDIRECT,), (LOOPBACK_REDIRECT, FOREIGN_REDIRECT)):
        registration = await register(context, endpoint, client_metadata("ringwall verify", uris))
        if FOREIGN_REDIRECT in registration.accepted:
            return failed(f"{FOREIGN_REDIRECT} was registered ({registration.status})")
        if registration.status is None or registration.limited or registration.status >= 500:
            return skipped(f"cannot tell: {registration.problem}")
        observed.append(str(registration.status))
    return passed(f"{FOREIGN_REDIRECT} refused ({', '.join(dict.fromkeys(observed))})")


def probe_of(flow: ClientFlow) -> Probe:
    """The probe of one client's way in, up to the sign-in in the browser."""

    async def run(context: VerifyContext, door: PublicHostname) -> ProbeResult:
        return await _judged(context, door, flow)

    return Probe(
        f"discovery.client.{flow.name}",
        f"the whole way in of {flow.title}, by its user agents and with its own registration",
        f"a challenge and documents it takes, S256, {' or '.join(flow.registers)}",
        f"let it register: its redirect URIs ({', '.join(flow.redirect_uris)}) must be allowed for this name",
        run,
    )


STRANGERS_REDIRECT = Probe(
    "discovery.strangers-redirect",
    "registration of a stranger's redirect URI, alone and beside a loopback one",
    "refused",
    "allow the redirect URIs of your clients and loopback ones, and nothing else",
    strangers_redirect,
)


def planned(doors: tuple[PublicHostname, ...]) -> Iterator[tuple[Probe, PublicHostname]]:
    """The probe of each client at each public name it may come to."""
    for door in doors:
        yield STRANGERS_REDIRECT, door
        for flow in flows_at(door):
            yield probe_of(flow), door


def flows_at(door: PublicHostname) -> tuple[ClientFlow, ...]:
    """The clients to imitate at a public name: every one on people's machines, and those that are named."""
    named = {client.name: client for client in door.clients or ()}
    known = (
        ()
        if door.hosted
        else tuple(flow for flow in KNOWN if not KNOWN_CLIENTS[flow.name].is_hosted or flow.name in named)
    )
    names = {flow.name for flow in known}
    return (*known, *(_flow_of(client) for client in named.values() if client.name not in names))


def _flow_of(client: ExpectedClient) -> ClientFlow:
    """Imitate a client by its redirect URIs: as the hosted one that they belong to, else as a careful client."""
    exact = tuple(f"{uri[:-1]}ringwall-verify" if uri.endswith("/*") else uri for uri in client.redirect_uris)
    for flow in KNOWN:
        vendor = KNOWN_CLIENTS[flow.name]
        if vendor.is_hosted and any(is_allowed(uri, form) for uri in exact for form in vendor.redirect_uris):
            usual = all(any(is_allowed(uri, form) for form in client.redirect_uris) for uri in flow.redirect_uris)
            # One connector of one's own is listed by its id, which nobody else's registration has.
            return replace(flow, name=client.name, redirect_uris=flow.redirect_uris if usual else exact)
    return ClientFlow(client.name, client.name, exact)


def is_allowed(uri: str, form: str) -> bool:
    """Whether a form of Access's list allows a redirect URI: the same one, or one below a path that ends in /*."""
    return uri == form or (form.endswith("/*") and uri.startswith(form[:-1]) and len(uri) > len(form) - 1)


def is_named(door: PublicHostname, flow: ClientFlow) -> bool:
    """Whether a client must be able to register there. Where no list says so, those must that the edge is to let in."""
    if door.clients is None:
        return may_register(door, flow)
    return any(client.name == flow.name for client in door.clients)


def may_register(door: PublicHostname, flow: ClientFlow) -> bool:
    """Whether the stack files let it register, named or not: what returns to a person's own machine is allowed by host."""
    edge = door.registration
    if edge is None:
        return True
    hosts = {"localhost": edge.localhost, "127.0.0.1": edge.loopback}
    return all(
        hosts[host] if (host := loopback_host(uri)) else any(is_allowed(uri, form) for form in edge.uris)
        for uri in flow.redirect_uris
    )
