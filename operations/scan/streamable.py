"""Streamable HTTP of MCP: the revisions of 2025 (`initialize`) and of 2026-07-28 (`server/discover`)."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

import aiohttp

from model.text import visible
from operations.scan.dialog import (
    CLIENT,
    MAX_SKIPPED,
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
    path_on_server,
    refuse_demand,
    refuse_host,
)
from wire.mcp_client import (
    ACCEPT,
    HANDSHAKE_VERSION,
    STATELESS_VERSION,
    ClientSide,
    notification,
    read_message,
    reply_in,
    stateless_versions,
    versions_in,
)


@dataclass
class Streamable:
    """A dialog by POST to one endpoint; a reply is a JSON body or one event of a stream."""

    wire: ScanConnection
    path: str
    side: ClientSide = field(default_factory=lambda: ClientSide(CLIENT))

    async def call(self, message: Mapping[str, Any]) -> dict[str, Any]:
        return (await self.post(message))[1]

    async def notify(self, method: str) -> None:
        message = notification(method)
        async with self.wire.ask("POST", self.path, self._headers(message), message) as answer:
            refuse_demand(answer, b"")

    def _headers(self, message: Mapping[str, Any] | None) -> dict[str, str]:
        return {"accept": ACCEPT, **self.side.headers(message)}

    async def post(self, message: Mapping[str, Any]) -> tuple[int, dict[str, Any]]:
        """Send a message; return the HTTP status and the JSON-RPC reply.

        Raises:
            NotMcp: there is no JSON-RPC reply. `args[0]` is the HTTP status.
        """
        async with self.wire.ask("POST", self.path, self._headers(message), message) as answer:
            if answer.status == 200 and answer.content_type == "text/event-stream":
                reply = await self._awaited(answer, message["id"])
            else:
                body = await self.wire.body(answer)
                refuse_host(self.wire, answer, body)
                refuse_demand(answer, body)
                reply = read_message(body)
                if answer.status in (307, 308):
                    path = path_on_server(self.wire, self.path, answer.headers.get("location", ""))
                    self.wire.moved += [path] if path else []
            if reply is None:
                raise NotMcp(answer.status)
            if message["method"] == "initialize" and isinstance(reply.get("result"), dict):
                self.side.begin(reply["result"], answer.headers.get("mcp-session-id"))
            return answer.status, reply

    async def _awaited(self, answer: aiohttp.ClientResponse, id_: int) -> dict[str, Any] | None:
        skipped = 0
        async for _, data in self.wire.events(answer):
            if (reply := reply_in(data, id_)) is not None:
                return reply
            skipped += 1
            if skipped > MAX_SKIPPED:
                break
        return None

    async def close(self) -> None:
        """End the session, so that a scan leaves none behind. A server that refuses to end it is left alone."""
        if self.side.session is not None:
            with contextlib.suppress(aiohttp.ClientError, OSError, TimeoutError, ScanLimitExceeded):
                async with self.wire.ask("DELETE", self.path, self._headers(None)):
                    pass


async def try_streamable(wire: ScanConnection, path: str) -> Introduction:
    """Try both eras of streamable HTTP, the newer first.

    Raises:
        NotMcp, CredentialsRequired, TooMuch: as soon as one of them is certain. Network errors of aiohttp pass through.
    """
    dialog = Streamable(wire, path)
    demand: CredentialsRequired | None = None
    try:
        status, reply = await dialog.post(dialog.side.request("server/discover", stateless_version=STATELESS_VERSION))
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
        introduction = Introduction("streamable-http", path)
        if status == 200 and isinstance(result, dict) and (versions := stateless_versions(result)) is not None:
            dialog.side.stateless, dialog.side.version = True, STATELESS_VERSION
            named = with_server_info(introduction, result, ", ".join(str(version) for version in versions))
            return await list_tools(dialog, named)
        error = reply.get("error")
        known = versions_in(error.get("code"), error.get("data")) if isinstance(error, dict) else None
        if known is not None and not any(str(version) <= HANDSHAKE_VERSION for version in known):
            shown = visible(", ".join(map(str, known)))[:80]
            problem = f"speaks {shown} only, which this scan does not speak"
            return replace(introduction, protocol_version=shown, problem=problem)
    try:
        return await converse(dialog, Introduction("streamable-http", path))
    except (NotMcp, TimeoutError):
        if demand is not None:
            raise demand from None
        raise
    finally:
        await dialog.close()
