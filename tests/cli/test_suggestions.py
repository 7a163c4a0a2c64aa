"""Every command that a message suggests parses, and keeps `--sandbox` and `--project` of the call it was shown by."""

from __future__ import annotations

import ast
import re
import shlex
import threading
from collections.abc import Iterator
from functools import cache
from pathlib import Path

import pytest
import typer
from typer.core import TyperCommand

from cli import suggestions
from cli.commands import COMMANDS
from cli.invocation import Invocation
from cli.root_commands import load
from cli.terminal import Terminal
from model.project import Project
from tests.docs.test_floors import ROOMS, ROOT
from tests.support.command_line import ringwall

#: What an expression of a message stands for, by a word in it; a server's stack for all others.
SAMPLES = {
    "shown": "up dev",
    "environment": "dev",
    ".name": "dev",
    "following": "up",
    "sequence": "7",
    "options": "--allow person:8b0f",
    "OUTPUT": "guard_config",
    "path": "audit.jsonl",
    "kind": "record",
    "agent": "ci",
    ".layout": "compose",
    "containers": "--image kong=example/kong:1",
}
MENTION = re.compile(r"`(ringwall [^`]+)`")


def _strings(tree: ast.AST) -> Iterator[str]:
    """Strings of a module, docstrings left out; an expression in one is replaced by a sample of its value."""
    inner = {id(part) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr) for part in node.values}
    statements = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(
                str(part.value) if isinstance(part, ast.Constant) else _sample(part) for part in node.values if part
            )
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in inner | statements:
            yield node.value


def _sample(part: ast.AST) -> str:
    expression = ast.unparse(part)
    return next((value for word, value in SAMPLES.items() if word in expression), "dev.one")


@cache
def _texts() -> tuple[tuple[str, str], ...]:
    """Every string of every module, with the module's place."""
    rooms = (*ROOMS, "sandbox", "policy_pack", "package")
    files = sorted(path for room in rooms for path in (ROOT / room).rglob("*.py"))
    return tuple(
        (str(file.relative_to(ROOT)), text)
        for file in files
        for text in _strings(ast.parse(file.read_text(encoding="utf-8")))
    )


def messages(mention: re.Pattern[str] = MENTION) -> list[tuple[str, str]]:
    """Where a message names a command, and the whole message."""
    return sorted({(file, text) for file, text in _texts() if mention.search(text)})


def _parse(command: str) -> None:
    """Parse with the real command; raises what Typer raises."""
    words = shlex.split(command)[1:]
    if words == ["--help"]:
        return
    parsed = load(words[0])
    words = words[1:]
    if hasattr(parsed, "commands"):
        parsed = parsed.commands[words.pop(0)]
    parsed.make_context(parsed.name, words)


def _is_a_name(command: str) -> bool:
    """Whether it is a command's name alone, as prose has it (“what `ringwall diff` wrote”)."""
    words = command.split()[1:]
    if words[0] not in COMMANDS:
        return False
    group = getattr(load(words[0]), "commands", None)
    return len(words) == 1 or (group is not None and len(words) == 2 and words[1] in group)


@pytest.mark.parametrize(("file", "message"), messages())
def test_command_in_a_message_parses(file: str, message: str) -> None:
    for match in MENTION.finditer(message):
        advised = re.search(r"\b(run|with|see|by) $", message[: match.start()])
        if _is_a_name(match[1]) and not (advised and advised[1] == "run"):
            continue
        # A command on a server may leave its name out of what it advises.
        _parse(suggestions.command_line(match[1], Invocation(stack="dev.one")))


@pytest.mark.parametrize(
    ("command", "completed"),
    [
        ("ringwall destroy dev.one", "ringwall destroy dev.one --sandbox --project '/tmp/my project'"),
        ("ringwall destroy dev.one --sandbox", "ringwall destroy dev.one --sandbox --project '/tmp/my project'"),
        # These take no --sandbox: files are the same for both.
        ("ringwall lock approve dev.one", "ringwall lock approve dev.one --project '/tmp/my project'"),
        ("ringwall check --list-rules", "ringwall check --list-rules --project '/tmp/my project'"),
        ("ringwall schema server", "ringwall schema server"),
        ("ringwall engine install --plugins", "ringwall engine install --plugins"),
        (
            "ringwall local dev.one -- python desk.py --sandbox",
            "ringwall local dev.one --project '/tmp/my project' -- python desk.py --sandbox",
        ),
        ("ringwall nonsense", "ringwall nonsense"),
        # Prose that names a command; it needs a stack to be run.
        ("ringwall revoke", "ringwall revoke"),
        ("ringwall isn't a command", "ringwall isn't a command"),
    ],
)
def test_suggestion_takes_the_options_in_force_that_its_command_has(command: str, completed: str) -> None:
    options = Invocation(sandbox=True, project=Path("/tmp/my project"))
    assert suggestions.complete(f"run `{command}` first", options) == f"run `{completed}` first"
    assert suggestions.complete_document({"remedy": f"`{command}`", "name": "`ringwall up`"}, options) == {
        "remedy": f"`{completed}`",
        "name": "`ringwall up`",
    }


def test_line_that_is_a_command_is_completed_before_its_comment() -> None:
    options = Invocation(sandbox=True)
    assert suggestions.complete("Next:\n  ringwall up dev   # brings it up\nringwall is good", options) == (
        "Next:\n  ringwall up dev --sandbox   # brings it up\nringwall is good"
    )
    assert suggestions.complete("Next: ringwall up dev", options) == "Next: ringwall up dev --sandbox"


@pytest.mark.parametrize(
    ("stack", "command", "completed"),
    [
        ("dev.one", "ringwall drift", "ringwall drift dev.one"),
        ("dev.one", "ringwall keys sync", "ringwall keys sync dev"),
        ("dev.one", "ringwall lock approve ENV.SERVER", "ringwall lock approve dev.one"),
        ("dev", "ringwall lock approve ENV.SERVER", "ringwall lock approve ENV.SERVER"),
        ("zone.example", "ringwall keys sync", "ringwall keys sync"),
        ("dev", "ringwall lock diff", "ringwall lock diff"),
        ("dev.one", "ringwall up dev", "ringwall up dev"),
        ("dev.one", "ringwall audit show", "ringwall audit show dev.one"),
        ("dev.one", "ringwall check", "ringwall check"),
    ],
)
def test_suggestion_without_a_stack_takes_the_one_this_call_names(stack: str, command: str, completed: str) -> None:
    assert suggestions.command_line(command, Invocation(stack=stack)) == completed


def test_note_of_another_thread_keeps_the_options_of_the_command_that_started_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    with typer.Context(TyperCommand("up"), obj=Invocation(sandbox=True, json=True)):
        terminal = Terminal()
        for work in (terminal.note, terminal.say):
            thread = threading.Thread(target=work, args=("run `ringwall up dev`",))
            thread.start()
            thread.join()
    assert capsys.readouterr() == ("", "run `ringwall up dev --sandbox`\n")


def test_without_options_in_force_nothing_changes() -> None:
    text = "run `ringwall destroy dev.one`"
    assert suggestions.complete(text, Invocation()) is text


@pytest.mark.parametrize("variable", [False, True])
def test_rehearsal_says_that_it_is_one_and_its_remedy_stays_in_it(
    project: Project, monkeypatch: pytest.MonkeyPatch, variable: bool
) -> None:
    if variable:
        monkeypatch.setenv("RINGWALL_SANDBOX", "1")
    done = ringwall("outputs", "dev", "--json", "--project", project.root, *([] if variable else ["--sandbox"]))
    assert (
        done.err.splitlines()[0] == "rehearsal: stand-in Cloudflare and Kong on this machine, nothing real is touched"
    )
    assert f"run `ringwall up dev --sandbox --project {project.root}`" in done.err
    assert done.json["sandbox"] is True
    (problem,) = done.json["error"]["problems"]
    assert f"--sandbox --project {project.root}" in problem["message"]


@pytest.mark.parametrize("value", ["", "0", "false"])
def test_variable_that_says_no_makes_no_rehearsal(
    project: Project, monkeypatch: pytest.MonkeyPatch, value: str
) -> None:
    monkeypatch.setenv("RINGWALL_SANDBOX", value)
    done = ringwall("outputs", "dev", "--json", "--project", project.root)
    assert "rehearsal" not in done.err
    assert "sandbox" not in done.json
