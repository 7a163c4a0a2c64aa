"""`ringwall test` holds the project's assertions against the files, and a typo never passes as "may never"."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from model.project import Project
from tests.support.command_line import Result, ringwall

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "access" / "tickets.access.yaml"
ADA = "principal: person:ada@example.com, server: dev.one"


def run(project: Project, text: str, *arguments: str) -> Result:
    folder = project.root / "tests"
    folder.mkdir(exist_ok=True)
    (folder / "one.access.yaml").write_text(f"version: 1\n{text}", encoding="utf-8")
    return ringwall("test", *arguments, "--project", project.root)


def test_what_holds_ends_with_0_and_a_count(project: Project) -> None:
    done = run(
        project,
        f"may:\n- {{{ADA}, tools: [list_tickets, get_ticket]}}\n"
        "- {principal: agent:ci, server: dev.one, tools: [create_ticket]}\n"
        f"may_never:\n- {{{ADA}, tools: [create_ticket, run_report_command]}}\n"
        "- {principal: 'outsider:eve@example.org', server: dev.one, tools: [list_tickets]}\n",
    )
    assert (done.code, done.out) == (0, "6 assertions in 1 file: 0 do not hold\n"), done.err


def test_an_assertion_that_does_not_hold_is_shown_with_line_ring_and_reason(project: Project) -> None:
    done = run(
        project,
        f"may:\n- {{{ADA}, tools: [create_ticket]}}\n"
        f"may_never:\n- {{{ADA}, tools: [list_tickets], reason: It is a secret.}}\n",
    )
    assert done.code == 3
    file = project.root / "tests" / "one.access.yaml"
    assert done.out.splitlines() == [
        f"{file}:3: person:ada@example.com may use tool create_ticket of dev.one",
        "    guard refuses: grant 2 gives tool create_ticket to agents: ci alone (Pulumi.dev.one.yaml:18)",
        f"{file}:5: person:ada@example.com may never use tool list_tickets of dev.one",
        "    because: It is a secret.",
        "    edge passes: Access admits person:ada@example.com at one.example.com by group engineers"
        " (Pulumi.dev.one.yaml:11)",
        "    gateway passes: Kong checks the Access token of https://example.cloudflareaccess.com for this host name"
        " (Pulumi.dev.yaml:9)",
        "    guard passes: grant 1 gives tool list_tickets to everyone admitted (Pulumi.dev.one.yaml:16)",
        "    guard passes: the lock pins it (dev.one.lock.yaml:54)",
        "2 assertions in 1 file: 2 do not hold",
    ]
    document = ringwall("test", "--json", "--project", project.root)
    assert document.code == 3
    assert (document.json["passed"], document.json["failed"]) == (0, 2)
    first = document.json["tests"][0]
    assert (first["file"], first["line"], first["passed"]) == ("tests/one.access.yaml", 3, False)


@pytest.mark.parametrize(
    ("case", "key", "problem"),
    [
        (f"{ADA}, tools: [list_tickts]", "tools", "did you mean list_tickets?"),
        (f"{ADA}, prompts: [triag]", "prompts", "did you mean triage?"),
        (f"{ADA}, resources: ['file:///etc/passwd']", "resources", "the lock has no resource"),
        ("principal: agent:cii, server: dev.one, tools: [list_tickets]", "principal", "did you mean ci?"),
        (
            "principal: person:ada@exmple.com, server: dev.one, tools: [list_tickets]",
            "principal",
            "outsider:ada@exmple.com",
        ),
        ("principal: outsider:ada@example.com, server: dev.one, tools: [list_tickets]", "principal", "write person:"),
        ("principal: person:ada@example.com, server: dev.on, tools: [list_tickets]", "server", "did you mean dev.one?"),
        (f"{ADA}, groups: [enginers], tools: [list_tickets]", "groups", "did you mean engineers?"),
        (f"{ADA}, through: claude, tools: [list_tickets]", "through", "did you mean claude-ai?"),
        (f"{ADA}, tools: [list_tickets], arguments: {{id: 7}}", "arguments", "do not fit the schema"),
        (f"{ADA}, tool: [list_tickets]", "tool", "unknown key; write tools"),
        (f"{ADA}, tools: [list_tickets], country: UK", "country", "write GB"),
        (f"{ADA}, tools: [list_tickets, get_ticket], arguments: {{}}", "arguments", "belongs to exactly one"),
        (ADA, "", "asks for nothing"),
    ],
)
def test_what_there_is_not_is_an_error_and_no_refusal(project: Project, case: str, key: str, problem: str) -> None:
    done = run(project, f"may_never:\n- {{{case}}}\n")
    assert done.code == 2, done.out
    (error,) = done.errors
    place = f"{project.root}/tests/one.access.yaml:3: may_never.0" + (f".{key}" if key else "")
    assert error.startswith(f"{place}: "), error
    assert problem in error


def test_only_the_named_stacks_are_tested_and_no_test_at_all_is_an_error(project: Project) -> None:
    text = f"may:\n- {{{ADA}, tools: [list_tickets]}}\n- {{{ADA.replace('one', 'hosted')}, tools: [list_tickets]}}\n"
    assert run(project, text).out.startswith("2 assertions")
    assert run(project, text, "dev.one").out.startswith("1 assertion in")
    assert run(project, text, "dev").out.startswith("2 assertions")
    nothing = run(project, text, "dev.external")
    assert nothing.code == 2
    assert "there is no access test about dev.external" in nothing.errors[0]
    assert "did you mean dev.one?" in run(project, text, "dev.on").errors[0]
    (project.root / "tests" / "one.access.yaml").unlink()
    assert ringwall("test", "--project", project.root).code == 2


def test_the_example_holds_on_the_repositorys_own_stacks(tmp_path: Path) -> None:
    shutil.copy(ROOT / "Pulumi.yaml", tmp_path)
    shutil.copytree(ROOT / "stacks", tmp_path / "stacks")
    (tmp_path / "tests").mkdir()
    shutil.copy(EXAMPLE, tmp_path / "tests")
    done = ringwall("test", "--project", tmp_path)
    assert done.code == 0, done.out + done.err
