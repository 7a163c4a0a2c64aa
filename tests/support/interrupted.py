"""A run killed with SIGKILL in the middle of one operation, while the providers live on and answer late or never."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox import Fault, Sandbox
from tests.support.waiting import eventually_sync
from tests.support.warm_ringwall import Command, WarmRingwall

#: Seconds for a command on a busy machine; one that takes longer hangs.
PATIENCE = 600


@dataclass
class Stage:
    """A project whose sandbox is served by this process, so that a killed run does not take it along."""

    root: Path
    sandbox: Sandbox
    #: What starts the commands; each is a new interpreter without it.
    warm: WarmRingwall | None = None

    @property
    def home(self) -> Path:
        return self.root / ".ringwall" / "sandbox"

    def run(self, *arguments: str, code: int = 0) -> subprocess.CompletedProcess[str]:
        ended = _end(self.start(*arguments), arguments)
        assert ended.returncode == code, (arguments, ended.returncode, ended.stdout, ended.stderr)
        return ended

    def kill_in(self, faults: Fault | Sequence[Fault], *arguments: str) -> list[Fault]:
        """Run until a call meets a fault, then kill the command and its engine; the faults met, none where it ended."""
        self._order(faults)
        process = self.start(*arguments)
        eventually_sync(
            lambda: self.sandbox.faults.hits() or process.poll() is not None, "a call meets the fault", within=PATIENCE
        )
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        met = self.sandbox.faults.hits()
        self.sandbox.faults.clear()
        return met

    def fail_in(
        self, faults: Fault | Sequence[Fault], *arguments: str
    ) -> tuple[list[Fault], subprocess.CompletedProcess[str]]:
        """Run with faults in force, to the end: with code 5, or 0 where no call met any. The faults met."""
        self._order(faults)
        ended = _end(self.start(*arguments), arguments)
        met = self.sandbox.faults.hits()
        self.sandbox.faults.clear()
        assert ended.returncode == (5 if met else 0), (arguments, ended.returncode, ended.stdout, ended.stderr)
        return met, ended

    def _order(self, faults: Fault | Sequence[Fault]) -> None:
        for fault in [faults] if isinstance(faults, Fault) else faults:
            self.sandbox.faults.add(fault)

    def during(self, fault: Fault, work: Callable[[], object], *arguments: str) -> subprocess.CompletedProcess[str]:
        """Run until a call meets `fault`, do something else meanwhile, and wait for the end."""
        self._order(fault)
        process = self.start(*arguments)
        assert self.sandbox.faults.wait_for(fault, PATIENCE), "no call met the fault"
        work()
        ended = _end(process, arguments)
        self.sandbox.faults.clear()
        return ended

    def interrupt_in(
        self, fault: Fault, *arguments: str, times: int = 1, alone: bool = False
    ) -> subprocess.CompletedProcess[str]:
        """Run until a call meets `fault`, then press Ctrl-C, as a terminal does: command and engine get the signal.

        Once more, where `times` says so, as soon as the command has answered the first. With `alone` it is SIGTERM, and to
        the command alone, as a pipeline that is cancelled or a service manager sends it.
        """
        self.sandbox.faults.add(fault)
        process = self.start(*arguments)
        assert isinstance(process, subprocess.Popen)
        assert process.stderr is not None
        assert self.sandbox.faults.wait_for(fault, 200), "no call met the fault"
        heard = ""
        for _ in range(times):
            if alone:
                process.terminate()
            else:
                os.killpg(process.pid, signal.SIGINT)
            while line := process.stderr.readline():
                heard += line
                if line.startswith("interrupted"):
                    break
        out, err = process.communicate(timeout=120)
        self.sandbox.faults.clear()
        return subprocess.CompletedProcess(arguments, process.returncode, out, heard + err)

    def start(self, *arguments: str) -> subprocess.Popen[str] | Command:
        """Begin a command and do not wait for it."""
        line = [*arguments, "--sandbox", "--project", str(self.root)]
        environment = {**os.environ, **self.sandbox.environment()}
        if self.warm is not None:
            return self.warm.start(line, environment)
        return subprocess.Popen(
            [str(Path(sys.executable).with_name("ringwall")), *line],
            env=environment,
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
        """State and world as they were kept, by this stage or another of the same project."""
        shutil.rmtree(self.home)
        shutil.copytree(folder, self.home)
        self.sandbox.announce()

    def there(self) -> Counter[str]:
        """How many objects of each type the providers hold."""
        return Counter(record.type for record in self.sandbox.resources())

    def objects(self) -> set[tuple[str, str]]:
        """Type and the engine's name of every object that the providers hold."""
        return {(record.type, record.name) for record in self.sandbox.resources()}

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


def _end(process: subprocess.Popen[str] | Command, arguments: Sequence[str]) -> subprocess.CompletedProcess[str]:
    """Wait for the end of a command; one that hangs is killed, and what it has said is the error."""
    try:
        out, err = process.communicate(timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        raise AssertionError((arguments, "hangs", *process.communicate())) from None
    assert process.returncode is not None
    return subprocess.CompletedProcess(list(arguments), process.returncode, out, err)
