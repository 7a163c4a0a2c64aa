"""What is deployed: outputs and numbers of resources, read from the backend without running a program.

A state folder is read without an engine process and without the passphrase.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from components.documents import documents
from engine.checkpoint import from_folder
from engine.workspace import Target, list_stacks, workspace
from model.errors import NoSuchStack
from model.masking import SECRET
from model.project import Project
from model.resource_types import is_resource
from model.sentinels import WIRE_SECRET, WIRE_SIGNATURE

if TYPE_CHECKING:
    from pulumi.automation import Stack


def outputs(project: Project, stack: str, show_secrets: bool = False, target: Target | None = None) -> dict[str, Any]:
    """A stack's outputs; secret ones are the text ``[secret]`` unless `show_secrets`.

    Raises:
        NoSuchStack: the stack does not exist in the backend.
    """
    target = target or Target(project)
    if not show_secrets:
        resources = _resources(target, stack)
        if resources is None:
            with workspace(target, stack) as selected:
                resources = _exported_resources(selected)
        stack_outputs = next((r.get("outputs") for r in resources if r["type"] == "pulumi:pulumi:Stack"), None) or {}
        known = {**stack_outputs, **documents(resources)}
        return {name: _without_secrets(value) for name, value in sorted(known.items())}
    with workspace(target, stack) as selected:
        answered = {name: output.value for name, output in selected.outputs().items()}
        return dict(sorted({**answered, **documents(_exported_resources(selected))}.items()))


def live_resources(project: Project, stack: str, target: Target | None = None) -> int | None:
    """How many resources the stack has in the backend; None when the backend knows no such stack.

    Providers and the stack itself do not count.
    """
    target = target or Target(project)
    try:
        resources = _resources(target, stack)
        if resources is None:
            with workspace(target, stack, file_needed=False) as selected:
                resources = _exported_resources(selected)
    except NoSuchStack:
        return None
    return _count(resources)


def all_live_resources(target: Target, stacks: list[str]) -> dict[str, int | None]:
    """`live_resources` of many stacks at once: without an engine process for a state folder, with one for any other backend.

    The list of such a backend counts providers and the stack itself, too, which `lists_everything` says.
    """
    if not lists_everything(target):
        return {stack: live_resources(target.project, stack, target) for stack in stacks}
    listed = list_stacks(target)
    return {stack: listed.get(stack) for stack in stacks}


def lists_everything(target: Target) -> bool:
    """Whether `all_live_resources` counts more than resources, as it takes the numbers from the backend's own list."""
    return target.stacks_folder() is None


def _exported_resources(selected: Stack) -> list[dict[str, Any]]:
    """The resources of a stack as its backend exports them, secrets still encrypted."""
    return list((selected.export_stack().deployment or {}).get("resources") or [])


def _count(resources: list[dict[str, Any]]) -> int:
    return sum(1 for resource in resources if is_resource(resource["type"]))


def _resources(target: Target, stack: str) -> list[dict[str, Any]] | None:
    """The stack's resources as the state folder has them; None where there is no folder to read."""
    deployment = from_folder(target, stack)
    return None if deployment is None else list(deployment.get("resources") or [])


def _without_secrets(value: Any) -> Any:
    if isinstance(value, dict):
        if value.get(WIRE_SIGNATURE) == WIRE_SECRET:
            return SECRET
        return {key: _without_secrets(item) for key, item in value.items()}
    return [_without_secrets(item) for item in value] if isinstance(value, list) else value
