"""Fail every operation of up, update and destroy in turn, in each way that an API fails, then see that one command more
makes it whole.

Each row is one operation of one object with one kind of fault, at the stand-in providers under the real engine. The command
that meets the fault ends with code 5. Afterwards `up` (or `destroy`) is run once: nothing may be doubled or left, all is
recorded, no lock stays, an update has arrived, and no client secret is in clear in the state, its backups or the output.

    make faults                                   every operation, every kind: about three hours on two quiet cores
    .venv/bin/python tests/faults/run.py --only Tunnel --kind "reset, done"
    .venv/bin/python tests/faults/run.py --turns  every operation with one kind, by turns: half an hour
    .venv/bin/python tests/faults/run.py --record FILE   goes on from the outcomes in FILE, and adds to them
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from sandbox import Sandbox
from tests.support.fault_kinds import BY_NAME, KINDS, SECRET, FaultKind, secrets_in_clear
from tests.support.interrupted import Stage
from tests.support.operation_cases import Case, assert_arrived, change, prepare
from tests.support.projects import write_project

PAGE = Path(__file__).parents[2] / "docs" / "operate" / "faults.md"
MARKS = ("<!-- table of `make faults` -->\n", "<!-- end of the table -->\n")


def run(stage: Stage, folder: Path, case: Case, kind: FaultKind, wanted: dict[str, Counter[str]]) -> str:
    """The outcome in a word or a sentence."""
    stage.go_back(folder / case.start)
    if case.changed:
        change(stage)
    try:
        met = stage.fail_in(kind.at(case), *case.command, "--yes")
        if met is None:
            return "not met"
        again = stage.run(*case.command, "--yes")
        assert_arrived(stage, case, wanted)
        assert secrets_in_clear(stage) == []
        assert SECRET.decode() not in met.stdout + met.stderr + again.stdout + again.stderr
    except AssertionError as error:
        return f"FAILED: {' '.join(str(error).split())[:2000]}"
    finally:
        if case.changed:
            change(stage, back=True)
    return "whole"


def table(outcomes: Sequence[tuple[Case, FaultKind, str]]) -> str:
    """How many operations of each group became whole, by kind of fault."""
    kinds = [kind for kind in KINDS if any(kind == met for _, met, _ in outcomes)]
    lines = ["| Operations | " + " | ".join(kind.name for kind in kinds) + " |", "|---|" + "---|" * len(kinds)]
    for group in dict.fromkeys(case.group for case, _, _ in outcomes):
        cells = []
        for kind in kinds:
            words = [word for case, met, word in outcomes if case.group == group and met == kind]
            cells.append(f"{words.count('whole')} of {len(words)}" if words else "-")
        lines.append(f"| {group} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


@dataclass
class Record:
    """Outcomes by case and kind, kept in a file where one is named, so that a run may go on another day."""

    file: Path | None

    def read(self) -> dict[tuple[str, str], str]:
        if self.file is None or not self.file.exists():
            return {}
        lines = [json.loads(line) for line in self.file.read_text(encoding="utf-8").splitlines()]
        return {(line["case"], line["kind"]): line["outcome"] for line in lines}

    def add(self, case: Case, kind: FaultKind, outcome: str) -> None:
        if self.file is not None:
            with self.file.open("a", encoding="utf-8") as file:
                file.write(json.dumps({"case": case.title, "kind": kind.name, "outcome": outcome}) + "\n")


def write_page(text: str) -> None:
    """Put the table between its marks on the page."""
    before, begin, rest = PAGE.read_text(encoding="utf-8").partition(MARKS[0])
    _, end, after = rest.partition(MARKS[1])
    if not (begin and end):
        raise SystemExit(f"{PAGE}: the marks {MARKS} are not there")
    PAGE.write_text(f"{before}{begin}\n{text}\n{end}{after}", encoding="utf-8")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="cases whose title holds this")
    parser.add_argument("--kind", choices=sorted(BY_NAME), action="append", help="one kind; all without it")
    parser.add_argument("--turns", action="store_true", help="one kind for each operation, by turns")
    parser.add_argument("--record", type=Path, help="a file of outcomes to go on from")
    parser.add_argument("--write", action="store_true", help=f"write the table into {PAGE.name}")
    options = parser.parse_args()
    kinds = [BY_NAME[name] for name in options.kind] if options.kind else list(KINDS)
    record = Record(options.record)
    known = record.read()
    outcomes: list[tuple[Case, FaultKind, str]] = []
    with tempfile.TemporaryDirectory(prefix="ringwall-faults-") as name:
        folder = Path(name)
        root = write_project(folder / "project")
        home = root / ".ringwall" / "sandbox"
        home.mkdir(parents=True)
        with Sandbox(home / "providers") as sandbox:
            stage = Stage(root, sandbox)
            wanted, cases = prepare(stage, folder)
            chosen = [case for case in cases if options.only in case.title]
            print(f"{len(chosen)} of {len(cases)} operations", flush=True)
            outcomes += [
                (case, kind, known[case.title, kind.name])
                for case in cases
                for kind in KINDS
                if (case.title, kind.name) in known
            ]
            for case in chosen:
                turn = [kinds[cases.index(case) % len(kinds)]]
                for kind in turn if options.turns else kinds:
                    if (case.title, kind.name) in known:
                        continue
                    began = time.monotonic()
                    outcome = run(stage, folder, case, kind, wanted)
                    record.add(case, kind, outcome)
                    outcomes.append((case, kind, outcome))
                    seconds = time.monotonic() - began
                    print(f"{case.title:<70} {kind.name:<15} {seconds:5.1f} s  {outcome}", flush=True)
    failed = sum(outcome != "whole" for _, _, outcome in outcomes)
    print(table(outcomes))
    print(f"{failed} of {len(outcomes)} not whole" if failed else f"all {len(outcomes)} whole")
    if options.write:
        write_page(table(outcomes))
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
