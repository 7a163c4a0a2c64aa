"""The origin ring of one server or model route: a component that exports what the host must run, as one document."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from typing import Any

import pulumi

from components.documents import ORIGIN
from components.gateway.guardless_plugins import offered
from components.gateway.inner_entities import address
from components.origin.host import build_host_bundle, render
from model.stacks import ModelStack, PerimeterStack, has_guard


@dataclass(frozen=True)
class OriginArgs:
    server: PerimeterStack
    tunnel_id: pulumi.Input[str]
    #: None where the host runs no guard.
    guard_config: pulumi.Input[str] | None
    cloudflared_config: pulumi.Input[str | None]


class OriginRing(pulumi.ComponentResource):
    """Says what the origin host runs, and that nothing of it listens beyond loopback.

    Outputs:
        host_bundle: JSON text, format `model.host_bundle.HostBundle`: processes, listeners, files, secrets by
            reference, destinations.
    """

    host_bundle: pulumi.Output[str]
    host_bundle_sha256: pulumi.Output[str]

    def __init__(self, name: str, args: OriginArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(
            ORIGIN,
            name,
            {"host": args.server.manifest.host, **_origin(args.server)},
            opts,
        )
        self.host_bundle = pulumi.Output.all(
            tunnel_id=args.tunnel_id, guard=args.guard_config, cloudflared=args.cloudflared_config
        ).apply(
            lambda known: render(
                build_host_bundle(args.server, known["tunnel_id"], known["guard"], known["cloudflared"])
            )
        )
        self.host_bundle_sha256 = self.host_bundle.apply(
            lambda text: "sha256:" + hashlib.sha256(text.encode()).hexdigest()
        )
        self.register_outputs({"host_bundle": self.host_bundle})


def _origin(stack: PerimeterStack) -> dict[str, Any]:
    """The server, or where the prompts of each model go."""
    if not isinstance(stack, ModelStack):
        return {"origin": stack.manifest.origin.dump()}
    return {
        "providers": {
            name: [f"{target.provider} {'://'.join(map(str, address(target)[:2]))}" for target in model.targets]
            for name, model in sorted(stack.manifest.models.items())
            if has_guard(stack) or name in offered(stack)
        }
    }
