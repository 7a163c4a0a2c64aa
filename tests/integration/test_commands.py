"""The engine's commands as a user types them, against the sandbox."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from sandbox import faults
from tests.support.engine_project import EngineProject
from tests.support.projects import ZONE_STACK, write_project
from tests.support.warm_ringwall import WarmRingwall

pytestmark = pytest.mark.engine


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_project(tmp_path)


class Ringwall:
    """Runs a command of `root` to the exit code that is expected."""

    def __init__(self, warm: WarmRingwall, root: Path) -> None:
        self._warm, self._root = warm, root

    def __call__(self, *arguments: str, code: int = 0, engine: str | None = None) -> subprocess.CompletedProcess[str]:
        environment = dict(os.environ) if engine is None else {**os.environ, "RINGWALL_ENGINE": engine}
        process = self._warm.run([*arguments, "--project", str(self._root)], environment)
        assert process.returncode == code, (process.returncode, process.stdout, process.stderr)
        return process


@pytest.fixture
def ringwall(warm: WarmRingwall, root: Path) -> Ringwall:
    return Ringwall(warm, root)


def document(process: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    parsed: dict[str, Any] = json.loads(process.stdout)
    return parsed


def test_the_whole_life_of_an_environment(ringwall: Ringwall) -> None:
    refused = ringwall("up", "dev", "--sandbox", code=2)
    assert "nobody can be asked here: " in refused.stderr
    runs = document(ringwall("up", "dev", "--sandbox", "--yes", "--json"))["runs"]
    assert [(run["stack"], run["state"], run["error"]) for run in runs] == [
        ("dev", "done", None),
        ("dev.one", "done", None),
    ]

    stacks = document(ringwall("status", "--sandbox", "--json"))["stacks"]
    assert [(row["stack"], bool(row["resources"]), row["note"]) for row in stacks] == [
        ("dev", True, ""),
        ("dev.one", True, ""),
    ]
    bundle = json.loads(ringwall("outputs", "dev.one", "host_bundle", "--sandbox").stdout)
    text = ringwall("outputs", "dev.one", "guard_config", "--sandbox").stdout
    guard = json.loads(text)
    assert bundle["hostnames"] == ["one.example.com"]
    assert len(guard["identity"]["access"]["front_doors"][0]["audience"]) == 64
    assert bundle["guard"]["config_sha256"] == "sha256:" + hashlib.sha256(text.encode()).hexdigest()
    assert "[secret]" in ringwall("outputs", "dev", "--sandbox").stdout

    (run,) = document(ringwall("refresh", "dev.one", "--preview-only", "--sandbox", "--json"))["runs"]
    assert (run["error"], run["changes"]) == (None, [])
    assert "dev has a live stack: dev.one" in ringwall("destroy", "dev", "--sandbox", "--yes", code=2).stderr
    ringwall("destroy", "dev", "--servers", "--sandbox", "--yes")
    stacks = document(ringwall("status", "--sandbox", "--json"))["stacks"]
    assert [row["resources"] for row in stacks] == [0, 0]


@pytest.mark.parametrize("command", [["preview"], ["up", "--yes"]])
def test_a_server_before_its_environment_is_one_line(ringwall: Ringwall, command: list[str]) -> None:
    process = ringwall(command[0], "dev.one", *command[1:], "--sandbox", code=2)
    rehearsal, *lines = process.stderr.splitlines()
    assert (rehearsal.partition(":")[0], len(lines)) == ("rehearsal", 1)
    assert lines[0].startswith("error: environment dev is not ")
    assert "`ringwall up dev --sandbox" in lines[0]


def test_a_zone_comes_up_and_its_rules_outlive_the_stack(ringwall: Ringwall, root: Path) -> None:
    (root / "stacks" / "Pulumi.zone.example.yaml").write_text(ZONE_STACK, encoding="utf-8")
    ringwall("up", "zone.example", "--sandbox", "--yes")
    (second,) = document(ringwall("preview", "zone.example", "--sandbox", "--json"))["runs"]
    assert (second["error"], second["changes"]) == (None, [])
    # Protected: taking the zone's only entry point away is never a side effect.
    refused = ringwall("destroy", "zone.example", "--sandbox", "--yes", code=2).stderr
    assert "zone.example is protected from being taken down by accident (" in refused
    assert "`ringwall destroy zone.example --unprotect --sandbox" in refused
    assert document(ringwall("status", "zone.example", "--sandbox", "--json"))["stacks"][0]["resources"] == 2
    destroyed = ringwall("destroy", "zone.example", "--unprotect", "--sandbox", "--yes", code=3).stderr
    assert "zone.example: ruleset default (" in destroyed
    assert ") is still at Cloudflare" in destroyed
    assert document(ringwall("status", "zone.example", "--sandbox", "--json"))["stacks"][0]["resources"] == 0


def test_one_resource_alone_is_brought_up(ringwall: Ringwall, root: Path) -> None:
    ringwall("up", "dev", "--sandbox", "--yes")
    file = root / "stacks" / "Pulumi.dev.one.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(
        text.replace(
            "    guard_port",
            "    oauth:\n      access_token_lifetime: 5m\n    limits:\n      body_kilobytes: 64\n    guard_port",
        ),
        "utf-8",
    )
    changes = document(ringwall("preview", "dev.one", "--sandbox", "--json"))["runs"][0]["changes"]
    size = next(change["urn"] for change in changes if "size" in change["name"])
    ringwall("up", "dev.one", "--target", size, "--sandbox", "--yes")
    remaining = document(ringwall("preview", "dev.one", "--sandbox", "--json"))["runs"][0]["changes"]
    assert size in {change["urn"] for change in changes}
    assert size not in {change["urn"] for change in remaining}
    assert any(change["name"] == "one-edge-application" for change in remaining)


def test_a_failure_in_the_middle_is_one_line_and_the_next_up_goes_on(ringwall: Ringwall, root: Path) -> None:
    state = root / ".ringwall" / "sandbox" / "providers"
    state.mkdir(parents=True)
    faults.write(state, [faults.Fault("create", "kong:*Route", message="the gateway said no")])
    failed = ringwall("up", "dev", "--sandbox", "--yes", "--json", code=5)
    shown = document(failed)
    assert {run["stack"]: run["error"] is None for run in shown["runs"]} == {"dev": True, "dev.one": False}
    assert shown["error"]["exit_code"] == 5
    assert "dev.one: " in failed.stderr
    assert "the gateway said no" in failed.stderr
    assert "Traceback" not in failed.stderr + failed.stdout
    # Nothing was exposed: the public name waits for the route.
    world = "".join(path.read_text(encoding="utf-8") for path in state.rglob("*.json"))
    assert "DnsRecord" not in world
    faults.write(state, [])
    ringwall("up", "dev", "--sandbox", "--yes")


def test_an_interrupted_up_says_so_in_one_line_and_the_next_one_goes_on(ringwall: Ringwall, root: Path) -> None:
    state = root / ".ringwall" / "sandbox" / "providers"
    state.mkdir(parents=True)
    faults.write(state, [faults.Fault("create", "kong:*Consumer", nth=0, delay=25)])
    process = subprocess.Popen(
        [str(Path(sys.executable).with_name("ringwall")), "up", "dev", "--sandbox", "--yes", "--project", str(root)],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,  # Ctrl-C reaches the engine too, as on a terminal
    )
    assert process.stderr is not None
    for line in process.stderr:
        # Not before the engine runs, which a terminal's Ctrl-C has to reach.
        if line.startswith("still running: dev ") and "starting the engine" not in line:
            break
    os.killpg(process.pid, signal.SIGINT)
    stderr = process.stderr.read()
    process.stderr.close()
    assert process.wait() == 130
    assert stderr.splitlines()[-1] == (
        "interrupted; what was finished of dev is recorded, and the same command goes on from there"
    )
    assert "Traceback" not in stderr
    faults.write(state, [])
    ringwall("up", "dev", "--sandbox", "--yes")


def test_without_an_engine_preview_names_what_helps(ringwall: Ringwall) -> None:
    failed = ringwall("preview", "dev", "--sandbox", code=4, engine="/nowhere/pulumi")
    rehearsal, *lines = failed.stderr.splitlines()
    assert (rehearsal.partition(":")[0], len(lines)) == ("rehearsal", 1)
    assert "ringwall engine install" in failed.stderr
    assert "ringwall plan" in failed.stderr


def test_a_plan_needs_no_engine_and_is_the_same_bytes_every_time(ringwall: Ringwall, root: Path) -> None:
    first = ringwall("plan", "dev.one", "--format", "json", engine="/nowhere/pulumi").stdout
    second = ringwall("plan", "dev.one", "--json", engine="/nowhere/pulumi").stdout
    assert first == second
    assert json.loads(first)["version"] == 1
    assert str(root) not in first


def test_an_existing_tunnel_is_taken_over_and_no_second_one_is_made(engine_project: EngineProject) -> None:
    from engine.repair.kinds import Kind
    from model.project import load
    from operations.project.imports import import_plan, importing_program
    from plan.preflight import refuse_unsafe

    project = engine_project.project
    engine_project.run("dev", "up")
    engine_project.run("dev.one", "up")
    (tunnel,) = engine_project.sandbox.resources("*ZeroTrustTunnelCloudflared")
    engine_project.pulumi("stack", "rm", "dev.one", "--force", "--yes", "--preserve-config")

    loaded = load(project, "dev.one")
    plan = import_plan(refuse_unsafe(project, loaded), Kind.tunnel, tunnel.id)
    run = engine_project.run("dev.one", "up", only=plan.targets, program=importing_program(project, "dev.one", plan))
    assert [(c.operation, c.name) for c in run.steps.changed if c.name == "one-edge-tunnel"] == [
        ("import", "one-edge-tunnel")
    ]
    assert [record.id for record in engine_project.sandbox.resources("*ZeroTrustTunnelCloudflared")] == [tunnel.id]


def test_taking_over_never_changes_what_is_running(ringwall: Ringwall, root: Path) -> None:
    ringwall("up", "dev", "--sandbox", "--yes")
    application = json.loads(ringwall("outputs", "dev.one", "application_ids", "--sandbox").stdout)["one.example.com"]
    # The state is lost, the real thing runs on.
    for path in (root / ".ringwall" / "sandbox" / "state").rglob("dev.one.*"):
        path.unlink()
    file = root / "stacks" / "Pulumi.dev.one.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("    guard_port", "    oauth:\n      grant_lifetime: 1h\n    guard_port"), "utf-8")
    refused = ringwall("import", "dev.one", "application", application, "--sandbox", "--yes", code=3)
    assert "import-changes: one-edge-application as it runs differs from the stack file" in refused.stderr
    assert "grant.sessionDuration: 168h → 1h" in refused.stdout
    file.write_text(text, encoding="utf-8")
    ringwall("import", "dev.one", "application", application, "--sandbox", "--yes")
