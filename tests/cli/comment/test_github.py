"""`ringwall comment` meets GitHub as it is: tokens, limits, faults and pages."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from model.errors import InputError, Unreachable
from operations.pull_request.api import MAX_WAIT
from operations.pull_request.github import GitHub
from tests.support.comment_runs import MARKER, PLAIN, TEXT, lines, run
from tests.support.github_api import BOT, REPO, TOKEN, Fault, GitHubStandIn, github_api


def client(hub: GitHubStandIn, slept: list[float], now: float = 0.0) -> GitHub:
    return GitHub(hub.api, REPO, TOKEN, sleep=slept.append, clock=lambda: now)


@pytest.mark.parametrize("prefix", ["", "/api/v3"])
def test_public_github_and_enterprise_are_spoken_to_alike(reports: Path, prefix: str) -> None:
    with github_api(prefix=prefix) as hub:
        assert run(hub, reports).code == 0
        assert len(hub.bodies()) == 1


def test_the_token_comes_from_the_environment_and_is_never_shown(
    hub: GitHubStandIn, reports: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = run(hub, reports, "--json")
    monkeypatch.setenv("GITHUB_TOKEN", "ghs_wrong9876543210")
    refused = run(hub, reports)
    assert refused.code == 6
    assert "401" in refused.errors[0]
    assert "GITHUB_TOKEN" in refused.errors[0]
    monkeypatch.delenv("GITHUB_TOKEN")
    monkeypatch.setenv("GH_TOKEN", TOKEN)
    assert run(hub, reports).code == 0
    monkeypatch.delenv("GH_TOKEN")
    assert run(hub, reports).errors[0].startswith("there is no GitHub token in GITHUB_TOKEN or GH_TOKEN")
    for text in (shown.out, shown.err, refused.out, refused.err):
        assert TOKEN not in text
        assert "ghs_wrong" not in text


def test_a_token_that_could_split_a_header_is_refused() -> None:
    with pytest.raises(InputError, match="characters that no token has") as error:
        GitHub("https://api.github.com", REPO, f"{TOKEN}\r\nx: y")
    assert TOKEN not in str(error.value)


def test_a_token_without_the_permission_is_told_which_one(hub: GitHubStandIn, reports: Path) -> None:
    hub.may_write = False
    done = run(hub, reports)
    assert done.code == 6
    assert "with 403 (Resource not accessible by integration): the token needs pull-requests: write" in done.errors[0]


def test_a_missing_pull_request_is_an_error(hub: GitHubStandIn, reports: Path) -> None:
    done = run(hub, reports, "--pr", "99")
    assert done.code == 6
    assert "/pulls/99 with 404" in done.errors[0]


@pytest.mark.parametrize(
    ("fault", "slept"),
    [
        (Fault("GET", "/comments", 502), 1.0),
        (Fault("GET", "/comments", 503, {"retry-after": "9"}), 9.0),
        (Fault("GET", "/comments", drop=True), 1.0),
        (Fault("GET", "/comments", 429, {"retry-after": "17"}), 17.0),
        (Fault("GET", "/comments", 403, {"retry-after": "5"}, "You have exceeded a secondary rate limit"), 5.0),
        (Fault("GET", "/comments", 403, {}, "You have exceeded a secondary rate limit"), 60.0),
        (Fault("GET", "/comments", 403, {"x-ratelimit-remaining": "0", "x-ratelimit-reset": "1040"}), 41.0),
    ],
)
def test_what_passes_is_waited_for_as_long_as_github_says(hub: GitHubStandIn, fault: Fault, slept: float) -> None:
    hub.say(TEXT)
    hub.faults.append(fault)
    waits: list[float] = []
    with client(hub, waits, now=1000.0) as github:
        assert [c.body for c in github.comments(7)] == [TEXT]
    assert waits == [slept]


def test_waiting_has_a_bound_and_so_have_attempts(hub: GitHubStandIn) -> None:
    waits: list[float] = []
    hub.faults.append(Fault("GET", "/comments", 429, {"retry-after": str(int(MAX_WAIT) + 1)}))
    with client(hub, waits) as github, pytest.raises(Unreachable, match="too many requests"):
        github.comments(7)
    assert waits == []
    hub.faults[:] = [Fault("GET", "/comments", 500) for _ in range(9)]
    with client(hub, waits) as github, pytest.raises(Unreachable, match="with 500"):
        github.comments(7)
    assert waits == [1.0, 2.0, 4.0, 8.0]
    assert len(hub.faults) == 4


def test_a_permission_that_is_missing_is_not_waited_for(hub: GitHubStandIn) -> None:
    hub.may_write = False
    waits: list[float] = []
    with client(hub, waits) as github, pytest.raises(Unreachable, match="pull-requests: write"):
        github.create_comment(7, TEXT)
    assert waits == []


@pytest.mark.parametrize("fault", [{"status": 502}, {"drop": True}])
@pytest.mark.parametrize("done", [True, False])
def test_a_comment_whose_answer_is_lost_is_neither_missing_nor_there_twice(
    hub: GitHubStandIn, reports: Path, fault: dict[str, Any], done: bool
) -> None:
    hub.faults.append(Fault("POST", "/issues/7/comments", done=done, **fault))
    assert run(hub, reports).code == 0
    assert lines(hub.bodies()) == [PLAIN.splitlines()]
    assert hub.writes() == [("POST", "comments")] * (1 if done else 2)


def test_a_next_page_at_another_address_is_not_followed(hub: GitHubStandIn, reports: Path) -> None:
    for number in range(101):
        hub.say(f"comment {number}", "octocat")
    with github_api() as other:
        hub.elsewhere = other.uri
        done = run(hub, reports)
        assert (done.code, other.log) == (6, [])
    assert "at another address, which was not followed" in done.errors[0]
    assert hub.writes() == []


def test_a_renamed_repository_is_followed_on_its_own_host_only(hub: GitHubStandIn, reports: Path) -> None:
    hub.renamed_from = "acme/old-name"
    assert run(hub, reports, "--repo", "acme/old-name").code == 0
    assert len(hub.bodies()) == 1
    with github_api() as other:
        hub.elsewhere = other.uri
        done = run(hub, reports, "--repo", "acme/old-name")
        assert (done.code, other.log) == (6, [])


def test_the_author_is_asked_of_github_and_not_assumed(reports: Path) -> None:
    with github_api(login="my-app[bot]") as hub:
        hub.say(f"{MARKER}\nold", BOT)
        assert run(hub, reports).out.startswith("dev: created")
        assert hub.bodies(BOT) == [f"{MARKER}\nold"]
