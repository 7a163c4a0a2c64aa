"""The inner routes of a model route: its guard hands checked requests back to the gateway, which has the credentials."""

from __future__ import annotations

import re
from dataclasses import dataclass

import pulumi
import pulumi_kong as kong  # noqa: TID253

from components.gateway import inner_entities
from components.gateway.inner_plugins import inner_plugins
from components.gateway.model_support import support_problems
from components.gateway.names import guard_group, guard_username, kind_suffix, server_tags
from components.gateway.server import healthcheck_args, plugin_resource
from components.random_secret import random_secret
from model.canonical import digest
from model.cross_checks import GUARD_KEY
from model.errors import InputErrors
from model.model_route import ModelKind
from model.stacks import ModelStack


@dataclass(frozen=True)
class InnerGatewayArgs:
    stack: ModelStack
    #: The key by which the guard enters; a secret.
    guard_key: pulumi.Input[str]


class InnerGatewayRing(pulumi.ComponentResource):
    """The guard's consumer with its key, and a service, its plugins and last its route for each model.

    Order is the security property: the key is asked for on the service before a route leads to it.

    Raises:
        InputErrors: before any resource, what the edition cannot carry.

    Attributes:
        protectors: every resource that must exist before the public name does.

    Outputs:
        route_ids (by model, those of other kinds than chat with the kind behind a dash).
    """

    def __init__(self, name: str, args: InnerGatewayArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        stack = args.stack
        if problems := support_problems(stack):
            raise InputErrors(problems)
        super().__init__(
            "ringwall:index:InnerGateway",
            name,
            {"environment": stack.environment.name, "model_route": stack.name, "models": sorted(stack.manifest.models)},
            opts,
        )
        child = pulumi.ResourceOptions(parent=self)
        consumer = kong.Consumer(
            f"{name}-guard",
            username=guard_username(stack),
            custom_id=guard_username(stack),
            tags=server_tags(stack),
            opts=child,
        )
        group = kong.ConsumerAcl(
            f"{name}-guard-group",
            consumer_id=consumer.id,
            group=guard_group(stack),
            tags=server_tags(stack),
            opts=child,
        )
        kong.ConsumerKeyAuth(
            f"{name}-guard-key",
            consumer_id=consumer.id,
            # The SDK itself keeps this output secret.
            key=random_secret(args.guard_key, GUARD_KEY, stack.stack),
            tags=server_tags(stack),
            opts=child,
        )
        self.protectors: list[pulumi.Resource] = [consumer, group]
        self.route_ids: dict[str, pulumi.Output[str]] = {}
        for model, routed in sorted(stack.manifest.models.items()):
            for kind in routed.kinds:
                self._model(f"{name}-{resource_label(model)}{kind_suffix(kind)}", stack, model, kind)
        self.register_outputs({"route_ids": self.route_ids})

    def _model(self, name: str, stack: ModelStack, model: str, kind: ModelKind) -> None:
        child = pulumi.ResourceOptions(parent=self)
        pool = self._targets(name, stack, model)
        service = kong.Service(
            f"{name}-service",
            **inner_entities.service_inputs(stack, model, kind),
            opts=pulumi.ResourceOptions(parent=self, depends_on=pool),
        )
        plugins = [
            plugin_resource(f"{name}-{spec.suffix}", spec, server_tags(stack), child, service_id=service.id)
            for spec in inner_plugins(stack, model, kind)
        ]
        route = kong.Route(
            f"{name}-route",
            service_id=service.id,
            **inner_entities.route_inputs(stack, model, kind),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[*plugins, *pool]),
        )
        self.route_ids[model + kind_suffix(kind)] = route.id
        self.protectors += [*pool, service, *plugins, route]

    def _targets(self, name: str, stack: ModelStack, model: str) -> list[pulumi.Resource]:
        """The upstream of a model with several targets; one target needs none, nor does a plugin with a balancer."""
        if not inner_entities.has_upstream(stack, model):
            return []
        inputs = inner_entities.upstream_inputs(stack, model)
        inputs["healthchecks"] = healthcheck_args(inputs["healthchecks"])
        upstream = kong.Upstream(f"{name}-upstream", **inputs, opts=pulumi.ResourceOptions(parent=self))
        return [
            upstream,
            *(
                kong.Target(
                    f"{name}-target-{digest(list(inner_entities.address(target)))[7:15]}",
                    upstream_id=upstream.id,
                    **inner_entities.target_inputs(stack, target),
                    # Every change of a target replaces it, and Kong refuses the same address twice.
                    opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
                )
                for target in stack.manifest.models[model].targets
            ),
        ]


def resource_label(model: str) -> str:
    """A model in the names of resources: its own name where that has no other characters, else with a digest, as two names
    may differ in those alone."""
    plain = re.sub("[^a-z0-9-]", "-", model)
    return plain if plain == model else f"{plain.strip('-')}-{digest(model)[7:15]}"
