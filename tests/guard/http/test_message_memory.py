"""A guard that many callers read much through stays within the memory that messages may take, and refuses nobody else."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import httpx
import pytest
from starlette.responses import Response

from components.gateway.names import REMAINING_HEADER
from guard.http.stdio import StdioUpstream
from guard.memory import MessageMemory
from model.tool_lock import ToolLock
from tests.guard.http.test_bounded_writer import idle_client
from tests.guard.test_verified_road import AUDIENCE, HOST
from tests.support.guard_messages import call, result
from tests.support.guard_process import GuardProcess, Upstream, guard
from tests.support.guard_service import LEGACY, Origin, guarded, lock_of, serving, sse, tool
from tests.support.issued_tokens import PERSON
from tests.support.loopback_http import NO_AUTHORITIES
from tests.support.token_issuer import TokenIssuer
from tests.support.waiting import eventually

LARGE = 4 * 2**20
CALLERS = 24
MEBIBYTES = 96


def answer(size: int, text: bytes = b"some words of prose, ") -> bytes:
    """The answer to the call of id 1, made once."""
    filled = text * (size // len(text))
    return b'{"jsonrpc":"2.0","id":1,"result":{"content":[{"type":"text","text":"' + filled + b'"}]}}'


def peak(running: GuardProcess) -> int:
    """The most that the process ever had in memory, in bytes."""
    lines = Path(f"/proc/{running.process.pid}/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="the peak is read from /proc")
async def test_the_answers_of_many_callers_stay_within_the_bound_and_others_are_served(tmp_path: Path) -> None:
    large = answer(LARGE)
    origin = Origin(
        replies={
            "tools/call": lambda message: (
                Response(large, media_type="application/json")
                if message["params"]["name"] == "search"
                else result("done")
            )
        }
    )
    with TokenIssuer() as issuer:
        access = {
            "issuer": issuer.url,
            "jwks_uri": issuer.jwks_uri,
            "front_doors": [{"hostname": HOST, "audience": AUDIENCE}],
        }

        def headers(name: str) -> dict[str, str]:
            claims = PERSON.claims(issuer.url, AUDIENCE, sub=name, email=f"{name}@example.com")
            return {
                "host": HOST,
                "cf-access-jwt-assertion": issuer.sign(claims),
                "accept": "application/json, text/event-stream",
                "mcp-protocol-version": LEGACY,
                REMAINING_HEADER: "1000000000",
            }

        async with serving(origin):
            upstream = Upstream(url=f"http://127.0.0.1:{origin.port}/mcp")
            lock = ToolLock.model_validate(lock_of(origin.tools))
            starting = guard(
                upstream,
                tmp_path,
                lock=lock,
                identity={"access": access},
                arguments=("--memory", str(MEBIBYTES)),
            )
            running = await asyncio.to_thread(starting.__enter__)
            try:
                async with httpx.AsyncClient(timeout=300, trust_env=False, verify=NO_AUTHORITIES) as client:

                    async def ask(name: str, tool_name: str) -> Any:
                        body = call(1, tool_name)
                        return (await client.post(running.url, json=body, headers=headers(name))).json()

                    assert (await ask("ben", "delete"))["result"]["content"][0]["text"] == "done"
                    before = peak(running)
                    crowd = [asyncio.ensure_future(ask("ada", "search")) for _ in range(CALLERS)]
                    while not all(one.done() for one in crowd):
                        assert (await ask("ben", "delete"))["result"]["content"][0]["text"] == "done"
                    sizes = [len(one.result()["result"]["content"][0]["text"]) for one in crowd]
                    assert any(size > LARGE // 2 for size in sizes)
                    assert peak(running) - before < MEBIBYTES * 2**20
            finally:
                await asyncio.to_thread(starting.__exit__, None, None, None)


def little(patience: float = 60.0) -> MessageMemory:
    """Room for no more than some hundred thousand bytes of prose."""
    return MessageMemory(4 << 20, patience=patience)


async def test_an_answer_that_there_is_no_memory_for_is_withheld_and_was_executed(tmp_path: Path) -> None:
    large = answer(2 << 20)
    origin = Origin(replies={"tools/call": lambda message: Response(large, media_type="application/json")})
    async with guarded(origin, tmp_path, memory=little()) as guard:
        shown = (await guard.post(call(1))).json()["result"]
        assert shown["isError"]
        assert "was executed; its result is withheld" in shown["content"][0]["text"]
        assert guard.reasons()[-1] == ("tools/call", "block", "memory_used_up")
        metrics = guard.service.runtime.metrics.text().decode()
        assert 'decisions_total{decision="block",leg="results",reason="memory_used_up"} 1.0' in metrics
        assert guard.service.runtime.memory.used == 0


async def test_so_is_an_event_of_a_stream(tmp_path: Path) -> None:
    large = answer(2 << 20).decode()
    origin = Origin(replies={"tools/call": lambda message: sse(f"data: {large}\n\n")})
    async with guarded(origin, tmp_path, memory=little()) as guard:
        assert "was executed; its result is withheld" in (await guard.post(call(1))).text
        assert guard.reasons()[-1] == ("tools/call", "block", "memory_used_up")
        assert guard.service.runtime.memory.used == 0


async def test_a_request_that_there_is_no_memory_for_reaches_no_server(tmp_path: Path) -> None:
    async with guarded(Origin(), tmp_path, memory=little(patience=0.05)) as guard:
        memory = guard.service.runtime.memory
        rooms = [memory.room(f"person:{number}") for number in range(5)]
        for room in rooms:
            await memory.take(room, 500_000)
        refused = await guard.post(call(1, text="y" * 60_000))
        assert refused.status_code == 429
        assert refused.headers["retry-after"] == "1"
        assert "Nothing was executed" in refused.text
        assert guard.reasons()[-1] == ("http", "refuse", "memory_used_up")
        assert guard.origin.calls == []
        assert (await guard.post(call(1, text="y"))).status_code == 200
        for room in rooms:
            room.release()
        assert (await guard.post(call(1, text="y" * 60_000))).status_code == 200
        assert memory.used == 0


async def test_a_request_that_takes_more_than_there_is_for_one_is_too_large(tmp_path: Path) -> None:
    async with guarded(Origin(), tmp_path, memory=little()) as guard:
        refused = await guard.post(call(1, text=[{}] * 30_000))
        assert refused.status_code == 413
        assert guard.reasons()[-1] == ("http", "refuse", "memory_used_up")


async def test_an_answer_is_counted_until_its_client_has_taken_it(tmp_path: Path) -> None:
    large = answer(12 << 20, b"some words ")
    origin = Origin(replies={"tools/call": lambda message: Response(large, media_type="application/json")})
    async with guarded(origin, tmp_path, memory=MessageMemory(256 << 20)) as guard:
        memory = guard.service.runtime.memory
        await guard.initialize()
        async with idle_client(guard, "POST", json.dumps(call(1)).encode()) as client:
            decided = ("tools/call", "allow", "allow")
            await eventually(lambda: guard.reasons().count(decided) == 2, "the call and its answer are decided")
            assert memory.used > 6 * len(large)
            loop, read = asyncio.get_running_loop(), 0
            while read < len(large):
                read += len(await loop.sock_recv(client, 1 << 16))
            await eventually(lambda: memory.used == 0, "it is given back once it was read")


WRITER = """
import json, sys
for line in sys.stdin:
    message = json.loads(line)
    method = message.get("method")
    if method == "initialize":
        result = {"protocolVersion": "2025-11-25", "capabilities": {}, "serverInfo": {"name": "w", "version": "1"}}
    elif method == "tools/list":
        result = {"tools": TOOLS}
    elif "id" in message:
        size = 2_000_000 if message["params"]["name"] == "search" else 100_000
        result = {"content": [{"type": "text", "text": "y " * (size // 2)}]}
    else:
        continue
    print(json.dumps({"jsonrpc": "2.0", "id": message["id"], "result": result}), flush=True)
"""


async def test_a_line_of_a_command_that_there_is_no_memory_for_ends_its_own_call_alone(tmp_path: Path) -> None:
    script = WRITER.replace("TOOLS", json.dumps([tool("search"), tool("delete")]))
    memory = little()
    async with guarded(Origin(), tmp_path, memory=memory) as guard:
        await guard.service.runtime.upstream.close()
        command = StdioUpstream((sys.executable, "-c", script), {}, None, rooms=guard.service.runtime.room)
        guard.service.runtime.upstream = command
        guard.service.runtime.watch.aim(command)
        await guard.initialize()
        assert "its result is withheld" in (await guard.call("search"))["result"]["content"][0]["text"]
        assert guard.reasons()[-1] == ("tools/call", "block", "memory_used_up")
        shown = await guard.call("delete")
        assert len(shown["result"]["content"][0]["text"]) == 100_000
        await eventually(lambda: memory.used == 0, "nothing is held any more")


async def test_the_guards_own_reading_of_lists_is_counted_and_given_back(tmp_path: Path) -> None:
    tools = [tool(f"tool-{number}", "words " * 40) for number in range(400)]
    async with guarded(Origin(tools=tools), tmp_path, memory=MessageMemory(64 << 10, patience=0.05)) as guard:
        await guard.service.runtime.watch.reached()
        assert "memory" in (guard.service.runtime.watch.problem or "")
    async with guarded(Origin(tools=tools), tmp_path / "b", memory=MessageMemory(64 << 20)) as guard:
        assert await guard.service.runtime.watch.reached()
        assert guard.service.runtime.memory.used == 0
