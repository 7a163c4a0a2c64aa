"""One run of a change (`tests.support.exposure_changes`) on the real engine while every state of the stand-in services is
judged (`plan.live_exposure`), whole or cut off by an error at any of its operations."""

from __future__ import annotations

import base64
import re
import shutil
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.run import Run
from engine.runs import execute
from model.project import open_project
from operations.incident.stack_file import lifted, locked
from plan.protectors import TUNNEL
from plan.step_order import judge_steps
from sandbox import Fault, Sandbox
from tests.support.engine_project import EngineProject
from tests.support.exposure_changes import KEY, LIFT, LOCK, SECRET, STOPPED, WRITE, Change, Edit
from tests.support.exposure_watch import watching
from tests.support.projects import write_project

EXAMPLES = Path(__file__).resolve().parents[2] / "examples"
#: The engine's words for what a provider is asked to do.
OPERATIONS = {
    "create": "create",
    "create-replacement": "create",
    "update": "update",
    "delete": "delete",
    "delete-replaced": "delete",
}


@dataclass
class Outcome:
    """`operations` of the providers in the engine's order; `states` seen; what was exposed, and what went otherwise than it
    should."""

    operations: list[tuple[str, str]] = field(default_factory=list)
    states: int = 0
    exposed: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def faults(self) -> list[Fault]:
        """An error at each operation in turn, before it took effect; at the edge after it too, as a lost answer looks."""
        seen: Counter[tuple[str, str]] = Counter()
        found: list[Fault] = []
        for operation, type_ in self.operations:
            seen[operation, type_] += 1
            nth = seen[operation, type_]
            found += [
                Fault(operation, type_, nth, "500 Internal Server Error", after_effect=late)  # type: ignore[arg-type]
                for late in ((False, True) if type_.startswith("cloudflare:") else (False,))
            ]
        return found


class Rehearsal:
    """One project, deployed once for each starting point and set back before each run."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.root = folder / "project"
        self._kept: dict[tuple[Any, ...], Path] = {}

    def run(self, change: Change, fault: Fault | None = None, *, plain: bool = False, again: bool = False) -> Outcome:
        """Go through a change, with `fault` in force; with `again` repeat it afterwards without the fault, to the end.

        Args:
            plain: by the plain `pulumi` CLI instead of Ringwall.
        """
        self._set_back(change)
        with Sandbox(self.folder / "world") as sandbox:
            world = EngineProject(open_project(self.root), sandbox, self.folder / "home")
            if change.connected:
                with sandbox.store.transaction() as held:
                    for tunnel in held.records_of(TUNNEL):
                        tunnel.outputs["connections"] = [{"coloName": "arn01"}]
            for edit in change.edits:
                write_edit(world, edit)
            outcome = Outcome()
            with watching(sandbox) as watch:
                if fault is not None:
                    sandbox.faults.add(fault)
                for run in change.runs:
                    self._one(world, change, run, outcome, plain=plain, judged=fault is None)
                if fault is not None and again:
                    sandbox.faults.clear()
                    for run in change.runs:
                        self._one(world, change, run, outcome, plain=plain, judged=not fault.after_effect)
            outcome.states, outcome.exposed = (
                watch.states,
                [f"state {number}: {line}" for number, line in watch.exposed],
            )
            return outcome

    def _one(
        self, world: EngineProject, change: Change, run: str, outcome: Outcome, *, plain: bool, judged: bool
    ) -> None:
        operation, stack = run.split()
        if plain:
            done = world.pulumi(operation, "--stack", stack, "--yes", "--skip-preview", check=False)
            said = (done.stdout + done.stderr).splitlines()
            error = None if done.returncode == 0 else " ".join(line.strip() for line in said if "error:" in line)
        else:
            told = execute(world.target, Run(stack, operation))  # type: ignore[arg-type]
            error = told.error
            if judged:
                outcome.problems += self._judged(change, run, told)
            outcome.operations += [
                (OPERATIONS[one.operation], one.type)
                for one in told.steps.changed
                if one.operation in OPERATIONS and one.type.startswith(("cloudflare:", "kong:"))
            ]
        wanted = change.fails.get(run)
        if judged and error is not None and (wanted is None or wanted not in error):
            outcome.problems.append(f"{run}: {error}")

    @staticmethod
    def _judged(change: Change, run: str, told: Run) -> list[str]:
        """What `ringwall up` would have said of these very steps beforehand: nothing, but where Cloudflare stops them."""
        said = [one.message for one in judge_steps([one.step for one in told.steps.changes.values() if one.step])]
        wanted = change.fails.get(run, "")
        if wanted in STOPPED:
            return [] if said and all(wanted in message for message in said) else [f"{run}: not foreseen: {said}"]
        return [f"{run}: step-order: {message}" for message in said]

    def _set_back(self, change: Change) -> None:
        """The project and the services as they were before the change."""
        key = (change.example, change.deployed, change.before)
        if key not in self._kept:
            self._kept[key] = self._deploy(change)
        for name in ("project", "world"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
            shutil.copytree(self._kept[key] / name, self.folder / name)

    def _deploy(self, change: Change) -> Path:
        kept = self.folder / f"kept-{len(self._kept)}"
        for name in ("project", "world"):
            shutil.rmtree(self.folder / name, ignore_errors=True)
        write_example(self.root, change.example) if change.example else write_project(self.root)
        with Sandbox(self.folder / "world") as sandbox:
            world = EngineProject(open_project(self.root), sandbox, self.folder / "home")
            for stack in () if change.deployed else dict.fromkeys(run.split()[1] for run in change.runs):
                world.pulumi("stack", "init", stack)
            for edit in change.before:
                write_edit(world, edit)
            for stack in change.deployed:
                world.run(stack, "up")
        for name in ("project", "world"):
            shutil.copytree(self.folder / name, kept / name)
        return kept


def write_example(root: Path, name: str) -> None:
    """An example's project, with its state in its own folder."""
    shutil.copytree(EXAMPLES / name, root)
    (root / ".ringwall" / "state").mkdir(parents=True)
    file = root / "Pulumi.yaml"
    text = re.sub(r"(?m)^  url: .*$", f"  url: file://{root / '.ringwall' / 'state'}", file.read_text(encoding="utf-8"))
    file.write_text(text, encoding="utf-8")


def write_edit(world: EngineProject, edit: Edit) -> None:
    stack, old, new = edit
    file = world.project.stack_file(stack)
    if old == SECRET:
        secret = base64.b64encode(b"only for tests: a tunnel's secret").decode()
        world.pulumi("config", "set", "--secret", "ringwall:tunnelSecret", secret, "--stack", stack)
        return
    if old == WRITE:
        file.write_text(new, encoding="utf-8")
        return
    text = file.read_text(encoding="utf-8")
    if old == KEY:
        file.write_text(re.sub(r"(?m)^  ringwall:guardKey:\n    secure: .*\n", "", text), encoding="utf-8")
        key = base64.b64encode(b"only for tests: the key of a guard").decode()
        world.pulumi("stack", "init", stack, check=False)
        world.pulumi("config", "set", "--secret", "ringwall:guardKey", key, "--stack", stack)
        return
    if old == LOCK:
        after = locked(text, "a rehearsal; Ada", "2026-11-23T03:00:00Z")
    elif old == LIFT:
        after = lifted(text)
    else:
        assert text.count(old) >= 1, (stack, old)
        after = text.replace(old, new)
    file.write_text(after, encoding="utf-8")


def report(rows: Sequence[dict[str, Any]]) -> str:
    """The table: what was run, in how many states, and what was exposed."""
    lines = [f"{'change':36} {'runs':>5} {'operations':>11} {'states':>7} {'exposures':>10}"]
    lines += [
        f"{row['change']:36} {row['runs']:5} {row['operations']:11} {row['states']:7} {row['exposures']:10}"
        for row in rows
    ]
    return "\n".join(lines)
