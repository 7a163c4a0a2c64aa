"""What workers bring and cost: calls a second, processor time a call, and memory of one guard with 1, 2 and 4 workers.

    .venv/bin/python tests/bench/guard_workers.py [--workers 1 2 4] [--calls 4000]

The upstream (tests/support/fast_server.py) and this program take processor time too, so on a machine of few cores calls a
second say little: processor time a call is what holds anywhere. Memory is the proportional share (PSS) of all processes of
the guard, so that what they share counts once. Calls of the old era have sessions: of two workers, half of the calls reach
the one that does not have theirs, and are handed over.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import sys
import tempfile
import time
from pathlib import Path

import uvloop

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from tests.bench.cost import processor_seconds
from tests.bench.load import LEGACY, MODERN, Connection
from tests.support.guard_process import Upstream, children, first_line, guard, lock_of

SERVER = (sys.executable, "-m", "tests.support.fast_server")


def processes(pid: int) -> list[int]:
    return [pid, *children(pid)]


def shared_megabytes(pids: list[int]) -> float:
    """The proportional set size of processes together."""
    total = 0
    for pid in pids:
        for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1])
    return total / 1024


async def calls(url: str, era: str, count: int, connections: int) -> float:
    """Seconds that `count` calls take, over connections that each call as soon as they were answered."""
    opened = [await Connection(url, era).open() for _ in range(connections)]
    numbers = iter(range(count))

    async def work(connection: Connection) -> None:
        for _ in numbers:
            await connection.call()

    try:
        start = time.perf_counter()
        await asyncio.gather(*map(work, opened))
        return time.perf_counter() - start
    finally:
        await asyncio.gather(*(connection.close() for connection in opened))


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description="One guard with several workers.")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--calls", type=int, default=4000)
    parser.add_argument("--connections", type=int, default=64)
    options = parser.parse_args()
    print(
        f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {options.connections} connections, {options.calls} calls"
    )
    print(f"{'workers':>7}{'era':>12}{'calls/s':>9}{'CPU ms/call':>13}{'MB (PSS)':>10}")
    with first_line(SERVER) as (url, _):
        upstream = Upstream(url=url)
        lock = lock_of(upstream)
        for workers in options.workers:
            with (
                tempfile.TemporaryDirectory() as folder,
                guard(upstream, Path(folder), lock=lock, workers=workers) as running,
            ):
                # A guard is ready with its first worker, and the others are to be counted too.
                while len(pids := processes(running.process.pid)) < (workers + 2 if workers > 1 else 1):
                    time.sleep(0.05)
                idle = shared_megabytes(pids)
                for era in (MODERN, LEGACY):
                    before = sum(map(processor_seconds, pids))
                    seconds = uvloop.run(calls(running.url, era, options.calls, options.connections))
                    cost = 1000 * (sum(map(processor_seconds, pids)) - before) / options.calls
                    print(f"{workers:>7}{era:>12}{options.calls / seconds:>9.0f}{cost:>13.3f}{idle:>10.0f}", flush=True)


if __name__ == "__main__":
    main()
