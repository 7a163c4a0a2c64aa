"""One run of a change (`tests.support.exposure_changes`) on the real engine while every state of the stand-in services is
judged (`plan.live_exposure`), whole or cut off by an error at any of its operations."""

from __future__ import annotations

import base64
import re
import shutil
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from engine.run import Run
from engine.runs import execute
from model.project import open_project
from operations.incident.stack_file import lifted, locked
from plan.protectors import TUNNEL
from plan.step_order import judge_steps
from sandbox import Fault, Faults, Sandbox
from sandbox.kong import token as kong_type
from sandbox.state import Record
from tests.support.engine_project import EngineProject
from tests.support.exposure_changes import CERTIFICATE, KEY, LIFT, LOCK, SECRET, STOPPED, WRITE, Change, Edit
from tests.support.exposure_programs import run_program, write_program
from tests.support.exposure_watch import watching
from tests.support.operation_chain import FirstFault
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


#: An operation of a provider, its type and the engine's name of the resource.
Operation = tuple[str, str, str]


@dataclass
class Outcome:
    """`operations` of the providers in the engine's order; `runs` of the engine; `stops` at an error that was ordered;
    `states` seen; what was exposed, and what went otherwise than it should."""

    operations: list[Operation] = field(default_factory=list)
    runs: int = 0
    stops: int = 0
    states: int = 0
    exposed: list[str] = field(default_factory=list)
    problems: list[str] = field(default_factory=list)

    def lost_answers(self) -> list[Fault]:
        """An error at each operation of the edge in turn, after it took effect."""
        edge = [operation for operation in self.operations if operation[1].startswith("cloudflare:")]
        return [error(operation, late=True) for operation in dict.fromkeys(edge)]


def error(operation: Operation, *, late: bool = False) -> Fault:
    """An error at an operation, before it takes effect or after."""
    what, type_, name = operation
    return Fault(what, type_, message="500 Internal Server Error", after_effect=late, name=name)  # type: ignore[arg-type]


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
        with self._begun(change, Faults([fault] if fault else [])) as (world, outcome):
            for run in change.runs:
                told = self._go(world, change, run, outcome, plain=plain)
                self._judge(change, run, told, outcome, judged=fault is None, plain=plain)
            if fault is not None and again:
                outcome.stops = len(world.sandbox.faults.hits())
                world.sandbox.faults.clear()
                for run in change.runs:
                    told = self._go(world, change, run, outcome, plain=plain)
                    self._judge(change, run, told, outcome, judged=not fault.after_effect, plain=plain)
        return outcome

    def stopped_in_turn(self, change: Change, operations: Iterable[Operation], *, together: bool = False) -> Outcome:
        """Go through a change that stops before each of its operations in turn, and goes on each time from where it stopped.

        Args:
            together: all that the engine has in the air stop. Otherwise it does one operation after the other, so that none
                is done beside the one that stops.
        """
        left = dict.fromkeys(error(operation) for operation in operations)
        options: dict[str, Any] = {} if together else {"parallel": 1}
        with self._begun(change, Faults() if together else FirstFault()) as (world, outcome):
            for run in change.runs:
                while True:
                    for fault in left:
                        world.sandbox.faults.add(fault)
                    told = self._go(world, change, run, outcome, **options)
                    met = world.sandbox.faults.hits()
                    world.sandbox.faults.clear()
                    if not met:
                        break
                    for fault in met:
                        del left[fault]
                    outcome.stops += len(met)
                self._judge(change, run, told, outcome, judged=True)
            outcome.problems += [f"no {fault.operation} of {fault.name} was met" for fault in left]
        return outcome

    @contextmanager
    def _begun(self, change: Change, faults: Faults) -> Iterator[tuple[EngineProject, Outcome]]:
        """The start of a change, with its files edited. Every state is judged until the context ends."""
        self._set_back(change)
        with Sandbox(self.folder / "world", faults=faults) as sandbox:
            world = EngineProject(open_project(self.root), sandbox, self.folder / "home")
            if change.connected:
                with sandbox.store.transaction() as held:
                    for tunnel in held.records_of(TUNNEL):
                        tunnel.outputs["connections"] = [{"coloName": "arn01"}]
            for edit in change.edits:
                write_edit(world, edit)
            outcome = Outcome()
            with watching(sandbox) as watch:
                yield world, outcome
            outcome.states = watch.states
            outcome.exposed = [f"state {number}: {line}" for number, line in watch.exposed]

    @staticmethod
    def _go(
        world: EngineProject, change: Change, run: str, outcome: Outcome, *, plain: bool = False, **options: Any
    ) -> Run:
        """Give one command of a change, and note what it did."""
        operation, stack = run.split()
        outcome.runs += 1
        told = Run(stack, operation)  # type: ignore[arg-type]
        if stack == change.program:
            run_program(world, told, **options)
        elif plain:
            done = world.pulumi(operation, "--stack", stack, "--yes", "--skip-preview", check=False)
            said = (done.stdout + done.stderr).splitlines()
            told.error = None if done.returncode == 0 else " ".join(line.strip() for line in said if "error:" in line)
        else:
            execute(world.target, told, **options)
        outcome.operations += [
            (OPERATIONS[step.operation], step.type, step.name)
            for step in told.steps.changed
            if step.operation in OPERATIONS and step.type.startswith(("cloudflare:", "kong:"))
        ]
        return told

    def _judge(
        self, change: Change, run: str, told: Run, outcome: Outcome, *, judged: bool, plain: bool = False
    ) -> None:
        wanted = change.fails.get(run)
        if not judged:
            return
        if not plain:  # The plain CLI reports its steps to nobody here.
            outcome.problems += self._judged(change, run, told)
        if told.error is not None and (wanted is None or wanted not in told.error):
            outcome.problems.append(f"{run}: {told.error}")

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
        key = (change.example, change.program, change.deployed, change.before)
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
        if change.program:
            write_program(self.root, change.program)
        with Sandbox(self.folder / "world") as sandbox:
            world = EngineProject(open_project(self.root), sandbox, self.folder / "home")
            with sandbox.store.transaction() as held:
                held.records.append(Record(CERTIFICATE, kong_type("Certificate"), "of the gateway", {}))
            for stack in () if change.deployed else dict.fromkeys(run.split()[1] for run in change.runs):
                world.pulumi("stack", "init", stack)
            for edit in change.before:
                write_edit(world, edit)
            for stack in change.deployed:
                told = self._go(world, change, f"up {stack}", Outcome())
                assert told.error is None, told.error
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
        # Each route's own: Kong takes a key once.
        key = base64.b64encode(f"only for tests: the key of {stack}".encode()).decode()
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
