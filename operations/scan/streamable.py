"""Streamable HTTP of MCP: the revisions of 2025 (`initialize`) and of 2026-07-28 (`server/discover`)."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from model.text import visible
from operations.scan.dialog import (
    CLIENT,
    LEGACY,
    MAX_SKIPPED,
    MODERN,
    Introduction,
    converse,
    list_tools,
    with_server_info,
)
from operations.scan.wire import (
    CredentialsRequired,
    HostRefused,
    NotMcp,
    ScanConnection,
    ScanLimitExceeded,
    json_object,
    path_on_server,
    refuse_demand,
    refuse_host,
)

_ACCEPT = "application/json, text/event-stream"
_META = "io.modelcontextprotocol/"


@dataclass
class Streamable:
    """A dialog by POST to one endpoint; a reply is a JSON body or one event of a stream."""

    wire: ScanConnection
    path: str
    version: str = ""
    session_id: str | None = None

    async def call(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        return (await self.post(self.wire.message(method, params), self._headers()))[1]

    async def notify(self, method: str) -> None:
        async with self.wire.ask("POST", self.path, self._headers(), {"jsonrpc": "2.0", "method": method}) as answer:
            refuse_demand(answer, b"")

    def _headers(self) -> dict[str, str]:
        version = {"mcp-protocol-version": self.version} if self.version else {}
        session = {"mcp-session-id": self.session_id} if self.session_id else {}
        return {"accept": _ACCEPT, **version, **session}

    async def post(self, message: Mapping[str, Any], headers: Mapping[str, str]) -> tuple[int, dict[str, Any]]:
        """Send a message; return the HTTP status and the JSON-RPC reply.

        Raises:
            NotMcp: there is no JSON-RPC reply. `args[0]` is the HTTP status.
        """
        async with self.wire.ask("POST", self.path, headers, message) as answer:
            if answer.status == 200 and answer.content_type == "text/event-stream":
                reply = await self._awaited(answer, message["id"])
            else:
                body = await self.wire.body(answer)
                refuse_host(self.wire, answer, body)
                refuse_demand(answer, body)
                reply = json_object(body)
                if answer.status in (307, 308):
                    path = path_on_server(self.wire, self.path, answer.headers.get("location", ""))
                    self.wire.moved += [path] if path else []
            if reply is None:
                raise NotMcp(answer.status)
            if message["method"] == "initialize" and "result" in reply:
                session = answer.headers.get("mcp-session-id", "")
                self.session_id = session if re.fullmatch(r"[!-~]{1,512}", session) else None
                self.version = _version_in(reply)
            return answer.status, reply

    async def _awaited(self, answer: aiohttp.ClientResponse, id_: int) -> dict[str, Any] | None:
        skipped = 0
        async for _, data in self.wire.events(answer):
            message = json_object(data.encode())
            if message is not None and message.get("id") == id_ and "method" not in message:
                return message
            skipped += 1
            if skipped > MAX_SKIPPED:
                break
        return None

    async def close(self) -> None:
        """End the session, so that a scan leaves none behind. A server that refuses to end it is left alone."""
        if self.session_id:
            with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError, ScanLimitExceeded):
                async with self.wire.ask("DELETE", self.path, self._headers()):
                    pass


def _version_in(message: Mapping[str, Any]) -> str:
    result = message.get("result")
    version = result.get("protocolVersion") if isinstance(result, dict) else None
    return version if isinstance(version, str) and re.fullmatch(r"[0-9-]{1,20}", version) else ""


async def try_streamable(wire: ScanConnection, path: str) -> Introduction:
    """Try both eras of streamable HTTP, the newer first.

    Raises:
        NotMcp, CredentialsRequired, TooMuch: as soon as one of them is certain. Network errors of aiohttp pass through.
    """
    dialog = Streamable(wire, path)
    demand: CredentialsRequired | None = None
    try:
        status, reply = await dialog.post(
            wire.message("server/discover", _modern({})), _modern_headers("server/discover")
        )
    except HostRefused:
        raise
    except CredentialsRequired as refusal:
        demand = refusal  # a proxy that lets `initialize` pass may not know this method
    except NotMcp as none:
        # No resource takes a POST on this path, or it redirects: `initialize` would learn nothing more.
        if none.args and (none.args[0] in (404, 405, 501) or 300 <= none.args[0] < 400):
            raise
    except TimeoutError:
        pass  # a server of 2025 may stay silent on a method it does not know
    else:
        result = reply.get("result")
        if status == 200 and isinstance(result, dict) and isinstance(result.get("supportedVersions"), list):
            return await _modern_tools(wire, dialog, path, result)
        error = reply.get("error")
        if isinstance(error, dict) and error.get("code") == -32022:
            data = error.get("data")
            versions = data.get("supported") if isinstance(data, dict) else None
            if isinstance(versions, list) and not any(str(v) <= LEGACY for v in versions):
                shown = visible(", ".join(map(str, versions)))[:80]
                return Introduction(
                    "streamable-http", path, shown, problem=f"speaks {shown} only, which this scan does not speak"
                )
    try:
        return await converse(dialog, Introduction("streamable-http", path), LEGACY)
    except (NotMcp, TimeoutError):
        if demand is not None:
            raise demand from None
        raise
    finally:
        await dialog.close()


async def _modern_tools(wire: ScanConnection, dialog: Streamable, path: str, result: dict[str, Any]) -> Introduction:
    meta = result.get("_meta")
    info = meta.get(f"{_META}serverInfo") if isinstance(meta, dict) else None
    version = ", ".join(str(v) for v in result["supportedVersions"])
    introduction = with_server_info(Introduction("streamable-http", path), result, info, version)

    async def page(params: dict[str, Any]) -> dict[str, Any]:
        message = wire.message("tools/list", _modern(params))
        return (await dialog.post(message, _modern_headers("tools/list")))[1]

    return await list_tools(introduction, page)


def _modern(params: Mapping[str, Any]) -> dict[str, Any]:
    meta = {
        f"{_META}protocolVersion": MODERN,
        f"{_META}clientCapabilities": {},
        f"{_META}clientInfo": CLIENT,
    }
    return {**params, "_meta": meta}


def _modern_headers(method: str) -> dict[str, str]:
    return {"accept": _ACCEPT, "mcp-protocol-version": MODERN, "mcp-method": method}
