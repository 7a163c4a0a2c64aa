"""The connection to an origin, for the guard's traffic and for every probe alike."""

from __future__ import annotations

from pathlib import Path
from typing import IO

from guard.http.stdio import StdioUpstream
from guard.http.upstream import HttpUpstream, Upstream
from guard.identity.exchanged_tokens import ExchangedTokens
from guard.identity.introduction import CallerIntroduction
from guard.memory import Rooms, unbounded
from model.origin_identity import TokenExchange
from model.server import Origin
from wire.secrets import command_variables, origin_headers, read_secret
from wire.token_endpoint import TokenEndpoint


def upstream_of(
    origin: Origin,
    *,
    introduction: CallerIntroduction | None = None,
    stderr: IO[str] | None = None,
    socket: Path | None = None,
    rooms: Rooms = unbounded,
) -> Upstream:
    """Create it inside the event loop.

    A command's environment, a server's fixed headers and the secret for its token endpoint are read from where the stack
    file says; raises InputError as `wire.secrets`. `introduction` tells the server of the guard's own requests; `stderr` is
    a file for what a command writes there, `rooms` has the memory for its lines. A command that is reached through a
    `socket` gets its environment from whoever starts it, so none is read here.
    """
    if origin.command and socket is not None:
        return StdioUpstream(origin.command, {}, None, introduction=introduction, socket=socket, rooms=rooms)
    if origin.command:
        return StdioUpstream(
            origin.command,
            command_variables(origin),
            origin.directory,
            introduction=introduction,
            stderr=stderr,
            rooms=rooms,
        )
    return HttpUpstream(
        origin, fixed=origin_headers(origin), introduction=introduction, exchanged=_exchanged(origin.token_exchange)
    )


def _exchanged(settings: TokenExchange | None) -> ExchangedTokens | None:
    if settings is None:
        return None
    endpoint = TokenEndpoint(settings, read_secret(settings.client_secret))
    return ExchangedTokens(endpoint, for_itself=settings.own_requests == "client-credentials")
