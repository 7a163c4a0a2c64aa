"""The contract: the one object that a deployed environment exports for its servers, how it is made and how it is read.

A plain `StackReference.get_output` of a misspelt name answers None and deploys with it. So an environment exports one
object with a digest of its settings; a missing key, or a digest unlike the file's, stops the server's program before
any resource: every resource hangs on providers whose inputs come from here.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from importlib import metadata
from typing import Any

import pulumi

from model.stacks import EnvironmentStack

OUTPUT = "contract"
VERSION = 1


@dataclass(frozen=True)
class Contract:
    """Ids that exist once the environment is up; each Output fails when the deployed environment is not the file's."""

    environment: EnvironmentStack
    value: pulumi.Output[dict[str, Any]]

    def policy_ids(self, keys: list[str]) -> dict[str, pulumi.Output[str]]:
        """Access policy ids by content key."""
        return {key: self._pick("policies", key) for key in keys}

    def agent_client_ids(self, agents: tuple[str, ...]) -> dict[str, pulumi.Output[str]]:
        """Service token client ids (a token's `common_name`) by agent."""
        return {agent: self._pick("agents", agent) for agent in agents}

    def after(self, setting: str) -> pulumi.Output[str]:
        """A setting of the file as an output that has no value before the contract was checked.

        A provider configured with it makes nothing while the deployed environment differs from the file.
        """
        return self.value.apply(lambda _: setting)

    def _pick(self, part: str, key: str) -> pulumi.Output[str]:
        return self.value.apply(lambda contract: _find(contract, part, key, self.environment.name))


def contract_value(
    environment: EnvironmentStack,
    policy_ids: Mapping[str, pulumi.Input[str]],
    agent_client_ids: Mapping[str, pulumi.Input[str]],
) -> dict[str, Any]:
    """The object that the environment stack exports under `contract`. No secret is in it."""
    return {
        "version": VERSION,
        "digest": environment.digest,
        "written": environment.written_digest,
        "ringwall": metadata.version("ringwall"),
        "policies": dict(policy_ids),
        "agents": dict(agent_client_ids),
    }


def difference(contract: Mapping[str, Any], environment: EnvironmentStack) -> str | None:
    """How the environment as deployed differs from the file; None where it does not.

    After an upgrade the file may say something else although nobody edited it: what it leaves out has other defaults.
    """
    if contract.get("digest") == environment.digest:
        return None
    file, made_by, current = environment.document.file.name, contract.get("ringwall"), metadata.version("ringwall")
    if contract.get("written") == environment.written_digest and made_by != current:
        return f"was made from the same {file} by Ringwall {made_by}, whose defaults are not those of {current}"
    if made_by is None:
        return f"differs from {file}, or was made from it by an older Ringwall with other defaults"
    return f"differs from {file}"


def refuse_undeployed(environment: EnvironmentStack) -> None:
    """Refuse before any resource when the deployed environment is not the file's; raises `pulumi.RunError`.

    The engine ends a program that refers to a stack it does not know, with a trace of the SDK's and without a remedy. What
    this asks instead (pulumi, pkg/resource/deploy/builtins.go) is answered with an error that can be said in one line.
    """
    stack = _stack_of(environment)
    try:
        answer = pulumi.runtime.invoke("pulumi:pulumi:readStackOutputs", {"name": stack}).value
    except Exception as error:
        if "unknown stack" not in str(error):
            raise
        raise pulumi.RunError(
            f"environment {environment.name} is not deployed; run `ringwall up {environment.name}` first"
        ) from None
    exported = answer.get("outputs") if isinstance(answer, Mapping) else None
    _checked(exported.get(OUTPUT) if isinstance(exported, Mapping) else None, environment)


def _stack_of(environment: EnvironmentStack) -> str:
    return f"{pulumi.get_organization()}/{pulumi.get_project()}/{environment.stack}"


def read_contract(environment: EnvironmentStack, reference: pulumi.StackReference | None = None) -> Contract:
    """Refer to the deployed environment; raises `pulumi.RunError` through its outputs when it is not the file's.

    Args:
        reference: the stack that exports the contract; by default the environment's stack of the running project.
    """
    if reference is None:
        reference = pulumi.StackReference(_stack_of(environment))
    return Contract(environment, reference.get_output(OUTPUT).apply(lambda value: _checked(value, environment)))


def _checked(value: object, environment: EnvironmentStack) -> dict[str, Any]:
    remedy = f"run `ringwall up {environment.name}` first"
    if not isinstance(value, Mapping):
        raise pulumi.RunError(f"environment {environment.name} is not deployed: it exports no {OUTPUT}; {remedy}")
    if value.get("version") != VERSION:
        raise pulumi.RunError(
            f"environment {environment.name} was deployed by another version of Ringwall (contract "
            f"{value.get('version')}, this one reads {VERSION}); {remedy}"
        )
    differs = difference(value, environment)
    if differs is not None:
        raise pulumi.RunError(f"environment {environment.name} as deployed {differs}; {remedy}")
    return dict(value)


def _find(contract: Mapping[str, Any], part: str, key: str, environment: str) -> str:
    id_ = contract.get(part, {}).get(key)
    if not isinstance(id_, str) or not id_:
        raise pulumi.RunError(
            f"environment {environment} as deployed has no {key} in its {part}; run `ringwall up {environment}` first"
        )
    return id_
