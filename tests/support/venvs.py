"""Virtual environments of their own, from a hash-locked requirements file, for what cannot live beside our packages."""

from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

from tests.support.node import NotAvailable, caches

BENCH = Path(__file__).parents[1] / "bench"
#: mcp-proxy and the last mcp 1.x; one lock serves the bench and the old client.
MCP_1 = BENCH / "requirements-mcp-proxy.lock"
FASTMCP = BENCH / "requirements-fastmcp.lock"


def venv(
    lock: Path,
    timeout: float = 400,
    *,
    python: str = sys.executable,
    version: str = f"{sys.version_info.major}.{sys.version_info.minor}",
) -> Path:
    """The `bin` folder of an environment that holds exactly what `lock` names, made once per content of that file and
    version of Python, of which `python` is the program.

    Raises:
        NotAvailable: pip could not fetch it.
    """
    name = f"{lock.stem.removeprefix('requirements-')}-{hashlib.sha256(lock.read_bytes()).hexdigest()[:16]}"
    target = caches() / f"venv-{name}-py{version.replace('.', '')}"
    if (target / "complete").exists():
        return target / "bin"
    install = [str(target / "bin/python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    for command in (
        [python, "-m", "venv", "--clear", str(target)],
        [*install, "--no-deps", "--require-hashes", "-r", str(lock)],
    ):
        try:
            done = subprocess.run(command, check=False, capture_output=True, text=True, timeout=timeout)
        except subprocess.TimeoutExpired:
            raise NotAvailable(f"{lock.name} was not installed in {timeout:g} s") from None
        if done.returncode:
            raise NotAvailable((done.stderr.strip().splitlines() or ["pip gave no reason"])[-1])
    (target / "complete").touch()
    return target / "bin"
