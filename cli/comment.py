"""`ringwall comment`: what `ringwall diff` wrote, as exactly one comment of a pull request for each environment.

The files come out of the pull request's own run, so they are data from whoever opened it
(`operations.pull_request.files`). Which pull request it is, and whether its run can be believed at all, is asked of the
code host.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from cli import console, invocation
from model.errors import InputError
from operations.pull_request.api import PullRequest, ReviewApi
from operations.pull_request.comment import (
    CommentOutcome,
    PullRequestHead,
    checked_sha,
    find_pull,
    head_of,
    publish,
    touches_its_run,
)
from operations.pull_request.files import body_of, provenance, read_reports
from operations.pull_request.github import GitHub
from operations.pull_request.platforms import Platform, ReviewTarget, client_of, platform_of, target_of


def comment(
    source: Path,
    *,
    platform: str | None,
    pr: int | None,
    head_sha: str | None,
    head_repo: str | None,
    head_branch: str | None,
    base: str | None,
    repo: str | None,
    api_url: str | None,
    dry_run: bool,
) -> None:
    """What `ringwall comment` does; its flags and help are in `cli.flags.comment`."""
    chosen = Platform(platform) if platform is not None else platform_of(os.environ)
    target = target_of(os.environ, ReviewTarget(chosen, api_url, repo, pr, head_sha))
    head = None
    if chosen is Platform.GITHUB:
        head = head_of(head_sha, head_repo, head_branch)
        if head is None and pr is None:
            remedy = "give --pr, or --head-sha, --head-repo and --head-branch"
            raise InputError("no pull request is named", remedy=remedy)
    else:
        if head_repo is not None or head_branch is not None or base is not None:
            raise InputError(
                f"--head-repo, --head-branch and --base are for GitHub, and this is {chosen}",
                remedy="give --pr, and --head-sha for the commit that was compared",
            )
        if target.number is None:
            raise InputError("no pull request is named", remedy="give --pr, or run in a pull request's own pipeline")
        if target.head_sha is not None:
            checked_sha(target.head_sha)
    texts = read_reports(source)
    with client_of(target, os.environ) as hub, console.working(f"asking {target.repo}"):
        pull = _pull(hub, target, head, base)
        outcomes: list[CommentOutcome] = []
        skipped = f"there is no open {hub.NOUN} at that commit any more" if pull is None else None
        if pull is not None and pull.state != "open":
            skipped = f"{hub.NOUN} {pull.number} is closed"
        if pull is not None and skipped is None:
            sha = head.sha if head is not None else target.head_sha
            note = "" if sha is None else _note(hub, pull, sha)
            bodies = {environment: body_of(environment, text, note) for environment, text in texts.items()}
            outcomes = publish(hub, pull.number, bodies, note, dry_run=dry_run)
    _show(target, pull, outcomes, skipped, dry_run)


def _pull(hub: ReviewApi, target: ReviewTarget, head: PullRequestHead | None, base: str | None) -> PullRequest | None:
    """The pull request that was named; None where its head is another commit than the report is about."""
    if isinstance(hub, GitHub) and head is not None:
        return find_pull(hub, head, target.number, base)
    pull = hub.pull(target.number or 0)
    return pull if target.head_sha in (None, pull.head_sha) else None


def _note(hub: ReviewApi, pull: PullRequest, sha: str) -> str:
    return provenance(sha, touched=touches_its_run(hub, pull), noun=hub.NOUN, files=hub.RUN_FILES)


def _show(
    target: ReviewTarget,
    pull: PullRequest | None,
    outcomes: Sequence[CommentOutcome],
    skipped: str | None,
    dry_run: bool,
) -> None:
    if invocation.current().json:
        console.print_json(
            {
                "version": 1,
                "platform": target.platform.value,
                "repo": target.repo,
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
