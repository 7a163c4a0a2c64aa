"""What can be told of a message that was refused: whose it is, and where its fault is."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.faults import Diagnosis, diagnose

HEAD = b'{"jsonrpc":"2.0","id":7,"result":'


@pytest.mark.parametrize(
    ("body", "fault"),
    [
        (HEAD + b'{"a":[0,{"b/c":NaN}]}}', Diagnosis(True, True, (7,), None, "/result/a/1/b~1c")),
        (HEAD + b'{"a":1e999}}', Diagnosis(True, True, (7,), None, "/result/a")),
        (HEAD + b'{"a":1,"a":2}}', Diagnosis(True, True, (7,), None, "/result/a")),
        (HEAD + b'"a\tb"}', Diagnosis(True, True, (7,))),
        (HEAD + b'"\xff"}', Diagnosis(True, True, (7,))),
        (HEAD + b'{"text":"never ends', Diagnosis(True, True, (7,))),
        (HEAD + b"[" * 100_000, Diagnosis(True, True, (7,))),
        (b'\xef\xbb\xbf{"id":"x","jsonrpc":"2.0","result":NaN}', Diagnosis(True, True, ("x",), None, "/result")),
        (b'{"result":{"text":cut},"jsonrpc":"2.0","id":"x"}\r\n', Diagnosis(True, True, ("x",))),
        (b'{"jsonrpc":"2.0","id":7,"id":8,"result":{}}', Diagnosis(True, True, (), None, "/id")),
        (b'{"jsonrpc":"2.0","result":{"id":9,"text":cut}}', Diagnosis(True, True)),
        (b'[{"jsonrpc":"2.0","id":1,"result":{}},{"id":2,"error":{}}]', Diagnosis(True, True, (1, 2))),
        (b'{"jsonrpc":"2.0","id":3,"method":"roots/list","params":NaN}', Diagnosis(True, False, (), 3, "/params")),
        (b'{"jsonrpc":"2.0","method":"notifications/message","params":{bad}}', Diagnosis(True)),
        (b'{"jsonrpc":"2.0","id":true,"result":1}', Diagnosis(True, True)),
        (b'{"level":"info","id":7,"msg":"NaN"}', Diagnosis(False)),
        (b'  "jsonrpc": "2.0",\r', Diagnosis(True, True)),
        (b"Listening on {stdio}", Diagnosis(False)),
        (b"", Diagnosis(False)),
    ],
)
def test_a_refused_message_still_says_whose_it_is_and_where_its_fault_is(body: bytes, fault: Diagnosis) -> None:
    assert diagnose(body) == fault


def test_a_place_is_bounded_and_visible() -> None:
    deep = b'{"' + b"k" * 10_000 + b'\\u200b":'
    place = diagnose(HEAD + deep * 60 + b"NaN" + b"}" * 61).place
    assert len(place) <= 201
    assert "\u200b" not in place


@given(st.binary(max_size=300) | st.builds(lambda tail: HEAD + tail, st.binary(max_size=100)))
def test_no_bytes_crash_it(body: bytes) -> None:
    fault: Any = diagnose(body)
    assert isinstance(fault, Diagnosis)
