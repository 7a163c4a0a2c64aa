"""A transport below the MCP SDK's HTTP client: it bounds the bytes of a probe and keeps the last refusal for its error."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import httpx2

from model.text import visible


@dataclass(frozen=True)
class ProbeLimits:
    """`total` counts body bytes of all answers of one probe."""

    total: int


class ProbeTooLarge(httpx2.TransportError):
    """The answers of one probe exceed the limit; the SDK reads JSON bodies without one."""


class Meter(httpx2.AsyncBaseTransport):
    """Counts the bytes that the inner transport receives and keeps what an error message needs."""

    def __init__(self, limits: ProbeLimits) -> None:
        self.limits = limits
        self.inner: httpx2.AsyncBaseTransport | None = None
        self.received = 0
        self.status: int | None = None
        self.content_type = ""
        self.refusal: str | None = None
        self.unconnected = False

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        if self.inner is None:
            raise RuntimeError("the meter has no transport yet")
        try:
            response = await self.inner.handle_async_request(request)
        except httpx2.ConnectError:
            self.unconnected = True
            raise
        self.status = response.status_code
        self.content_type = visible(response.headers.get("content-type", "").partition(";")[0])[:60]
        if response.status_code in (401, 403, 407, 421):
            self.refusal = _refusal(response)
        if not isinstance(response.stream, httpx2.AsyncByteStream):
            raise TypeError("an asynchronous transport answered with a synchronous stream")
        counted = _Counted(response.stream, self)
        return httpx2.Response(
            response.status_code, headers=response.headers, stream=counted, extensions=response.extensions
        )

    def count(self, size: int) -> None:
        self.received += size
        if self.received > self.limits.total:
            self.refusal = f"its answers are over {self.limits.total // 2**20} MiB"
            raise ProbeTooLarge(self.refusal)

    async def aclose(self) -> None:
        if self.inner is not None:
            await self.inner.aclose()


class _Counted(httpx2.AsyncByteStream):
    def __init__(self, inner: httpx2.AsyncByteStream, meter: Meter) -> None:
        self.inner = inner
        self.meter = meter

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self.inner:
            self.meter.count(len(chunk))
            yield chunk

    async def aclose(self) -> None:
        await self.inner.aclose()


def _refusal(response: httpx2.Response) -> str:
    code = response.status_code
    if code == 421:
        return "it refuses this Host header (421); add the name to the server's allowed hosts"
    scheme = visible(response.headers.get("www-authenticate", "")).split(" ")[0][:40]
    if code == 401:
        header = f"an Authorization header ({scheme})" if scheme else "credentials of its own, naming no header"
        return (
            f"the origin itself demands {header} (401); give it, or switch its own authentication off behind the rings"
        )
    return f"the origin itself forbids this (HTTP {code}); allow loopback there, or give what it asks for"
