"""A server whose stack file is there and whose tool lock is not: the command that the error names works as it is printed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from tests.support.command_line import ringwall, serve_desk, snapshot

WHO = ("--people", "ada@example.com")


def onboarded(root: Path, servers: dict[str, str]) -> dict[str, bytes]:
    """The project's files with these servers (name to URL), whose tool locks are removed afterwards."""
    for name, url in servers.items():
        done = ringwall("onboard", name, "--env", "dev", "--url", url, *WHO, "--yes", "--project", root)
        assert done.code == 0, done.err
    files = snapshot(root)
    for name in servers:
        (root / "stacks" / f"dev.{name}.lock.yaml").unlink()
    return files


def command_in(error: str) -> list[str]:
    """The arguments of the first `ringwall` command that an error names."""
    match = re.search(r"`ringwall ([^`]+)`", error)
    assert match is not None, error
    return shlex.split(match[1])


@pytest.mark.parametrize("asking", [("plan", "dev.tickets"), ("check", "dev.tickets"), ("lock", "diff", "dev.tickets")])
def test_the_command_that_the_error_names_makes_the_lock_again(root: Path, desk: str, asking: tuple[str, ...]) -> None:
    files = onboarded(root, {"tickets": desk})
    refused = ringwall(*asking, "--project", root)
    assert refused.code == 2
    done = ringwall(*command_in(refused.err), "--yes", "--project", root)
    assert done.code == 0, done.err
    assert snapshot(root) == files


def test_locks_that_are_missing_together_are_made_again_one_after_the_other(root: Path, desk: str) -> None:
    for second_desk in serve_desk("--port", "0"):
        files = onboarded(root, {"tickets": desk, "desk": second_desk})
        for _ in range(2):
            refused = ringwall("check", "dev", "--project", root)
            assert "the tool lock is missing" in refused.err
            done = ringwall(*command_in(refused.err), "--yes", "--project", root)
            assert done.code == 0, done.err
        assert snapshot(root) == files
