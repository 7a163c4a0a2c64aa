"""`python -m sandbox --state DIR`: serve the stand-in providers for a plain `pulumi` until SIGTERM or Ctrl-C."""

from __future__ import annotations

import argparse
import shlex
import signal
import threading
from pathlib import Path


def main() -> int:
    """Print ``export NAME=value`` lines for a shell, then serve."""
    parser = argparse.ArgumentParser(prog="python -m sandbox", description=__doc__)
    parser.add_argument("--state", type=Path, required=True, help="folder that keeps what the providers made")
    arguments = parser.parse_args()

    from sandbox.server import Sandbox

    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    with Sandbox(arguments.state) as sandbox:
        for name, value in sandbox.environment().items():
            print(f"export {name}={shlex.quote(value)}", flush=True)
        stop.wait()
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
