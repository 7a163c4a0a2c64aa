"""One server on the wire, for a scan: what it may send, what it is asked over, and how it says no.

Everything is bounded in bytes; no redirect is followed unasked, no cookie is kept, no proxy of the environment is used.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import aiohttp
from yarl import URL

from model.json import parse_json
from model.text import visible
from wire.sse import OverLimit, Reader

MAX_BYTES = 4 * 1024 * 1024
MAX_EVENT = 1024 * 1024


class TooMuch(Exception):
    """The server sent more than a scan takes."""


class NotMcp(Exception):
    """Whatever answered is no MCP server on this path and transport."""


class HostRefused(NotMcp):
    """It does not answer to the name it was asked by (the Host header); under its right one it may."""


class Refused(NotMcp):
    """It speaks JSON-RPC and refused `initialize`: perhaps MCP, and nobody can tell from here."""


class Demands(Exception):
    """The server wants to know who asks: 401 or 403. `certain` when the answer itself shows that it is MCP."""

    def __init__(self, what: str, *, certain: bool) -> None:
        self.what = what
        self.certain = certain
        super().__init__(what)


@dataclass
class Wire:
    """One server (`base` is scheme, address and port), and how much it may still send."""

    session: aiohttp.ClientSession
    base: str
    host: str
    left: int = MAX_BYTES
    #: A header that every answer of a Ringwall guard carries, and that it takes out of a server's own answers.
    guard_header: bool = False
    host_refused: bool = False
    #: Paths of this very server that a POST was redirected to.
    moved: list[str] = field(default_factory=list)
    ids: int = field(default=0)

    def count(self, size: int) -> None:
        self.left -= size
        if self.left < 0:
            raise TooMuch(f"it sent over {MAX_BYTES // 2**20} MiB")

    def url(self, path: str) -> URL:
        return URL(self.base + path, encoded=True)

    def message(self, method: str, params: Mapping[str, Any] | None) -> dict[str, Any]:
        self.ids += 1
        return {"jsonrpc": "2.0", "id": self.ids, "method": method, "params": dict(params or {})}

    @contextlib.asynccontextmanager
    async def ask(
        self, method: str, path: str, headers: Mapping[str, str], body: Mapping[str, Any] | None = None
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        sent = {"accept-encoding": "identity", **headers, **({"host": self.host} if self.host else {})}
        data = None if body is None else json.dumps(body).encode()
        if data is not None:
            sent["content-type"] = "application/json"
        async with self.session.request(
            method, self.url(path), data=data, headers=sent, allow_redirects=False
        ) as answer:
            self.host_refused = self.host_refused or answer.status == 421
            self.guard_header = self.guard_header or answer.headers.get("x-kong-limit", "").startswith("tokens=")
            yield answer

    async def body(self, answer: aiohttp.ClientResponse, most: int = MAX_EVENT) -> bytes:
        found = bytearray()
        async for chunk in answer.content.iter_any():
            self.count(len(chunk))
            found += chunk
            if len(found) > most:
                raise TooMuch(f"one answer is over {most // 1024} KiB")
        return bytes(found)

    async def events(self, answer: aiohttp.ClientResponse) -> AsyncIterator[tuple[str, str]]:
        """Name and data of each server-sent event (WHATWG HTML, "Server-sent events")."""
        # A server whose ids or bytes are odd is a server all the same, and is to be found.
        reader = Reader(MAX_EVENT, forgiving=True)
        async for chunk in answer.content.iter_any():
            self.count(len(chunk))
            try:
                events = reader.feed(chunk)
            except OverLimit:
                raise TooMuch(f"one event is over {MAX_EVENT // 1024} KiB") from None
            for event in events:
                if event.data is not None:
                    yield event.event or "message", event.data


@contextlib.asynccontextmanager
async def wire_to(
    base: str, host: str, *, connector: aiohttp.BaseConnector, request_timeout: float
) -> AsyncIterator[Wire]:
    """A wire; the connector (and its connections) end with it."""
    # aiohttp's WebSocket client follows redirects and cannot be told otherwise.
    tracing = aiohttp.TraceConfig()
    tracing.on_request_redirect.append(_never_elsewhere)
    session = aiohttp.ClientSession(
        trace_configs=[tracing],
        connector=connector,
        trust_env=False,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        timeout=aiohttp.ClientTimeout(total=None, connect=request_timeout, sock_read=request_timeout),
        headers={"user-agent": "ringwall-scan"},
    )
    async with session:
        yield Wire(session, base, host)


async def _never_elsewhere(*_: object) -> None:
    raise NotMcp


def json_object(raw: bytes) -> dict[str, Any] | None:
    """A JSON-RPC message, None for anything else; duplicate keys make it something else (two readers, two meanings)."""
    try:
        found = parse_json(raw)
    except (ValueError, RecursionError):
        return None
    return found if isinstance(found, dict) and found.get("jsonrpc") == "2.0" else None


def refuse_host(wire: Wire, answer: aiohttp.ClientResponse, raw: bytes) -> None:
    """A check against DNS rebinding that says no, told from a demand for credentials: the SDKs answer 421 (Python) and 403
    (TypeScript), frameworks 400."""
    if answer.status == 421 or (answer.status in (400, 403) and b"host" in raw[:1024].lower()):
        wire.host_refused = True
        raise HostRefused(answer.status)


def refuse_demand(answer: aiohttp.ClientResponse, raw: bytes) -> None:
    if answer.status in (401, 403, 407):
        challenge = answer.headers.get("www-authenticate", "")
        scheme = visible(challenge).split(" ")[0][:30]
        what = f"{scheme} credentials ({answer.status})" if scheme else f"credentials ({answer.status})"
        certain = "resource_metadata" in challenge or json_object(raw) is not None
        raise Demands(what, certain=certain)
