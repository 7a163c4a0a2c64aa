"""What an environment adds at Kong: one consumer per issuer, and the plugins that run for every request."""

from __future__ import annotations

from dataclasses import dataclass

import pulumi
import pulumi_kong as kong  # noqa: TID253

from components.gateway.names import ACCESS, consumer_username, issuer_group, tags
from components.gateway.plugins import environment_plugins
from components.gateway.server import plugin_resource
from model.stacks import EnvironmentStack


@dataclass(frozen=True)
class GatewayEnvironmentArgs:
    environment: EnvironmentStack


class GatewayEnvironment(pulumi.ComponentResource):
    """Consumers, their groups and global plugins.

    A consumer stands for an issuer and holds its keys, one JWT credential a `kid`. The keys are runtime data (Cloudflare
    publishes the current and the previous one, never the next), so `ringwall keys sync` writes them, not this program.

    Outputs:
        consumers: issuer name to Kong username; `access` is Cloudflare Access.
        consumer_ids: issuer name to Kong id.
        groups: issuer name to ACL group.
        plugins: global plugin to id.
    """

    def __init__(self, name: str, args: GatewayEnvironmentArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        environment = args.environment
        specs = environment_plugins(environment)
        super().__init__("ringwall:index:GatewayEnvironment", name, {"environment": environment.name}, opts)
        child = pulumi.ResourceOptions(parent=self)
        issuers = [ACCESS, *sorted(environment.settings.issuers)]
        self.consumers: dict[str, str] = {issuer: consumer_username(environment.name, issuer) for issuer in issuers}
        self.groups: dict[str, str] = {issuer: issuer_group(issuer) for issuer in issuers}
        self.consumer_ids: dict[str, pulumi.Output[str]] = {}
        for issuer in issuers:
            consumer = kong.Consumer(
                f"{name}-issuer-{issuer}",
                username=self.consumers[issuer],
                # Written because an update without it sends "", which Kong refuses (run).
                custom_id=self.consumers[issuer],
                tags=tags(environment.name),
                opts=child,
            )
            kong.ConsumerAcl(
                f"{name}-issuer-{issuer}-group",
                consumer_id=consumer.id,
                group=self.groups[issuer],
                tags=tags(environment.name),
                opts=child,
            )
            self.consumer_ids[issuer] = consumer.id
        self.plugins: dict[str, kong.Plugin] = {
            spec.suffix: plugin_resource(f"{name}-{spec.suffix}", spec, tags(environment.name), child) for spec in specs
        }
        self.register_outputs(
            {
                "consumers": self.consumers,
                "consumer_ids": self.consumer_ids,
                "groups": self.groups,
                "plugins": {suffix: plugin.id for suffix, plugin in self.plugins.items()},
            }
        )
