"""An MCP client's conversation with a server, written by hand so that a probe can send what no correct client sends.

`guard.probe` is no substitute: it stands behind the rings and speaks as the guard, without anybody's identity. Here a probe
sends another principal's session and headers that lie, asks for tools it may not have, and judges the bare status and error.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from operations.verify.client import Client, Headers, HttpResponse, NoResponse
from operations.verify.subject import (
    INITIALIZE_ID,
    JSON_HEADERS,
    LEGACY,
    CallerIdentity,
    VerifySubject,
    attempt,
    described,
    initialize,
)

MODERN = "2026-07-28"
MAX_PAGES = 50


class CallerRefused(Exception):
    """The server did not answer as an MCP server; the text says how it answered."""


@dataclass
class Conversation:
    """A conversation in the protocol era that the server speaks: with `initialize`, or stateless (`modern`)."""

    subject: VerifySubject
    client: Client
    #: The server's URL by one of its public names.
    url: str
    caller: CallerIdentity
    session: str | None = None
    modern: bool = False
    tools: list[dict[str, Any]] | None = None
    last_id: int = INITIALIZE_ID

    async def open(self) -> str:
        """Initialize, or begin statelessly where the server speaks only that era; returns the protocol version.

        Raises:
            Refused: the caller was not let in, or the server does not speak MCP.
        """
        answer = await self._post(initialize(), INITIALIZE_ID, ())
        message = answer.message(INITIALIZE_ID)
        result = message.get("result") if message else None
        if isinstance(result, dict):
            self.session = answer.headers.get("mcp-session-id")
            body = json.dumps({"jsonrpc": "2.0", "method": "notifications/initialized"}).encode()
            await self._post(body, None, self._headers(LEGACY))
            return str(result.get("protocolVersion"))
        if answer.status in (401, 403) or message is None:
            raise CallerRefused(described(self.subject, answer))
        self.modern = True
        listed = await self.request("tools/list")
        if "result" not in listed:
            raise CallerRefused(described(self.subject, answer))
        return MODERN

    def _headers(self, version: str) -> Headers:
        session = (("mcp-session-id", self.session),) if self.session else ()
        return (("mcp-protocol-version", version), *session)

    async def request(self, method: str, params: dict[str, Any] | None = None) -> dict[str, Any]:
        """Send a request and return its JSON-RPC answer; raises Refused when there is none."""
        answer = await self.answer(method, params)
        message = answer.message(self.last_id)
        if message is None:
            raise CallerRefused(f"{method}: {described(self.subject, answer)}")
        return message

    async def answer(
        self, method: str, params: dict[str, Any] | None = None, *, headers: Headers = (), session: str | None = None
    ) -> HttpResponse:
        self.last_id += 1
        message = dict(params or {})
        sent = list(self._headers(LEGACY))
        if session is not None:
            sent = [("mcp-protocol-version", LEGACY), ("mcp-session-id", session)]
        if self.modern:
            message["_meta"] = {
                "io.modelcontextprotocol/protocolVersion": MODERN,
                "io.modelcontextprotocol/clientCapabilities": {},
            }
            sent = [("mcp-protocol-version", MODERN), ("mcp-method", method)]
            if method == "tools/call":
                sent.append(("mcp-name", str(message.get("name"))))
        body = {"jsonrpc": "2.0", "id": self.last_id, "method": method, "params": message}
        return await self._post(json.dumps(body).encode(), self.last_id, (*sent, *headers))

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
            self.tools = tools
        return self.tools

    async def _post(self, body: bytes, id_: int | None, headers: Headers) -> HttpResponse:
        sent = (*JSON_HEADERS, *self.caller.headers, *headers)
        answer = await attempt(self.client.send("POST", self.url, headers=sent, body=body, answer_id=id_))
        if isinstance(answer, NoResponse):
            raise CallerRefused(str(answer))
        return answer
