"""A project's own rules run beside Ringwall's, from the base revision in a review, and never end a check early."""

from __future__ import annotations

import subprocess
from datetime import date
from pathlib import Path

import pytest

from model.errors import InputError, PlanRefused
from model.project import Project, load, open_project
from operations.check import check
from plan.preflight import refuse_unsafe
from plan.rules.base_revision import BaseRevision
from plan.rules.custom import FILE, load_rules, rules_of
from tests.support.projects import write_project

TODAY = date(2026, 11, 23)
CUSTOM_RULES = """\
from plan.rules.rule import broken, rule

@rule(id="acme-tag", severity="error", reason="Billing.", remedy="add the tag", source="Acme wiki")
def tag(subject):
    for service in subject.graph.by_type("kong:index/service:Service"):
        if "acme" not in service.inputs["tags"]:
            yield broken("has no tag acme", service, key=("hostname",))
"""


def own_rule(body: str, *, id: str = "acme-own") -> str:
    return (
        "from plan.rules.rule import broken, rule\n"
        f"@rule(id={id!r}, severity='warning', reason='r', remedy='m')\n"
        f"def own(subject):\n    {body}\n"
    )


def by_hand(id: str, severity: str) -> str:
    return f"from plan.rules.rule import Rule\nown = Rule({id}, {severity}, 'r', 'm', '', lambda subject: ())\n"


@pytest.fixture
def rules_project(tmp_path: Path) -> Project:
    return open_project(write_project(tmp_path / "project"))


def findings(rules_project: Project, text: str) -> list[tuple[str, str, str]]:
    (rules_project.root / FILE).write_text(text, encoding="utf-8")
    reported = [
        finding for stack, finding in check(rules_project, ["dev.one"], today=TODAY).findings if stack == "dev.one"
    ]
    return [(finding.rule_id, str(finding.severity), finding.message) for finding in reported]


def test_a_projects_own_rule_is_checked_and_refuses_the_deployment(rules_project: Project) -> None:
    assert findings(rules_project, CUSTOM_RULES) == [
        ("acme-tag", "error", "Service one-gateway-service has no tag acme")
    ]
    with pytest.raises(PlanRefused, match=r"^acme-tag: .*; add the tag \(stacks/Pulumi.dev.one.yaml:6\)$"):
        refuse_unsafe(rules_project, load(rules_project, "dev.one"))


@pytest.mark.parametrize(
    "body",
    ["raise RuntimeError('no')", "import sys; sys.exit(0)", "yield 'text'", "yield broken('')", "return 7",
     "yield broken('x', 'one-guard')", "yield broken('x', key=5)", "yield broken('x', key=('grants', 0.5))"],
)  # fmt: skip
def test_an_own_rule_that_fails_is_an_error_naming_it_and_never_a_pass(rules_project: Project, body: str) -> None:
    ((rule, severity, message),) = findings(rules_project, own_rule(body))
    assert (rule, severity) == ("rule-failed", "error")
    assert message.startswith("the rule acme-own could not be run: ")


def test_what_an_own_rule_found_before_it_failed_is_kept(rules_project: Project) -> None:
    reported = findings(rules_project, own_rule("yield broken('is odd'); raise ValueError('late')"))
    assert reported == [
        ("rule-failed", "error", "the rule acme-own could not be run: ValueError: late"),
        ("acme-own", "warning", "is odd"),
    ]


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        (own_rule("return ()", id="gateway-retries"), "two rules have the id gateway-retries"),
        (own_rule("return ()", id="exposure-mine"), "is in a family of Ringwall's own ids"),
        (own_rule("return ()", id="ringwall-mine"), "is in a family of Ringwall's own ids"),
        (own_rule("return ()", id="Tag"), "'Tag' is no rule id"),
        (own_rule("return ()").replace("'acme-own'", "7"), "7 is no rule id"),
        (by_hand("'Tag'", "'error'"), "ringwall-rules.py: 'Tag' is no rule id"),
        (by_hand("'acme-own'", "'fatal'"), "ringwall-rules.py: the rule acme-own has the severity 'fatal'"),
        (
            own_rule("return ()") + own_rule("return ()").replace("def own", "def two"),
            "two rules have the id acme-own",
        ),
        ("x = 1\n", "defines no rule"),
        ("import sys\nsys.exit(0)\n", r"ringwall-rules.py:2: does not run: SystemExit"),
        ("def broken(:\n", r"ringwall-rules.py:1: does not run: SyntaxError"),
        (own_rule("return ()").replace("'warning'", "'fatal'"), "has the severity 'fatal'"),
        (own_rule("return ()").replace("reason='r'", "reason=' '"), "has no reason"),
    ],
)
def test_a_file_of_rules_that_cannot_be_used_stops_check_and_up(
    rules_project: Project, text: str, problem: str
) -> None:
    with pytest.raises(InputError, match=problem):
        findings(rules_project, text)
    with pytest.raises(InputError, match=problem):
        refuse_unsafe(rules_project, load(rules_project, "dev.one"))


def test_what_would_steer_a_terminal_or_turn_text_round_is_not_in_a_finding(rules_project: Project) -> None:
    body = r"yield broken('a\nb \x1b[31mred \u202eod'); raise ValueError('\x1b]0;t\x07')"
    assert [message for _, _, message in findings(rules_project, own_rule(body))] == [
        "the rule acme-own could not be run: ValueError: \ufffd]0;t\ufffd",
        "a b \ufffd[31mred \ufffdod",
    ]


def test_an_own_rule_that_changes_the_plan_hides_nothing_from_ringwalls(rules_project: Project) -> None:
    file = rules_project.stack_file("dev.one")
    text = file.read_text(encoding="utf-8").replace("{agents: [ci]}", "{all: true}")
    file.write_text(text, encoding="utf-8")
    body = "[resource.inputs.clear() for resource in subject.graph.resources]; (subject.guard or {}).clear(); return ()"
    assert [rule for rule, _, _ in findings(rules_project, own_rule(body))] == ["guard-write-for-all"]


def test_a_named_file_must_exist_and_the_default_one_need_not(rules_project: Project) -> None:
    assert not any(rule.custom for rule in rules_of(rules_project))
    with pytest.raises(InputError, match="no such file"):
        rules_of(rules_project, file=rules_project.root / "other.py")


def test_a_file_of_rules_may_hold_dataclasses_and_leaves_no_module_behind() -> None:
    import sys

    text = "from __future__ import annotations\nfrom dataclasses import dataclass\n@dataclass\nclass A:\n    b: int\n"
    assert [rule.id for rule in load_rules(text + own_rule("return ()"), "x.py")] == ["acme-own"]
    assert "ringwall_rules" not in sys.modules


# Reviews


def git(root: Path, *arguments: str) -> None:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"]
    subprocess.run(["git", "-C", str(root), *identity, *arguments], check=True, capture_output=True)


@pytest.fixture
def reviewed(rules_project: Project) -> Project:
    """A repository whose first commit has an own rule, in a folder below its top."""
    (rules_project.root / FILE).write_text(CUSTOM_RULES, encoding="utf-8")
    git(rules_project.root.parent, "init", "-q")
    git(rules_project.root.parent, "add", "project/stacks", "project/Pulumi.yaml", f"project/{FILE}")
    git(rules_project.root.parent, "commit", "-qm", "base")
    return rules_project


def base_findings(rules_project: Project) -> tuple[list[tuple[str, bool]], dict[str, int]]:
    result = check(rules_project, ["dev.one"], base=BaseRevision.resolve(rules_project.root, "HEAD"), today=TODAY)
    return [(finding.rule_id, finding.refuses) for _, finding in result.findings], result.ignored_waivers


def waive(rules_project: Project) -> None:
    file = rules_project.stack_file("dev.one")
    text = '    waivers:\n      - {rule: acme-tag, reason: We do as we like, expires: "2030-01-01"}\n'
    file.write_text(file.read_text(encoding="utf-8") + text, encoding="utf-8")


def test_a_change_cannot_bring_the_rules_it_is_judged_by(reviewed: Project) -> None:
    (reviewed.root / FILE).write_text(own_rule("return ()"), encoding="utf-8")
    assert check(reviewed, ["dev.one"], today=TODAY).findings == ()
    assert base_findings(reviewed) == ([("acme-tag", True)], {})


def test_a_change_cannot_bring_its_own_waiver(reviewed: Project) -> None:
    waive(reviewed)
    assert [finding.refuses for _, finding in check(reviewed, ["dev.one"], today=TODAY).findings] == [False]
    assert base_findings(reviewed) == ([("acme-tag", True)], {"dev.one": 1})
    git(reviewed.root, "commit", "-qam", "merged")
    assert base_findings(reviewed) == ([("acme-tag", False)], {})


def test_where_the_base_has_no_such_file_a_change_brings_neither_rule_nor_waiver(rules_project: Project) -> None:
    git(rules_project.root.parent, "init", "-q")
    git(rules_project.root.parent, "add", "project/Pulumi.yaml")
    git(rules_project.root.parent, "commit", "-qm", "base")
    (rules_project.root / FILE).write_text("raise SystemExit\n", encoding="utf-8")
    file = rules_project.stack_file("dev.one")
    text = file.read_text(encoding="utf-8").replace("{agents: [ci]}", "{all: true}")
    waiver = '    waivers:\n      - {rule: guard-write-for-all, reason: Ours alone, expires: "2030-01-01"}\n'
    file.write_text(text + waiver, encoding="utf-8")
    assert base_findings(rules_project) == ([("guard-write-for-all", True)], {"dev.one": 1})


def test_a_hook_of_a_linked_worktree_loses_no_rule_of_the_base(
    reviewed: Project, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Git names its repository to a hook; the project's folder is then no top of it all the same."""
    linked = tmp_path / "linked"
    git(reviewed.root, "worktree", "add", "-q", "--detach", str(linked))
    folder = linked / "project"
    (folder / FILE).unlink()
    monkeypatch.setenv("GIT_DIR", str(next((reviewed.root.parent / ".git" / "worktrees").iterdir())))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "index.lock"))
    base = BaseRevision.resolve(folder, "HEAD")
    result = check(open_project(folder), ["dev.one"], base=base, today=TODAY)
    assert "acme-tag" in {finding.rule_id for _, finding in result.findings}


def test_no_other_commit_stands_in_for_the_base(reviewed: Project) -> None:
    (reviewed.root / FILE).unlink()
    git(reviewed.root, "commit", "-qam", "without the rule")
    git(reviewed.root, "replace", "HEAD~1", "HEAD")
    base = BaseRevision.resolve(reviewed.root, "HEAD~1")
    assert base.read(reviewed.root / FILE) == CUSTOM_RULES


def test_a_link_in_the_working_tree_does_not_choose_what_is_read_from_the_base(reviewed: Project) -> None:
    (reviewed.root / "harmless.py").write_text(own_rule("return ()"), encoding="utf-8")
    git(reviewed.root, "add", "harmless.py")
    git(reviewed.root, "commit", "-qm", "harmless")
    (reviewed.root / FILE).unlink()
    (reviewed.root / FILE).symlink_to("harmless.py")
    assert base_findings(reviewed) == ([("acme-tag", True)], {})
    (reviewed.root.parent / "link").symlink_to("project")
    with pytest.raises(InputError, match="reached by a link inside the repository"):
        BaseRevision.resolve(reviewed.root.parent / "link", "HEAD")


def test_the_working_trees_code_is_not_run_in_a_review(reviewed: Project) -> None:
    (reviewed.root / FILE).write_text("open('ran', 'w').close()\nimport sys\nsys.exit(0)\n", encoding="utf-8")
    assert base_findings(reviewed) == ([("acme-tag", True)], {})


@pytest.mark.parametrize("revision", ["nowhere", "--help", "HEAD:project"])
def test_a_base_that_is_no_commit_is_refused(reviewed: Project, revision: str) -> None:
    with pytest.raises(InputError, match="there is no commit"):
        BaseRevision.resolve(reviewed.root, revision)


def test_outside_a_repository_there_is_no_base(rules_project: Project) -> None:
    with pytest.raises(InputError, match="no Git repository"):
        BaseRevision.resolve(rules_project.root, "HEAD")
