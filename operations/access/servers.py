"""Finds the server that a question is about."""

from __future__ import annotations

from model.errors import InputError
from model.project import Project, load
from model.stacks import EnvironmentStack, ModelStack, ServerStack
from operations.project.server_files import model_route


def server_named(project: Project, stack: str) -> ServerStack:
    """Load a server by its stack's name; raises InputError for an environment, a zone, or what is not there."""
    loaded = load(project, stack)
    if isinstance(loaded, ServerStack):
        return loaded
    if isinstance(loaded, ModelStack):
        raise model_route(project, stack)
    if isinstance(loaded, EnvironmentStack) and loaded.servers:
        servers = ", ".join(server.stack for server in loaded.reach)
        raise InputError(f"{stack} is an environment", remedy=f"name one of its servers: {servers}")
    raise InputError(f"{stack} has no servers", remedy="name a server, such as dev.github")
