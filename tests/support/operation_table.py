"""Every operation with every kind of fault, by several workers, and the table of what came of it on its page.

An outcome is kept in a file where one is named, so that a run may go on another day.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import queue
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import groupby
from multiprocessing.context import SpawnProcess
from multiprocessing.queues import Queue
from pathlib import Path

from sandbox import Faults, Sandbox
from tests.support.fault_kinds import FaultKind
from tests.support.interrupted import Stage
from tests.support.marked_tables import write_table
from tests.support.operation_cases import Case, prepare
from tests.support.operation_chain import WHOLE, FirstFault, Trials
from tests.support.projects import write_project
from tests.support.warm_ringwall import WarmRingwall

PAGE = Path(__file__).parents[2] / "docs" / "operate" / "faults.md"
Pair = tuple[Case, FaultKind]


@dataclass(frozen=True)
class Outcome:
    """What came of an operation with a fault, in a word or a sentence; `together` with faults at others in the same run."""

    word: str
    together: bool


@contextmanager
def a_stage(folder: Path, *, together: bool = False) -> Iterator[Stage]:
    """A project of its own with its services and its interpreter.

    Args:
        together: a fault for every operation that a run has in the air, instead of for one at a time.
    """
    root = write_project(folder / "project")
    home = root / ".ringwall" / "sandbox"
    home.mkdir(parents=True)
    with (
        WarmRingwall(one_by_one=not together) as warm,
        Sandbox(home / "providers", faults=Faults() if together else FirstFault()) as sandbox,
    ):
        yield Stage(root, sandbox, warm)


@dataclass
class Record:
    """Outcomes by the title of a case and the name of a kind."""

    file: Path | None

    def read(self) -> dict[tuple[str, str], Outcome]:
        if self.file is None or not self.file.exists():
            return {}
        lines = [json.loads(line) for line in self.file.read_text(encoding="utf-8").splitlines()]
        return {(line["case"], line["kind"]): Outcome(line["outcome"], line["together"]) for line in lines}

    def add(self, outcomes: Mapping[Pair, Outcome]) -> None:
        if self.file is None:
            return
        with self.file.open("a", encoding="utf-8") as file:
            for (case, kind), outcome in outcomes.items():
                line = {
                    "case": case.title,
                    "kind": kind.name,
                    "outcome": outcome.word,
                    "together": outcome.together,
                }
                file.write(json.dumps(line) + "\n")


@dataclass(frozen=True)
class Task:
    """Operations of one command that meet one kind of fault: in a chain, or each on its own."""

    cases: tuple[Case, ...]
    kind: FaultKind
    alone: bool


def table(outcomes: Mapping[Pair, Outcome], kinds: Sequence[FaultKind]) -> str:
    """How many operations of each group became whole, by kind of fault."""
    lines = ["| Operations | " + " | ".join(kind.name for kind in kinds) + " |", "|---|" + "---|" * len(kinds)]
    for group in dict.fromkeys(case.group for case, _ in outcomes):
        cells = []
        for kind in kinds:
            words = [found.word for (case, met), found in outcomes.items() if case.group == group and met == kind]
            cells.append(f"{words.count(WHOLE)} of {len(words)}" if words else "-")
        lines.append(f"| {group} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _work(
    folder: Path,
    wanted: Mapping[str, Counter[str]],
    waiting: Queue[Task | None],
    done: Queue[tuple[Task, dict[Case, str], float]],
    together: bool,
) -> None:
    """What a worker does until there is no task left."""
    own = Path(tempfile.mkdtemp(dir=folder))
    with a_stage(own, together=together) as stage:
        trials = Trials(stage, folder, wanted)
        while (task := waiting.get()) is not None:
            began = time.monotonic()
            if task.alone:
                outcomes = {case: trials.alone(case, task.kind) for case in task.cases}
            else:
                outcomes = trials.of_command(task.cases, task.kind)
            done.put((task, outcomes, time.monotonic() - began))


def run(target: str, kinds: Sequence[FaultKind], description: str) -> int:
    """The command line of a table: `target` is its make target."""
    parser = argparse.ArgumentParser(description=description, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="operations whose title holds this")
    parser.add_argument("--kind", choices=[kind.name for kind in kinds], action="append", help="all without it")
    how = parser.add_mutually_exclusive_group()
    how.add_argument("--alone", action="store_true", help="each operation from its start: twice the runs")
    how.add_argument("--together", action="store_true", help="all that a run has in the air: a third of the runs")
    parser.add_argument("--workers", type=int, default=2, help="side by side")
    parser.add_argument("--record", type=Path, help="a file of outcomes to go on from")
    parser.add_argument("--write", action="store_true", help=f"write the table into {PAGE.name}")
    options = parser.parse_args()
    record = Record(options.record)
    known, began = record.read(), time.monotonic()
    with tempfile.TemporaryDirectory(prefix=f"ringwall-{target}-") as name:
        folder = Path(name)
        with a_stage(folder / "first") as stage:
            wanted, cases = prepare(stage, folder)
        outcomes = {
            (case, kind): known[case.title, kind.name]
            for case in cases
            for kind in kinds
            if (case.title, kind.name) in known
        }
        chosen = [kind for kind in kinds if options.kind is None or kind.name in options.kind]
        tasks = [
            Task(tuple(open_), kind, options.alone)
            for kind in chosen
            for _, of_command in groupby(cases, key=lambda case: case.line)
            if (open_ := [case for case in of_command if options.only in case.title and (case, kind) not in outcomes])
        ]
        total = sum(len(task.cases) for task in tasks)
        print(f"{total} of {len(cases) * len(kinds)} pairs of an operation and a fault", flush=True)
        for task, found, seconds in _shared_out(folder, wanted, tasks, options):
            new = {(case, task.kind): Outcome(word, options.together) for case, word in found.items()}
            outcomes |= new
            record.add(new)
            whole = sum(word == WHOLE for word in found.values())
            print(
                f"{task.cases[0].line:<24} {task.kind.name:<17} {whole} of {len(found)} whole, {seconds:.0f} s",
                flush=True,
            )
            for case, word in found.items():
                if word != WHOLE:
                    print(f"  {case.title}: {word}", flush=True)
    outcomes = {(case, kind): outcomes[case, kind] for case in cases for kind in kinds if (case, kind) in outcomes}
    failed = sum(outcome.word != WHOLE for outcome in outcomes.values())
    text = table(outcomes, kinds)
    print(text)
    print(f"{failed} of {len(outcomes)} not whole" if failed else f"all {len(outcomes)} whole", end="")
    print(f", {time.monotonic() - began:.0f} s")
    if options.write:
        together = sum(outcome.together for outcome in outcomes.values())
        scope = (
            f"That is {len(outcomes)} of the {len(cases) * len(kinds)} pairs of an operation and a fault. "
            f"{len(outcomes) - together} were the only one in their run.\n"
            f"{together} met their fault together with whatever else the engine had in the air.\n"
        )
        write_table(PAGE, target, f"{text}\n{scope}")
    return 1 if failed else 0


def _shared_out(
    folder: Path, wanted: Mapping[str, Counter[str]], tasks: Sequence[Task], options: argparse.Namespace
) -> Iterator[tuple[Task, dict[Case, str], float]]:
    """What came of each task, as its worker ends it."""
    context = multiprocessing.get_context("spawn")
    waiting: Queue[Task | None] = context.Queue()
    done: Queue[tuple[Task, dict[Case, str], float]] = context.Queue()
    for task in [*sorted(tasks, key=lambda task: -len(task.cases)), *[None] * options.workers]:
        waiting.put(task)
    work = (folder, wanted, waiting, done, options.together)
    hands = [context.Process(target=_work, args=work) for _ in range(options.workers)]
    for hand in hands:
        hand.start()
    try:
        for _ in tasks:
            yield _next(done, hands)
        for hand in hands:
            hand.join()
    finally:
        for hand in hands:
            hand.terminate()


def _next(
    done: Queue[tuple[Task, dict[Case, str], float]], hands: Sequence[SpawnProcess]
) -> tuple[Task, dict[Case, str], float]:
    """What came of the next task. Ends where a worker has died, which leaves its task without an outcome."""
    while True:
        try:
            return done.get(timeout=5)
        except queue.Empty:
            if any(hand.exitcode for hand in hands):
                raise SystemExit("a worker has ended before its work; what it said stands above") from None
