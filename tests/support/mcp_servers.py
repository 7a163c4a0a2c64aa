"""Servers for a scan to find, or to leave alone, all real and on ports of their own:

    python -m tests.support.mcp_servers NAME... [--host ADDRESS]

prints one JSON object of name to port, and serves until it is killed.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import select
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
SECRET = "planted-Bearer-0123456789abcdef"


def _seed() -> Any:
    """The seed's server: a shell for whoever asks."""
    from mcp.server.mcpserver import MCPServer

    server: Any = MCPServer("ops-helper", version="0.3.1", log_level="ERROR")

    @server.tool()  # type: ignore[untyped-decorator]
    def execute_command(command: str) -> str:
        """Run a command on this host."""
        raise AssertionError("a scan calls nothing")

    @server.tool()  # type: ignore[untyped-decorator]
    def read_log(name: str) -> str:
        """Read a log."""
        raise AssertionError("a scan calls nothing")

    return server


async def _handle_websocket(request: Any) -> Any:
    from aiohttp import web

    socket_ = web.WebSocketResponse(protocols=("mcp",))
    await socket_.prepare(request)
    async for frame in socket_:
        message = json.loads(frame.data)
        if message["method"] == "initialize":
            result: Any = {
                "protocolVersion": message["params"]["protocolVersion"],
                "capabilities": {"tools": {}},
                "serverInfo": {"name": "socket-notes", "version": "2"},
            }
        elif message["method"] == "tools/list":
            first = {"name": "delete_note", "inputSchema": {"type": "object"}}
            second = {"name": "list_notes", "inputSchema": {"type": "object"}}
            cursor = message["params"].get("cursor")
            result = {"tools": [second]} if cursor else {"tools": [first], "nextCursor": "2"}
        else:
            continue
        await socket_.send_json({"jsonrpc": "2.0", "id": message["id"], "result": result})
    return socket_


async def _web(*routes: tuple[str, str, Any]) -> Any:
    from aiohttp import web

    app = web.Application()
    for method, path, handler in routes:
        app.router.add_route(method, path, handler)
    runner = web.AppRunner(app, access_log=None)
    await runner.setup()
    return runner


def _status(status: int, text: str = "", **headers: str) -> Any:
    from aiohttp import web

    async def answer(_: Any) -> Any:
        return web.Response(status=status, text=text, headers={k.replace("_", "-"): v for k, v in headers.items()})

    return answer


async def _app(name: str) -> Any:
    if name == "websocket":
        return await _web(("GET", "/ws", _handle_websocket))
    if name == "bearer":
        challenge = 'Bearer resource_metadata="https://tools.example.com/.well-known/oauth-protected-resource/mcp"'
        return await _web(("*", "/mcp", _status(401, www_authenticate=challenge)))
    if name == "key":
        return await _web(("*", "/mcp", _status(403, "no key")))
    if name == "walled":
        return await _web(("*", "/{any:.*}", _status(401, www_authenticate="Basic realm=x")))
    if name == "page":
        page = _status(200, "<html>hello</html>", content_type="text/html")
        return await _web(("GET", "/", page), ("POST", "/form", page))
    if name == "redirect":
        return await _web(("*", "/{any:.*}", _status(307, location="http://127.0.0.1:9/mcp")))
    raise KeyError(name)


async def _silent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(-1)
    writer.close()


async def _flood(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        request = await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\n\r\n")
        while not request.startswith(b"HEAD"):
            writer.write(b"data: " + b"x" * 65536)
            await writer.drain()
    writer.close()


async def _drip(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with contextlib.suppress(OSError):
        request = await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: application/json\r\n\r\n")
        while not request.startswith(b"HEAD"):
            writer.write(b" ")
            await writer.drain()
            await asyncio.sleep(0.05)
    writer.close()


async def _greeter(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """A protocol whose server speaks first; it prints what it is sent, and must be sent nothing."""
    writer.write(b"220 mail.example.com ESMTP\r\n")
    got = await reader.read(-1)
    print(json.dumps({"greeter got": got.decode("latin-1")}), flush=True)
    writer.close()


_RAW = {"silent": _silent, "flood": _flood, "drip": _drip, "greeter": _greeter}


async def _serve(names: list[str], host: str) -> None:
    import uvicorn

    ports: dict[str, int] = {}
    running: list[Any] = []
    for name in names:
        listening = socket.create_server((host, 0), family=socket.AF_INET6 if ":" in host else socket.AF_INET)
        ports[name] = listening.getsockname()[1]
        if name in _RAW:
            server = await asyncio.start_server(_RAW[name], sock=listening)
            running.append(server.serve_forever())
        elif name in ("seed", "sse"):
            app = _seed().sse_app(host=host) if name == "sse" else _seed().streamable_http_app(host=host)
            config = uvicorn.Config(app, log_level="error", lifespan="on", timeout_graceful_shutdown=1)
            running.append(uvicorn.Server(config).serve(sockets=[listening]))
        else:
            from aiohttp import web

            await web.SockSite(await _app(name), listening).start()
    print(json.dumps(ports), flush=True)
    await asyncio.gather(*running, asyncio.Event().wait())


@contextlib.contextmanager
def servers(*names: str, host: str = "127.0.0.1") -> Iterator[tuple[dict[str, int], subprocess.Popen[str]]]:
    """Port of each server; all of them live in one process, on the command line of which a secret stands."""
    command = [sys.executable, "-m", "tests.support.mcp_servers", *names, "--host", host, f"--token={SECRET}"]
    process = subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], 200)
        assert ready, "the servers did not start"
        yield json.loads(process.stdout.readline()), process
    finally:
        process.kill()
        process.wait(30)
        if process.stdout is not None:
            process.stdout.close()


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("names", nargs="+")
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--token")
    options = parser.parse_args()
    asyncio.run(_serve(options.names, options.host))


if __name__ == "__main__":
    main()
