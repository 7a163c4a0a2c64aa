"""What the gateway has for some stacks as one file: planned, with what their deployment recorded and the issuers publish."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from cli.target import target_of
from model.errors import InputError
from model.project import Project
from model.stacks import EnvironmentStack, Stack
from operations.drift.comparison import DriftComparison
from operations.gateway_file import GatewayFile, gateway_file, issuer_keys
from plan.offline import plan_stack, planned_contract

#: Signing keys by the consumer that they belong to.
Keys = Mapping[str, list[dict[str, Any]]]


def declared_gateway(
    project: Project,
    members: Sequence[Stack],
    *,
    offline: bool,
    sandbox: bool,
    db_less: bool,
    remark: str,
    without_keys: bool = False,
) -> tuple[GatewayFile, Keys]:
    """The file of stacks of one environment, and the issuers' keys in it: with the environment among them, but not offline
    nor `without_keys`.

    Raises:
        InputError: a stack is not deployed.
    """
    environment = members[0].environment
    assert environment is not None  # noqa: S101 - a zone has no gateway, which the commands say
    contract = planned_contract(project, environment)
    graphs = [plan_stack(project, member, contract=contract) for member in members]
    known: Mapping[str, Mapping[str, Mapping[str, Any]]] = {}
    keys: Keys = {}
    if not offline:
        known = _deployed(project, members[0], [graph.stack for graph in graphs], sandbox=sandbox)
        if isinstance(members[0], EnvironmentStack):
            keys = {} if sandbox or without_keys else issuer_keys(environment.settings, environment.name)
    file = gateway_file(graphs, known, environment=environment.name, keys=keys, db_less=db_less, remark=remark)
    return file, keys


def _deployed(
    project: Project, loaded: Stack, stacks: list[str], *, sandbox: bool
) -> dict[str, dict[str, dict[str, Any]]]:
    with target_of(project, sandbox=sandbox, plugins=False) as target:
        target.require_state()
        recorded = DriftComparison(project, target, loaded, tuple(stacks))
        for stack in stacks:
            if not recorded.deployed(stack).exists:
                raise InputError(
                    f"{stack} is not deployed, so nobody knows the audience of its application",
                    remedy=f"run `ringwall up {stack}`, or add --offline for what the files say",
                )
        return {stack: recorded.known(stack) for stack in stacks}
