"""An MCP server that costs next to nothing, for measuring what stands before it; both eras, every transport.

    python -m tests.support.fast_server [--port 0] [--socket PATH] [--stdio] [--log FILE] [--sse]

It answers `tools/call` of `echo` and `lookup` without keeping anything but legacy session ids, so that what a proxy adds
is not lost in the server's own time (the official SDK's server takes some 2 ms a call). `--log` appends one line
`<tool> <tag>` for each call that arrived (`tag` is an argument), before it answers: the truth about what was
forwarded. `--sse` answers calls as an event stream with one progress notification. HTTP prints its URL first.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import secrets
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import uvicorn

from sandbox.mcp_server import bind

Scope = dict[str, Any]
Receive = Callable[[], Awaitable[dict[str, Any]]]
Send = Callable[[dict[str, Any]], Awaitable[None]]
NAME = {"name": "fast-server", "version": "1.0.0"}
READ = {"readOnlyHint": True, "openWorldHint": False}
TOOLS = [
    {
        "name": "echo",
        "description": "Answers with the text it was given.",
        "inputSchema": {
            "type": "object",
            "properties": {"text": {"type": "string"}, "tag": {"type": "string"}},
            "required": ["text"],
        },
        "annotations": READ,
    },
    {
        "name": "lookup",
        "description": "Looks one ticket up.",
        "inputSchema": {
            "type": "object",
            "properties": {"id": {"type": "integer"}, "tag": {"type": "string"}},
            "required": ["id"],
        },
        "annotations": READ,
    },
    {
        "name": "slow",
        "description": "Answers after some milliseconds.",
        "inputSchema": {
            "type": "object",
            "properties": {"milliseconds": {"type": "integer"}, "tag": {"type": "string"}},
            "required": ["milliseconds"],
        },
        "annotations": READ,
    },
]
TICKET = "Printer on floor 3 prints blank pages since Monday. Toner was replaced, the driver reinstalled. "
MODERN = "2026-07-28"
SESSIONS: set[str] = set()
_log = -1
_sse = False


def answer(method: str, params: dict[str, Any], modern: bool) -> dict[str, Any] | None:
    """The result of one request, or None for a method it does not know."""
    match method:
        case "tools/call":
            arguments = params.get("arguments") or {}
            name = params.get("name")
            if _log >= 0:
                os.write(_log, f"{name} {arguments.get('tag', '-')}\n".encode())
            said = str(arguments.get("text", "")) if name == "echo" else TICKET * 3
            result: dict[str, Any] = {"content": [{"type": "text", "text": said}], "isError": False}
        case "tools/list":
            result = {"tools": TOOLS}
            if modern:
                result |= {"ttlMs": 0, "cacheScope": "private"}
        case "server/discover":
            return {
                "resultType": "complete",
                "supportedVersions": [MODERN],
                "capabilities": {"tools": {"listChanged": True}},
                "ttlMs": 0,
                "cacheScope": "private",
                "_meta": {"io.modelcontextprotocol/serverInfo": NAME},
            }
        case "initialize":
            return {
                "protocolVersion": params.get("protocolVersion", "2025-11-25"),
                "capabilities": {"tools": {"listChanged": True}},
                "serverInfo": NAME,
            }
        case "ping":
            result = {}
        case _:
            return None
    if modern:
        result["resultType"] = "complete"
    return result


def reply(message: dict[str, Any], modern: bool) -> dict[str, Any]:
    """The whole JSON-RPC answer."""
    result = answer(message["method"], message.get("params") or {}, modern)
    head = {"jsonrpc": "2.0", "id": message["id"]}
    return {**head, "result": result} if result is not None else {**head, "error": {"code": -32601, "message": "no"}}


async def body_of(receive: Receive) -> bytes:
    parts = []
    while True:
        event = await receive()
        parts.append(event.get("body", b""))
        if not event.get("more_body"):
            return b"".join(parts)


async def respond(send: Send, status: int, body: bytes = b"", *headers: tuple[bytes, bytes]) -> None:
    length = (b"content-length", str(len(body)).encode())
    kind = ((b"content-type", b"application/json"),) if body else ()
    await send({"type": "http.response.start", "status": status, "headers": [length, *kind, *headers]})
    await send({"type": "http.response.body", "body": body})


async def stream(receive: Receive, send: Send, *events: bytes, stay: bool) -> None:
    """Events as SSE; with `stay` the stream then stays open until the client leaves."""
    headers = [(b"content-type", b"text/event-stream"), (b"cache-control", b"no-cache")]
    await send({"type": "http.response.start", "status": 200, "headers": headers})
    for event in events:
        await send({"type": "http.response.body", "body": b"data: " + event + b"\n\n", "more_body": True})
    if stay:
        await send({"type": "http.response.body", "body": b": open\n\n", "more_body": True})
        while (await receive())["type"] != "http.disconnect":
            pass
    else:
        await send({"type": "http.response.body", "body": b""})


async def app(scope: Scope, receive: Receive, send: Send) -> None:
    """The ASGI application."""
    if scope["type"] != "http":
        return
    headers = dict(scope["headers"])
    session = headers.get(b"mcp-session-id", b"").decode()
    if scope["path"] != "/mcp":
        return await respond(send, 404)
    if scope["method"] == "GET":
        return await stream(receive, send, stay=True) if session in SESSIONS else await respond(send, 404)
    if scope["method"] == "DELETE":
        SESSIONS.discard(session)
        return await respond(send, 200)
    message = json.loads(await body_of(receive))
    modern = headers.get(b"mcp-protocol-version") == MODERN.encode()
    if "id" not in message or "method" not in message:
        return await respond(send, 202)
    method = message["method"]
    if method == "subscriptions/listen":
        meta = {"io.modelcontextprotocol/subscriptionId": message["id"]}
        wanted = (message.get("params") or {}).get("notifications", {})
        event = {
            "jsonrpc": "2.0",
            "method": "notifications/subscriptions/acknowledged",
            "params": {"_meta": meta, "notifications": wanted},
        }
        return await stream(receive, send, json.dumps(event).encode(), stay=True)
    if not modern and method not in ("initialize", "server/discover") and session not in SESSIONS:
        return await respond(send, 404)
    if method == "tools/call" and message["params"].get("name") == "slow":
        await asyncio.sleep(int(message["params"]["arguments"]["milliseconds"]) / 1000)
    body = json.dumps(reply(message, modern), separators=(",", ":")).encode()
    if method == "initialize":
        session = secrets.token_hex(16)
        SESSIONS.add(session)
        return await respond(send, 200, body, (b"mcp-session-id", session.encode()))
    if _sse and method == "tools/call":
        token = (message["params"].get("_meta") or {}).get("progressToken", 1)
        progress = {"progressToken": token, "progress": 1, "total": 1}
        event = {"jsonrpc": "2.0", "method": "notifications/progress", "params": progress}
        return await stream(receive, send, json.dumps(event).encode(), body, stay=False)
    return await respond(send, 200, body)


def serve_stdio() -> None:
    """One JSON-RPC message a line, as fast as they come. `slow` blocks: nobody asks for it here."""
    modern = False
    for line in sys.stdin.buffer:
        message = json.loads(line)
        if "id" not in message or "method" not in message:
            continue
        meta = (message.get("params") or {}).get("_meta") or {}
        modern = modern or meta.get("io.modelcontextprotocol/protocolVersion") == MODERN
        sys.stdout.buffer.write(json.dumps(reply(message, modern), separators=(",", ":")).encode() + b"\n")
        sys.stdout.buffer.flush()


def main() -> None:
    """The command line."""
    global _log, _sse
    parser = argparse.ArgumentParser(description="A fast MCP server to measure proxies with.")
    parser.add_argument("--port", type=int, default=0)
    parser.add_argument("--socket")
    parser.add_argument("--stdio", action="store_true")
    parser.add_argument("--log")
    parser.add_argument("--sse", action="store_true")
    options = parser.parse_args()
    _sse = options.sse
    if options.log:
        _log = os.open(options.log, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    if options.stdio:
        serve_stdio()
        return
    listening, url = bind("127.0.0.1", options.port, options.socket)
    listening.listen(2048)
    print(url, flush=True)
    config = uvicorn.Config(
        app, log_level="warning", access_log=False, lifespan="off", timeout_graceful_shutdown=1, ws="none"
    )
    with listening:
        uvicorn.Server(config).run(sockets=[listening])


if __name__ == "__main__":
    main()
