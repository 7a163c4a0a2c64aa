"""The HTTP connection of a scan to one server, its limits, and the exceptions for the ways in which a server refuses.

Everything is bounded in bytes. No redirect is followed by itself, no cookie is kept, no proxy of the environment is used.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urljoin, urlsplit

import aiohttp
from yarl import URL

from model.text import visible
from wire.mcp_client import read_message
from wire.sse import OverLimit, Reader

MAX_BYTES = 4 * 1024 * 1024
MAX_EVENT = 1024 * 1024


class ScanLimitExceeded(Exception):
    """The server sent more than a scan takes."""


class NotMcp(Exception):
    """No MCP server answers on this path by this transport."""


class HostRefused(NotMcp):
    """The server refuses the Host header that was sent; it may answer to its own host name."""


class InitializeRefused(NotMcp):
    """The server speaks JSON-RPC and refused `initialize`, so it may speak MCP or not."""


class CredentialsRequired(Exception):
    """The server asks for credentials (401 or 403). `certain` when the response itself shows that it speaks MCP."""

    def __init__(self, requirement: str, *, certain: bool) -> None:
        self.requirement = requirement
        self.certain = certain
        super().__init__(requirement)


@dataclass
class ScanConnection:
    """A connection to one server: `base` is scheme, address and port, `remaining` the bytes it may still send."""

    session: aiohttp.ClientSession
    base: str
    host: str
    remaining: int = MAX_BYTES
    #: Whether a response had the header that every guard of Ringwall sets, and that it removes from a server's responses.
    guard_header: bool = False
    host_refused: bool = False
    #: Paths of this same server that a POST was redirected to.
    moved: list[str] = field(default_factory=list)

    def count(self, size: int) -> None:
        self.remaining -= size
        if self.remaining < 0:
            raise ScanLimitExceeded(f"it sent over {MAX_BYTES // 2**20} MiB")

    def url(self, path: str) -> URL:
        return URL(self.base + path, encoded=True)

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
        content = bytearray()
        async for chunk in answer.content.iter_any():
            self.count(len(chunk))
            content += chunk
            if len(content) > most:
                raise ScanLimitExceeded(f"one answer is over {most // 1024} KiB")
        return bytes(content)

    async def events(self, answer: aiohttp.ClientResponse) -> AsyncIterator[tuple[str, str]]:
        """Name and data of each server-sent event (WHATWG HTML, "Server-sent events")."""
        # A server whose event ids or bytes are malformed can still be exposed, so the scan has to find it.
        reader = Reader(MAX_EVENT, forgiving=True)
        async for chunk in answer.content.iter_any():
            self.count(len(chunk))
            try:
                events = reader.feed(chunk)
            except OverLimit:
                raise ScanLimitExceeded(f"one event is over {MAX_EVENT // 1024} KiB") from None
            for event in events:
                if event.data is not None:
                    yield event.event or "message", event.data


@contextlib.asynccontextmanager
async def wire_to(
    base: str, host: str, *, connector: aiohttp.BaseConnector, request_timeout: float
) -> AsyncIterator[ScanConnection]:
    """Open the connection to one server; it closes the connector, and so its sockets, at the end."""
    # aiohttp's WebSocket client follows redirects and has no option against it.
    tracing = aiohttp.TraceConfig()
    tracing.on_request_redirect.append(_refuse_redirect)
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
        yield ScanConnection(session, base, host)


async def _refuse_redirect(*_: object) -> None:
    raise NotMcp


def refuse_host(wire: ScanConnection, answer: aiohttp.ClientResponse, body: bytes) -> None:
    """Raise HostRefused for a refusal by a check against DNS rebinding, which is no demand for credentials.

    The SDKs answer 421 (Python) and 403 (TypeScript), frameworks 400.
    """
    if answer.status == 421 or (answer.status in (400, 403) and b"host" in body[:1024].lower()):
        wire.host_refused = True
        raise HostRefused(answer.status)


def refuse_demand(answer: aiohttp.ClientResponse, body: bytes) -> None:
    if answer.status in (401, 403, 407):
        challenge = answer.headers.get("www-authenticate", "")
        scheme = visible(challenge).split(" ")[0][:30]
        requirement = f"{scheme} credentials ({answer.status})" if scheme else f"credentials ({answer.status})"
        certain = "resource_metadata" in challenge or read_message(body) is not None
        raise CredentialsRequired(requirement, certain=certain)


def path_on_server(wire: ScanConnection, path: str, data: str) -> str | None:
    """The path of a redirect or endpoint event; None when it leads to another server, which the user did not name."""
    try:
        target = urlsplit(urljoin(wire.base + path, data.strip()))
        base = urlsplit(wire.base)
        is_same_port = target.scheme == base.scheme and target.port == base.port
        loopback = {"localhost", "127.0.0.1", "::1", "0.0.0.0", base.hostname}  # noqa: S104 - names a server gives itself
        if not is_same_port or target.hostname not in loopback:
            return None
    except ValueError:
        return None
    posted_path = target.path + (f"?{target.query}" if target.query else "")
    return posted_path if re.fullmatch(r"/[!-~]*", posted_path) else None
