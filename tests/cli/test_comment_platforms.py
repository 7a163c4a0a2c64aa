"""`ringwall comment` on GitLab and Azure DevOps, over real HTTP: CI says which, one comment, held to the commit."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from cli.flags.comment import CodeHost
from operations.pull_request.files import is_pipeline_file, unchanged_body
from operations.pull_request.platforms import Platform, platform_of
from tests.support import command_line
from tests.support.command_line import Result
from tests.support.review_apis import SHA, TOKEN, AzureDevOpsStandIn, GitLabStandIn, ReviewStandIn, serving

MARKER = "<!-- ringwall-diff:dev -->"
TEXT = f"{MARKER}\n### Ringwall: <code>dev</code>: 1 🔴 loosens, 0 🟢 tightens, 0 ⚪ neutral\n"
CI = ("GITHUB_TOKEN", "GH_TOKEN", "GITHUB_REPOSITORY", "GITHUB_API_URL", "GITLAB_CI", "TF_BUILD")


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    folder = tmp_path / "reports"
    folder.mkdir()
    (folder / "dev.md").write_text(TEXT, encoding="utf-8")
    return folder


def gitlab(host: GitLabStandIn) -> dict[str, str]:
    """The variables of a merge request's pipeline."""
    return {
        "GITLAB_CI": "true",
        "CI_API_V4_URL": host.api,
        "CI_PROJECT_ID": "4711",
        "CI_MERGE_REQUEST_PROJECT_ID": "4711",
        "CI_MERGE_REQUEST_IID": "7",
        "CI_COMMIT_SHA": SHA,
        "GITLAB_TOKEN": TOKEN,
    }


def azure(host: AzureDevOpsStandIn) -> dict[str, str]:
    """The variables of a pull request's build, the job's token mapped as the guide says."""
    return {
        "TF_BUILD": "True",
        "BUILD_REPOSITORY_PROVIDER": "TfsGit",
        "SYSTEM_COLLECTIONURI": host.api,
        "SYSTEM_TEAMPROJECT": "Perimeters",
        "BUILD_REPOSITORY_NAME": "our stacks",
        "SYSTEM_PULLREQUEST_PULLREQUESTID": "7",
        "SYSTEM_PULLREQUEST_SOURCECOMMITID": SHA,
        "SYSTEM_ACCESSTOKEN": TOKEN,
    }


@pytest.fixture(params=["gitlab", "azure-devops"])
def host(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[ReviewStandIn]:
    for variable in CI:
        monkeypatch.delenv(variable, raising=False)
    stand_in = GitLabStandIn() if request.param == "gitlab" else AzureDevOpsStandIn()
    with serving(stand_in) as served:
        variables = gitlab(served) if isinstance(served, GitLabStandIn) else azure(served)
        for name, value in variables.items():
            monkeypatch.setenv(name, value)
        yield served


def run(reports: Path, *more: str | Path) -> Result:
    return command_line.ringwall("comment", "--from", reports, *more)


def noun(host: ReviewStandIn) -> str:
    return "merge request" if isinstance(host, GitLabStandIn) else "pull request"


def test_ci_says_host_repository_number_and_commit(host: ReviewStandIn, reports: Path) -> None:
    done = run(reports, "--json")
    assert done.code == 0, done.err
    (body,) = host.bodies()
    assert body.splitlines()[:2] == [MARKER, f"<sub>Commit {SHA}, from the {noun(host)}'s own run.</sub>"]
    assert body.splitlines()[3:] == TEXT.splitlines()[1:]
    assert (done.json["pull_request"], done.json["comments"][0]["action"]) == (7, "created")
    assert done.json["platform"] == ("gitlab" if isinstance(host, GitLabStandIn) else "azure-devops")


def test_a_second_run_writes_nothing_and_a_changed_report_is_an_update(host: ReviewStandIn, reports: Path) -> None:
    run(reports)
    assert run(reports).out == "dev: unchanged\n"
    (reports / "dev.md").write_text(f"{MARKER}\nnew\n", encoding="utf-8")
    assert run(reports).out == "dev: updated\n"
    assert [body.splitlines()[3:] for body in host.bodies()] == [["new"]]
    assert len(host.writes) == 2


def test_an_environment_that_no_longer_changes_is_said_not_to_change(host: ReviewStandIn, reports: Path) -> None:
    run(reports)
    (reports / "dev.md").unlink()
    (reports / "report.json").write_text("{}", encoding="utf-8")
    assert run(reports).out == "dev: updated\n"
    assert host.bodies()[0].splitlines()[-1] == unchanged_body("dev").splitlines()[-1]


def test_only_our_own_comments_count_and_of_several_the_oldest_stays(host: ReviewStandIn, reports: Path) -> None:
    theirs = host.say(f"{MARKER}\nall is well", "mallory")
    made_by_host = host.say(f"{MARKER}\nmoved on", system=True)
    oldest, second = host.say(f"{MARKER}\na"), host.say(f"{MARKER}\nb")
    assert "1 duplicates removed" in run(reports).out
    assert sorted(host.remarks) == [theirs, made_by_host, oldest]
    assert second not in host.remarks
    assert host.remarks[theirs].body == f"{MARKER}\nall is well"


def test_a_comment_is_found_among_many(host: ReviewStandIn, reports: Path) -> None:
    for number in range(130):
        host.say(f"remark {number}", "octocat")
    ours = host.say(f"{MARKER}\nold")
    assert run(reports).out == "dev: updated\n"
    assert host.remarks[ours].body.startswith(MARKER)


def test_a_report_of_an_older_commit_or_of_a_closed_request_is_not_written(host: ReviewStandIn, reports: Path) -> None:
    host.sha = "b" * 40
    done = run(reports)
    assert (done.code, host.writes) == (0, [])
    assert f"no open {noun(host)} at that commit any more" in done.err
    host.sha = SHA
    host.state = "merged" if isinstance(host, GitLabStandIn) else "abandoned"
    done = run(reports)
    assert (done.code, host.writes) == (0, [])
    assert f"{noun(host)} 7 is closed" in done.err


@pytest.mark.parametrize(("name", "old"), [(".gitlab-ci.yml", ".gitlab-ci.yml"), ("notes.txt", "ci/build.yaml")])
def test_a_change_of_a_pipelines_files_carries_a_warning_above_its_text(
    host: ReviewStandIn, reports: Path, name: str, old: str
) -> None:
    host.files = [*((f"stacks/Pulumi.dev.s{n}.yaml", f"stacks/Pulumi.dev.s{n}.yaml") for n in range(105)), (name, old)]
    assert run(reports).code == 0
    lines = host.bodies()[0].splitlines()
    assert lines[:2] == [MARKER, "> [!WARNING]"]
    assert lines[2].startswith(f"> This {noun(host)} changes YAML files that are no stack files")


def test_files_that_are_not_all_listed_count_as_not_looked_at(host: ReviewStandIn, reports: Path) -> None:
    if isinstance(host, GitLabStandIn):
        host.count = "1000+"
    elif isinstance(host, AzureDevOpsStandIn):
        # The last push listed is not yet the request's head.
        host.listed_sha = "b" * 40
    run(reports)
    assert "could not be looked at whole" in host.bodies()[0]


def test_a_comment_whose_answer_is_lost_is_neither_missing_nor_there_twice(host: ReviewStandIn, reports: Path) -> None:
    host.faults.append(None)
    assert run(reports).code == 0
    assert len(host.bodies()) == 1
    assert host.writes == ["POST"]


def test_a_token_without_the_permission_is_told_which_one(host: ReviewStandIn, reports: Path) -> None:
    host.may_write = False
    done = run(reports)
    assert done.code == 6
    needed = "at least the role Reporter" if isinstance(host, GitLabStandIn) else "Contribute to pull requests"
    assert "with 403" in done.errors[0]
    assert needed in done.errors[0]


def test_a_wrong_token_and_a_missing_one_are_told_by_the_variables_name(
    host: ReviewStandIn, reports: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    variable = "GITLAB_TOKEN" if isinstance(host, GitLabStandIn) else "SYSTEM_ACCESSTOKEN"
    monkeypatch.setenv(variable, "wrong-9876543210")
    done = run(reports)
    assert done.code == 6
    assert "it refused the token" in done.errors[0]
    assert variable in done.errors[0]
    assert "wrong-" not in done.err
    monkeypatch.delenv(variable)
    done = run(reports)
    assert done.code == 2
    assert variable in done.errors[0]


def test_a_dry_run_writes_nothing(host: ReviewStandIn, reports: Path) -> None:
    assert run(reports, "--dry-run").out == "dev: would be created\n"
    assert host.writes == []


def test_options_that_only_github_has_are_refused(host: ReviewStandIn, reports: Path) -> None:
    done = run(reports, "--head-repo", "a/b")
    assert (done.code, host.writes) == (2, [])
    assert "are for GitHub, and this is" in done.errors[0]


def test_a_number_that_was_typed_is_vouched_for_by_whoever_typed_it(
    host: ReviewStandIn, reports: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for variable in ("CI_MERGE_REQUEST_IID", "SYSTEM_PULLREQUEST_PULLREQUESTID"):
        monkeypatch.delenv(variable, raising=False)
    assert run(reports).errors[0].startswith("no pull request is named")
    assert run(reports, "--pr", "7").code == 0
    assert host.bodies() == [TEXT]


def test_a_pipeline_of_a_fork_is_told_where_to_run(reports: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(GitLabStandIn()) as host:
        for name, value in {**gitlab(host), "CI_PROJECT_ID": "5000"}.items():
            monkeypatch.setenv(name, value)
        done = run(reports)
    assert (done.code, host.writes) == (2, [])
    assert done.errors[0].startswith("this pipeline runs in a fork")


def test_a_personal_token_of_azure_devops_is_sent_as_such(reports: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SYSTEM_ACCESSTOKEN", raising=False)
    monkeypatch.setenv("AZURE_DEVOPS_EXT_PAT", TOKEN)
    with serving(AzureDevOpsStandIn(job=False)) as host:
        where = ("--platform", "azure-devops", "--api-url", host.api, "--repo", "Perimeters/our stacks", "--pr", "7")
        assert run(reports, *where).code == 0
        assert len(host.bodies()) == 1
        assert "is not PROJECT/REPOSITORY" in run(reports, *where[:5], "stacks", *where[6:]).errors[0]


@pytest.mark.parametrize(
    ("variables", "platform"),
    [
        ({}, Platform.GITHUB),
        ({"GITLAB_CI": "true"}, Platform.GITLAB),
        ({"TF_BUILD": "True", "BUILD_REPOSITORY_PROVIDER": "TfsGit"}, Platform.AZURE_DEVOPS),
        ({"TF_BUILD": "True", "BUILD_REPOSITORY_PROVIDER": "GitHub"}, Platform.GITHUB),
    ],
)
def test_the_host_is_the_one_of_the_repository(variables: dict[str, str], platform: Platform) -> None:
    assert platform_of(variables) is platform


def test_the_flag_offers_every_host() -> None:
    assert [host.value for host in CodeHost] == [platform.value for platform in Platform]


@pytest.mark.parametrize(
    ("name", "belongs"),
    [
        (".gitlab-ci.yml", True),
        ("azure-pipelines.yml", True),
        ("ci/templates/Pulumi.yml", True),
        ("Pulumi.yaml", False),
        ("stacks/Pulumi.dev.tickets.yaml", False),
        ("stacks/dev.tickets.lock.yaml", False),
        ("tests/tickets.access.yaml", False),
        ("README.md", False),
    ],
)
def test_any_yaml_file_that_is_no_stack_file_may_belong_to_a_pipeline(name: str, belongs: bool) -> None:
    assert is_pipeline_file(name) is belongs
