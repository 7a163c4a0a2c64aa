"""What a guard's process brings into memory before it listens."""

from __future__ import annotations

import subprocess
import sys

#: Each takes some hundredths of a second and some megabytes, and no request needs it.
NEEDLESS = ("rich", "pygments", "psutil", "mcp", "pulumi", "opentelemetry.proto")


def test_start_imports_nothing_that_no_request_needs() -> None:
    program = (
        "import cli.main, cli.guard, guard.service, guard.listening, guard.host, guard.engines.embedded, sys\n"
        f"print([name for name in {NEEDLESS} if sys.modules.get(name) is not None])"
    )

    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)

    assert finished.stdout.strip() == "[]"
