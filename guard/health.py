"""What the gateway's probes are answered: whether this guard lets anything pass at all."""

from __future__ import annotations

from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from guard.work import GuardWork

HEALTH = "/healthz"


def healthz_of(runtime: GuardWork[Any]) -> Starlette:
    """The application for `/healthz`, which is answered for any Host."""

    async def healthz(_: Request) -> Response:
        if runtime.draining or not runtime.audit.healthy:
            return PlainTextResponse("closed\n", 503)
        return PlainTextResponse("ok\n")

    return Starlette(routes=[Route(HEALTH, healthz, methods=["GET"])])
