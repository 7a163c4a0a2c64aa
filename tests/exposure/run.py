"""`make exposure`: every kind of change on the real engine, cut off at every operation, and what was exposed in between.

    .venv/bin/python tests/exposure/run.py [--only "host name"] [--whole] [--record FILE] [--workers N]

Each change runs once whole, by Ringwall and by the plain `pulumi` CLI. It runs once more with an error before each of its
operations in turn, going on each time from where it stopped. And it runs once for each operation at the edge with an error
after that took effect, and is then repeated to its end; a creation whose edge is that of `created` leaves this to it. After
every operation the state of the stand-in services is judged. `--whole` leaves the errors out. `--record` goes on from the
rows in a file, and adds to them.
"""

from __future__ import annotations

import argparse
import json
import multiprocessing
import sys
import tempfile
import time
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.support.exposure_changes import BY_NAME, CHANGES
from tests.support.exposure_rehearsal import Outcome, Rehearsal
from tests.support.marked_tables import write_table

PAGE = Path(__file__).resolve().parents[2] / "docs" / "explain" / "exposure.md"


@dataclass
class Row:
    """One row of the table, and every line that must not be."""

    change: str
    operations: int
    stops: int
    states: int
    exposures: int
    wrong: list[str]

    @property
    def text(self) -> str:
        return f"{self.change:46} {self.operations:10} {self.stops:6} {self.states:7} {self.exposures:10}"


def judge(folder: Path, name: str, whole: bool, together: bool) -> Row:
    """Take one change through all of its runs, in a folder of this process."""
    change, rehearsal = BY_NAME[name], _rehearsal(folder)
    first = rehearsal.run(change)
    outcomes: list[tuple[str, Outcome]] = [("whole", first)]
    if not change.program:
        outcomes.append(("plain", rehearsal.run(change, plain=True)))
    if not whole and first.operations:
        stopped = rehearsal.stopped_in_turn(change, first.operations, together=together)
        outcomes.append(("stopped in turn", stopped))
        for fault in first.lost_answers() if change.lost_answers else ():
            place = f"error after {fault.operation} of {fault.name}"
            outcomes.append((place, rehearsal.run(change, fault, again=True)))
    return Row(
        name,
        len(first.operations),
        sum(outcome.stops for _, outcome in outcomes),
        sum(outcome.states for _, outcome in outcomes),
        sum(len(outcome.exposed) for _, outcome in outcomes),
        [f"{place}: {line}" for place, outcome in outcomes for line in [*outcome.exposed, *outcome.problems]],
    )


_OWN: list[Rehearsal] = []


def _rehearsal(folder: Path) -> Rehearsal:
    if not _OWN:
        _OWN.append(Rehearsal(Path(tempfile.mkdtemp(dir=folder))))
    return _OWN[0]


def table(rows: Sequence[Row]) -> str:
    """The rows as the page shows them."""
    lines = ["| Change | Operations | Errors | States judged | Exposures |", "|---|---|---|---|---|"]
    lines += [f"| {row.change} | {row.operations} | {row.stops} | {row.states} | {row.exposures} |" for row in rows]
    operations, stops, states, exposures = (
        sum(getattr(row, key) for row in rows) for key in ("operations", "stops", "states", "exposures")
    )
    return (
        "\n".join([*lines, f"| **{len(rows)} kinds of change** | {operations} | {stops} | {states} | {exposures} |"])
        + "\n"
    )


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", action="append", default=[], help="a part of a change's name; may be repeated")
    parser.add_argument("--whole", action="store_true", help="without errors at the operations")
    parser.add_argument(
        "--together", action="store_true", help="stop all that a run has in the air: a quarter of the runs"
    )
    parser.add_argument("--workers", type=int, default=2, help="side by side")
    parser.add_argument("--record", type=Path, help="a file of rows to go on from")
    parser.add_argument("--write", action="store_true", help=f"write the table into {PAGE.name}")
    options = parser.parse_args()
    rows: dict[str, Row] = {}
    if options.record and options.record.exists():
        kept = [Row(**json.loads(line)) for line in options.record.read_text(encoding="utf-8").splitlines()]
        rows = {row.change: row for row in kept if row.change in BY_NAME}
    names = [change.name for change in CHANGES]
    due = [
        name for name in names if name not in rows and (not options.only or any(part in name for part in options.only))
    ]
    print(f"{len(due)} of {len(names)} kinds of change", flush=True)
    started = time.monotonic()
    with (
        tempfile.TemporaryDirectory(prefix="ringwall-exposure-") as folder,
        ProcessPoolExecutor(options.workers, multiprocessing.get_context("spawn")) as pool,
    ):
        for done in as_completed(
            [pool.submit(judge, Path(folder), name, options.whole, options.together) for name in due]
        ):
            row = done.result()
            rows[row.change] = row
            if options.record:
                with options.record.open("a", encoding="utf-8") as file:
                    file.write(json.dumps(asdict(row)) + "\n")
            print("\n".join([row.text, *(f"  {line}" for line in row.wrong)]), flush=True)
    ordered = [rows[name] for name in names if name in rows]
    wrong = sum(len(row.wrong) for row in ordered)
    print(f"\n{table(ordered)}\n{wrong} lines that must not be, {time.monotonic() - started:.0f} s")
    if options.write:
        write_table(PAGE, "exposure", table(ordered))
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
