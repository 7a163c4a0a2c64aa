"""Finds the server or model route that a question is about."""

from __future__ import annotations

from model.errors import InputError
from model.project import Project, load
from model.stacks import EnvironmentStack, ModelStack, PerimeterStack, ServerStack


def perimeter_named(project: Project, stack: str) -> PerimeterStack:
    """Load a server or model route by its stack's name; raises InputError for an environment, a zone, or what is not
    there."""
    loaded = load(project, stack)
    if isinstance(loaded, ServerStack | ModelStack):
        return loaded
    if isinstance(loaded, EnvironmentStack) and loaded.perimeters:
        names = ", ".join(member.stack for member in loaded.perimeters)
        kinds = "servers or model routes" if loaded.models else "servers"
        raise InputError(f"{stack} is an environment", remedy=f"name one of its {kinds}: {names}")
    raise InputError(f"{stack} has no servers", remedy="name a server, such as dev.github")
