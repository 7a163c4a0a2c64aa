"""The command line as a user has it, run in this process: exit code, standard output, standard error."""

from __future__ import annotations

import io
import json
import os
import pty
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stderr, redirect_stdout
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cli import main

FLAGS = {
    "--account-id": "0af1" * 8,
    "--zone": "example.com",
    "--zone-id": "0bf2" * 8,
    "--team": "example",
    "--country": "SE",
    "--host": "dev-1",
}
#: Who may reach a server that is onboarded.
PEOPLE = ("--people", "ada@example.com")


@dataclass(frozen=True)
class Result:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)

    @property
    def errors(self) -> list[str]:
        """The error lines, without the word error."""
        return [line.removeprefix("error: ") for line in self.err.splitlines() if line.startswith("error: ")]


def ringwall(*arguments: str | Path) -> Result:
    """Run one command; nothing of it outlives the call but what it wrote."""
    out, err = io.StringIO(), io.StringIO()
    code: object = 0
    with redirect_stdout(out), redirect_stderr(err):
        try:
            main.run([str(argument) for argument in arguments])
        except SystemExit as end:
            code = end.code
    return Result(code if isinstance(code, int) else int(code is not None), out.getvalue(), err.getvalue())


def flags(**changed: str | None) -> list[str]:
    """Flags of a good `init`, some changed or (None) left out; ``zone_id`` stands for ``--zone-id``."""
    given: dict[str, str | None] = {**FLAGS, **{f"--{key.replace('_', '-')}": value for key, value in changed.items()}}
    return [part for flag, value in given.items() if value is not None for part in (flag, value)]


def snapshot(root: Path) -> dict[str, bytes]:
    """Every file below `root` with its content, caches and the virtual environment aside."""
    files = (path for path in root.rglob("*") if path.is_file())
    return {
        str(path.relative_to(root)): path.read_bytes() for path in files if not {".ringwall", ".venv"} & set(path.parts)
    }


def on_a_terminal(arguments: list[str], answers: list[str], **environment: str) -> tuple[int, str]:
    """Run one command on a terminal of its own, its answers typed in; gives the exit code and all that was shown."""
    master, slave = pty.openpty()
    process = subprocess.Popen(
        [sys.executable, "-m", "cli.main", *arguments],
        stdin=slave,
        stdout=slave,
        stderr=slave,
        env={**{name: value for name, value in os.environ.items() if name != "NO_COLOR"}, **environment},
    )
    os.close(slave)
    os.write(master, "".join(f"{answer}\n" for answer in answers).encode())
    shown = b""
    try:
        while chunk := os.read(master, 4096):
            shown += chunk
    except OSError:  # Linux: the other end is closed
        pass
    finally:
        os.close(master)
    return process.wait(timeout=90), shown.decode()


def serve_desk(*arguments: str) -> Iterator[str]:
    """Runs the ticket desk, a real server of the official SDK, while its one value (the URL it prints) is in use."""
    process = subprocess.Popen(
        [sys.executable, "-m", "sandbox.mcp_server", *arguments], stdout=subprocess.PIPE, text=True
    )
    assert process.stdout is not None
    try:
        yield process.stdout.readline().strip()
    finally:
        process.terminate()
        process.wait(timeout=90)
        process.stdout.close()
