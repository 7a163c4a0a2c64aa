"""A `traceparent` is what W3C's grammar says, and nothing else."""

from __future__ import annotations

from typing import Any

import pytest

from guard.traces.trace_context import TraceContext, read_context, with_context

TRACE, SPAN = "4bf92f3577b34da6a3ce929d0e0e4736", "00f067aa0ba902b7"
GOOD = f"00-{TRACE}-{SPAN}-01"


@pytest.mark.parametrize(
    ("value", "sampled"),
    [
        (GOOD, True),
        (f"00-{TRACE}-{SPAN}-00", False),
        (f"00-{TRACE}-{SPAN}-03", True),
        (f"01-{TRACE}-{SPAN}-01-what-comes-later", True),
        (f"cc-{TRACE}-{SPAN}-01", True),
    ],
)
def test_a_context_of_any_version_is_read(value: str, sampled: bool) -> None:
    context = read_context(value)
    assert context == TraceContext(bytes.fromhex(TRACE), bytes.fromhex(SPAN), sampled)
    assert context.text == f"00-{TRACE}-{SPAN}-0{int(sampled)}"


@pytest.mark.parametrize(
    "value",
    [
        None,
        7,
        ["00", TRACE],
        "",
        GOOD.upper(),
        f" {GOOD}",
        f"{GOOD}\n",
        f"{GOOD}-more",
        f"01-{TRACE}-{SPAN}-01more",
        f"ff-{TRACE}-{SPAN}-01",
        f"00-{'0' * 32}-{SPAN}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"00-{TRACE[1:]}-{SPAN}-01",
        f"00-{TRACE}-{SPAN}-1",
        f"00-{TRACE}-{SPAN}",
        f"{GOOD},{GOOD}",
        f"01-{TRACE}-{SPAN}-01-" + "x" * 100_000,
    ],
)
def test_anything_else_is_no_context(value: Any) -> None:
    assert read_context(value) is None


def test_what_the_client_sent_beside_it_is_not_passed_on() -> None:
    context = TraceContext(b"\1" * 16, b"\2" * 8, sampled=True)
    meta = {"traceparent": GOOD, "tracestate": "a=b", "baggage": "user=ada", "progressToken": 3}
    body: dict[str, Any] = {"method": "tools/call", "params": {"name": "x", "_meta": meta}}
    headers, sent = with_context({"accept": "x"}, body, context)
    assert headers == {"accept": "x", "traceparent": context.text}
    assert sent["params"] == {"name": "x", "_meta": {"progressToken": 3, "traceparent": context.text}}
    assert body["params"]["_meta"] == meta, "the message that was judged is not altered"


def test_an_answer_has_no_meta() -> None:
    context = TraceContext(b"\1" * 16, b"\2" * 8, sampled=False)
    body = {"jsonrpc": "2.0", "id": 1, "result": {}}
    assert with_context({}, body, context) == ({"traceparent": context.text}, body)
