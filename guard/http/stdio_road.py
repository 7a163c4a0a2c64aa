"""A probe's way to a server that is a command: through a process that serves a client, or a copy where none runs."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping

from guard.http.stdio_process import CommandProcess
from guard.http.upstream import Introduced, UpstreamAnswer
from wire.json import parse
from wire.jsonrpc import Message, classify

Exchange = Callable[[CommandProcess, Message], Awaitable[UpstreamAnswer]]


class SharedRoad:
    """A process that serves clients. A probe's requests stand beside theirs, under ids of their own; it is not ended."""

    def __init__(self, process: CommandProcess, exchange: Exchange, *, modern: bool) -> None:
        self.introduced = Introduced(modern, process.capabilities)
        self._process = process
        self._exchange = exchange

    @property
    def busy(self) -> bool:
        return self._process.busy

    async def send(self, verb: str, headers: Mapping[str, str], body: bytes | None) -> UpstreamAnswer:
        return await self._exchange(self._process, classify(parse(body or b"")))

    async def restart(self) -> None:
        """The process is its clients', so it goes on."""


class CopyRoad:
    """A process of the probe's own. `process` is the running one, for whoever ends it."""

    introduced = None
    busy = False

    def __init__(
        self, process: CommandProcess, start: Callable[[], Awaitable[CommandProcess]], exchange: Exchange
    ) -> None:
        self.process = process
        self._start = start
        self._exchange = exchange

    async def send(self, verb: str, headers: Mapping[str, str], body: bytes | None) -> UpstreamAnswer:
        if verb == "GET":
            return self.process.listen()
        if verb == "DELETE":
            return UpstreamAnswer(200, {}, "")
        return await self._exchange(self.process, classify(parse(body or b"")))

    async def restart(self) -> None:
        await self.process.end()
        self.process = await self._start()
