"""Two workers behind one port: the same guard to every client, whichever of them it reaches."""

from __future__ import annotations

import asyncio
import contextlib
import os
import signal
from collections import Counter
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import uvicorn
from mcp import Client
from mcp.server.mcpserver import Context, MCPServer
from mcp_types import ElicitResult
from pydantic import BaseModel
from starlette.responses import JSONResponse, Response

from guard.listening import _Server
from model.guard_config import GuardConfig
from tests.support.command_line import ringwall
from tests.support.guard_messages import ATTACK, TOXIC, result
from tests.support.guard_process import Upstream, config_of
from tests.support.guard_process import lock_of as lock_by_asking
from tests.support.guard_service import ME, Origin, config_for, lock_of, serving, tool
from tests.support.guard_workers import WorkingGuard, guard_workers
from tests.support.ports import free_port
from tests.support.waiting import eventually

#: Connections after which a rule that holds at one worker alone would have shown: all of them at one is 2 ** -15.
MANY = 16
#: Calls in flight at once.
PLACES = 24
RESULTS = 'ringwall_guard_tool_decisions_total{decision="allow",leg="results",tool="search"}'


def wide(origin: Origin, folder: Path, **changes: Any) -> GuardConfig:
    """A configuration under which as many calls are in flight as these tests make."""
    return config_for(origin, folder, limits={"concurrency": PLACES, **changes.pop("limits", {})}, **changes)


def numbered_sessions(origin: Origin) -> None:
    """Have the server give each session an id of its own."""
    numbers = iter(range(10_000))

    def initialized(message: dict[str, Any]) -> Response:
        body = {"jsonrpc": "2.0", "id": message["id"], "result": origin._default("initialize", message)}
        return JSONResponse(body, headers={"mcp-session-id": f"s-{next(numbers)}"})

    origin.replies["initialize"] = initialized


@dataclass
class Pair:
    """A guard with two workers and its server, which tests share that leave them as they were."""

    guard: WorkingGuard
    origin: Origin


@pytest.fixture(scope="module")
async def pair(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Pair]:
    """A server whose tool `search` brings an attack when asked for one, and whose tool `post` sends data out."""
    folder = tmp_path_factory.mktemp("pair")
    origin = Origin(tools=[tool("search"), tool("post")])
    numbered_sessions(origin)
    asking = {"legs": {"results": "flag"}, "taint": {"outbound_call": "ask"}}
    async with serving(origin):
        config = wide(origin, folder, tool_lock=lock_of(origin.tools, decided=TOXIC), guard=asking)
        async with guard_workers(folder, config) as guard:
            yield Pair(guard, origin)


@pytest.fixture
async def shared(pair: Pair) -> Pair:
    """The pair, whose server answers plainly and has seen nothing."""
    pair.origin.replies.pop("tools/call", None)
    pair.origin.seen.clear()
    return pair


async def sessions_of_both(guard: WorkingGuard) -> dict[str, str]:
    """A session of each worker, by the number in its id."""
    sessions: dict[str, str] = {}
    while len(sessions) < 2:
        session = await guard.initialize({"elicitation": {}})
        sessions[session.partition(".")[0]] = session
    return sessions


async def test_calls_of_the_stateless_era_spread_over_all_workers(shared: Pair) -> None:
    guard, origin = shared.guard, shared.origin
    assert await asyncio.gather(*(guard.call("search", text="x") for _ in range(MANY))) == [result("done")] * MANY
    lines = await guard.metrics()
    assert f"{RESULTS} {MANY}.0" in lines, "what each counted, in one sum"
    assert "ringwall_guard_ready 1.0" in lines
    assert "ringwall_guard_workers 2.0" in lines
    passed = [sum(record["leg"] == "results" for record in guard.records(worker)) for worker in (1, 2)]
    assert sum(passed) == MANY
    assert all(passed)
    assert len(origin.calls) == MANY


async def test_a_session_is_served_through_either_worker_by_the_one_that_has_it(shared: Pair) -> None:
    guard, origin = shared.guard, shared.origin
    for number, session in (await sessions_of_both(guard)).items():
        worker = int(number.removeprefix("w"))
        before = len(guard.records(worker))
        answers = await asyncio.gather(
            *(guard.in_session(session, "tools/call", name="search", arguments={"text": "x"}) for _ in range(MANY))
        )
        assert {answer.status_code for answer in answers} == {200}
        assert len(guard.records(worker)) == before + 2 * MANY
        # The server's own id reaches the server, and another worker's number opens nothing.
        assert origin.seen[-1][1]["mcp-session-id"] == session.partition(".")[2]
        foreign = f"w{3 - worker}.{session.partition('.')[2]}"
        ends = [(await guard.in_session(foreign, "ping")).status_code for _ in range(4)]
        assert ends == [404] * 4
    for unknown in ("w3.s-0", "w0.s-0", "s-0", "w99.s-0"):
        assert (await guard.in_session(unknown, "ping")).status_code == 404


async def test_what_is_refused_by_one_process_is_refused_before_it_is_handed_over(shared: Pair) -> None:
    guard, origin = shared.guard, shared.origin
    ping = {"jsonrpc": "2.0", "id": 1, "method": "ping", "params": {}}
    for session in (await sessions_of_both(guard)).values():
        sent = {"mcp-session-id": session, "mcp-protocol-version": "2025-11-25"}
        for _ in range(4):
            assert (await guard.post(ping, {**sent, "upgrade": "h2c", "connection": "upgrade"})).status_code == 400
            assert (await guard.post(ping, {**sent, "host": "evil.example"})).status_code == 421
            twice = [*sent.items(), ("mcp-session-id", session), ("content-type", "application/json")]
            assert (await guard.client.post(guard.url, json=ping, headers=twice)).status_code == 400
    assert not [call for call in origin.calls if call["method"] == "ping"]


async def test_a_limit_is_a_limit_of_all_workers_together(tmp_path: Path) -> None:
    origin = Origin()
    async with serving(origin):
        config = wide(origin, tmp_path, limits={"requests_per_hour": MANY})
        async with guard_workers(tmp_path, config) as guard:
            answers = [await guard.call("search", text="x") for _ in range(2 * MANY)]
            assert Counter(answer == result("done") for answer in answers) == {True: MANY, False: MANY}
            assert len(origin.calls) == MANY
            refused = [
                record for worker in (1, 2) for record in guard.records(worker) if record["decision"] == "refuse"
            ]
            assert {record["limit"]["limit"] for record in refused} == {"limits.requests_per_hour"}
    _verify_and_show(guard)


async def test_a_place_among_the_calls_in_flight_is_one_of_all_workers(shared: Pair) -> None:
    guard, origin, going = shared.guard, shared.origin, asyncio.Event()

    async def slow(_: Any) -> dict[str, Any]:
        await going.wait()
        return result("done")

    origin.replies["tools/call"] = slow
    calls = [asyncio.ensure_future(guard.call("search", text="x")) for _ in range(PLACES + MANY)]
    await eventually(lambda: sum(call.done() for call in calls) == MANY, "those that find no place are refused")
    going.set()
    answers = await asyncio.gather(*calls)
    assert Counter(answer == result("done") for answer in answers) == {True: PLACES, False: MANY}
    assert await guard.call("search", text="x") == result("done")


async def test_taint_met_at_one_worker_counts_at_the_other_and_a_consent_once(shared: Pair) -> None:
    guard, origin = shared.guard, shared.origin
    origin.replies["tools/call"] = lambda message: result(ATTACK if message["params"]["name"] == "search" else "sent")
    assert await guard.call("post", text="hi") == result("sent")
    await guard.call("search", text="x")

    def asked_at(worker: int) -> bool:
        return any(record["reason"] == "taint_asked" for record in guard.records(worker))

    number = 0
    # Which worker takes a connection is the kernel's choice.
    while number < 8 or not (asked_at(1) and asked_at(2)):
        number += 1
        asked = await guard.call("post", text=str(number))
        assert asked["resultType"] == "input_required"
        [key] = asked["inputRequests"]
        repeated = {
            "name": "post",
            "arguments": {"text": str(number)},
            "requestState": asked["requestState"],
            "inputResponses": {key: {"action": "accept", "content": {"confirm": True}}},
        }
        answers = [
            answer.json()["result"]
            for answer in await asyncio.gather(*(guard.modern("tools/call", repeated) for _ in range(4)))
        ]
        assert [answer for answer in answers if answer == result("sent")] == [result("sent")]
    assert len(origin.calls) == 2 + number


async def test_a_state_of_the_stateless_era_is_known_to_every_worker(shared: Pair) -> None:
    guard, origin = shared.guard, shared.origin
    needed = {"resultType": "input_required", "inputRequests": {}, "requestState": "opaque"}
    origin.replies["tools/call"] = lambda message: result("done") if "requestState" in message["params"] else needed
    params = {"name": "search", "arguments": {"text": "x"}, "inputResponses": {}}
    refused = await guard.modern("tools/call", {**params, "requestState": "opaque"})
    assert refused.json()["error"]["message"].startswith("Unknown requestState")
    assert (await guard.call("search", text="x"))["requestState"] == "opaque"
    for _ in range(MANY):
        answer = await guard.modern("tools/call", {**params, "requestState": "opaque"})
        assert answer.json()["result"] == result("done")


async def test_a_new_deny_list_is_in_force_at_every_worker(tmp_path: Path) -> None:
    origin = Origin()
    numbered_sessions(origin)
    async with serving(origin), guard_workers(tmp_path, wide(origin, tmp_path)) as guard:
        sessions = await sessions_of_both(guard)
        guard.write(2, denied=(ME,))
        state = await eventually(lambda: _denying(guard), "it is in force")
        assert state["ready"]
        assert state["bundle"]["sequence"] == 2
        statuses = {
            (await guard.modern("tools/call", {"name": "search", "arguments": {}})).status_code for _ in range(MANY)
        }
        assert statuses == {403}
        assert {(await guard.in_session(session, "ping")).status_code for session in sessions.values()} == {403}
        for worker in (1, 2):
            assert [record for record in guard.records(worker) if record["reason"] == "denied"]
            assert guard.records(worker, "config")[-1]["details"]["denied"] == [ME]
        pids = await guard.pids()
        os.kill(pids[1], signal.SIGKILL)
        await eventually(lambda: _serves_anew(guard, 1, pids[1]), "another serves in its place")
        statuses = {
            (await guard.modern("tools/call", {"name": "search", "arguments": {}})).status_code for _ in range(MANY)
        }
        assert statuses == {403}, "one that begins later begins with the bundle in force"
        guard.write(3, origin=guard.config.origin.model_copy(update={"url": None, "command": ("true",)}))
        await eventually(lambda: "is a command" in guard.said, "a bundle that workers cannot serve is refused")
        assert (await guard.ready())["bundle"]["sequence"] == 2


async def _denying(guard: WorkingGuard) -> dict[str, Any] | None:
    state = await guard.ready()
    return state if state.get("denied") == [ME] and state["bundle"]["sequence"] == 2 else None


async def _serves_anew(guard: WorkingGuard, worker: int, before: int) -> bool:
    state = await guard.ready()
    return bool(state["ready"]) and state["workers"][worker - 1]["pid"] != before


async def test_a_killed_worker_is_replaced_and_no_call_is_carried_out_twice(tmp_path: Path) -> None:
    origin, going = Origin(), asyncio.Event()
    numbered_sessions(origin)

    async def slow(message: Any) -> dict[str, Any]:
        if message["params"]["arguments"]["text"] == "slow":
            await going.wait()
        return result("done")

    origin.replies["tools/call"] = slow
    async with serving(origin), guard_workers(tmp_path, wide(origin, tmp_path)) as guard:
        sessions, pids = await sessions_of_both(guard), await guard.pids()
        calls = [
            asyncio.ensure_future(
                guard.in_session(sessions["w2"], "tools/call", name="search", arguments={"text": "slow"})
            )
            for _ in range(MANY)
        ]
        await eventually(lambda: len(origin.calls) == MANY, "they are under way")
        os.kill(pids[2], signal.SIGKILL)
        ends = await asyncio.gather(*calls, return_exceptions=True)
        # Those that reached worker 2 itself lost their connection, those that worker 1 had handed over are told.
        handed = [end for end in ends if isinstance(end, httpx.Response)]
        assert all(isinstance(end, httpx.Response | httpx.TransportError) for end in ends)
        assert handed
        assert {end.status_code for end in handed} == {503}
        assert {end.json()["error"]["code"] for end in handed} == {-31006}
        going.set()
        await eventually(lambda: _serves_anew(guard, 2, pids[2]), "another serves in its place")
        assert len(origin.calls) == MANY
        assert "worker 2 ended by signal 9, and another takes its place" in guard.said
        assert "ringwall_guard_workers_lost_total 1.0" in await guard.metrics()
        # Its sessions are over, so that clients begin anew; the other worker's go on.
        assert {(await guard.in_session(sessions["w2"], "ping")).status_code for _ in range(4)} == {404}
        assert {(await guard.in_session(sessions["w1"], "ping")).status_code for _ in range(4)} == {200}
        assert [record["reason"] for record in guard.records(1) if record["reason"] == "worker_lost"]
        pids = await guard.pids()
        guard.process.kill()
        await eventually(
            lambda: not any(map(_runs, pids.values())),
            "workers end without their supervisor, as nobody would replace them",
        )


def _runs(pid: int) -> bool:
    """Whether a process runs; one that ended and waits for its parent does not (Linux)."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


def _verify_and_show(guard: WorkingGuard) -> None:
    """The logs of all workers are verified and shown together, and a log that was changed or removed is found."""
    log, second = guard.log(1), guard.log(2)
    arguments = ("audit", "verify", str(log), "--public-key", str(guard.folder / "state" / "audit.key.pub"), "--json")
    report = ringwall(*arguments).json
    assert report["ok"]
    assert report["server"] == "dev.raw"
    assert report["signatures_checked"]
    assert [(one["ok"], one["server"]) for one in report["workers"]] == [(True, "dev.raw/worker2")]
    shown = ringwall("audit", "show", str(log), "--limit", "1000", "--json").json["records"]
    results = [record for record in shown if record.get("leg") == "results"]
    assert len(results) == MANY
    assert {record["server"] for record in results} == {"dev.raw", "dev.raw/worker2"}
    assert [record["time"] for record in shown] == sorted(record["time"] for record in shown)
    tail = ringwall("audit", "tail", str(log), "-n", "3", "--all", "--json").json["records"]
    assert [record["hash"] for record in tail] == [record["hash"] for record in shown[-3:]]
    assert ringwall("audit", "verify", str(second), "--json").json["server"] == "dev.raw/worker2"

    text = second.read_text()
    second.write_text(text.replace('"principal":"', '"principal":"x', 1))
    broken = ringwall(*arguments)
    [report] = broken.json["workers"]
    assert broken.code == 3
    assert not broken.json["ok"]
    assert report["broken"]["file"] == str(second)
    second.unlink()
    gone = ringwall(*arguments)
    [report] = gone.json["workers"]
    assert gone.code == 3
    assert "is missing" in report["broken"]["problem"]


@contextlib.asynccontextmanager
async def sdk_server(server: MCPServer[None]) -> AsyncIterator[Upstream]:
    """A server made with the official SDK, on a port of its own."""
    serving = _Server(
        uvicorn.Config(server.streamable_http_app(), host="127.0.0.1", port=0, log_config=None, lifespan="on")
    )
    running = asyncio.get_running_loop().create_task(serving.serve())
    await eventually(lambda: serving.started, "the server listens")
    try:
        yield Upstream(url=f"http://127.0.0.1:{serving.servers[0].sockets[0].getsockname()[1]}/mcp")
    finally:
        serving.should_exit = serving.force_exit = True
        await running


class Confirmed(BaseModel):
    """What the person is asked for."""

    sure: bool


async def test_questions_of_a_server_reach_the_person_and_their_answers_the_server(tmp_path: Path) -> None:
    """An answer is a request of its own, which the kernel gives to either worker."""
    server: MCPServer[None] = MCPServer("desk", log_level="ERROR")

    @server.tool()
    async def remove(name: str, context: Context[Any, Any]) -> str:
        """Remove a file once the person says so."""
        await context.report_progress(1, 2)
        answer = await context.elicit(f"Remove {name}?", Confirmed)
        return f"{name}: {answer.action}"

    async def confirm(context: Any, params: Any) -> ElicitResult:
        return ElicitResult(action="accept", content={"sure": True})

    async with sdk_server(server) as upstream:
        lock = await asyncio.to_thread(lock_by_asking, upstream)
        config = GuardConfig.model_validate(config_of(upstream, lock, tmp_path, free_port(), free_port()))
        async with guard_workers(tmp_path, config) as guard:

            async def removed(number: int) -> tuple[str, list[float]]:
                seen: list[float] = []

                async def note(progress: float, total: float | None, message: str | None) -> None:
                    seen.append(progress)

                async with Client(guard.url, mode="legacy", elicitation_callback=confirm) as client:
                    answer: Any = await client.call_tool("remove", {"name": str(number)}, progress_callback=note)
                    return answer.content[0].text, seen

            async def spread() -> bool:
                answers = await asyncio.gather(*(removed(number) for number in range(6)))
                assert answers == [(f"{number}: accept", [1.0]) for number in range(6)]
                return all(guard.records(worker) for worker in (1, 2))

            # Which worker a session begins at is the kernel's choice, which may be the same one six times.
            await eventually(spread, "sessions began at both workers")
