"""The pipelines to copy for GitLab and Azure DevOps call commands that exist, and give the token to one place alone."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.docs.test_workflows import check, invocations, load

EXAMPLES = Path(__file__).parents[2] / "examples"
GITLAB = EXAMPLES / "gitlab" / "ringwall.gitlab-ci.yml"
AZURE = EXAMPLES / "azure-devops" / "ringwall-pull-request.yml"


def scripts(file: Path) -> list[str]:
    content = load(file)
    if file == AZURE:
        return [step["bash"] for step in content["steps"] if "bash" in step]
    jobs = [job for job in content.values() if "image" in job or "script" in job]
    return [line for job in jobs for line in (*job.get("before_script", ()), *job.get("script", ()))]


@pytest.mark.parametrize("file", [GITLAB, AZURE], ids=lambda file: str(file.parent.name))
def test_every_command_of_a_pipeline_exists_with_its_options(file: Path) -> None:
    called = [words for script in scripts(file) for words in invocations(script)]
    assert [words[0] for words in called] == ["diff", "comment"]
    for words in called:
        check(words)


@pytest.mark.parametrize("file", [GITLAB, AZURE], ids=lambda file: str(file.parent.name))
def test_what_is_installed_is_a_commit_with_every_dependency_by_hash(file: Path) -> None:
    text = "\n".join(scripts(file))
    assert 'checkout --quiet --detach "$RINGWALL_COMMIT"' in text
    assert "--no-deps --require-hashes --requirement" in text
    assert "python3 -I -m venv" in text


def test_the_job_that_compares_has_no_token() -> None:
    steps = [step for step in load(AZURE)["steps"] if "env" in step]
    assert [(step["displayName"], step["env"]) for step in steps] == [
        ("Comment", {"SYSTEM_ACCESSTOKEN": "$(System.AccessToken)"})
    ]
    assert load(AZURE)["steps"][0]["persistCredentials"] is False
    assert "GITLAB_TOKEN" not in "\n".join(scripts(GITLAB))


def test_a_forks_pipeline_does_not_try_to_comment() -> None:
    (rule,) = load(GITLAB)["ringwall-comment"]["rules"]
    assert "$CI_MERGE_REQUEST_PROJECT_ID == $CI_PROJECT_ID" in rule["if"]
