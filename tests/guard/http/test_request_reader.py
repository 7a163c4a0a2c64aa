"""A request has one head and one target: trailers are no headers, and a target names no host but `Host`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from tests.support.guard_messages import call
from tests.support.guard_service import LEGACY, Guarded, Origin, guarded
from tests.support.raw_http import exchanged

CALL = json.dumps(call(1)).encode()


def chunked(guard: Guarded, head: dict[str, str], trailers: dict[str, str], target: str = "/mcp") -> bytes:
    """A call with a chunked body, in one write, so that trailers are there before the guard reads the headers."""
    sent = {
        "host": f"127.0.0.1:{guard.config.listen.port}",
        "content-type": "application/json",
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": LEGACY,
        "mcp-session-id": guard.session or "",
        "connection": "close",
        "transfer-encoding": "chunked",
        **head,
    }
    lines = "".join(f"{name}: {value}\r\n" for name, value in sent.items() if value)
    ending = "".join(f"{name}: {value}\r\n" for name, value in trailers.items())
    start = f"POST {target} HTTP/1.1\r\n{lines}\r\n".encode()
    return start + b"%x\r\n%s\r\n0\r\n%s\r\n" % (len(CALL), CALL, ending.encode())


@pytest.mark.parametrize(
    ("left_out", "status"), [("host", b"421"), ("mcp-session-id", b"200"), ("content-type", b"415")]
)
async def test_a_header_that_stands_in_a_trailer_is_not_there(tmp_path: Path, left_out: str, status: bytes) -> None:
    async with guarded(Origin(), tmp_path) as guard:
        await guard.initialize()
        value = {
            "host": f"127.0.0.1:{guard.config.listen.port}",
            "mcp-session-id": str(guard.session),
            "content-type": "application/json",
        }[left_out]
        answer = await exchanged(guard.config.listen.port, chunked(guard, {left_out: ""}, {left_out: value}))
        assert answer.split()[1] == status
        sent = [headers for verb, headers, body in guard.origin.seen if b"tools/call" in body]
        assert all(left_out not in headers for headers in sent if left_out == "mcp-session-id")


@pytest.mark.parametrize("name", ["host", "mcp-session-id", "origin", "authorization", "x-anything"])
async def test_a_trailer_changes_nothing(tmp_path: Path, name: str) -> None:
    async with guarded(Origin(), tmp_path) as guard:
        await guard.initialize()
        answer = await exchanged(guard.config.listen.port, chunked(guard, {}, {name: "https://evil.example"}))
        assert answer.split()[1] == b"200"
        assert b'"done"' in answer
        assert "evil.example" not in str(guard.origin.seen)


@pytest.mark.parametrize(
    ("target", "status"),
    [
        ("http://127.0.0.1:{port}/mcp", b"200"),
        ("HTTP://127.0.0.1:{port}/mcp", b"200"),
        ("http://evil.example/mcp", b"400"),
        ("http://127.0.0.1/mcp", b"400"),
        ("http://127.0.0.1:{port}@evil.example/mcp", b"400"),
        ("//evil.example/mcp", b"404"),
    ],
)
async def test_a_target_that_names_a_host_names_the_one_of_the_host_header(
    tmp_path: Path, target: str, status: bytes
) -> None:
    async with guarded(Origin(), tmp_path) as guard:
        await guard.initialize()
        port = guard.config.listen.port
        answer = await exchanged(port, chunked(guard, {}, {}, target.format(port=port)))
        assert answer.split()[1] == status
        assert len(guard.origin.calls) == (status == b"200")
        if status == b"400":
            assert guard.reasons()[-1] == ("http", "refuse", "foreign_target")
            assert str(guard.records()[-1]["incident"]).encode() in answer


async def test_an_absolute_target_without_host_is_refused(tmp_path: Path) -> None:
    async with guarded(Origin(), tmp_path) as guard:
        port = guard.config.listen.port
        answer = await exchanged(port, chunked(guard, {"host": ""}, {}, f"http://127.0.0.1:{port}/mcp"))
        assert answer.split()[1] == b"400"


@pytest.mark.parametrize(
    ("written", "instead"),
    [
        (b"transfer-encoding: chunked", b"transfer-encoding: gzip, chunked"),
        (b"transfer-encoding: chunked", b"Transfer-Encoding: chunked, chunked"),
        (b"HTTP/1.1", b"HTTP/1.0"),
        (b"HTTP/1.1", b"HTTP/2.0"),
        (b" /mcp ", b" /mcp#other "),
    ],
)
async def test_a_request_that_readers_take_in_two_ways_is_refused(
    tmp_path: Path, written: bytes, instead: bytes
) -> None:
    async with guarded(Origin(), tmp_path) as guard:
        await guard.initialize()
        request = chunked(guard, {}, {})
        assert (await exchanged(guard.config.listen.port, request)).split()[1] == b"200"
        answer = await exchanged(guard.config.listen.port, request.replace(written, instead))
        assert answer.split()[1] == b"400"
        assert len(guard.origin.calls) == 1


async def test_http_1_0_is_served_with_a_length(tmp_path: Path) -> None:
    async with guarded(Origin(), tmp_path) as guard:
        await guard.initialize()
        length = b"content-length: %d" % len(CALL)
        head, _, _ = chunked(guard, {}, {}).partition(b"\r\n\r\n")
        head = head.replace(b"transfer-encoding: chunked", length).replace(b"HTTP/1.1", b"HTTP/1.0")
        answer = await exchanged(guard.config.listen.port, head + b"\r\n\r\n" + CALL)
        assert answer.split()[1] == b"200"
