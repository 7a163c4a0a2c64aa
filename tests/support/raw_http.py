"""HTTP written byte by byte: requests that no client would send, and a server whose status line a test decides."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator


async def exchanged(port: int, request: bytes) -> bytes:
    """Everything that is answered to these bytes until the connection is closed; the request has to ask for that."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    try:
        writer.write(request)
        return await asyncio.wait_for(reader.read(), 60)
    finally:
        writer.close()


@contextlib.asynccontextmanager
async def answering(head: bytes) -> AsyncIterator[int]:
    """A server on the port that is yielded, which answers each request with this head and no body."""

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(asyncio.IncompleteReadError, ConnectionError):
            await reader.readuntil(b"\r\n\r\n")
            writer.write(head + b"\r\ncontent-length: 0\r\nconnection: close\r\n\r\n")
            await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    async with server:
        yield server.sockets[0].getsockname()[1]
