"""The edge ring of one server or model route: its tunnel, its Access applications and, last of all, its public name."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pulumi
import pulumi_cloudflare as cloudflare  # noqa: TID253

from components.edge.access import lockdown_policy, render_rule, server_policies
from components.edge.registration import managed_oauth, registration
from components.edge.tunnel import config_yml, ingress_rules
from components.random_secret import random_secret
from model.cross_checks import TUNNEL_SECRET, set_secret
from model.errors import InputError
from model.stacks import PerimeterStack, noun


@dataclass(frozen=True)
class EdgeArgs:
    server: PerimeterStack
    #: Access policy ids by content key, from the environment.
    policy_ids: Mapping[str, pulumi.Input[str]]
    #: Locally managed tunnels only: base64 of at least 32 bytes, a secret.
    tunnel_secret: pulumi.Input[str] | None = None


class EdgeRing(pulumi.ComponentResource):
    """Tunnel, one Access application a host name, and the ingress that checks the Access token again.

    Renaming a child changes its URN, which replaces a tunnel or an application: whoever does adds `aliases`.

    Attributes:
        protectors: every resource that must exist before the public name does.

    Outputs:
        tunnel_id, audiences and application_ids (by host name), config_yml (locally managed tunnels, else None).
        The tunnel's token is not read here, so that it is in no state; the operator fetches it on the host.
    """

    def __init__(self, name: str, args: EdgeArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        server, manifest, settings = args.server, args.server.manifest, args.server.settings
        host = settings.hosts[manifest.host]
        local = host.tunnel == "local"
        secret = None
        if local:
            if args.tunnel_secret is None:
                raise InputError(
                    f"host {manifest.host} has a locally managed tunnel, which needs ringwall:tunnelSecret",
                    remedy=f"run `{set_secret(TUNNEL_SECRET, server.stack)}`",
                )
            secret = random_secret(args.tunnel_secret, TUNNEL_SECRET, server.stack)
        super().__init__(
            "ringwall:index:Edge",
            name,
            {"environment": server.environment.name, noun(server): server.name, "hostnames": list(manifest.hostnames)},
            opts,
        )
        account = settings.cloudflare.account_id
        protected = pulumi.ResourceOptions(parent=self, protect=settings.production or None)
        # An application that were updated to another name would leave the old one bare until the record follows, or for
        # ever if the update stops between. So another name is another application: the engine makes it first, moves the
        # ingress, the gateway and the record, and deletes the old one last, after whatever still depended on it.
        renamed = pulumi.ResourceOptions(
            parent=self,
            protect=settings.production or None,
            replace_on_changes=["destinations"],
            delete_before_replace=False,
        )
        self.tunnel = cloudflare.ZeroTrustTunnelCloudflared(
            f"{name}-tunnel",
            account_id=account,
            name=_entity(server),
            config_src="local" if local else "cloudflare",
            tunnel_secret=secret,
            opts=protected,
        )
        self.lockdown = self._lockdown(name, server)
        self.applications = {
            hostname: self._application(name, args, hostname, keys, renamed)
            for hostname, keys in server_policies(settings, manifest).items()
        }
        self.tunnel_id: pulumi.Output[str] = self.tunnel.id
        self.audiences: dict[str, pulumi.Output[str]] = {h: app.aud for h, app in self.applications.items()}
        self.application_ids = {hostname: app.id for hostname, app in self.applications.items()}
        self.protectors: list[pulumi.Resource] = [self.tunnel, *self.applications.values()]
        self.config_yml: pulumi.Output[str | None] = pulumi.Output.from_input(None)
        if local:
            credentials = f"/etc/ringwall/{server.stack}/tunnel-credentials.json"
            self.config_yml = pulumi.Output.all(
                tunnel=self.tunnel_id, audiences=pulumi.Output.all(**self.audiences)
            ).apply(
                lambda ids: config_yml(
                    manifest, settings.cloudflare.team, host.gateway_port, ids["audiences"], ids["tunnel"], credentials
                )
            )
        else:
            rules = ingress_rules(manifest, settings.cloudflare.team, host.gateway_port, self.audiences)
            self.ingress = cloudflare.ZeroTrustTunnelCloudflaredConfig(
                f"{name}-ingress",
                account_id=account,
                tunnel_id=self.tunnel.id,
                source="cloudflare",
                config={"ingresses": rules},
                opts=pulumi.ResourceOptions(parent=self, depends_on=list(self.applications.values())),
            )
            self.protectors.append(self.ingress)
        self.register_outputs(
            {
                "tunnel_id": self.tunnel_id,
                "audiences": self.audiences,
                "application_ids": self.application_ids,
                "config_yml": self.config_yml,
            }
        )

    def _lockdown(self, name: str, server: PerimeterStack) -> cloudflare.ZeroTrustAccessPolicy | None:
        """The one policy of a closed server. Not protected: lifting the lockdown deletes it."""
        spec, settings = lockdown_policy(server.manifest), server.settings
        if spec is None:
            return None
        return cloudflare.ZeroTrustAccessPolicy(
            f"{name}-{spec.key}",
            account_id=settings.cloudflare.account_id,
            name=f"{_entity(server)}-{spec.key}",
            decision=spec.decision,
            includes=[render_rule(rule, settings, _nothing_to_find) for rule in spec.include],
            requires=[],
            session_duration=spec.session_duration,
            opts=pulumi.ResourceOptions(parent=self),
        )

    def _application(
        self, name: str, args: EdgeArgs, hostname: str, policies: list[str], opts: pulumi.ResourceOptions
    ) -> cloudflare.ZeroTrustAccessApplication:
        """One application before one whole host name: discovery and well-known paths are behind it as well."""
        server, manifest, settings = args.server, args.server.manifest, args.server.settings
        client = manifest.hostnames[hostname]
        managed = manifest.oauth.mode == "access"
        admitting = [{"id": args.policy_ids[key], "precedence": rank} for rank, key in enumerate(policies, start=1)]
        portal = settings.portal
        callback = portal.callback_for(server.name) if portal and client is None and noun(server) == "server" else None
        clients = registration(settings, manifest, client, callback)
        return cloudflare.ZeroTrustAccessApplication(
            f"{name}-application" + (f"-{client}" if client else ""),
            account_id=settings.cloudflare.account_id,
            name=_entity(server) + (f"-{client}" if client else ""),
            type="self_hosted",
            destinations=[{"type": "public", "uri": hostname}],
            policies=[{"id": self.lockdown.id, "precedence": 1}] if self.lockdown else admitting,
            session_duration=manifest.session,
            # Only the providers the environment declares may sign anyone in; with none declared, the account's all may.
            allowed_idps=sorted(idp.id for idp in settings.identity_providers.values()) or None,
            # Clients are programs: a 401 they can act on instead of a login page they cannot read.
            service_auth401_redirect=True,
            app_launcher_visible=False,
            auto_redirect_to_identity=False,
            allow_authenticate_via_warp=manifest.oauth.mode == "external",
            enable_binding_cookie=False,
            http_only_cookie_attribute=True,
            same_site_cookie_attribute="lax",
            path_cookie_attribute=False,
            options_preflight_bypass=False,
            skip_interstitial=True,
            oauth_configuration=managed_oauth(
                clients,
                enabled=managed,
                lifetimes=(manifest.oauth.access_token_lifetime, manifest.oauth.grant_lifetime),
            ),
            opts=opts,
        )


def _entity(server: PerimeterStack) -> str:
    """What the server's tunnel, applications and policies are named after at Cloudflare."""
    return f"{server.environment.name}-{server.name}"


def _nothing_to_find(kind: str, name: str) -> str:
    raise LookupError(f"{kind} {name}")


@dataclass(frozen=True)
class PublicNameArgs:
    server: PerimeterStack
    tunnel_id: pulumi.Input[str]
    #: Every resource that protects the name, of every ring.
    protectors: Sequence[pulumi.Resource]


class PublicName(pulumi.ComponentResource):
    """The DNS records. They depend on every protecting resource: last to appear, first to go."""

    def __init__(self, name: str, args: PublicNameArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        server, hostnames = args.server, args.server.manifest.hostnames
        super().__init__(
            "ringwall:index:PublicName", name, {noun(server): server.name, "hostnames": list(hostnames)}, opts
        )
        self.records: dict[str, cloudflare.DnsRecord] = {}
        for hostname, client in hostnames.items():
            self.records[hostname] = cloudflare.DnsRecord(
                f"{name}-record" + (f"-{client}" if client else ""),
                zone_id=server.settings.cloudflare.zone_id,
                # The full name; a relative one is a perpetual difference. A proxied record must have ttl 1 (automatic).
                name=hostname,
                type="CNAME",
                content=pulumi.Output.concat(args.tunnel_id, ".cfargotunnel.com"),
                proxied=True,
                ttl=1,
                comment=f"ringwall {server.stack}",
                opts=pulumi.ResourceOptions(parent=self, depends_on=list(args.protectors)),
            )
        self.register_outputs({"record_ids": {hostname: record.id for hostname, record in self.records.items()}})
