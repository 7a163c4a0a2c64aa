"""`make bench-up`: `ringwall up` of an environment of many servers in the sandbox, first, unchanged, and with one drifted.

The figures depend on the machine and on what else it does, so its load stands beside each; what counts is their order.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from sandbox import Sandbox
from tests.support.projects import write_project

SERVERS = int(os.environ.get("SERVERS", "40"))
RINGWALL = str(Path(sys.executable).with_name("ringwall"))


def timed(what: str, root: Path, *arguments: str) -> float:
    began = time.perf_counter()
    done = subprocess.run(
        [RINGWALL, *arguments, "--sandbox", "--project", str(root)], capture_output=True, text=True, check=False
    )
    seconds = time.perf_counter() - began
    if done.returncode:
        raise SystemExit(f"ringwall {' '.join(arguments)} failed:\n{done.stdout}{done.stderr}")
    print(f"{what:<36} {seconds:7.1f} s   load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores", flush=True)
    return seconds


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        root = write_project(Path(folder), servers=SERVERS)
        print(f"{SERVERS} servers")
        first = timed("up, first", root, "up", "dev", "--yes")
        unchanged = timed("up, unchanged", root, "up", "dev", "--yes")
        timed("up, unchanged, --no-refresh", root, "up", "dev", "--yes", "--no-refresh")
        with Sandbox(root / ".ringwall" / "sandbox" / "providers") as sandbox:
            plugin = next(found for found in sandbox.resources("kong:*:Plugin") if found.outputs["name"] == "jwt")
            sandbox.change(plugin.id, enabled=False)
        timed("up, one server drifted", root, "up", "dev", "--yes")
        timed("refresh", root, "refresh", "dev", "--yes")
        print(f"{'unchanged against first':<36} {unchanged / first:7.2f} x")


if __name__ == "__main__":
    main()
