"""The types that one message has on its way through the guard: its sender, what is known of it, where its answer goes.

Decisions about messages are in `guard.decide.from_client` and `guard.decide.from_server`.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from guard.decide.cache import CacheKey
from guard.decide.grants import Rights, ToolRight
from guard.decide.limits import Admission, ReachedLimit
from guard.decide.methods import Method
from guard.identity.caller_token import TokenId
from guard.identity.principal import Principal
from wire.jsonrpc import Id
from wire.sse import Event


class Sink(Protocol):
    """Where answers go: one JSON body, or a stream of events."""

    streaming: bool

    def admit(self, tokens: int) -> None:
        """Note that a message of so many tokens was let through."""

    def repeats(self, size: int) -> None:
        """Note that so many bytes of the next message sent repeat others of it, so that they do not count."""

    async def answer(self, status: int, message: Mapping[str, Any] | None, headers: Mapping[str, str] = ...) -> None:
        """Send the final answer: the whole body, or the last message on an open stream."""

    async def open_stream(self, headers: Mapping[str, str]) -> None:
        """Send the headers of a stream of events."""

    async def event(self, event: Event) -> None:
        """Send one event."""


def digest_of_session(session: str) -> str:
    """What the audit log and the traces show of a session's id."""
    return hashlib.sha256(session.encode()).hexdigest()[:16]


@dataclass(slots=True)
class Caller:
    """The sender of a message, in one era and session, with what it may do."""

    principal: Principal
    rights: Rights
    modern: bool
    version: str
    session: str | None
    hostname: str
    _digest: str | None = field(default=None, init=False, repr=False, compare=False)

    @property
    def channel(self) -> str:
        """The space in which request ids are unique: the session, or else the principal.

        A principal's begins with a blank, which no session id holds.
        """
        return self.session or f" {self.principal.id}"

    @property
    def session_digest(self) -> str | None:
        """What the audit log and the traces show of the session: the beginning of its id's SHA-256."""
        if self._digest is None and self.session:
            self._digest = digest_of_session(self.session)
        return self._digest


@dataclass(slots=True)
class Context:
    """What is known about a message while it is decided, and about a request while its answer is awaited.

    `method` is the method's name as the sender wrote it, `row` its row in the table of methods.
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
    ticket: Admission | None = None
    #: The limit that the request met, or that its answer did.
    reached: ReachedLimit | None = None
    cache_key: CacheKey | None = None
    writes: bool = False
    #: The server failed: it answered HTTP 5xx, or something that is no answer to the request.
    failed: bool = False
    #: The token that will tell the server who calls, where it is told; it is signed once the message may be forwarded.
    token: TokenId | None = None


@dataclass(slots=True)
class Prepared:
    """A message that may be forwarded.

    `about` is what is known of it; None where the guard's own refusal takes its place. A request has a `context`, as its
    answer is awaited. The answer to a server's request has `answers`: the id and the method of that request.
    """

    body: Mapping[str, Any]
    headers: dict[str, str]
    context: Context | None = None
    about: Context | None = None
    cached: bytes | None = None
    answers: tuple[Id, str] | None = None
    #: What a message without an answer takes from the server's budget: the tokens that its sender's own budget could pay.
    tokens: int = 0


class Stop(Exception):
    """The message goes no further, and the guard answers it. Without a `message` the answer is the HTTP status alone."""

    def __init__(self, status: int, message: dict[str, Any] | None, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(status)
        #: Whether the sender's budget has paid for the message already.
        self.paid = False
        self.status = status
        self.message = message
        self.headers = dict(headers or {})


def meta_of(params: Mapping[str, Any]) -> Mapping[str, Any]:
    """The `_meta` of a message's params; empty where there is none."""
    meta = params.get("_meta")
    return meta if isinstance(meta, dict) else {}
