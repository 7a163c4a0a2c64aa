"""Many `ringwall` commands from one interpreter that has imported everything: each is a fork of it, so its own process with
its own end, and saves the second that the imports take."""

from __future__ import annotations

import json
import os
import select
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from importlib import import_module
from pathlib import Path
from types import TracebackType

ROOT = Path(__file__).resolve().parents[2]
#: What the commands import on their way, and takes long.
IMPORTS = (
    "cli.destroy",
    "cli.main",
    "cli.preview",
    "cli.tables",
    "cli.up",
    "components.environment",
    "components.origin",
    "components.program",
    "components.server_perimeter",
    "engine.automation",
    "grpc",
    "model.schemas",
    "model.tool_schema",
    "plan.program",
    "pulumi.automation",
    "ruamel.yaml",
    "sandbox.readings",
    "sandbox.server",
)


class Command:
    """A running command, in a session of its own: what a test needs of `subprocess.Popen`."""

    def __init__(self, warm: WarmRingwall, pid: int, outputs: tuple[Path, Path]) -> None:
        self.pid = pid
        self.returncode: int | None = None
        self._warm, self._outputs = warm, outputs

    def poll(self) -> int | None:
        if self.returncode is None:
            self.returncode = self._warm.ended(0)
        return self.returncode

    def communicate(self, timeout: float | None = None) -> tuple[str, str]:
        """Its output, once it has ended. Raises `subprocess.TimeoutExpired`."""
        if self.returncode is None:
            self.returncode = self._warm.ended(timeout)
        if self.returncode is None:
            raise subprocess.TimeoutExpired("ringwall", timeout or 0)
        out, err = (path.read_text(encoding="utf-8") for path in self._outputs)
        return out, err


class WarmRingwall:
    """Starts one command after the other, from `with` until its end.

    Args:
        one_by_one: operations of an engine one after the other, which its command line does not offer: so that an
            operation which fails is the only one in the air.
    """

    def __init__(self, *, one_by_one: bool = False) -> None:
        self._one_by_one = one_by_one
        self._folder = tempfile.TemporaryDirectory(prefix="ringwall-warm-")
        self._server: subprocess.Popen[str]

    def __enter__(self) -> WarmRingwall:
        arguments = ["--one-by-one"] if self._one_by_one else []
        self._server = subprocess.Popen(
            [sys.executable, __file__, *arguments], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1
        )
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        self._server.stdin.close()
        self._server.wait()
        self._server.stdout.close()
        self._folder.cleanup()

    def run(self, arguments: list[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
        """One command to its end."""
        command = self.start(arguments, environment)
        out, err = command.communicate()
        assert command.returncode is not None
        return subprocess.CompletedProcess(arguments, command.returncode, out, err)

    def start(self, arguments: list[str], environment: Mapping[str, str]) -> Command:
        assert self._server.stdin is not None
        assert self._server.stdout is not None
        outputs = (Path(self._folder.name, "stdout"), Path(self._folder.name, "stderr"))
        order = {"arguments": arguments, "environment": dict(environment), "outputs": [str(path) for path in outputs]}
        self._server.stdin.write(json.dumps(order) + "\n")
        return Command(self, int(self._server.stdout.readline()), outputs)

    def ended(self, timeout: float | None) -> int | None:
        """The exit code of the command; None where it still runs."""
        assert self._server.stdout is not None
        ready, _, _ = select.select([self._server.stdout], [], [], timeout)
        return int(self._server.stdout.readline()) if ready else None


def serve() -> None:
    """Fork for each line of stdin; say the process id, then the exit code."""
    sys.path.insert(0, str(ROOT))
    for name in IMPORTS:
        import_module(name)
    from cli.main import run
    from components.providers import load_sdks
    from engine import runs
    from model.environment import Environment
    from model.server import Server
    from model.tool_lock import ToolLock

    load_sdks()
    for model in (Environment, Server, ToolLock):
        model.model_rebuild()  # else each command compiles it for itself, which takes a tenth of a second
    if "--one-by-one" in sys.argv:
        runs.RESOURCES_AT_ONCE = 1
    for line in sys.stdin:
        order = json.loads(line)
        pid = os.fork()
        if pid == 0:
            os.setsid()
            signal.signal(signal.SIGINT, signal.default_int_handler)
            flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
            for number, path in enumerate([os.devnull, *order["outputs"]]):
                handle = os.open(path, flags if number else os.O_RDONLY, 0o600)
                os.dup2(handle, number)
                os.close(handle)
            os.environ.clear()
            os.environ.update(order["environment"])
            sys.argv = ["ringwall", *order["arguments"]]
            run()
        print(pid, flush=True)
        _, status = os.waitpid(pid, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)


if __name__ == "__main__":
    serve()
