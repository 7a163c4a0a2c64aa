"""A run killed with SIGKILL in the middle of one operation, while the providers live on and answer late or never."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox import Fault, Sandbox


@dataclass
class Stage:
    """A project whose sandbox is served by this process, so that a killed run does not take it along."""

    root: Path
    sandbox: Sandbox

    @property
    def home(self) -> Path:
        return self.root / ".ringwall" / "sandbox"

    def run(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        process = self._start(*arguments)
        out, err = process.communicate(timeout=300)
        assert process.returncode == code, (arguments, process.returncode, out, err)
        return subprocess.CompletedProcess(arguments, code, out, err)

    def kill_in(self, fault: Fault, *arguments: str) -> bool:
        """Run until a call meets `fault`, then kill the command and its engine; False where none met it."""
        self.sandbox.faults.add(fault)
        process = self._start(*arguments)
        met = self.sandbox.faults.wait_for(fault, 120) if process.poll() is None else False
        try:
            os.killpg(process.pid, signal.SIGKILL)
        except ProcessLookupError:
            met = False
        process.communicate()
        self.sandbox.faults.clear()
        return met

    def fail_in(self, fault: Fault, *arguments: str) -> subprocess.CompletedProcess[str] | None:
        """Run with `fault` in force, to its end with code 5; None where no call met the fault."""
        self.sandbox.faults.add(fault)
        process = self._start(*arguments)
        out, err = process.communicate(timeout=300)
        met = self.sandbox.faults.wait_for(fault, 0)
        self.sandbox.faults.clear()
        if not met:
            return None
        assert process.returncode == 5, (arguments, process.returncode, out, err)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def interrupt_in(self, fault: Fault, *arguments: str, times: int = 1) -> subprocess.CompletedProcess[str]:
        """Run until a call meets `fault`, then press Ctrl-C, as a terminal does: command and engine get the signal.

        Once more, where `times` says so, as soon as the command has answered the first.
        """
        self.sandbox.faults.add(fault)
        process = self._start(*arguments)
        assert process.stderr is not None
        assert self.sandbox.faults.wait_for(fault, 120), "no call met the fault"
        heard = ""
        for _ in range(times):
            os.killpg(process.pid, signal.SIGINT)
            while line := process.stderr.readline():
                heard += line
                if line.startswith("interrupted"):
                    break
        out, err = process.communicate(timeout=120)
        self.sandbox.faults.clear()
        return subprocess.CompletedProcess(arguments, process.returncode, out, heard + err)

    def _start(self, *arguments: str) -> subprocess.Popen[str]:
        return subprocess.Popen(
            [
                str(Path(sys.executable).with_name("ringwall")),
                *arguments,
                "--sandbox",
                "--project",
                str(self.root),
            ],
            env={**os.environ, **self.sandbox.environment()},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    # What is recorded and what is there.

    def keep(self, folder: Path) -> None:
        """Keep state and world as they are now."""
        shutil.copytree(self.home, folder)

    def go_back(self, folder: Path) -> None:
        """State and world as they were kept."""
        shutil.rmtree(self.home)
        shutil.copytree(folder, self.home)

    def there(self) -> Counter[str]:
        """How many objects of each type the providers hold."""
        return Counter(record.type for record in self.sandbox.resources())

    def recorded(self) -> set[tuple[str, str]]:
        """Type and id of every object in any stack's state; fails where an operation is without end or one lacks outputs."""
        found = set()
        for stack in ("dev", "dev.one"):
            state = self.state(stack)
            assert not state.get("pending_operations"), state["pending_operations"]
            for one in state.get("resources") or ():
                if one["type"].startswith(("kong:", "cloudflare:")):
                    assert one["outputs"], one["urn"]
                    assert not one.get("delete"), one["urn"]
                    found.add((one["type"], one["id"]))
        return found

    def state(self, stack: str) -> dict[str, Any]:
        file = self.home / "state" / ".pulumi" / "stacks" / "ringwall" / f"{stack}.json"
        found: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))["checkpoint"]["latest"] or {}
        return found

    def locks(self) -> list[Path]:
        return [path for path in (self.home / "state" / ".pulumi" / "locks").rglob("*.json") if path.is_file()]

    def assert_whole(self, wanted: Counter[str]) -> None:
        """Nothing doubled, nothing left, everything recorded, no lock."""
        assert self.there() == wanted
        assert self.recorded() == {(record.type, record.id) for record in self.sandbox.resources()}
        assert self.locks() == []
