"""Clients people have, through the guard, to servers people run: what works directly works through it, and what nobody
granted reads as an unknown tool."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from tests.support.guard_process import ROOT, GuardProcess, Upstream, everything_granted, first_line, guard, lock_of
from tests.support.node import NotAvailable, installed, node
from tests.support.ports import free_port
from tests.support.venvs import MCP_1, venv

HERE = Path(__file__).parent
DESK = (sys.executable, "-m", "sandbox.mcp_server")


@dataclass(frozen=True)
class Plan:
    """What is asked of one kind of server, and words its answers must hold."""

    call: tuple[str, dict[str, Any], str]
    prompt: tuple[str, dict[str, str], str]
    resource: tuple[str, str]
    refused: tuple[str, dict[str, Any]]

    @property
    def steps(self) -> list[list[Any]]:
        return [
            ["tools"],
            ["call", *self.call[:2]],
            ["prompt", *self.prompt[:2]],
            ["resource", self.resource[0]],
            ["call", *self.refused],
        ]


PLANS = {
    "desk": Plan(
        call=("get_ticket", {"ticket_id": 1}, "Printer on floor 3"),
        prompt=("triage", {"ticket_id": "1"}, "Read ticket 1"),
        resource=("desk://handbook", "one working day"),
        refused=("run_report_command", {"command": "id"}),
    ),
    "everything": Plan(
        call=("get-sum", {"a": 2, "b": 3}, "5"),
        prompt=("simple-prompt", {}, "simple prompt"),
        resource=("demo://resource/static/document/features.md", "Features"),
        refused=("get-env", {}),
    ),
}


@dataclass
class Guarded:
    """One guard in front of one server, with what it refuses."""

    plan: Plan
    guard: GuardProcess
    offered: set[str] = field(default_factory=set)


def modules() -> Path:
    try:
        return installed(HERE)
    except NotAvailable as error:
        pytest.skip(f"npm could not fetch server and Inspector, which were not checked: {error}")


@pytest.fixture(
    scope="module", params=["desk http", "desk socket", "desk stdio", "everything http", "everything stdio"]
)
def guarded(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Guarded]:
    name, transport = request.param.split()
    folder = tmp_path_factory.mktemp("guarded")
    with ExitStack() as stack:
        upstream = _upstream(name, transport, folder, stack)
        plan, lock = PLANS[name], lock_of(upstream)
        grants = everything_granted(lock, without=[plan.refused[0]])
        running = stack.enter_context(guard(upstream, folder / "guard", lock=lock, grants=grants))
        yield Guarded(plan, running, {tool.name for tool in lock.tools} - {plan.refused[0]})


def _upstream(name: str, transport: str, folder: Path, stack: ExitStack) -> Upstream:
    if name == "desk":
        if transport == "stdio":
            return Upstream(command=(sys.executable, "-m", "sandbox.mcp_server", "--stdio"))
        more = ("--socket", str(folder / "s")) if transport == "socket" else ()
        line, _ = stack.enter_context(first_line((*DESK, *more)))
        return Upstream(socket=str(folder / "s")) if transport == "socket" else Upstream(url=line)
    found = modules()
    script = str(found / "@modelcontextprotocol/server-everything/dist/index.js")
    if transport == "stdio":
        return Upstream(command=(node(found), script, "stdio"))
    port = free_port()
    process = subprocess.Popen(
        [node(found), script, "streamableHttp"],
        env={"PORT": str(port), "PATH": ""},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )
    stack.callback(process.communicate)
    stack.callback(process.kill)
    assert process.stderr is not None
    assert any(f"listening on port {port}" in line for line in process.stderr)
    return Upstream(url=f"http://127.0.0.1:{port}/mcp")


def sdk(python: Path, url: str, mode: str, steps: list[list[Any]]) -> dict[str, Any]:
    """What the SDK client made of the steps."""
    command = [str(python), str(HERE / "sdk_client.py"), url, mode, json.dumps(steps)]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=200, cwd=HERE)
    assert done.returncode == 0, done.stderr[-3000:]
    return dict(json.loads(done.stdout))


def python_of(client: str) -> Path:
    if client != "mcp 1":
        return Path(sys.executable)
    try:
        return venv(MCP_1) / "python"
    except NotAvailable as error:
        pytest.skip(f"pip could not fetch mcp 1.x, which was not checked: {error}")


@pytest.mark.parametrize(("client", "mode"), [("mcp 1", "legacy"), ("mcp 2", "auto")])
def test_sdk_client_lists_calls_and_reads_through_the_guard(guarded: Guarded, client: str, mode: str) -> None:
    plan = guarded.plan
    seen = sdk(python_of(client), guarded.guard.url, mode, plan.steps)
    assert seen["sdk"].startswith(f"{client.removeprefix('mcp ')}.")
    tools, call, prompt, resource, refused = seen["results"]
    assert {tool["name"] for tool in tools["tools"]} == guarded.offered
    assert plan.call[2] in json.dumps(call)
    assert not call.get("isError")
    assert plan.prompt[2] in json.dumps(prompt)
    assert plan.resource[1] in json.dumps(resource)
    assert refused["error"]["code"] == -32602
    assert refused["error"]["message"].startswith(f"Unknown tool: {plan.refused[0]}. ")


@pytest.fixture(scope="module")
def talkative(tmp_path_factory: pytest.TempPathFactory) -> Iterator[GuardProcess]:
    """The conformance server, which asks, logs and reports progress, behind a guard."""
    with ExitStack() as stack:
        url, _ = stack.enter_context(first_line([sys.executable, str(ROOT / "tests/conformance/server.py")]))
        yield stack.enter_context(guard(Upstream(url=url), tmp_path_factory.mktemp("talkative")))


@pytest.mark.parametrize("client", ["mcp 1", "mcp 2"])
def test_server_asks_logs_and_reports_progress_through_the_guard_in_a_session(
    talkative: GuardProcess, client: str
) -> None:
    steps: list[list[Any]] = [
        ["call", "test_tool_with_progress", {}],
        ["call", "test_tool_with_logging", {}],
        ["call", "test_elicitation", {"message": "Who are you?"}],
        ["call", "test_sampling", {"prompt": "What is the capital of France?"}],
    ]
    seen = sdk(python_of(client), talkative.url, "legacy", steps)
    assert seen["protocol"] == "2025-11-25"
    assert seen["progress"] == [[0, 100], [50, 100], [100, 100]]
    assert seen["logs"] == ["Tool execution started", "Tool processing data", "Tool execution completed"]
    assert seen["asked"] == ["elicitation", "sampling"]
    assert "Ada" in json.dumps(seen["results"][2])
    assert "LLM response: Paris" in json.dumps(seen["results"][3])


def test_stateless_server_asks_through_the_guard_by_input_required_results(talkative: GuardProcess) -> None:
    steps: list[list[Any]] = [
        ["call", "test_input_required_result_elicitation", {}],
        ["call", "test_input_required_result_sampling", {}],
        ["call", "test_input_required_result_request_state", {}],
        ["call", "test_tool_with_progress", {}],
        ["call", "test_tool_with_logging", {}],
    ]
    seen = sdk(Path(sys.executable), talkative.url, "auto", steps)
    assert seen["protocol"] == "2026-07-28"
    assert seen["asked"] == ["elicitation", "sampling", "elicitation"]
    assert "Hello, Ada!" in json.dumps(seen["results"][0])
    assert "Paris" in json.dumps(seen["results"][1])
    assert "state-ok" in json.dumps(seen["results"][2])
    assert seen["progress"] == [[0, 100], [50, 100], [100, 100]]
    assert seen["logs"] == ["Tool execution started", "Tool processing data", "Tool execution completed"]


def inspector(url: str, *arguments: str) -> tuple[int, str]:
    """The Inspector's command line; exit code and what it printed."""
    found = modules()
    script = found / "@modelcontextprotocol/inspector/clients/launcher/build/index.js"
    command = [node(found), str(script), "--cli", url, "--transport", "http", "--method", *arguments]
    done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=200)
    return done.returncode, done.stdout + done.stderr


def test_inspector_lists_calls_and_reads_through_the_guard(tmp_path: Path) -> None:
    plan = PLANS["desk"]
    with first_line(DESK) as (url, _):
        lock = lock_of(Upstream(url=url))
        grants = everything_granted(lock, without=[plan.refused[0]])
        with guard(Upstream(url=url), tmp_path, lock=lock, grants=grants) as running:
            code, listed = inspector(running.url, "tools/list")
            assert code == 0, listed
            names = {tool["name"] for tool in json.loads(listed[listed.index("{") :])["tools"]}
            assert names == {tool.name for tool in lock.tools} - {plan.refused[0]}
            code, called = inspector(
                running.url, "tools/call", "--tool-name", "get_ticket", "--tool-arg", "ticket_id=1"
            )
            assert code == 0, called
            assert plan.call[2] in called
            code, got = inspector(running.url, "prompts/get", "--prompt-name", "triage", "--prompt-args", "ticket_id=1")
            assert (code, plan.prompt[2] in got) == (0, True)
            code, read = inspector(running.url, "resources/read", "--uri", plan.resource[0])
            assert (code, plan.resource[1] in read) == (0, True)
            code, refused = inspector(
                running.url, "tools/call", "--tool-name", plan.refused[0], "--tool-arg", "command=id"
            )
            assert code != 0
            assert "not found" in refused or "Unknown tool" in refused
