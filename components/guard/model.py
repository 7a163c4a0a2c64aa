"""The guard ring of one model route: a component that renders its guard's whole configuration and exports it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass

import pulumi

from components.documents import GUARD
from components.guard.model_settings import build_model_guard_config
from components.guard.settings import bundle_file, render
from model.stacks import ModelStack, leg_of


@dataclass(frozen=True)
class ModelGuardArgs:
    """`audiences` by host name and `agent_client_ids` by agent: outputs, as they exist only once the edge does."""

    stack: ModelStack
    audiences: Mapping[str, pulumi.Input[str]]
    agent_client_ids: Mapping[str, pulumi.Input[str]]


class ModelGuardRing(pulumi.ComponentResource):
    """Carries the guard's configuration from the reviewed files to the host.

    Outputs:
        config: the configuration document (JSON text, format `model.model_guard_config.ModelGuardConfig`), without secrets.
        config_sha256: digest of that text.
        config_file: where the host keeps it, signed by `ringwall guard bundle`; the guard takes no unsigned one.
    """

    config: pulumi.Output[str]
    config_sha256: pulumi.Output[str]

    def __init__(self, name: str, args: ModelGuardArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        manifest, guard = args.stack.manifest, leg_of(args.stack).settings
        super().__init__(
            GUARD,
            name,
            {
                "engines": list(guard.engines.names),
                "legs": guard.legs.dump(),
                "model_limits": manifest.limits.dump(),
                "models": {name: _shown(model.dump()) for name, model in sorted(manifest.models.items())},
                "cache": manifest.cache.dump(),
                "port": manifest.guard_port,
                "admin_port": manifest.admin_port,
                "grants": [] if manifest.lockdown else [grant.dump() for grant in manifest.grants],
            },
            opts,
        )
        self.config = pulumi.Output.all(
            audiences=pulumi.Output.all(**args.audiences),
            agents=pulumi.Output.all(**args.agent_client_ids),
        ).apply(lambda ids: render(build_model_guard_config(args.stack, ids["audiences"], ids["agents"])))
        self.config_sha256 = self.config.apply(lambda text: "sha256:" + hashlib.sha256(text.encode()).hexdigest())
        self.config_file = bundle_file(args.stack.stack)
        self.register_outputs(
            {"config": self.config, "config_sha256": self.config_sha256, "config_file": self.config_file}
        )


def _shown(model: dict[str, object]) -> dict[str, object]:
    """A model as the guard knows it: where it is, is the gateway's."""
    return {key: value for key, value in model.items() if key != "targets"}
