"""What goes only when somebody says so: tunnels and Access applications in production, and a zone's rules."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from engine.workspace import Target, workspace
from model.errors import InputError, InputErrors


def protected(state: Mapping[str, Any]) -> list[str]:
    """The names of a recorded deployment's protected resources, sorted."""
    resources = state.get("resources") or []
    return sorted(resource["urn"].rpartition("::")[2] for resource in resources if resource.get("protect") is True)


def refuse_protected(states: Mapping[str, Mapping[str, Any]]) -> None:
    """Refuse to destroy stacks with protected resources: the engine would delete all the rest, and stop at these.

    Raises:
        InputErrors: one for each stack.
    """
    names = {stack: protected(state) for stack, state in states.items()}
    problems: list[InputError] = [
        InputError(
            f"{stack} is protected from being taken down by accident ({', '.join(held)}); nothing was taken down",
            remedy=f"if you mean it, run `ringwall destroy {stack} --unprotect`",
        )
        for stack, held in names.items()
        if held
    ]
    if problems:
        raise InputErrors(problems)


def unprotect(target: Target, stack: str) -> None:
    """Take the protection off in the state alone; the next `up` puts it on again. Raises as `workspace`."""
    with workspace(target, stack, file_needed=False) as selected:
        local: Any = selected.workspace
        local.pulumi_command.run(
            ["state", "unprotect", "--all", "--yes", "--stack", stack], local.work_dir, dict(local.env_vars)
        )
