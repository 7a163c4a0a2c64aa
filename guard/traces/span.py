"""The span of one message, from its arrival to its answer, and that of the server's work within it.

Names and attributes are OpenTelemetry's conventions for MCP and for tools (semantic-conventions, docs/gen-ai/mcp.md).
A span holds no argument, no result, no text of a message and no caller: the incident leads to the audit log, which does.
Names are those of the tool lock; a session is shown by the same digest as in the audit log.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any, Self

from guard.decide.context import Caller
from guard.decide.methods import Method
from guard.decide.reasons import AnyReason, Decision
from guard.inspect.verdict import Leg, ModelLeg
from guard.traces.trace_context import TraceContext, new_span_id, with_context
from wire.jsonrpc import Answer

#: Events and characters of an id that one span holds; a stream may have any number of decisions.
MAX_EVENTS = 32
MAX_ID = 128
#: `error.type` of a tool's own error, and what stands for an unknown method or error (both of the conventions).
_TOOL_ERROR = "tool_error"
_UNKNOWN = "_OTHER"

Attributes = dict[str, str | int]


class Span:
    """A message that nobody traces. `CallSpan` is one that is."""

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, place: TracebackType | None
    ) -> None:
        return None

    def decided(self, incident: str, decision: Decision, reason: AnyReason | None, leg: Leg | ModelLeg | None) -> None:
        """Note a decision of the guard."""

    def answered(self, answer: Answer) -> None:
        """Note what the server's own answer says of its success."""

    def sent(self, headers: Mapping[str, str], body: Mapping[str, Any]) -> tuple[Mapping[str, str], Mapping[str, Any]]:
        """Headers and body as they go to the server at this moment."""
        return headers, body


NO_SPAN = Span()


class SpanRecord:
    """A span as it is exported; `end_ns` is 0 until it has ended."""

    __slots__ = (
        "attributes",
        "context",
        "end_ns",
        "error",
        "events",
        "links",
        "name",
        "of_server",
        "parent",
        "start_ns",
    )

    def __init__(
        self, name: str, context: TraceContext, parent: bytes, attributes: Attributes, *, of_server: bool
    ) -> None:
        self.name = name
        self.context = context
        self.parent = parent
        self.attributes = attributes
        #: The guard as the client's server; else the guard as its server's client.
        self.of_server = of_server
        self.start_ns = time.time_ns()
        self.end_ns = 0
        self.error: str | None = None
        self.links: tuple[TraceContext, ...] = ()
        self.events: list[tuple[int, Attributes]] = []


class CallSpan(Span):
    """The span of one message of a client. `export` takes the records once they have ended; None where they are not kept,
    as the message is only passed on with its context."""

    def __init__(
        self,
        record: SpanRecord,
        destination: Attributes,
        export: Callable[[SpanRecord], None] | None,
    ) -> None:
        self._record = record
        self._destination = destination
        self._export = export
        self._work: SpanRecord | None = None
        self._reason: AnyReason | str | None = None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, place: TracebackType | None
    ) -> None:
        if self._export is None:
            return
        record, work = self._record, self._work
        if work is not None:
            work.end_ns = work.end_ns or time.time_ns()
            self._export(work)
        record.error = self._error(kind)
        record.end_ns = time.time_ns()
        self._export(record)

    def _error(self, kind: type[BaseException] | None) -> str | None:
        if self._reason is not None:
            return str(self._reason)
        if kind is not None:
            return kind.__name__
        return None if self._work is None else self._work.error

    def decided(self, incident: str, decision: Decision, reason: AnyReason | None, leg: Leg | ModelLeg | None) -> None:
        record = self._record
        attributes: Attributes = {"ringwall.decision": decision, "ringwall.reason": str(reason or decision)}
        if leg is not None:
            attributes["ringwall.leg"] = leg
        if len(record.events) < MAX_EVENTS:
            record.events.append((time.time_ns(), attributes))
        if decision in _STOPPING:
            self._reason = reason or decision
            if decision is Decision.ERROR and self._work is not None:
                self._work.error = str(self._reason)
        record.attributes |= {**attributes, "ringwall.incident": incident}

    def answered(self, answer: Answer) -> None:
        work = self._work
        if work is None:
            return
        work.end_ns = time.time_ns()
        if answer.error is not None:
            code = answer.error.get("code")
            work.error = str(code) if isinstance(code, int) else _UNKNOWN
            work.attributes["rpc.response.status_code"] = work.error
            self._record.attributes["rpc.response.status_code"] = work.error
        elif answer.result is not None and answer.result.get("isError") is True:
            work.error = _TOOL_ERROR

    def sent(self, headers: Mapping[str, str], body: Mapping[str, Any]) -> tuple[Mapping[str, str], Mapping[str, Any]]:
        record = self._record
        place = TraceContext(record.context.trace_id, new_span_id(), record.context.sampled)
        shared = {
            name: value for name, value in record.attributes.items() if not name.startswith(("ringwall.", "network."))
        }
        self._work = SpanRecord(
            record.name, place, record.context.span_id, {**shared, **self._destination}, of_server=False
        )
        return with_context(headers, body, place)


_STOPPING = frozenset((Decision.BLOCK, Decision.REFUSE, Decision.ERROR))


def described(
    method: str, row: Method | None, caller: Caller, id_: str | int | None, named: tuple[str, str] | None
) -> tuple[str, Attributes]:
    """The name and the attributes of a message's span. `named` is the attribute for what it names and that locked name."""
    known = _UNKNOWN if row is None else method
    attributes: Attributes = {
        "mcp.method.name": known,
        "mcp.protocol.version": caller.version,
        "network.protocol.name": "http",
        "network.transport": "tcp",
    }
    if id_ is not None:
        attributes["jsonrpc.request.id"] = str(id_)[:MAX_ID]
    if caller.session_digest is not None:
        attributes["mcp.session.id"] = caller.session_digest
    if row is not None and row.is_call:
        attributes["gen_ai.operation.name"] = "execute_tool"
    if named is None:
        return known, attributes
    attributes[named[0]] = named[1]
    return (known if named[0] == RESOURCE else f"{known} {named[1]}"), attributes


TOOL, PROMPT, RESOURCE = "gen_ai.tool.name", "gen_ai.prompt.name", "mcp.resource.uri"
