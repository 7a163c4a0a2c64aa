"""One client's conversation with an MCP server: requests and their answers, read as the guard reads a client's traffic.

What the guard could not pass on to a client cannot be read here either, so a probe finds it first.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from typing import Any

from guard.http.http_rules import forwarded
from guard.http.upstream import AnswerTooLarge, Road, UpstreamAnswer, UpstreamDown
from guard.memory import Room, Rooms, unbounded
from model.text import visible
from model.tool_lock import ClientCapability
from wire.json import Malformed, dump, parse
from wire.jsonrpc import METHOD_NOT_FOUND, Answer, Id, Message, Request, classify
from wire.mcp_client import ClientSide, notification
from wire.sse import Event, Reader

#: Bytes of all answers of one conversation.
MAX_BYTES = 16 * 1024 * 1024
#: What an event counts for at the least, as there may be very many.
_LEAST_EVENT = 8
#: What a client answers that lets no person decide: no sampling, no elicitation.
_DECLINED = -1


class ProbeFailed(Exception):
    """The server cannot be asked. The text says why, hidden characters shown."""


class AnsweredError(ProbeFailed):
    """The server answered with a JSON-RPC error."""

    def __init__(self, error: Mapping[str, Any]) -> None:
        self.code = int(error["code"])
        self.data = error.get("data")
        super().__init__(f"it answered error {self.code}: {visible(str(error['message']))[:300]}")


class Unreadable(ProbeFailed):
    """The server answered what the guard passes on to nobody."""


class ForeignAnswer(Unreadable):
    """The server answered under another id than that of the request."""


class RefusedStatus(ProbeFailed):
    """The server refused by its HTTP status."""

    def __init__(self, status: int, text: str) -> None:
        self.status = status
        super().__init__(text)


class ProbeConversation:
    """Requests over one road. `side` says how far the server has introduced itself."""

    def __init__(self, road: Road, capabilities: tuple[ClientCapability, ...] = (), rooms: Rooms = unbounded) -> None:
        self.road = road
        self._rooms = rooms
        #: What the answers take, until the conversation ends.
        self._room = rooms("")
        self.side = ClientSide("ringwall", {name: {} for name in capabilities})
        self._received = 0

    async def ask(
        self, method: str, params: Mapping[str, Any] | None = None, *, version: str | None = None, id_: Id | None = None
    ) -> dict[str, Any]:
        """The result of one request. `version` makes it a request of the 2026 era, before the server has named its own.

        Raises:
            ProbeFailed: an error, an HTTP status or an answer that cannot be read.
            UpstreamDown: the server does not answer, or broke off.
        """
        message = self.side.request(method, params, id_=id_, stateless_version=version)
        return (await self._send(message))[0]

    async def initialize(self) -> dict[str, Any]:
        """The server's answer to `initialize`, whose version and session the conversation goes on with. Raises as `ask`."""
        result, session = await self._send(self.side.initialize())
        self.side.begin(result, session)
        return result

    async def _send(self, message: Mapping[str, Any]) -> tuple[dict[str, Any], str | None]:
        answer = await self.road.send("POST", self._headers(message), dump(message))
        try:
            return await self._result(answer, message["id"]), answer.headers.get("mcp-session-id")
        finally:
            answer.close()

    async def notify(self, method: str) -> None:
        """Send a notification; raises UpstreamDown and RefusedStatus."""
        await self._post(method, notification(method))

    async def end(self) -> None:
        """End the session, so that the server need not keep it."""
        self._room.release()
        if self.side.session is None:
            return
        with contextlib.suppress(UpstreamDown, TimeoutError):
            async with asyncio.timeout(2):
                (await self.road.send("DELETE", self._headers(None), None)).close()

    async def listen(self) -> None:
        """Answer what the server asks on the session's own stream, until cancelled or until it ends."""
        with contextlib.suppress(UpstreamDown, ProbeFailed):
            answer = await self.road.send("GET", {**self._headers(None), "accept": "text/event-stream"}, None)
            try:
                if answer.media_type == "text/event-stream" and answer.status == 200:
                    with self._rooms("") as room:
                        async for event in self._events(answer, room):
                            message = _message(event.data or "")
                            if isinstance(message, Request):
                                await self._reply(message)
            finally:
                answer.close()

    def _headers(self, message: Mapping[str, Any] | None) -> dict[str, str]:
        named = self.side.headers(message)
        return forwarded(named, modern="mcp-method" in named, bearer=False, method=named.get("mcp-method", ""))

    async def _post(self, method: str, message: Mapping[str, Any]) -> None:
        answer = await self.road.send("POST", self._headers(message), dump(message))
        try:
            if answer.status >= 400:
                raise RefusedStatus(answer.status, f"it answered {method} with HTTP {answer.status}")
        finally:
            answer.close()

    async def _result(self, answer: UpstreamAnswer, id_: Id) -> dict[str, Any]:
        if answer.media_type == "text/event-stream" and answer.status == 200:
            return await self._streamed(answer, id_)
        body = await self._body(answer)
        problem = "it answered another message than the answer"
        unreadable = Unreadable
        try:
            message: Message | None = classify(parse(body))
        except Malformed as error:
            message, problem = None, f"its answer cannot be read: {error}"
        if answer.status in (401, 403, 407, 421):
            raise RefusedStatus(answer.status, _refusal(answer, body))
        if isinstance(message, Answer):
            if message.id == id_ or (message.id is None and answer.status >= 400):
                return _settled(message)
            problem, unreadable = _foreign(message, id_), ForeignAnswer
        kind = f"HTTP {answer.status} {visible(answer.media_type)[:60]}".rstrip()
        if answer.status >= 400:
            raise RefusedStatus(answer.status, f"it did not answer as an MCP server ({kind}{_quotation(answer, body)})")
        if not body.strip():
            problem = "it answered nothing"
        elif message is None and answer.media_type != "application/json":
            raise Unreadable(f"it did not answer as an MCP server ({kind}; {problem})")
        raise unreadable(f"{problem} ({kind})")

    async def _streamed(self, answer: UpstreamAnswer, id_: Id) -> dict[str, Any]:
        unreadable = Unreadable("its stream ended without an answer")
        async for event in self._events(answer, self._room):
            message = _message(event.data or "")
            if isinstance(message, Answer):
                if message.id == id_:
                    return _settled(message)
                unreadable = ForeignAnswer(_foreign(message, id_))
            elif isinstance(message, Request):
                await self._reply(message)
        raise unreadable

    async def _events(self, answer: UpstreamAnswer, room: Room) -> AsyncIterator[Event]:
        try:
            async for event in answer.events(Reader(MAX_BYTES), room.held()):
                self._count(_LEAST_EVENT + len(event.data or ""))
                if event.is_message:
                    yield event
        except Malformed as error:
            raise Unreadable(f"its stream cannot be read: {error}") from None

    async def _body(self, answer: UpstreamAnswer) -> bytes:
        try:
            body = await answer.read(MAX_BYTES - self._received, self._room.held())
        except AnswerTooLarge:
            raise _over_limit() from None
        self._count(len(body))
        return body

    def _count(self, size: int) -> None:
        self._received += size
        if self._received > MAX_BYTES:
            raise _over_limit()

    async def _reply(self, request: Request) -> None:
        """Answer the server's request as a client that has no roots and lets no person decide."""
        announced = self.side.capabilities
        result: dict[str, Any] | None = None
        if request.method == "ping":
            result = {}
        elif request.method == "roots/list" and "roots" in announced:
            result = {"roots": []}
        elif request.method == "elicitation/create" and "elicitation" in announced:
            result = {"action": "cancel"}
        if result is not None:
            reply: dict[str, Any] = {"result": result}
        elif request.method == "sampling/createMessage" and "sampling" in announced:
            reply = {"error": {"code": _DECLINED, "message": "this client samples nothing"}}
        else:
            reply = {"error": {"code": METHOD_NOT_FOUND, "message": "Method not found"}}
        with contextlib.suppress(RefusedStatus):
            await self._post(request.method, {"jsonrpc": "2.0", "id": request.id, **reply})


def _over_limit() -> Unreadable:
    return Unreadable(f"its answers are over {MAX_BYTES // 2**20} MiB, which nobody can review")


def _message(text: str) -> Message:
    try:
        return classify(parse(text.encode()))
    except Malformed as error:
        raise Unreadable(f"its stream holds what cannot be read: {error}") from None


def _refusal(answer: UpstreamAnswer, body: bytes) -> str:
    if answer.status == 421:
        return "it refuses this Host header (421); add the name to the server's allowed hosts"
    if answer.status == 401:
        header = (
            f"an Authorization header ({answer.scheme})"
            if answer.scheme
            else "credentials of its own, naming no header"
        )
        return (
            f"the origin itself demands {header} (401); give it in origin.headers (onboard: --header NAME=VARIABLE), "
            "or switch its own authentication off behind the rings"
        )
    return (
        f"the origin itself forbids this (HTTP {answer.status}{_quotation(answer, body)});"
        " write the address under the host name it allows, often localhost, or give what it asks for"
    )


def _quotation(answer: UpstreamAnswer, body: bytes) -> str:
    """The first line of a refusal in plain text, bounded, as a server's own words say best what it wants."""
    if answer.media_type not in ("", "text/plain"):
        return ""
    line = visible(body.decode(errors="replace").strip().split("\n")[0]).strip()
    return f"; {line[:120]}" if line else ""


def _settled(answer: Answer) -> dict[str, Any]:
    if answer.error is not None:
        raise AnsweredError(answer.error)
    return answer.result or {}


def _foreign(answer: Answer, id_: Id) -> str:
    return f"it answered under the id {_shown(answer.id)} where {_shown(id_)} was asked"


def _shown(id_: Id | None) -> str:
    return "null" if id_ is None else f'"{visible(id_)[:64]}"' if isinstance(id_, str) else str(id_)
