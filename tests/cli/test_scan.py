"""`ringwall scan` finds the seed's server and names the command that onboards it, which then does."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.command_line import ringwall
from tests.support.mcp_servers import ROOT, SECRET, servers


@pytest.fixture(autouse=True)
def _no_project(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RINGWALL_PROJECT", raising=False)


@pytest.fixture(scope="module")
def seed() -> Iterator[int]:
    """The seed's server as the seed starts it: every address, no authentication, `execute_command`."""
    with servers("seed", host="0.0.0.0") as (ports, _):
        yield ports["seed"]


def test_seeds_server_is_critical_and_told_how_to_come_behind_the_rings(
    seed: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    result = ringwall("scan", "--port", str(seed))
    assert result.code == 3
    assert f"http://127.0.0.1:{seed}/mcp: EXPOSED: anyone who reaches this machine may call it" in result.out
    assert "  can run: execute_command\n" in result.out
    assert "  first: bind it to 127.0.0.1" in result.out
    assert (
        f"then:  ringwall onboard ops-helper --env dev --url http://127.0.0.1:{seed}/mcp --people YOU@..." in result.out
    )
    assert result.out.splitlines()[-1] == "looked at 1 listening socket: 1 MCP server; 1 exposed to other machines"
    assert "YOU@... is whoever may reach the server" in result.out
    assert "critical" in result.out
    assert "\x1b" not in result.out
    assert SECRET not in result.out + result.err


def test_command_that_the_scan_names_onboards_the_server_and_the_next_scan_knows_it(root: Path) -> None:
    with servers("seed") as (ports, _):
        port = str(ports["seed"])
        first = ringwall("scan", "--port", port, "--json", "--project", root)
        assert first.code == 0
        (server,) = first.json["servers"]
        assert (server["state"], server["danger"]) == ("open", "medium")
        assert ringwall("scan", "--port", port, "--strict", "--project", root).code == 3
        words = shlex.split(server["command"])
        assert words[0] == "ringwall"
        # As it stands it admits nobody; with somebody's address it needs no terminal.
        unedited = ringwall(*words[1:], "--yes")
        assert (unedited.code, "must be an e-mail address" in unedited.err) == (2, True)
        shown = ringwall("scan", "--port", port, "--project", root).out
        assert "looked at 1 listening socket: 1 MCP server; 1 open to every program of this machine" in shown
        assert ringwall(*(word.replace("YOU@...", "ada@example.com") for word in words[1:]), "--yes").code == 0
        second = ringwall("scan", "--port", port, "--json", "--strict", "--project", root)
    (rescanned,) = second.json["servers"]
    assert (rescanned["state"], rescanned["onboarded"], rescanned["command"]) == (
        "behind rings",
        "dev.ops-helper",
        None,
    )
    assert second.code == 0


def test_document_holds_everything_the_table_shows(seed: int) -> None:
    result = ringwall("scan", "--port", str(seed), "--json", "--project", ROOT)
    (server,) = result.json["servers"]
    assert (result.json["complete"], result.json["sockets"], result.json["exposed"]) == (True, 1, 1)
    assert server["transports"] == [{"transport": "streamable-http", "path": "/mcp"}]
    assert [(tool["name"], tool["risk"]) for tool in server["tools"]] == [
        ("execute_command", "execute"), ("read_log", "read"),
    ]  # fmt: skip
    assert server["addresses"] == ["0.0.0.0"]


def test_machine_is_looked_at_only_where_it_is_named(seed: int, tmp_path: Path) -> None:
    own_port = f"127.0.0.1:{seed}"
    result = ringwall("scan", own_port, "--json")
    (server,) = result.json["servers"]
    assert (server["state"], server["process"], server["pid"]) == ("open", "", None)
    refused = ringwall("scan", "192.0.2.0/24")
    assert refused.code == 2
    assert refused.errors[0].startswith("TARGETS: 192.0.2.0/24 names more than one host or port; name single ones")
    assert ringwall("scan", own_port, "--port", "80").code == 2
    assert ringwall("scan", own_port, "--path", "mcp").code == 2


def test_named_place_where_nothing_listens_is_said(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        result = ringwall("scan", f"127.0.0.1:{free.getsockname()[1]}", "--json")
    assert result.code == 0
    assert result.json["unjudged"][0]["reason"].startswith("nothing listens there")


def test_unix_socket_is_looked_at_when_it_is_named(tmp_path: Path) -> None:
    from tests.support.command_line import serve_desk

    path = tmp_path / "desk.sock"
    for _ in serve_desk("--socket", str(path)):
        result = ringwall("scan", str(path), "--json")
    (server,) = result.json["servers"]
    assert server["name"] == "ticket-desk"
    assert server["command"].endswith(f"--socket {path} --people YOU@...")


def test_time_that_runs_out_is_exit_code_6() -> None:
    with servers("drip") as (ports, _):
        result = ringwall("scan", "--port", str(ports["drip"]), "--deadline", "1", "--timeout", "60")
    assert result.code == 6
    assert result.errors == [
        "time ran out after 1 s: not every socket was looked at; run again with a longer --deadline"
    ]
    assert "was not finished: time ran out" in result.err


_WHOLE_MACHINE = """
import json, sys
from tests.support.command_line import ringwall
from tests.support.mcp_servers import servers

with servers("seed", host="0.0.0.0"), servers("sse", "page", "silent", "key"), servers("websocket", host="::"):
    result = ringwall("scan", "--json")
print(json.dumps({"code": result.code, "found": result.json}))
"""


def test_whole_machine_is_scanned_and_ordered_by_danger(tmp_path: Path) -> None:
    """In a network namespace of its own, so that no other process of this machine is touched."""
    unshare = ["unshare", "--map-root-user", "--net", "--", "sh", "-c", 'ip link set lo up && exec "$@"', "sh"]
    if (
        shutil.which("unshare") is None
        or subprocess.run([*unshare, "true"], capture_output=True, check=False).returncode
    ):
        pytest.skip("this machine gives no network namespace: a scan of every socket was not checked")
    process = subprocess.run(
        [*unshare, sys.executable, "-c", _WHOLE_MACHINE],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=90,
        check=False,
    )
    assert process.returncode == 0, process.stderr
    outcome: dict[str, Any] = json.loads(process.stdout)
    rows = [(s["danger"], s["state"], s["transports"][0]["transport"]) for s in outcome["found"]["servers"]]
    assert rows == [
        ("critical", "exposed", "streamable-http"),
        ("high", "exposed", "websocket"),
        ("medium", "open", "http+sse"),
        ("info", "guarded", "streamable-http"),
    ]
    assert (outcome["code"], outcome["found"]["sockets"], outcome["found"]["exposed"]) == (3, 6, 2)
