"""Begins the spans of messages: what of the client's trace is taken over, and which messages are recorded.

A client's trace context is a value that the client chose. By default (`parent: link`) each message begins a trace of the
guard's own, which is linked to the client's. Were it continued, a client could put its spans into a stranger's trace, and by
the `sampled` flag have every call of its recorded, or none. `parent: continue` does continue it, for callers that are all
one's own; the flag then decides in place of the guard's share. The gateway is no reason to continue: it keeps the context
that the client sent.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import Iterable, Mapping
from typing import Any, Protocol
from urllib.parse import urlsplit

from guard.decide import methods
from guard.decide.context import Caller, meta_of
from guard.decide.methods import MessageKind, Names, Section
from guard.decide.policy import Policy
from guard.traces.span import NO_SPAN, PROMPT, RESOURCE, TOOL, Attributes, CallSpan, Span, SpanRecord, described
from guard.traces.trace_context import TRACEPARENT, TraceContext, new_span_id, new_trace_id, read_context
from model.server import Origin
from model.traces import Traces
from wire.jsonrpc import Answer, Message, Notification, Request

_NOBODY = bytes(8)
#: What a method names: the attribute for it, and the section of the lock that has it.
_NAMED = {Names.NAME: (PROMPT, Section.PROMPTS), Names.URI: (RESOURCE, Section.RESOURCES)}


#: Seconds that a tracer which is closed waits for the collector.
GRACE = 2.0


class SpanTaker(Protocol):
    """Where ended spans go (`guard.traces.exporter`)."""

    def add(self, record: SpanRecord) -> None: ...

    def close(self, grace: float) -> None: ...


class Closable(Protocol):
    """A tracer, of a server's guard or a model route's."""

    def close(self, grace: float) -> None: ...


class Beginning:
    """Begins spans: in whose trace each is, and whether it is recorded."""

    def __init__(self, settings: Traces) -> None:
        self._continues = settings.parent == "continue"
        self._share = settings.sampling_percent * 2**32 // 100

    def record(self, name: str, attributes: Attributes, carried: Iterable[Any]) -> SpanRecord:
        """A span of the client's request; `carried` are the values of `traceparent`, the one that counts most first."""
        links = [context for value in carried if (context := read_context(value)) is not None]
        parent = links.pop(0) if links and self._continues else None
        if parent is None:
            context = TraceContext(new_trace_id(), new_span_id(), self._samples())
        else:
            context = TraceContext(parent.trace_id, new_span_id(), parent.sampled)
        record = SpanRecord(name, context, parent.span_id if parent else _NOBODY, attributes, of_server=True)
        record.links = tuple(links)
        return record

    def _samples(self) -> bool:
        return int.from_bytes(os.urandom(4)) < self._share


class Tracer:
    """The spans of one guard under one configuration. `close` it when another one is in force."""

    def __init__(self, settings: Traces, origin: Origin, exporter: SpanTaker) -> None:
        self._beginning = Beginning(settings)
        self._destination = _destination(origin)
        self._exporter = exporter

    def begin(self, policy: Policy, caller: Caller, headers: Mapping[str, str], message: Message) -> Span:
        """The span of a request or notification, begun. An answer to the server has none."""
        if isinstance(message, Answer):
            return NO_SPAN
        # That of the message comes first: one request of HTTP may carry several messages (conventions for MCP).
        carried = (meta_of(message.params).get(TRACEPARENT), headers.get(TRACEPARENT))
        kind = MessageKind.REQUEST if isinstance(message, Request) else MessageKind.NOTIFICATION
        row = methods.from_client(message.method, kind, modern=caller.modern)
        id_ = message.id if isinstance(message, Request) else None
        name, attributes = described(message.method, row, caller, id_, _named(policy, row, message))
        record = self._beginning.record(name, attributes, carried)
        return CallSpan(record, self._destination, self._exporter.add if record.context.sampled else None)

    def close(self, grace: float) -> None:
        """Export what waits for up to `grace` seconds; blocks."""
        self._exporter.close(grace)


def _named(policy: Policy, row: methods.Method | None, message: Request | Notification) -> tuple[str, str] | None:
    """What of the lock a message names. A name that is not in it is the client's invention, and is not shown."""
    if row is None:
        return None
    attribute, section = (TOOL, Section.TOOLS) if row.is_call else _NAMED.get(row.names, (None, None))
    name = message.params.get("uri" if section is Section.RESOURCES else "name")
    if attribute is None or section is None or not isinstance(name, str) or not policy.pins.holds(section, name):
        return None
    return attribute, name


def _destination(origin: Origin) -> Attributes:
    """The attributes of the way to the server."""
    if origin.command:
        return {"network.transport": "pipe"}
    if origin.socket:
        return {"network.transport": "unix", "network.protocol.name": "http", "server.address": origin.socket}
    address = urlsplit(str(origin.url))
    return {
        "network.transport": "tcp",
        "network.protocol.name": "http",
        "server.address": address.hostname or "",
        "server.port": address.port or 80,
    }


async def close_tracer(tracer: Closable, wait: float = 0.0) -> None:
    """Close a tracer after so many seconds, on a thread."""
    try:
        await asyncio.sleep(wait)
    finally:
        await asyncio.get_running_loop().run_in_executor(None, tracer.close, GRACE)
