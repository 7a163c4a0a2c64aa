"""Node programs from npm, exactly as a package-lock.json pins them, with the Node they need."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
from pathlib import Path


class NotAvailable(Exception):
    """npm could not install what a lock file names; the message says why."""


def caches() -> Path:
    """Where tests keep what they fetched."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "ringwall-tests"


def installed(folder: Path, timeout: float = 240) -> Path:
    """`node_modules` of `folder`'s lock file, installed once per content of that file, without install scripts.

    Raises:
        NotAvailable: there is no npm, or it failed.
    """
    lock = folder / "package-lock.json"
    name = f"{folder.name}-{hashlib.sha256(lock.read_bytes()).hexdigest()[:16]}"
    target = caches() / name
    if (target / "complete").exists():
        return target / "node_modules"
    if shutil.which("npm") is None:
        raise NotAvailable("npm is not here")
    target.mkdir(parents=True, exist_ok=True)
    for file in (folder / "package.json", lock):
        shutil.copy(file, target)
    # Node's own certificates do not hold a private registry's or proxy's; the system's do.
    system = next((p for p in ("/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/cert.pem") if Path(p).exists()), "")
    certificates = os.environ.get("NODE_EXTRA_CA_CERTS") or system
    try:
        done = subprocess.run(
            ["npm", "ci", "--no-audit", "--no-fund", "--ignore-scripts"],
            check=False,
            capture_output=True,
            text=True,
            timeout=timeout,
            cwd=target,
            env={**os.environ, **({"NODE_EXTRA_CA_CERTS": certificates} if certificates else {})},
        )
    except subprocess.TimeoutExpired:
        raise NotAvailable(f"npm did not finish in {timeout:g} s") from None
    if done.returncode:
        raise NotAvailable((done.stderr.strip().splitlines() or ["npm gave no reason"])[-1])
    (target / "complete").touch()
    return target / "node_modules"


def node(modules: Path) -> str:
    """The Node program that npm's `node` package would install (its per-platform packages, pinned here directly,
    need no install script), else the one on PATH."""
    for found in sorted(modules.glob("node-*/bin/node")):
        found.chmod(0o755)
        return str(found)
    return shutil.which("node") or "node"
