"""The demo: the user's own commands, in order, on a project folder that is thrown away."""

from __future__ import annotations

import contextlib
import io
import shutil
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from typer.main import get_command

from cli import console, main, state
from cli.demo_servers import everything_server, tickets_server
from cli.project import current_project
from cli.report import show_results
from cli.target import target_of
from engine import deploy
from engine.run import fail_on_error
from engine.state import live_resources
from engine.workspace import workspace
from model.errors import EngineFailed
from model.project import open_project
from model.text import counted
from plan.rings import protections

ENVIRONMENT = "demo"


@dataclass
class _Demo:
    root: Path
    took: dict[str, float] = field(default_factory=dict)

    def ringwall(self, *arguments: str) -> None:
        """Run one command in this process, as a user would type it, and time it."""
        shown = " ".join(arguments)
        console.say(f"\n$ ringwall {shown}")
        began = time.monotonic()
        command = get_command(main.app)
        # With --json standard output holds the report alone.
        shown_to = contextlib.redirect_stdout(io.StringIO()) if state.json else contextlib.nullcontext()
        with shown_to:
            command.main(list(arguments), prog_name="ringwall", standalone_mode=False)
        self.took[shown.split(" --")[0]] = round(time.monotonic() - began, 1)


def run_demo(*, keep_folder: bool, everything: bool) -> dict[str, Any]:
    """Run all of it; returns what was done and how long each command took, in seconds.

    Raises:
        Unreachable: the demo's MCP server did not start.
        EngineFailed: the unchanged second `up` changed something, or `destroy` left something behind.
    """
    folder = Path(tempfile.mkdtemp(prefix="ringwall-demo-"))
    before = state.project
    state.project = folder
    demo = _Demo(folder)
    servers = ["tickets"]
    try:
        with contextlib.ExitStack() as running:
            url = running.enter_context(tickets_server())
            console.say(f"A real MCP server (official SDK) listens at {url}")
            demo.ringwall(*_init(folder))
            people = ("--people", "ada@example.com")
            demo.ringwall("onboard", "tickets", "--env", ENVIRONMENT, "--url", url, *people, "--agent", "ci", "--yes")
            if everything and (everything_url := running.enter_context(everything_server())):
                console.say(f"\nA second real server (npm's server-everything) listens at {everything_url}")
                demo.ringwall("onboard", "everything", "--env", ENVIRONMENT, "--url", everything_url, *people, "--yes")
                servers.append("everything")
            for server in servers:
                demo.ringwall("plan", f"{ENVIRONMENT}.{server}")
            demo.ringwall("check")
            demo.ringwall("preview", ENVIRONMENT, "--sandbox")
            demo.ringwall("up", ENVIRONMENT, "--sandbox", "--yes")
            unchanged = _second_up(demo)
            rows = _enforced(servers)
            demo.ringwall("destroy", ENVIRONMENT, "--servers", "--sandbox", "--yes")
            remaining = _remaining(servers)
        if remaining:
            raise EngineFailed(f"destroy left {counted(remaining, 'resource')} behind")
        console.say(
            "\nWhat each ring was deployed to enforce (the guard's rows are its configuration; it runs on the host):"
        )
        console.table(["server", "ring", "protection", "how"], [list(row) for row in rows])
        console.say(f"\nA second up changed {counted(unchanged, 'resource')}; destroy left {remaining}.")
        console.say("Nothing real was touched: Cloudflare and Kong were stand-ins. Next: README, “Your own server”.")
        return {
            "version": 1,
            "servers": servers,
            "seconds": demo.took,
            "second_up_changes": unchanged,
            "left_after_destroy": remaining,
            "enforced": [dict(zip(("server", "ring", "protection", "how"), row, strict=True)) for row in rows],
        }
    finally:
        state.project = before
        if keep_folder:
            console.note(f"kept {folder}")
        else:
            shutil.rmtree(folder, ignore_errors=True)


def _init(folder: Path) -> list[str]:
    return [
        "init", ENVIRONMENT, "--project", str(folder), "--account-id", "0" * 31 + "1", "--zone", "example.com",
        "--zone-id", "0" * 31 + "2", "--team", "example", "--country", "SE", "--country", "NO", "--host", "demo-1",
        "--agent", "ci", "--yes",
    ]  # fmt: skip


def _second_up(demo: _Demo) -> int:
    """The unchanged second `up`, by the same road; returns how many resources it changed and refuses any."""
    console.say(f"\n$ ringwall up {ENVIRONMENT} --sandbox --yes    # unchanged")
    began = time.monotonic()
    project = open_project(demo.root)
    scope = deploy.scope_of(project, ENVIRONMENT)
    with target_of(project, sandbox=True) as target:
        runs = deploy.bring_up(target, scope, deploy.preview(target, scope, refresh=True), refresh=True)
    show_results(runs)
    fail_on_error(runs)
    demo.took["second up"] = round(time.monotonic() - began, 1)
    changed = sum(len(run.steps.changed) for run in runs)
    if changed:
        names = ", ".join(change.name for run in runs for change in run.steps.changed)
        raise EngineFailed(f"an unchanged second up changed {counted(changed, 'resource')}: {names}")
    return changed


def _enforced(servers: list[str]) -> list[tuple[str, str, str, str]]:
    """What the deployed state says, not what the plan promised."""
    project = current_project()
    rows: list[tuple[str, str, str, str]] = []
    with target_of(project, sandbox=True) as target:
        for server in servers:
            with workspace(target, f"{ENVIRONMENT}.{server}") as stack:
                resources = (stack.export_stack().deployment or {}).get("resources") or []
            enforced = protections([(resource["type"], resource.get("inputs") or {}) for resource in resources])
            rows += [(server, row.ring, row.control, row.detail) for row in enforced]
    return rows


def _remaining(servers: list[str]) -> int:
    project = current_project()
    stacks = [ENVIRONMENT, *(f"{ENVIRONMENT}.{server}" for server in servers)]
    with target_of(project, sandbox=True) as target:
        return sum(live_resources(project, stack, target) or 0 for stack in stacks)
