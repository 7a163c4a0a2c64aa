"""The GitHub Action and the workflows to copy keep the rules that make them safe for pull requests from forks."""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from cli import commands, root_commands

ROOT = Path(__file__).parents[2]
ACTION = ROOT / "action.yml"
GUIDE = ROOT / "docs" / "howto" / "pull-requests.md"
WORKFLOWS = sorted((ROOT / "examples" / "github").glob("*.yml"))
EVERY = pytest.mark.parametrize("file", WORKFLOWS, ids=lambda file: str(file.stem))
#: What each job's token may do: all of it, so that a permission more is a change of this table.
PERMISSIONS = {
    ("ringwall-diff", "diff"): {"contents": "read"},
    ("ringwall-comment", "comment"): {"actions": "read", "pull-requests": "write"},
    ("ringwall-preview", "preview"): {"contents": "read"},
    ("ringwall-up", "up"): {"contents": "read"},
    ("ringwall-drift", "drift"): {"contents": "read"},
    ("ringwall-drift", "issue"): {"issues": "write"},
}
BASH = shutil.which("bash") or "bash"


def load(file: Path) -> dict[str, Any]:
    value = YAML(typ="safe", pure=True).load(file.read_text(encoding="utf-8"))
    assert isinstance(value, dict)
    return value


def jobs(file: Path) -> dict[str, dict[str, Any]]:
    found = load(file)["jobs"]
    assert isinstance(found, dict)
    return found


def steps(file: Path) -> list[dict[str, Any]]:
    if file == ACTION:
        return list(load(file)["runs"]["steps"])
    return [step for job in jobs(file).values() for step in job["steps"]]


def scripts(file: Path) -> list[str]:
    return [step["run"] for step in steps(file) if "run" in step]


def texts(value: Any) -> Iterator[str]:
    """Every string in a document, keys aside."""
    if isinstance(value, dict):
        for item in value.values():
            yield from texts(item)
    elif isinstance(value, list):
        for item in value:
            yield from texts(item)
    elif isinstance(value, str):
        yield value


def test_the_workflows_are_those_the_guide_names() -> None:
    named = re.findall(r"examples/github/(ringwall-[a-z]+\.yml)", GUIDE.read_text(encoding="utf-8"))
    assert sorted(set(named)) == [file.name for file in WORKFLOWS]
    assert {(file.stem, job) for file in WORKFLOWS for job in jobs(file)} == set(PERMISSIONS)


@EVERY
def test_nothing_of_a_fork_runs_with_this_repositorys_rights(file: Path) -> None:
    events = load(file)["on"]
    assert not {"pull_request_target", "issue_comment", "issues"} & set(events)
    if "workflow_run" in events:
        assert not [step for step in steps(file) if "actions/checkout" in step.get("uses", "")]
        assert not any(re.search(r"git (clone|fetch|checkout)", script) for script in scripts(file))
    for job in jobs(file).values():
        assert "secrets" not in job  # `secrets: inherit`


@pytest.mark.parametrize("file", [ACTION, *WORKFLOWS], ids=lambda file: str(file.stem))
def test_no_expression_stands_inside_a_script(file: Path) -> None:
    for step in steps(file):
        assert "${{" not in step.get("run", "")
        assert "github-script" not in step.get("uses", "")
        assert step.get("shell", "bash") == "bash"


@EVERY
def test_every_jobs_token_may_do_no_more_than_it_must(file: Path) -> None:
    whole = load(file)
    assert whole["permissions"] in ({}, {"contents": "read"})
    for name, job in jobs(file).items():
        assert job.get("permissions", whole["permissions"]) == PERMISSIONS[file.stem, name]
        assert 0 < job["timeout-minutes"] <= 60
    for step in steps(file):
        if "actions/checkout" in step.get("uses", ""):
            assert step["with"]["persist-credentials"] is False


def test_the_workflow_for_forks_has_no_secret_and_no_environment() -> None:
    file = ROOT / "examples" / "github" / "ringwall-diff.yml"
    assert not any("secrets." in text or "github.token" in text for text in texts(load(file)))
    assert "environment" not in jobs(file)["diff"]


@EVERY
def test_a_secret_is_given_to_one_step_of_a_job_with_an_environment(file: Path) -> None:
    whole = load(file)
    for job in jobs(file).values():
        given = [text for text in texts(job) if "secrets." in text]
        in_steps = [text for step in job["steps"] for text in texts(step.get("env", {})) if "secrets." in text]
        assert sorted(given) == sorted(in_steps)
        if given:
            assert job["environment"]
            assert not {"issues", "pull-requests"} & set(job.get("permissions", {}))
            if "pull_request" in whole["on"]:
                condition = "github.event.pull_request.head.repo.full_name == github.repository"
                assert re.fullmatch(rf"github\.event_name == 'push' \|\| {re.escape(condition)}", job["if"])


@pytest.mark.parametrize("file", [ACTION, *WORKFLOWS], ids=lambda file: str(file.stem))
def test_every_action_is_pinned_to_a_version_or_a_commit(file: Path) -> None:
    used = [step["uses"] for step in steps(file) if "uses" in step]
    for name in used:
        assert re.fullmatch(r"(actions|your-org)/[a-z-]+@(v\d+(\.\d+){0,2}|[0-9a-f]{40})", name), name
    assert file != ACTION or used == []


def test_updates_of_one_environment_never_run_side_by_side() -> None:
    for stem, job in (("ringwall-up", "up"), ("ringwall-drift", "drift")):
        found = jobs(ROOT / "examples" / "github" / f"{stem}.yml")[job]["concurrency"]
        assert found == {"group": "ringwall-${{ matrix.environment }}", "cancel-in-progress": False}


def test_the_comment_is_told_the_head_by_github_and_not_by_the_artifact() -> None:
    file = ROOT / "examples" / "github" / "ringwall-comment.yml"
    (step,) = (step for step in steps(file) if "run" in step)
    assert {name: value for name, value in step["env"].items() if name.startswith("HEAD")} == {
        "HEAD_SHA": "${{ github.event.workflow_run.head_sha }}",
        "HEAD_REPO": "${{ github.event.workflow_run.head_repository.full_name }}",
        "HEAD_BRANCH": "${{ github.event.workflow_run.head_branch }}",
    }
    assert "github.event.workflow_run.event == 'pull_request'" in jobs(file)["comment"]["if"]
    assert load(file)["on"]["workflow_run"]["workflows"] == [load(file.with_name("ringwall-diff.yml"))["name"]]
    assert "--pr" not in step["run"]


# Commands


def invocations(script: str) -> Iterator[list[str]]:
    """The words after each `ringwall` that a shell would run."""
    joined = script.replace("\\\n", " ").replace('"${arguments[@]}" -- "${revisions[@]}"', "BASE")
    for line in joined.splitlines():
        found = re.search(r"(?:^|\s)(?:\S*/bin/)?ringwall\"? (?=[a-z-])(.*)", line)
        if found is not None and not line.lstrip().startswith(("#", "echo", "if ")):
            command = re.split(r" (?:\|\|?|&&|[<>]) | #", found[1])[0]
            yield shlex.split(command.rstrip(')"') if command.count('"') % 2 else command)


def check(words: list[str]) -> None:
    """Walk the command line's own tree: every command and every option must be there."""
    if words == ["--version"]:
        return
    assert set(words[:1]) & set(commands.COMMANDS), f"there is no command ringwall {' '.join(words)}"
    command = root_commands.load(words[0])
    rest = words[1:]
    while hasattr(command, "commands"):
        assert set(rest[:1]) & set(command.commands), f"there is no command ringwall {' '.join(words)}"
        command = command.commands[rest.pop(0)]
    options = {option for parameter in command.params for option in parameter.opts}
    for word in rest:
        if word.startswith("-") and word not in ("-", "--"):
            assert word.partition("=")[0] in options, f"ringwall {' '.join(words)}: there is no option {word}"


@pytest.mark.parametrize("file", [ACTION, *WORKFLOWS], ids=lambda file: str(file.stem))
def test_every_command_in_a_script_exists_with_its_options(file: Path) -> None:
    found = [words for script in scripts(file) for words in invocations(script)]
    uses_no_command = file.stem == "ringwall-diff"
    assert bool(found) != uses_no_command
    for words in found:
        check(words)


def test_the_options_the_action_puts_together_exist() -> None:
    (script,) = (step["run"] for step in steps(ACTION) if step.get("id") == "diff")
    for option in re.findall(r"--[a-z-]+", script.replace(" -- ", " ")):
        check(["diff", option])


def test_every_command_in_the_guide_exists_with_its_options() -> None:
    text = GUIDE.read_text(encoding="utf-8")
    spans = re.findall(r"`ringwall ([^`]+)`", text)
    blocks = [line.strip() for line in text.replace("\\\n", " ").splitlines() if line.startswith("    ringwall ")]
    assert spans
    assert blocks
    for words in (*spans, *(line.removeprefix("ringwall ") for line in blocks)):
        check(shlex.split(words, comments=True))


# Scripts, run


@pytest.mark.parametrize("file", [ACTION, *WORKFLOWS], ids=lambda file: str(file.stem))
def test_every_script_is_one_that_bash_reads(file: Path) -> None:
    for script in scripts(file):
        done = subprocess.run([BASH, "-n"], input=script, text=True, capture_output=True)
        assert (done.returncode, done.stderr) == (0, "")


def compare(tmp_path: Path, code: int = 0, **given: str) -> tuple[int, list[str], dict[str, str]]:
    """Run the action's own script with a `ringwall` that notes its arguments; gives exit code, those, and outputs."""
    binary = tmp_path / "ringwall" / "bin" / "ringwall"
    binary.parent.mkdir(parents=True)
    binary.write_text(
        f'#!{BASH}\nprintf "%s\\0" "$@" > "$RUNNER_TEMP/argv"\nmkdir -p "$RUNNER_TEMP/ringwall-diff"\n'
        f'echo "the report" > "$RUNNER_TEMP/ringwall-diff/dev.md"\nexit {code}\n',
        encoding="utf-8",
    )
    binary.chmod(0o755)
    (step,) = (step for step in steps(ACTION) if step.get("id") == "diff")
    environment = dict.fromkeys(step["env"], "") | {
        "PATH": "/usr/bin:/bin",
        "RUNNER_TEMP": str(tmp_path),
        "GITHUB_OUTPUT": str(tmp_path / "output"),
        "GITHUB_STEP_SUMMARY": str(tmp_path / "summary"),
    }
    assert set(given) <= set(environment)
    done = subprocess.run(
        # As the runner does for `shell: bash`.
        [BASH, "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
        env={**environment, **given},
        cwd=tmp_path,
        capture_output=True,
        text=True,
    )
    argv = (tmp_path / "argv").read_text().split("\0")[:-1] if (tmp_path / "argv").exists() else []
    output = (tmp_path / "output").read_text().splitlines() if (tmp_path / "output").exists() else []
    return done.returncode, argv, dict(line.split("=", 1) for line in output)


def test_inputs_are_arguments_and_never_shell(tmp_path: Path) -> None:
    hostile = '$(touch pwned)`touch pwned`"; touch pwned; #'
    code, argv, outputs = compare(tmp_path, DIFF_BASE="--help", DIFF_HEAD=hostile, DIFF_ENVIRONMENT=f"-x {hostile}")
    directory = str(tmp_path / "ringwall-diff")
    assert argv == [
        "diff",
        "--merge-base",
        f"--output={directory}",
        f"--env=-x {hostile}",
        "--",
        "--help",
        hostile,
    ]
    assert (code, outputs) == (0, {"exit-code": "0", "directory": directory})
    assert not (tmp_path / "pwned").exists()
    assert (tmp_path / "summary").read_text() == "the report\n"


def test_a_failing_diff_fails_the_job_and_still_hands_its_report_over(tmp_path: Path) -> None:
    code, argv, outputs = compare(tmp_path, code=3, DIFF_BASE="origin/main", DIFF_FAIL_ON="loosens")
    assert argv[-3:] == ["--fail-on=loosens", "--", "origin/main"]
    assert (code, outputs["exit-code"]) == (3, "3")
    assert outputs["directory"] == str(tmp_path / "ringwall-diff")


def test_without_a_revision_to_compare_with_the_action_fails(tmp_path: Path) -> None:
    assert compare(tmp_path)[:2] == (2, [])


def test_the_action_installs_from_its_own_commit_by_hash_and_isolated() -> None:
    install = steps(ACTION)[0]["run"]
    assert '--no-deps --require-hashes --requirement "$GITHUB_ACTION_PATH/requirements.lock"' in install
    assert '--no-deps --no-build-isolation --editable "$GITHUB_ACTION_PATH"' in install
    for line in install.replace("\\\n", " ").splitlines():
        if "python" in line and "python3 -I -c" not in line:
            assert re.search(r'python3?"? -I ', line), line
