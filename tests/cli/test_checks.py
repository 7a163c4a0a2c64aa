"""`ringwall check`: every rule over every stack, in the form that people, tools and code hosts read."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

from model.errors import InputErrors
from model.project import Project
from operations.check import check_all
from plan.rules.catalog import BUILT_IN
from tests.support.command_line import ringwall
from tests.support.projects import write_project

WAIVER = '    waivers:\n      - {rule: guard-write-for-all, reason: Trial. Ada decided, expires: "2999-12-31"}\n'
FINDING = "guard-write-for-all: Guard one-guard grants create_ticket (write) to everyone"


def writing(root: Path, *, waived: bool = False) -> Path:
    """A project whose server one grants a writing tool to everyone."""
    write_project(root)
    file = root / "stacks" / "Pulumi.dev.one.yaml"
    text = file.read_text(encoding="utf-8")
    assert text.count("{agents: [ci]}") == 1
    file.write_text(text.replace("{agents: [ci]}", "{all: true}") + (WAIVER if waived else ""), encoding="utf-8")
    return root


def test_a_hosted_client_without_posture_is_said_in_the_review(project: Project) -> None:
    ((stack, finding),) = check_all(project, project.stacks())
    assert (stack, finding.rule_id, str(finding.severity)) == ("dev", "hosted-client", "info")
    assert finding.message.startswith("hosted-claude-ai-")
    assert "no device posture and no user country apply" in finding.message
    assert "https://docs.example.com/addresses" in finding.message
    assert (finding.file, finding.line) == ("stacks/Pulumi.dev.yaml", 40)


def test_one_server_alone_is_checked_without_its_environments_notes(project: Project) -> None:
    assert check_all(project, ["dev.hosted"]) == []


def test_one_server_alone_answers_for_its_environments_errors_too(project: Project) -> None:
    own = (
        "from plan.rules.rule import broken, rule\n"
        "@rule(id='acme-a', severity='error', reason='r', remedy='m')\n"
        "def a(subject):\n    if subject.server is None: yield broken('no')\n"
    )
    (project.root / "ringwall-rules.py").write_text(own, encoding="utf-8")
    assert [(stack, finding.rule_id) for stack, finding in check_all(project, ["dev.hosted"])] == [("dev", "acme-a")]


def test_a_server_that_is_not_there_is_no_pass(project: Project) -> None:
    with pytest.raises(InputErrors, match=r"there is no server ghost in environment dev"):
        check_all(project, ["dev.ghost"])


def test_an_error_is_shown_with_its_line_and_exit_code_3(tmp_path: Path) -> None:
    done = ringwall("check", "--project", writing(tmp_path))
    assert done.code == 3
    first, last = done.out.splitlines()
    assert first.startswith(f"error: dev.one: {FINDING}; ")
    assert first.endswith("(stacks/Pulumi.dev.one.yaml:19)")
    assert last == f"2 stacks checked by {len(BUILT_IN)} rules, 1 error, 0 warnings, 0 notes, 0 waived"


def test_what_a_server_inherits_is_shown_where_its_environment_says_it(project: Project) -> None:
    file = project.stack_file("dev")
    text = file.read_text(encoding="utf-8") + "    defaults:\n      guard:\n        legs:\n          results: flag\n"
    file.write_text(text, encoding="utf-8")
    ((_, finding),) = check_all(project, ["dev.hosted"])
    assert (finding.rule_id, finding.file) == ("guard-fails-open", "stacks/Pulumi.dev.yaml")
    assert text.splitlines()[(finding.line or 0) - 1].strip() == "results: flag"


def test_an_environment_named_alone_is_counted_with_its_servers_and_a_server_without_it(tmp_path: Path) -> None:
    root = write_project(tmp_path)
    found = {
        stack: json.loads(ringwall("check", stack, "--project", root, "--json").out)["stacks"]
        for stack in ("dev", "dev.one")
    }
    assert found == {"dev": ["dev", "dev.one"], "dev.one": ["dev.one"]}
    assert ringwall("check", "dev", "--project", root).out.startswith("2 stacks checked by ")


def test_a_waived_finding_stays_in_every_output(tmp_path: Path) -> None:
    root, sarif = writing(tmp_path / "project", waived=True), tmp_path / "out.sarif"
    text = ringwall("check", "--project", root, "--sarif", sarif)
    assert text.code == 0
    line, summary = text.out.splitlines()
    assert line.startswith(f"waived error: dev.one: {FINDING}; waived until 2999-12-31: Trial. Ada decided (stacks/")
    assert summary.endswith("0 errors, 0 warnings, 0 notes, 1 waived")
    document = json.loads(ringwall("check", "--project", root, "--json").out)
    (row,) = document["findings"]
    assert (row["rule"], row["severity"], row["line"]) == ("guard-write-for-all", "error", 19)
    assert row["waived"] == {"reason": "Trial. Ada decided", "until": "2999-12-31"}
    (result,) = json.loads(sarif.read_text(encoding="utf-8"))["runs"][0]["results"]
    assert result["level"] == "error"
    assert result["suppressions"][0]["justification"] == "Trial. Ada decided (until 2999-12-31)"


def test_sarif_on_standard_output_is_one_document_with_the_path_from_the_repositorys_top(tmp_path: Path) -> None:
    root = writing(tmp_path / "repo" / "infra")
    subprocess.run(["git", "-C", str(tmp_path / "repo"), "init", "-q"], check=True)
    done = ringwall("check", "--project", root, "--sarif", "-")
    assert done.code == 3
    (result,) = json.loads(done.out)["runs"][0]["results"]
    location = result["locations"][0]["physicalLocation"]
    assert location["artifactLocation"]["uri"] == "infra/stacks/Pulumi.dev.one.yaml"
    assert location["region"] == {"startLine": 19}
    assert FINDING in done.err


def test_two_documents_cannot_share_standard_output(tmp_path: Path) -> None:
    assert ringwall("check", "--project", write_project(tmp_path), "--json", "--sarif", "-").code == 2


def test_rules_can_be_listed_without_a_project_and_with_a_projects_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    document = json.loads(ringwall("check", "--list-rules", "--json").out)
    assert [rule["id"] for rule in document["rules"]] == sorted(rule.id for rule in BUILT_IN)
    assert all(rule["reason"] and rule["remedy"] and rule["source"] for rule in document["rules"])
    root = write_project(tmp_path / "project")
    own = (
        "from plan.rules.rule import rule\n"
        "@rule(id='acme-a', severity='info', reason='Because.', remedy='m')\ndef a(subject): return ()\n"
    )
    (tmp_path / "own.py").write_text(own, encoding="utf-8")
    text = ringwall("check", "--list-rules", "--project", root, "--rules", tmp_path / "own.py").out
    assert "acme-a: info, own\n    Because.\n    remedy: m\n" in text
    assert "guard-fails-open: error (warning outside production)\n" in text
    assert "secret-in-clear: error, cannot be waived\n" in text


def test_a_review_says_whose_rules_and_waivers_are_in_force(tmp_path: Path) -> None:
    root = writing(tmp_path)
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.com", "-c", "commit.gpgsign=false"]
    for arguments in (["init", "-q"], ["add", "stacks", "Pulumi.yaml"], [*identity, "commit", "-qm", "base"]):
        subprocess.run(["git", "-C", str(root), *arguments], check=True, capture_output=True)
    file = root / "stacks" / "Pulumi.dev.one.yaml"
    file.write_text(file.read_text(encoding="utf-8") + WAIVER, encoding="utf-8")
    assert ringwall("check", "--project", root).code == 0
    done = ringwall("check", "--project", root, "--base", "HEAD")
    assert done.code == 3
    assert "own rules and waivers are those of HEAD (" in done.err
    assert "dev.one: not in force: 1 waiver of the working tree that HEAD lacks" in done.err
    document = json.loads(ringwall("check", "--project", root, "--base", "HEAD", "--json").out)
    assert document["base"]["revision"] == "HEAD"
    assert document["waivers_not_in_force"] == {"dev.one": 1}
