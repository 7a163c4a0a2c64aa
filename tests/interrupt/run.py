"""Kill a run with SIGKILL in every operation of up, update and destroy, then see that one command more makes it whole.

Each row is one operation of one object. `before`: the kill comes before the provider has done its work, which it then
does all the same, late. `after`: the work is done and the answer is never heard. Afterwards `up` (or `destroy`) is run
once; nothing may be doubled or left, all is recorded, no lock stays, and an update has arrived.

    make interrupt                                      every operation, about an hour on two cores
    .venv/bin/python tests/interrupt/run.py --only Tunnel --phase after
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from sandbox import Fault, Sandbox
from tests.support.interrupted import Stage
from tests.support.projects import write_project

LATE = 1.5
PHASES = ("before", "after")
#: Touches every ring: applications, upstream, target (a replacement), services and plugins.
CHANGES = (
    ("    guard_port: 9010\n", "    guard_port: 9011\n"),
    (
        "    grants:\n",
        "    oauth:\n      access_token_lifetime: 5m\n    limits:\n      body_kilobytes: 64\n"
        "    circuit_breaker:\n      failures: 7\n    timeouts:\n      read: 90s\n    grants:\n",
    ),
)


@dataclass(frozen=True)
class Case:
    """One operation to be killed in: the `nth` of its type in `command`, which starts from `start`."""

    start: str
    command: tuple[str, ...]
    operation: str
    type: str
    nth: int
    changed: bool = False

    @property
    def title(self) -> str:
        name = self.type.rpartition(":")[2]
        return f"{' '.join(self.command[:2])}{' (changed)' if self.changed else ''}: {self.operation} {name} {self.nth}"


def prepare(stage: Stage, folder: Path) -> tuple[dict[str, Counter[str]], list[Case]]:
    """Keep every state that a case starts from, and list the cases from what uninterrupted runs did."""
    cases: list[Case] = []
    wanted: dict[str, Counter[str]] = {}

    def keep(name: str) -> None:
        stage.keep(folder / name)
        wanted[name] = stage.there()

    keep("nothing")
    stage.run("up", "dev", "--yes")
    keep("all")
    change(stage)
    (run,) = json.loads(stage.run("up", "dev.one", "--yes", "--json").stdout)["runs"]
    done = {"create-replacement": "create", "delete-replaced": "delete"}
    steps = [
        (done.get(one["operation"], one["operation"]), one["type"])
        for one in run["changes"]
        if one["type"].startswith(("kong:", "cloudflare:")) and one["operation"] != "replace"
    ]
    cases += numbered("all", ("up", "dev.one"), steps, changed=True)
    change(stage, back=True)
    stage.go_back(folder / "all")
    stage.run("destroy", "dev.one", "--yes")
    keep("environment")
    server = [
        ("delete", type_) for type_, count in (wanted["all"] - wanted["environment"]).items() for _ in range(count)
    ]
    shared = [("delete", type_) for type_, count in wanted["environment"].items() for _ in range(count)]
    cases += numbered("nothing", ("up", "dev"), [("create", type_) for _, type_ in shared])
    cases += numbered("environment", ("up", "dev.one"), [("create", type_) for _, type_ in server])
    cases += numbered("all", ("destroy", "dev.one"), server)
    cases += numbered("environment", ("destroy", "dev"), shared)
    return wanted, cases


def numbered(
    start: str, command: tuple[str, ...], steps: list[tuple[str, str]], *, changed: bool = False
) -> Iterator[Case]:
    for (operation, type_), count in sorted(Counter(steps).items()):
        for nth in range(1, count + 1):
            yield Case(start, command, operation, type_, nth, changed)


def change(stage: Stage, *, back: bool = False) -> None:
    file = stage.root / "stacks" / "Pulumi.dev.one.yaml"
    text = file.read_text(encoding="utf-8")
    for old, new in CHANGES:
        old, new = (new, old) if back else (old, new)
        if old not in text:
            raise SystemExit(f"{file.name} has no {old!r}: correct CHANGES")
        text = text.replace(old, new)
    file.write_text(text, encoding="utf-8")


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
        stage.assert_whole(wanted[goal(case)])
        if case.changed:
            (again,) = json.loads(stage.run("preview", "dev.one", "--json").stdout)["runs"]
            assert again["changes"] == [], again["changes"]
    except AssertionError as error:
        return f"FAILED: {' '.join(str(error).split())[:2000]}"
    finally:
        if case.changed:
            change(stage, back=True)
    return "whole"


def goal(case: Case) -> str:
    if case.command[0] == "up":
        return "all"
    return "environment" if case.command[1] == "dev.one" else "nothing"


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
