"""The guard ring of one server or model route: a component that renders its guard's whole configuration and exports it.

It makes nothing at a provider; the guard itself runs on the host (`guard`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi

from components.documents import GUARD
from components.guard.model_settings import build_model_guard_config
from components.guard.settings import build_guard_config, bundle_file, render
from model.stacks import PerimeterStack, ServerStack, leg_of


@dataclass(frozen=True)
class GuardArgs:
    """`audiences` by host name and `agent_client_ids` by agent: outputs, as they exist only once the edge does."""

    stack: PerimeterStack
    audiences: Mapping[str, pulumi.Input[str]]
    agent_client_ids: Mapping[str, pulumi.Input[str]]


class GuardRing(pulumi.ComponentResource):
    """Carries the guard's configuration from the reviewed files to the host.

    Outputs:
        config: the configuration document (JSON text), without secrets. Its format is `model.guard_config.GuardConfig`, of a
            model route `model.model_guard_config.ModelGuardConfig`.
        config_sha256: digest of that text.
        config_file: where the host keeps it, signed by `ringwall guard bundle`; the guard takes no unsigned one.
    """

    config: pulumi.Output[str]
    config_sha256: pulumi.Output[str]

    def __init__(self, name: str, args: GuardArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__(GUARD, name, _inputs(args.stack), opts)
        self.config = pulumi.Output.all(
            audiences=pulumi.Output.all(**args.audiences),
            agents=pulumi.Output.all(**args.agent_client_ids),
        ).apply(lambda ids: _document(args.stack, ids["audiences"], ids["agents"]))
        self.config_sha256 = self.config.apply(lambda text: "sha256:" + hashlib.sha256(text.encode()).hexdigest())
        self.config_file = bundle_file(args.stack.stack)
        self.register_outputs(
            {"config": self.config, "config_sha256": self.config_sha256, "config_file": self.config_file}
        )


def _document(stack: PerimeterStack, audiences: Mapping[str, str], agents: Mapping[str, str]) -> str:
    if isinstance(stack, ServerStack):
        return render(build_guard_config(stack, audiences, agents))
    return render(build_model_guard_config(stack, audiences, agents))


def _inputs(stack: PerimeterStack) -> dict[str, Any]:
    """What a plan and a preview show of the guard's settings."""
    manifest = stack.manifest
    settings = stack.manifest.guard if isinstance(stack, ServerStack) else leg_of(stack).settings
    inputs: dict[str, Any] = {
        "engines": list(settings.engines.names),
        "legs": settings.legs.dump(),
        "port": manifest.guard_port,
        "admin_port": manifest.admin_port,
        "grants": [] if manifest.lockdown else [grant.dump() for grant in manifest.grants],
    }
    if isinstance(stack, ServerStack):
        return {**inputs, "limits": stack.manifest.limits.dump(), "origin": stack.manifest.origin.dump()}
    return {
        **inputs,
        "model_limits": stack.manifest.limits.dump(),
        "models": {name: _shown(model.dump()) for name, model in sorted(stack.manifest.models.items())},
        "cache": stack.manifest.cache.dump(),
    }


def _shown(model: Mapping[str, Any]) -> dict[str, Any]:
    """A model as the guard knows it: where it is, is the gateway's."""
    return {key: value for key, value in model.items() if key != "targets"}
