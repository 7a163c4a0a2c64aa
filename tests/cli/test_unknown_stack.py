"""A stack that is not there, or whose file cannot be read, is one line and exit 2, whatever was to be done with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.project import Project
from tests.support.command_line import ringwall

COMMANDS = {
    "plan": [],
    "check": [],
    "preview": [],
    "up": ["--yes"],
    "destroy": ["--yes"],
    "cancel": ["--yes"],
    "repair": ["--yes"],
    "outputs": [],
    "drift": [],
    "verify": [],
    "doctor": [],
    "local": [],
    "offboard": ["--yes"],
    "lockdown": ["--yes"],
}


@pytest.mark.engine
@pytest.mark.parametrize("command", COMMANDS)
def test_a_stack_that_is_not_there_is_one_line(command: str, project: Project) -> None:
    done = ringwall(command, "dev.nobody", *COMMANDS[command], "--project", project.root)
    assert done.code == 2
    (error,) = done.errors
    assert "dev.nobody" in error or "there is no server nobody" in error
    assert "(known: dev.external, dev.hosted, dev.one)" in error


@pytest.mark.engine
@pytest.mark.parametrize("command", ["outputs", "plan"])
def test_a_stack_file_that_is_not_utf_8_is_one_line(command: str, project: Project) -> None:
    file: Path = project.stack_file("dev.one")
    file.write_bytes(b"\xff\xfe")
    done = ringwall(command, "dev.one", *COMMANDS[command], "--project", project.root)
    assert done.code == 2
    (error,) = done.errors
    assert error.startswith(f"{file}: is not UTF-8")
