"""The guard ring of one server: a component that renders the guard's whole configuration and exports it.

It makes nothing at a provider; the guard itself runs on the host (`guard`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from components.documents import GUARD
from components.guard.settings import build_guard_config, bundle_file, render
from model.stacks import ServerStack


@dataclass(frozen=True)
class GuardArgs:
    """`audiences` by host name and `agent_client_ids` by agent: outputs, as they exist only once the edge does."""

    server: ServerStack
    audiences: Mapping[str, pulumi.Input[str]]
    agent_client_ids: Mapping[str, pulumi.Input[str]]


class GuardRing(pulumi.ComponentResource):
    """Carries the guard's configuration from the reviewed files to the host.

    Outputs:
        config: the configuration document (JSON text, format `model.guard_config.GuardConfig`), without secrets.
        config_sha256: digest of that text.
        config_file: where the host keeps it, signed by `ringwall guard bundle`; the guard takes no unsigned one.
    """

    config: pulumi.Output[str]
    config_sha256: pulumi.Output[str]

    def __init__(self, name: str, args: GuardArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        manifest = args.server.manifest
        super().__init__(
            GUARD,
            name,
            {
                "engines": list(manifest.guard.engines.names),
                "legs": manifest.guard.legs.dump(),
                "limits": manifest.limits.dump(),
                "origin": manifest.origin.dump(),
                "port": manifest.guard_port,
                "admin_port": manifest.admin_port,
                "grants": [] if manifest.lockdown else [grant.dump() for grant in manifest.grants],
            },
            opts,
        )
        self.config = pulumi.Output.all(
            audiences=pulumi.Output.all(**args.audiences),
            agents=pulumi.Output.all(**args.agent_client_ids),
        ).apply(lambda ids: render(build_guard_config(args.server, ids["audiences"], ids["agents"])))
        self.config_sha256 = self.config.apply(lambda text: "sha256:" + hashlib.sha256(text.encode()).hexdigest())
        self.config_file = bundle_file(args.server.stack)
        self.register_outputs(
            {"config": self.config, "config_sha256": self.config_sha256, "config_file": self.config_file}
        )
