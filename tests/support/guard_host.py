"""`ringwall guard run --host`: a folder of servers, signed as an operator signs them, and the one process that serves it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from guard.bundle.bundle import render, sign
from guard.bundle.keys import create_key_pair, load_private_key
from guard.host import BUNDLE, PUBLIC_KEY
from model.guard_bundle import AnyGuardConfig
from model.guard_config import GuardConfig
from model.tool_lock import ToolLock
from tests.support.guard_process import COMMAND, Upstream, config_of, end, lock_of
from tests.support.loopback_http import NO_AUTHORITIES
from tests.support.ports import free_port
from tests.support.waiting import eventually_sync


class HostFolder:
    """The folder that `--host` names, in `root/etc`; logs and states of its guards stand beside it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.path = root / "etc"
        self.path.mkdir()
        private, public, _ = create_key_pair(root / "keys")
        self._key, self.public = load_private_key(private), public.read_bytes()

    def config(self, name: str, upstream: Upstream, *, lock: ToolLock | None = None, **changes: Any) -> GuardConfig:
        """A configuration of ``ENV.SERVER`` for this server as it is now or as `lock` has it, on free ports."""
        logs = self.root / "log" / name
        logs.mkdir(parents=True, exist_ok=True)
        environment, _, server = name.partition(".")
        named = {"server": {"environment": environment, "name": server}, **changes}
        return GuardConfig.model_validate(
            config_of(upstream, lock or lock_of(upstream), logs, free_port(), free_port(), **named)
        )

    def write(self, name: str, config: AnyGuardConfig, sequence: int = 1, denied: tuple[str, ...] = ()) -> None:
        """Sign it, and put it there in one step."""
        folder = self.path / name
        folder.mkdir(exist_ok=True)
        (folder / PUBLIC_KEY).write_bytes(self.public)
        staged = folder / ".new"
        staged.write_text(render(sign(config, sequence=sequence, denied=denied, key=self._key)))
        staged.replace(folder / BUNDLE)

    def records(self, name: str, kind: str = "decision") -> list[dict[str, Any]]:
        """The records of a kind in a server's audit log."""
        # A line that is being written has no end yet.
        lines = (self.root / "log" / name / "audit.jsonl").read_text().rpartition("\n")[0].splitlines()
        return [record for line in lines if (record := json.loads(line))["kind"] == kind]

    def opened(self, name: str) -> int:
        """How often the guard of a server began."""
        return len(self.records(name, "open"))


@dataclass
class HostProcess:
    """The running process; `status` is its own /readyz, `out` its standard output."""

    process: subprocess.Popen[bytes]
    admin_port: int
    log: Path
    out: Path

    @property
    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def status(self) -> dict[str, Any]:
        try:
            return dict(
                httpx.get(
                    f"http://127.0.0.1:{self.admin_port}/readyz", trust_env=False, verify=NO_AUTHORITIES, timeout=10
                ).json()
            )
        except httpx.TransportError:
            return {}


@contextlib.contextmanager
def guard_host(folder: HostFolder, *options: str) -> Iterator[HostProcess]:
    """The process over this folder, once it has looked at each server."""
    admin, log, out = free_port(), folder.root / "host.log", folder.root / "host.out"
    command: list[str | Path] = [
        *COMMAND,
        "--host",
        folder.path,
        "--state",
        folder.root / "state",
        "--admin-port",
        str(admin),
        *options,
    ]
    with log.open("wb") as errors, out.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=errors, env={**os.environ, "NO_COLOR": "1"})
    running = HostProcess(process, admin, log, out)
    try:

        def looked() -> bool:
            if process.poll() is not None:
                raise RuntimeError(f"it ended with {process.returncode}: {running.said}")
            status = running.status()
            names = {entry.name for entry in folder.path.iterdir() if "." in entry.name}
            return bool(status) and {*status["servers"], *status["refused"]} == names

        eventually_sync(looked, "every folder is served or refused", within=90)
        yield running
    finally:
        end(process)
