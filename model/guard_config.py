"""The guard's configuration: one deterministic document with everything the guard needs to decide about a call.

It holds no secret, only the place where the host finds one. The guard receives it inside a `GuardBundle`, which is signed
and numbered, so that the guard refuses an altered or an older one.
"""

from __future__ import annotations

from typing import Annotated, Any, Literal, Self

from pydantic import Field, StringConstraints, model_validator

from model.base import (
    AbsolutePath,
    Domains,
    Email,
    Emails,
    Hostname,
    HttpsUrl,
    Many,
    Model,
    Name,
    Port,
    Positive,
    SecretRef,
    UrlPath,
    Version1,
    Yes,
)
from model.defaults import Anchor, GuardRedis, Limits, Rate
from model.introspection import IntrospectionClient
from model.problems import Wrong
from model.server import Origin, Pattern, ServerGuard
from model.tool_lock import ToolLock

Sha256 = Annotated[str, StringConstraints(pattern=r"^sha256:[0-9a-f]{64}$")]
Token = Annotated[str, StringConstraints(min_length=1, max_length=4096)]
PrincipalId = Annotated[str, StringConstraints(pattern=r"^(person|agent):[^\x00-\x20\x7f]{1,256}$")]


class Listen(Model):
    """Where the guard listens: on loopback, unless the gateway is central and reaches it by mutual TLS."""

    address: Annotated[str, StringConstraints(min_length=1)] = Field("127.0.0.1", description="Address to listen on.")
    port: Port = Field(description="Port to listen on.")
    tls_certificate: SecretRef | None = Field(None, description="Beyond loopback: own certificate.")
    tls_key: SecretRef | None = Field(None, description="Beyond loopback: its key.")
    client_ca: SecretRef | None = Field(None, description="Beyond loopback: who vouches for the gateway.")

    @model_validator(mode="after")
    def _closed(self) -> Self:
        tls = (self.tls_certificate, self.tls_key, self.client_ca)
        if self.address != "127.0.0.1" and not all(tls):
            raise Wrong("an address beyond loopback needs tls_certificate, tls_key and client_ca", "add them")
        return self


class FrontDoor(Model):
    """One public name: tokens for it carry this audience and no other."""

    hostname: Hostname = Field(description="Public name.")
    audience: Token = Field(description="`aud` of its Access application.")
    hosted_client: Name | None = Field(None, description="The hosted client it belongs to.")


class AccessIdentity(Model):
    """Verification of `Cf-Access-Jwt-Assertion` (Cloudflare One docs, "Validate JWTs")."""

    issuer: HttpsUrl = Field(description="Exact `iss`.")
    jwks_uri: HttpsUrl = Field(description="Signing keys.")
    front_doors: Many[FrontDoor] = Field(min_length=1, description="Every public name with its audience.")


class ExternalIdentity(Model):
    """Verification of the bearer token (RFC 9068, RFC 8707)."""

    issuer: HttpsUrl = Field(description="Exact `iss`.")
    jwks_uri: HttpsUrl | None = Field(None, exclude_if=lambda value: value is None, description="Signing keys.")
    introspection: IntrospectionClient | None = Field(
        None, exclude_if=lambda value: value is None, description="Where the issuer is asked about a token (RFC 7662)."
    )
    audience: HttpsUrl = Field(description="`aud` the token must carry.")
    scopes: Many[str] = Field((), description="Scopes it must carry.")

    @model_validator(mode="after")
    def _one_way_to_verify(self) -> Self:
        if (self.jwks_uri is None) == (self.introspection is None):
            raise Wrong("must have exactly one of jwks_uri and introspection", "remove one, or add one")
        return self


class DemoIdentity(Model):
    """No identity is verified: every caller is taken for this principal. Allowed on loopback alone, and announced at
    every start."""

    principal: PrincipalId = Field(description="The principal that every caller is taken for.")
    email: Email | None = Field(None, description="Its address, if it is a person.")
    agent: Name | None = Field(None, description="Its agent name, if it is an agent.")


class Identity(Model):
    """How a caller proves who it is. A caller must pass every method that is given; without one the guard does not start."""

    access: AccessIdentity | None = Field(None, description="The Access assertion.")
    external: ExternalIdentity | None = Field(None, description="The bearer token, in mode external.")
    demo: DemoIdentity | None = Field(None, description="For trying things out on one machine; verifies nothing.")
    agents: dict[Token, Name] = Field({}, description="Service token client id (`common_name`) to agent name.")

    @model_validator(mode="after")
    def _somebody_is_asked(self) -> Self:
        if not (self.access or self.external or self.demo):
            raise Wrong(
                "gives no way to verify a caller",
                "give access or external, or demo to try things out on your own machine",
            )
        if self.demo and (self.access or self.external):
            raise Wrong(
                "demo verifies nobody, so it cannot stand beside access or external",
                "remove demo, or the others",
                ("demo",),
            )
        return self


class IdpClaim(Model):
    """A group as it appears in a token's claims."""

    provider: Name = Field(description="Identity provider.")
    group: Token = Field(description="Group as it names it.")
    claim: Token | None = Field(None, description="Claim that carries it.")


class Principals(Model):
    """To whom a grant applies, groups written out."""

    all: Yes | None = Field(None, description="Everyone whom access admits.")
    emails: Emails = Field((), description="People by address.")
    domains: Domains = Field((), description="People by domain.")
    idp_groups: Many[IdpClaim] = Field((), description="People by group claim.")
    agents: Many[Name] = Field((), description="Agents.")
    hosted_clients: Many[Name] = Field((), description="Hosted clients.")


class ResolvedGrant(Model):
    """A grant with its patterns replaced by the locked names they match: what the reviewer sees is what is enforced."""

    to: Principals = Field(description="To whom.")
    tools: Many[str] = Field((), description="Exact tool names.")
    prompts: Many[str] = Field((), description="Exact prompt names.")
    resources: Many[Pattern] = Field(
        (), description="Resource URIs or patterns, as a grant of the stack file writes them."
    )
    arguments: dict[str, dict[str, Any]] = Field({}, description="Per tool, a JSON Schema its arguments must meet too.")
    limits: Rate = Field(Rate.model_construct(), description="Tighter than the server's.")


class ServerName(Model):
    environment: Name = Field(description="Environment.")
    name: Name = Field(description="Server.")


class Audit(Model):
    """JSON Lines, hash-chained; a log that cannot be written closes the guard."""

    path: AbsolutePath = Field(description="The log file.")
    payloads: bool = Field(False, description="Redacted payloads too.")
    fsync: Literal["always", "batch"] = Field("batch", description="After every record, or in batches.")
    rotate_megabytes: Positive = Field(64, description="Size at which it is rotated.")
    keep_files: Positive = Field(16, description="Rotated files kept.")
    anchor: Anchor | None = Field(None, description="Where the signed head of the chain goes, off this host.")


class GuardConfig(Model):
    """What `ringwall guard run` enforces for one server."""

    version: Version1 = Field(description="Format of this document.")
    server: ServerName = Field(description="Whose guard this is.")
    listen: Listen = Field(description="Where the gateway reaches it.")
    path: UrlPath = Field(description="Path of the MCP endpoint.")
    browser_origins: Many[HttpsUrl] = Field((), description="Other `Origin` values that may call, from cors.")
    admin_port: Port | None = Field(
        None, description="Loopback port of /readyz and /metrics; without it neither is served."
    )
    redis: GuardRedis | None = Field(None, description="Shared counters for several replicas of this guard.")
    origin: Origin = Field(description="Where the server is.")
    identity: Identity = Field(description="Whose tokens count.")
    grants: Many[ResolvedGrant] = Field((), description="Who may use what.")
    limits: Limits = Field(description="How much.")
    guard: ServerGuard = Field(description="Engines, legs, exceptions and taint.")
    audit: Audit = Field(description="The audit log.")
    tool_lock_sha256: Sha256 = Field(description="Digest of the tool lock.")
    tool_lock: ToolLock = Field(description="The tool lock, whole.")

    @model_validator(mode="after")
    def _fits_its_mode(self) -> Self:
        self.origin.check_mode(external=self.identity.external is not None)
        return self

    @model_validator(mode="after")
    def _one_redis(self) -> Self:
        if self.guard.redis is not None and self.guard.redis != self.redis:
            raise Wrong("differs from guard.redis", "write the same in both, or remove guard.redis", ("redis",))
        return self
