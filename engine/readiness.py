"""What must be deployed before a stack, and what others have deployed that it cannot share. Asked before the engine runs."""

from __future__ import annotations

from contextlib import suppress

from engine.deploy import Scope
from engine.state import live_resources
from engine.workspace import Target
from model.errors import InputError, InputErrors
from model.project import load_environment
from model.shared_machines import shared_problems
from model.stacks import EnvironmentStack, ModelStack, ServerStack


def refuse_server_alone(target: Target, scope: Scope) -> None:
    """Refuse a server or model route whose environment is not deployed: there is no policy, token or consumer for it yet."""
    if not isinstance(scope.loaded, ServerStack | ModelStack):
        return
    name = scope.loaded.environment.name
    if not live_resources(target.project, name, target):
        command = f"ringwall up {name}{' --sandbox' if target.sandbox_folder else ''}"
        raise InputError(
            f"environment {name} is not deployed, and {scope.first} needs it",
            remedy=f"run `{command}`, which brings its servers up too",
        )


def refuse_shared(target: Target, scope: Scope) -> None:
    """Refuse what a deployed environment has already: its gateway, its hosts' ports, its host names.

    An environment that is only a file takes nothing away: its own `up` is refused then. One that cannot be read shares
    nothing that could be said here; `ringwall check` names what is wrong with it.
    """
    environment = scope.loaded.environment
    if environment is None:
        return
    problems: list[InputError] = []
    for name in target.project.environments():
        sibling: EnvironmentStack | None = None
        with suppress(InputError):
            sibling = load_environment(target.project, name) if name != environment.name else None
        shared = shared_problems(environment, [sibling]) if sibling is not None else []
        if shared and live_resources(target.project, name, target):
            problems += shared
    if problems:
        raise InputErrors(problems)
