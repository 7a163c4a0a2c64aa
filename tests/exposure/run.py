"""`make exposure`: every kind of change on the real engine, cut off at every operation, and what was exposed in between.

    .venv/bin/python tests/exposure/run.py [--only "host name changed"] [--whole]

Each change runs once whole, by Ringwall and by the plain `pulumi` CLI, and once for each of its operations with an error
there, before the operation took effect, and at the edge after it too; each of those is then repeated to its end. After
every operation the state of the stand-in services is judged. `--whole` leaves the errors out.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.support.exposure_changes import CHANGES, Change
from tests.support.exposure_rehearsal import Outcome, Rehearsal, report


def judge(rehearsal: Rehearsal, change: Change, *, whole: bool) -> tuple[dict[str, Any], list[str]]:
    """One row of the table, and every line that must not be."""
    first = rehearsal.run(change)
    outcomes: list[tuple[str, Outcome]] = [("whole", first), ("plain", rehearsal.run(change, plain=True))]
    for fault in [] if whole else first.faults():
        when = "after" if fault.after_effect else "before"
        place = f"error {when} {fault.operation} {fault.nth} of {fault.type.rpartition(':')[2]}"
        outcomes.append((place, rehearsal.run(change, fault, again=True)))
    lines = [f"{change.name}: {place}: {line}" for place, one in outcomes for line in [*one.exposed, *one.problems]]
    row = {
        "change": change.name,
        "runs": len(outcomes),
        "operations": len(first.operations),
        "states": sum(one.states for _, one in outcomes),
        "exposures": sum(len(one.exposed) for _, one in outcomes),
    }
    return row, lines


def main() -> int:
    parser = argparse.ArgumentParser(description="No exposure while something changes.")
    parser.add_argument("--only", action="append", default=[], help="the name of a change; may be repeated")
    parser.add_argument("--whole", action="store_true", help="without errors at the operations")
    options = parser.parse_args()
    chosen = [change for change in CHANGES if not options.only or change.name in options.only]
    started, rows, wrong = time.monotonic(), [], []
    with tempfile.TemporaryDirectory() as folder:
        rehearsal = Rehearsal(Path(folder))
        for change in chosen:
            row, lines = judge(rehearsal, change, whole=options.whole)
            rows.append(row)
            wrong += lines
            print(report([row]).splitlines()[1], flush=True)
            for line in lines:
                print(f"  {line}", flush=True)
    print()
    print(report(rows))
    states, exposures = sum(row["states"] for row in rows), sum(row["exposures"] for row in rows)
    print(f"{states} states, {exposures} exposures, {len(wrong)} lines above, {time.monotonic() - started:.0f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
