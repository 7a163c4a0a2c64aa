"""`ringwall diff` on real Git repositories, and what it refuses to read from them."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.command_line import Result, ringwall
from tests.support.projects import write_project


def git(folder: Path, *arguments: str) -> str:
    names = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com", "-c", "init.defaultBranch=main"]
    done = subprocess.run(["git", "-C", str(folder), *names, *arguments], check=True, capture_output=True, text=True)
    return done.stdout.strip()


def commit(folder: Path, message: str = "change") -> str:
    git(folder, "add", "-A")
    git(folder, "commit", "-q", "-m", message)
    return git(folder, "rev-parse", "HEAD")


def edit(root: Path, file: str, before: str, after: str) -> None:
    path = root / "stacks" / file
    text = path.read_text(encoding="utf-8")
    assert before in text
    path.write_text(text.replace(before, after, 1), encoding="utf-8")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project in a folder of a repository, committed."""
    folder = write_project(tmp_path / "repository" / "perimeter")
    git(tmp_path / "repository", "init", "-q")
    commit(tmp_path / "repository")
    return folder


def run(root: Path, *arguments: str | Path) -> Result:
    return ringwall("diff", *arguments, "--project", root)


def test_the_working_tree_is_compared_when_no_head_is_named(root: Path) -> None:
    edit(root, "Pulumi.dev.one.yaml", "tools: [create_ticket]", "tools: [create_ticket, run_report_command]")
    done = run(root, "HEAD")
    assert done.code == 0, done.err
    lines = done.out.splitlines()
    assert lines[1:3] == [
        "1 loosens, 0 tightens, 0 neutral",
        "loosens  dev.one: agent ci gains tool run_report_command [execute]",
    ]


def test_in_a_hook_of_a_linked_worktree_the_project_is_found_in_its_folder(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git(root, "worktree", "add", "-q", "--detach", str(tmp_path / "linked"))
    linked = tmp_path / "linked" / "perimeter"
    edit(linked, "Pulumi.dev.one.yaml", "tools: [create_ticket]", "tools: [create_ticket, run_report_command]")
    monkeypatch.setenv("GIT_DIR", str(next((root.parent / ".git" / "worktrees").iterdir())))
    for revisions in (["HEAD"], ["HEAD", "HEAD"]):
        done = run(linked, *revisions)
        assert done.code == 0, done.err
        assert (len(revisions) == 1) == ("agent ci gains tool run_report_command" in done.out)


def test_two_revisions_are_compared_whatever_the_working_tree_holds(root: Path) -> None:
    edit(root, "Pulumi.dev.one.yaml", "agents: [ci]", "agents: [ci, nightly]")
    commit(root)
    (root / "stacks" / "Pulumi.dev.one.yaml").write_text("nonsense", encoding="utf-8")
    done = run(root, "HEAD~1", "HEAD", "--json")
    assert done.code == 0, done.err
    assert done.json["version"] == 1
    assert [(c["direction"], c["title"]) for c in done.json["changes"]] == [
        ("loosens", "agent nightly may now reach the server")
    ]


def test_merge_base_leaves_out_what_the_base_did_since(root: Path) -> None:
    git(root, "checkout", "-q", "-b", "topic")
    edit(root, "Pulumi.dev.one.yaml", "posture: [encrypted]", "posture: []")
    commit(root)
    git(root, "checkout", "-q", "main")
    edit(root, "Pulumi.dev.one.yaml", "agents: [ci]", "agents: [ci, nightly]")
    commit(root)
    plain = {c["title"] for c in run(root, "main", "topic", "--json").json["changes"]}
    parted = {c["title"] for c in run(root, "main", "topic", "--merge-base", "--json").json["changes"]}
    assert "agent nightly may no longer reach the server" in plain
    assert parted == {"posture rules people's devices must pass: - encrypted"}


def test_fail_on_decides_the_exit_code(root: Path) -> None:
    edit(root, "Pulumi.dev.one.yaml", "posture: [encrypted]", "posture: []")
    assert run(root, "HEAD").code == 0
    assert run(root, "HEAD", "--fail-on", "errors").code == 0
    assert run(root, "HEAD", "--fail-on", "errors,loosens").code == 3
    assert run(root, "HEAD", "--env", "prod", "--fail-on", "loosens").code == 0
    assert run(root, "HEAD", "--fail-on", "anything").code == 2


def test_a_head_that_does_not_load_exits_with_two_and_shows_why(root: Path) -> None:
    edit(root, "Pulumi.dev.one.yaml", "guard_port: 9010", "guard_port: 80")
    done = run(root, "HEAD", "--json")
    assert done.code == 2
    (error,) = done.json["errors"]
    assert error["message"].startswith("stacks/Pulumi.dev.one.yaml:7: ")
    assert [c["direction"] for c in done.json["changes"]] == ["loosens"]


def test_markdown_and_html_are_written_beside_the_text(root: Path, tmp_path: Path) -> None:
    edit(root, "Pulumi.dev.one.yaml", "posture: [encrypted]", "posture: []")
    done = run(root, "HEAD", "--env", "dev", "--markdown", tmp_path / "out" / "c.md", "--html", tmp_path / "r.html")
    assert done.code == 0, done.err
    assert (tmp_path / "out" / "c.md").read_text(encoding="utf-8").startswith("<!-- ringwall-diff:dev -->\n")
    assert (tmp_path / "r.html").read_text(encoding="utf-8").startswith("<!doctype html>")
    only = run(root, "HEAD", "--markdown", "-")
    assert only.out.startswith("<!-- ringwall-diff:all -->\n")
    assert run(root, "HEAD", "--markdown", "-", "--json").code == 2


def test_no_code_of_a_revision_is_run(root: Path, tmp_path: Path) -> None:
    trap = f"import pathlib\npathlib.Path({str(tmp_path / 'ran')!r}).write_text('x')\n"
    for place in ("stacks/__main__.py", "sitecustomize.py", "model.py", "pulumi_cloudflare.py"):
        (root / place).write_text(trap, encoding="utf-8")
    (root.parent / ".gitattributes").write_text("*.yaml filter=trap diff=trap export-subst\n", encoding="utf-8")
    for key in ("filter.trap.smudge", "diff.trap.textconv", "core.fsmonitor"):
        git(root, "config", key, f"touch {tmp_path / 'ran'}; cat")
    edit(root, "Pulumi.dev.one.yaml", "posture: [encrypted]", "posture: []")
    git(root, "-c", "core.fsmonitor=false", "add", "-A")
    git(root, "-c", "core.fsmonitor=false", "commit", "-q", "-m", "trap")
    (tmp_path / "ran").unlink(missing_ok=True)
    done = run(root, "HEAD~1", "HEAD", "--json")
    assert done.code == 0, done.err
    assert not (tmp_path / "ran").exists()
    assert "perimeter/stacks/__main__.py" in done.json["unplanned"]
    assert [c["id"] for c in done.json["changes"]] == ["access-posture"]


def test_what_no_stack_of_this_project_is_made_of_is_named_another_projects_stack_files_too(root: Path) -> None:
    write_project(root.parent / "other")
    (root.parent / "rules.py").write_text("x = 1\n", encoding="utf-8")
    edit(root, "Pulumi.dev.one.yaml", "posture: [encrypted]", "posture: []")
    commit(root.parent)
    for revisions in (["HEAD~1", "HEAD"], ["HEAD~1"]):
        done = run(root, *revisions, "--json")
        assert {"rules.py", "other/Pulumi.yaml", "other/stacks/Pulumi.dev.one.yaml"} <= set(done.json["unplanned"])
        assert not [path for path in done.json["unplanned"] if path.startswith("perimeter/")]


def test_a_gate_on_errors_sees_the_one_server_among_many_alike_that_breaks_a_rule(root: Path) -> None:
    shutil.rmtree(root / "stacks")
    write_project(root, servers=42)
    last = sorted((root / "stacks").glob("Pulumi.dev.*.yaml"))[-1]
    text = last.read_text(encoding="utf-8")
    last.write_text(text.replace("get_ticket]\n", "get_ticket]\n        read_only: false\n", 1), encoding="utf-8")
    commit(root.parent)
    for file in (root / "stacks").glob("Pulumi.dev.*.yaml"):
        changed = "create_ticket" if file == last else '"list_*"'
        text = file.read_text(encoding="utf-8").replace("list_tickets", changed, 1)
        file.write_text(text, encoding="utf-8")
    assert run(root, "HEAD", "--fail-on", "errors").code == 3


def test_hidden_characters_of_a_file_reach_no_terminal(root: Path) -> None:
    edit(root, "Pulumi.dev.one.yaml", "    posture:", '    "x\\u202e\\e[31m": 1\n    posture:')
    done = run(root, "HEAD")
    assert done.code == 2
    assert "<U+202E>" in done.errors[0]
    assert "\u202e" not in done.err + done.out


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a repository to somebody else")
def test_a_repository_of_another_user_is_named_as_that(root: Path) -> None:
    os.chown(root.parent, 12345, -1)
    os.chown(root.parent / ".git", 12345, -1)
    done = run(root, "HEAD")
    assert done.code == 2
    assert "another user owns it" in done.errors[0]


@pytest.mark.parametrize("committed", [True, False])
def test_a_symbolic_link_in_place_of_a_stack_file_is_refused(root: Path, tmp_path: Path, committed: bool) -> None:
    (tmp_path / "secret").write_text("config: {}\n", encoding="utf-8")
    file = root / "stacks" / "Pulumi.dev.one.yaml"
    file.unlink()
    file.symlink_to(tmp_path / "secret")
    if committed:
        commit(root)
    done = run(root, *(["HEAD~1", "HEAD"] if committed else ["HEAD"]))
    assert done.code == 2
    assert "stacks/Pulumi.dev.one.yaml is a symbolic link" in done.errors[0]


def test_a_linked_stack_folder_is_refused(root: Path, tmp_path: Path) -> None:
    shutil.move(root / "stacks", tmp_path / "elsewhere")
    (root / "stacks").symlink_to(tmp_path / "elsewhere")
    commit(root)
    assert "stacks is a symbolic link" in run(root, "HEAD~1", "HEAD").errors[0]
    assert "stacks is a symbolic link" in run(root, "HEAD~1").errors[0]


def test_a_stack_folder_outside_the_project_is_refused(root: Path) -> None:
    text = (root / "Pulumi.yaml").read_text(encoding="utf-8")
    for folder in ("../other", "/etc", "stacks/../.."):
        (root / "Pulumi.yaml").write_text(
            text.replace("stackConfigDir: stacks", f"stackConfigDir: {folder}"), encoding="utf-8"
        )
        commit(root)
        assert "stackConfigDir leads out of the project" in run(root, "HEAD", "HEAD").errors[0]


def test_a_submodule_and_a_huge_file_are_refused(root: Path) -> None:
    head = git(root, "rev-parse", "HEAD")
    git(root, "update-index", "--add", "--cacheinfo", f"160000,{head},perimeter/stacks/Pulumi.sub.yaml")
    git(root, "commit", "-q", "-m", "submodule")
    assert "stacks/Pulumi.sub.yaml is a submodule" in run(root, "HEAD~1", "HEAD").errors[0]
    git(root, "reset", "-q", "--hard", head)
    with (root / "stacks" / "Pulumi.big.yaml").open("wb") as file:
        os.truncate(file.fileno(), 5 * 1024 * 1024)
    commit(root)
    assert "stacks/Pulumi.big.yaml is larger than 4096 KiB" in run(root, "HEAD~1", "HEAD").errors[0]


@pytest.mark.parametrize("committed", [True, False])
def test_a_stack_file_of_an_odd_name_is_refused_not_passed_over(root: Path, committed: bool) -> None:
    (root / "stacks" / "Pulumi.dev.öne.yaml").write_text("config: {}\n", encoding="utf-8")
    if committed:
        commit(root)
    done = run(root, *(["HEAD~1", "HEAD"] if committed else ["HEAD"]))
    assert done.code == 2
    assert "is an odd name for a stack file" in done.errors[0]


@pytest.mark.parametrize("name", ["--output=/tmp/x", "nowhere", ""])
def test_a_revision_that_is_none_is_said(root: Path, name: str) -> None:
    done = ringwall("diff", "--project", root, "--json", "--", name)
    assert done.code == 2
    assert "revision" in json.loads(done.out)["error"]["problems"][0]["message"]


def test_outside_a_repository_it_says_so(tmp_path: Path) -> None:
    root = write_project(tmp_path / "loose")
    assert "is in no Git repository" in run(root, "HEAD").errors[0]


def test_files_that_are_the_same_are_no_difference(root: Path) -> None:
    done = run(root, "HEAD", "--fail-on", "loosens,errors")
    assert (done.code, done.out.splitlines()[1]) == (0, "0 loosens, 0 tightens, 0 neutral")


def test_a_folder_for_the_comment_holds_one_file_an_environment_and_must_be_empty(root: Path) -> None:
    out = root.parent / "report"
    assert ringwall("diff", "HEAD", "--output", out, "--project", root).code == 0
    assert sorted(file.name for file in out.iterdir()) == ["report.html", "report.json"]
    shutil.rmtree(out)
    edit(root, "Pulumi.dev.one.yaml", "tools: [create_ticket]", "tools: [create_ticket, run_report_command]")
    assert ringwall("diff", "HEAD", "--output", out, "--project", root).code == 0
    assert sorted(file.name for file in out.iterdir()) == ["dev.md", "report.html", "report.json"]
    assert (out / "dev.md").read_text().startswith("<!-- ringwall-diff:dev -->")
    again = ringwall("diff", "HEAD", "--output", out, "--project", root)
    assert again.code == 2
    assert "is not empty" in again.errors[0]
