"""The gateway ring of one server or model route: the Kong entities that check the token again, limit,
log and break circuits."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_kong as kong  # noqa: TID253

from components.gateway import entities, guardless_plugins
from components.gateway.names import issuer_group, server_tags, upstream_name
from components.gateway.plugins import (
    check_audiences,
    identity_plugin,
    metadata_plugins,
    require_protection,
    server_plugins,
)
from components.gateway.spec import PluginSpec
from components.gateway.verification import issuer_of
from model.stacks import ModelStack, PerimeterStack, noun


@dataclass(frozen=True)
class GatewayArgs:
    server: PerimeterStack
    #: Every public host name to the `aud` of its Access application.
    audiences: Mapping[str, pulumi.Input[str]]


class GatewayRing(pulumi.ComponentResource):
    """Upstream, target, service, its plugins, and last the route; in mode external the metadata service as well. A model
    route without a guard has neither upstream nor target: its service leads to the providers.

    Order is the security property: authentication stands on the service before a route leads to it.

    Raises:
        InputError: before any resource, when the edition cannot enforce what is asked or a host name has no audience.

    Attributes:
        protectors: every resource that must exist before the public name does.

    Outputs:
        service_id, route_id, upstream (of a guard), consumer_group, plugins (name to id), metadata_route_id (None in mode
        access).
    """

    def __init__(self, name: str, args: GatewayArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        server, manifest = args.server, args.server.manifest
        check_audiences(manifest, args.audiences)
        # The audiences are known at deployment only; everything else about the identity check is judged here already.
        draft = identity_plugin(server, dict.fromkeys(manifest.hostnames, "known when deployed"))
        specs = [draft, *server_plugins(server)]
        require_protection(server, specs)
        metadata = metadata_plugins(server)
        super().__init__(
            "ringwall:index:Gateway",
            name,
            {"environment": server.environment.name, noun(server): server.name, "hostnames": list(manifest.hostnames)},
            opts,
        )
        child = pulumi.ResourceOptions(parent=self)
        direct = server if isinstance(server, ModelStack) and server.manifest.guard is None else None
        pool = [] if direct else self._guard_pool(name, server, child)
        # Without a guard all but the route has names of its own, so that one update of the route moves it from a whole
        # service to another whole one.
        part = f"{name}-direct" if direct else name
        self.service = kong.Service(
            f"{part}-service",
            **(guardless_plugins.service_inputs(direct) if direct else entities.service_inputs(server)),
            opts=pulumi.ResourceOptions(parent=self, depends_on=pool[:1]),
        )
        identity = pulumi.Output.all(**args.audiences).apply(
            lambda audiences: identity_plugin(server, audiences).config_json()
        )
        self.plugins: dict[str, kong.Plugin] = {}
        for spec in specs:
            self.plugins[spec.suffix] = plugin_resource(
                f"{part}-{spec.suffix}",
                spec,
                server_tags(server),
                child,
                service_id=self.service.id,
                config_json=identity if spec is draft else None,
            )
        self.route = kong.Route(
            f"{name}-route",
            service_id=self.service.id,
            **(guardless_plugins.route_inputs(direct) if direct else entities.route_inputs(server)),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[*self.plugins.values(), *pool[1:]]),
        )
        self.protectors: list[pulumi.Resource] = [
            *pool,
            self.service,
            *self.plugins.values(),
            self.route,
        ]
        self.metadata_route: kong.Route | None = None
        if metadata:
            self._publish_metadata(name, server, metadata, child)

        self.service_id: pulumi.Output[str] = self.service.id
        self.route_id: pulumi.Output[str] = self.route.id
        self.metadata_route_id: pulumi.Output[str] | None = self.metadata_route.id if self.metadata_route else None
        self.consumer_group = issuer_group(issuer_of(manifest))
        self.register_outputs(
            {
                "service_id": self.service_id,
                "route_id": self.route_id,
                **({} if direct else {"upstream": upstream_name(server)}),
                "consumer_group": self.consumer_group,
                "plugins": {suffix: plugin.id for suffix, plugin in self.plugins.items()},
                "metadata_route_id": self.metadata_route_id,
            }
        )

    def _guard_pool(self, name: str, server: PerimeterStack, child: pulumi.ResourceOptions) -> list[pulumi.Resource]:
        """The upstream and its one target, the guard."""
        inputs = entities.upstream_inputs(server)
        inputs["healthchecks"] = healthcheck_args(inputs["healthchecks"])
        upstream = kong.Upstream(f"{name}-upstream", **inputs, opts=child)
        target = kong.Target(
            f"{name}-target",
            upstream_id=upstream.id,
            **entities.target_inputs(server),
            # Every change of a target replaces it, and Kong refuses the same address twice.
            opts=pulumi.ResourceOptions(parent=self, delete_before_replace=True),
        )
        return [upstream, target]

    def _publish_metadata(
        self, name: str, server: PerimeterStack, specs: list[PluginSpec], child: pulumi.ResourceOptions
    ) -> None:
        service = kong.Service(f"{name}-metadata-service", **entities.metadata_service_inputs(server), opts=child)
        plugins = [
            plugin_resource(f"{name}-metadata-{spec.suffix}", spec, server_tags(server), child, service_id=service.id)
            for spec in specs
        ]
        self.metadata_route = kong.Route(
            f"{name}-metadata-route",
            service_id=service.id,
            **entities.metadata_route_inputs(server),
            opts=pulumi.ResourceOptions(parent=self, depends_on=[*plugins, *self.plugins.values()]),
        )
        self.protectors += [service, *plugins, self.metadata_route]


def plugin_resource(
    name: str,
    spec: PluginSpec,
    tags: list[str],
    opts: pulumi.ResourceOptions,
    *,
    service_id: pulumi.Input[str] | None = None,
    config_json: pulumi.Input[str] | None = None,
) -> kong.Plugin:
    """One Kong plugin, of a service or global. `enabled` is written so that somebody's switching it off is drift, and
    the computed config is secret because the provider would keep it in clear whatever the input was."""
    return kong.Plugin(
        name,
        name=spec.name,
        config_json=spec.config_json() if config_json is None else config_json,
        service_id=service_id,
        enabled=True,
        strict_match=True,
        tags=tags,
        opts=pulumi.ResourceOptions.merge(opts, pulumi.ResourceOptions(additional_secret_outputs=["computedConfig"])),
    )


def healthcheck_args(inputs: dict[str, Any]) -> kong.UpstreamHealthchecksArgs:
    active, passive = dict(inputs["active"]), dict(inputs["passive"])
    active["healthy"] = kong.UpstreamHealthchecksActiveHealthyArgs(**active["healthy"])
    active["unhealthy"] = kong.UpstreamHealthchecksActiveUnhealthyArgs(**active["unhealthy"])
    passive["healthy"] = kong.UpstreamHealthchecksPassiveHealthyArgs(**passive["healthy"])
    passive["unhealthy"] = kong.UpstreamHealthchecksPassiveUnhealthyArgs(**passive["unhealthy"])
    return kong.UpstreamHealthchecksArgs(
        active=kong.UpstreamHealthchecksActiveArgs(**active), passive=kong.UpstreamHealthchecksPassiveArgs(**passive)
    )
