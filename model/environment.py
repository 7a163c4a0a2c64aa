"""The environment stack file: what exists once per Cloudflare account and Kong gateway."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, StringConstraints, field_validator, model_validator

from model.base import (
    AbsolutePath,
    CloudflareId,
    Countries,
    Domain,
    Domains,
    Duration,
    Emails,
    Hostname,
    HttpsUrl,
    Instant,
    Many,
    Model,
    Name,
    Names,
    Networks,
    Port,
    Positive,
    Uuid,
    VaultReference,
    Version1,
    split_url,
)
from model.client_authority import ClientAuthority
from model.cluster import Cluster
from model.defaults import ServerDefaults
from model.introspection import Introspection
from model.kong_versions import Edition, version_problem
from model.logpush import Logpush, check_fields
from model.loopback import is_loopback
from model.portal import Portal
from model.problems import Wrong
from model.quotas import Quotas as Quotas
from model.redirect_uris import HostedRedirectUri
from model.suggestions import did_you_mean
from model.waivers import Waiver

Text = Annotated[str, StringConstraints(min_length=1, max_length=350)]


class Cloudflare(Model):
    """The account, zone and Zero Trust team. The API token is never here: `CLOUDFLARE_API_TOKEN`, or the stack's own
    secret key `cloudflare:apiToken`."""

    account_id: CloudflareId = Field(description="Account id, 32 hexadecimal digits.")
    zone: Domain = Field(description="Zone that holds the servers' host names, such as example.com.")
    zone_id: CloudflareId = Field(description="Zone id, 32 hexadecimal digits.")
    team: Name = Field(description="Zero Trust team name: <team>.cloudflareaccess.com.")
    api: HttpsUrl = Field("https://api.cloudflare.com/client/v4", description="API base URL.")

    @property
    def issuer(self) -> str:
        """`iss` of every Access token of this team (Cloudflare One docs, "Validate JWTs")."""
        return f"https://{self.team}.cloudflareaccess.com"

    @property
    def jwks_uri(self) -> str:
        return f"{self.issuer}/cdn-cgi/access/certs"


#: Kong's status API on the loopback of each host that runs it: health and metrics (`components.origin.host`).
KONG_STATUS_PORT = 8100


class Host(Model):
    """One origin host: where cloudflared, Kong's data plane, the guard and the server run."""

    tunnel: Literal["remote", "local"] = Field(
        "remote", description="Remotely managed tunnel, or one whose config.yml is rendered for the host."
    )
    gateway_port: Port = Field(8000, description="Kong's proxy port on the host's loopback.")
    guard_address: Hostname | None = Field(
        None, description="Central topology only: the name under which the gateway reaches this host's guards by mTLS."
    )

    @model_validator(mode="after")
    def _two_listeners(self) -> Self:
        if self.gateway_port == KONG_STATUS_PORT:
            raise Wrong(f"port {KONG_STATUS_PORT} is Kong's own status port", "choose another", ("gateway_port",))
        return self


class Redis(Model):
    """Shared counters, so that a limit holds across gateway nodes."""

    host: Text = Field(description="Host name of the Redis server.")
    port: Annotated[int, Field(ge=1, le=65535)] = Field(6379, description="Its port.")
    username: VaultReference | None = Field(None, description="Gateway-side reference.")
    password: VaultReference | None = Field(None, description="Gateway-side reference.")
    tls: bool = Field(True, description="Verified TLS to it.")


class MutualTls(Model):
    """Central topology: how the gateway proves itself to the guards."""

    client_certificate_id: Uuid = Field(description="Kong certificate the gateway presents.")
    ca_certificate_ids: Many[Uuid] = Field(min_length=1, description="Kong CA certificates that vouch for guards.")


class Gateway(Model):
    """Kong: its Admin API, edition and version. The Admin token is never here: `KONG_ADMIN_TOKEN`, or the stack's own
    secret key `kong:kongAdminToken`."""

    admin_uri: HttpsUrl = Field(description="Admin API; https, or http on loopback.")
    edition: Edition = Field("oss", description="What the licence allows.")
    version: Annotated[str, StringConstraints(pattern=r"^[23]\.\d{1,2}(\.\d{1,2}){0,2}$")] = Field(
        "3.9.3", description="Kong version, quoted. OSS ends at 3.9.3; enterprise and ai need 3.15 and say so."
    )
    workspace: Name | None = Field(None, description="Kong workspace (licensed editions).")
    redis: Redis | None = Field(None, description="Shared counters for more than one gateway node.")
    mutual_tls: MutualTls | None = Field(None, description="Central topology only.")
    cluster: Cluster | None = Field(None, description="Hybrid topology only: what the hosts' data planes are told.")

    @model_validator(mode="after")
    def _edition_has_version(self) -> Self:
        if problem := version_problem(self.edition, self.version):
            raise Wrong(*problem, ("version",))
        if self.edition == "oss" and self.workspace:
            raise Wrong("workspaces need edition enterprise", "remove it", ("workspace",))
        return self


class IdentityProvider(Model):
    """An identity provider already connected to Cloudflare Access."""

    id: Uuid = Field(description="Its id in Cloudflare Access.")
    type: Literal["azure_ad", "github", "gsuite", "oidc", "okta", "saml"] = Field(
        description="Decides how its groups are matched."
    )


class IdpGroup(Model):
    """A group as the identity provider knows it."""

    provider: Name = Field(description="A key of identity_providers.")
    group: Text = Field(description="Okta group name, Entra group object id, GitHub organization, Workspace address…")
    claim: Text | None = Field(
        None,
        description="OIDC claim or SAML attribute that carries the group (default groups). For a grant it must be among "
        "the custom claims or attributes of the provider's settings in Cloudflare One: only those reach the guard.",
    )


class Group(Model):
    """People known by a name: an Access group. Matches when any of its rules does."""

    emails: Emails = Field((), description="Addresses.")
    domains: Domains = Field((), description="Everyone with an address in one of these domains.")
    idp_groups: Many[IdpGroup] = Field((), description="Groups of identity providers.")

    @model_validator(mode="after")
    def _somebody(self) -> Self:
        if not (self.emails or self.domains or self.idp_groups):
            raise Wrong("has no member", "give emails, domains or idp_groups")
        return self


Platform = Literal["windows", "mac", "linux", "android", "ios", "chromeos"]


class Posture(Model):
    """A device posture rule: one that exists already, or one to make."""

    existing: Uuid | None = Field(None, description="Id of a rule that exists, warp and gateway ones above all.")
    type: (
        Literal[
            "disk_encryption", "firewall", "os_version", "file", "application", "domain_joined", "client_certificate_v2"
        ]
        | None
    ) = Field(None, description="Kind of rule to make.")
    platforms: Many[Platform] = Field((), description="Platforms it applies to.")
    check_every: Duration = Field("5m", description="How often the device is asked.")
    require_all: bool | None = Field(None, description="disk_encryption: every disk.")
    check_disks: Many[Text] = Field((), description="disk_encryption: these volumes.")
    enabled: bool | None = Field(None, description="firewall: must be on.")
    version: Text | None = Field(None, description="os_version, quoted.")
    operator: Literal["<", "<=", ">", ">=", "=="] | None = Field(
        None, description="os_version: how the version compares."
    )
    path: Text | None = Field(None, description="file, application: path on the device.")
    exists: bool | None = Field(None, description="file, application: whether it must be there.")
    sha256: Annotated[str, StringConstraints(pattern=r"^[0-9a-f]{64}$")] | None = Field(
        None, description="file, application: digest it must have."
    )
    domain: Domain | None = Field(None, description="domain_joined: the domain.")
    certificate_id: Uuid | None = Field(None, description="client_certificate_v2: the signing certificate.")
    common_name: Text | None = Field(None, description="client_certificate_v2: common name it must carry.")

    _NEEDS: ClassVar[dict[str, tuple[tuple[str, ...], tuple[str, ...]]]] = {
        "disk_encryption": (("require_all", "check_disks"), ("require_all", "check_disks")),
        "firewall": (("enabled",), ("enabled",)),
        "os_version": (("version",), ("version", "operator")),
        "file": (("path",), ("path", "exists", "sha256")),
        "application": (("path",), ("path", "exists", "sha256")),
        "domain_joined": (("domain",), ("domain",)),
        "client_certificate_v2": (("certificate_id",), ("certificate_id", "common_name")),
    }

    @model_validator(mode="after")
    def _fits_its_type(self) -> Self:
        if (self.existing is None) == (self.type is None):
            raise Wrong("must have exactly one of existing and type", "remove one, or add one")
        common_keys = ("existing", "type", "platforms", "check_every")
        set_keys = {
            key for key in self.model_fields_set if key not in common_keys and getattr(self, key) not in (None, ())
        }
        if self.type is None:
            if set_keys or self.platforms:
                raise Wrong(
                    "an existing rule takes no other key", "remove the others, or give type instead of existing"
                )
            return self
        required, allowed = self._NEEDS[self.type]
        if not self.platforms:
            raise Wrong("needs platforms", "write the platforms it is asked on, such as [mac, windows]")
        if extra := sorted(set_keys - set(allowed)):
            raise Wrong(f"does not belong to {self.type}", "remove it", (extra[0],))
        if not set_keys & set(required):
            raise Wrong(f"{self.type} needs {' or '.join(required)}", "add it")
        return self


class Agent(Model):
    """An agent: a user that must be verified, by an Access service token of its own."""

    countries: Countries = Field((), description="Where it calls from. Countries or addresses are required.")
    addresses: Networks = Field((), description="The address ranges it calls from.")
    posture: Names = Field((), description="Posture rules, where it runs on a managed device.")
    common_name: Text | None = Field(
        None,
        exclude_if=lambda value: value is None,
        description="Common name of the client certificate that it must show too, signed by one of client_authorities.",
    )
    token_duration: Duration = Field("8760h", description="Life of its service token.")
    secret_version: Positive = Field(
        1, description="Raised by `ringwall agents rotate`: a new secret, the old one stays."
    )
    previous_secret_expires_at: Instant | None = Field(
        None, description="When the secret before this version stops working, RFC 3339 in UTC, quoted."
    )

    @model_validator(mode="after")
    def _from_somewhere(self) -> Self:
        if not (self.countries or self.addresses):
            raise Wrong("does not say where it calls from", "add countries or addresses")
        if (self.secret_version > 1) != (self.previous_secret_expires_at is not None):
            # Cloudflare takes client_secret_version only with previous_client_secret_expires_at (provider schema).
            raise Wrong("needs secret_version above 1 and previous_secret_expires_at together", "give both, or neither")
        return self


class HostedClient(Model):
    """A client that runs in its vendor's cloud, such as claude.ai: it calls from the vendor's addresses and has no
    device to check, so it gets a host name, an audience and grants of its own."""

    addresses: Networks = Field(min_length=1, description="The vendor's published egress ranges.")
    source: HttpsUrl = Field(description="Where the vendor publishes them; shown to the reviewer.")
    redirect_uris: Many[HostedRedirectUri] = Field(
        min_length=1, description="Where its OAuth sign-in may return to, exactly or with a last /*."
    )


class Issuer(Model):
    """An external authorization server for `oauth: external`."""

    issuer: HttpsUrl = Field(description="Exact `iss`.")
    jwks_uri: HttpsUrl | None = Field(
        None, description="Where its signing keys are; pinned here, never taken from a token. For tokens that are JWTs."
    )
    introspection: Introspection | None = Field(
        None, description="Kong and the guard ask the issuer about each token. For tokens that are no JWTs."
    )

    @model_validator(mode="after")
    def _one_way_to_verify(self) -> Self:
        if (self.jwks_uri is None) == (self.introspection is None):
            problem = (
                "needs one way to verify its tokens" if self.jwks_uri is None else "has two ways to verify a token"
            )
            raise Wrong(problem, "write jwks_uri if its access tokens are JWTs, else introspection")
        return self

    @property
    def address(self) -> str:
        """Where the issuer is asked for what verifies its tokens."""
        return self.introspection.endpoint if self.introspection else str(self.jwks_uri)


class HttpLog(Model):
    url: HttpsUrl | VaultReference = Field(
        description="Collector, or a gateway-side reference to it. Kong OSS does not verify its certificate."
    )
    headers: dict[str, VaultReference] = Field({}, description="Header name to gateway-side reference.")


class FileLog(Model):
    path: AbsolutePath = Field(description="File on the gateway node.")


class Otlp(Model):
    traces: HttpsUrl | VaultReference | None = Field(None, description="OTLP/HTTP endpoint for traces.")
    logs: HttpsUrl | VaultReference | None = Field(None, description="OTLP/HTTP endpoint for logs.")
    headers: dict[str, VaultReference] = Field({}, description="Header name to gateway-side reference.")

    @model_validator(mode="after")
    def _something(self) -> Self:
        if self.traces is None and self.logs is None:
            raise Wrong("needs traces or logs", "add one of them, or remove otlp")
        return self


class Logs(Model):
    """Log sinks, at most one of each kind: Kong runs one instance of a plugin per request, the most specific."""

    http: HttpLog | None = Field(None, description="POST each record.")
    file: FileLog | None = Field(None, description="Write each record as a line.")
    otlp: Otlp | None = Field(None, description="OpenTelemetry.")

    @property
    def kinds(self) -> tuple[str, ...]:
        return tuple(kind for kind in ("http", "file", "otlp") if getattr(self, kind) is not None)


class Metrics(Model):
    prometheus: bool = Field(True, description="Kong's Prometheus plugin on its status port.")


class Environment(Model):
    """`ringwall:environment` of `Pulumi.<env>.yaml`."""

    version: Version1 = Field(description="Format of this manifest.")
    production: bool = Field(False, description="Protects tunnels and Access applications; forbids colocated.")
    cloudflare: Cloudflare
    topology: Literal["colocated", "hybrid", "central"] = Field(
        "colocated", description="Where the gateway runs; colocated is for development only."
    )
    hosts: dict[Name, Host] = Field(min_length=1)
    gateway: Gateway
    countries: Countries = Field(min_length=1, description="From where people may come unless a server says otherwise.")
    identity_providers: dict[Name, IdentityProvider] = {}
    groups: dict[Name, Group] = {}
    posture: dict[Name, Posture] = {}
    agents: dict[Name, Agent] = {}
    client_authorities: dict[Name, ClientAuthority] = Field(
        {},
        exclude_if=lambda value: not value,
        description="Authorities whose client certificates Access accepts from agents with a common_name, by name.",
    )
    hosted_clients: dict[Name, HostedClient] = {}
    issuers: dict[Name, Issuer] = {}
    logs: Logs = Logs.model_construct()
    logpush: Logpush = Field(
        {},
        exclude_if=lambda value: not value,
        description="Logs of Cloudflare's own that it pushes to your store, by dataset; an Enterprise plan has it.",
    )
    metrics: Metrics = Field(Metrics.model_construct(), description="Metrics of the gateway.")
    portal: Portal | None = Field(
        None, exclude_if=lambda value: value is None, description="MCP portal of its servers."
    )
    quotas: Quotas = Quotas.model_construct()
    defaults: ServerDefaults = Field(
        ServerDefaults.model_construct(), description="What its servers inherit; a server's own key wins."
    )
    # Not part of what is deployed: an exception changes no configuration and no digest.
    waivers: Many[Waiver] = Field(
        (), exclude=True, description="Exceptions from `ringwall check`'s rules in this stack."
    )

    @field_validator("issuers")
    @classmethod
    def _reserved(cls, value: dict[str, Issuer]) -> dict[str, Issuer]:
        if "access" in value:
            raise Wrong("access is the name of Cloudflare Access itself", "rename it", ("access",))
        return value

    @model_validator(mode="after")
    def _consistent(self) -> Self:
        for name, agent in self.agents.items():
            self._known("posture", agent.posture, ("agents", name, "posture"))
        for name, group in self.groups.items():
            for index, idp_group in enumerate(group.idp_groups):
                key = ("groups", name, "idp_groups", index, "provider")
                self._known("identity_providers", (idp_group.provider,), key)
        self._known("posture", self.defaults.posture or (), ("defaults", "posture"))
        check_fields(self.logpush)
        if self.portal is not None:
            self._portal_known(self.portal)
        central = self.topology == "central"
        for name, host in self.hosts.items():
            if central != (host.guard_address is not None):
                raise self._central_only("guard_address", ("hosts", name))
        if central != (self.gateway.mutual_tls is not None):
            raise self._central_only("mutual_tls", ("gateway",))
        if self.gateway.cluster:
            self.gateway.cluster.require_fit(self.topology, production=self.production)
        admin = split_url(self.gateway.admin_uri).hostname or ""
        if self.production and self.topology == "colocated":
            raise Wrong(
                "a production environment must not be colocated: a shell injected on that host could rewrite the gateway",
                "use topology hybrid or central",
                ("topology",),
            )
        if self.production and is_loopback(admin) and self.topology != "central":
            raise Wrong(
                "is on loopback: in production the Admin API lives off the origin hosts",
                "write the address of the control plane",
                ("gateway", "admin_uri"),
            )
        return self

    def _portal_known(self, portal: Portal) -> None:
        self._known("posture", portal.posture, ("portal", "posture"))
        self._known("agents", portal.agents, ("portal", "agents"))
        self._known("groups", portal.people.groups if portal.people else (), ("portal", "people", "groups"))
        for server, agent in portal.shared.items():
            self._known("agents", (agent,), ("portal", "shared", server))
            if self.agents[agent].common_name is not None:
                raise Wrong(
                    f"{agent} must show a client certificate, which the portal has not when it calls {server}",
                    "share the server by an agent without common_name",
                    ("portal", "shared", server),
                )
        if not portal.hostname.endswith("." + self.cloudflare.zone):
            raise Wrong(
                f"{portal.hostname} is outside the zone {self.cloudflare.zone}",
                f"use a name that ends in .{self.cloudflare.zone}",
                ("portal", "hostname"),
            )

    def _central_only(self, key: str, path: tuple[str, ...]) -> Wrong:
        if self.topology == "central":
            return Wrong(f"needs {key} in the central topology", "add it", path)
        return Wrong(f"takes no {key} in the {self.topology} topology", "remove it", (*path, key))

    def _known(self, key: str, names: tuple[str, ...], path: tuple[str | int, ...]) -> None:
        for name in names:
            if name not in (known := getattr(self, key)):
                remedy = did_you_mean(name, known, none=f"there are no {key}")
                raise Wrong(f"{name} is not in {key}", f"{remedy}; or add it to {key}", path)
