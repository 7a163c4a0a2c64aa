"""The runtime guard as its own process, `ringwall guard run`, in front of a given upstream with a demo identity.

The tool lock is made as `ringwall lock` makes it: by asking the running server. Whatever is started here is ended here.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from guard.bundle.bundle import render, sign
from guard.bundle.keys import create_key_pair, load_private_key
from guard.probe.probe import probe
from model.canonical import canonical_json, digest
from model.guard_config import GuardConfig
from model.server import Origin
from model.tool_lock import ToolLock
from operations.onboard.lock import build_lock
from tests.support.ports import free_port
from tests.support.waiting import PATIENT_GUARD

ROOT = Path(__file__).parents[2]
COMMAND = (str(Path(sys.executable).with_name("ringwall")), "guard", "run")
PRINCIPAL = "person:tester"
#: Nobody shall meet a limit who does not test limits.
MOST = 2**31 - 1
WIDE = {
    "requests_per_minute": MOST,
    "requests_per_hour": MOST,
    "tokens_per_minute": MOST,
    "principal_tokens_per_minute": MOST,
    "concurrency": MOST,
}


@dataclass(frozen=True)
class Upstream:
    """Where the server is: exactly one of the three."""

    url: str | None = None
    socket: str | None = None
    command: tuple[str, ...] = ()

    @property
    def origin(self) -> dict[str, Any]:
        """As the guard's configuration says it."""
        if self.url:
            return {"url": self.url}
        return {"socket": self.socket} if self.socket else {"command": list(self.command)}


def lock_of(upstream: Upstream, *, timeout: float = 90) -> ToolLock:
    """What the running server offers now, all of it approved."""
    return build_lock(probe(Origin.model_validate(upstream.origin), timeout=timeout))


def everything_granted(lock: ToolLock, *, without: Sequence[str] = ()) -> list[dict[str, Any]]:
    """One grant of all the lock holds to everyone, less the tools named."""
    return [
        {
            "to": {"all": True},
            "tools": [tool.name for tool in lock.tools if tool.name not in without],
            "prompts": [prompt.name for prompt in lock.prompts],
            "resources": ["*"],
        }
    ]


def config_of(
    upstream: Upstream, lock: ToolLock, folder: Path, port: int, admin_port: int, **changes: Any
) -> dict[str, Any]:
    """A guard configuration, checked; `changes` replace its top-level keys."""
    document = {
        "version": 1,
        "server": {"environment": "test", "name": "one"},
        "listen": {"address": "127.0.0.1", "port": port},
        "path": "/mcp",
        "admin_port": admin_port,
        "origin": upstream.origin,
        "identity": {"demo": {"principal": PRINCIPAL, "email": "tester@example.com"}},
        "grants": everything_granted(lock),
        "limits": WIDE,
        # The toxic flow is a test of its own; a server that answers with odd text must not stop here what comes after.
        "guard": {**PATIENT_GUARD, **changes.pop("guard", {"taint": {"outbound_call": "allow"}})},
        "audit": {"path": str(folder / "audit.jsonl")},
        "tool_lock_sha256": digest(lock.dump()),
        "tool_lock": lock.dump(),
        **changes,
    }
    return GuardConfig.model_validate(json.loads(canonical_json(document))).dump()


@dataclass
class GuardProcess:
    """A running guard."""

    url: str
    port: int
    admin_port: int
    folder: Path
    process: subprocess.Popen[bytes]

    @property
    def audit(self) -> Path:
        return self.folder / "audit.jsonl"

    @property
    def output(self) -> str:
        return (self.folder / "guard.log").read_text(errors="replace")

    def records(self) -> list[dict[str, Any]]:
        """Every audit record, the rotated files' first."""
        files = sorted(self.folder.glob("audit.jsonl*"), key=lambda file: file.stat().st_mtime_ns)
        # A line that is being written has no end yet.
        texts = [file.read_text().rpartition("\n")[0] for file in files]
        return [json.loads(line) for text in texts for line in text.splitlines() if line]

    def stop(self, timeout: float = 60) -> int:
        """End it as a service manager would; its exit code."""
        return end(self.process, timeout)


def end(process: subprocess.Popen[Any], timeout: float = 60) -> int:
    """SIGTERM, then after `timeout` seconds SIGKILL."""
    if process.poll() is None:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(timeout)
        except subprocess.TimeoutExpired:
            process.kill()
    return process.wait()


def await_http(url: str, process: subprocess.Popen[Any], log: Path, timeout: float = 200) -> None:
    """Return as soon as `url` answers 200; raise with the process's last words when it ends or stays silent."""
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(url, timeout=1):  # noqa: S310
                return
        except urllib.error.HTTPError as refusal:
            refusal.close()
        except OSError:  # it does not listen yet
            pass
        with contextlib.suppress(subprocess.TimeoutExpired):  # a pause that ends when the process does
            process.wait(0.02)
    words = log.read_text(errors="replace")[-2000:] if log.exists() else ""
    raise RuntimeError(f"{url} never answered (exit code {process.poll()}): {words}")


@contextlib.contextmanager
def guard(
    upstream: Upstream,
    folder: Path,
    *,
    lock: ToolLock | None = None,
    environment: Mapping[str, str] | None = None,
    workers: int = 1,
    arguments: Sequence[str] = (),
    **changes: Any,
) -> Iterator[GuardProcess]:
    """A guard in front of `upstream`, ready to be called, its files in `folder`; signed where its identity is no demo's.
    `arguments` are further ones of its command.

    Raises:
        RuntimeError: it did not become ready; the message holds what it said.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = lock or lock_of(upstream)
    port, admin_port = free_port(), free_port()
    file = folder / "guard.json"
    config = config_of(upstream, lock, folder, port, admin_port, **changes)
    file.write_text(json.dumps(config))
    command = [*COMMAND, "--config", str(file), "--state", str(folder / "state"), "--workers", str(workers), *arguments]
    if not config["identity"].get("demo"):
        private, public, _ = create_key_pair(folder)
        bundle = sign(GuardConfig.model_validate(config), sequence=1, denied=(), key=load_private_key(private))
        file.write_text(render(bundle))
        command += ["--public-key", str(public), "--server", "test.one"]
    with (folder / "guard.log").open("ab") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env={**os.environ, **(environment or {})}
        )
    running = GuardProcess(f"http://127.0.0.1:{port}/mcp", port, admin_port, folder, process)
    try:
        await_http(f"http://127.0.0.1:{port}/healthz", process, folder / "guard.log")
        yield running
    finally:
        running.stop()


@contextlib.contextmanager
def first_line(
    command: Sequence[str], *, environment: Mapping[str, str] | None = None, timeout: float = 120
) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """A server that says on the first line of its stdout where it is; that line and its process."""
    process = subprocess.Popen(
        list(command),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        stdin=subprocess.DEVNULL,
        text=True,
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": str(ROOT), **(environment or {})},
    )
    try:
        assert process.stdout is not None
        ready, _, _ = select.select([process.stdout], [], [], timeout)
        line = process.stdout.readline().strip() if ready else ""
        if not line:
            raise RuntimeError(f"{command[0]} did not say where it listens (exit code {process.poll()})")
        yield line, process
    finally:
        end(process, 5)
        assert process.stdout is not None
        process.stdout.close()


def resident(pid: int, *, without: str = "") -> int:
    """Bytes of memory a process and its children hold (Linux: VmRSS), less those whose command line holds `without`."""
    total = 0
    for one in (pid, *children(pid)):
        with contextlib.suppress(OSError):
            if one != pid and without and without.encode() in Path(f"/proc/{one}/cmdline").read_bytes():
                continue
            for line in Path(f"/proc/{one}/status").read_text().splitlines():
                if line.startswith("VmRSS:"):
                    total += int(line.split()[1]) * 1024
    return total


def children(pid: int) -> list[int]:
    """Every process below this one (Linux)."""
    found: list[int] = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        with contextlib.suppress(OSError):
            for child in map(int, task.read_text().split()):
                found += [child, *children(child)]
    return found


def descriptors(pid: int) -> int:
    """How many files and sockets a process has open (Linux)."""
    return len(list(Path(f"/proc/{pid}/fd").iterdir()))
