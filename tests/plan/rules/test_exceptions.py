"""An exception from the guard's findings names what there is, has an end that is seen coming, and none for everything."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from model.errors import InputError, InputErrors
from model.project import load, open_project
from plan.findings import Finding, Severity
from plan.offline import plan_stack
from plan.rules.evaluate import evaluate, subject_of
from tests.support.projects import write_project

TODAY = date(2026, 11, 23)


def findings(root: Path, *exceptions: str, today: date = TODAY, legs: str = "") -> tuple[Finding, ...]:
    write_project(root)
    file = root / "stacks" / "Pulumi.dev.one.yaml"
    lines = "".join(f"        - {{{text}}}\n" for text in exceptions)
    file.write_text(f"{file.read_text(encoding='utf-8')}    guard:\n{legs}      exceptions:\n{lines}", encoding="utf-8")
    project = open_project(root)
    loaded = load(project, "dev.one")
    return evaluate(subject_of(loaded, plan_stack(project, loaded)), today=today, root=root)


def exception(
    rule: str = "pii.card", expires: str = "2026-12-31", tool: str = "tool: get_ticket", leg: str = "results"
) -> str:
    return f'{tool}, leg: {leg}, rule: {rule}, reason: Test cards only. Ada, expires: "{expires}"'


def test_an_exception_for_a_locked_tool_and_a_rule_of_the_engine_is_no_finding(tmp_path: Path) -> None:
    assert findings(tmp_path, exception(), exception(leg="arguments"), exception("pii.iban")) == ()


def test_an_exception_is_a_warning_before_its_end_and_an_error_after_it(tmp_path: Path) -> None:
    (ending,) = findings(tmp_path / "ending", exception(expires="2026-12-06"))
    assert (ending.rule_id, ending.severity) == ("guard-exception-ending", Severity.WARNING)
    assert ending.message == "Guard one-guard lets pii.card in results of tool get_ticket pass, which ends in 13 days"
    assert findings(tmp_path / "last day", exception(expires="2026-11-23"))[0].message.endswith("which ends today")
    assert findings(tmp_path / "later", exception(expires="2026-12-07")) == ()
    (ended,) = findings(tmp_path / "ended", exception(expires="2026-11-22"))
    assert (ended.rule_id, ended.refuses) == ("guard-exception-expired", True)
    assert ended.file == "stacks/Pulumi.dev.one.yaml"
    text = (tmp_path / "ended" / ended.file).read_text(encoding="utf-8").splitlines()
    assert text[(ended.line or 0) - 1].startswith("        - {tool: get_ticket")


@pytest.mark.parametrize(
    ("entry", "message", "remedy"),
    [
        (exception(tool="tool: get_tickets"), "the lock has no tool get_tickets", "did you mean get_ticket?"),
        (exception("pii.cards"), "no engine has a rule pii.cards", "did you mean pii.card?"),
        (
            exception("command.chained"),
            "that rule matches nothing in results",
            "it matches in arguments",
        ),
        (exception("lakera.pii/email"), "the stack has no engine lakera", "correct it, or remove it"),
        (exception(tool="prompt: hello", leg="prompts"), "the lock has no prompt hello", "correct it, or remove it"),
        (
            exception(tool="resource: file:///a.txt", leg="resources"),
            "the lock has no resource file:///a.txt",
            "correct it, or remove it",
        ),
    ],
)
def test_an_exception_for_what_there_is_not_is_an_error_that_says_what_was_meant(
    tmp_path: Path, entry: str, message: str, remedy: str
) -> None:
    (finding,) = findings(tmp_path, entry)
    assert (finding.rule_id, finding.severity) == ("guard-exception-unused", Severity.ERROR)
    assert finding.message.endswith(message)
    assert finding.remedy == remedy


def test_an_exception_on_a_leg_that_only_flags_has_an_effect_only_where_it_ends_the_taint(tmp_path: Path) -> None:
    legs = "      legs: {results: flag}\n"
    unused, flagging = findings(tmp_path / "flag", exception(), legs=legs)
    assert (flagging.rule_id, unused.rule_id) == ("guard-fails-open", "guard-exception-unused")
    assert unused.message.endswith("but every finding in results passes flagged")
    allowing = findings(tmp_path / "allow", f"{exception()}, action: allow", legs=legs)
    assert [finding.rule_id for finding in allowing] == ["guard-fails-open"]


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        (exception("hidden.tags"), "hidden.tags admits no exception: it lets through text that no reviewer can see"),
        (exception("lakera.flagged"), "lakera.flagged admits no exception"),
        (exception("no_verdict"), "must be a rule such as injection.override"),
        (exception(leg="prompts"), "a tool has no prompts"),
        (
            exception(leg="definitions"),
            "write arguments, results, prompts or resources",
        ),
        (
            exception(leg="server_requests"),
            "write arguments, results, prompts or resources",
        ),
        (exception(tool="tool: a, prompt: b"), "must name exactly one of tool, prompt and resource"),
        (exception(expires="2026-13-01"), "is no day that exists"),
        (f"{exception()}, place: content", "must be a JSON pointer such as /content/0/text"),
        (exception().replace("Test cards only. Ada", "fine"), "says too little"),
    ],
)
def test_an_exception_that_cannot_be_given_is_refused_where_it_stands(tmp_path: Path, entry: str, words: str) -> None:
    with pytest.raises((InputError, InputErrors)) as refused:
        findings(tmp_path, entry)
    assert words in str(refused.value)
    assert "Pulumi.dev.one.yaml:" in str(refused.value)


def test_an_environment_gives_its_servers_no_exception(tmp_path: Path) -> None:
    write_project(tmp_path)
    file = tmp_path / "stacks" / "Pulumi.dev.yaml"
    defaults = f"    defaults:\n      guard:\n        exceptions:\n          - {{{exception()}}}\n"
    file.write_text(file.read_text(encoding="utf-8") + defaults, encoding="utf-8")
    with pytest.raises(InputError, match=r"Pulumi\.dev\.yaml:\d+: .*defaults\.guard\.exceptions"):
        load(open_project(tmp_path), "dev")
