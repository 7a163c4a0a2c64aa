"""The flags and the help of `ringwall comment`; what it does is `cli.comment`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated, Optional

import typer

from cli.options import AsJson, Debug, NoSandbox


class CodeHost(StrEnum):
    """The code hosts of `operations.pull_request.platforms`."""

    GITHUB = "github"
    GITLAB = "gitlab"
    AZURE_DEVOPS = "azure-devops"


def comment(
    source: Annotated[
        Path,
        typer.Option(
            "--from",
            metavar="DIR",
            help="What `ringwall diff BASE --output DIR` wrote: one ENV.md for each environment that changes.",
            show_default=False,
        ),
    ],
    platform: Annotated[
        Optional[CodeHost],  # noqa: UP045 - Typer reads it at run time
        typer.Option(
            "--platform",
            help="The code host. By default the one in whose CI this runs, else GitHub.",
            show_default=False,
        ),
    ] = None,
    pr: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(
            "--pr",
            metavar="N",
            min=1,
            help="The pull or merge request's number. By default that of the pipeline (GitLab, Azure DevOps).",
            show_default=False,
        ),
    ] = None,
    head_sha: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--head-sha",
            help="The commit that was compared: workflow_run.head_sha, or by default the pipeline's.",
            show_default=False,
        ),
    ] = None,
    head_repo: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--head-repo", help="workflow_run.head_repository.full_name.", show_default=False),
    ] = None,
    head_branch: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--head-branch", help="workflow_run.head_branch.", show_default=False),
    ] = None,
    base: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--base", help="Branch the pull request goes into, should its branch have several.", show_default=False
        ),
    ] = None,
    repo: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--repo",
            metavar="NAME",
            help="OWNER/NAME on GitHub, GROUP/PROJECT on GitLab, PROJECT/REPOSITORY on Azure DevOps. By default what "
            "CI says (GITHUB_REPOSITORY, CI_PROJECT_ID, BUILD_REPOSITORY_NAME).",
            show_default=False,
        ),
    ] = None,
    api_url: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--api-url",
            metavar="URL",
            help="The API's address. By default what CI says (GITHUB_API_URL, CI_API_V4_URL, SYSTEM_COLLECTIONURI), "
            "else https://api.github.com.",
            show_default=False,
        ),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be written and write nothing.")] = False,
    sandbox: NoSandbox = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Put what `ringwall diff` wrote on a pull request: exactly one comment for each environment.

    A comment is found by its hidden marker and by its author, the token's own; nobody else's is touched. An environment
    that no longer changes is said not to. The token comes from the environment: GITHUB_TOKEN or GH_TOKEN, GITLAB_TOKEN,
    SYSTEM_ACCESSTOKEN or AZURE_DEVOPS_EXT_PAT.

    On GitHub --head-sha, --head-repo and --head-branch look the pull request up, forks included, and --pr, if given, must
    agree. Nothing is written when it has moved on or is closed. Where it changes what its own run does (.github/, or YAML
    files that are no stack files) the comment warns that this run cannot be believed.
    """
    from cli.comment import comment as work  # noqa: PLC0415 - 0.3 s of imports that --help and completion do without

    work(
        source,
        platform=platform and platform.value,
        pr=pr,
        head_sha=head_sha,
        head_repo=head_repo,
        head_branch=head_branch,
        base=base,
        repo=repo,
        api_url=api_url,
        dry_run=dry_run,
    )
