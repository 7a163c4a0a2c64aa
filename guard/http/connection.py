"""The connection to an origin, for the guard's traffic and for every probe alike."""

from __future__ import annotations

from typing import IO

from guard.http.stdio import StdioUpstream
from guard.http.upstream import HttpUpstream, Upstream
from model.server import Origin
from wire.secrets import command_variables


def upstream_of(origin: Origin, *, stderr: IO[str] | None = None) -> Upstream:
    """Create it inside the event loop. A command's environment is read from where the stack file says; raises InputError as
    `wire.secrets.command_variables`. `stderr` is a file for what a command writes there."""
    if origin.command:
        return StdioUpstream(origin.command, command_variables(origin), origin.directory, stderr=stderr)
    return HttpUpstream(origin)
