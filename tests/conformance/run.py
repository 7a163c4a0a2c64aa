"""The MCP project's conformance suite against its own requirements' server: directly, and behind the guard.

    .venv/bin/python tests/conformance/run.py [--json FILE] [--verbose]

For each of the two revisions one table: scenario and check, the answer of the server itself, the answer through the
guard. Exit code 1 when any check is worse behind the guard, or dns-rebinding-protection does not pass there. What the
server itself fails (the tasks extension it does not have) is shown and counts only by comparison.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.support.guard_process import Upstream, first_line, guard
from tests.support.node import installed, node

HERE = Path(__file__).parent
REVISIONS = ("2025-11-25", "2026-07-28")
#: Better first; a check that is not there at all is the worst. INFO and SKIPPED are the suite's notes: the more a server
#: is found able to do, the fewer or more of them, so that only a success can be lost to them.
RANK = {"SUCCESS": 0, "INFO": 1, "SKIPPED": 1, "WARNING": 2, "FAILURE": 3, "absent": 4}
Check = tuple[str, str, int]
Results = dict[Check, tuple[str, str]]
MUST_PASS = "dns-rebinding-protection"


@dataclass(frozen=True)
class Row:
    """One check of one scenario: its status both ways, and what the suite said of the guard's answer."""

    scenario: str
    check: str
    direct: str
    guarded: str
    message: str = ""

    @property
    def worse(self) -> bool:
        if self.direct in ("absent", "INFO", "SKIPPED"):
            return self.guarded == "FAILURE"
        return RANK[self.guarded] > RANK[self.direct]


def read_results(folder: Path) -> Results:
    """Status and message of every check the suite wrote below `folder`: by scenario, check id and its nth occurrence."""
    found: Results = {}
    for file in sorted(folder.glob("server-*/checks.json")):
        scenario = file.parent.name.removeprefix("server-").rsplit("-", 6)[0]
        seen: Counter[str] = Counter()
        for check in json.loads(file.read_text()):
            key = (scenario, check["id"], seen[check["id"]])
            seen[check["id"]] += 1
            found[key] = (check["status"], check.get("errorMessage") or "")
    return found


def compare(direct: Results, guarded: Results) -> list[Row]:
    """Every check of either run, in the order of the direct one."""
    nothing = ("absent", "")
    return [
        Row(
            scenario,
            check,
            direct.get((scenario, check, nth), nothing)[0],
            *guarded.get((scenario, check, nth), nothing),
        )
        for scenario, check, nth in dict.fromkeys((*direct, *guarded))
    ]


def faults(rows: list[Row]) -> list[str]:
    """Why the guard does not pass; empty when it does."""
    found = [f"{row.scenario} / {row.check}: {row.direct} -> {row.guarded}. {row.message}" for row in rows if row.worse]
    rebinding = [row for row in rows if row.scenario == MUST_PASS]
    if not rebinding or any(row.guarded in ("FAILURE", "WARNING", "absent") for row in rebinding):
        found.append(f"{MUST_PASS} does not pass behind the guard")
    return found


def run_suite(url: str, revision: str, folder: Path, modules: Path) -> Results:
    """One run of the suite against `url`.

    Raises:
        RuntimeError: it wrote no results at all.
    """
    script = modules / "@modelcontextprotocol/conformance/dist/index.js"
    done = subprocess.run(
        [node(modules), str(script), "server", "--url", url, "--requirements", revision, "-o", str(folder)],
        check=False,
        capture_output=True,
        text=True,
        timeout=600,
    )
    found = read_results(folder)
    if not found:
        raise RuntimeError(f"the suite wrote no results: {(done.stderr or done.stdout)[-1000:]}")
    return found


def run(folder: Path) -> Mapping[str, list[Row]]:
    """Both revisions, both ways; files in `folder`.

    Raises:
        NotAvailable: npm could not fetch the suite.
    """
    modules = installed(HERE)
    with ExitStack() as stack:
        url, _ = stack.enter_context(first_line([sys.executable, str(HERE / "server.py")]))
        guarded = stack.enter_context(guard(Upstream(url=url), folder / "guard"))
        return {
            revision: compare(
                run_suite(url, revision, folder / f"{revision}-direct", modules),
                run_suite(guarded.url, revision, folder / f"{revision}-guard", modules),
            )
            for revision in REVISIONS
        }


def table(revision: str, rows: list[Row], verbose: bool) -> list[str]:
    """A scenario a line; its checks too where both ways are not one success, or always when `verbose`."""
    lines = [f"{revision:<58} {'direct':>12} {'guard':>12}"]
    for scenario in dict.fromkeys(row.scenario for row in rows):
        of_it = [row for row in rows if row.scenario == scenario]
        lines.append(f"  {scenario:<56} {_count(r.direct for r in of_it):>12} {_count(r.guarded for r in of_it):>12}")
        for row in of_it:
            if verbose or row.worse or row.direct != row.guarded:
                mark = "  <- worse" if row.worse else ""
                lines.append(f"    {row.check:<54} {row.direct.lower():>12} {row.guarded.lower():>12}{mark}")
    total = f"{'all checks':<58} {_count(r.direct for r in rows):>12} {_count(r.guarded for r in rows):>12}"
    return [*lines, total, ""]


def _count(statuses: object) -> str:
    count = Counter(statuses)  # type: ignore[call-overload]
    failed = count["FAILURE"] + count["absent"]
    return f"{count['SUCCESS']} ok" + (f", {failed} bad" if failed else "")


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Conformance, directly and behind the guard.")
    parser.add_argument("--json", type=Path, help="write every check to this file too")
    parser.add_argument("--verbose", action="store_true", help="every check, not the differing ones only")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ringwall-conformance-") as folder:
        results = run(Path(folder))
    wrong = []
    for revision, rows in results.items():
        print("\n".join(table(revision, rows, options.verbose)))
        wrong += [f"{revision}: {fault}" for fault in faults(rows)]
    if options.json:
        document = {revision: [vars(row) for row in rows] for revision, rows in results.items()}
        options.json.write_text(json.dumps(document, indent=1) + "\n")
    print("\n".join(f"worse: {fault}" for fault in wrong) or "no check is worse behind the guard")
    return 1 if wrong else 0


if __name__ == "__main__":
    raise SystemExit(main())
