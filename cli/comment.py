"""`ringwall comment`: what `ringwall diff` wrote, as exactly one comment of a pull request for each environment.

The files come out of the pull request's own run, so they are data from whoever opened it
(`operations.pull_request.files`). Which pull request it is, and whether its run can be believed at all, is asked of GitHub.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from cli import console, invocation
from model.errors import InputError
from operations.pull_request.comment import REPOSITORY, CommentOutcome, find_pull, head_of, publish, touches_its_run
from operations.pull_request.files import body_of, provenance, read_reports
from operations.pull_request.github import GitHub, PullRequest

TOKENS = ("GITHUB_TOKEN", "GH_TOKEN")


def comment(
    source: Path,
    *,
    pr: int | None,
    head_sha: str | None,
    head_repo: str | None,
    head_branch: str | None,
    base: str | None,
    repo: str | None,
    api_url: str,
    dry_run: bool,
) -> None:
    """What `ringwall comment` does; its flags and help are in `cli.flags.comment`."""
    if repo is None or not REPOSITORY.fullmatch(repo):
        raise InputError("--repo is missing or is not OWNER/NAME", remedy="write it such as example/perimeters")
    head = head_of(head_sha, head_repo, head_branch)
    reference = head or pr
    if reference is None:
        raise InputError("no pull request is named", remedy="give --pr, or --head-sha, --head-repo and --head-branch")
    texts = read_reports(source)
    with GitHub(api_url, _token()) as hub, console.working(f"asking {repo}"):
        pull = hub.pull(repo, reference) if isinstance(reference, int) else find_pull(hub, repo, reference, pr, base)
        outcomes: list[CommentOutcome] = []
        skipped = "there is no open pull request at that commit any more" if pull is None else None
        if pull is not None and pull.state != "open":
            skipped = f"pull request {pull.number} is closed"
        if pull is not None and skipped is None:
            note = "" if head is None else provenance(head.sha, touched=touches_its_run(hub, repo, pull))
            bodies = {environment: body_of(environment, text, note) for environment, text in texts.items()}
            outcomes = publish(hub, repo, pull.number, bodies, note, dry_run=dry_run)
    _show(repo, pull, outcomes, skipped, dry_run)


def _token() -> str:
    for variable in TOKENS:
        if token := os.environ.get(variable):
            return token
    raise InputError(
        f"there is no GitHub token in {' or '.join(TOKENS)}",
        remedy="in a workflow: env GITHUB_TOKEN of the step, with permissions pull-requests: write",
    )


def _show(
    repo: str, pull: PullRequest | None, outcomes: Sequence[CommentOutcome], skipped: str | None, dry_run: bool
) -> None:
    if invocation.current().json:
        console.print_json(
            {
                "version": 1,
                "repo": repo,
                "pull_request": None if pull is None else pull.number,
                "dry_run": dry_run,
                "skipped": skipped,
                "comments": [
                    {
                        "environment": outcome.environment,
                        "action": outcome.action,
                        "duplicates_removed": outcome.removed,
                        "url": outcome.url,
                    }
                    for outcome in outcomes
                ],
            }
        )
    if skipped is not None:
        console.note(f"nothing was written: {skipped}")
        return
    would = "would be " if dry_run else ""
    for outcome in outcomes:
        also = f", {outcome.removed} duplicates {would}removed" if outcome.removed else ""
        console.say(f"{outcome.environment}: {would}{outcome.action}{also}{f': {outcome.url}' if outcome.url else ''}")
    if not outcomes:
        console.say("nothing changes, and there is no comment of ours to correct")
