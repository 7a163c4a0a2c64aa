"""What `lockdown` and `revoke` say of rings that answered in any order."""

from __future__ import annotations

import json
import subprocess
from itertools import permutations
from pathlib import Path

import pytest

from engine.progress import SilentProgress
from operations.journal import JOURNAL, NotComplete, Operation, operator

PLACES = ("file", "edge", "gateway", "guard")


@pytest.mark.parametrize("order", list(permutations(PLACES)))
def test_what_is_not_complete_is_named_in_the_order_of_the_rings(tmp_path: Path, order: tuple[str, ...]) -> None:
    operation = Operation(tmp_path, "lockdown", "dev.one", "a test", SilentProgress())
    operation.begin()
    for ring in order:
        operation.step("dev.one", ring, "failed", "still open")
    with pytest.raises(NotComplete, match=r"^lockdown is not complete: dev\.one \(file, edge, gateway, guard\)"):
        operation.end()


def test_a_name_in_another_encoding_stops_no_emergency(tmp_path: Path) -> None:
    """Git keeps what it was given, such as a name in Latin-1."""
    subprocess.run(["git", "init", "-q", str(tmp_path)], check=True)
    with (tmp_path / ".git" / "config").open("ab") as config:
        config.write(b"[user]\n\tname = Zo\xeb\n\temail = zoe@example.com\n")
    assert {**operator(tmp_path), "os_user": ""} == {"name": "Zo\ufffd", "email": "zoe@example.com", "os_user": ""}
    Operation(tmp_path, "lockdown", "dev.one", "a test", SilentProgress()).begin()
    (line,) = (tmp_path / JOURNAL).read_text("utf-8").splitlines()
    assert json.loads(line)["command"] == "lockdown"
