"""The context of a trace as W3C writes it (Trace Context, https://www.w3.org/TR/trace-context/): `traceparent` alone.

A client chooses its context freely, so it is read by the grammar, and what is not exactly that is no context. `tracestate`
and `baggage` are for the vendors and the programs of one side: they are never read and never sent on.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from guard.decide.context import meta_of

TRACEPARENT = "traceparent"
#: What a client may send beside it, in headers and in `_meta` (OpenTelemetry's conventions for MCP).
DROPPED = ("tracestate", "baggage")
#: Later versions may add fields behind the flags; version ff is none.
_FORM = re.compile(r"(?!ff)([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-[!-~]{0,256})?")
_SAMPLED = 0x01


@dataclass(frozen=True, slots=True)
class TraceContext:
    """A span's place: its trace, itself, and whether its side records the trace."""

    trace_id: bytes
    span_id: bytes
    sampled: bool

    @property
    def text(self) -> str:
        """The value of `traceparent`."""
        return f"00-{self.trace_id.hex()}-{self.span_id.hex()}-{_SAMPLED if self.sampled else 0:02x}"


def read_context(value: Any) -> TraceContext | None:
    """The context that a `traceparent` gives; None for anything that is not one."""
    form = _FORM.fullmatch(value) if isinstance(value, str) else None
    if form is None or (form[1] == "00" and form[5] is not None):
        return None
    trace_id, span_id = bytes.fromhex(form[2]), bytes.fromhex(form[3])
    if not any(trace_id) or not any(span_id):
        return None
    return TraceContext(trace_id, span_id, bool(int(form[4], 16) & _SAMPLED))


def new_trace_id() -> bytes:
    return os.urandom(16)


def new_span_id() -> bytes:
    return os.urandom(8)


def with_context(
    headers: Mapping[str, str], body: Mapping[str, Any], context: TraceContext
) -> tuple[dict[str, str], Mapping[str, Any]]:
    """A message for the server with this context in its header and in `_meta`, in place of whatever the client sent."""
    carried = {**headers, TRACEPARENT: context.text}
    if "method" not in body:
        return carried, body  # an answer has no `_meta` that all versions know
    params = body.get("params", {})
    meta = {name: value for name, value in meta_of(params).items() if name not in DROPPED}
    meta[TRACEPARENT] = context.text
    return carried, {**body, "params": {**params, "_meta": meta}}
