"""Plans a stack of a project offline, by running its unmodified program against the recorder (`plan.recorder`).

The result is judged by `plan.preflight`; the engine itself is started in `engine`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.contract import OUTPUT
from components.program import declare
from model.cross_checks import GUARD_KEY, TUNNEL_SECRET
from model.logpush import LOGPUSH_KEYS
from model.project import Project
from model.stacks import EnvironmentStack, ModelStack, ServerStack, Stack
from plan.graph import Graph
from plan.recorder import record

ORGANIZATION = "organization"
#: Secrets that a program reads from encrypted configuration, which a plan never opens.
_ENCRYPTED = (TUNNEL_SECRET, GUARD_KEY, *LOGPUSH_KEYS)


def plan_stack(
    project: Project,
    loaded: Stack,
    *,
    contract: Mapping[str, Any] | None = None,
    organization: str = ORGANIZATION,
    symbolic: bool = True,
) -> Graph:
    """The desired-state graph of one stack.

    Args:
        contract: the environment's exported contract; without it the environment is planned first and answers with
            symbolic ids.
        organization: owner of the stacks in the backend.
        symbolic: ids as ``${name.id}``; else unknown, as the engine has them before the first `up`.
    """
    if not isinstance(loaded, ServerStack | ModelStack):
        return _record(project, loaded, organization, {}, symbolic)
    environment = loaded.environment
    if contract is None:
        contract = planned_contract(project, environment, organization)
    reference = f"{organization}/{project.name}/{environment.stack}"
    return _record(project, loaded, organization, {reference: {OUTPUT: contract}}, symbolic)


def planned_contract(
    project: Project, environment: EnvironmentStack, organization: str = ORGANIZATION
) -> dict[str, Any]:
    """The contract that the environment's file would export, with symbolic ids."""
    contract = plan_stack(project, environment, organization=organization).outputs[OUTPUT]
    if not isinstance(contract, dict):
        raise TypeError(f"the environment exports {type(contract).__name__} as its {OUTPUT}")
    return contract


def _record(
    project: Project,
    loaded: Stack,
    organization: str,
    stack_outputs: Mapping[str, Mapping[str, object]],
    symbolic: bool,
) -> Graph:
    return record(
        lambda: declare(loaded),
        project=project.name,
        stack=loaded.stack,
        config={key: f"${{{key}}}" for key in _ENCRYPTED},
        secret_keys=_ENCRYPTED,
        organization=organization,
        root_directory=project.root,
        stack_outputs=stack_outputs,
        symbolic=symbolic,
    )
