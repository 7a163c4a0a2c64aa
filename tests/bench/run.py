"""`make bench`: start-up, offline plans and memory, each beside the engine's own preview of the same stacks, in one run.

Figures are medians of interleaved rounds; ratios matter more than seconds, which depend on the machine.
"""

from __future__ import annotations

import json
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from model.project import open_project
from sandbox import Sandbox
from tests.support.engine_project import EngineProject
from tests.support.projects import server_text, write_project, write_server

ROUNDS = 5
PEER = "pulumi preview -s dev.one (plain CLI)"
MANY = 100
COMPLETING = {"_RINGWALL_COMPLETE": "complete_bash", "COMP_WORDS": "ringwall lo", "COMP_CWORD": "1"}
RINGWALL = str(Path(sys.executable).with_name("ringwall"))

IN_ONE_PROCESS = """
import sys, time, resource
from pathlib import Path
began = time.perf_counter()
from model.project import load
from components.providers import load_sdks
load_sdks()
from model.project import open_project
from plan.offline import plan_stack, planned_contract
from plan.render import to_json
import components.server_perimeter, components.environment
imported = time.perf_counter()
project = open_project(Path(sys.argv[1]))
environment = load(project, "dev")
loaded = time.perf_counter()
contract = planned_contract(project, environment)
least = float("inf")
for server in environment.servers.values():
    started = time.process_time()
    to_json(plan_stack(project, server, contract=contract))
    least = min(least, time.process_time() - started)
done = time.perf_counter()
peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
print(imported - began, loaded - imported, done - loaded, least, peak)
"""


def run(*command: str, environment: dict[str, str] | None = None) -> None:
    done = subprocess.run(
        command, capture_output=True, text=True, env={**os.environ, **(environment or {})}, check=False
    )
    if done.returncode:
        raise SystemExit(f"{' '.join(command)} failed:\n{done.stdout}{done.stderr}")


def timed(work: Callable[[], object]) -> float:
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def interleaved(works: dict[str, Callable[[], object]]) -> dict[str, float]:
    """Median seconds of each, one of each a round, so that a slow spell of the machine hits all alike."""
    taken: dict[str, list[float]] = {name: [] for name in works}
    for round_ in range(ROUNDS + 1):
        for name, work in works.items():
            seconds = timed(work)
            if round_:  # the first round warms caches
                taken[name].append(seconds)
    return {name: statistics.median(values) for name, values in taken.items()}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, Sandbox(Path(folder) / "world") as sandbox:
        one = write_project(Path(folder) / "one")
        many = write_project(Path(folder) / "many", servers=0)
        for number in range(MANY):
            write_server(many, f"dev.s{number}", server_text(f"s{number}", number))
        project = ["--project", str(one)]
        run(RINGWALL, "up", "dev", "--sandbox", "--yes", *project)
        plain = EngineProject(open_project(write_project(Path(folder) / "plain")), sandbox, Path(folder) / "home")
        plain.run("dev", "up")
        plain.run("dev.one", "up")
        figures = interleaved(
            {
                "python -c pass": lambda: run(sys.executable, "-c", "pass"),
                "python -c 'import typer, rich'": lambda: run(sys.executable, "-c", "import typer, rich"),
                "ringwall --help": lambda: run(RINGWALL, "--help"),
                "ringwall lo<tab> (completion)": lambda: run(RINGWALL, environment=COMPLETING),
                "ringwall plan dev.one (cold process)": lambda: run(RINGWALL, "plan", "dev.one", *project),
                PEER: lambda: plain.pulumi("preview", "--stack", "dev.one"),
                "ringwall preview dev.one (engine)": lambda: run(RINGWALL, "preview", "dev.one", "--sandbox", *project),
            }
        )
        for name, seconds in figures.items():
            print(f"{name:<50} {seconds:7.3f} s")
        plan = figures["ringwall plan dev.one (cold process)"]
        print(f"{'plan against plain pulumi preview':<50} {plan / figures[PEER]:7.2f} x")
        answer = subprocess.run(
            [sys.executable, "-c", IN_ONE_PROCESS, str(many)], capture_output=True, text=True, check=True
        )
        imported, loaded, planned, least, peak = (float(word) for word in answer.stdout.split())
        print(f"{'import of the SDKs':<50} {imported:7.3f} s")
        print(f"{f'reading and checking {MANY} servers':<50} {loaded:7.3f} s")
        print(f"{f'planning {MANY} servers after import':<50} {planned:7.3f} s")
        print(f"{'a further server (least processor time)':<50} {least:7.3f} s")
        print(f"{'peak memory of that process':<50} {peak:7.0f} MB")
        children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss // 1024
        print(f"{'largest process of all runs':<50} {children:7d} MB")
        print(json.dumps({"targets": {"help": 0.3, "plan_cold": 2.5, "plan_100_after_import": 5.0}}))


if __name__ == "__main__":
    main()
