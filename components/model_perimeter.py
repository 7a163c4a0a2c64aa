"""The component of one model route behind its four rings; a server's is in `components.server_perimeter`."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from components.contract import Contract
from components.edge.access import server_policies
from components.edge.server import EdgeArgs, EdgeRing, PublicName, PublicNameArgs
from components.gateway.inner import InnerGatewayArgs, InnerGatewayRing
from components.gateway.model_support import support_problems
from components.gateway.server import GatewayArgs, GatewayRing
from components.guard.ring import GuardArgs, GuardRing
from components.origin.server import OriginArgs, OriginRing
from model.errors import InputErrors
from model.stacks import ModelStack


@dataclass(frozen=True)
class ModelPerimeterArgs:
    stack: ModelStack
    contract: Contract
    #: By which the guard enters the inner routes, a secret; none where the route has no guard.
    guard_key: pulumi.Input[str] | None
    #: Locally managed tunnels only: base64, at least 32 bytes, a secret.
    tunnel_secret: pulumi.Input[str] | None = None


class ModelPerimeter(pulumi.ComponentResource):
    """Edge, public gateway route, guard, inner routes and origin of one model route, and last of all its public name.
    Without a guard there are no inner routes either: the public one leads to the providers.

    Order is the security property: the DNS record depends on every protecting resource, those of the inner routes too.

    Outputs:
        hostname, urls: where clients connect.
        tunnel_id, audiences, application_ids: the edge.
        host_bundle: what the origin host runs, guard_config: of the guard; host_bundle_sha256, guard_config_sha256: their
        digests.

    Raises:
        InputErrors: before any resource, what the edition cannot carry.
    """

    def __init__(self, name: str, args: ModelPerimeterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        stack, manifest = args.stack, args.stack.manifest
        if problems := support_problems(stack):
            raise InputErrors(problems)
        super().__init__(
            "ringwall:index:ModelPerimeter",
            name,
            {"environment": stack.environment.name, "model_route": stack.name, "hostnames": list(manifest.hostnames)},
            opts,
        )
        child = pulumi.ResourceOptions(parent=self)
        keys = sorted({key for keys in server_policies(stack.settings, manifest).values() for key in keys})
        inner = None if args.guard_key is None else InnerGatewayArgs(stack, args.guard_key)
        self.inner = InnerGatewayRing(f"{name}-inner", inner, child) if inner else None
        self.edge = EdgeRing(f"{name}-edge", EdgeArgs(stack, args.contract.policy_ids(keys), args.tunnel_secret), child)
        self.gateway = GatewayRing(f"{name}-gateway", GatewayArgs(stack, self.edge.audiences), child)
        self.guard: GuardRing | None = None
        if manifest.guard is not None:
            agents = args.contract.agent_client_ids(manifest.access.agents)
            self.guard = GuardRing(f"{name}-guard", GuardArgs(stack, self.edge.audiences, agents), child)
        self.origin = OriginRing(
            f"{name}-origin",
            OriginArgs(
                server=stack,
                tunnel_id=self.edge.tunnel_id,
                guard_config=self.guard.config if self.guard else None,
                cloudflared_config=self.edge.config_yml,
            ),
            child,
        )
        self.public_name = PublicName(
            f"{name}-public-name",
            PublicNameArgs(
                server=stack,
                tunnel_id=self.edge.tunnel_id,
                protectors=[
                    *self.edge.protectors,
                    *self.gateway.protectors,
                    *(self.inner.protectors if self.inner else ()),
                ],
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
            **({"inner_route_ids": self.inner.route_ids} if self.inner else {}),
            **({"guard_config_sha256": self.guard.config_sha256} if self.guard else {}),
            "host_bundle_sha256": self.origin.host_bundle_sha256,
        }
        self.outputs = {
            **self.exports,
            **({"guard_config": self.guard.config} if self.guard else {}),
            "host_bundle": self.origin.host_bundle,
        }
        self.register_outputs(self.outputs)
