"""How a guard with workers begins, and how it ends: as one process would."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.guard.workers.test_workers import numbered_sessions, sessions_of_both, wide
from tests.support.command_line import ringwall
from tests.support.guard_messages import result
from tests.support.guard_process import COMMAND
from tests.support.guard_service import Origin, config_for, serving
from tests.support.guard_workers import guard_workers
from tests.support.ports import free_port
from tests.support.waiting import eventually


def to_all(process: subprocess.Popen[bytes]) -> None:
    """Ctrl-C in a terminal."""
    os.killpg(process.pid, signal.SIGINT)


def to_the_service(process: subprocess.Popen[bytes]) -> None:
    """`systemctl stop`, which sends to each process of the unit (systemd.kill(5), KillMode=control-group)."""
    os.killpg(process.pid, signal.SIGTERM)


@pytest.mark.parametrize("stop", [to_all, to_the_service])
async def test_calls_under_way_at_every_worker_end_before_the_guard_does(
    tmp_path: Path, stop: Callable[[subprocess.Popen[bytes]], None]
) -> None:
    origin, going = Origin(), asyncio.Event()
    numbered_sessions(origin)

    async def slow(_: Any) -> dict[str, Any]:
        await going.wait()
        return result("done")

    origin.replies["tools/call"] = slow
    async with serving(origin), guard_workers(tmp_path, wide(origin, tmp_path)) as guard:
        sessions = (await sessions_of_both(guard)).values()
        calls = [
            *(asyncio.ensure_future(guard.call("search", text="x")) for _ in range(8)),
            *(
                asyncio.ensure_future(guard.in_session(session, "tools/call", name="search", arguments={"text": "x"}))
                for session in sessions
                for _ in range(4)
            ),
        ]
        await eventually(lambda: len(origin.calls) == 16, "they are under way")
        pids = [guard.process.pid, *(await guard.pids()).values()]
        stop(guard.process)
        await eventually(lambda: _draining(guard.config.listen.port), "nothing new is taken")
        going.set()
        answers = await asyncio.gather(*calls)
        assert answers[:8] == [result("done")] * 8
        assert [answer.json()["result"] for answer in answers[8:]] == [result("done")] * 8
        assert await asyncio.to_thread(guard.process.wait, 30) == 0
        assert not [pid for pid in pids if Path(f"/proc/{pid}").exists()], "nobody is left behind"
        for worker in (1, 2):
            last = json.loads(guard.log(worker).read_text().splitlines()[-2])
            assert last["kind"] == "close"
        assert "Traceback" not in guard.said


async def _draining(port: int) -> bool:
    """Whether the guard's health is that of one that ends."""
    try:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
    except OSError:
        return True
    writer.write(b"GET /healthz HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    status = await reader.readline()
    writer.close()
    return b" 200 " not in status


def refused(tmp_path: Path, config: dict[str, Any], *options: str) -> str:
    """What the command says that refuses to begin."""
    file = tmp_path / "guard.json"
    file.write_text(json.dumps(config))
    answer = ringwall(
        "guard", "run", "--config", str(file), "--state", str(tmp_path / "state"), "--workers", "2", *options
    )
    assert answer.code == 2
    return answer.err


def test_what_workers_cannot_serve_is_refused_by_name(tmp_path: Path) -> None:
    config = config_for(Origin(port=free_port()), tmp_path).dump()
    said = refused(tmp_path, {**config, "origin": {"command": ["server"]}})
    assert "--workers: dev.raw is a command" in said
    assert "serve the command over HTTP" in said
    assert (
        "--host: is for a guard of one process"
        in ringwall("guard", "run", "--host", str(tmp_path), "--workers", "2").err
    )
    assert ringwall("guard", "run", "--config", "x", "--workers", "0").code == 2


def test_a_taken_port_and_a_log_that_cannot_be_written_are_said_once(tmp_path: Path) -> None:
    config = config_for(Origin(port=free_port()), tmp_path).dump()
    with socket.create_server(("127.0.0.1", config["listen"]["port"])):
        assert "is taken" in refused(tmp_path, config)
    file = tmp_path / "guard.json"
    file.write_text(json.dumps({**config, "audit": {"path": str(tmp_path / "missing" / "audit.jsonl")}}))
    options = ["--config", str(file), "--state", str(tmp_path / "state"), "--workers", "2"]
    answer = subprocess.run([*COMMAND, *options, "--json"], capture_output=True, text=True, timeout=240, check=False)
    assert answer.returncode == 1
    assert [line for line in answer.stderr.splitlines() if line.startswith("error:")] == [
        "error: " + json.loads(answer.stdout)["error"]["problems"][0]["message"]
    ]
    assert "No such file or directory" in answer.stderr
