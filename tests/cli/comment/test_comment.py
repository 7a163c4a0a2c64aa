"""`ringwall comment` over real HTTP: one comment an environment, nobody else's touched, a fork's files not believed."""

from __future__ import annotations

from pathlib import Path

import pytest

from operations.pull_request.files import unchanged_body
from tests.support.comment_runs import MARKER, PLAIN, TEXT, lines, run
from tests.support.github_api import SHA, Fault, GitHubStandIn

HEAD = ("--head-sha", SHA, "--head-repo", "Fork/perimeters", "--head-branch", "topic", "--base", "main")


def test_each_environment_gets_one_comment_that_begins_with_its_marker(hub: GitHubStandIn, reports: Path) -> None:
    (reports / "zone.example.md").write_text("<!-- ringwall-diff:zone.example -->\nthe zone\n", encoding="utf-8")
    done = run(hub, reports, "--json")
    assert done.code == 0, done.err
    assert lines(hub.bodies()) == [PLAIN.splitlines(), ["<!-- ringwall-diff:zone.example -->", "the zone"]]
    assert [(c["environment"], c["action"]) for c in done.json["comments"]] == [
        ("dev", "created"),
        ("zone.example", "created"),
    ]
    assert done.json["pull_request"] == 7
    assert all("#issuecomment-" in c["url"] for c in done.json["comments"])


def test_a_second_run_writes_nothing_and_a_changed_report_is_an_update(hub: GitHubStandIn, reports: Path) -> None:
    run(hub, reports)
    assert run(hub, reports).out.startswith("dev: unchanged")
    (reports / "dev.md").write_text(f"{MARKER}\nnow this\n", encoding="utf-8")
    assert run(hub, reports).out.startswith("dev: updated")
    # The stand-in stores CR LF now, as GitHub may: still the same text.
    assert run(hub, reports).out.startswith("dev: unchanged")
    assert lines(hub.bodies()) == [[MARKER, "now this"]]
    assert [method for method, _ in hub.writes()] == ["POST", "PATCH"]


def test_an_environment_that_no_longer_changes_is_said_not_to_change(hub: GitHubStandIn, reports: Path) -> None:
    run(hub, reports)
    (reports / "dev.md").unlink()
    assert run(hub, reports).out.startswith("dev: updated")
    assert lines(hub.bodies()) == [unchanged_body("dev").rstrip().splitlines()]
    assert run(hub, reports).out.startswith("dev: unchanged")


def test_a_pull_request_that_changes_nothing_gets_no_comment(hub: GitHubStandIn, reports: Path) -> None:
    (reports / "dev.md").unlink()
    done = run(hub, reports)
    assert (done.code, hub.writes(), hub.conversation) == (0, [], {})
    assert "nothing changes" in done.out


@pytest.mark.parametrize("author", ["mallory", "github-actions", "other-app[bot]", None])
def test_a_comment_by_somebody_else_is_neither_edited_nor_counted(
    hub: GitHubStandIn, reports: Path, author: str | None
) -> None:
    theirs = hub.say(f"{MARKER}\nall is well", author)
    assert run(hub, reports).out.startswith("dev: created")
    assert hub.conversation[theirs]["body"] == f"{MARKER}\nall is well"
    assert lines(hub.bodies()) == [PLAIN.splitlines()]


@pytest.mark.parametrize(
    "body", [f"> {MARKER}", f"hello\n{MARKER}\n", f"{MARKER} and more\n", "<!-- ringwall-diff:DEV -->"]
)
def test_a_comment_of_our_own_without_the_marker_as_its_first_line_stays(
    hub: GitHubStandIn, reports: Path, body: str
) -> None:
    other = hub.say(body)
    run(hub, reports)
    assert hub.conversation[other]["body"] == body
    assert len(hub.bodies()) == 2


def test_the_comment_is_found_on_a_later_page(hub: GitHubStandIn, reports: Path) -> None:
    for number in range(230):
        hub.say(f"comment {number}", "octocat")
    ours = hub.say(f"{MARKER}\nold")
    assert run(hub, reports).out.startswith("dev: updated")
    assert hub.conversation[ours]["body"].splitlines() == PLAIN.splitlines()
    assert len([path for method, path, _ in hub.log if method == "GET" and "/comments" in path]) == 3


def test_of_duplicates_the_oldest_stays_and_only_our_own_go(hub: GitHubStandIn, reports: Path) -> None:
    theirs = hub.say(f"{MARKER}\n", "octocat")
    oldest, second, third = (hub.say(f"{MARKER}\n{n}") for n in "abc")
    done = run(hub, reports, "--json")
    assert sorted(hub.conversation) == [theirs, oldest]
    assert hub.writes() == [("PATCH", str(oldest)), ("DELETE", str(second)), ("DELETE", str(third))]
    assert done.json["comments"][0]["duplicates_removed"] == 2


def test_two_runs_at_once_leave_one_comment(hub: GitHubStandIn, reports: Path) -> None:
    hub.rival = f"{MARKER}\nfrom the other run"
    assert run(hub, reports).code == 0
    assert lines(hub.bodies()) == [PLAIN.splitlines()]


def test_a_duplicate_that_the_other_run_deleted_first_is_no_error(hub: GitHubStandIn, reports: Path) -> None:
    hub.say(TEXT)
    hub.say(TEXT)
    hub.faults.append(Fault("DELETE", "", 404, message="Not Found", done=True))
    assert run(hub, reports).code == 0
    assert len(hub.conversation) == 1


def test_a_dry_run_only_reads(hub: GitHubStandIn, reports: Path) -> None:
    hub.say(TEXT)
    hub.say(TEXT)
    (reports / "prod.md").write_text("<!-- ringwall-diff:prod -->\nnew\n", encoding="utf-8")
    done = run(hub, reports, "--dry-run")
    assert done.out.splitlines()[0].startswith("dev: would be unchanged, 1 duplicates would be removed")
    assert done.out.splitlines()[1] == "prod: would be created"
    assert hub.writes() == []


# Which pull request


def test_a_forks_pull_request_is_found_by_its_head(hub: GitHubStandIn, reports: Path) -> None:
    hub.pull(8, head="other/perimeters")
    done = run(hub, reports, *HEAD, "--json")
    assert done.json["pull_request"] == 7
    (body,) = lines(hub.bodies())
    assert body == [MARKER, f"<sub>Commit {SHA}, from the pull request's own run.</sub>", "", *PLAIN.splitlines()[1:]]


def test_a_head_that_github_does_not_filter_by_is_still_compared(hub: GitHubStandIn, reports: Path) -> None:
    hub.pull(7, head="other/perimeters")
    hub.pull(8, head="fork/elsewhere")
    hub.pull(9, head="fork/perimeters", base={"ref": "release"})
    hub.pull(10, head="fork/perimeters", state="closed")
    gone = {"sha": SHA, "ref": "topic", "repo": None, "label": "fork:topic"}
    hub.pull(11, head="fork/perimeters")
    hub.pulls[11]["head"] = gone
    done = run(hub, reports, *HEAD, "--json")
    assert (done.code, done.json["pull_request"], hub.writes()) == (0, None, [])


def test_a_report_of_an_older_commit_is_not_written(hub: GitHubStandIn, reports: Path) -> None:
    hub.pulls[7]["head"]["sha"] = "b" * 40
    done = run(hub, reports, *HEAD)
    assert (done.code, hub.writes()) == (0, [])
    assert "no open pull request at that commit any more" in done.err


def test_a_push_while_the_pull_request_is_looked_up_makes_the_report_old(hub: GitHubStandIn, reports: Path) -> None:
    hub.push_after = "/pulls"
    done = run(hub, reports, *HEAD)
    assert (done.code, hub.writes()) == (0, [])


def test_a_push_while_its_files_are_listed_leaves_the_report_unvouched_for(hub: GitHubStandIn, reports: Path) -> None:
    hub.push_after = "/files"
    run(hub, reports, *HEAD)
    assert "could not be looked at whole" in hub.bodies()[0]


def test_a_closed_pull_request_gets_no_comment(hub: GitHubStandIn, reports: Path) -> None:
    hub.pulls[7]["state"] = "closed"
    done = run(hub, reports)
    assert (done.code, hub.writes()) == (0, [])
    assert "pull request 7 is closed" in done.err


def test_a_number_that_is_not_at_that_commit_is_refused(hub: GitHubStandIn, reports: Path) -> None:
    hub.pull(8, head="acme/perimeters")
    done = run(hub, reports, "--pr", "8", *HEAD)
    assert (done.code, hub.writes()) == (2, [])
    assert done.errors == ["pull request 8 is not at that commit; 7 is; leave --pr out"]


def test_several_pull_requests_at_one_commit_are_not_guessed_between(hub: GitHubStandIn, reports: Path) -> None:
    hub.pull(8, base={"ref": "release"})
    done = run(hub, reports, *HEAD[:-2])
    assert (done.code, hub.writes()) == (2, [])
    assert done.errors == ["pull requests 7, 8 are all at that commit; give --base"]
    assert run(hub, reports, *HEAD).code == 0
    assert {c["number"] for c in hub.conversation.values()} == {7}


def test_a_run_that_brings_no_report_any_more_cannot_say_unchanged_without_the_warning(
    hub: GitHubStandIn, reports: Path
) -> None:
    hub.files[7] = [{"filename": "stacks/Pulumi.dev.yaml"}]
    run(hub, reports, *HEAD)
    (reports / "dev.md").unlink()
    run(hub, reports, *HEAD)
    (body,) = lines(hub.bodies())
    assert body[1] == f"<sub>Commit {SHA}, from the pull request's own run.</sub>"
    hub.files[7] = [{"filename": ".github/workflows/ringwall-diff.yml"}]
    run(hub, reports, *HEAD)
    (body,) = lines(hub.bodies())
    assert body[:2] == [MARKER, "> [!WARNING]"]
    assert "### Ringwall: <code>dev</code>: no changes" in body


@pytest.mark.parametrize(
    "file",
    [
        {"filename": ".github/workflows/ringwall-diff.yml"},
        {"filename": "x", "previous_filename": ".github/actions/a.yml"},
    ],
)
def test_a_pull_request_that_changes_its_own_run_carries_a_warning_above_its_text(
    hub: GitHubStandIn, reports: Path, file: dict[str, str]
) -> None:
    hub.files[7] = [*({"filename": f"stacks/{n}.yaml"} for n in range(150)), file]
    run(hub, reports, *HEAD)
    (body,) = lines(hub.bodies())
    assert body[0] == MARKER
    assert body[1] == "> [!WARNING]"
    assert "changes files below `.github/`" in body[2]
    assert body.index(PLAIN.splitlines()[1]) > 2


def test_a_list_of_files_that_is_cut_short_counts_as_not_looked_at(hub: GitHubStandIn, reports: Path) -> None:
    hub.pulls[7]["changed_files"] = 3001
    run(hub, reports, *HEAD)
    assert "could not be looked at whole" in hub.bodies()[0]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--head-sha", SHA), "go together"),
        ((*HEAD[:3], "", *HEAD[4:]), "go together"),
        (("--head-sha", "a" * 39, *HEAD[2:]), "no whole commit id"),
        ((*HEAD[:3], "fork/../x", *HEAD[4:]), "--head-repo is not OWNER/NAME"),
        ((*HEAD[:5], "a\nb", *HEAD[6:]), "no branch name"),
        (("--pr", "7", "--repo", "acme/.."), "--repo"),
        (("--pr", "7", "--api-url", "http://github.example.com"), "https"),
        (("--pr", "7", "--api-url", "https://user:pass@github.example.com"), "user name or password"),
    ],
)
def test_an_option_that_cannot_be_meant_is_refused_before_any_request(
    hub: GitHubStandIn, reports: Path, options: tuple[str, ...], message: str
) -> None:
    done = run(hub, reports, *options)
    assert (done.code, hub.log) == (2, [])
    assert message in done.errors[0]
