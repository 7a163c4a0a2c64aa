"""Keeps exactly one comment by Ringwall for each environment of a pull request, and finds that pull request.

The requests are in `github`, `gitlab` and `azure_devops`, the text of the comments in `files`. Nothing is printed here.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from model.errors import InputError
from operations.pull_request.api import Comment, PullRequest, ReviewApi, Unsure
from operations.pull_request.files import environment_of, unchanged_body
from operations.pull_request.github import GitHub

REPOSITORY = re.compile(r"[A-Za-z0-9-]{1,39}/(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}")
_SHA = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


@dataclass(frozen=True)
class PullRequestHead:
    """The head of a workflow run, from the `workflow_run` event. GitHub vouches for it; the run itself cannot change it."""

    sha: str
    repo: str
    branch: str


@dataclass(frozen=True)
class CommentOutcome:
    """What became of one environment's comment: ``created``, ``updated`` or ``unchanged``. `removed` counts the
    duplicates of ours that were deleted."""

    environment: str
    action: str
    url: str | None
    removed: int = 0


def head_of(sha: str | None, repo: str | None, branch: str | None) -> PullRequestHead | None:
    """The head that the options name, None without any; raises `InputError` where they are incomplete or malformed."""
    if sha is None and repo is None and branch is None:
        return None
    if not sha or not repo or not branch:
        raise InputError(
            "--head-sha, --head-repo and --head-branch go together, and none may be empty",
            remedy="take all three from the workflow_run event; a deleted fork has no head repository any more",
        )
    checked_sha(sha)
    if not REPOSITORY.fullmatch(repo):
        raise InputError("--head-repo is not OWNER/NAME", remedy="give workflow_run.head_repository.full_name")
    if not branch.isprintable() or len(branch) > 255:
        raise InputError("--head-branch is no branch name", remedy="give workflow_run.head_branch")
    return PullRequestHead(sha, repo.lower(), branch)


def checked_sha(sha: str) -> None:
    """Raise `InputError` where a text is no whole commit id."""
    if not _SHA.fullmatch(sha):
        raise InputError("--head-sha is no whole commit id", remedy="give all 40 digits, in small letters")


def find_pull(hub: GitHub, head: PullRequestHead, number: int | None, base: str | None) -> PullRequest | None:
    """The one open pull request whose head is that commit of that branch; None when it has a newer head or was closed.

    Neither ``workflow_run.pull_requests`` nor ``GET /commits/SHA/pulls`` lists pull requests from forks; the list of pull
    requests by head does. Every field is compared again here.

    Raises:
        InputError: several fit, or another one than `number`.
    """
    fitting = [
        pull
        for pull in hub.open_pulls_of(head.repo.partition("/")[0], head.branch)
        if pull.state == "open" and pull.head_sha == head.sha and pull.head_repo == head.repo
    ]
    if base is not None:
        fitting = [pull for pull in fitting if pull.base == base]
    if number is not None and fitting and number not in [pull.number for pull in fitting]:
        raise InputError(
            f"pull request {number} is not at that commit; {', '.join(str(pull.number) for pull in fitting)} is",
            remedy="leave --pr out",
        )
    if number is not None:
        fitting = [pull for pull in fitting if pull.number == number]
    if len(fitting) > 1:
        raise InputError(
            f"pull requests {', '.join(str(pull.number) for pull in fitting)} are all at that commit",
            remedy="give --base",
        )
    if not fitting:
        return None
    pull = hub.pull(fitting[0].number)
    return pull if pull.state == "open" and pull.head_sha == head.sha else None


def touches_its_run(hub: ReviewApi, pull: PullRequest) -> bool | None:
    """Whether a pull request changes the files that control its own run; None when not every file is listed.

    That run takes its workflows and pipelines from the merged result, so the pull request itself can rewrite them
    (docs.github.com, "Events that trigger workflows"; GitLab's and Azure's merge request pipelines do the same).
    """
    files, complete = hub.changed_files(pull)
    if any(hub.steers_run(name) for names in files for name in names):
        return True
    # After a push in between, the list would belong to another commit than the report.
    return False if complete and hub.pull(pull.number).head_sha == pull.head_sha else None


def publish(
    hub: ReviewApi, number: int, bodies: Mapping[str, str], note: str = "", *, dry_run: bool = False
) -> list[CommentOutcome]:
    """Give our comments on the pull request the texts in `bodies` (environment to text). Our comments for other environments
    are changed to say, below `note`, that nothing changes there.

    Of several comments for one environment the oldest stays. After a creation the list is read again, so that two runs at
    the same time leave one comment.
    """
    me = hub.viewer()
    existing = _own_comments(hub.comments(number), me)
    outcomes = {}
    created = []
    for environment in sorted({*bodies, *existing}):
        body = bodies.get(environment, unchanged_body(environment, note))
        if environment in existing:
            outcomes[environment] = _settle(hub, number, environment, existing[environment], body, dry_run)
        elif dry_run:
            outcomes[environment] = CommentOutcome(environment, "created", None)
        else:
            comment = _create(hub, number, environment, body, me)
            outcomes[environment] = CommentOutcome(environment, "created", comment.url)
            created.append(environment)
    current = _own_comments(hub.comments(number), me) if created else {}
    # A host's list may lag and lack the new comment; that is no reason to write another one.
    for environment in (name for name in created if name in current):
        outcome = _settle(hub, number, environment, current[environment], bodies[environment], dry_run=False)
        outcomes[environment] = CommentOutcome(environment, "created", outcome.url, outcome.removed)
    return [outcomes[environment] for environment in sorted(outcomes)]


def _own_comments(comments: Sequence[Comment], me: str) -> dict[str, list[Comment]]:
    """Our comments that begin with a marker, by environment, oldest first. Anybody can write a marker, so only comments
    of our own account count."""
    by_environment: dict[str, list[Comment]] = {}
    for comment in sorted(comments, key=lambda c: c.id):
        environment = environment_of(comment.body)
        if comment.author == me and environment is not None:
            by_environment.setdefault(environment, []).append(comment)
    return by_environment


def _create(hub: ReviewApi, number: int, environment: str, body: str, me: str) -> Comment:
    """Add a comment; where the host does not answer, look whether the comment exists before trying again."""
    try:
        return hub.create_comment(number, body)
    except Unsure:
        existing = _own_comments(hub.comments(number), me).get(environment)
        return existing[0] if existing else hub.create_comment(number, body)


def _settle(
    hub: ReviewApi, number: int, environment: str, several: Sequence[Comment], body: str, dry_run: bool
) -> CommentOutcome:
    oldest, *duplicates = several
    unchanged = _same_text(oldest.body, body)
    if not dry_run:
        if not unchanged:
            hub.update_comment(number, oldest.id, body)
        for duplicate in duplicates:
            hub.delete_comment(number, duplicate.id)
    return CommentOutcome(environment, "unchanged" if unchanged else "updated", oldest.url, len(duplicates))


def _same_text(existing: str, body: str) -> bool:
    """Whether two texts are equal apart from white space at the end and line ends, which GitHub may store as CR LF."""
    return existing.replace("\r\n", "\n").rstrip() == body.replace("\r\n", "\n").rstrip()
