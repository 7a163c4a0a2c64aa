"""The server under verification, the identities, and the judgement whether an answer is a refusal.

No I/O happens here; requests are sent by `client`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from components.edge.registration import Registration
from model.environment import Cloudflare
from model.guard_config import ResolvedGrant
from model.tool_lock import ToolLock
from operations.verify.client import Headers, HttpResponse, NoResponse
from operations.verify.report import ProbeResult, failed, passed
from wire.json import dump
from wire.mcp_client import ACCEPT, ClientSide

#: How a server sees `verify`.
CLIENT = "ringwall-verify"
JSON_HEADERS: Headers = (("content-type", "application/json"), ("accept", ACCEPT))


@dataclass(frozen=True)
class ExpectedClient:
    """A client that is meant to register itself, with all redirect URIs of its registration."""

    name: str
    redirect_uris: tuple[str, ...]


@dataclass(frozen=True)
class PublicHostname:
    """One public name. `audience` is the `aud` of its tokens, None where it is not known.

    `clients` are those that are meant to register there; None where nobody named any. `registration` is what the edge lets
    register, None where another authorization server decides that. `hosted`: the name is one hosted client's own. `path`:
    where it is not the server's.
    """

    hostname: str
    audience: str | None = None
    clients: tuple[ExpectedClient, ...] | None = None
    registration: Registration | None = None
    hosted: bool = False
    path: str | None = None


@dataclass(frozen=True)
class OfferingPortal:
    """The environment's MCP portal, where it offers the server. Its clients read `prefix` before the name of each of the
    server's tools; `tools` are those that are on, `agents` those that may call through it."""

    door: PublicHostname
    prefix: str
    tools: frozenset[str]
    agents: tuple[str, ...] = ()


@dataclass(frozen=True)
class PushedLogs:
    """The logs that Cloudflare pushes for an environment: by dataset, its job's name and the fields of a record."""

    environment: str
    cloudflare: Cloudflare
    jobs: Mapping[str, tuple[str, tuple[str, ...]]]


@dataclass(frozen=True)
class Listening:
    """A port of this host that must be on loopback only: the service it belongs to, and the remedy if it is reachable."""

    name: str
    port: int
    remedy: str


@dataclass(frozen=True)
class InnerRing:
    """A ring behind the edge (`gateway` or `guard`) at its port on the host's loopback."""

    name: str
    port: int
    remedy: str


@dataclass(frozen=True)
class VerifySubject:
    """One deployed server.

    `doors`: its public names, the common one first, then those of hosted clients. `issuer`, `jwks_uri`: of the Access
    team. `resource`: the canonical URL (RFC 8707). `external_issuer`, `external_jwks_uri`, `scopes`: of the bearer token
    in mode external. `agents`: service token client id to agent name. `siblings`: public names of the environment's other
    servers.
    """

    stack: str
    doors: tuple[PublicHostname, ...]
    path: str
    mode: Literal["access", "external"]
    issuer: str
    jwks_uri: str
    resource: str
    lock: ToolLock
    grants: tuple[ResolvedGrant, ...]
    agents: Mapping[str, str] = field(default_factory=dict)
    external_issuer: str | None = None
    external_jwks_uri: str | None = None
    scopes: tuple[str, ...] = ()
    siblings: tuple[str, ...] = ()
    ports: tuple[Listening, ...] = ()
    rings: tuple[InnerRing, ...] = ()
    portal: OfferingPortal | None = None
    logs: PushedLogs | None = None

    def tools_of(self, principal: str | None) -> tuple[frozenset[str], frozenset[str]]:
        """The tools that a principal certainly has, and those it may have, as group membership is not known here.

        Args:
            principal: ``agent:NAME``, an e-mail address, or None when the caller is not known.
        """
        certain: set[str] = set()
        possible: set[str] = set()
        for grant in self.grants:
            principals = grant.to
            kind, _, name = (principal or "").rpartition(":")
            if principals.all:
                certain.update(grant.tools)
            elif principal is None:
                possible.update(grant.tools)
            elif kind == "agent":
                if name in principals.agents:
                    certain.update(grant.tools)
            elif name in principals.emails or name.rpartition("@")[2] in principals.domains:
                certain.update(grant.tools)
            elif principals.idp_groups:
                possible.update(grant.tools)
        return frozenset(certain), frozenset(certain | possible)


@dataclass(frozen=True)
class CallerIdentity:
    """A genuine identity. `access` gets past the edge; `bearer` is the access token of mode external (or of a client's
    OAuth sign-in). `principal` is ``agent:NAME`` or an e-mail address where that is known."""

    label: str
    access: Headers = field(default=(), repr=False)
    bearer: Headers = field(default=(), repr=False)
    principal: str | None = None

    @property
    def headers(self) -> Headers:
        return (*self.access, *self.bearer)


@dataclass(frozen=True)
class PlantedCall:
    """A tool call whose result holds an instruction that the user planted beforehand."""

    tool: str
    arguments: Mapping[str, Any]


INITIALIZE_ID = 1


def initialize() -> bytes:
    """The first request of a client, whose id is `INITIALIZE_ID`."""
    return dump(ClientSide(CLIENT).initialize())


def is_admitted(answer: HttpResponse, id_: int = INITIALIZE_ID) -> bool:
    """Whether the MCP server answered, and not a ring."""
    message = answer.message(id_)
    return message is not None and "result" in message


def is_refusal(subject: VerifySubject, answer: HttpResponse) -> bool:
    """Whether a ring refused the request: 401, 403, Access's redirect to its login, or a 400 without a JSON-RPC message.

    Edge and gateway refuse malformed tokens and headers by 400. A 400 with a JSON-RPC message may come from the server
    itself, behind every ring.
    """
    if is_admitted(answer):
        return False
    if answer.status == 400:
        return answer.message(INITIALIZE_ID) is None
    return answer.status in (401, 403) or _to_login(subject, answer)


def _to_login(subject: VerifySubject, answer: HttpResponse) -> bool:
    if answer.status not in (302, 303, 307):
        return False
    location = urlsplit(answer.headers.get("location", ""))
    return location.hostname == urlsplit(subject.issuer).hostname


def described(subject: VerifySubject, answer: HttpResponse) -> str:
    """Describe an answer in a few words, without anything of its body."""
    if is_admitted(answer):
        return f"{answer.status}, and the MCP server answered"
    if answer.status == 101:
        return "101, the protocol was changed"
    if _to_login(subject, answer):
        return f"{answer.status} to the login"
    if answer.status == 400:
        return f"400 by {_answered_by(answer)}"
    return str(answer.status)


def _answered_by(answer: HttpResponse) -> str:
    """Name the ring that answered, as far as its headers tell; edge and gateway name themselves by default."""
    if answer.message(INITIALIZE_ID) is not None:
        return "guard or server"
    server = f"{answer.headers.get('server', '')} {answer.headers.get('via', '')}".lower()
    if "kong" in server:
        return "Kong"
    return "the edge" if "cloudflare" in server else "edge or gateway"


def judge_refusal(subject: VerifySubject, attempts: Mapping[str, HttpResponse | NoResponse]) -> ProbeResult:
    """Pass when every attempt was refused; an attempt without an answer proves nothing. Keys say what was sent."""
    unrefused = [
        f"{label}: {described(subject, answer) if isinstance(answer, HttpResponse) else answer}"
        for label, answer in attempts.items()
        if isinstance(answer, NoResponse) or not is_refusal(subject, answer)
    ]
    if unrefused:
        return failed("; ".join(unrefused))
    codes = sorted({described(subject, answer) for answer in attempts.values() if isinstance(answer, HttpResponse)})
    return passed(", ".join(codes))


async def attempt(sending: Awaitable[HttpResponse]) -> HttpResponse | NoResponse:
    try:
        return await sending
    except NoResponse as silence:
        return silence
