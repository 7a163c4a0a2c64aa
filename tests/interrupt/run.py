"""Kill a run with SIGKILL in every operation of up, update and destroy, then see that one command more makes it whole.

Each row is one operation of one object. `before`: the kill comes before the provider has done its work, which it then
does all the same, late. `after`: the work is done and the answer is never heard. Afterwards `up` (or `destroy`) is run
once; nothing may be doubled or left, all is recorded, no lock stays, and an update has arrived.

    make interrupt                                      every operation, about an hour on two cores
    .venv/bin/python tests/interrupt/run.py --only Tunnel --phase after
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from sandbox import Fault, Sandbox
from tests.support.interrupted import Stage
from tests.support.operation_cases import Case, assert_arrived, change, prepare
from tests.support.projects import write_project

LATE = 1.5
PHASES = ("before", "after")


def run(stage: Stage, folder: Path, case: Case, phase: str, wanted: dict[str, Counter[str]]) -> str:
    """The outcome in a word or a sentence."""
    stage.go_back(folder / case.start)
    if case.changed:
        change(stage)
    try:
        fault = Fault(case.operation, case.type, case.nth, delay=LATE, after_effect=phase == "after")  # type: ignore[arg-type]
        if not stage.kill_in(fault, *case.command, "--yes"):
            return "not met"
        stage.run(*case.command, "--yes")
        assert_arrived(stage, case, wanted)
    except AssertionError as error:
        return f"FAILED: {' '.join(str(error).split())[:2000]}"
    finally:
        if case.changed:
            change(stage, back=True)
    return "whole"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default="", help="cases whose title holds this")
    parser.add_argument("--phase", choices=PHASES, action="append", help="one phase; both without it")
    arguments = parser.parse_args()
    failed = 0
    with tempfile.TemporaryDirectory(prefix="ringwall-interrupt-") as name:
        folder = Path(name)
        root = write_project(folder / "project")
        home = root / ".ringwall" / "sandbox"
        home.mkdir(parents=True)
        with Sandbox(home / "providers") as sandbox:
            stage = Stage(root, sandbox)
            wanted, cases = prepare(stage, folder)
            chosen = [case for case in cases if arguments.only in case.title]
            print(f"{len(chosen)} of {len(cases)} operations", flush=True)
            for case in chosen:
                for phase in arguments.phase or PHASES:
                    began = time.monotonic()
                    outcome = run(stage, folder, case, phase, wanted)
                    failed += outcome != "whole"
                    print(f"{case.title:<70} {phase:<7} {time.monotonic() - began:5.1f} s  {outcome}", flush=True)
    print(f"{failed} not whole" if failed else "all whole")
    return 1 if failed else 0


if __name__ == "__main__":
    raise SystemExit(main())
