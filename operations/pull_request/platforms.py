"""Which code host a pull request is on, which one it is, and the client for it: from options, else from the variables of CI.

The variables are those of docs.gitlab.com, "Predefined CI/CD variables", and learn.microsoft.com, "Predefined variables".
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from model.errors import InputError
from operations.pull_request.api import ReviewApi
from operations.pull_request.azure_devops import AzureDevOps
from operations.pull_request.comment import REPOSITORY
from operations.pull_request.github import GitHub
from operations.pull_request.gitlab import GitLab


class Platform(StrEnum):
    """The code hosts whose pull requests can be commented."""

    GITHUB = "github"
    GITLAB = "gitlab"
    AZURE_DEVOPS = "azure-devops"


CLIENTS: Mapping[Platform, type[ReviewApi]] = {
    Platform.GITHUB: GitHub,
    Platform.GITLAB: GitLab,
    Platform.AZURE_DEVOPS: AzureDevOps,
}


@dataclass(frozen=True)
class ReviewTarget:
    """A pull request as far as options and variables name it. `head_sha` is the commit its own run is for."""

    platform: Platform
    api_url: str | None = None
    repo: str | None = None
    number: int | None = None
    head_sha: str | None = None


def platform_of(environ: Mapping[str, str]) -> Platform:
    """The host whose CI this runs in; GitHub where it is none of the others."""
    if environ.get("GITLAB_CI"):
        return Platform.GITLAB
    # Azure Pipelines also builds repositories on GitHub; their pull requests are there.
    if environ.get("TF_BUILD") and environ.get("BUILD_REPOSITORY_PROVIDER") == "TfsGit":
        return Platform.AZURE_DEVOPS
    return Platform.GITHUB


def target_of(environ: Mapping[str, str], options: ReviewTarget) -> ReviewTarget:
    """What was `options`, filled up from the variables of the host's CI.

    Raises:
        InputError: this is the run of a fork, whose token may not comment; or something is missing.
    """
    known = _VARIABLES[options.platform](environ)
    # A number that was typed is not the run's: whoever types it vouches for the folder, as on GitHub.
    typed = options.number is not None and options.number != known.number
    target = replace(
        options,
        api_url=options.api_url or known.api_url,
        repo=options.repo or known.repo,
        number=options.number if options.number is not None else known.number,
        head_sha=options.head_sha or (None if typed else known.head_sha),
    )
    if options.platform is Platform.GITHUB and (target.repo is None or not REPOSITORY.fullmatch(target.repo)):
        raise InputError("--repo is missing or is not OWNER/NAME", remedy="write it such as example/perimeters")
    if not target.repo:
        raise InputError(
            "--repo is missing",
            remedy="give GROUP/PROJECT or the project's number"
            if options.platform is Platform.GITLAB
            else "give PROJECT/REPOSITORY",
        )
    if not target.api_url:
        raise InputError("--api-url is missing", remedy=f"write it such as {CLIENTS[options.platform].PUBLIC}")
    return target


def client_of(target: ReviewTarget, environ: Mapping[str, str]) -> ReviewApi:
    """The client for a target, with the token of the environment."""
    kind = CLIENTS[target.platform]
    variable = next((name for name in kind.TOKENS if environ.get(name)), None)
    if variable is None:
        raise InputError(
            f"there is no {kind.NAME} token in {' or '.join(kind.TOKENS)}", remedy=_TOKEN_REMEDIES[target.platform]
        )
    api_url, repo, token = target.api_url or "", target.repo or "", environ[variable]
    if target.platform is Platform.AZURE_DEVOPS:
        return AzureDevOps(api_url, repo, token, job_token=variable == AzureDevOps.TOKENS[0])
    return GitLab(api_url, repo, token) if target.platform is Platform.GITLAB else GitHub(api_url, repo, token)


_TOKEN_REMEDIES = {
    Platform.GITHUB: "in a workflow: env GITHUB_TOKEN of the step, with permissions pull-requests: write",
    Platform.GITLAB: f"make a project access token with {GitLab.PERMISSION}, and a masked variable of it",
    Platform.AZURE_DEVOPS: "in a pipeline: env SYSTEM_ACCESSTOKEN: $(System.AccessToken) of the step",
}


def _github(environ: Mapping[str, str]) -> ReviewTarget:
    address = environ.get("GITHUB_API_URL") or GitHub.PUBLIC
    return ReviewTarget(Platform.GITHUB, address, environ.get("GITHUB_REPOSITORY"))


def _gitlab(environ: Mapping[str, str]) -> ReviewTarget:
    target, project = environ.get("CI_MERGE_REQUEST_PROJECT_ID"), environ.get("CI_PROJECT_ID")
    if target and project and target != project:
        raise InputError(
            "this pipeline runs in a fork, which has no token for the project the merge request goes into",
            remedy="have a member of that project run the merge request's pipeline there",
        )
    # CI_COMMIT_SHA is the merged result in a pipeline for merged results, and this variable is empty elsewhere.
    sha = environ.get("CI_MERGE_REQUEST_SOURCE_BRANCH_SHA") or environ.get("CI_COMMIT_SHA")
    number = _number(environ, "CI_MERGE_REQUEST_IID")
    return ReviewTarget(
        Platform.GITLAB, environ.get("CI_API_V4_URL"), target or project, number, sha if number is not None else None
    )


def _azure(environ: Mapping[str, str]) -> ReviewTarget:
    project, repository = environ.get("SYSTEM_TEAMPROJECT"), environ.get("BUILD_REPOSITORY_NAME")
    return ReviewTarget(
        Platform.AZURE_DEVOPS,
        environ.get("SYSTEM_COLLECTIONURI"),
        f"{project}/{repository}" if project and repository else None,
        _number(environ, "SYSTEM_PULLREQUEST_PULLREQUESTID"),
        environ.get("SYSTEM_PULLREQUEST_SOURCECOMMITID"),
    )


def _number(environ: Mapping[str, str], variable: str) -> int | None:
    text = environ.get(variable)
    if not text:
        return None
    if not text.isascii() or not text.isdecimal():
        raise InputError(f"{variable} is no number", remedy="give --pr")
    return int(text)


_VARIABLES: Mapping[Platform, Callable[[Mapping[str, str]], ReviewTarget]] = {
    Platform.GITHUB: _github,
    Platform.GITLAB: _gitlab,
    Platform.AZURE_DEVOPS: _azure,
}
