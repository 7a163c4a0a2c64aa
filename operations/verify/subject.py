"""What is verified, as whom and with what: everything a check may know. No I/O but through its `client`."""

from __future__ import annotations

import json
from collections.abc import Awaitable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

from model.guard_config import ResolvedGrant
from model.tool_lock import ToolLock
from operations.verify.client import Answer, Headers, NoAnswer
from operations.verify.report import Result, failed, passed

LEGACY = "2025-11-25"
JSON_HEADERS: Headers = (("content-type", "application/json"), ("accept", "application/json, text/event-stream"))


@dataclass(frozen=True)
class Door:
    """One public name. `audience` is the `aud` of its tokens, None where it is not known here."""

    hostname: str
    audience: str | None = None


@dataclass(frozen=True)
class Listening:
    """A port of this host that nobody else may reach: whose it is, and what to do if somebody can."""

    name: str
    port: int
    remedy: str


@dataclass(frozen=True)
class Ring:
    """A ring behind the edge, at a port of its host's loopback: `gateway` or `guard`."""

    name: str
    port: int
    remedy: str


@dataclass(frozen=True)
class Subject:
    """One deployed server.

    `doors`: its public names, everybody's first, then those of hosted clients. `issuer`, `jwks_uri`: of the Access
    team. `resource`: the canonical URL (RFC 8707). `external_issuer`, `external_jwks_uri`, `scopes`: of the bearer token
    in mode external. `agents`: service token client id to agent name. `siblings`: public names of the environment's other
    servers.
    """

    stack: str
    doors: tuple[Door, ...]
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
    rings: tuple[Ring, ...] = ()

    def tools_of(self, who: str | None) -> tuple[frozenset[str], frozenset[str]]:
        """Tools that `who` surely has, and those it may have (group membership is not known here).

        Args:
            who: ``agent:NAME``, an e-mail address, or None when nobody said who calls.
        """
        sure: set[str] = set()
        perhaps: set[str] = set()
        for grant in self.grants:
            to = grant.to
            kind, _, name = (who or "").rpartition(":")
            if to.all:
                sure.update(grant.tools)
            elif who is None:
                perhaps.update(grant.tools)
            elif kind == "agent":
                if name in to.agents:
                    sure.update(grant.tools)
            elif name in to.emails or name.rpartition("@")[2] in to.domains:
                sure.update(grant.tools)
            elif to.idp_groups:
                perhaps.update(grant.tools)
        return frozenset(sure), frozenset(sure | perhaps)


@dataclass(frozen=True)
class Caller:
    """A genuine identity. `access` gets past the edge; `bearer` is the access token of mode external (or of a client's
    OAuth sign-in). `who` is ``agent:NAME`` or an e-mail address where that is known."""

    label: str
    access: Headers = field(default=(), repr=False)
    bearer: Headers = field(default=(), repr=False)
    who: str | None = None

    @property
    def headers(self) -> Headers:
        return (*self.access, *self.bearer)


@dataclass(frozen=True)
class PlantedCall:
    """A call whose result holds an instruction that the user planted there."""

    tool: str
    arguments: Mapping[str, Any]


INITIALIZE_ID = 1


def initialize() -> bytes:
    params = {
        "protocolVersion": LEGACY,
        "capabilities": {},
        "clientInfo": {"name": "ringwall-verify", "version": "1"},
    }
    return json.dumps({"jsonrpc": "2.0", "id": INITIALIZE_ID, "method": "initialize", "params": params}).encode()


def let_in(answer: Answer, id_: int = INITIALIZE_ID) -> bool:
    """Whether an MCP server, not a ring, answered."""
    message = answer.message(id_)
    return message is not None and "result" in message


def is_refusal(subject: Subject, answer: Answer) -> bool:
    """401, 403, Access's redirect to its login, or a 400 that no MCP server gave: edge and gateway refuse malformed tokens
    and headers so. A 400 in JSON-RPC may be the server's own, behind every ring."""
    if let_in(answer):
        return False
    if answer.status == 400:
        return answer.message(INITIALIZE_ID) is None
    return answer.status in (401, 403) or _to_login(subject, answer)


def _to_login(subject: Subject, answer: Answer) -> bool:
    if answer.status not in (302, 303, 307):
        return False
    where = urlsplit(answer.headers.get("location", ""))
    return where.hostname == urlsplit(subject.issuer).hostname


def described(subject: Subject, answer: Answer) -> str:
    """An answer in a few words, without anything of its body."""
    if let_in(answer):
        return f"{answer.status}, and the MCP server answered"
    if answer.status == 101:
        return "101, the protocol was changed"
    if _to_login(subject, answer):
        return f"{answer.status} to the login"
    if answer.status == 400:
        return f"400 by {_answered_by(answer)}"
    return str(answer.status)


def _answered_by(answer: Answer) -> str:
    """Who gave an answer, as far as its headers tell; edge and gateway both name themselves unless told not to."""
    if answer.message(INITIALIZE_ID) is not None:
        return "guard or server"
    server = f"{answer.headers.get('server', '')} {answer.headers.get('via', '')}".lower()
    if "kong" in server:
        return "Kong"
    return "the edge" if "cloudflare" in server else "edge or gateway"


def judge_refusal(subject: Subject, attempts: Mapping[str, Answer | NoAnswer]) -> Result:
    """Passes when every attempt (by what was sent) was refused; an attempt that nobody answered proves nothing."""
    wrong = [
        f"{what}: {described(subject, answer) if isinstance(answer, Answer) else answer}"
        for what, answer in attempts.items()
        if isinstance(answer, NoAnswer) or not is_refusal(subject, answer)
    ]
    if wrong:
        return failed("; ".join(wrong))
    codes = sorted({described(subject, a) for a in attempts.values() if isinstance(a, Answer)})
    return passed(", ".join(codes))


async def attempt(sending: Awaitable[Answer]) -> Answer | NoAnswer:
    try:
        return await sending
    except NoAnswer as silence:
        return silence
