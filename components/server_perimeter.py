"""The component of one MCP server behind its four rings. What exists once per environment is in `components.environment`."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from components.contract import Contract
from components.edge.access import server_policies
from components.edge.server import EdgeArgs, EdgeRing, PublicName, PublicNameArgs
from components.gateway.server import GatewayArgs, GatewayRing
from components.guard.ring import GuardArgs, GuardRing
from components.origin.server import OriginArgs, OriginRing
from model.stacks import ServerStack


@dataclass(frozen=True)
class PerimeterArgs:
    server: ServerStack
    contract: Contract
    #: Locally managed tunnels only: base64, at least 32 bytes, a secret.
    tunnel_secret: pulumi.Input[str] | None = None


class Perimeter(pulumi.ComponentResource):
    """Edge, gateway, guard and origin of one server, and last of all its public name.

    Order is the security property: the DNS record depends on every protecting resource, so the name appears after the
    last of them and goes before the first (`plan.exposure` proves it on the graph).

    Renaming a child changes its URN; whoever does adds `aliases` so that no tunnel or application is replaced.

    Outputs:
        hostname, urls: where clients connect.
        tunnel_id, audiences, application_ids: the edge.
        guard_config, host_bundle: what the origin host runs; guard_config_sha256, host_bundle_sha256: their digests.
    """

    def __init__(self, name: str, args: PerimeterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        server, environment = args.server, args.server.environment
        settings, manifest = environment.settings, server.manifest
        super().__init__(
            "ringwall:index:ServerPerimeter",
            name,
            {"environment": environment.name, "server": server.name, "hostnames": list(manifest.hostnames)},
            opts,
        )
        child = pulumi.ResourceOptions(parent=self)
        keys = sorted({key for keys in server_policies(settings, manifest).values() for key in keys})
        self.edge = EdgeRing(
            f"{name}-edge",
            EdgeArgs(server, args.contract.policy_ids(keys), args.tunnel_secret),
            child,
        )
        self.gateway = GatewayRing(
            f"{name}-gateway",
            GatewayArgs(server, self.edge.audiences),
            child,
        )
        self.guard = GuardRing(
            f"{name}-guard",
            GuardArgs(
                stack=server,
                audiences=self.edge.audiences,
                agent_client_ids=args.contract.agent_client_ids(manifest.access.agents),
            ),
            child,
        )
        self.origin = OriginRing(
            f"{name}-origin",
            OriginArgs(
                server=server,
                tunnel_id=self.edge.tunnel_id,
                guard_config=self.guard.config,
                cloudflared_config=self.edge.config_yml,
            ),
            child,
        )
        self.public_name = PublicName(
            f"{name}-public-name",
            PublicNameArgs(
                server=server,
                tunnel_id=self.edge.tunnel_id,
                protectors=[*self.edge.protectors, *self.gateway.protectors],
            ),
            child,
        )
        #: What a stack exports; the long documents stand at their components (see `components.documents`).
        self.exports = {
            "hostname": manifest.hostname,
            "urls": [f"https://{hostname}{manifest.path}" for hostname in manifest.hostnames],
            "tunnel_id": self.edge.tunnel_id,
            "audiences": self.edge.audiences,
            "application_ids": self.edge.application_ids,
            "gateway_route_id": self.gateway.route_id,
            "guard_config_sha256": self.guard.config_sha256,
            "host_bundle_sha256": self.origin.host_bundle_sha256,
        }
        self.outputs = {
            **self.exports,
            "guard_config": self.guard.config,
            "host_bundle": self.origin.host_bundle,
        }
        self.register_outputs(self.outputs)
