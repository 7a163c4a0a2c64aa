"""The guard's two ASGI applications: one for MCP traffic, one for the operator on a loopback port of its own."""

from __future__ import annotations

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, Response
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from guard.decide.answers import INCIDENT_HEADER
from guard.decide.reasons import Reason
from guard.health import HEALTH, healthz_of
from guard.http.endpoint import McpEndpoint
from guard.logs import SERVER
from guard.runtime import Runtime

#: Where the server finds the keys of the token about its caller, on the guard's admin port.
JWKS_PATH = "/.well-known/jwks.json"


def traffic_app(runtime: Runtime) -> ASGIApp:
    """The MCP endpoint, and `/healthz` for the gateway's probes, which is answered for any Host."""

    endpoint, path = McpEndpoint(runtime), runtime.policy.config.path
    health_app = healthz_of(runtime)
    server = runtime.policy.server

    async def app(scope: Scope, receive: Receive, send: Send) -> None:
        SERVER.set(server)
        # Compared before the router, which takes longer than many decisions.
        if scope["type"] == "http" and scope["path"] == path:
            await endpoint(scope, receive, send)
        elif scope["type"] == "http" and scope["path"] != HEALTH:
            incident = runtime.note_refusal(None, Reason.NO_SUCH_PATH)
            text = f"The guard serves {path} alone. Incident {incident}.\n"
            await PlainTextResponse(text, 404, {INCIDENT_HEADER: incident})(scope, receive, send)
        else:
            await health_app(scope, receive, send)

    return app


def admin_app(runtime: Runtime) -> Starlette:
    """`/readyz` (what is in force and what is wrong; 503 if anything is), `/metrics`, and the keys of `origin.identity`."""

    async def readyz(_: Request) -> Response:
        state = runtime.readiness()
        return JSONResponse(state, 200 if state["ready"] else 503)

    async def metrics(_: Request) -> Response:
        runtime.metrics.state(runtime.readiness(), runtime.taints.count())
        return Response(runtime.metrics.text(), media_type="text/plain; version=0.0.4; charset=utf-8")

    async def jwks(_: Request) -> Response:
        introduction = runtime.policy.introduction
        if introduction is None:
            return PlainTextResponse("origin.identity is none: the server is not told who calls\n", 404)
        return JSONResponse(introduction.tokens.jwks(), headers={"cache-control": "max-age=60"})

    rows = ((JWKS_PATH, jwks), ("/readyz", readyz), ("/metrics", metrics))
    return Starlette(routes=[Route(path, answer, methods=["GET"]) for path, answer in rows])
