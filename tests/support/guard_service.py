"""A whole guard in this process, on loopback, before a server whose every byte a test decides."""

from __future__ import annotations

import asyncio
import contextlib
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import uvicorn
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route

from components.gateway.names import REMAINING_HEADER
from guard.bundle.bundle import Opened
from guard.http.request_bounds import DEFAULT_BOUNDS, RequestBounds
from guard.listening import _Server, serve, signals
from guard.memory import MessageMemory
from guard.service import GuardService
from model.canonical import digest
from model.guard_config import GuardConfig
from model.tool_lock import ToolLock, readable_description
from tests.support.loopback_http import NO_AUTHORITIES
from tests.support.ports import free_port
from tests.support.waiting import PATIENT_GUARD
from wire.sse import KEEP_ALIVE_SECONDS

LEGACY = "2025-11-25"
MODERN = "2026-07-28"
ME = "person:ada"
#: Nobody shall meet a limit on requests who does not test one.
WIDE_REQUESTS = {"requests_per_minute": 1_000_000, "requests_per_hour": 1_000_000}

Reply = Callable[[dict[str, Any]], Any]


def tool(name: str, description: str = "Looks something up.", **more: Any) -> dict[str, Any]:
    schema = {"type": "object", "properties": {"text": {"type": "string"}}, "additionalProperties": False}
    return {"name": name, "description": description, "inputSchema": schema, **more}


def lock_of(
    tools: list[dict[str, Any]],
    *,
    prompts: list[dict[str, Any]] | None = None,
    resources: list[dict[str, Any]] | None = None,
    templates: list[dict[str, Any]] | None = None,
    instructions: str | None = None,
    decided: Mapping[str, Mapping[str, Any]] | None = None,
) -> dict[str, Any]:
    """A lock that approves exactly this. `decided` gives risk, outbound or cacheable of a tool by name."""

    def entry(definition: dict[str, Any]) -> dict[str, Any]:
        return {
            "name": definition["name"],
            "description": readable_description(definition),
            "sha256": digest(definition),
            "definition": definition,
        }

    def tool_entry(definition: dict[str, Any]) -> dict[str, Any]:
        return {**entry(definition), "risk": "read", "outbound": False, **(decided or {}).get(definition["name"], {})}

    server: dict[str, Any] = {"name": "raw", "version": "1"}
    if instructions is not None:
        server |= {"instructions": instructions, "instructions_sha256": digest(instructions)}
    return {
        "version": 1,
        "server": server,
        "tools": [tool_entry(one) for one in tools],
        "prompts": [entry(one) for one in prompts or []],
        "resources": [{**entry(one), "uri": one["uri"]} for one in resources or []],
        "resource_templates": [{**entry(one), "uri_template": one["uriTemplate"]} for one in templates or []],
    }


@dataclass
class Origin:
    """An MCP server of the legacy era (and, with `modern`, of 2026 too) that answers what it is told to.

    `replies` maps a method to a function of the message that gives a result, a JSON-RPC message, or a Response.
    """

    tools: list[dict[str, Any]] = field(default_factory=lambda: [tool("search"), tool("delete")])
    prompts: list[dict[str, Any]] = field(default_factory=list)
    resources: list[dict[str, Any]] = field(default_factory=list)
    templates: list[dict[str, Any]] = field(default_factory=list)
    instructions: str | None = None
    session: str | None = "s-1"
    replies: dict[str, Reply] = field(default_factory=dict)
    get: Callable[[Request], Awaitable[Response]] | None = None
    #: What arrived: (verb, headers, body), probes of the guard's own left out by `calls`.
    seen: list[tuple[str, dict[str, str], bytes]] = field(default_factory=list)
    port: int = 0

    @property
    def calls(self) -> list[dict[str, Any]]:
        """Bodies of everything that a client, not the guard's own look, caused to be sent."""
        bodies = [json.loads(body) for verb, _, body in self.seen if verb == "POST"]
        own = ("initialize", "notifications/initialized", "server/discover")
        return [
            body for body in bodies if body.get("method") not in own and not body.get("method", "").endswith("/list")
        ]

    async def handle(self, request: Request) -> Response:
        body = await request.body()
        self.seen.append((request.method, dict(request.headers), body))
        if request.method == "GET":
            return await self.get(request) if self.get else Response(status_code=405)
        if request.method == "DELETE":
            return Response(status_code=200)
        message = json.loads(body)
        method = message.get("method", "answer")
        if "id" not in message or "method" not in message:
            return Response(status_code=202)
        reply = self.replies.get(method)
        result = reply(message) if reply else self._default(method, message)
        if asyncio.iscoroutine(result):
            result = await result
        if isinstance(result, Response):
            return result
        if "jsonrpc" not in result:
            result = {"jsonrpc": "2.0", "id": message["id"], "result": result}
        status = 200
        if "error" in result and "mcp-method" in request.headers:
            status = 404 if result["error"]["code"] == -32601 else 400
        headers = {"mcp-session-id": self.session} if method == "initialize" and self.session else {}
        return JSONResponse(result, status, headers)

    def _default(self, method: str, message: dict[str, Any]) -> dict[str, Any]:
        if method == "initialize":
            result: dict[str, Any] = {
                "protocolVersion": message["params"]["protocolVersion"],
                "capabilities": {"tools": {}, "prompts": {}, "resources": {}},
                "serverInfo": {"name": "raw", "version": "1"},
            }
            if self.instructions is not None:
                result["instructions"] = self.instructions
            return result
        lists: dict[str, tuple[str, list[dict[str, Any]]]] = {
            "tools/list": ("tools", self.tools),
            "prompts/list": ("prompts", self.prompts),
            "resources/list": ("resources", self.resources),
            "resources/templates/list": ("resourceTemplates", self.templates),
        }
        if method in lists:
            key, definitions = lists[method]
            return {key: definitions}
        if method == "tools/call":
            return {"content": [{"type": "text", "text": "done"}]}
        if method == "ping":
            return {}
        return {"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32601, "message": "Method not found"}}


def sse(*events: str | dict[str, Any], then: Callable[[], Awaitable[None]] | None = None) -> Response:
    """A stream of these messages (or raw event texts); `then` runs before it ends."""

    async def body() -> AsyncIterator[bytes]:
        for event in events:
            yield (event if isinstance(event, str) else f"event: message\ndata: {json.dumps(event)}\n\n").encode()
        if then:
            await then()

    return StreamingResponse(body(), media_type="text/event-stream")


@dataclass
class Guarded:
    """A running guard, its server, and a client that speaks to it."""

    service: GuardService
    origin: Origin
    client: httpx.AsyncClient
    config: GuardConfig
    audit: Path
    session: str | None = None
    _ids: int = 0

    async def post(self, body: Any, headers: Mapping[str, str] | None = None) -> httpx.Response:
        content = body if isinstance(body, bytes) else json.dumps(body).encode()
        sent = {"content-type": "application/json", "accept": "application/json, text/event-stream"}
        if self.config.identity.demo is None:
            # As Kong says it of a budget that nothing was taken from.
            sent[REMAINING_HEADER] = str(self.config.limits.tokens_per_minute)
        if self.session:
            sent |= {"mcp-session-id": self.session, "mcp-protocol-version": LEGACY}
        return await self.client.post("/mcp", content=content, headers={**sent, **(headers or {})})

    async def request(self, method: str, params: dict[str, Any] | None = None, **headers: str) -> Any:
        """One legacy request; the JSON-RPC answer."""
        self._ids += 1
        body = {
            "jsonrpc": "2.0",
            "id": self._ids,
            "method": method,
            **({"params": params} if params is not None else {}),
        }
        response = await self.post(body, headers)
        return answer_of(response, self._ids)

    async def modern(self, method: str, params: dict[str, Any] | None = None, **headers: str) -> httpx.Response:
        """One request of 2026-07-28 with the headers it needs."""
        body, named = self.modern_request(method, params)
        return await self.post(body, {**named, **headers})

    def modern_request(
        self, method: str, params: dict[str, Any] | None = None
    ) -> tuple[dict[str, Any], dict[str, str]]:
        """The body of such a request, and its headers."""
        self._ids += 1
        meta = {
            "io.modelcontextprotocol/protocolVersion": MODERN,
            "io.modelcontextprotocol/clientCapabilities": {"elicitation": {}},
        }
        whole = {"_meta": meta, **(params or {})}
        named = {"mcp-protocol-version": MODERN, "mcp-method": method}
        name = whole.get("name", whole.get("uri"))
        if method in ("tools/call", "prompts/get", "resources/read") and isinstance(name, str):
            named["mcp-name"] = name
        return {"jsonrpc": "2.0", "id": self._ids, "method": method, "params": whole}, named

    async def initialize(self, capabilities: dict[str, Any] | None = None) -> Any:
        params = {
            "protocolVersion": LEGACY,
            "capabilities": capabilities or {},
            "clientInfo": {"name": "test", "version": "1"},
        }
        body = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": params}
        response = await self.post(body)
        self.session = response.headers.get("mcp-session-id")
        return answer_of(response, 0)

    async def call(self, name: str, arguments: dict[str, Any] | None = None) -> Any:
        return await self.request("tools/call", {"name": name, "arguments": arguments or {}})

    def records(self) -> list[dict[str, Any]]:
        """Every decision in the audit log so far."""
        # A line that is being written has no end yet.
        lines = self.audit.read_text().rpartition("\n")[0].splitlines()
        return [record for line in lines if (record := json.loads(line)).get("kind") == "decision"]

    def reasons(self) -> list[tuple[str, str, str]]:
        """(method, decision, reason) of every decision so far."""
        return [(one["method"], one["decision"], one["reason"]) for one in self.records()]


def answer_of(response: httpx.Response, id_: int | str) -> Any:
    """The JSON-RPC answer to `id_`, out of a JSON body or a stream."""
    if response.headers.get("content-type", "").startswith("text/event-stream"):
        lines = [line.removeprefix("data: ") for line in response.text.splitlines() if line.startswith("data: {")]
        return next(
            message for line in lines if (message := json.loads(line)).get("id") == id_ and "method" not in message
        )
    return response.json()


def config_for(server: Origin, state: Path, /, **changes: Any) -> GuardConfig:
    """A demo configuration that grants every tool, prompt and resource of `server` to everyone; `changes` on top.
    `beside_url` is what `origin` holds beside the server's address."""
    grant = {
        "to": {"all": True},
        "tools": [one["name"] for one in server.tools],
        "prompts": [one["name"] for one in server.prompts],
        "resources": ["*"] if server.resources or server.templates else [],
    }
    lock = changes.pop("tool_lock", None) or lock_of(
        server.tools,
        prompts=server.prompts,
        resources=server.resources,
        templates=server.templates,
        instructions=server.instructions,
    )
    values = {
        "version": 1,
        "server": {"environment": "dev", "name": "raw"},
        "listen": {"port": free_port()},
        "path": "/mcp",
        "origin": {"url": f"http://127.0.0.1:{server.port}/mcp", **changes.pop("beside_url", {})},
        "identity": {"demo": {"principal": ME, "email": "ada@example.com"}},
        "grants": [grant],
        "limits": {**WIDE_REQUESTS, **changes.pop("limits", {})},
        "guard": {**PATIENT_GUARD, **changes.pop("guard", {})},
        "audit": {"path": str(state / "audit.jsonl")},
        "tool_lock": lock,
        "tool_lock_sha256": "sha256:" + "0" * 64,
        **changes,
    }
    values["tool_lock_sha256"] = digest(ToolLock.model_validate(lock).dump())
    return GuardConfig.model_validate(values)


@contextlib.asynccontextmanager
async def serving(origin: Origin) -> AsyncIterator[None]:
    """The origin on a loopback port."""
    app = Starlette(routes=[Route("/mcp", origin.handle, methods=["GET", "POST", "DELETE"])])
    server = _Server(uvicorn.Config(app, host="127.0.0.1", port=origin.port, log_config=None, lifespan="off"))
    running = asyncio.get_running_loop().create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.001)
    origin.port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield
    finally:
        server.should_exit = server.force_exit = True
        await running


@contextlib.asynccontextmanager
async def guarded(
    server: Origin,
    state: Path,
    /,
    *,
    headers: Mapping[str, str] | None = None,
    denied: frozenset[str] = frozenset(),
    keep_alive: float = KEEP_ALIVE_SECONDS,
    bounds: RequestBounds = DEFAULT_BOUNDS,
    expires: int | None = None,
    sockets: Path | None = None,
    memory: MessageMemory | None = None,
    **changes: Any,
) -> AsyncIterator[Guarded]:
    """The guard before the origin, both running until the end of the block."""
    async with serving(server):
        config = config_for(server, state, **changes)
        service = await GuardService.open(
            Opened(config, "sha256:" + "1" * 64, 1, denied, expires),
            state / "state",
            keep_alive=keep_alive,
            bounds=bounds,
            sockets=sockets,
            memory=memory,
        )
        with signals() as stop:
            started = asyncio.Event()
            running = asyncio.get_running_loop().create_task(serve(service, stop, started=started.set))
            await asyncio.wait(
                [running, waiting := asyncio.ensure_future(started.wait())], return_when="FIRST_COMPLETED"
            )
            waiting.cancel()
            base = f"http://127.0.0.1:{config.listen.port}"
            try:
                async with httpx.AsyncClient(
                    base_url=base, headers=headers, timeout=60, trust_env=False, verify=NO_AUTHORITIES
                ) as client:
                    yield Guarded(service, server, client, config, state / "audit.jsonl")
            finally:
                service.runtime.end_work()
                running.cancel()
                await asyncio.gather(running, return_exceptions=True)
                await service.close()
