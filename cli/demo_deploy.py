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


def deploy_all(stage: Stage, project: Path, stacks: Sequence[str]) -> int:
    """Check, preview, bring up, and bring up again; returns how many resources the last one changed.

    Raises:
        RingwallError: a command failed, or did something else than it says.
    """
    step = stage.step("Deployed by the real Pulumi engine, into stand-ins of Cloudflare and Kong")
    stage.show_command("check")
    stage.ringwall("check")
    stage.say("no rule is broken")
    for arguments in (("preview", ENVIRONMENT, "--sandbox"), ("up", ENVIRONMENT, "--sandbox", "--yes")):
        stage.show_command(*arguments)
        stage.ringwall(*arguments)
        count = count_resources(project, stacks)
        stage.say(f"{count} resources" if arguments[0] == "up" else "nothing is deployed by a preview: 0 resources")
        if bool(count) != (arguments[0] == "up"):
            raise EngineFailed(f"after {arguments[0]} there are {count} resources")
    stage.show_command("up", ENVIRONMENT, "--sandbox", "--yes")
    changed = second_up(stage, project)
    stage.say(f"unchanged: {changed} changes")
    step.result = {"resources": count, "second_up_changes": changed}
    return changed


def destroy_all(stage: Stage, project: Path, stacks: Sequence[str]) -> int:
    """Destroy everything; returns how many resources are left, which is none.

    Raises:
        EngineFailed: there are some.
    """
    step = stage.step("Destroyed")
    arguments = ("destroy", ENVIRONMENT, "--servers", "--sandbox", "--yes")
    stage.show_command(*arguments)
    stage.ringwall(*arguments)
    remaining = count_resources(project, stacks)
    if remaining:
        raise EngineFailed(f"destroy left {remaining} resources behind")
    stage.say(f"{remaining} resources left")
    step.result = {"resources": remaining}
    return remaining


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


def enforced(project: Path, stacks: Sequence[str]) -> list[tuple[str, str, str, str]]:
    """Server or model route, ring, protection and how: what the deployed state says, not what the plan promised."""
    opened = open_project(project)
    rows: list[tuple[str, str, str, str]] = []
    with target_of(opened, sandbox=True) as target:
        for name in stacks:
            with workspace(target, f"{ENVIRONMENT}.{name}") as stack:
                resources = (stack.export_stack().deployment or {}).get("resources") or []
            deployed = protections([(resource["type"], resource.get("inputs") or {}) for resource in resources])
            rows += [(name, row.ring, row.control, row.detail) for row in deployed]
    return rows


def count_resources(project: Path, stacks: Sequence[str]) -> int:
    """How many resources the sandbox holds of the demo."""
    opened = open_project(project)
    names = [ENVIRONMENT, *(f"{ENVIRONMENT}.{name}" for name in stacks)]
    with target_of(opened, sandbox=True) as target:
        return sum(live_resources(opened, name, target) or 0 for name in names)
