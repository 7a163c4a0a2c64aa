"""`diff --program`: what a revision's own code changes although no stack file did."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.command_line import ringwall
from tests.support.projects import write_project

REPOSITORY = Path(__file__).parents[2]
PACKAGES = ("cli", "components", "engine", "guard", "model", "operations", "plan", "sandbox", "stacks", "wire")


def git(folder: Path, *arguments: str) -> None:
    names = ["-c", "user.name=Ada", "-c", "user.email=ada@example.com", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", "-C", str(folder), *names, *arguments], check=True, capture_output=True)


#: A line of the program, and what somebody makes of it: the guard would be sent another Host than the client's.
KEPT, LOST = '"preserve_host": not to_provider,', '"preserve_host": False,'


@pytest.fixture
def repository(tmp_path: Path) -> Path:
    """A repository that carries the program beside its stacks, committed."""
    top = tmp_path / "repository"
    for package in PACKAGES:
        shutil.copytree(REPOSITORY / package, top / package, ignore=shutil.ignore_patterns("__pycache__", "*.yaml"))
    write_project(top / "perimeter")
    git(top, "init", "-q")
    git(top, "add", "-A")
    git(top, "commit", "-q", "-m", "start")
    return top


def test_a_change_of_the_program_is_seen_by_its_own_plan_and_by_nothing_else(repository: Path) -> None:
    project = repository / "perimeter"
    file = repository / "components" / "gateway" / "entities.py"
    text = file.read_text(encoding="utf-8")
    assert KEPT in text
    file.write_text(text.replace(KEPT, LOST), encoding="utf-8")
    git(repository, "commit", "-q", "-am", "change the program")
    plain = ringwall("diff", "HEAD~1", "HEAD", "--json", "--project", project)
    assert plain.code == 0
    assert plain.json["stacks"] == []
    assert "components/gateway/entities.py" in plain.json["unplanned"]
    own = ringwall("diff", "HEAD~1", "HEAD", "--program", "--json", "--project", project)
    assert own.code == 0, own.err
    [stack] = own.json["stacks"]
    assert stack["stack"] == "dev.one"
    assert "preserveHost" in own.out
    assert {change["direction"] for change in own.json["changes"]} == {"loosens"}


def test_no_program_is_run_where_no_code_changed(repository: Path) -> None:
    project = repository / "perimeter"
    (repository / "components" / "gateway" / "server.py").write_text("raise RuntimeError('it was run')\n")
    git(repository, "commit", "-q", "-am", "broken")
    stack = project / "stacks" / "Pulumi.dev.one.yaml"
    text = stack.read_text(encoding="utf-8")
    stack.write_text(text.replace("agents: [ci]", "agents: [ci, nightly]", 1), encoding="utf-8")
    git(repository, "commit", "-q", "-am", "change a stack file")
    done = ringwall("diff", "HEAD~1", "HEAD", "--program", "--json", "--project", project)
    assert [change["title"] for change in done.json["changes"]] == ["agent nightly may now reach the server"]


def test_what_the_program_changes_is_not_explained_by_a_setting_that_changed_too(repository: Path) -> None:
    project = repository / "perimeter"
    file = repository / "components" / "gateway" / "entities.py"
    text = file.read_text(encoding="utf-8")
    assert KEPT in text
    file.write_text(text.replace(KEPT, LOST), encoding="utf-8")
    stack = project / "stacks" / "Pulumi.dev.one.yaml"
    before = stack.read_text(encoding="utf-8")
    stack.write_text(before.replace("    posture:", "    session: 30m\n    posture:", 1), encoding="utf-8")
    git(repository, "commit", "-q", "-am", "both")
    done = ringwall("diff", "HEAD~1", "HEAD", "--program", "--fail-on", "loosens", "--json", "--project", project)
    assert done.code == 3
    assert {change["id"]: change["direction"] for change in done.json["changes"]} == {
        "server.session": "tightens",
        "resource-unexplained": "loosens",
    }


def test_a_program_that_fails_is_a_finding_and_never_no_change(repository: Path) -> None:
    project = repository / "perimeter"
    (repository / "components" / "gateway" / "server.py").write_text("raise RuntimeError('broken on purpose')\n")
    done = ringwall("diff", "HEAD", "--program", "--fail-on", "errors", "--json", "--project", project)
    assert "its own program made no plan" in done.out
    assert "loosens" in done.out
    assert done.code == 3


def test_secrets_of_this_process_do_not_reach_the_program(repository: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", "planted-secret")
    project = repository / "perimeter"
    (repository / "components" / "gateway" / "server.py").write_text(
        "import os\nraise RuntimeError(os.environ.get('CLOUDFLARE_API_TOKEN', 'nothing planted'))\n"
    )
    done = ringwall("diff", "HEAD", "--program", "--json", "--project", project)
    assert "planted-secret" not in done.out
    assert "nothing planted" in done.out


def test_a_repository_without_a_program_says_so(tmp_path: Path) -> None:
    root = write_project(tmp_path / "repository")
    git(root, "init", "-q")
    git(root, "add", "-A")
    git(root, "commit", "-q", "-m", "start")
    done = ringwall("diff", "HEAD", "--program", "--project", root)
    assert done.code == 2
    assert "carries no program of its own" in done.errors[0]
