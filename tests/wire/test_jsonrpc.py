"""A message is exactly one of three kinds, or refused."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wire.json import Malformed
from wire.jsonrpc import Answer, Notification, Request, classify

V = {"jsonrpc": "2.0"}


@pytest.mark.parametrize(
    ("value", "kind"),
    [
        ({**V, "id": 1, "method": "ping"}, Request),
        ({**V, "id": "a", "method": "tools/call", "params": {"name": "x"}}, Request),
        ({**V, "method": "notifications/initialized"}, Notification),
        ({**V, "id": 1, "result": {}}, Answer),
        ({**V, "id": None, "error": {"code": -32700, "message": "no"}}, Answer),
        ({**V, "error": {"code": -32700, "message": "no"}}, Answer),
    ],
)
def test_each_kind_is_recognised(value: Any, kind: type) -> None:
    message = classify(value)
    assert type(message) is kind
    assert message.body is value


@pytest.mark.parametrize(
    "value",
    [
        [],
        "x",
        None,
        {},
        {"jsonrpc": "1.0", "id": 1, "method": "ping"},
        {"id": 1, "method": "ping"},
        {**V, "id": None, "method": "ping"},
        {**V, "id": True, "method": "ping"},
        {**V, "id": 1.5, "method": "ping"},
        {**V, "id": 2.0**53, "method": "ping"},
        {**V, "id": [1], "method": "ping"},
        {**V, "id": "x" * 257, "method": "ping"},
        {**V, "id": 1, "method": 7},
        {**V, "id": 1, "method": ""},
        {**V, "id": 1, "method": "ping", "params": []},
        {**V, "id": 1, "method": "ping", "hidden": "text"},
        {**V, "id": 1, "method": "tools/call", "params": {"name": "x", "Name": "y"}},
        {**V, "id": 1, "method": "tools/call", "params": {"name": "x", "argument\u017f": {}}},
        {**V, "id": 1, "method": "tools/call", "params": {"name": "x", "name\0": "y"}},
        {**V, "id": 1, "method": "completion/complete", "params": {"ref": {"type": "ref/prompt", "NAME": "x"}}},
        {**V, "id": 1, "method": "ping", "result": {}},
        {**V, "id": 1, "result": {}, "error": {"code": 1, "message": ""}},
        {**V, "id": 1, "result": [1]},
        {**V, "id": 1, "error": None},
        {**V, "id": 1, "result": None, "error": {"code": 1.5, "message": ""}},
        {**V, "id": 1, "result": {}, "error": False},
        {**V, "id": 1, "error": {"message": "no code"}},
        {**V, "id": 1, "error": {"code": 1, "message": 7}},
        {**V, "id": "cut \ufffd", "method": "ping"},
        [{**V, "id": 1, "result": {}}],
        {**V, "id": None, "result": {}},
        {**V, "result": {}},
        {**V, "id": 1, "error": {"code": "1", "message": ""}},
        {**V, "id": 1, "error": {"code": True, "message": ""}},
        {**V, "id": 1, "error": "no"},
    ],
)
def test_anything_else_is_refused(value: Any) -> None:
    with pytest.raises(Malformed):
        classify(value)


@pytest.mark.parametrize(
    ("value", "body"),
    [
        ({**V, "id": 1, "result": {"a": 1}, "error": None}, {**V, "id": 1, "result": {"a": 1}}),
        ({**V, "id": 1, "result": None}, {**V, "id": 1, "result": {}}),
        ({**V, "id": 7.0, "method": "ping"}, {**V, "id": 7, "method": "ping"}),
        ({**V, "id": 7.0, "result": {"a": 7.0}}, {**V, "id": 7, "result": {"a": 7.0}}),
        ({**V, "id": 7.0, "error": {"code": 1, "message": ""}}, {**V, "id": 7, "error": {"code": 1, "message": ""}}),
        ({**V, "id": 1, "result": []}, {**V, "id": 1, "result": {}}),
        ({**V, "id": 1, "result": {}, "_meta": {"took": 3}}, {**V, "id": 1, "result": {}}),
        (
            {**V, "id": 1, "result": None, "error": {"code": -32000.0, "message": None, "data": 1}},
            {**V, "id": 1, "error": {"code": -32000, "message": "", "data": 1}},
        ),
        (
            {**V, "method": "notifications/initialized", "params": None},
            {**V, "method": "notifications/initialized", "params": {}},
        ),
        (
            {**V, "id": 3, "method": "tools/call", "params": {"name": "x", "arguments": None, "_meta": None}},
            {**V, "id": 3, "method": "tools/call", "params": {"name": "x", "arguments": {}}},
        ),
        (
            {**V, "id": 3, "method": "tools/list", "params": {"cursor": None, "extra": None}},
            {**V, "id": 3, "method": "tools/list", "params": {"extra": None}},
        ),
    ],
)
def test_what_has_one_meaning_is_written_in_its_usual_form(value: dict[str, Any], body: dict[str, Any]) -> None:
    before = repr(value)
    assert repr(classify(value).body) == repr(body)
    assert repr(value) == before


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(), lambda x: st.lists(x) | st.dictionaries(st.text(), x)
)


@given(
    st.dictionaries(
        st.sampled_from(["jsonrpc", "id", "method", "params", "result", "error", "extra"]),
        st.one_of(st.just("2.0"), st.just("ping"), st.integers(), JSON),
    )
)
def test_whatever_passes_has_no_member_that_nothing_looks_at(value: dict[str, Any]) -> None:
    try:
        message = classify(value)
    except Malformed:
        return
    members = {"jsonrpc", "id"}
    if isinstance(message, Answer):
        members.add("result" if message.error is None else "error")
    else:
        members |= {"method", "params"}
    assert message.body.keys() <= members
