"""What a guard takes in memory and time until it is ready, for 1, 10 and 50 servers in one process.

    .venv/bin/python tests/bench/guard_host.py [--servers 1 10 50] [--calls 1000] [--tools 20]

Each server has a lock of its own of `--tools` tools, a signed bundle and an audit log; behind all of them is one small
server. Memory is the resident set as the system counts it. Processor time is the process's own until every port is open, so
it holds on a busy machine; the time on the clock does not.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import platform
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from model.tool_lock import ToolLock
from tests.bench.cost import processor_seconds
from tests.bench.guard import SERVER
from tests.bench.load import MODERN, latencies
from tests.support.guard_host import HostFolder, guard_host
from tests.support.guard_process import Upstream, first_line, lock_of, resident
from tests.support.guard_service import lock_of as lock_of_tools
from tests.support.guard_service import tool


def lock(measured: ToolLock, number: int, tools: int) -> ToolLock:
    """The lock of the small server, with as many tools more, each with a description of its own."""
    more = [
        tool(f"lookup_{number}_{index}", f"Looks up record {index} of archive {number} and returns its text.")
        for index in range(tools - len(measured.tools))
    ]
    document: dict[str, Any] = measured.dump()
    document["tools"] += lock_of_tools(more)["tools"]
    return ToolLock.model_validate(document)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--servers", type=int, nargs="+", default=[1, 10, 50])
    parser.add_argument("--calls", type=int, default=1000, help="calls of one of the servers")
    parser.add_argument("--tools", type=int, default=20, help="tools of each lock")
    options = parser.parse_args()
    print(f"{os.cpu_count()} processors, {platform.system()}, Python {platform.python_version()}")
    print(f"load before: {os.getloadavg()[0]:.1f}")
    previous: tuple[int, float] | None = None
    with first_line(SERVER) as (url, _):
        upstream = Upstream(url=url)
        measured = lock_of(upstream)
        for count in options.servers:
            with tempfile.TemporaryDirectory() as root:
                folder = HostFolder(Path(root))
                for number in range(count):
                    name = f"bench.server-{number}"
                    config = folder.config(name, upstream, lock=lock(measured, number, options.tools))
                    folder.write(name, config)
                begun = time.perf_counter()
                with guard_host(folder) as host:
                    ready, pid = time.perf_counter() - begun, host.process.pid
                    spent, idle = processor_seconds(pid), resident(pid) / 2**20
                    asyncio.run(latencies(f"http://127.0.0.1:{config.listen.port}/mcp", MODERN, options.calls))
                    used = resident(pid) / 2**20
                    line = f"{count:>3} servers: ready after {ready:.2f} s ({spent:.2f} s of processor), {idle:.1f} MB"
                    line += f", {used:.1f} MB after {options.calls} calls"
                    if previous is not None:
                        line += f", {(idle - previous[1]) / (count - previous[0]):.2f} MB a further server"
                    print(line, flush=True)
                    previous = (count, idle)


if __name__ == "__main__":
    main()
