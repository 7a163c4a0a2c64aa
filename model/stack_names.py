"""What a stack's name says: ``dev`` is an environment, ``dev.github`` a server or model route of it, ``zone.example`` a
zone. Servers and model routes share their names; which of the two a stack is, its file says.

Imports nothing, so that the command line reads names without the models.
"""

from __future__ import annotations

ENVIRONMENT_KEY = "ringwall:environment"
SERVER_KEY = "ringwall:server"
MODEL_KEY = "ringwall:model"
ZONE_KEY = "ringwall:zone"
KINDS = {ENVIRONMENT_KEY: "environment", SERVER_KEY: "server", MODEL_KEY: "model route", ZONE_KEY: "zone"}
ZONE_PREFIX = "zone."


def environment_of(stack: str) -> str:
    """The environment that a stack is or belongs to: ``dev`` of ``dev`` and of ``dev.github``. A zone's stack stands
    alone: ``zone.example`` stays as it is."""
    return stack if stack.startswith(ZONE_PREFIX) else stack.partition(".")[0]


def server_of(stack: str) -> str:
    """The server or model route that a stack is: ``github`` of ``dev.github``; empty for an environment and a zone."""
    return "" if stack.startswith(ZONE_PREFIX) else stack.partition(".")[2]


def config_key_of(stack: str) -> str:
    """Where the manifest of a stack stands in its file, going by its name: a model route counts as a server."""
    return ZONE_KEY if stack.startswith(ZONE_PREFIX) else SERVER_KEY if server_of(stack) else ENVIRONMENT_KEY
