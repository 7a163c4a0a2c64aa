"""All four transports of MCP, spoken by hand just as far as a scan needs: say hello, list the tools, leave.

2024-11-05 HTTP+SSE (two endpoints), streamable HTTP of 2025 (`initialize`) and of 2026-07-28 (`server/discover`), and
WebSocket with the subprotocol `mcp`. The official SDK's clients are for servers one means to use: here nobody knows what
answers, so everything is bounded in bytes, no redirect to another server is followed, no cookie is kept, no proxy of the
environment is used, and nothing beyond `tools/list` is ever asked.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol
from urllib.parse import urljoin, urlsplit

import aiohttp

from model.text import visible
from operations.scan.wire import (
    MAX_EVENT,
    Demands,
    HostRefused,
    NotMcp,
    Refused,
    TooMuch,
    Wire,
    json_object,
    refuse_demand,
    refuse_host,
)

Transport = Literal["streamable-http", "http+sse", "websocket"]

MODERN = "2026-07-28"
LEGACY = "2025-11-25"
FIRST = "2024-11-05"
MAX_PAGES = 20
MAX_TOOLS = 2000
#: Messages and events passed over while one answer is awaited.
MAX_ASIDE = 20

_BOTH = "application/json, text/event-stream"
_CLIENT = {"name": "ringwall-scan", "version": "1"}
_META = "io.modelcontextprotocol/"


@dataclass(frozen=True)
class Spoken:
    """An MCP server that answered at `path`.

    `demands` says what it asks for before it lists anything (None: nothing, it is open). `tools` are the definitions as
    sent, None where they could not be listed; `problem` says why, or what is missing.
    """

    transport: Transport
    path: str
    protocol_version: str = ""
    name: str = ""
    version: str = ""
    instructions: str = ""
    tools: tuple[dict[str, Any], ...] | None = None
    demands: str | None = None
    problem: str | None = None


class Dialog(Protocol):
    """One way to exchange JSON-RPC messages with a server of the 2024 and 2025 revisions."""

    async def call(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]: ...

    async def tell(self, method: str) -> None: ...


async def converse(dialog: Dialog, spoken: Spoken, version: str) -> Spoken:
    """`initialize`, then the tools. Raises NotMcp, Demands or TooMuch before it is known to be MCP."""
    params = {"protocolVersion": version, "capabilities": {}, "clientInfo": _CLIENT}
    answer = await dialog.call("initialize", params)
    error = answer.get("error")
    if isinstance(error, dict) and error.get("code") != -32601:
        raise Refused(visible(str(error.get("message", "no reason")))[:100])
    result = _result(answer)
    if not isinstance(result.get("protocolVersion"), str) or not isinstance(result.get("capabilities"), dict):
        raise NotMcp
    spoken = _introduced(spoken, result, result.get("serverInfo"), str(result["protocolVersion"]))
    await dialog.tell("notifications/initialized")

    async def page(params: dict[str, Any]) -> dict[str, Any]:
        return await dialog.call("tools/list", params)

    return await _listed(spoken, page)


def _introduced(spoken: Spoken, result: Mapping[str, Any], info: object, version: str) -> Spoken:
    about = info if isinstance(info, dict) else {}
    instructions = result.get("instructions")
    return replace(
        spoken,
        protocol_version=visible(version)[:40],
        name=visible(str(about.get("name", "")))[:100],
        version=visible(str(about.get("version", "")))[:40],
        instructions=instructions if isinstance(instructions, str) else "",
    )


def _result(message: Mapping[str, Any]) -> dict[str, Any]:
    result = message.get("result")
    if message.get("jsonrpc") != "2.0" or not isinstance(result, dict):
        raise NotMcp
    return result


async def _listed(spoken: Spoken, page: Any) -> Spoken:
    """The tools over all pages. From here on it is MCP: what goes wrong becomes its `problem`, never silence."""
    tools: list[dict[str, Any]] = []
    cursor: str | None = None
    problem: str | None = None
    listed = False
    try:
        for _ in range(MAX_PAGES):
            answer = await page({} if cursor is None else {"cursor": cursor})
            error = answer.get("error")
            if isinstance(error, dict):
                if error.get("code") == -32601 and not tools:
                    listed = True  # a server without tools, prompts or resources alone
                    break
                text = visible(str(error.get("message", "no reason")))[:100]
                return replace(spoken, tools=tuple(tools) if tools else None, problem=f"refused tools/list: {text}")
            found = _result(answer).get("tools")
            if not isinstance(found, list) or not all(isinstance(tool, dict) for tool in found):
                raise NotMcp
            tools += found
            listed = True
            following = answer["result"].get("nextCursor")
            if len(tools) > MAX_TOOLS:
                problem = f"over {MAX_TOOLS} tools: not all were looked at"
                break
            if not isinstance(following, str) or following == cursor:
                break
            cursor = following
        else:
            problem = f"over {MAX_PAGES} pages of tools: not all were looked at"
    except Demands as demand:
        return replace(spoken, demands=demand.what)
    except NotMcp:
        problem = "its answer to tools/list is not MCP"
    except (TooMuch, ValueError) as error:
        problem = f"its tools could not be read: {error}"
    except (TimeoutError, aiohttp.ClientError, OSError) as error:
        problem = f"broke off while listing its tools ({type(error).__name__})"
    return replace(spoken, tools=tuple(tools) if listed else None, problem=problem)


# -- streamable HTTP ---------------------------------------------------------------------------------------------------


@dataclass
class Streamable:
    """POST to one endpoint; the answer is JSON or one event of a stream."""

    wire: Wire
    path: str
    version: str = ""
    session_id: str | None = None

    async def call(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        return (await self.post(self.wire.message(method, params), self._headers()))[1]

    async def tell(self, method: str) -> None:
        async with self.wire.ask("POST", self.path, self._headers(), {"jsonrpc": "2.0", "method": method}) as answer:
            refuse_demand(answer, b"")

    def _headers(self) -> dict[str, str]:
        version = {"mcp-protocol-version": self.version} if self.version else {}
        session = {"mcp-session-id": self.session_id} if self.session_id else {}
        return {"accept": _BOTH, **version, **session}

    async def post(self, message: Mapping[str, Any], headers: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        """Status and JSON-RPC answer. Raises NotMcp (`args[0]` is the status) when there is none."""
        async with self.wire.ask("POST", self.path, headers, message) as answer:
            if answer.status == 200 and answer.content_type == "text/event-stream":
                found = await self._awaited(answer, message["id"])
            else:
                raw = await self.wire.body(answer)
                refuse_host(self.wire, answer, raw)
                refuse_demand(answer, raw)
                found = json_object(raw)
                if answer.status in (307, 308):
                    there = _same_server(self.wire, self.path, answer.headers.get("location", ""))
                    self.wire.moved += [there] if there else []
            if found is None:
                raise NotMcp(answer.status)
            if message["method"] == "initialize" and "result" in found:
                session = answer.headers.get("mcp-session-id", "")
                self.session_id = session if re.fullmatch(r"[!-~]{1,512}", session) else None
                self.version = _version_in(found)
            return answer.status, found

    async def _awaited(self, answer: aiohttp.ClientResponse, id_: int) -> dict[str, Any] | None:
        aside = 0
        async for _, data in self.wire.events(answer):
            found = json_object(data.encode())
            if found is not None and found.get("id") == id_ and "method" not in found:
                return found
            aside += 1
            if aside > MAX_ASIDE:
                break
        return None

    async def leave(self) -> None:
        """End the session, so that a scan leaves none behind; a server that will not is none of its business."""
        if self.session_id:
            with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError, TooMuch):
                async with self.wire.ask("DELETE", self.path, self._headers()):
                    pass


def _version_in(found: Mapping[str, Any]) -> str:
    result = found.get("result")
    version = result.get("protocolVersion") if isinstance(result, dict) else None
    return version if isinstance(version, str) and re.fullmatch(r"[0-9-]{1,20}", version) else ""


async def try_streamable(wire: Wire, path: str) -> Spoken:
    """Both eras of streamable HTTP, the newer first. Raises NotMcp, Demands, TooMuch or a network error."""
    dialog = Streamable(wire, path)
    demand: Demands | None = None
    try:
        status, found = await dialog.post(
            wire.message("server/discover", _modern({})), _modern_headers("server/discover")
        )
    except HostRefused:
        raise
    except Demands as refusal:
        demand = refusal  # a gate that lets `initialize` pass may not know this method
    except NotMcp as none:
        # Nothing takes a POST here, or it leads elsewhere: a second one would learn nothing.
        if none.args and (none.args[0] in (404, 405, 501) or 300 <= none.args[0] < 400):
            raise
    except TimeoutError:
        pass  # a server of 2025 may stay silent on a method it does not know
    else:
        result = found.get("result")
        if status == 200 and isinstance(result, dict) and isinstance(result.get("supportedVersions"), list):
            return await _modern_tools(wire, dialog, path, result)
        error = found.get("error")
        if isinstance(error, dict) and error.get("code") == -32022:
            data = error.get("data")
            versions = data.get("supported") if isinstance(data, dict) else None
            if isinstance(versions, list) and not any(str(v) <= LEGACY for v in versions):
                shown = visible(", ".join(map(str, versions)))[:80]
                return Spoken("streamable-http", path, shown, problem=f"speaks {shown} only, which this scan does not")
    try:
        return await converse(dialog, Spoken("streamable-http", path), LEGACY)
    except (NotMcp, TimeoutError):
        if demand is not None:
            raise demand from None
        raise
    finally:
        await dialog.leave()


async def _modern_tools(wire: Wire, dialog: Streamable, path: str, result: dict[str, Any]) -> Spoken:
    meta = result.get("_meta")
    info = meta.get(f"{_META}serverInfo") if isinstance(meta, dict) else None
    version = ", ".join(str(v) for v in result["supportedVersions"])
    spoken = _introduced(Spoken("streamable-http", path), result, info, version)

    async def page(params: dict[str, Any]) -> dict[str, Any]:
        message = wire.message("tools/list", _modern(params))
        return (await dialog.post(message, _modern_headers("tools/list")))[1]

    return await _listed(spoken, page)


def _modern(params: Mapping[str, Any]) -> dict[str, Any]:
    meta = {
        f"{_META}protocolVersion": MODERN,
        f"{_META}clientCapabilities": {},
        f"{_META}clientInfo": _CLIENT,
    }
    return {**params, "_meta": meta}


def _modern_headers(method: str) -> dict[str, str]:
    return {"accept": _BOTH, "mcp-protocol-version": MODERN, "mcp-method": method}


# -- HTTP+SSE of 2024-11-05 --------------------------------------------------------------------------------------------


@dataclass
class TwoEndpoints:
    """Messages are posted to one address, answers come as events on the stream of another."""

    wire: Wire
    post_path: str
    stream: AsyncIterator[tuple[str, str]]

    async def call(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        message = self.wire.message(method, params)
        await self._send(message)
        aside = 0
        async for _, data in self.stream:
            found = json_object(data.encode())
            if found is not None and found.get("id") == message["id"] and "method" not in found:
                return found
            aside += 1
            if aside > MAX_ASIDE:
                break
        raise NotMcp

    async def tell(self, method: str) -> None:
        await self._send({"jsonrpc": "2.0", "method": method})

    async def _send(self, message: Mapping[str, Any]) -> None:
        async with self.wire.ask("POST", self.post_path, {}, message) as answer:
            raw = await self.wire.body(answer)
            refuse_demand(answer, raw)
            if answer.status >= 300:
                raise NotMcp(answer.status)


async def try_sse(wire: Wire, path: str) -> Spoken:
    """The two endpoints of 2024-11-05. Raises as `try_streamable`."""
    async with wire.ask("GET", path, {"accept": "text/event-stream"}) as answer:
        if answer.status != 200 or answer.content_type != "text/event-stream":
            refuse_demand(answer, b"")
            raise NotMcp(answer.status)
        stream = wire.events(answer)
        aside = 0
        async for name, data in stream:
            aside += 1
            if name == "endpoint":
                post_path = _same_server(wire, path, data)
                if post_path is None:
                    problem = "its endpoint event names another server, which was not asked"
                    return Spoken("http+sse", path, FIRST, problem=problem)
                spoken = Spoken("http+sse", path, FIRST)
                try:
                    return await converse(TwoEndpoints(wire, post_path, stream), spoken, FIRST)
                except NotMcp:
                    return replace(spoken, problem="opened its stream, and did not answer initialize as MCP")
            if aside > MAX_ASIDE:
                break
    raise NotMcp


def _same_server(wire: Wire, path: str, data: str) -> str | None:
    """The path to post to; None when it is on another server: nobody named that one."""
    try:
        there = urlsplit(urljoin(wire.base + path, data.strip()))
        here = urlsplit(wire.base)
        same = there.scheme == here.scheme and there.port == here.port
        loopback = {"localhost", "127.0.0.1", "::1", "0.0.0.0", here.hostname}  # noqa: S104 - names a server gives itself
        if not same or there.hostname not in loopback:
            return None
    except ValueError:
        return None
    found = there.path + (f"?{there.query}" if there.query else "")
    return found if re.fullmatch(r"/[!-~]*", found) else None


# -- WebSocket ---------------------------------------------------------------------------------------------------------


@dataclass
class Socket:
    """JSON-RPC messages as text frames."""

    wire: Wire
    socket: aiohttp.ClientWebSocketResponse
    patience: float

    async def call(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        message = self.wire.message(method, params)
        await self.socket.send_json(message)
        async with asyncio.timeout(self.patience):
            for _ in range(MAX_ASIDE):
                frame = await self.socket.receive()
                if frame.type is not aiohttp.WSMsgType.TEXT:
                    break
                self.wire.count(len(frame.data))
                found = json_object(frame.data.encode())
                if found is not None and found.get("id") == message["id"] and "method" not in found:
                    return found
        raise NotMcp

    async def tell(self, method: str) -> None:
        await self.socket.send_json({"jsonrpc": "2.0", "method": method})


async def try_websocket(wire: Wire, path: str, patience: float) -> Spoken:
    """WebSocket with the subprotocol `mcp`. Raises as `try_streamable`."""
    headers = {"host": wire.host} if wire.host else {}
    try:
        async with asyncio.timeout(patience):
            socket = await wire.session.ws_connect(
                wire.url(path), protocols=("mcp",), max_msg_size=MAX_EVENT, headers=headers, autoping=True, compress=0
            )
    except aiohttp.WSServerHandshakeError as error:
        # 403 is how ASGI servers say that no such WebSocket exists, so only 401 says anything.
        if error.status == 401:
            raise Demands("credentials (401)", certain=False) from None
        raise NotMcp(error.status) from None
    try:
        try:
            return await converse(Socket(wire, socket, patience), Spoken("websocket", path), LEGACY)
        except (NotMcp, TimeoutError):
            if socket.protocol == "mcp":
                return Spoken("websocket", path, problem="took the subprotocol mcp, and did not answer initialize")
            raise
    finally:
        with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
            async with asyncio.timeout(1):
                await socket.close()
