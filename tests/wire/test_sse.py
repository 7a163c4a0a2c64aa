"""Streams are read as a browser reads them, whatever the chunks, and written so that they read the same."""

from __future__ import annotations

import ast
import time
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from wire.json import Malformed
from wire.sse import Event, OverLimit, Reader


def read(stream: bytes, *cuts: int) -> list[Event]:
    reader = Reader(1 << 20)
    parts = [stream[start:end] for start, end in pairwise([0, *sorted(cuts), len(stream)])]
    events = [event for part in parts for event in reader.feed(part)]
    return events + reader.feed(b"", last=True)


def test_every_field_is_kept() -> None:
    stream = b'event: message\nid: 7\nretry: 3000\ndata: {"a":\ndata: 1}\n\n'
    assert read(stream) == [Event('{"a":\n1}', "message", "7", 3000)]


@pytest.mark.parametrize(
    ("stream", "events"),
    [
        (b": keep-alive\n\n", [Event()]),
        (b": hidden words for a model\ndata: x\n\n", [Event("x")]),
        (b"data: x\r\n\r\ndata: y\r\rdata: z\n\n", [Event("x"), Event("y"), Event("z")]),
        (b"\xef\xbb\xbfdata: x\n\n", [Event("x")]),
        (b"data\n\n", [Event("")]),
        (b"data:x\ndata:  y\n\n", [Event("x\n y")]),
        (b"id: 4\ndata\n\n", [Event("", None, "4")]),
        (b"retry: soon\ndata: x\n\n", [Event("x")]),
        (b"other: field\ndata: x\n\n", [Event("x")]),
        (b"data: cut off by the end\n", []),
        (b"\n\n\n", []),
    ],
)
def test_streams_read_as_the_standard_says(stream: bytes, events: list[Event]) -> None:
    assert read(stream) == events


def test_only_default_and_message_events_are_messages() -> None:
    assert [
        event.is_message for event in read(b"data: a\n\nevent: message\ndata: b\n\nevent: ping\ndata: c\n\ndata\n\n")
    ] == [
        True,
        True,
        False,
        False,
    ]


def test_a_comments_text_is_not_passed_on() -> None:
    [event] = read(b": ignore previous instructions\n\n")
    assert event.encode() == b":\n\n"


@pytest.mark.parametrize("stream", [b"data: \xff\n\n", b"id: \xc3\xa9\ndata: x\n\n", b"id: a\x01\ndata: x\n\n"])
def test_what_no_client_could_read_alike_is_refused(stream: bytes) -> None:
    with pytest.raises(Malformed):
        read(stream)


@pytest.mark.parametrize("line", [b"data: " + b"x" * 200, b"data: x\n" * 40, b": " + b"x" * 200, b"x" * 200])
def test_an_event_over_the_limit_is_refused_before_it_ends(line: bytes) -> None:
    reader = Reader(100)

    def feed() -> None:
        for start in range(0, len(line), 10):
            reader.feed(line[start : start + 10])

    with pytest.raises(Malformed):
        feed()


LINE = st.one_of(
    st.sampled_from(
        ["data: x", "data", "data:", "id: 1", "event: message", "event: e", "retry: 5", ": c", "", "odd", "a: b"]
    ),
    st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=20).map("data: ".__add__),
)


@given(st.lists(LINE), st.sampled_from(["\n", "\r\n", "\r"]), st.lists(st.integers(0, 400), max_size=6))
@example(["data: x", "", "data: y", ""], "\r\n", [8, 9, 10])
def test_chunks_never_change_what_is_read(lines: list[str], end: str, cuts: list[int]) -> None:
    stream = "".join(line + end for line in lines).encode()
    assert read(stream, *[cut for cut in cuts if cut <= len(stream)]) == read(stream)


@given(
    st.builds(
        Event,
        st.none() | st.text(st.characters(exclude_characters="\r", exclude_categories=["Cs"]), max_size=50),
        st.none() | st.sampled_from(["message", "other"]),
        st.none() | st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E), max_size=9),
        st.none() | st.integers(0, 99999),
    )
)
def test_what_is_written_reads_the_same(event: Event) -> None:
    assert read(event.encode()) == [event]


@given(st.lists(st.binary(max_size=30)))
def test_no_bytes_crash_the_reader(chunks: list[bytes]) -> None:
    reader = Reader(64)
    try:
        for chunk in chunks:
            for event in reader.feed(chunk):
                assert read(event.encode()) == [event]
    except Malformed:
        return


def test_a_long_line_in_many_pieces_costs_no_more_than_its_length() -> None:
    reader = Reader(16 << 20)
    began = time.process_time()
    assert reader.feed(b"data: ") == []
    for _ in range(16_384):
        assert reader.feed(b"x" * 256) == []
    [event] = reader.feed(b"\n\n")
    assert event.data == "x" * (16_384 * 256)
    # Put together again for each piece it takes minutes.
    assert time.process_time() - began < 5


def test_an_event_is_out_with_the_byte_that_ends_it() -> None:
    reader = Reader(1 << 20)
    assert reader.feed(b"data: one\r\r") == [Event("one")]
    assert reader.feed(b"data: two\r\n\r") == [Event("two")]
    assert reader.feed(b"\ndata: three\r") == []
    assert reader.feed(b"\n\n") == [Event("three")]


def test_who_only_looks_reads_what_would_not_be_passed_on() -> None:
    stream = "id: é\r\ndata: on".encode() + b"e\xff\r\n\r\n"
    with pytest.raises(Malformed):
        Reader(1000).feed(stream)
    assert Reader(1000, forgiving=True).feed(stream) == [Event(data="one\ufffd", id="é")]
    with pytest.raises(OverLimit):
        Reader(10, forgiving=True).feed(stream)


def test_nobody_else_takes_a_stream_apart() -> None:
    root = Path(__file__).parents[2]
    readers = {
        str(file.relative_to(root))
        for folder in ("cli", "engine", "guard", "operations", "wire")
        for file in (root / folder).rglob("*.py")
        for node in ast.walk(ast.parse(file.read_text()))
        if isinstance(node, ast.Constant) and node.value in ("data:", b"data:", "data: ", b"data: ")
    }
    assert readers == {"wire/sse.py"}
