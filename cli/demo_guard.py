"""The demo's guard: the configuration that was deployed, signed, and run by `ringwall guard run` as on a host."""

from __future__ import annotations

import contextlib
import json
import os
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli.demo_servers import stop
from cli.demo_stage import Stage
from model.errors import Unreachable
from model.front_door import ADMIN_PORT_OFFSET
from sandbox.sign_in import SignIn
from wire.readyz import ReadyzClient

_PATIENCE = 60
_PROXIES = {name for proxy in ("http_proxy", "https_proxy", "all_proxy", "no_proxy") for name in (proxy, proxy.upper())}


@dataclass(frozen=True)
class RunningGuard:
    """A guard that is ready. `hostname` and `audience` are its front door's, `key` signs the heads of its audit log."""

    url: str
    hostname: str
    audience: str
    audit: Path
    key: Path
    sequence: int


def free_guard_port() -> int:
    """A port that is free now, as is the one of its readiness."""
    while True:
        with socket.socket() as first, socket.socket() as second:
            first.bind(("127.0.0.1", 0))
            port = int(first.getsockname()[1])
            with contextlib.suppress(OSError, OverflowError):
                second.bind(("127.0.0.1", port + ADMIN_PORT_OFFSET))
                return port


def exported(stage: Stage, stack: str) -> dict[str, Any]:
    """The guard's configuration as `stack` exports it."""
    config: dict[str, Any] = json.loads(stage.ringwall("outputs", stack, "guard_config", "--sandbox"))
    return config


@contextlib.contextmanager
def signed_guard(
    stage: Stage, stack: str, config: Mapping[str, Any], folder: Path, sign_in: SignIn
) -> Iterator[RunningGuard]:
    """Sign a stack's configuration and run its guard. The audit log is elsewhere than on a host: in `folder`.

    Raises:
        Unreachable: the guard did not become ready.
    """
    bundle, keys, state = folder / f"{stack}.guard.bundle.json", folder / "keys", folder / "state"
    config = {**config, "audit": {**config["audit"], "path": str(folder / "audit.jsonl")}}
    rendered = folder / "guard_config.json"
    rendered.write_text(json.dumps(config), encoding="utf-8")
    stage.ringwall("guard", "keygen", "--output", str(keys))
    private, public = keys / "guard-signing.key", keys / "guard-signing.pub"
    signing = ("--key", str(private), "--config", str(rendered), "--output", str(bundle))
    stage.ringwall("guard", "bundle", stack, *signing)
    command = [sys.executable, "-m", "cli.main", "guard", "run", "--config", str(bundle), "--public-key", str(public)]
    command += ["--server", stack, "--state", str(state)]
    stage.log_line(f"\n$ {' '.join(command)}")
    inherited = {name: value for name, value in os.environ.items() if name not in _PROXIES}
    with stage.log.open("a", encoding="utf-8") as log:
        process = subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=inherited | sign_in.environment
        )
    try:
        sequence = _ready(config["admin_port"], process)
        door = config["identity"]["access"]["front_doors"][0]
        url = f"http://127.0.0.1:{config['listen']['port']}{config['path']}"
        yield RunningGuard(
            url, door["hostname"], door["audience"], Path(config["audit"]["path"]), state / "audit.key.pub", sequence
        )
    finally:
        stop(process)


def _ready(port: int, process: subprocess.Popen[Any]) -> int:
    """Wait until the guard is ready; the number of the bundle it runs by."""
    until = time.monotonic() + _PATIENCE
    answer = "it does not answer"
    with ReadyzClient(f"http://127.0.0.1:{port}") as guard:
        while time.monotonic() < until and process.poll() is None:
            try:
                state = guard.read()
            except Unreachable as error:
                answer = error.problem
            else:
                if state["ready"]:
                    return int(state["bundle"]["sequence"])
                answer = "; ".join(state["problems"])
            time.sleep(0.1)
    if process.poll() is not None:
        answer = f"it ended with exit code {process.returncode}"
    raise Unreachable(f"the guard is not ready: {answer}")
