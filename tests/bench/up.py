"""`make bench-up`: `ringwall up` of many servers in the sandbox, beside plain `pulumi up` of one after another.

Every call of a provider takes LATENCY seconds longer, as over a network. Each figure stands beside the machine's load, and
the most memory that Ringwall and its engines held together (proportional set size, sampled twice a second). The figures
depend on the machine and on what else it does; what counts is their order. SERVERS, LATENCY and PLAIN (how many stacks plain
`pulumi` brings up) are variables of the environment.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from model.project import open_project
from sandbox import Fault, Sandbox, faults
from tests.support.engine_project import EngineProject
from tests.support.projects import write_project

SERVERS = int(os.environ.get("SERVERS", "40"))
LATENCY = float(os.environ.get("LATENCY", "0.1"))
PLAIN = int(os.environ.get("PLAIN", "5"))
RINGWALL = str(Path(sys.executable).with_name("ringwall"))
SLOW = [Fault(operation, "*", nth=0, delay=LATENCY) for operation in ("create", "read", "update", "delete")]


def tree_of(pid: int) -> list[int]:
    """A process and everything that it started."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                parent = int((entry / "stat").read_text().rpartition(")")[2].split()[1])
            except OSError:
                continue
            children.setdefault(parent, []).append(int(entry.name))
    tree, waiting = [], [pid]
    while waiting:
        current = waiting.pop()
        tree.append(current)
        waiting += children.get(current, [])
    return tree


def memory_of(pid: int) -> float:
    """MiB of a process and everything that it started; what they share is counted once."""
    kilobytes = 0
    for process in tree_of(pid):
        try:
            text = Path(f"/proc/{process}/smaps_rollup").read_text()
        except OSError:
            continue
        kilobytes += next((int(line.split()[1]) for line in text.splitlines() if line.startswith("Pss:")), 0)
    return kilobytes / 1024


def line(what: str, seconds: float, more: str) -> None:
    print(f"{what:<34} {seconds:7.1f} s  {more}  load {os.getloadavg()[0]:.1f}", flush=True)


def timed(what: str, root: Path, *arguments: str) -> float:
    began, before, peak = time.perf_counter(), os.times(), 0.0
    with tempfile.TemporaryFile("w+") as output:
        process = subprocess.Popen(
            [RINGWALL, *arguments, "--sandbox", "--project", str(root)], stdout=output, stderr=output, text=True
        )
        while process.poll() is None:
            peak = max(peak, memory_of(process.pid))
            time.sleep(0.5)
        output.seek(0)
        text = output.read()
    if process.returncode:
        raise SystemExit(f"ringwall {' '.join(arguments)} failed:\n{text}")
    after = os.times()
    cpu = sum(getattr(after, name) - getattr(before, name) for name in ("children_user", "children_system"))
    line(what, time.perf_counter() - began, f"CPU {cpu:6.1f} s  {peak:5.0f} MiB")
    return time.perf_counter() - began


def plain(folder: Path) -> None:
    """The environment and a few servers with `pulumi up`, one after another: what a script over the stacks does."""
    root = write_project(folder / "plain", servers=PLAIN)
    with Sandbox(folder / "plain-world") as sandbox:
        faults.write(folder / "plain-world", SLOW)
        engine = EngineProject(open_project(root), sandbox, folder / "home")
        stacks = engine.project.stacks()
        began = time.perf_counter()
        for stack in stacks:
            engine.pulumi("stack", "init", stack)
            engine.pulumi("up", "--yes", "--skip-preview", "--stack", stack)
        per_stack = (time.perf_counter() - began) / len(stacks)
        line(f"pulumi up of {len(stacks)} stacks in turn", per_stack * len(stacks), f"{per_stack:.1f} s a stack")
        line(f"pulumi up, so of {SERVERS + 1} in turn", per_stack * (SERVERS + 1), "by that figure")
        began = time.perf_counter()
        for stack in stacks:
            engine.pulumi("up", "--yes", "--skip-preview", "--refresh", "--stack", stack)
        per_stack = (time.perf_counter() - began) / len(stacks)
        line(
            "unchanged, with --refresh, in turn",
            per_stack * (SERVERS + 1),
            f"{per_stack:.1f} s a stack, by that figure",
        )


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        root = write_project(folder / "project", servers=SERVERS)
        world = root / ".ringwall" / "sandbox" / "providers"
        world.mkdir(parents=True)
        faults.write(world, SLOW)
        print(f"{SERVERS} servers, {LATENCY} s a call, {os.cpu_count()} cores", flush=True)
        if PLAIN:
            plain(folder)
        first = timed("ringwall up, first", root, "up", "dev", "--yes")
        unchanged = timed("ringwall up, unchanged", root, "up", "dev", "--yes")
        timed("ringwall up, --no-refresh", root, "up", "dev", "--yes", "--no-refresh")
        timed("ringwall up, --changed", root, "up", "dev", "--yes", "--changed")
        file = root / "stacks" / "Pulumi.dev.two.yaml"
        text = file.read_text(encoding="utf-8")
        file.write_text(text.replace("tools: [list_tickets, get_ticket]", "tools: [list_tickets]"), encoding="utf-8")
        timed("one changed, --changed", root, "up", "dev", "--yes", "--changed")
        with Sandbox(world) as sandbox:
            plugin = next(found for found in sandbox.resources("kong:*:Plugin") if found.outputs["name"] == "jwt")
            sandbox.change(plugin.id, enabled=False)
        timed("one drifted", root, "up", "dev", "--yes")
        timed("ringwall refresh", root, "refresh", "dev", "--yes")
        print(f"unchanged against first {unchanged / first:.2f} x")


if __name__ == "__main__":
    main()
