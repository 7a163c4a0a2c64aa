"""The component of an environment: the edge's groups, agents and policies, and the gateway's issuers and global plugins.

What belongs to one server is in `components.server_perimeter`.
"""

from __future__ import annotations

from dataclasses import dataclass

import pulumi

from components.contract import contract_value
from components.edge.environment import EdgeEnvironment, EdgeEnvironmentArgs
from components.gateway.environment import GatewayEnvironment, GatewayEnvironmentArgs
from model.stacks import EnvironmentStack


@dataclass(frozen=True)
class EnvironmentResourcesArgs:
    environment: EnvironmentStack


class EnvironmentResources(pulumi.ComponentResource):
    """Agents, groups, posture rules, reusable policies, issuers and global plugins.

    Outputs:
        contract: what servers read (see `components.contract`).
        agent_expires_at: when each agent's token ends (RFC 3339).
        agent_credentials: client id and secret of every agent's service token; a secret.
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
            }
        )
