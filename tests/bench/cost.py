"""What one call costs the guard in processor time, and how long it takes on one connection, beside the server alone.

    .venv/bin/python tests/bench/cost.py [--calls N] [--connections N]

Processor time is the guard's own, as the system counts it, so it holds on a busy machine; the latency does not. Every check
is on, with the embedded engine and the audit log. Last, what callers wait for the audit log's fsync: several connections at
once, with the records on disk before each answer and in batches. `make bench-guard` compares it with other proxies.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import statistics
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.bench.guard import SERVER
from tests.bench.load import LEGACY, MODERN, latencies
from tests.support.guard_process import Upstream, first_line, guard, lock_of, resident


def processor_seconds(pid: int) -> float:
    """Time that a process has run, its own and the system's for it."""
    fields = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


async def under_load(url: str, connections: int, calls: int) -> list[float]:
    """Milliseconds of all calls of several connections at once."""
    each = await asyncio.gather(*(latencies(url, MODERN, calls // connections) for _ in range(connections)))
    return sorted(took for one in each for took in one)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--calls", type=int, default=3000, help="calls measured in each protocol era")
    parser.add_argument("--connections", type=int, default=16, help="connections at once for the audit log's part")
    options = parser.parse_args()
    calls: int = options.calls
    print(f"{os.cpu_count()} processors, {platform.system()}, Python {platform.python_version()}")
    print(f"load before: {os.getloadavg()[0]:.1f}")
    with tempfile.TemporaryDirectory() as folder, first_line(SERVER) as (url, server):
        upstream = Upstream(url=url)
        with guard(upstream, Path(folder) / "guard", lock=lock_of(upstream)) as running:
            for era in (LEGACY, MODERN):
                for name, address, pid in (("server", url, server.pid), ("guard", running.url, running.process.pid)):
                    asyncio.run(latencies(address, era, 100))
                    before = processor_seconds(pid)
                    times = asyncio.run(latencies(address, era, calls))
                    spent = 1000 * (processor_seconds(pid) - before) / len(times)
                    median = statistics.median(times)
                    print(f"{era} {name:<7}{spent:7.2f} ms of processor a call, p50 {median:.2f} ms")
            print(f"guard: {resident(running.process.pid) / 2**20:.0f} MB resident")
        for fsync in ("batch", "always"):
            audit = {"path": str(Path(folder) / fsync / "audit.jsonl"), "fsync": fsync}
            with guard(upstream, Path(folder) / fsync, lock=lock_of(upstream), audit=audit) as running:
                times = asyncio.run(under_load(running.url, options.connections, calls))
                p50, p99 = statistics.median(times), times[int(len(times) * 0.99)]
                print(f"fsync {fsync:<6} {options.connections} connections: p50 {p50:.1f} ms, p99 {p99:.1f} ms")
    print(f"load after: {os.getloadavg()[0]:.1f}")


if __name__ == "__main__":
    main()
