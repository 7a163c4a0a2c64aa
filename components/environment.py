"""The component of an environment: the edge's groups, agents and policies, and the gateway's issuers and global plugins.

What belongs to one server is in `components.server_perimeter`.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import pulumi

from components.contract import contract_value
from components.edge.environment import EdgeEnvironment, EdgeEnvironmentArgs
from components.edge.logpush import LogpushArgs, LogpushRing
from components.edge.portal import PortalArgs, PortalRing
from components.gateway.environment import GatewayEnvironment, GatewayEnvironmentArgs
from model.stacks import EnvironmentStack


@dataclass(frozen=True)
class EnvironmentResourcesArgs:
    environment: EnvironmentStack
    #: Where each of its `logpush` goes, and by which token; secrets (see `components.edge.logpush`).
    log_destinations: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)
    log_challenges: Mapping[str, pulumi.Input[str]] = field(default_factory=dict)


class EnvironmentResources(pulumi.ComponentResource):
    """Agents, groups, posture rules, reusable policies, issuers and global plugins.

    Outputs:
        contract: what servers read (see `components.contract`).
        agent_expires_at: when each agent's token ends (RFC 3339).
        agent_credentials: client id and secret of every agent's service token; a secret.
        portal_url: where clients connect to the portal, where there is one.
    """

    def __init__(self, name: str, args: EnvironmentResourcesArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        environment = args.environment
        super().__init__(
            "ringwall:index:Environment",
            name,
            {"environment": environment.name, "settings": environment.settings.dump()},
            opts,
        )
        child = pulumi.ResourceOptions(parent=self)
        self.gateway = GatewayEnvironment(
            f"{name}-gateway",
            GatewayEnvironmentArgs(environment),
            child,
        )
        self.edge = EdgeEnvironment(
            f"{name}-edge",
            EdgeEnvironmentArgs(environment, gateway=(self.gateway,)),
            child,
        )
        protectors = [self.gateway, *self.edge.protectors]
        #: Where clients connect to the portal; None without one.
        self.portal_url: str | None = None
        if environment.settings.portal is not None:
            self.portal_url = PortalRing(
                f"{name}-portal",
                PortalArgs(
                    environment,
                    environment.settings.portal,
                    self.edge.policy_ids,
                    self.edge.agent_client_ids,
                    self.edge.agent_client_secrets,
                    protectors,
                ),
                child,
            ).url
        if environment.settings.logpush:
            LogpushRing(
                f"{name}-logpush",
                LogpushArgs(environment, args.log_destinations, args.log_challenges, protectors),
                child,
            )
        self.contract = contract_value(environment, self.edge.policy_ids, self.edge.agent_client_ids)
        self.agent_expires_at = self.edge.agent_expires_at
        self.agent_credentials = pulumi.Output.secret(
            {
                agent: {"client_id": self.edge.agent_client_ids[agent], "client_secret": secret}
                for agent, secret in self.edge.agent_client_secrets.items()
            }
        )
        self.register_outputs(
            {
                "contract": self.contract,
                "agent_expires_at": self.agent_expires_at,
                "agent_credentials": self.agent_credentials,
                **({"portal_url": self.portal_url} if self.portal_url else {}),
            }
        )
