"""WebSocket with the subprotocol `mcp`: JSON-RPC messages as text frames."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import aiohttp

from operations.scan.dialog import LEGACY, MAX_SKIPPED, Introduction, converse
from operations.scan.wire import MAX_EVENT, CredentialsRequired, NotMcp, ScanConnection, json_object


@dataclass
class WebSocket:
    """A dialog of JSON-RPC messages as text frames; a reply is awaited for `patience` seconds."""

    wire: ScanConnection
    socket: aiohttp.ClientWebSocketResponse
    patience: float

    async def call(self, method: str, params: Mapping[str, Any]) -> dict[str, Any]:
        message = self.wire.message(method, params)
        await self.socket.send_json(message)
        async with asyncio.timeout(self.patience):
            for _ in range(MAX_SKIPPED):
                frame = await self.socket.receive()
                if frame.type is not aiohttp.WSMsgType.TEXT:
                    break
                self.wire.count(len(frame.data))
                reply = json_object(frame.data.encode())
                if reply is not None and reply.get("id") == message["id"] and "method" not in reply:
                    return reply
        raise NotMcp

    async def notify(self, method: str) -> None:
        await self.socket.send_json({"jsonrpc": "2.0", "method": method})


async def try_websocket(wire: ScanConnection, path: str, patience: float) -> Introduction:
    """Try WebSocket with the subprotocol `mcp`. Raises the same exceptions as `try_streamable`."""
    headers = {"host": wire.host} if wire.host else {}
    try:
        async with asyncio.timeout(patience):
            socket = await wire.session.ws_connect(
                wire.url(path), protocols=("mcp",), max_msg_size=MAX_EVENT, headers=headers, autoping=True, compress=0
            )
    except aiohttp.WSServerHandshakeError as error:
        # 403 is how ASGI servers say that no such WebSocket exists, so only 401 shows a demand for credentials.
        if error.status == 401:
            raise CredentialsRequired("credentials (401)", certain=False) from None
        raise NotMcp(error.status) from None
    try:
        try:
            return await converse(WebSocket(wire, socket, patience), Introduction("websocket", path), LEGACY)
        except (NotMcp, TimeoutError):
            if socket.protocol == "mcp":
                return Introduction(
                    "websocket", path, problem="took the subprotocol mcp, and did not answer initialize"
                )
            raise
    finally:
        with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError):
            async with asyncio.timeout(1):
                await socket.close()
