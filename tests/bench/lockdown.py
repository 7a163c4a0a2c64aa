"""How long 40 servers take to be closed in the sandbox, and `status` to be shown: `make bench-lockdown`.

The first `up` takes a few minutes; what is measured runs without the engine. Exit code 1 says that a bound was missed.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from tests.support.projects import write_project

SERVERS = 40
#: Seconds: every edge, the whole command, `status`.
BOUNDS = {"last edge": 10.0, "lockdown": 30.0, "status": 3.0}


def ringwall(*arguments: str, root: Path) -> tuple[float, Any]:
    """One command in a process of its own: seconds, and what it printed."""
    begun = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "cli.main", *arguments, "--sandbox", "--json", "--project", str(root)],
        stdout=subprocess.PIPE,
        check=False,
    )
    return time.monotonic() - begun, json.loads(done.stdout)


def main() -> int:
    with tempfile.TemporaryDirectory() as folder:
        root = write_project(Path(folder), servers=SERVERS)
        ringwall("up", "dev", "--yes", root=root)
        status, _ = ringwall("status", "dev", root=root)
        lockdown, closed = ringwall("lockdown", "dev", "--reason", "bench", "--yes", root=root)
    edges = [step["seconds"] for step in closed["steps"] if (step["ring"], step["state"]) == ("edge", "done")]
    assert len(edges) == SERVERS, closed
    found = {"last edge": max(edges), "lockdown": lockdown, "status": status}
    for name, seconds in found.items():
        print(f"{name}: {seconds:.1f} s (bound {BOUNDS[name]:.0f} s)")
    print(f"{SERVERS} servers, load average {os.getloadavg()[0]:.1f}")
    return int(any(seconds > BOUNDS[name] for name, seconds in found.items()))


if __name__ == "__main__":
    raise SystemExit(main())
