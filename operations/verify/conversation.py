"""An MCP client's conversation with a server through the rings, in which a probe can send what no correct client sends.

A client's messages and headers stand in `wire.mcp_client`. `guard.probe` is no substitute: it stands behind the rings and
speaks as the guard, without anybody's identity. Here a probe sends another principal's session and headers that lie, asks
for tools it may not have, and judges the bare status and error.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from operations.verify.client import Client, Headers, HttpResponse, NoResponse
from operations.verify.subject import (
    CLIENT,
    INITIALIZE_ID,
    JSON_HEADERS,
    CallerIdentity,
    VerifySubject,
    attempt,
    described,
)
from wire.json import dump
from wire.mcp_client import STATELESS_VERSION, ClientSide, notification

MAX_PAGES = 50


class CallerRefused(Exception):
    """The server did not answer as an MCP server; the text says how it answered."""


@dataclass
class Conversation:
    """A conversation in the protocol era that the server speaks: with `initialize`, or stateless."""

    subject: VerifySubject
    client: Client
    #: The server's URL by one of its public names.
    url: str
    caller: CallerIdentity
    side: ClientSide = field(default_factory=lambda: ClientSide(CLIENT))
    tools: list[dict[str, Any]] | None = None

    async def open(self) -> str:
        """Initialize, or begin statelessly where the server speaks only that era; returns the protocol version.

        Raises:
            CallerRefused: the caller was not let in, or the server does not speak MCP.
        """
        answer = await self._post(self.side, self.side.initialize())
        message = answer.message(INITIALIZE_ID)
        result = message.get("result") if message else None
        if isinstance(result, dict):
            self.side.begin(result, answer.headers.get("mcp-session-id"))
            await self._post(self.side, notification("notifications/initialized"))
            return str(self.side.version)
        if answer.status in (401, 403) or message is None:
            raise CallerRefused(described(self.subject, answer))
        self.side.stateless, self.side.version = True, STATELESS_VERSION
        listed = await self.request("tools/list")
        if "result" not in listed:
            raise CallerRefused(described(self.subject, answer))
        return STATELESS_VERSION

    async def request(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        """Send a request and return its JSON-RPC answer; raises CallerRefused when there is none."""
        answer = await self.answer(method, params)
        message = answer.message(self.side.last_id)
        if message is None:
            raise CallerRefused(f"{method}: {described(self.subject, answer)}")
        return message

    async def answer(
        self, method: str, params: dict[str, Any] | None = None, *, headers: Headers = (), session: str | None = None
    ) -> HttpResponse:
        """Send a request and return its HTTP response. `session` is another one's, sent in place of the conversation's."""
        message = self.side.request(method, params or {})
        side = self.side if session is None else replace(self.side, session=session)
        return await self._post(side, message, headers)

    async def call(self, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
        return await self.request("tools/call", {"name": name, "arguments": arguments})

    async def list_tools(self) -> list[dict[str, Any]]:
        """List every tool that the server offers, over all pages."""
        if self.tools is None:
            tools: list[dict[str, Any]] = []
            cursor: str | None = None
            for _ in range(MAX_PAGES):
                message = await self.request("tools/list", {"cursor": cursor} if cursor else None)
                result = message.get("result")
                page = result.get("tools") if isinstance(result, dict) else None
                if not isinstance(result, dict) or not isinstance(page, list):
                    raise CallerRefused("tools/list: no list")
                tools += [tool for tool in page if isinstance(tool, dict)]
                cursor = result.get("nextCursor")
                if not isinstance(cursor, str):
                    break
            else:
                raise CallerRefused(f"tools/list: over {MAX_PAGES} pages")
            self.tools = tools
        return self.tools

    async def _post(self, side: ClientSide, message: Mapping[str, Any], headers: Headers = ()) -> HttpResponse:
        sent = (*JSON_HEADERS, *self.caller.headers, *side.headers(message).items(), *headers)
        body, id_ = dump(message), message.get("id")
        answer = await attempt(self.client.send("POST", self.url, headers=sent, body=body, answer_id=id_))
        if isinstance(answer, NoResponse):
            raise CallerRefused(str(answer))
        return answer
