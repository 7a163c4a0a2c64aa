"""The demo's deployments: into the sandbox by the user's own commands, and what the deployed state says."""

from __future__ import annotations

import time
from collections.abc import Sequence
from pathlib import Path

from cli.demo_stage import Stage
from cli.report import show_results
from cli.target import target_of
from engine import deploy
from engine.run import Run, fail_on_error
from engine.state import live_resources
from engine.workspace import workspace
from model.errors import EngineFailed
from model.project import open_project
from plan.rings import protections

ENVIRONMENT = "demo"


def init_arguments(project: Path) -> list[str]:
    return [
        "init", ENVIRONMENT, "--project", str(project), "--account-id", "0" * 31 + "1", "--zone", "example.com",
        "--zone-id", "0" * 31 + "2", "--team", "example", "--country", "SE", "--country", "NO", "--host", "demo-1",
        "--agent", "ci", "--yes",
    ]  # fmt: skip


def second_up(stage: Stage, project: Path) -> int:
    """The unchanged second `up`, by the same road; returns how many resources it changed.

    Raises:
        EngineFailed: it changed something.
    """
    began = time.monotonic()
    with stage.running(f"ringwall up {ENVIRONMENT} --sandbox --yes    # unchanged"):
        opened = open_project(project)
        scope = deploy.scope_of(opened, ENVIRONMENT)
        with target_of(opened, sandbox=True) as target:
            runs = deploy.bring_up(target, scope, deploy.preview(target, scope, refresh=True), refresh=True)
        show_results(runs)
    fail_on_error(runs)
    stage.note_command(f"up {ENVIRONMENT} (unchanged)", began)
    changed = [change.name for run in runs for change in run.steps.changed]
    if changed:
        raise EngineFailed(f"an unchanged second up changed {len(changed)} resources: {', '.join(changed)}")
    _require_work(runs)
    return len(changed)


def _require_work(runs: Sequence[Run]) -> None:
    """A run that looked at nothing changed nothing either."""
    if not sum(run.steps.counts.get("same", 0) for run in runs):
        raise EngineFailed("the second up compared no resource")


def enforced(project: Path, servers: Sequence[str]) -> list[tuple[str, str, str, str]]:
    """Server, ring, protection and how: what the deployed state says, not what the plan promised."""
    opened = open_project(project)
    rows: list[tuple[str, str, str, str]] = []
    with target_of(opened, sandbox=True) as target:
        for server in servers:
            with workspace(target, f"{ENVIRONMENT}.{server}") as stack:
                resources = (stack.export_stack().deployment or {}).get("resources") or []
            deployed = protections([(resource["type"], resource.get("inputs") or {}) for resource in resources])
            rows += [(server, row.ring, row.control, row.detail) for row in deployed]
    return rows


def count_resources(project: Path, servers: Sequence[str]) -> int:
    """How many resources the sandbox holds of the demo."""
    opened = open_project(project)
    stacks = [ENVIRONMENT, *(f"{ENVIRONMENT}.{server}" for server in servers)]
    with target_of(opened, sandbox=True) as target:
        return sum(live_resources(opened, stack, target) or 0 for stack in stacks)
