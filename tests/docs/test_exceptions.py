"""docs/howto/allow-a-blocked-call.md works as it is written: from an incident to the exception that lets the call pass."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest

from model.finding_exceptions import NO_EXCEPTION
from model.project import load_environment, open_project
from tests.support.command_line import ringwall
from tests.support.guard_messages import result
from tests.support.guard_service import Origin, guarded, tool
from tests.support.projects import write_project

PAGE = (Path(__file__).parents[2] / "docs" / "howto" / "allow-a-blocked-call.md").read_text(encoding="utf-8")
CARD = "Paid with 4929 4212 3460 0821."
COMMANDS = re.findall(r"^    ringwall (.*)$", PAGE, re.MULTILINE)


def origin() -> Origin:
    server = Origin(tools=[tool("get_ticket")])
    server.replies["tools/call"] = lambda _: result(CARD)
    return server


async def test_the_way_from_an_incident_to_an_exception(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    root = write_project(tmp_path / "project")
    monkeypatch.chdir(root)
    (tmp_path / "before").mkdir()
    async with guarded(origin(), tmp_path / "before") as guard:
        await guard.initialize()
        text = (await guard.call("get_ticket"))["result"]["content"][0]["text"]
    incident = re.findall(r"An operator can allow it: give them incident (\w+)\.", text)[0]
    show, check, *_ = COMMANDS
    words = [str(guard.audit) if word.endswith(".jsonl") else word for word in shlex.split(show)]
    shown = ringwall(*words[:-1], incident)
    assert shown.code == 0
    assert "    pii.card at /content/0/text\n    decided by guard.legs.results\n" in shown.out
    assert max(map(len, shown.out.splitlines())) <= 80
    (pasted,) = re.findall(r"^    guard:\n(?:      .*\n)+", shown.out, re.MULTILINE)
    file = root / "stacks" / "Pulumi.dev.one.yaml"
    file.write_text(file.read_text(encoding="utf-8") + pasted, encoding="utf-8")
    assert check == "check dev.tickets"
    # The guard of this test is of a server named raw.
    assert f"    ringwall {check.replace('dev.tickets', 'dev.raw')}\n" in shown.out
    checked = ringwall("check", "dev.one")
    assert (checked.code, "0 errors, 0 warnings" in checked.out) == (0, True), checked.out
    manifest = load_environment(open_project(root), "dev").servers["one"].manifest
    (tmp_path / "after").mkdir()
    async with guarded(origin(), tmp_path / "after", guard=manifest.guard.dump()) as guard:
        await guard.initialize()
        assert (await guard.call("get_ticket"))["result"] == result(CARD)
        assert guard.records()[-1]["exceptions"] == ["pii.card"]


def test_the_stack_file_on_the_page_is_valid(tmp_path: Path) -> None:
    (shown,) = re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL)
    root = write_project(tmp_path)
    file = root / "stacks" / "Pulumi.dev.one.yaml"
    file.write_text(file.read_text(encoding="utf-8") + shown, encoding="utf-8")
    (exception,) = load_environment(open_project(root), "dev").servers["one"].manifest.guard.exceptions
    assert (exception.kind, exception.name, exception.rule) == ("tool", "get_ticket", "pii.card")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_of_the_page_has_the_options_it_is_given(command: str) -> None:
    words = shlex.split(command)
    verbs = words[:2] if words[0] in ("audit", "guard") else words[:1]
    listed = ringwall(*verbs, "--help").out
    assert all(word in listed for word in words if word.startswith("--"))


def test_the_page_names_every_rule_without_exceptions() -> None:
    assert [name for name in NO_EXCEPTION if name.partition(".")[2] not in PAGE] == []
