"""A load generator for MCP over HTTP that is not the bottleneck: raw asyncio streams, requests made ready beforehand.

One `Connection` is one keep-alive TCP connection with, in the legacy era, a session of its own. It reads JSON and SSE
answers to their end and checks that each is a result, as a fast refusal is no throughput.
"""

from __future__ import annotations

import asyncio
import itertools
import json
import time
from dataclasses import dataclass, field
from urllib.parse import urlsplit

LEGACY, MODERN = "2025-11-25", "2026-07-28"
META = {
    "io.modelcontextprotocol/protocolVersion": MODERN,
    "io.modelcontextprotocol/clientCapabilities": {},
    "io.modelcontextprotocol/clientInfo": {"name": "load", "version": "1"},
}
TEXT = "The printer on floor 3 prints blank pages since Monday; please look at it when you are there. " * 2
#: Numbers of calls, so that no two of one program have the same text.
NUMBERS = itertools.count(1)


class Refused(Exception):
    """An answer that is no result; the message holds it."""


@dataclass(frozen=True)
class Answer:
    status: int
    headers: dict[str, str]
    body: bytes


@dataclass
class Connection:
    """One client. `era` is LEGACY or MODERN. One that `repeats` makes the same call again and again, as who waits for a job;
    any other has another text in each."""

    url: str
    era: str = MODERN
    repeats: bool = False
    session: str = ""
    number: int = 0
    reader: asyncio.StreamReader = field(init=False, repr=False)
    writer: asyncio.StreamWriter = field(init=False, repr=False)

    async def open(self) -> Connection:
        """Connect, and in the legacy era initialize."""
        parts = urlsplit(self.url)
        self.host, self.path = f"{parts.hostname}:{parts.port}", parts.path
        self.reader, self.writer = await asyncio.open_connection(parts.hostname, parts.port, limit=2**20)
        if self.era == LEGACY:
            params: dict[str, object] = {
                "protocolVersion": LEGACY,
                "capabilities": {},
                "clientInfo": {"name": "load", "version": "1"},
            }
            answer = await self.post("initialize", params)
            self.session = answer.headers.get("mcp-session-id", "")
            await self.send({"jsonrpc": "2.0", "method": "notifications/initialized"})
            if (done := await self.read()).status != 202:
                raise Refused(f"notification: HTTP {done.status} {done.body[:200]!r}")
        return self

    async def close(self) -> None:
        self.writer.close()
        await asyncio.gather(self.writer.wait_closed(), return_exceptions=True)

    def head(self, verb: str, length: int, method: str = "", name: str = "") -> bytes:
        lines = [f"{verb} {self.path} HTTP/1.1", f"host: {self.host}", "accept: application/json, text/event-stream"]
        if length:
            lines += ["content-type: application/json", f"content-length: {length}"]
        if self.session:
            lines.append(f"mcp-session-id: {self.session}")
        if self.era == MODERN or self.session:
            lines.append(f"mcp-protocol-version: {self.era}")
        if self.era == MODERN and method:
            lines.append(f"mcp-method: {method}")
            lines += [f"mcp-name: {name}"] if name else []
        return ("\r\n".join(lines) + "\r\n\r\n").encode()

    async def send(self, message: dict[str, object]) -> None:
        method = str(message.get("method", ""))
        params = message.get("params") or {}
        assert isinstance(params, dict)
        body = json.dumps(message, separators=(",", ":")).encode()
        self.writer.write(self.head("POST", len(body), method, str(params.get("name", ""))) + body)
        await self.writer.drain()

    async def ask(self, method: str, params: dict[str, object], id: str | int | None = None) -> Answer:
        """One request and its answer, whatever it is."""
        if id is None:
            self.number += 1
            id = self.number
        if self.era == MODERN:
            params = {**params, "_meta": META}
        await self.send({"jsonrpc": "2.0", "id": id, "method": method, "params": params})
        return await self.read()

    async def post(self, method: str, params: dict[str, object]) -> Answer:
        """One request and its result.

        Raises:
            Refused: it is not a result.
        """
        answer = await self.ask(method, params)
        if answer.status != 200 or b'"result"' not in answer.body or b'"isError":true' in answer.body:
            raise Refused(f"{method}: HTTP {answer.status} {answer.body[:300]!r}")
        return answer

    async def call(self, tag: str = "-") -> None:
        """One small `tools/call`."""
        text = TEXT if self.repeats else TEXT.replace("floor 3", f"floor {next(NUMBERS):07}", 1)
        await self.post("tools/call", {"name": "echo", "arguments": {"text": text, "tag": tag}})

    async def listen(self) -> None:
        """Open the stream of this era and return when it is open; it stays so until `close`."""
        if self.era == LEGACY:
            self.writer.write(self.head("GET", 0))
        else:
            params = {"notifications": {"toolsListChanged": True}, "_meta": META}
            await self.send({"jsonrpc": "2.0", "id": 1, "method": "subscriptions/listen", "params": params})
        status, headers = await self.read_head()
        if status != 200 or "event-stream" not in headers.get("content-type", ""):
            raise Refused(f"stream: HTTP {status}")

    async def read_head(self) -> tuple[int, dict[str, str]]:
        raw = (await self.reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {key.lower(): value.strip() for key, _, value in (line.partition(":") for line in raw[1:] if line)}
        return int(raw[0].split(" ", 2)[1]), headers

    async def read(self) -> Answer:
        """One answer, whole, so that the connection can be used again."""
        status, headers = await self.read_head()
        if headers.get("transfer-encoding") == "chunked":
            parts = []
            while size := int(await self.reader.readuntil(b"\r\n"), 16):
                parts.append((await self.reader.readexactly(size + 2))[:-2])
            await self.reader.readexactly(2)
            return Answer(status, headers, b"".join(parts))
        return Answer(status, headers, await self.reader.readexactly(int(headers.get("content-length", 0))))


async def latencies(
    url: str, era: str, calls: int, seconds: float = 60, warm: int = 10, *, repeats: bool = False
) -> list[float]:
    """Milliseconds of each of at most `calls` calls in `seconds`, one after the other on one connection."""
    connection = await Connection(url, era, repeats).open()
    try:
        for _ in range(warm):
            await connection.call()
        found: list[float] = []
        end = time.perf_counter() + seconds
        while len(found) < calls and time.perf_counter() < end:
            start = time.perf_counter()
            await connection.call()
            found.append((time.perf_counter() - start) * 1000)
        return found
    finally:
        await connection.close()


async def throughput(url: str, era: str, connections: int, seconds: float, *, repeats: bool = False) -> float:
    """Calls a second over `connections` connections, each calling as soon as it was answered."""
    opened = [await Connection(url, era, repeats).open() for _ in range(connections)]
    try:
        for one in opened:
            await one.call()
        start = time.perf_counter()
        end = start + seconds

        async def work(connection: Connection) -> int:
            count = 0
            while time.perf_counter() < end:
                await connection.call()
                count += 1
            return count

        total = sum(await asyncio.gather(*map(work, opened)))
        return total / (time.perf_counter() - start)
    finally:
        await asyncio.gather(*(one.close() for one in opened))


async def streams(url: str, era: str, count: int) -> list[Connection]:
    """`count` open streams, each on a connection (and in the legacy era a session) of its own; the caller closes them."""
    found: list[Connection] = []

    async def some() -> None:
        while len(found) < count:
            connection = Connection(url, era)
            found.append(connection)
            await connection.open()
            await connection.listen()

    await asyncio.gather(*(some() for _ in range(8)))
    return found
