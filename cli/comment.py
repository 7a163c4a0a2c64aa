"""`ringwall comment`: what `ringwall diff` wrote, as exactly one comment of a pull request for each environment.

The files come out of the pull request's own run, so they are data from whoever opened it
(`operations.pull_request.files`). Which pull request it is, and whether its run can be believed at all, is asked of GitHub.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Optional

import typer

from cli import console, state
from cli.options import AsJson, Debug
from model.errors import InputError
from operations.pull_request.files import body_of, environment_of, provenance, read_reports, unchanged_body
from operations.pull_request.github import Comment, GitHub, PullRequest, Unsure

TOKENS = ("GITHUB_TOKEN", "GH_TOKEN")
_REPO = re.compile(r"[A-Za-z0-9-]{1,39}/(?!\.{1,2}$)[A-Za-z0-9._-]{1,100}")
_SHA = re.compile(r"[0-9a-f]{40}(?:[0-9a-f]{24})?")


@dataclass(frozen=True)
class Head:
    """Where a run came from, out of the `workflow_run` event: facts of GitHub, not of the run."""

    sha: str
    repo: str
    branch: str


@dataclass(frozen=True)
class Outcome:
    """`action`: ``created``, ``updated`` or ``unchanged``; `removed` counts duplicates of our own that went."""

    environment: str
    action: str
    url: str | None
    removed: int = 0


def comment(
    source: Annotated[
        Path,
        typer.Option(
            "--from",
            metavar="DIR",
            help="What `ringwall diff --output DIR` wrote: one ENV.md for each environment that changes.",
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
    if repo is None or not _REPO.fullmatch(repo):
        raise InputError("--repo is missing or is not OWNER/NAME", remedy="write it such as example/perimeters")
    head = _head(head_sha, head_repo, head_branch)
    wanted = head or pr
    if wanted is None:
        raise InputError("no pull request is named", remedy="give --pr, or --head-sha, --head-repo and --head-branch")
    texts = read_reports(source)
    with GitHub(api_url, _token()) as hub, console.working(f"asking {repo}"):
        pull = hub.pull(repo, wanted) if isinstance(wanted, int) else find_pull(hub, repo, wanted, pr, base)
        outcomes: list[Outcome] = []
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


def _head(sha: str | None, repo: str | None, branch: str | None) -> Head | None:
    if sha is None and repo is None and branch is None:
        return None
    if not sha or not repo or not branch:
        raise InputError(
            "--head-sha, --head-repo and --head-branch go together, and none may be empty",
            remedy="take all three from the workflow_run event; a deleted fork has no head repository any more",
        )
    if not _SHA.fullmatch(sha):
        raise InputError("--head-sha is no whole commit id", remedy="give all 40 digits, in small letters")
    if not _REPO.fullmatch(repo):
        raise InputError("--head-repo is not OWNER/NAME", remedy="give workflow_run.head_repository.full_name")
    if not branch.isprintable() or len(branch) > 255:
        raise InputError("--head-branch is no branch name", remedy="give workflow_run.head_branch")
    return Head(sha, repo.lower(), branch)


def find_pull(hub: GitHub, repo: str, head: Head, number: int | None, base: str | None) -> PullRequest | None:
    """The one open pull request whose head is that very commit of that branch; None when it moved on or was closed.

    Neither ``workflow_run.pull_requests`` nor ``GET /commits/SHA/pulls`` has those of forks, the list of pull requests by
    head has. Every field is compared again here.

    Raises:
        InputError: several fit, or another one than `number`.
    """
    fitting = [
        pull
        for pull in hub.open_pulls_of(repo, head.repo.partition("/")[0], head.branch)
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
    pull = hub.pull(repo, fitting[0].number)
    return pull if pull.state == "open" and pull.head_sha == head.sha else None


def touches_its_run(hub: GitHub, repo: str, pull: PullRequest) -> bool | None:
    """Whether a pull request changes what its own `pull_request` run obeys; None when GitHub does not list every file.

    That run takes its workflows and local actions from the merged result, so the pull request itself can rewrite them
    (docs.github.com, "Events that trigger workflows").
    """
    files = hub.changed_files(repo, pull.number)
    if any(name.startswith(".github/") for names in files for name in names):
        return True
    # A push in between would have the list be of another commit than the report.
    same = hub.pull(repo, pull.number).head_sha == pull.head_sha
    return False if same and len(files) == pull.changed_files else None


def publish(
    hub: GitHub, repo: str, number: int, bodies: Mapping[str, str], note: str = "", *, dry_run: bool = False
) -> list[Outcome]:
    """Make the pull request's comments of our own say exactly `bodies` (environment to text); those of other environments
    say that nothing changes there, below `note`.

    Of several for one environment the oldest stays. After a creation the list is read again, so that of two runs at once
    one comment is left, whichever came first.
    """
    me = hub.viewer()
    mine = _own(hub.comments(repo, number), me)
    done = {}
    created = []
    for environment in sorted({*bodies, *mine}):
        body = bodies.get(environment, unchanged_body(environment, note))
        if environment in mine:
            done[environment] = _settle(hub, repo, environment, mine[environment], body, dry_run)
        elif dry_run:
            done[environment] = Outcome(environment, "created", None)
        else:
            made = _create(hub, repo, number, environment, body, me)
            done[environment] = Outcome(environment, "created", made.url)
            created.append(environment)
    there = _own(hub.comments(repo, number), me) if created else {}
    # A list that is behind and lacks the new comment is no reason to write another.
    for environment in (name for name in created if name in there):
        kept = _settle(hub, repo, environment, there[environment], bodies[environment], dry_run=False)
        done[environment] = Outcome(environment, "created", kept.url, kept.removed)
    return [done[environment] for environment in sorted(done)]


def _own(comments: Sequence[Comment], me: str) -> dict[str, list[Comment]]:
    """Our own comments that begin with a marker, oldest first. Anybody can write a marker; only we write as us."""
    found: dict[str, list[Comment]] = {}
    for one in sorted(comments, key=lambda c: c.id):
        environment = environment_of(one.body)
        if one.author == me and environment is not None:
            found.setdefault(environment, []).append(one)
    return found


def _create(hub: GitHub, repo: str, number: int, environment: str, body: str, me: str) -> Comment:
    """Add a comment; where the answer does not come, look first whether it is there."""
    try:
        return hub.create_comment(repo, number, body)
    except Unsure:
        there = _own(hub.comments(repo, number), me).get(environment)
        return there[0] if there else hub.create_comment(repo, number, body)


def _settle(hub: GitHub, repo: str, environment: str, several: Sequence[Comment], body: str, dry_run: bool) -> Outcome:
    keep, *others = several
    same = _same(keep.body, body)
    if not dry_run:
        if not same:
            hub.update_comment(repo, keep.id, body)
        for other in others:
            hub.delete_comment(repo, other.id)
    return Outcome(environment, "unchanged" if same else "updated", keep.url, len(others))


def _same(one: str, other: str) -> bool:
    """Equal but for line ends, which GitHub may store as CR LF, and the end."""
    return one.replace("\r\n", "\n").rstrip() == other.replace("\r\n", "\n").rstrip()


def _show(repo: str, pull: PullRequest | None, outcomes: Sequence[Outcome], skipped: str | None, dry_run: bool) -> None:
    if state.json:
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
