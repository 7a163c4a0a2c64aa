"""Where host bundles come from: the outputs of deployed stacks, or the files alone."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from components.origin.host import build_host_bundle
from model.base import validate
from model.errors import InputError
from model.host_bundle import HostBundle
from model.json import parse_json
from model.loader import Document
from model.project import Project
from model.stacks import PerimeterStack, ServerStack
from operations.host.machine import HostMember
from plan.offline import plan_stack, planned_contract

OUTPUT = "host_bundle"


def deployed_bundles(
    stacks: Sequence[PerimeterStack], exported: Callable[[str], Mapping[str, Any]]
) -> list[HostBundle]:
    """What the deployed stacks export. Raises InputError where one of them is not deployed."""
    bundles = []
    for stack in stacks:
        text = exported(stack.stack).get(OUTPUT)
        if not isinstance(text, str):
            raise InputError(
                f"{stack.stack} is not deployed, so it exports no {OUTPUT}",
                remedy=f"run `ringwall up {stack.stack}`, or add --offline to render what the files say",
            )
        bundles.append(_bundle(stack.stack, text))
    return bundles


def planned_bundles(project: Project, stacks: Sequence[PerimeterStack]) -> list[HostBundle]:
    """What the files say. Ids that only a deployment knows stand as ``${name.id}``."""
    contract = planned_contract(project, stacks[0].environment)
    plans = [plan_stack(project, stack, contract=contract) for stack in stacks]
    return [_bundle(stack.stack, str(plan.outputs[OUTPUT])) for stack, plan in zip(stacks, plans, strict=True)]


def local_member(server: ServerStack) -> HostMember:
    """The server as its host has it, for a machine that has neither its tunnel nor its signed configuration."""
    return HostMember(build_host_bundle(server, "local", "", None), 0)


def _bundle(stack: str, text: str) -> HostBundle:
    source = Path(f"{stack}: {OUTPUT}")
    try:
        value = parse_json(text)
    except ValueError as error:
        raise InputError(f"is no host bundle: {error}", file=source) from None
    return validate(HostBundle, value, Document(source, value, {}), ())
