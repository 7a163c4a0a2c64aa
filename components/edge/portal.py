"""The edge ring of an MCP portal: the servers as Cloudflare calls them, their applications, the portal and, last, its name.

A portal is Cloudflare's own service: what it calls is each server's public address, so a server's tunnel, gateway and guard
stand behind it as behind every other caller. It belongs to the environment's stack: one portal refers to many servers, and
Cloudflare takes a portal with servers that it knows alone.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_cloudflare as cloudflare  # noqa: TID253

from components.edge.access import portal_policies, portal_server_policies
from components.edge.offered import offered_prompts, offered_tools
from components.edge.registration import CLOSED, managed_oauth, portal_registration
from model.portal import PORTAL_TARGET, Portal
from model.portal_checks import portal_server_id, upstream
from model.stacks import EnvironmentStack, ServerStack


@dataclass(frozen=True)
class PortalArgs:
    environment: EnvironmentStack
    portal: Portal
    #: Access policy ids by content key.
    policy_ids: Mapping[str, pulumi.Input[str]]
    #: Client id and secret of each agent's service token; the secrets are secret.
    agent_client_ids: Mapping[str, pulumi.Input[str]]
    agent_client_secrets: Mapping[str, pulumi.Input[str]]
    #: What else must stand before the name does: everything that the environment's policies are made of.
    protectors: Sequence[pulumi.Resource]


class PortalRing(pulumi.ComponentResource):
    """The portal, the servers that it offers, an Access application for each and for the portal's own name, and that name.

    The name depends on all of them, so it appears last and goes first. The portal depends on its applications, so a server
    is offered after its application stands, and no longer offered before that goes.

    Outputs:
        url: what clients are given. application_id, audience: of the portal's own name.
    """

    def __init__(self, name: str, args: PortalArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        environment, portal = args.environment, args.portal
        settings, account = environment.settings, environment.settings.cloudflare.account_id
        offered = portal.published(environment.servers)
        super().__init__(
            "ringwall:index:Portal",
            name,
            {"environment": environment.name, "hostname": portal.hostname, "servers": offered},
            opts,
        )
        child = pulumi.ResourceOptions(parent=self)
        protect = settings.production or None
        # As at a server: another destination is another application, and the old one stands until nothing leads to it.
        replaced = pulumi.ResourceOptions(
            parent=self,
            protect=protect,
            replace_on_changes=["destinations"],
            delete_before_replace=False,
            # The provider reads these back for `mcp` and may not send them (terraform-provider-cloudflare #7120).
            ignore_changes=["corsHeaders", "enableBindingCookie", "optionsPreflightBypass"],
        )
        self.servers: dict[str, cloudflare.ZeroTrustAccessAiControlsMcpServer] = {}
        self.server_applications: dict[str, cloudflare.ZeroTrustAccessApplication] = {}
        for server in offered:
            stack = environment.servers[server]
            self.servers[server] = self._server(f"{name}-server-{server}", args, stack, child)
            self.server_applications[server] = cloudflare.ZeroTrustAccessApplication(
                f"{name}-application-{server}",
                account_id=account,
                name=f"{environment.name}-portal-{server}",
                type="mcp",
                destinations=[{"type": "via_mcp_server_portal", "mcp_server_id": self.servers[server].id}],
                policies=_ranked(args, portal_server_policies(settings, portal, server, stack.manifest)),
                session_duration=portal.session,
                allowed_idps=_providers(environment),
                # Clients sign in at the portal; at the server's own name its own application asks them.
                oauth_configuration=managed_oauth(CLOSED, enabled=False),
                opts=replaced,
            )
        self.application = self._application(f"{name}-application", args)
        applications = [self.application, *self.server_applications.values()]
        self.portal = cloudflare.ZeroTrustAccessAiControlsMcpPortal(
            name,
            account_id=account,
            zero_trust_access_ai_controls_mcp_portal_id=environment.name,
            name=environment.name,
            hostname=portal.hostname,
            # Left out it is opt_in: any client could switch it on (the provider's schema).
            code_mode=portal.code_mode or "off",
            secure_web_gateway=False,
            servers=[
                {
                    "server_id": self.servers[server].id,
                    # What the list below does not name stays off; a new tool is no exception.
                    "default_disabled": True,
                    "on_behalf": server not in portal.shared,
                    "updated_tools": _switches(offered_tools(environment.servers[server], portal)),
                    "updated_prompts": _switches(offered_prompts(environment.servers[server], portal)),
                }
                for server in offered
            ],
            opts=pulumi.ResourceOptions(parent=self, protect=protect, depends_on=applications),
        )
        self.record = cloudflare.DnsRecord(
            f"{name}-record",
            zone_id=settings.cloudflare.zone_id,
            name=portal.hostname,
            type="CNAME",
            content=PORTAL_TARGET,
            proxied=True,
            ttl=1,
            comment=f"ringwall {environment.stack}",
            opts=pulumi.ResourceOptions(
                parent=self, depends_on=[*args.protectors, *self.servers.values(), *applications, self.portal]
            ),
        )
        self.url = portal.url
        self.register_outputs(
            {"url": self.url, "application_id": self.application.id, "audience": self.application.aud}
        )

    def _server(
        self, name: str, args: PortalArgs, server: ServerStack, opts: pulumi.ResourceOptions
    ) -> cloudflare.ZeroTrustAccessAiControlsMcpServer:
        settings, agent = server.settings, args.portal.shared.get(server.name)
        return cloudflare.ZeroTrustAccessAiControlsMcpServer(
            name,
            account_id=settings.cloudflare.account_id,
            zero_trust_access_ai_controls_mcp_server_id=portal_server_id(server, settings),
            name=f"{server.environment.name}-{server.name}",
            hostname=upstream(server),
            auth_type="oauth" if agent is None else "bearer",
            auth_credentials=None
            if agent is None
            else _credentials(args.agent_client_ids[agent], args.agent_client_secrets[agent]),
            opts=opts,
        )

    def _application(self, name: str, args: PortalArgs) -> cloudflare.ZeroTrustAccessApplication:
        """The application before the portal's own name, as before a server's."""
        environment, portal = args.environment, args.portal
        return cloudflare.ZeroTrustAccessApplication(
            name,
            account_id=environment.settings.cloudflare.account_id,
            name=f"{environment.name}-portal",
            type="mcp_portal",
            destinations=[{"type": "public", "uri": portal.hostname}],
            policies=_ranked(args, portal_policies(environment.settings, portal)),
            session_duration=portal.session,
            allowed_idps=_providers(environment),
            service_auth401_redirect=True,
            enable_binding_cookie=False,
            http_only_cookie_attribute=True,
            same_site_cookie_attribute="lax",
            options_preflight_bypass=False,
            skip_interstitial=True,
            oauth_configuration=managed_oauth(portal_registration(portal), enabled=portal.people is not None),
            opts=pulumi.ResourceOptions(
                parent=self,
                protect=environment.settings.production or None,
                replace_on_changes=["destinations"],
                delete_before_replace=False,
            ),
        )


def _switches(names: Mapping[str, bool]) -> list[dict[str, Any]]:
    return [{"name": name, "enabled": enabled} for name, enabled in sorted(names.items())]


def _ranked(args: PortalArgs, keys: Sequence[str]) -> list[Any]:
    return [{"id": args.policy_ids[key], "precedence": rank} for rank, key in enumerate(keys, start=1)]


def _providers(environment: EnvironmentStack) -> list[str] | None:
    return sorted(idp.id for idp in environment.settings.identity_providers.values()) or None


def _credentials(client_id: pulumi.Input[str], client_secret: pulumi.Input[str]) -> pulumi.Output[str]:
    """An agent's service token as the headers that the portal sends (Cloudflare One docs, "Bearer authentication
    credentials")."""
    return pulumi.Output.secret(
        pulumi.Output.all(client_id, client_secret).apply(
            lambda pair: json.dumps({"headers": {"CF-Access-Client-Id": pair[0], "CF-Access-Client-Secret": pair[1]}})
        )
    )
