"""Questions about what is deployed, answered from the backend without running a program."""

from __future__ import annotations

from typing import Any

from cli.workspace import Target, workspace
from model.errors import EngineFailed
from model.project import Project


def outputs(project: Project, stack: str, show_secrets: bool = False, target: Target | None = None) -> dict[str, Any]:
    """A stack's outputs; secret ones are the text ``[secret]`` unless `show_secrets`.

    Raises:
        EngineFailed: the stack does not exist in the backend.
    """
    with workspace(target or Target(project), stack) as selected:
        found = selected.outputs()
    return {
        name: output.value if show_secrets or not output.secret else "[secret]"
        for name, output in sorted(found.items())
    }


def live_resources(project: Project, stack: str, target: Target | None = None) -> int | None:
    """How many resources the stack has in the backend; None when the backend knows no such stack.

    Providers and the stack itself do not count.
    """
    try:
        with workspace(target or Target(project), stack) as selected:
            deployment = selected.export_stack().deployment or {}
    except EngineFailed as error:
        if "does not exist" in str(error):
            return None
        raise
    resources = deployment.get("resources") or []
    return sum(1 for resource in resources if not resource["type"].startswith("pulumi:"))
