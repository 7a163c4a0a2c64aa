"""The flags and the help of `ringwall comment`; what it does is `cli.comment`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from cli.options import AsJson, Debug, NoSandbox


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
    pr: Annotated[
        Optional[int],  # noqa: UP045 - Typer reads it at run time
        typer.Option("--pr", metavar="N", min=1, help="The pull request's number.", show_default=False),
    ] = None,
    head_sha: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--head-sha", help="workflow_run.head_sha: the commit that was compared.", show_default=False),
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
        typer.Option("--repo", metavar="OWNER/NAME", help="The repository.", envvar="GITHUB_REPOSITORY"),
    ] = None,
    api_url: Annotated[
        str, typer.Option("--api-url", help="GitHub Enterprise: its API's address.", envvar="GITHUB_API_URL")
    ] = "https://api.github.com",
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be written and write nothing.")] = False,
    sandbox: NoSandbox = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Put what `ringwall diff` wrote on a pull request: exactly one comment for each environment.

    A comment is found by its hidden marker and by its author, the token's own; nobody else's is touched. An environment
    that no longer changes is said not to. The token is GITHUB_TOKEN or GH_TOKEN and needs pull-requests: write.

    With --head-sha, --head-repo and --head-branch the pull request is looked up, forks included, and --pr, if given, must
    agree. Nothing is written when it has moved on or is closed. Where it changes files below .github/ the comment
    warns that its own run cannot be believed.
    """
    from cli.comment import comment as work  # noqa: PLC0415 - 0.3 s of imports that --help and completion do without

    work(
        source,
        pr=pr,
        head_sha=head_sha,
        head_repo=head_repo,
        head_branch=head_branch,
        base=base,
        repo=repo,
        api_url=api_url,
        dry_run=dry_run,
    )
