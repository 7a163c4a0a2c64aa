"""A command that answers wrongly: whoever waits for the answer is told at once, and nobody else loses anything."""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sys
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from guard.http import stdio_waiting
from guard.http.command_output import MAX_CHARACTERS, MAX_LINES, Lines
from guard.http.stdio import StdioUpstream
from guard.http.upstream import AnswerTooLarge, IdInUse, Slip, UnusableAnswer, UpstreamAnswer, UpstreamDown
from tests.support.guard_service import Origin, guarded, lock_of, tool
from tests.support.message_memory import unbounded
from tests.support.waiting import eventually

#: Writes what it is asked to: `write` holds the lines, `{id}` in them is the request's own id as JSON.
WRITER = """
import json, os, sys, time
for line in sys.stdin:
    message = json.loads(line)
    method, params = message.get("method"), message.get("params") or {}
    arguments = params.get("arguments") or {}
    if method == "initialize":
        sys.stderr.write(arguments.get("stderr", ""))
        result = {"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {"name": "w", "version": "1"}}
    elif method == "write":
        for text in params["lines"]:
            sys.stdout.buffer.write(text.replace("{id}", json.dumps(message["id"])).encode("latin-1") + b"\\r\\n")
        sys.stdout.buffer.flush()
        continue
    elif method == "long":
        sys.stdout.write('{"jsonrpc":"2.0","id":%d,"result":{"text":"' % message["id"] + "x" * 17_000_000 + '"}}\\n')
        sys.stdout.flush()
        continue
    elif method == "stderr":
        sys.stderr.write(params["text"])
        sys.stderr.flush()
        sys.exit(params["exit"])
    elif method == "ping":
        result = {}
    elif method is None:
        print(json.dumps({"jsonrpc": "2.0", "method": "notifications/message",
              "params": {"level": "info", "data": message}}), flush=True)
        continue
    elif "id" in message:
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "error": {"code": -32601, "message": "no"}}), flush=True)
        continue
    else:
        continue
    print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)
"""


class Session:
    """One legacy session with the writer."""

    def __init__(self, upstream: StdioUpstream, session: str) -> None:
        self.upstream = upstream
        self.headers = {"mcp-session-id": session}

    async def send(self, body: dict[str, Any]) -> UpstreamAnswer:
        content = json.dumps({"jsonrpc": "2.0", **body}).encode()
        return await self.upstream.send("POST", self.headers, content, owner="a")

    async def write(self, id_: int | str, *lines: str) -> Any:
        """Have these lines written in answer to a request of this id; the answer."""
        answer = await self.send({"id": id_, "method": "write", "params": {"lines": lines}})
        return json.loads(await answer.read(1 << 20, unbounded()))

    async def ping(self) -> Any:
        return json.loads(await (await self.send({"id": "p", "method": "ping"})).read(1 << 20, unbounded()))["result"]


@contextlib.asynccontextmanager
async def writer(**environment: str) -> AsyncIterator[Session]:
    upstream = StdioUpstream((sys.executable, "-c", WRITER), environment, None, silence=60)
    try:
        body = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {}}
        opened = await upstream.send("POST", {}, json.dumps(body).encode(), owner="a")
        yield Session(upstream, opened.headers["mcp-session-id"])
    finally:
        await upstream.close()


@pytest.mark.parametrize(
    ("line", "reason", "place"),
    [
        ('{"jsonrpc":"2.0","id":{id},"result":{"content":[],"mean":NaN}}', "origin_malformed", "/result/mean"),
        ('{"jsonrpc":"2.0","id":{id},"result":{"a":{"b":1,"b":2}}}', "origin_malformed", "/result/a/b"),
        ('{"jsonrpc":"2.0","id":{id},"result":{"text":"a\tb"}}', "origin_malformed", None),
        ('{"jsonrpc":"2.0","id":{id},"result":{"text":"\xff"}}', "origin_malformed", None),
        ('{"jsonrpc":"2.0","id":{id},"result":{"text":"cut off', "origin_malformed", None),
        ('{"result":{"text":cut},"jsonrpc":"2.0","id":{id}}', "origin_malformed", None),
        ('{"jsonrpc":"2.0","id":{id},"result":' + '{"a":' * 70 + "1" + "}" * 71, "origin_malformed", "/result/a/a"),
        ('[{"jsonrpc":"2.0","id":{id},"result":{}}]', "origin_malformed", None),
        ('{"jsonrpc":"2.0","id":{id},"result":7}', "origin_malformed", None),
        ('{"jsonrpc":"2.0","id":{id},"result":{},"error":{"code":1,"message":"x"}}', "origin_malformed", None),
        ('{"jsonrpc":"2.0","result":{"text":cut}}', "origin_malformed", None),
        ('{\n  "jsonrpc": "2.0",\n  "id": {id},\n  "result": {}\n}', "origin_malformed", None),
        ('{"jsonrpc":"2.0","id":0,"result":{}}', "origin_wrong_id", "/id"),
        ('{"jsonrpc":"2.0","id":"7","result":{}}', "origin_wrong_id", "/id"),
        ('{"jsonrpc":"2.0","id":null,"error":{"code":-32700,"message":"no"}}', "origin_wrong_id", "/id"),
    ],
)
async def test_an_answer_that_cannot_be_read_or_is_anothers_ends_the_wait_at_once(
    line: str, reason: str, place: str | None
) -> None:
    async with writer() as session:
        with pytest.raises(UnusableAnswer) as slip:
            await asyncio.wait_for(session.write(7, line), 30)
        assert slip.value.reason == reason
        assert place is None or place in str(slip.value)
        assert "text" not in str(slip.value)
        # The process and its session go on, and the id may be used again.
        assert await session.ping() == {}
        assert (await session.write(7, '{"jsonrpc":"2.0","id":{id},"result":{}}'))["result"] == {}


@pytest.mark.parametrize(
    "line",
    [
        "Server started on stdio {",
        '{"level":"info","msg":"listening","id":7}',
        '{"jsonrpc":"2.0","method":"notifications/message","params":{"data":NaN}}',
        '{"jsonrpc":"2.0","id":7,"method":"roots/list","params":{"x":1,"x":2}}',
        '{"jsonrpc":"2.0","method":"notifications/message","params":{bad}}',
        "",
    ],
)
async def test_what_is_no_answer_costs_no_call_its_own(line: str) -> None:
    async with writer() as session:
        assert (await session.write(7, line, '{"jsonrpc":"2.0","id":{id},"result":{"a":1}}'))["result"] == {"a": 1}


@pytest.mark.parametrize(
    ("line", "result"),
    [
        ('\xef\xbb\xbf{"jsonrpc":"2.0","id":{id},"result":{"text":"x"},"error":null}', {"text": "x"}),
        ('{"jsonrpc":"2.0","id":{id},"result":{"text":"tools \\ud83d"}}', {"text": "tools \ufffd"}),
        ('{"jsonrpc":"2.0","id":{id},"result":null}', {}),
    ],
)
async def test_what_has_one_meaning_is_an_answer(line: str, result: Any) -> None:
    async with writer() as session:
        assert (await session.write(7, line))["result"] == result


async def test_a_lost_answer_ends_the_last_wait_that_it_can_be_for() -> None:
    """With two calls under way nobody knows whose answer it was, until the one of them has its own."""
    async with writer() as session:
        first = asyncio.ensure_future(session.write(1))
        await asyncio.sleep(0)
        second = asyncio.ensure_future(session.write(2, '{"jsonrpc":"2.0","id":99,"result":{}}'))
        await asyncio.sleep(0)
        assert await session.ping() == {}  # written after both: the command has read them
        assert not first.done()
        assert not second.done()
        third = asyncio.ensure_future(session.write(3, '{"jsonrpc":"2.0","id":1,"result":{"mine":1}}'))
        assert (await asyncio.wait_for(first, 30))["result"] == {"mine": 1}
        with pytest.raises(UnusableAnswer):
            await asyncio.wait_for(second, 30)
        # The third began after the loss, so nothing of it was lost.
        assert await session.ping() == {}
        assert not third.done()
        third.cancel()


async def test_the_answer_to_a_call_that_nobody_awaits_any_more_costs_no_other_one() -> None:
    async with writer() as session:
        left = asyncio.ensure_future(session.write(1))
        assert await session.ping() == {}
        left.cancel()
        await asyncio.wait((left,))
        lines = ('{"jsonrpc":"2.0","id":1,"result":{}}', '{"jsonrpc":"2.0","id":{id},"result":{"a":1}}')
        assert (await session.write(2, *lines))["result"] == {"a": 1}


async def test_a_line_over_the_limit_is_an_answer_too_large_and_no_end_of_the_session() -> None:
    async with writer() as session:
        with pytest.raises(AnswerTooLarge):
            await asyncio.wait_for(session.send({"id": 5, "method": "long"}), 60)
        assert await session.ping() == {}


async def test_an_id_in_use_is_refused_and_the_first_request_goes_on() -> None:
    async with writer() as session:
        first = asyncio.ensure_future(session.write(1))
        assert await session.ping() == {}
        with pytest.raises(IdInUse) as refused:
            await session.write(1)
        assert isinstance(refused.value, Slip)
        assert refused.value.sent is False
        second = asyncio.ensure_future(session.write(2, '{"jsonrpc":"2.0","id":1,"result":{"a":1}}'))
        assert (await asyncio.wait_for(first, 30))["result"] == {"a": 1}
        second.cancel()


QUESTION = '{"jsonrpc":"2.0","id":"q%d","method":"roots/list"}'
DONE = '{"jsonrpc":"2.0","id":{id},"result":{}}'


async def test_a_question_before_the_clients_stream_is_open_waits_for_it_in_order() -> None:
    async with writer() as session:
        await session.write(1, DONE, QUESTION % 1, QUESTION % 2)
        stream = await session.upstream.send("GET", session.headers, None, owner="a")
        chunks = stream.chunks()
        assert b'"q1"' in await asyncio.wait_for(anext(chunks), 30)
        stream.close()
        # What the client did not read goes to its next stream.
        again = (await session.upstream.send("GET", session.headers, None, owner="a")).chunks()
        assert b'"q2"' in await asyncio.wait_for(anext(again), 30)


async def test_a_question_that_nobody_was_there_for_goes_to_the_next_call() -> None:
    async with writer() as session:
        await session.write(1, DONE, QUESTION % 1)
        answer = await session.send({"id": 2, "method": "ping"})
        assert answer.media_type == "text/event-stream"
        events = (await answer.read(1 << 20, unbounded())).decode()
        assert events.index('"q1"') < events.index('"result"')


async def test_a_question_that_nobody_comes_for_is_answered_with_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    """The writer sends what it is answered back as a notification."""
    monkeypatch.setattr(stdio_waiting, "HELD_SECONDS", 0.05)
    monkeypatch.setattr(stdio_waiting, "MAX_HELD", 2)
    async with writer() as session:
        await session.write(1, DONE, QUESTION % 1, QUESTION % 2, QUESTION % 3)
        stream = (await session.upstream.send("GET", session.headers, None, owner="a")).chunks()
        told = [json.loads((await asyncio.wait_for(anext(stream), 30)).decode().partition("data: ")[2]) for _ in "12"]
        answers = [message["params"]["data"] for message in told if message.get("method") == "notifications/message"]
        assert all(answer["error"]["message"] == "No client listens." for answer in answers)


async def test_the_last_lines_of_stderr_are_in_the_log_without_secrets(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "ringwall.guard.stdio")
    lines = [f"line {number}" for number in range(MAX_LINES)]
    text = "\n".join(
        ("Traceback:", *lines, "key hunter2-hunter2", "url https://ada:pw@db/x", "hid\u200bden", "x" * 5000, "last")
    )
    async with writer(API_KEY="hunter2-hunter2") as session:
        with pytest.raises(UpstreamDown) as ended:
            await session.send({"id": 1, "method": "stderr", "params": {"text": text, "exit": 3}})
        assert "hunter2" not in str(ended.value)
        await eventually(lambda: "exit code 3" in caplog.text, "the log of the end")
    assert "Traceback:" not in caplog.text
    assert "key [secret]" in caplog.text
    assert "ada:pw" not in caplog.text
    assert "hid<U+200B>den" in caplog.text
    assert "x" * (MAX_CHARACTERS + 1) not in caplog.text
    assert caplog.text.rstrip().endswith("last")


async def test_a_command_that_fails_at_its_start_says_why_in_the_log(caplog: pytest.LogCaptureFixture) -> None:
    script = "import sys; sys.stderr.write('AttributeError: no list_resources\\n'); sys.exit(1)"
    upstream = StdioUpstream((sys.executable, "-c", script), {}, None)
    body = json.dumps({"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {}}).encode()
    try:
        with pytest.raises(UpstreamDown):
            await upstream.send("POST", {}, body, owner="a")
    finally:
        await upstream.close()
    assert "AttributeError: no list_resources" in caplog.text


async def test_much_on_stderr_does_not_stop_a_command() -> None:
    script = WRITER.replace("result = {}", "sys.stderr.write('noise' * 1_000_000); result = {}", 1)
    upstream = StdioUpstream((sys.executable, "-c", script), {}, None, silence=60)
    try:
        body = {"jsonrpc": "2.0", "id": 0, "method": "initialize", "params": {}}
        opened = await upstream.send("POST", {}, json.dumps(body).encode(), owner="a")
        assert await Session(upstream, opened.headers["mcp-session-id"]).ping() == {}
    finally:
        await upstream.close()


def test_a_line_is_bounded_and_the_next_is_whole() -> None:
    lines = Lines(5)
    got = [line for chunk in (b"ab", b"c\nlonger", b" than", b"\n", b"x\n\nye", b"s") for line in lines.feed(chunk)]
    assert got == [b"abc", None, b"x", b""]
    assert lines.flush() == b"yes"


async def test_the_caller_is_told_the_kind_of_the_slip_and_the_log_the_place(tmp_path: Path) -> None:
    line = '{"jsonrpc":"2.0","id":{id},"result":{"content":[],"structuredContent":{"mean":NaN}}}'
    listed = f'result = {{"tools": [json.loads({json.dumps(json.dumps(tool("search")))})]}}'
    script = (
        WRITER.replace('method == "write":', f'method == "tools/call":\n        params["lines"] = [{line!r}]')
        .replace(
            'elif method == "ping":', f'elif method == "tools/list":\n        {listed}\n    elif method == "ping":'
        )
        .replace('"capabilities": {}', '"capabilities": {"tools": {}}')
    )
    origin = {"command": [sys.executable, "-c", script]}
    lock = lock_of([tool("search")])
    async with guarded(Origin(), tmp_path, origin=origin, tool_lock=lock) as guard:
        await guard.initialize()
        for _ in range(6):  # more than open the breaker
            refusal = (await asyncio.wait_for(guard.call("search"), 60))["error"]
        assert refusal["code"] == -31004
        assert refusal["data"]["reason"] == "origin_malformed"
        assert not guard.service.runtime.origin.is_open
        record = guard.records()[-1]
        assert record["reason"] == "origin_malformed"
        assert record["problem"] == "NaN and Infinity are not JSON (at /result/structuredContent/mean)"
        assert refusal["message"].endswith(f"Incident {record['incident']}.")
