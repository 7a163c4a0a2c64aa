"""`ringwall up` and `refresh` as a user types them: what is read first, what is put back, and what is not run at all."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engine.locate import require
from sandbox import Sandbox
from tests.support.projects import server_text, write_project, write_server
from tests.support.warm_ringwall import WarmRingwall

pytestmark = pytest.mark.engine


class Project:
    """Environment `dev` with two servers that are up, an engine that notes what it was asked, and hands to change Kong."""

    def __init__(self, folder: Path, warm: WarmRingwall) -> None:
        self._warm = warm
        self.root = write_project(folder / "project")
        write_server(self.root, "dev.two", server_text("two", 1))
        self.log = folder / "engine.log"
        self.engine = folder / "pulumi"
        self.engine.write_text(f'#!/bin/sh\necho "$*" >> {self.log}\nexec {require().path} "$@"\n', encoding="utf-8")
        self.engine.chmod(0o755)

    def run(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        options = ["--sandbox", "--project", str(self.root)]
        process = self._warm.run([*arguments, *options], {**os.environ, "RINGWALL_ENGINE": str(self.engine)})
        assert process.returncode == 0, (process.stdout, process.stderr)
        return process

    def calls(self, *arguments: str) -> list[tuple[str, str]]:
        """(operation, stack) of every engine run that a command starts, in alphabetical order."""
        self.log.unlink(missing_ok=True)
        self.done = self.run(*arguments)
        lines = [
            line.removeprefix("--non-interactive ").split()
            for line in self.log.read_text(encoding="utf-8").splitlines()
        ]
        runs = [(words[0], words) for words in lines if words[0] in ("preview", "up", "refresh")]
        return sorted((operation, words[words.index("--stack") + 1]) for operation, words in runs)

    def world(self, work: Callable[[Sandbox], Any]) -> Any:
        with Sandbox(self.root / ".ringwall" / "sandbox" / "providers") as sandbox:
            return work(sandbox)

    def entity(self, kind: str, name: str, server: str = "one") -> Any:
        """A resource of a server by its own name."""
        return self.world(
            lambda sandbox: next(
                record
                for record in sandbox.resources(f"kong:*:{kind}")
                if record.outputs.get("name") == name and f"ringwall-server-{server}" in record.outputs["tags"]
            )
        )

    def change(self, entity: Any, **outputs: Any) -> None:
        self.world(lambda sandbox: sandbox.change(entity.id, **outputs))


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory, warm: WarmRingwall) -> Project:
    two_servers = Project(tmp_path_factory.mktemp("up"), warm)
    two_servers.run("up", "dev", "--yes")
    return two_servers


def test_an_unchanged_environment_is_asked_once_a_stack_and_nothing_is_run(project: Project) -> None:
    assert project.calls("up", "dev", "--yes") == [("preview", "dev"), ("preview", "dev.one"), ("preview", "dev.two")]
    stderr = project.done.stderr
    assert "compared 3 stacks with what is real in " in stderr
    assert "s (--no-refresh compares with what was recorded); nothing to do in 3 of them" in stderr


def test_up_puts_back_what_was_changed_at_the_gateway_and_runs_that_server_alone(project: Project) -> None:
    jwt, route = project.entity("Plugin", "jwt"), project.entity("Route", "dev-one-mcp")
    rate, budget = project.entity("Plugin", "rate-limiting"), project.entity("Plugin", "response-ratelimiting")
    before = [resource.outputs for resource in (jwt, route, rate, budget)]
    project.change(jwt, enabled=False)
    project.change(route, hosts=["*.example.com"], paths=["/"])
    for plugin, raised in ((rate, {"minute": 6000}), (budget, {"block_on_first_violation": True})):
        config = {**json.loads(plugin.outputs["computedConfig"]), **raised}
        project.change(plugin, computedConfig=json.dumps(config, sort_keys=True, separators=(",", ":")))

    calls = project.calls("up", "dev", "--yes")
    assert calls == [("preview", "dev"), ("preview", "dev.one"), ("preview", "dev.two"), ("up", "dev.one")]
    shown = project.done.stdout
    for name in ("signature  Plugin", "route  Route", "principal-rate  Plugin", "server-tokens  Plugin"):
        assert f"! one-gateway-{name} was changed outside Ringwall\n" in shown
    assert "configJson.minute: 6000 → 240" in shown

    after = [
        project.entity("Plugin", "jwt"),
        project.entity("Route", "dev-one-mcp"),
        project.entity("Plugin", "rate-limiting"),
        project.entity("Plugin", "response-ratelimiting"),
    ]
    assert [resource.outputs for resource in after] == before


def test_without_a_refresh_up_says_what_it_compared_with_and_leaves_what_it_did_not_look_at(project: Project) -> None:
    acl = project.entity("Plugin", "acl")
    project.change(acl, enabled=False)
    stderr = project.run("up", "dev.one", "--yes", "--no-refresh").stderr
    assert "compared 1 stack with what was recorded last in " in stderr
    assert project.entity("Plugin", "acl").outputs["enabled"] is False
    project.change(acl, enabled=True)


def test_a_server_whose_grants_alone_changed_is_brought_up(project: Project) -> None:
    file = project.root / "stacks" / "Pulumi.dev.two.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("tools: [list_tickets, get_ticket]", "tools: [list_tickets]"), encoding="utf-8")
    calls = project.calls("up", "dev", "--yes")
    assert calls == [("preview", "dev"), ("preview", "dev.one"), ("preview", "dev.two"), ("up", "dev.two")]


def test_a_refresh_of_an_environment_covers_its_servers(project: Project) -> None:
    write_server(project.root, "dev.three", server_text("three", 2))
    project.change(project.entity("Plugin", "jwt", "two"), enabled=False)
    calls = project.calls("refresh", "dev", "--yes", "--json")
    assert calls == [("refresh", "dev"), ("refresh", "dev.one"), ("refresh", "dev.two")]
    runs = json.loads(project.done.stdout)["runs"]
    assert [(run["stack"], run["state"], run["error"]) for run in runs] == [
        ("dev", "done", None),
        ("dev.one", "done", None),
        ("dev.three", "skipped", None),  # never brought up
        ("dev.two", "done", None),
    ]
    assert [change["name"] for run in runs for change in run["changes"]] == ["two-gateway-signature"]
    (run,) = json.loads(project.run("preview", "dev.two", "--json").stdout)["runs"]
    assert [change["name"] for change in run["changes"]] == ["two-gateway-signature"]
