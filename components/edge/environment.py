"""The edge ring of an environment: posture rules, groups, agents' service tokens, the authorities of their certificates and
the reusable Access policies.

A server's own applications and tunnel are in `components.edge.server`.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pulumi
import pulumi_cloudflare as cloudflare  # noqa: TID253

from components.edge.access import (
    PolicySpec,
    Rule,
    access_groups,
    certificate_hostnames,
    environment_policies,
    render_rule,
    server_policies,
)
from model.base import seconds
from model.environment import Posture
from model.stacks import EnvironmentStack


@dataclass(frozen=True)
class EdgeEnvironmentArgs:
    #: With its servers: what they admit decides which policies exist.
    environment: EnvironmentStack
    #: What the environment made at the gateway, which goes after the policies its servers use (see `EdgeEnvironment`).
    gateway: Sequence[pulumi.Resource] = ()


class EdgeEnvironment(pulumi.ComponentResource):
    """Device posture rules, Access groups, one service token an agent, authorities of client certificates, and the reusable
    policies.

    Policies depend on everything else of the environment, and those that servers use on the others, too. So a destroy
    deletes these first, and Cloudflare refuses that while an application holds one (its docs: remove the policy from all
    applications first). Plain `pulumi destroy` of an environment under live servers, which knows nothing of its servers,
    thus stops at its first step.

    Attributes:
        policies, groups, postures: resources by key. policy_ids: the policies' ids.
        protectors: all of them, for a name that they protect.
        agent_client_ids: a token's client id, which is the `common_name` of its assertions.
        agent_expires_at: when a token ends.
        agent_client_secrets: secret; Cloudflare answers them once, on create and rotation.
    """

    def __init__(self, name: str, args: EdgeEnvironmentArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        environment, settings = args.environment, args.environment.settings
        super().__init__(
            "ringwall:index:EdgeEnvironment",
            name,
            {"environment": environment.name, "agents": sorted(settings.agents)},
            opts,
        )
        self._child = pulumi.ResourceOptions(parent=self)
        account = settings.cloudflare.account_id
        self.postures = {
            key: self._posture(name, environment, key, posture)
            for key, posture in sorted(settings.posture.items())
            if posture.existing is None
        }

        self.tokens: dict[str, cloudflare.ZeroTrustAccessServiceToken] = {}
        for agent, described in sorted(settings.agents.items()):
            self.tokens[agent] = cloudflare.ZeroTrustAccessServiceToken(
                f"{name}-agent-{agent}",
                account_id=account,
                name=f"{environment.name}-{agent}",
                duration=described.token_duration,
                # The provider takes the two together only. A new version is a new secret; the one before it lives on
                # until then, so that the agent can change over.
                client_secret_version=described.secret_version if described.secret_version > 1 else None,
                previous_client_secret_expires_at=described.previous_secret_expires_at,
                opts=self._child,
            )

        self._settings = settings
        # Before the policies that ask for a certificate, which admit nobody until then. Access compares the common name
        # alone, so every authority counts at every name where some agent must show one. How a name treats certificates
        # otherwise (`ZeroTrustAccessMtlsHostnameSettings`) is left alone: it forwards none to the origin unless told to.
        hostnames = certificate_hostnames(settings, environment.manifests)
        self.authorities = {
            key: cloudflare.ZeroTrustAccessMtlsCertificate(
                f"{name}-authority-{key}",
                account_id=account,
                name=f"{environment.name}-{key}",
                certificate=authority.certificate,
                associated_hostnames=hostnames,
                opts=self._child,
            )
            for key, authority in sorted(settings.client_authorities.items())
        }

        self.groups: dict[str, cloudflare.ZeroTrustAccessGroup] = {}
        for key, group in access_groups(settings, environment.manifests).items():
            self.groups[key] = cloudflare.ZeroTrustAccessGroup(
                f"{name}-group-{key}",
                account_id=account,
                name=f"{environment.name}-{key}",
                includes=self._rules(group.include),
                is_default=False,
                opts=self._child,
            )

        self.policies: dict[str, cloudflare.ZeroTrustAccessPolicy] = {}
        specs = environment_policies(settings, environment.manifests)
        used = {
            key
            for manifest in environment.manifests.values()
            for keys in server_policies(settings, manifest).values()
            for key in keys
        }
        kinds = (self.postures, self.tokens, self.authorities, self.groups)
        earlier: list[pulumi.Resource] = [*args.gateway, *(each for kind in kinds for each in kind.values())]
        for keys in (specs.keys() - used, used):
            after = pulumi.ResourceOptions(parent=self, depends_on=[*earlier, *self.policies.values()])
            for key in sorted(keys):
                self.policies[key] = self._policy(name, environment, specs[key], after)
        self.protectors: list[pulumi.Resource] = [
            *self.postures.values(),
            *self.groups.values(),
            *self.policies.values(),
        ]
        self.policy_ids = {key: self.policies[key].id for key in specs}

        self.agent_client_ids = {agent: token.client_id for agent, token in self.tokens.items()}
        self.agent_expires_at = {agent: token.expires_at for agent, token in self.tokens.items()}
        self.agent_client_secrets = {agent: token.client_secret for agent, token in self.tokens.items()}
        self.register_outputs(
            {
                "policy_ids": self.policy_ids,
                "group_ids": {key: group.id for key, group in self.groups.items()},
                "posture_ids": {key: self._find("posture", key) for key in sorted(settings.posture)},
                "agent_client_ids": self.agent_client_ids,
            }
        )

    def _rules(self, rules: tuple[Rule, ...]) -> Any:
        return [render_rule(rule, self._settings, self._find) for rule in rules]

    def _find(self, kind: str, key: str) -> pulumi.Input[str]:
        if kind == "group":
            group_id: pulumi.Output[str] = self.groups[key].id
            return group_id
        if kind == "posture":
            existing: str | None = self._settings.posture[key].existing
            return existing or self.postures[key].id
        token_id: pulumi.Output[str] = self.tokens[key].id
        return token_id

    def _policy(
        self, name: str, environment: EnvironmentStack, policy: PolicySpec, opts: pulumi.ResourceOptions
    ) -> cloudflare.ZeroTrustAccessPolicy:
        return cloudflare.ZeroTrustAccessPolicy(
            f"{name}-policy-{policy.key}",
            account_id=environment.settings.cloudflare.account_id,
            name=f"{environment.name}-{policy.key}",
            decision=policy.decision,
            includes=self._rules(policy.include),
            requires=self._rules(policy.require),
            # Always explicit: an empty one is a perpetual difference (terraform-provider-cloudflare #7165).
            session_duration=policy.session_duration,
            opts=opts,
        )

    def _posture(
        self, name: str, environment: EnvironmentStack, key: str, posture: Posture
    ) -> cloudflare.ZeroTrustDevicePostureRule:
        return cloudflare.ZeroTrustDevicePostureRule(
            f"{name}-posture-{key}",
            account_id=environment.settings.cloudflare.account_id,
            name=f"{environment.name}-{key}",
            type=posture.type,
            schedule=_schedule(posture.check_every),
            matches=[{"platform": platform} for platform in sorted(posture.platforms)],
            input=posture_input(posture),
            opts=self._child,
        )


_STRICT: dict[str, dict[str, Any]] = {
    "os_version": {"operator": ">="},
    "file": {"exists": True},
    "application": {"exists": True},
    "client_certificate_v2": {"check_private_key": True},
}


def _schedule(duration: str) -> str:
    """Cloudflare takes one unit: hours where they are whole, else minutes, else seconds."""
    total = seconds(duration)
    if total % 3600 == 0:
        return f"{total // 3600}h"
    return f"{total // 60}m" if total % 60 == 0 else f"{total}s"


def posture_input(posture: Posture) -> dict[str, Any]:
    """The `input` of a posture rule, by the names of pulumi-cloudflare.

    What the file leaves open is written out as its strict reading: at least that version, the file is there, the
    certificate's private key is on this very device and was not imported.
    """
    names = {"common_name": "cn"}
    keys = (
        "require_all", "check_disks", "enabled", "version", "operator", "path", "exists", "sha256", "domain",
        "certificate_id", "common_name",
    )  # fmt: skip
    inputs: dict[str, Any] = dict(_STRICT.get(posture.type or "", {}))
    for key in keys:
        value = getattr(posture, key)
        if value is None or value == ():
            continue
        inputs[names.get(key, key)] = list(value) if isinstance(value, tuple) else value
    return inputs
