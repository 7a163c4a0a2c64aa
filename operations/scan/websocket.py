"""WebSocket with the subprotocol `mcp`: JSON-RPC messages as text frames."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from operations.scan.dialog import CLIENT, MAX_SKIPPED, Introduction, converse
from operations.scan.wire import MAX_EVENT, CredentialsRequired, NotMcp, ScanConnection
from wire.mcp_client import ClientSide, notification, reply_in


@dataclass
class WebSocket:
    """A dialog of JSON-RPC messages as text frames; a reply is awaited for `patience` seconds."""

    wire: ScanConnection
    socket: aiohttp.ClientWebSocketResponse
    patience: float
    side: ClientSide = field(default_factory=lambda: ClientSide(CLIENT))

    async def call(self, message: Mapping[str, Any]) -> dict[str, Any]:
        await self.socket.send_json(message)
        async with asyncio.timeout(self.patience):
            for _ in range(MAX_SKIPPED):
                frame = await self.socket.receive()
                if frame.type is not aiohttp.WSMsgType.TEXT:
                    break
                self.wire.count(len(frame.data))
                if (reply := reply_in(frame.data, message["id"])) is not None:
                    return reply
        raise NotMcp

    async def notify(self, method: str) -> None:
        await self.socket.send_json(notification(method))


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
            return await converse(WebSocket(wire, socket, patience), Introduction("websocket", path))
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
