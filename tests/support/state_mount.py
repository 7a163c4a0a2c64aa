"""Real trouble with the disk of a project's state, in a mount namespace of its own (`unshare --map-root-user --mount`).

The state folder is a small file system that fills up in mid-run, and then one that is read-only.
`tests.integration.test_state_disk` runs this.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

from sandbox import Fault, Sandbox
from tests.support.interrupted import Stage
from tests.support.projects import write_project

#: More than a run asks for beforehand (engine.state_folder).
MEGABYTES = 120


def fill(folder: Path) -> Path:
    """Take what room there is."""
    filler = folder / "filler"
    with filler.open("wb", buffering=0) as file:
        for size in (1 << 16, 1):
            with suppress(OSError):
                while file.write(bytes(size)) == size:
                    pass
    return filler


def errors(stage: Stage, *arguments: str, code: int) -> list[str]:
    """The errors of a command, each of which is one line."""
    stderr = stage.run(*arguments, code=code).stderr
    assert "Traceback" not in stderr, stderr
    return [line.removeprefix("error: ") for line in stderr.splitlines() if line.startswith("error: ")]


def fills_up_in_mid_run(stage: Stage, state: Path) -> None:
    """One line says it; one command puts the record back; each command that `up` then prints works as pasted."""
    wanted = stage.there()
    stage.run("destroy", "dev.one", "--yes")
    fault = Fault("create", "*AccessApplication", delay=3.0, after_effect=True)
    fillers: list[Path] = []
    stopped = stage.during(fault, lambda: fillers.append(fill(state)), "up", "dev.one", "--yes")
    assert stopped.returncode == 5, stopped
    checkpoint = state / ".pulumi" / "stacks" / "ringwall" / "dev.one.json"
    (line,) = [line for line in stopped.stderr.splitlines() if line.startswith("error: ")]
    assert line == (
        f"error: dev.one: what was done is not recorded: write {checkpoint}: no space left on device; the disk is full: "
        f"make room, then run `ringwall repair dev.one --sandbox --project {stage.root}`"
    ), line
    (refused,) = errors(stage, "up", "dev.one", "--yes", code=5)
    assert refused.startswith(f"{checkpoint}: the recorded state cannot be read (")
    fillers[0].unlink()
    stage.run("repair", "dev.one", "--yes")
    for _ in range(4):
        said = stage.start("up", "dev.one", "--yes")
        _, stderr = said.communicate(timeout=300)
        commands = re.findall(r"run `ringwall (import [^`]+)` to take it over", stderr)
        if said.returncode == 0:
            break
        assert commands, stderr
        for command in commands:
            words = shlex.split(command)
            stage.run(*words[: words.index("--sandbox")], "--yes")
    stage.assert_whole(wanted)


def is_read_only(stage: Stage, state: Path) -> None:
    """Nothing is begun, and what only reads goes on."""
    subprocess.run(["mount", "-o", "remount,ro", str(state)], check=True)
    (line,) = errors(stage, "destroy", "dev.one", "--yes", code=5)
    assert line == (
        f"dev.one: {state}: the state cannot be written, so nothing was begun; let this user write there, or mount it "
        "writable"
    ), line
    assert errors(stage, "up", "dev.one", "--yes", code=0) == [], "there is nothing to do"
    assert errors(stage, "status", code=0) == []


def main(folder: Path) -> None:
    root = write_project(folder / "project")
    home = root / ".ringwall" / "sandbox"
    state = home / "state"
    state.mkdir(parents=True)
    subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={MEGABYTES}m", "tmpfs", str(state)], check=True)
    with Sandbox(home / "providers") as sandbox:
        stage = Stage(root, sandbox)
        stage.run("up", "dev", "--yes")
        fills_up_in_mid_run(stage, state)
        is_read_only(stage, state)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
