"""`make bench-guard`: what the guard costs, beside its peers on the same upstream program, interleaved in one run.

    .venv/bin/python tests/bench/guard.py [--rounds 5] [--streams 1000] [--out DIR]

Subjects. *direct*: no proxy. *guard*: every check on, embedded engine, audit log. *fastmcp*: `create_proxy(url)` as its
documentation has it (a session upstream for every request), and with one connected client for all. *mcp-proxy*: it
serves HTTP for stdio servers only, so the upstream program runs as its stdio child; *mcp-proxy twice* reaches the HTTP
upstream by its own client mode behind its server mode. *guard, stdio* runs the same stdio child. No peer checks, pins,
inspects or records anything. Each call has another text; *guard, repeated* is the guard while the same call is made again
and again, which it does not judge anew.

The upstream (tests/support/fast_server.py) answers in some 0.1 ms, so that the proxies are what is measured. Added time is
p50 less the direct p50 of the same round, median over rounds; p99 is over all calls. "Memory" is of the proxy without
its upstream. Writes guard.json and guard.svg to `--out`.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import platform
import resource
import socket
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.bench.load import LEGACY, MODERN, Refused, latencies, streams, throughput
from tests.bench.plot import Panel, svg
from tests.support.guard_process import ROOT, Upstream, end, first_line, guard, lock_of, resident
from tests.support.ports import free_port
from tests.support.venvs import FASTMCP, MCP_1, venv

SERVER = (sys.executable, "-m", "tests.support.fast_server")
STDIO = (*SERVER, "--stdio")
CONNECTIONS = (1, 8, 64)


@dataclass
class Subject:
    """One road to the upstream in one era, and what was measured on it."""

    name: str
    url: str
    pid: int
    era: str = LEGACY
    streams: bool = True
    repeats: bool = False
    p50s: list[float] = field(default_factory=list)
    calls: list[float] = field(default_factory=list)
    rates: dict[int, list[float]] = field(default_factory=lambda: {number: [] for number in CONNECTIONS})
    memory: dict[str, float] = field(default_factory=dict)

    @property
    def label(self) -> str:
        return self.name if self.era == LEGACY else f"{self.name}, {self.era}"

    def resident_megabytes(self) -> float:
        return resident(self.pid, without="tests.support.fast_server") / 2**20


@contextlib.contextmanager
def proxy(command: Sequence[str | Path], port: int, folder: Path) -> Iterator[subprocess.Popen[bytes]]:
    """A peer, ready as soon as it takes connections."""
    log = folder / f"{port}.log"
    environment = {**os.environ, "PYTHONPATH": ""}
    with log.open("wb") as out:
        process = subprocess.Popen(list(command), stdout=out, stderr=out, cwd=ROOT, env=environment)
    try:
        deadline = time.monotonic() + 60
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
                break
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{command[0]} did not start: {log.read_text()[-1000:]}")
            with contextlib.suppress(subprocess.TimeoutExpired):
                process.wait(0.05)
        yield process
    finally:
        end(process, 5)


@contextlib.contextmanager
def subjects(folder: Path) -> Iterator[list[Subject]]:
    """Everything running side by side; an idle process costs the others nothing."""
    with contextlib.ExitStack() as stack:
        url, server = stack.enter_context(first_line(SERVER))
        found = [Subject("direct", url, server.pid)]
        http = stack.enter_context(guard(Upstream(url=url), folder / "http", lock=lock_of(Upstream(url=url))))
        stdio = Upstream(command=STDIO)
        piped = stack.enter_context(guard(stdio, folder / "stdio", lock=lock_of(stdio)))
        found += [
            Subject("guard", http.url, http.process.pid),
            Subject("guard, stdio", piped.url, piped.process.pid, streams=False),  # a process a session
            Subject("guard, repeated", http.url, http.process.pid, streams=False, repeats=True),
        ]
        ports = [free_port() for _ in range(4)]
        fastmcp = (venv(FASTMCP) / "python", ROOT / "tests/bench/fastmcp_proxy.py")
        old = venv(MCP_1)
        quiet = ("--log-level", "ERROR", "--pass-environment")
        client = (old / "mcp-proxy", "--transport", "streamablehttp", *quiet, url)
        peers: list[tuple[str, Sequence[str | Path]]] = [
            ("fastmcp", (*fastmcp, url, str(ports[0]))),
            ("fastmcp, one session", (*fastmcp, url, str(ports[3]), "shared")),
            ("mcp-proxy, stdio", (old / "mcp-proxy", "--port", str(ports[1]), *quiet, "--", *STDIO)),
            ("mcp-proxy twice", (old / "mcp-proxy", "--port", str(ports[2]), *quiet, "--", *client)),
        ]
        for (name, command), port in zip(peers, (ports[0], ports[3], ports[1], ports[2]), strict=True):
            process = stack.enter_context(proxy(command, port, folder))
            found.append(Subject(name, f"http://127.0.0.1:{port}/mcp", process.pid))
        found += [Subject("direct", url, server.pid, MODERN), Subject("guard", http.url, http.process.pid, MODERN)]
        found.append(Subject("guard, repeated", http.url, http.process.pid, MODERN, streams=False, repeats=True))
        fastmcp_subject = next(one for one in found if one.name == "fastmcp")
        found.append(Subject("fastmcp", fastmcp_subject.url, fastmcp_subject.pid, MODERN))
        yield found


async def one_round(subject: Subject, calls: int, seconds: float) -> None:
    """Latency on one connection, then throughput on each number of connections."""
    found = await latencies(subject.url, subject.era, calls, 2 * seconds, repeats=subject.repeats)
    subject.p50s.append(statistics.median(found))
    subject.calls += found
    for number in CONNECTIONS:
        rate = await throughput(subject.url, subject.era, number, seconds, repeats=subject.repeats)
        subject.rates[number].append(rate)


async def open_streams(subject: Subject, count: int) -> None:
    """Megabytes before, with and after `count` open streams."""
    subject.memory["before"] = subject.resident_megabytes()
    opened = await streams(subject.url, subject.era, count)
    await asyncio.sleep(0.5)  # buffers settle
    subject.memory["open"] = subject.resident_megabytes()
    await asyncio.gather(*(one.close() for one in opened))
    await asyncio.sleep(1)
    subject.memory["closed"] = subject.resident_megabytes()


def percentile(values: Sequence[float], share: float) -> float:
    return sorted(values)[min(len(values) - 1, int(len(values) * share))]


def figures(subject: Subject, direct: Subject) -> dict[str, Any]:
    """One subject's results, in milliseconds, calls a second and megabytes."""
    added = [mine - base for mine, base in zip(subject.p50s, direct.p50s, strict=True)]
    return {
        "era": subject.era,
        "p50_ms": round(statistics.median(subject.calls), 4),
        "p99_ms": round(percentile(subject.calls, 0.99), 4),
        "added_p50_ms": round(statistics.median(added), 4),
        "added_p99_ms": round(percentile(subject.calls, 0.99) - percentile(direct.calls, 0.99), 4),
        "calls_per_second": {str(number): round(statistics.median(rates)) for number, rates in subject.rates.items()},
        "memory_mb": {key: round(value, 1) for key, value in subject.memory.items()},
    }


def targets(found: dict[str, dict[str, Any]]) -> list[tuple[str, float, str, float]]:
    """What the guard is held to: name, its figure, relation, bound. Like is set beside like."""

    def rate(name: str) -> float:
        return float(max(found[name]["calls_per_second"].values()))

    best = max((name for name in found if name.startswith(("fastmcp", "mcp-proxy"))), key=rate)
    mine = found["guard"]
    memory = mine["memory_mb"]
    rows: list[tuple[str, float, str, float]] = [
        ("added p50, ms", mine["added_p50_ms"], "<", 2.0),
        (
            "  against a sixth of mcp-proxy's, HTTP upstream",
            mine["added_p50_ms"],
            "<",
            found["mcp-proxy twice"]["added_p50_ms"] / 6,
        ),
        (
            "  the same, repeated",
            found["guard, repeated"]["added_p50_ms"],
            "<",
            found["mcp-proxy twice"]["added_p50_ms"] / 6,
        ),
        (
            "  against mcp-proxy's, stdio upstream",
            found["guard, stdio"]["added_p50_ms"],
            "<",
            found["mcp-proxy, stdio"]["added_p50_ms"],
        ),
        (f"best calls/s against twice the best peer's ({best})", rate("guard"), ">=", 2 * rate(best)),
        (
            "  of the HTTP upstream's peers alone",
            rate("guard"),
            ">=",
            2 * max(*(rate(peer) for peer in ("fastmcp", "fastmcp, one session", "mcp-proxy twice"))),
        ),
    ]
    if memory:
        rows.append(("MB more with the streams open", memory["open"] - memory["before"], "<", 64.0))
    return rows


def report(found: dict[str, dict[str, Any]]) -> None:
    """The table and the targets, for people."""
    print(f"{'':<24}{'p50':>8}{'p99':>9}{'added p50':>11}{'added p99':>11}", end="")
    print("".join(f"{f'{n} conn/s':>11}" for n in CONNECTIONS) + f"{'MB':>8}{'+streams':>10}{'closed':>8}")
    for name, one in found.items():
        memory = one["memory_mb"]
        print(f"{name:<24}{one['p50_ms']:>8.2f}{one['p99_ms']:>9.2f}{one['added_p50_ms']:>11.2f}", end="")
        print(
            f"{one['added_p99_ms']:>11.2f}" + "".join(f"{rate:>11,}" for rate in one["calls_per_second"].values()),
            end="",
        )
        print(
            "".join(
                f"{memory[key]:>{w}.0f}" for key, w in (("before", 8), ("open", 10), ("closed", 8)) if key in memory
            )
        )
    for name, value, relation, bound in targets(found):
        met = value < bound if relation == "<" else value >= bound
        print(f"{name:<70}{value:>11.2f} {relation:>2} {bound:<10.2f} {'met' if met else 'MISSED'}")


def draw(found: dict[str, dict[str, Any]], count: int) -> str:
    """The plot of the run."""
    rates = {name: list(one["calls_per_second"].values()) for name, one in found.items()}
    panels = [
        Panel(
            "One call on one connection (median and 99th percentile)",
            "ms",
            ("median", "99th percentile"),
            {name: (one["p50_ms"], one["p99_ms"]) for name, one in found.items()},
            joined=True,
        ),
        Panel("Throughput", "calls/s", ["1 connection", *(f"{n} connections" for n in CONNECTIONS[1:])], rates),
    ]
    streamed = {name: one["memory_mb"] for name, one in found.items() if one["memory_mb"]}
    if streamed:
        values = {name: (one["before"], one["open"], one["closed"]) for name, one in streamed.items()}
        title = f"Memory of the process at {count:,} open streams"
        panels.append(Panel(title, "MB", ("before", "open", "closed again"), values))
    return svg("The guard and its peers on one upstream", panels)


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="The guard beside its peers.")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--calls", type=int, default=1000, help="calls a round on one connection")
    parser.add_argument("--seconds", type=float, default=1.0, help="of each throughput measurement")
    parser.add_argument("--streams", type=int, default=1000, help="0 leaves the memory of streams out")
    parser.add_argument("--out", type=Path, default=Path("dist/bench"))
    options = parser.parse_args()
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    with tempfile.TemporaryDirectory(prefix="ringwall-bench-") as folder, subjects(Path(folder)) as all_of_them:
        for number in range(options.rounds):
            # Each round begins with another subject, so that none always runs on a warmer machine.
            for subject in all_of_them[number % len(all_of_them) :] + all_of_them[: number % len(all_of_them)]:
                try:
                    uvloop.run(one_round(subject, options.calls, options.seconds))
                except (Refused, OSError, asyncio.IncompleteReadError) as error:
                    # Figures of the others would be compared with a subject that did not run.
                    raise SystemExit(f"{subject.label} failed in round {number + 1}: {error}") from None
            print(f"round {number + 1} of {options.rounds}", file=sys.stderr)
        for subject in all_of_them:
            try:
                if options.streams and subject.streams:
                    uvloop.run(open_streams(subject, options.streams))
            except (Refused, OSError, asyncio.IncompleteReadError) as error:
                subject.memory.clear()
                print(f"{subject.label}: no streams ({error})", file=sys.stderr)
        direct = {one.era: one for one in all_of_them if one.name == "direct"}
        found = {one.label: figures(one, direct[one.era]) for one in all_of_them}
    report(found)
    options.out.mkdir(parents=True, exist_ok=True)
    document = {
        "machine": {"cpus": os.cpu_count(), "system": platform.system(), "python": platform.python_version()},
        "rounds": options.rounds,
        "streams": options.streams,
        "subjects": found,
        "targets": [dict(zip(("name", "value", "relation", "bound"), row, strict=True)) for row in targets(found)],
    }
    (options.out / "guard.json").write_text(json.dumps(document, indent=1) + "\n")
    (options.out / "guard.svg").write_text(draw(found, options.streams))
    print(f"wrote {options.out}/guard.json and guard.svg")
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
