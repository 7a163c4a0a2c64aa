"""The server stack file: one MCP server, who may reach it and what they may do."""

from __future__ import annotations

import re
from typing import Annotated, Any, Literal, Self
from urllib.parse import parse_qsl

from pydantic import AfterValidator, Field, StringConstraints, model_validator

from model.base import (
    AbsolutePath,
    Countries,
    Domains,
    Duration,
    Emails,
    EnvName,
    Hostname,
    HttpsUrl,
    Many,
    Model,
    Name,
    Names,
    Port,
    SecretRef,
    UrlPath,
    Version1,
    Words,
    Yes,
    split_url,
)
from model.clients import Clients
from model.defaults import CircuitBreaker, Guard, Limits, Rate, Timeouts
from model.environment import Logs
from model.finding_exceptions import FindingException
from model.front_door import ADMIN_PORT_OFFSET, check_front_door
from model.lockdown import Lockdown
from model.loopback import is_loopback
from model.name_patterns import GRANT_PATTERN, MAX_NAME, matches_any
from model.origin_egress import MOST_DESTINATIONS, Destination
from model.origin_headers import OriginHeaders
from model.origin_identity import IdentityKey, TokenExchange
from model.people import People as People
from model.problems import PATTERN_WORDS, Wrong
from model.waivers import Waiver

#: A host and port without a scheme, which a URL reader takes for a scheme and a path.
_BARE_ADDRESS = re.compile(r"(?:[A-Za-z0-9.-]+|\[[0-9A-Fa-f:]+\]):[0-9]{1,5}(?:[/?].*)?")


def _loopback_url(value: str) -> str:
    if _BARE_ADDRESS.fullmatch(value):
        raise Wrong("has no scheme", f"write http://{value}")
    parts = split_url(value)
    if parts.scheme == "https" and parts.hostname and is_loopback(parts.hostname):
        remedy = f"have the server speak http on loopback, and write http{value.removeprefix('https')}"
        raise Wrong("is https, and the guard speaks http on loopback", remedy)
    if not parts.hostname or parts.scheme not in ("http", "https"):
        raise Wrong("must be an http URL", "write it such as http://127.0.0.1:3000/mcp")
    if not is_loopback(parts.hostname):
        raise Wrong(
            f"{parts.hostname} is not loopback",
            "the guard runs on the server's own machine: bind the server to 127.0.0.1 there, and write "
            f"http://127.0.0.1:{parts.port or 3000}{parts.path or '/mcp'}",
        )
    if parts.port is None:
        raise Wrong("must name its port", "write it such as http://127.0.0.1:3000/mcp")
    for name, _ in parse_qsl(parts.query, keep_blank_values=True):
        if not _SECRET_WORDS.isdisjoint(_words_of(name)):
            raise Wrong(
                f"its query holds a secret ({name}), and this file is read by many",
                "give the secret to the server itself, in its environment or a file",
            )
    return value


#: What a parameter that holds a secret is called, in whatever spelling; a fixed query chooses what the server offers.
_SECRET_WORDS = frozenset(
    ("auth", "authorization", "credential", "credentials", "jwt", "key", "passwd", "password", "pwd", "secret", "sig",
     "signature", "token")
)  # fmt: skip
_WORD = re.compile(r"[A-Z]?[a-z]+|[A-Z]+")


def _words_of(name: str) -> set[str]:
    words = {word.lower() for word in _WORD.findall(name)}
    return words | {word.removeprefix(prefix) for word in words for prefix in ("api", "access", "auth", "bearer")}


LoopbackUrl = Annotated[str, AfterValidator(_loopback_url)]
Pattern = Annotated[str, StringConstraints(pattern=GRANT_PATTERN, max_length=MAX_NAME)]
PATTERN_WORDS[GRANT_PATTERN] = "a name, or a pattern with * and ?, with a backslash only before *, ? and a backslash"
Patterns = Many[Pattern]


class Origin(Model):
    """Where the guard finds the server: exactly one of a loopback URL, a Unix socket or a stdio command."""

    url: LoopbackUrl | None = Field(
        None, description="Streamable HTTP on loopback; a fixed query is sent with each request."
    )
    socket: AbsolutePath | None = Field(None, description="Streamable HTTP on a Unix socket.")
    path: UrlPath = Field("/mcp", description="The MCP endpoint behind the socket.")
    command: Words | None = Field(None, description="stdio: the guard starts it; no port exists at all.")
    environment: dict[EnvName, SecretRef] = Field({}, description="stdio: variables for the command, by reference.")
    directory: AbsolutePath | None = Field(None, description="stdio: working directory.")
    # Left out of what is deployed where it is not used, so that a configuration without it stays as it was.
    identity: Literal["none", "header", "meta"] = Field(
        "none",
        exclude_if=lambda value: value == "none",
        description="How the guard tells the server who calls, by a token it signs: not at all, in the header "
        "`Ringwall-Identity`, or in `_meta` as `io.ringwall/identity`.",
    )
    identity_keys: Many[IdentityKey] = Field(
        (),
        max_length=3,
        exclude_if=lambda value: not value,
        description="The public keys of that token; with them the guard signs by no other. For servers that pin.",
    )
    headers: OriginHeaders = Field(
        {},
        exclude_if=lambda value: not value,
        description="Fixed headers of every request to the server, each value by reference.",
    )
    token_exchange: TokenExchange | None = Field(
        None,
        exclude_if=lambda value: value is None,
        description="mode external: the caller's token is exchanged for one of the server's own.",
    )
    egress: Many[Destination] = Field(
        (),
        max_length=MOST_DESTINATIONS,
        exclude_if=lambda value: not value,
        description="Where the server may call out to, each as NAME:PORT over TCP; else nowhere. The host files enforce it.",
    )

    @model_validator(mode="after")
    def _exactly_one_place(self) -> Self:
        places = [key for key in ("url", "socket", "command") if getattr(self, key)]
        if len(places) != 1:
            raise Wrong("must have exactly one of url, socket and command", "remove the others, or add one")
        if not self.command and (self.environment or self.directory):
            key = "environment" if self.environment else "directory"
            raise Wrong("belongs to command", "remove it", (key,))
        if self.command and self.identity == "header":
            raise Wrong("header: a command is sent no headers", "write identity: meta", ("identity",))
        if self.command and (self.headers or self.token_exchange):
            key = "headers" if self.headers else "token_exchange"
            remedy = "give its secrets in origin.environment" if self.headers else "give the server a URL or a socket"
            raise Wrong("a command is sent no headers", remedy, (key,))
        for number, destination in enumerate(self.egress):
            if self.port is not None and destination.endswith(f":{self.port}"):
                remedy = (
                    "give the server another port: where it listens on every address, nothing else can use that one"
                )
                raise Wrong(f"names the server's own port {self.port}", remedy, ("egress", number))
        if self.identity_keys and self.identity == "none":
            raise Wrong("belongs to identity", "write identity: header or meta, or remove it", ("identity_keys",))
        return self

    def check_mode(self, *, external: bool) -> None:
        """Raise Wrong, as the model that holds `origin`, where the way of signing in does not allow a key of this one."""
        if self.token_exchange and not external:
            raise Wrong(
                "exchanges the caller's own token, which there is in mode external alone",
                "write oauth mode external with its issuer, or give the server a key in origin.headers",
                ("origin", "token_exchange"),
            )
        fixed = [name for name in self.headers if name.lower() == "authorization"]
        if external and fixed:
            raise Wrong(
                "in mode external this header carries the caller's token",
                "name another header of the server's, or use origin.token_exchange",
                ("origin", "headers", fixed[0]),
            )

    @property
    def port(self) -> int | None:
        return split_url(self.url).port if self.url else None


class OAuth(Model):
    """The one OAuth front door."""

    mode: Literal["access", "external"] = Field("access", description="Access managed OAuth, or an external issuer.")
    issuer: Name | None = Field(None, description="external: a key of the environment's issuers.")
    audience: HttpsUrl | None = Field(None, description="external: the resource the token is for (RFC 8707).")
    scopes: Many[Annotated[str, StringConstraints(pattern=r"^[\x21\x23-\x5b\x5d-\x7e]+$")]] = Field(
        (), description="external: scopes every token must carry."
    )
    tool_claim: Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_]{1,64}$")] | None = Field(
        None,
        exclude_if=lambda value: value is None,
        description="external, edition ai: the claim by which Kong too holds tool calls to the grants, email or that of the "
        "groups. The guard does so in any case.",
    )
    access_token_lifetime: Duration = Field("15m", description="access: life of the client's token.")
    grant_lifetime: Duration = Field("168h", description="access: when a client must sign in again.")

    @model_validator(mode="after")
    def _fits_its_mode(self) -> Self:
        external_keys = ("issuer", "audience", "scopes", "tool_claim")
        present_keys = [key for key in external_keys if getattr(self, key)]
        if self.mode == "access" and present_keys:
            raise Wrong(
                "belongs to mode external; never both modes on one server",
                "remove it, or write mode: external",
                (present_keys[0],),
            )
        if self.mode == "external" and (self.issuer is None or self.audience is None):
            raise Wrong("mode external needs issuer and audience", "add both")
        return self


class HostedAccess(Model):
    """One hosted client's own front door to this server."""

    hostname: Hostname = Field(description="Public name of that front door, inside the zone.")
    people: People = Field(description="Who may use it from there.")


class Access(Model):
    """Who may reach the server. Nobody else does."""

    people: People | None = Field(None, description="People, by address, domain or group.")
    agents: Names = Field((), description="Keys of the environment's agents.")
    hosted_clients: dict[Name, HostedAccess] = Field({}, description="Keys of the environment's hosted_clients.")
    clients: Clients | None = Field(
        None,
        exclude_if=lambda value: value is None,
        description="Clients that may register themselves to sign people in: names that are known, or clients of your own. "
        "Without it every client that returns to the person's own machine may, and no other.",
    )

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        if not (self.people or self.agents or self.hosted_clients):
            raise Wrong("admits nobody", "give people, agents or hosted_clients")
        return self


class Grantees(Model):
    """To whom a grant applies; `all` is everyone whom access admits."""

    all: Yes | None = Field(None, description="Everyone whom access admits.")
    emails: Emails = Field((), description="People by address.")
    domains: Domains = Field((), description="People by domain.")
    groups: Names = Field((), description="Keys of the environment's groups.")
    agents: Names = Field((), description="Agents that access admits.")
    hosted_clients: Names = Field((), description="Hosted clients that access admits.")

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        named = bool(self.emails or self.domains or self.groups or self.agents or self.hosted_clients)
        if named == bool(self.all):
            raise Wrong("must have either all: true or at least one named principal", "write one of the two")
        return self


class Grant(Model):
    """What some principals may use. Whatever no grant names is neither listed nor callable."""

    to: Grantees = Field(description="To whom.")
    tools: Patterns = Field(
        (),
        description="Tool names, or patterns: * is any text, ? is one character, every other character is itself, and a "
        "backslash makes a *, a ? or a backslash itself. They match locked tools only.",
    )
    prompts: Patterns = Field((), description="Prompt names or patterns, written like tools.")
    resources: Patterns = Field((), description="Resource URIs or patterns, written like tools.")
    read_only: bool = Field(True, description="Only tools whose lock says risk: read.")
    arguments: dict[str, dict[str, Any]] = Field({}, description="Per tool, a JSON Schema its arguments must meet too.")
    limits: Rate = Field(Rate.model_construct(), description="Tighter than the server's.")

    @model_validator(mode="after")
    def _something(self) -> Self:
        if not (self.tools or self.prompts or self.resources):
            raise Wrong("grants nothing", "give tools, prompts or resources")
        return self

    def opens(self, tool: str, risk: str) -> bool:
        """Whether it opens a tool of that name and risk to those whom it is for."""
        return (risk == "read" or not self.read_only) and matches_any(self.tools, tool)

    def opens_prompt(self, prompt: str) -> bool:
        """Whether it opens the prompt of that name to those whom it is for."""
        return matches_any(self.prompts, prompt)


class Cors(Model):
    """Browser clients. Without it no OPTIONS request reaches the gateway's route."""

    origins: Many[HttpsUrl] = Field(min_length=1, description="Origins that may call from a browser.")


class ServerGuard(Guard):
    """The guard's settings of one server, with what an environment cannot give its servers."""

    exceptions: Many[FindingException] = Field(
        (), exclude_if=lambda value: not value, description="Findings that do not block, each for one tool and rule."
    )


class Server(Model):
    """`ringwall:server` of `Pulumi.<env>.<server>.yaml`."""

    version: Version1 = Field(description="Format of this manifest.")
    host: Name = Field(description="A key of the environment's hosts.")
    hostname: Hostname = Field(description="Public name, inside the environment's zone.")
    path: UrlPath = Field("/mcp", description="Public path of the MCP endpoint.")
    guard_port: Port = Field(description="Loopback port of this server's guard.")
    guard_admin_port: Port | None = Field(
        None, description="Loopback port of the guard's /readyz and /metrics; guard_port + 1000 unless given."
    )
    origin: Origin = Field(description="Where the guard finds the server.")
    oauth: OAuth = Field(OAuth.model_construct(), description="The one OAuth front door.")
    access: Access = Field(description="Who may reach it.")
    session: Duration = Field("8h", description="How long a sign-in lasts.")
    posture: Names = Field(
        (), description="Posture rules people's devices must pass: keys of the environment's posture."
    )
    countries: Countries | None = Field(None, description="From where people may come; else the environment's.")
    grants: Many[Grant] = Field((), description="What they may use.")
    limits: Limits = Field(Limits.model_construct(), description="How much they may ask.")
    timeouts: Timeouts = Field(Timeouts.model_construct(), description="Waiting for the origin.")
    circuit_breaker: CircuitBreaker = Field(
        CircuitBreaker.model_construct(), description="When the gateway stops sending."
    )
    guard: ServerGuard = Field(ServerGuard.model_construct(), description="The guard's settings.")
    cors: Cors | None = Field(None, description="Browser clients.")
    logs: Logs = Field(Logs.model_construct(), description="Sinks of its own, of a kind its environment does not use.")
    lockdown: Lockdown | None = Field(
        None, description="Closed to everyone in every ring while this is here; `ringwall lockdown` writes it."
    )
    # Not part of what is deployed: an exception changes no configuration and no digest.
    waivers: Many[Waiver] = Field(
        (), exclude=True, description="Exceptions from `ringwall check`'s rules in this stack."
    )

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        if self.origin.port == self.guard_port:
            raise Wrong(f"port {self.guard_port} is the origin's own port", "choose another", ("guard_port",))
        check_front_door(self)
        if self.admin_port == self.origin.port:
            raise Wrong(f"port {self.admin_port} is the origin's own port", "choose another", ("guard_admin_port",))
        self.origin.check_mode(external=self.oauth.mode == "external")
        return self

    @property
    def admin_port(self) -> int:
        """Where the guard serves /readyz and /metrics, on loopback."""
        return self.guard_port + ADMIN_PORT_OFFSET if self.guard_admin_port is None else self.guard_admin_port

    @property
    def grantees(self) -> tuple[Grantees, ...]:
        """To whom each grant applies, in order."""
        return tuple(grant.to for grant in self.grants)

    @property
    def hostnames(self) -> dict[str, str | None]:
        """Every public name, each with the hosted client it belongs to (None: everyone else)."""
        names: dict[str, str | None] = {self.hostname: None}
        names.update({hosted.hostname: client for client, hosted in sorted(self.access.hosted_clients.items())})
        return names
