"""HTTP+SSE of MCP 2024-11-05: an event stream to listen on, and a second endpoint to post to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from operations.scan.dialog import CLIENT, FIRST, MAX_SKIPPED, Introduction, converse
from operations.scan.wire import NotMcp, ScanConnection, path_on_server, refuse_demand
from wire.mcp_client import ClientSide, notification, reply_in


@dataclass
class TwoEndpoints:
    """A dialog in which messages are posted to one endpoint and replies arrive as events on the stream of another."""

    wire: ScanConnection
    post_path: str
    stream: AsyncIterator[tuple[str, str]]
    side: ClientSide = field(default_factory=lambda: ClientSide(CLIENT))

    async def call(self, message: Mapping[str, Any]) -> dict[str, Any]:
        await self._send(message)
        skipped = 0
        async for _, data in self.stream:
            if (reply := reply_in(data, message["id"])) is not None:
                return reply
            skipped += 1
            if skipped > MAX_SKIPPED:
                break
        raise NotMcp

    async def notify(self, method: str) -> None:
        await self._send(notification(method))

    async def _send(self, message: Mapping[str, Any]) -> None:
        async with self.wire.ask("POST", self.post_path, {}, message) as answer:
            body = await self.wire.body(answer)
            refuse_demand(answer, body)
            if answer.status >= 300:
                raise NotMcp(answer.status)


async def try_sse(wire: ScanConnection, path: str) -> Introduction:
    """Try the two endpoints of 2024-11-05. Raises the same exceptions as `try_streamable`."""
    async with wire.ask("GET", path, {"accept": "text/event-stream"}) as answer:
        if answer.status != 200 or answer.content_type != "text/event-stream":
            refuse_demand(answer, b"")
            raise NotMcp(answer.status)
        stream = wire.events(answer)
        skipped = 0
        async for name, data in stream:
            skipped += 1
            if name == "endpoint":
                post_path = path_on_server(wire, path, data)
                if post_path is None:
                    problem = "its endpoint event names another server, which was not contacted"
                    return Introduction("http+sse", path, FIRST, problem=problem)
                introduction = Introduction("http+sse", path, FIRST)
                try:
                    return await converse(TwoEndpoints(wire, post_path, stream), introduction, FIRST)
                except NotMcp:
                    return replace(
                        introduction, problem="opened its event stream, and did not answer initialize as MCP"
                    )
            if skipped > MAX_SKIPPED:
                break
    raise NotMcp
