"""`ringwall local`: the guard and the server of a stack on this machine, for a real client."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import psutil
import pytest
from mcp.client.client import Client
from mcp.shared.exceptions import MCPError

from operations.sockets import listeners
from tests.support.command_line import ringwall, serve_desk
from tests.support.loopback_http import NO_AUTHORITIES
from tests.support.ports import free_port
from tests.support.projects import write_project
from tests.support.waiting import eventually_sync

RINGWALL = str(Path(sys.executable).with_name("ringwall"))
INITIALIZE = {"protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": {"name": "test", "version": "1"}}
REPOSITORY = Path(__file__).parents[2]


@contextlib.contextmanager
def local(root: Path, *arguments: str, stack: str = "dev.tickets") -> Iterator[subprocess.Popen[str]]:
    command = [RINGWALL, "local", stack, "--project", str(root), *arguments]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, cwd=REPOSITORY)
    try:
        yield process
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=120)


def said(process: subprocess.Popen[str]) -> str:
    """The guard's address, once it listens."""
    assert process.stdout is not None
    seen = ""
    for line in process.stdout:
        seen += line
        if found := re.search(r"listens on (http://\S+)", line):
            return found[1]
    pytest.fail(f"it did not start: {seen}")


def onboarded(root: Path) -> int:
    """A stack of the ticket desk; the port its file names, where nothing listens any more."""
    for url in serve_desk("--port", str(free_port())):
        done = ringwall(
            "onboard",
            "tickets",
            "--env",
            "dev",
            "--url",
            url,
            "--people",
            "ada@example.com",
            "--yes",
            "--project",
            root,
        )
        assert done.code == 0, done.err
        port = urlsplit(url).port
    assert port is not None
    return port


def test_the_stacks_guard_and_server_run_until_interrupted(root: Path) -> None:
    server = onboarded(root)
    guard = free_port(beside=1000)
    desk = (sys.executable, "-m", "sandbox.mcp_server", "--port", str(server))
    with local(root, "--port", str(guard), "--", *desk) as process:
        url = said(process)
        assert process.stdout is not None
        admin = process.stdout.readline().strip().removeprefix("readiness and metrics on ")
        assert admin == f"http://127.0.0.1:{guard + 1000}"

        def is_ready() -> bool:
            return httpx.get(f"{admin}/readyz", trust_env=False, verify=NO_AUTHORITIES).status_code == 200

        eventually_sync(is_ready, "the guard's first look at its server")
        log = root / ".ringwall" / "local" / "dev.tickets" / "audit.jsonl"
        assert process.stdout.readline() == f"audit log in {log}\n"

        async def use() -> None:
            async with Client(url) as client:
                assert sorted(tool.name for tool in (await client.list_tools()).tools) == [
                    "get_ticket",
                    "list_tickets",
                    "search_tickets",
                ]
                assert (await client.call_tool("get_ticket", {"ticket_id": 1})).is_error is False
                with pytest.raises(MCPError, match="Unknown tool: run_report_command"):
                    await client.call_tool("run_report_command", {"command": "id"})

        asyncio.run(use())
        assert {listener.address for port in (server, guard) for listener in listeners(port)} == {"127.0.0.1"}
    assert process.returncode == 0
    assert listeners(server) == ()
    assert ringwall("audit", "verify", log).code == 0
    shown = ringwall("audit", "show", log, "--tool", "run_report_command", "--json")
    assert [record["reason"] for record in shown.json["records"]] == ["not_granted"]


def test_a_server_that_opens_itself_to_the_network_is_ended(root: Path) -> None:
    server = onboarded(root)
    open_desk = [sys.executable, "-m", "sandbox.mcp_server", "--port", str(server), "--host", "0.0.0.0"]
    done = subprocess.run(
        [RINGWALL, "local", "dev.tickets", "--project", str(root), "--port", str(free_port(beside=1000)), "--", *open_desk],
        capture_output=True, text=True, cwd=REPOSITORY, timeout=60, env=os.environ,
    )  # fmt: skip
    assert done.returncode == 3
    assert "bound beyond loopback" in done.stderr
    assert "have it run, it has a user and a network of its own, and calls nothing" in done.stderr
    assert listeners(server) == ()


def test_a_server_that_ends_at_once_is_said_to(root: Path) -> None:
    onboarded(root)
    done = ringwall(
        "local",
        "dev.tickets",
        "--project",
        root,
        "--port",
        str(free_port(beside=1000)),
        "--",
        sys.executable,
        "-c",
        "raise SystemExit(7)",
    )
    assert done.code == 6
    assert "ended with code 7" in done.errors[0]


def test_a_port_that_is_taken_is_all_that_is_said_and_nothing_is_started(root: Path) -> None:
    onboarded(root)
    marker = root / "started"
    touch = ("--", sys.executable, "-c", f"open({str(marker)!r}, 'w')")
    [file] = root.rglob("Pulumi.dev.tickets.yaml")
    with socket.create_server(("127.0.0.1", free_port(beside=1000))) as stranger:
        port = stranger.getsockname()[1]
        name = listeners(port)[0].command
        for whose, chosen in (("guard", port), ("readiness", port - 1000), ("server", free_port(beside=1000))):
            if whose == "server":
                text = re.sub(r"http://127\.0\.0\.1:\d+/", f"http://127.0.0.1:{port}/", file.read_text())
                file.write_text(text)
            done = ringwall("local", "dev.tickets", "--project", root, "--port", str(chosen), *touch)
            assert (done.code, done.out, len(done.err.splitlines())) == (2, "", 1), whose
            assert done.errors[0].startswith(f"127.0.0.1:{port} is taken by {name} (pid {os.getpid()}); end it")
            assert ("--port" in done.errors[0]) == (whose != "server")
            assert not marker.exists()
            assert not (root / ".ringwall" / "local").exists()


#: A command that writes down what it was started with, and answers every request with an error.
WITNESS = """
import json, os, stat, sys
seen = {"socket": stat.S_ISSOCK(os.fstat(0).st_mode), "umask": os.umask(0), "variables": dict(os.environ)}
for line in sys.stdin:
    with open("witness.json", "w") as file:
        json.dump(seen, file)
    error = {"code": -32601, "message": "only a witness"}
    print(json.dumps({"jsonrpc": "2.0", "id": json.loads(line).get("id"), "error": error}), flush=True)
"""


def test_a_command_runs_here_as_a_host_runs_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write_project(tmp_path, every_shape=True)
    (root / "witness.py").write_text(WITNESS)
    (root / "key").write_text("a-key-of-the-desk")
    (root / "key").chmod(0o600)
    file = root / "stacks" / "Pulumi.dev.external.yaml"
    text = file.read_text().replace("[node, server.js]", f"[{sys.executable}, {root}/witness.py]")
    file.write_text(text.replace("/etc/server/key", f"{root}/key"))
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", "nothing-for-a-server")
    state = root / ".ringwall" / "local" / "dev.external"
    options = ("--as", "ada@example.com", "--port", str(free_port(beside=1000)))
    with local(root, *options, stack="dev.external") as process:
        ping = {"jsonrpc": "2.0", "id": 1, "method": "initialize", "params": INITIALIZE}
        accept = {"accept": "application/json, text/event-stream"}
        httpx.post(said(process), json=ping, headers=accept, trust_env=False, verify=NO_AUTHORITIES, timeout=60)
        seen = json.loads((state / "home" / "witness.json").read_text())
        commands = [item for item in psutil.Process(process.pid).children() if f"{root}/witness.py" in item.cmdline()]
    assert commands
    assert (process.returncode, [item for item in commands if item.is_running()]) == (0, [])
    assert (seen["socket"], seen["umask"]) == (True, 0o077)
    shell = {"LANG", "USER", "LOGNAME"} & set(os.environ)
    assert set(seen["variables"]) - {"LC_CTYPE"} == {"API_KEY", "HOME", "PATH", *shell}
    assert seen["variables"]["API_KEY"] == "a-key-of-the-desk"
    assert seen["variables"]["HOME"] == str(state / "home")


def test_whose_grants_count_must_be_somebody_of_the_stack(root: Path) -> None:
    onboarded(root)
    done = ringwall("local", "dev.tickets", "--project", root, "--as", "robot")
    assert done.code == 2
    assert "neither an e-mail address nor an agent" in done.errors[0]
    assert ringwall("local", "dev", "--project", root).code == 2


def test_nobody_is_let_in_from_a_page_or_another_host(root: Path) -> None:
    server = onboarded(root)
    desk = (sys.executable, "-m", "sandbox.mcp_server", "--port", str(server))
    with local(root, "--port", str(free_port(beside=1000)), "--", *desk) as process:
        url = said(process)
        body = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
        with httpx.Client(trust_env=False, verify=NO_AUTHORITIES) as client:
            assert client.post(url, json=body).status_code != 403
            assert client.post(url, json=body, headers={"origin": "https://evil.example"}).status_code == 403
            assert client.post(url, json=body, headers={"host": "rebound.evil.example"}).status_code == 421
