"""The nouns of one message's way through the guard: who sends it, what is known about it, where its answer goes.

Nothing is decided here (`guard.decide.from_client`, `guard.decide.from_server`).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from guard.decide.cache import CacheKey
from guard.decide.grants import Rights, ToolRight
from guard.decide.limits import Ticket
from guard.decide.methods import Method
from guard.identity.principal import Principal
from wire.jsonrpc import Id
from wire.sse import Event


class Sink(Protocol):
    """Where answers go: one JSON body, or a stream of events."""

    streaming: bool

    def admit(self, tokens: int) -> None:
        """A message of so many tokens was let through."""

    async def answer(self, status: int, message: Mapping[str, Any] | None, headers: Mapping[str, str] = ...) -> None:
        """The final answer to it: the whole body, or the last message on an open stream."""

    async def open_stream(self, headers: Mapping[str, str]) -> None: ...

    async def event(self, event: Event) -> None: ...


@dataclass(slots=True)
class Caller:
    """Who sends, in which era and session, and what it may do."""

    principal: Principal
    rights: Rights
    modern: bool
    version: str
    session: str | None
    hostname: str

    @property
    def channel(self) -> str:
        """What request ids are unique in: a session, or the principal where there is none (no session id has a blank)."""
        return self.session or f" {self.principal.id}"


@dataclass(slots=True)
class Context:
    """What is known about a message while it is decided, and about a request while its answer is awaited.

    `method` is what the sender wrote, `row` how the table of methods has it judged.
    """

    id: Id
    method: str
    row: Method
    modern: bool
    incident: str
    started: float
    request_bytes: int = 0
    name: str = ""
    right: ToolRight | None = None
    ticket: Ticket | None = None
    cache_key: CacheKey | None = None
    writes: bool = False
    #: The server did not behave: an HTTP 5xx, or what is no answer.
    failed: bool = False


@dataclass(slots=True)
class Prepared:
    """A message that may be forwarded. `context` is there when an answer is awaited, `answers` when it is itself the answer
    to a server's request: id and method."""

    body: Mapping[str, Any]
    headers: dict[str, str]
    context: Context | None = None
    cached: bytes | None = None
    answers: tuple[Id, str] | None = None
    #: What a message without an answer costs the server's budget: what its sender's own could pay.
    tokens: int = 0


class Stop(Exception):
    """The guard answers itself. `message` None: the status says it all."""

    def __init__(self, status: int, message: dict[str, Any] | None, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status)
        #: Its sender's budget has paid for the message already.
        self.paid = False
        self.status = status
        self.message = message
        self.headers = dict(headers or {})
