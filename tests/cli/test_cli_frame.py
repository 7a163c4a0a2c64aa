"""What every command has in common: a cheap start, help, one-line errors, exit codes, no colour where none is wanted."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
from typer.core import TyperGroup

from cli import commands, main, root_commands
from cli.exit_codes import EXIT_CODES
from cli.flags.durations import duration
from cli.presentation import GROUPS
from cli.spellings import in_use
from model.errors import RingwallError
from model.project import Project
from operations.project.write import FileChange
from tests.support.command_line import flags, on_a_terminal, ringwall

HEAVY = frozenset(
    [
        "pulumi",
        "pulumi_cloudflare",
        "pulumi_kong",
        "mcp",
        "mcp_types",
        "pydantic",
        "httpx",
        "httpx2",
        "grpc",
        "rich",
        "ruamel",
        "cryptography",
    ]
)
SPY = """\
import sys
from cli.main import run
try:
    run(sys.argv[1:] or None)
except SystemExit as end:
    code = end.code
loaded = {name.partition(".")[0] for name, module in sys.modules.items() if module is not None}
print(sorted(loaded & set(HEAVY)), file=sys.stderr)
sys.exit(code)
"""


def _run(*arguments: str, program: str | None = None, **environment: str) -> subprocess.CompletedProcess[str]:
    start = ["-c", program] if program else ["-m", "cli.main"]
    return subprocess.run(
        [sys.executable, *start, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
        cwd=Path(main.__file__).parents[1],
    )


@pytest.mark.parametrize("arguments", [("--help",), ("up", "--help"), ("lock", "diff", "--help")])
def test_help_loads_nothing_heavy(arguments: tuple[str, ...]) -> None:
    done = _run(*arguments, program=SPY.replace("HEAVY", repr(HEAVY)))
    assert done.stderr.splitlines()[-1] == "[]"


def _commands() -> dict[str, object]:
    found: dict[str, object] = {}
    for name in commands.COMMANDS:
        command = root_commands.load(name)
        if isinstance(command, TyperGroup):
            found.update({f"{name} {inner}": one for inner, one in command.commands.items()})
        else:
            found[name] = command
    return found


def _completed(words: str, program: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """What a shell asks for when the user presses the tab key after `words`."""
    number = str(len(words.split(" ")) - 1)
    completing = {"_RINGWALL_COMPLETE": "complete_bash", "COMP_WORDS": words, "COMP_CWORD": number}
    return _run(program=program, **completing, **environment)


MODULES = """\
import contextlib, sys
from cli.main import run
sys.argv[0] = "ringwall"
with contextlib.suppress(SystemExit):
    run()
print(sorted(name for name in sys.modules if name.startswith(("cli.", "model."))), file=sys.stderr)
"""
FRAME = [
    f"cli.{name}"
    for name in (
        "colours",
        "commands",
        "console",
        "exit_codes",
        "failures",
        "invocation",
        "main",
        "parameters",
        "presentation",
        "root_commands",
        "spellings",
        "streams",
        "suggestions",
    )
] + ["model.effects", "model.errors", "model.stack_names", "model.text"]
#: What every file of options imports.
OPTIONS = ["cli.flags", "cli.options", "cli.stack_names"]


@pytest.mark.parametrize(
    ("arguments", "loaded"),
    [
        (("--help",), []),
        (("lok",), []),
        (("list", "--help"), [*OPTIONS, "cli.flags.list_stacks"]),
    ],
)
def test_commands_that_are_not_called_are_not_imported(arguments: tuple[str, ...], loaded: list[str]) -> None:
    done = _run(*arguments, program=MODULES)
    assert done.stderr.splitlines()[-1] == str(sorted([*FRAME, *loaded]))


def test_completion_of_a_name_imports_no_command() -> None:
    assert _completed("ringwall lo", MODULES).stderr.splitlines()[-1] == str(FRAME)


def test_completion_of_a_stack_and_of_an_option_imports_no_work() -> None:
    for words in ("ringwall up ", "ringwall up --s"):
        loaded = _completed(words, MODULES).stderr.splitlines()[-1]
        assert loaded == str(sorted([*FRAME, *OPTIONS, "cli.flags.up"]))


def test_help_of_no_command_loads_anything_heavy() -> None:
    flags_alone = "import sys\nfrom cli.root_commands import COMMANDS, load\nfor name in COMMANDS:\n    load(name)\n"
    report = f"print(sorted({{name.partition('.')[0] for name in sys.modules}} & set({HEAVY!r})))"
    assert _run(program=flags_alone + report).stdout == "[]\n"


def test_completion_offers_stacks(project: Project) -> None:
    program = "import sys\nsys.argv = ['ringwall']\nfrom cli.main import run\nrun()"
    done = _completed("ringwall up dev.o", program, RINGWALL_PROJECT=str(project.root))
    assert done.stdout.split() == ["dev.one"]
    within = f"import os; os.chdir({str(project.root)!r})\n"
    loaded = _completed("ringwall up dev.o", within + SPY.replace("HEAVY", repr(HEAVY)))
    assert (loaded.stdout.split(), loaded.stderr.splitlines()[-1]) == (["dev.one"], "[]")


def test_completion_offers_commands_and_their_options() -> None:
    program = "import sys\nsys.argv = ['ringwall']\nfrom cli.main import run\nrun()"
    assert _completed("ringwall lo", program).stdout.split() == ["lockdown", "local", "lock"]
    assert _completed("ringwall lock ", program).stdout.split() == ["diff", "approve"]
    assert _completed("ringwall up --s", program).stdout.split() == ["--sandbox"]


def test_line_of_a_command_in_the_help_is_the_first_sentence_of_its_own_help() -> None:
    own = {name: root_commands.load(name).get_short_help_str(limit=1000) for name in commands.COMMANDS}
    assert {name: entry.help for name, entry in commands.COMMANDS.items()} == own


def test_mistyped_command_is_answered_with_those_it_could_be() -> None:
    done = ringwall("lok")
    assert done.code == 2
    assert "No such command 'lok'. Did you mean 'lock'?" in done.err


def test_every_command_and_every_option_says_what_it_does() -> None:
    found = _commands()
    assert {"init", "onboard", "offboard", "list", "migrate", "lock diff", "lock approve", "schema", "plan"} <= set(
        found
    )
    for name, command in found.items():
        assert getattr(command, "help", None), f"{name} has no help"
        for option in getattr(command, "params", ()):
            assert getattr(option, "help", None), f"{name}: {option.name} has no help"


@pytest.mark.parametrize("arguments", [(), ("lock",), ("guard",), ("audit",), ("keys",), ("agents",), ("engine",)])
def test_no_sentence_about_a_command_is_cut_off(arguments: tuple[str, ...]) -> None:
    out = ringwall(*arguments, "--help").out
    _, title, listed = out.partition("Commands:" if arguments else "Start:")
    assert title
    assert "..." not in listed


def test_every_command_can_show_the_trace_of_an_error() -> None:
    for name, command in _commands().items():
        options = {flag for parameter in getattr(command, "params", ()) for flag in parameter.opts}
        assert "--debug" in options, name


def test_help_names_the_exit_codes() -> None:
    text = " ".join(ringwall("--help").out.split())
    for code, meaning in EXIT_CODES.items():
        assert f"{code} {meaning}" in text


def test_documentation_names_the_same_exit_codes() -> None:
    root = Path(main.__file__).parents[1]
    table = " ".join((root / "README.md").read_text(encoding="utf-8").split())
    for code, meaning in EXIT_CODES.items():
        assert f"{code} {meaning}" in table
    kinds: list[type[RingwallError]] = [RingwallError, *_below(RingwallError)]
    own = {kind.exit_code for kind in kinds if kind.__module__ == "model.errors"}
    assert own <= set(EXIT_CODES)


def _below(kind: type[RingwallError]) -> list[type[RingwallError]]:
    return [inner for child in kind.__subclasses__() for inner in (child, *_below(child))]


@pytest.mark.parametrize("arguments", [("nonsense",), ("list", "--nonsense"), ("onboard",)])
def test_a_wrong_command_line_is_exit_2(arguments: tuple[str, ...]) -> None:
    assert ringwall(*arguments).code == 2


def test_a_file_that_cannot_be_opened_is_no_defect_of_ringwall(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        (project.root / "gone").read_bytes()

    monkeypatch.setattr("cli.list_stacks.inventory", fail)
    done = ringwall("list", "--project", project.root)
    assert (done.code, done.err) == (
        1,
        f"error: {project.root / 'gone'}: No such file or directory; correct the path, or who may read and write it\n",
    )


def test_no_project_is_one_line_with_what_to_do(tmp_path: Path) -> None:
    done = ringwall("list", "--project", tmp_path)
    assert (done.code, done.out) == (2, "")
    assert done.err == (
        f"error: {tmp_path}: no Pulumi.yaml here or above; "
        f"run `ringwall init ENV --project {tmp_path}`, or name the folder with --project\n"
    )


def test_an_error_with_json_is_one_document_with_every_problem(tmp_path: Path) -> None:
    done = ringwall("init", "dev", "--project", tmp_path, "--json", *flags(zone=None, team="Ex"))
    assert done.code == 2
    error = done.json["error"]
    assert (done.json["version"], error["kind"], error["exit_code"]) == (1, "InputErrors", 2)
    assert [(p["key"], p["file"], bool(p["remedy"])) for p in error["problems"]] == [
        ("--zone", None, True),
        ("--team", None, True),
    ]


@pytest.mark.parametrize(
    ("kind", "code"),
    [
        ("RingwallError", 1),
        ("InputError", 2),
        ("PlanRefused", 3),
        ("EngineMissing", 4),
        ("EngineFailed", 5),
        ("Unreachable", 6),
    ],
)
def test_each_kind_of_error_has_its_exit_code(
    project: Project, monkeypatch: pytest.MonkeyPatch, kind: str, code: int
) -> None:
    from model import errors

    def fail(_: object) -> None:
        raise getattr(errors, kind)("it went wrong")

    monkeypatch.setattr("cli.list_stacks.inventory", fail)
    done = ringwall("list", "--project", project.root)
    assert (done.code, done.err) == (code, "error: it went wrong\n")


def test_an_interrupt_is_exit_130_and_a_defect_asks_for_a_report(
    project: Project, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupt(_: object) -> None:
        raise KeyboardInterrupt

    def defect(_: object) -> None:
        raise ZeroDivisionError("no")

    monkeypatch.setattr("cli.list_stacks.inventory", interrupt)
    assert ringwall("list", "--project", project.root).code == 130
    monkeypatch.setattr("cli.list_stacks.inventory", defect)
    done = ringwall("list", "--project", project.root)
    assert (done.code, len(done.err.splitlines())) == (1, 1)
    assert "a defect; run again with --debug" in done.err


def test_debug_shows_where_an_error_came_from(tmp_path: Path) -> None:
    done = _run("list", "--debug", "--project", str(tmp_path))
    assert done.returncode == 1
    assert "Traceback" in done.stderr
    assert "find_project" in done.stderr


@pytest.mark.parametrize("environment", [{"NO_COLOR": "1"}, {}])
def test_no_escape_sequence_leaves_where_no_terminal_is(project: Project, environment: dict[str, str]) -> None:
    done = _run("list", "--project", str(project.root), **environment)
    assert done.returncode == 0
    assert "\x1b" not in done.stdout + done.stderr


def test_a_terminal_gets_colour_unless_no_color_is_set(project: Project) -> None:
    colour = re.compile(r"\x1b\[(3[0-7]|38|9[0-7])[;m]")
    arguments = ["check", "--project", str(project.root)]
    assert colour.search(on_a_terminal(arguments, [], TERM="xterm-256color")[1])
    assert not colour.search(on_a_terminal(arguments, [], TERM="xterm-256color", NO_COLOR="1")[1])


def test_json_keeps_standard_output_for_the_document(project: Project) -> None:
    done = _run("list", "--json", "--project", str(project.root))
    assert json.loads(done.stdout)["project"] == "ringwall"


def test_the_project_folder_can_come_from_the_environment(project: Project) -> None:
    done = _run("list", "--json", RINGWALL_PROJECT=str(project.root))
    assert json.loads(done.stdout)["root"] == str(project.root)


def test_a_removal_reads_the_file_it_removes(tmp_path: Path) -> None:
    file = tmp_path / "f"
    file.write_bytes(b"x")
    assert FileChange.removal(file) == FileChange(file, b"x", None)


def test_every_command_stands_in_one_group_of_the_help() -> None:
    grouped = [name for members in GROUPS.values() for name in members]
    assert sorted(grouped) == sorted(commands.COMMANDS)
    shown = ringwall("--help").out
    places = [shown.index(f"\n{title}:\n") for title in GROUPS]
    assert places == sorted(places)
    assert [line.split()[1] for line in shown.splitlines() if line.startswith(("  lockdown", "  revoke"))] == [
        "EMERGENCY:",
        "EMERGENCY:",
    ]


def test_values_are_named_in_capitals_and_no_type_of_the_program_is_shown() -> None:
    for name, command in _commands().items():
        for line in ringwall(*name.split(), "--help").out.splitlines():
            if re.match(r"Usage: |  -", line):
                assert not re.search(r"<(str|int|float|path|file|list)|[{]", line), (name, line)
        for parameter in getattr(command, "params", ()):
            value = getattr(parameter, "metavar", None)
            if value is not None and not getattr(parameter.type_descriptor, "choices", None):
                assert re.fullmatch(r"[\[A-Z][][A-Z.|:/=-]*(\.\.\.)?", value), (name, parameter.name, value)


def test_every_command_takes_json_and_every_deploying_one_a_sandbox() -> None:
    offline = {
        *("init", "onboard", "offboard", "scan", "list", "plan", "check", "diff", "schema", "migrate", "local", "demo"),
        *(
            "hosted refresh",
            "clients",
            "explain",
            "who",
            "test",
            "lock diff",
            "lock approve",
            "model add",
            "model list",
            "editions",
            "audit verify",
            "audit show",
            "audit tail",
            "audit export",
        ),
        *(
            "guard keygen",
            "guard verify",
            "guard identity",
            "engine install",
            "engine status",
            "engine addons",
            "help",
            "version",
        ),
        # It writes the stack file alone; the `up` after it is rehearsed or not.
        "agents rotate",
    }
    for name, command in _commands().items():
        options = {flag for parameter in getattr(command, "params", ()) for flag in parameter.opts}
        assert name == "help" or "--json" in options, name
        assert ("--sandbox" in options) != (name in offline), name


def test_help_and_version_are_commands_too() -> None:
    assert ringwall("help").out == ringwall("--help").out
    assert ringwall("help", "lock", "diff").out == ringwall("lock", "diff", "--help").out
    assert ringwall("help", "lok").code == 2
    assert ringwall("version").out == ringwall("--version").out
    assert set(ringwall("version", "--json").json) == {"version", "ringwall"}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("up", "--json"), "ringwall up: Missing argument 'STACK'"),
        (("chekc", "--json"), "ringwall: No such command 'chekc'. Did you mean 'check'?"),
        (
            ("lock", "diff", "dev.one", "--json", "--timeout", "soon"),
            "soon is no duration; write it such as 30s, 5m or 24h",
        ),
        (("lock", "diff", "dev.one", "--json", "--timeout", "6m"), "6m is not between 1s and 5m"),
        (("plan", "dev", "--sandbox", "--json"), "`ringwall plan` has nothing that the sandbox stands in for"),
    ],
)
def test_wrong_command_line_with_json_is_one_document(arguments: tuple[str, ...], message: str) -> None:
    done = ringwall(*arguments)
    assert done.code == 2
    (problem,) = done.json["error"]["problems"]
    assert message in problem["message"]
    assert done.err == f"error: {problem['message']}\n"


@pytest.mark.parametrize(
    "command", [("keys", "sync", "dev"), ("comment", "--from", "."), ("guard", "run", "--config", "c")]
)
def test_command_that_works_on_what_is_real_refuses_in_a_shell_for_rehearsals(
    command: tuple[str, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("RINGWALL_SANDBOX", "1")
    done = ringwall(*command)
    assert done.code == 2
    assert "unset RINGWALL_SANDBOX" in done.err


def test_former_spellings_mean_what_those_of_today_mean(tmp_path: Path) -> None:
    assert in_use(["audit", "verify", "a", "--key=k"]) == ["audit", "verify", "a", "--public-key=k"]
    assert in_use(["diff", "main", "--environment", "dev"]) == ["diff", "main", "--env", "dev"]
    assert in_use(["local", "dev.one", "--", "--out"]) == ["local", "dev.one", "--", "--out"]
    assert in_use(["guard", "bundle", "dev.one", "--key", "k"]) == ["guard", "bundle", "dev.one", "--key", "k"]
    assert ringwall("guard", "keygen", "--out", tmp_path / "keys").code == 0
    assert "--out " not in ringwall("guard", "keygen", "--help").out


@pytest.mark.parametrize(("text", "seconds"), [("10", 10), ("90s", 90), ("1h30m", 5400), ("5m", 300), ("1.5s", 1.5)])
def test_duration_is_read_in_one_form(text: str, seconds: float) -> None:
    option = duration("--timeout", "10s", help="", least="1s", most="24h")
    assert option.parser(text) == seconds
