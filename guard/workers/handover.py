"""Hands a request of the old eras to the worker that has its session, over that worker's Unix socket.

A session belongs to the worker at which it began, and its id says so to the client: `w2.` stands before the server's own id.
The number is no secret and proves nothing: the worker that it names knows whose the session is, and any other answers 404
as for every unknown one. Where the server has no sessions, a caller stays at one worker by its credential from 2025-06-18
on, as what the server asks on a stream is answered in a request of its own. The 2026 era needs none of this.
"""

from __future__ import annotations

import hashlib
import logging
import re
from collections.abc import Mapping, MutableMapping
from typing import Any

from starlette.types import ASGIApp, Receive, Scope, Send

from guard.audit.files import AuditUnwritable
from guard.decide import answers
from guard.decide.answers import error
from guard.decide.reasons import Reason
from guard.http import refusals
from guard.http.arrival import read_body, until_disconnect
from guard.http.http_client import ArrivingAnswer, BrokenOff, ConnectionRefusal, HttpClient, NotHttp
from guard.http.http_rules import HttpRefusal, read_headers
from guard.http.request_reader import check_target
from guard.http.sink import HttpSink
from guard.runtime import Runtime
from guard.workers.crew import Crew
from wire.protocol_versions import HANDSHAKE_VERSIONS

log = logging.getLogger("ringwall.guard")

_SESSION = "mcp-session-id"
_SESSION_BYTES, _VERSION_BYTES = _SESSION.encode(), b"mcp-protocol-version"
_OLD_ERAS = frozenset(version.encode() for version in HANDSHAKE_VERSIONS)
_NAMED = re.compile(r"w([1-9][0-9]?)\.(.*)", re.DOTALL)
#: Seconds that a worker's socket has to take a connection; where the worker ended, it waits there for the next one.
_CONNECT_SECONDS = 5.0
#: Seconds between two parts of an answer: the worker itself ends what is silent for too long.
_SILENCE_SECONDS = 3600.0
_LONGEST_HEADER = 64 * 1024
#: Headers of one connection alone (RFC 9110 section 7.6.1); the length is written anew.
_OF_CONNECTION = frozenset(
    ("connection", "content-length", "expect", "keep-alive", "te", "trailer", "transfer-encoding")
)
_CREDENTIALS = ("authorization", "cf-access-jwt-assertion")
#: Whose the bodies are that are handed over, which is no principal's name.
_HANDED = "handed over"


class Handover:
    """The application on the port that all workers share, around this worker's own."""

    def __init__(self, app: ASGIApp, runtime: Runtime, crew: Crew, number: int) -> None:
        self._app = app
        self._runtime = runtime
        self._path = runtime.policy.config.path
        self._number = number
        self._prefix = f"w{number}.".encode()
        self._count = crew.count
        self._clients = {
            worker: HttpClient(
                f"http://worker{self._path}",
                socket=crew.room(worker),
                connect=_CONNECT_SECONDS,
                silence=_SILENCE_SECONDS,
                longest_header=_LONGEST_HEADER,
            )
            for worker in range(1, crew.count + 1)
            if worker != number
        }

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve what arrived on the port."""
        session = version = None
        for name, value in scope["headers"] if scope["type"] == "http" else ():
            if name == _SESSION_BYTES:
                session = value
            elif name == _VERSION_BYTES:
                version = value
        if session is None and version not in _OLD_ERAS:
            await (self._app(scope, receive, send) if version else self._serve(scope, receive, send))
            return
        headers = self._readable(scope)
        if headers is None:
            await self._serve(scope, receive, send)
            return
        worker = self._worker_of(headers)
        if worker == self._number or self._runtime.draining:
            await self.serve_handed(scope, receive, send)
        else:
            await self._hand_over(worker, headers, scope, receive, send)

    async def serve_handed(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve what is this worker's own: the server's id of the session is without the number."""
        scope["headers"] = [
            (name, value.removeprefix(self._prefix) if name == _SESSION_BYTES else value)
            for name, value in scope["headers"]
        ]
        await self._serve(scope, receive, send)

    async def close(self) -> None:
        for client in self._clients.values():
            await client.close()

    async def _serve(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve here. The id of a session that begins gets this worker's number."""

        async def numbered(message: MutableMapping[str, Any]) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    (name, self._prefix + value if name == _SESSION_BYTES else value)
                    for name, value in message["headers"]
                ]
            await send(message)

        await self._app(scope, receive, numbered)

    def _readable(self, scope: Scope) -> dict[str, str] | None:
        """The headers of a request that may be handed over. None where it is refused in any case, which happens here."""
        if scope["path"] != self._path or scope.get("query_string"):
            return None
        try:
            headers = read_headers(scope["headers"])
            check_target(scope, headers)
        except HttpRefusal:
            return None
        return None if "upgrade" in headers or scope["method"] not in ("POST", "GET", "DELETE") else headers

    def _worker_of(self, headers: Mapping[str, str]) -> int:
        session = headers.get(_SESSION)
        if session is None:
            credential = "\n".join(headers.get(name, "") for name in _CREDENTIALS)
            return 1 + int.from_bytes(hashlib.sha256(credential.encode()).digest()[:8], "big") % self._count
        named = _NAMED.fullmatch(session)
        number = int(named[1]) if named else self._number
        return number if number <= self._count else self._number

    # -- to another worker --------------------------------------------------------------------------------------------

    async def _hand_over(
        self, worker: int, headers: dict[str, str], scope: Scope, receive: Receive, send: Send
    ) -> None:
        runtime, sink = self._runtime, HttpSink(send, self._runtime)
        runtime.busy += 1
        try:
            # Nobody knows yet whose it is, so all that is handed over has one share.
            with runtime.room(_HANDED) as room:
                posted = scope["method"] == "POST"
                body = await read_body(receive, runtime.policy.body_end, room.held()) if posted else None
                async with until_disconnect(receive, sink.task):
                    await self._pass_on(worker, scope["method"], headers, body, send)
        except HttpRefusal as refused:
            try:
                await refusals.refuse(runtime, sink, refused)
            except AuditUnwritable:
                await sink.refuse(503, error(None, answers.NO_VERDICT, "The guard is closed."))
        finally:
            runtime.busy -= 1

    async def _pass_on(self, worker: int, method: str, headers: dict[str, str], body: bytes | None, send: Send) -> None:
        sent = {name: value for name, value in headers.items() if name not in _OF_CONNECTION}
        try:
            answer = await self._clients[worker].request(method, sent, body, endless=True)
        except (ConnectionRefusal, BrokenOff, NotHttp) as problem:
            # Never sent again: it may have been carried out.
            log.warning("worker %d gave no answer to a request that was handed to it: %s", worker, problem)
            text = "The part of the guard that had this session ended. What was asked for may have been executed."
            raise HttpRefusal(503, Reason.WORKER_LOST, error(None, answers.WITHHELD, text)) from None
        try:
            await self._relay(worker, answer, send)
        finally:
            answer.close()

    async def _relay(self, worker: int, answer: ArrivingAnswer, send: Send) -> None:
        headers = [
            (name.encode("latin-1"), value.encode("latin-1"))
            for name, value in answer.headers.items()
            if name not in _OF_CONNECTION or name == "content-length"
        ]
        streams = answer.headers.get("content-type", "").startswith("text/event-stream")
        runtime = self._runtime
        runtime.streaming += streams
        try:
            await send({"type": "http.response.start", "status": answer.status, "headers": headers})
            while part := await answer.part():
                await send({"type": "http.response.body", "body": part, "more_body": True})
            await send({"type": "http.response.body", "body": b"", "more_body": False})
        except (BrokenOff, NotHttp) as problem:
            # The answer has no end, so uvicorn cuts the client's connection, as the end of one process would have.
            log.warning("worker %d broke off an answer that it was handed: %s", worker, problem)
        finally:
            runtime.streaming -= streams
