"""The guard of a configuration, of whichever kind that is: an MCP server's or a model route's."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, Protocol

from starlette.types import ASGIApp

from guard.bundle.bundle import Opened
from guard.http.request_bounds import DEFAULT_BOUNDS, RequestBounds
from guard.memory import MessageMemory
from guard.work import GuardWork
from model.guard_bundle import kind_of


class AnyGuardService(Protocol):
    """A guard of either kind, as whoever serves it needs it."""

    @property
    def runtime(self) -> GuardWork[Any]: ...

    def traffic_app(self) -> ASGIApp: ...

    def admin_app(self) -> ASGIApp: ...

    def readiness(self) -> dict[str, Any]: ...

    async def apply(self, opened: Opened) -> None: ...

    async def close(self) -> None: ...


async def open_service(
    opened: Opened,
    state: Path,
    bounds: RequestBounds = DEFAULT_BOUNDS,
    sockets: Path | None = None,
    memory: MessageMemory | None = None,
) -> AnyGuardService:
    """Make everything but the guard's ports; arguments and errors as `GuardService.open`.

    A host's process imports what it serves and no more: the two kinds share half of it.
    """
    if kind_of(opened.config) == "route":
        from guard.models.service import ModelGuardService

        return await ModelGuardService.open(opened, state, bounds=bounds, memory=memory)
    from guard.service import GuardService

    return await GuardService.open(opened, state, bounds=bounds, sockets=sockets, memory=memory)


@contextlib.asynccontextmanager
async def running(
    opened: Opened,
    state: Path,
    *,
    bounds: RequestBounds = DEFAULT_BOUNDS,
    sockets: Path | None = None,
    memory: MessageMemory | None = None,
) -> AsyncIterator[AnyGuardService]:
    """An open service, which is closed when the context ends."""
    service = await open_service(opened, state, bounds, sockets, memory)
    try:
        yield service
    finally:
        await service.close()
