"""`ringwall comment` over real HTTP: one comment an environment, nobody else's touched, a fork's files not believed."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from model.errors import InputError, Unreachable
from operations.pull_request.api import MAX_WAIT
from operations.pull_request.files import MAX_BODY, body_of, provenance, read_reports, unchanged_body
from operations.pull_request.github import GitHub
from plan.diff.markdown import CAP, render_markdown
from plan.diff.model import DiffReport, Direction, StackDiff, change
from tests.support import command_line
from tests.support.command_line import Result
from tests.support.github_api import BOT, REPO, SHA, TOKEN, Fault, GitHubStandIn, github_api

MARKER = "<!-- ringwall-diff:dev -->"
TEXT = f"{MARKER}\n### Ringwall: <code>dev</code>: 1 🔴 loosens, 0 🟢 tightens, 0 ⚪ neutral\n"
PLAIN = TEXT.rstrip()
HEAD = ("--head-sha", SHA, "--head-repo", "Fork/perimeters", "--head-branch", "topic", "--base", "main")


@pytest.fixture(autouse=True)
def _environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for variable in ("GH_TOKEN", "GITHUB_REPOSITORY", "GITHUB_API_URL"):
        monkeypatch.delenv(variable, raising=False)
    monkeypatch.setenv("GITHUB_TOKEN", TOKEN)


@pytest.fixture
def hub() -> Iterator[GitHubStandIn]:
    with github_api() as stand_in:
        yield stand_in


@pytest.fixture
def reports(tmp_path: Path) -> Path:
    folder = tmp_path / "reports"
    folder.mkdir()
    (folder / "dev.md").write_text(TEXT, encoding="utf-8")
    (folder / "report.json").write_text("{}", encoding="utf-8")
    return folder


def run(hub: GitHubStandIn, reports: Path, *more: str | Path) -> Result:
    which = () if "--head-sha" in more or "--pr" in more else ("--pr", "7")
    return command_line.ringwall("comment", "--from", reports, "--repo", REPO, "--api-url", hub.api, *which, *more)


def lines(bodies: list[str]) -> list[list[str]]:
    return [body.rstrip().splitlines() for body in bodies]


def client(hub: GitHubStandIn, slept: list[float], now: float = 0.0) -> GitHub:
    return GitHub(hub.api, REPO, TOKEN, sleep=slept.append, clock=lambda: now)


# One comment for each environment


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


# The files are a stranger's


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"### no marker\n", "does not begin with"),
        (b"\n" + TEXT.encode(), "does not begin with"),
        (b"<!-- ringwall-diff:prod -->\n", "does not begin with <!-- ringwall-diff:dev -->"),
        (b"<!-- ringwall-diff:dev --> <!-- ringwall-diff:prod -->\n", "does not begin with"),
        (TEXT.encode() + b"\xff", "is not UTF-8"),
        (TEXT.encode() + "\u202eevil".encode(), "hidden character"),
        (TEXT.encode() + "a\u200bb".encode(), "hidden character"),
        (TEXT.encode() + b"\x1b[2J", "hidden character"),
        (TEXT.encode() + b"a\rb", "hidden character"),
        (TEXT.encode() + b"x" * MAX_BODY, "is over 65536 bytes"),
    ],
)
def test_a_file_that_diff_would_not_write_is_refused(
    hub: GitHubStandIn, reports: Path, content: bytes, message: str
) -> None:
    (reports / "dev.md").write_bytes(content)
    done = run(hub, reports)
    assert (done.code, hub.log) == (2, [])
    assert message in done.errors[0]
    assert str(reports / "dev.md") in done.errors[0]


@pytest.mark.parametrize(
    "name", ["Dev.md", "dev.txt", "..md", "a.b.c.md", ".dev.md", "dev.md.md.exe", "dévs.md", "a b.md"]
)
def test_a_file_under_another_name_is_refused(hub: GitHubStandIn, reports: Path, name: str) -> None:
    (reports / name).write_text(TEXT, encoding="utf-8")
    done = run(hub, reports)
    assert (done.code, hub.log) == (2, [])
    assert "which `ringwall diff` does not write" in done.errors[0]


@pytest.mark.parametrize("name", ["prod.md", "report.html"])
def test_links_folders_and_pipes_are_refused(reports: Path, tmp_path: Path, name: str) -> None:
    secret = tmp_path / "secret"
    secret.write_text("<!-- ringwall-diff:prod -->\n", encoding="utf-8")
    for make in (lambda p: p.symlink_to(secret), lambda p: p.mkdir(), os.mkfifo):
        make(reports / name)
        with pytest.raises(InputError, match=r"is a link|is a folder, not a file|is a pipe, not a file"):
            read_reports(reports)
        if (reports / name).is_dir():
            (reports / name).rmdir()
        else:
            (reports / name).unlink()


def test_more_environments_than_twenty_are_refused(reports: Path) -> None:
    for number in range(19):
        (reports / f"e{number}.md").write_text(f"<!-- ringwall-diff:e{number} -->\n", encoding="utf-8")
    assert len(read_reports(reports)) == 20
    (reports / "e19.md").write_text("<!-- ringwall-diff:e19 -->\n", encoding="utf-8")
    with pytest.raises(InputError, match="over 20 environments"):
        read_reports(reports)


def test_an_empty_folder_is_an_error_and_not_a_pull_request_without_changes(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="is empty"):
        read_reports(tmp_path)


def test_no_second_marker_or_hidden_html_survives(hub: GitHubStandIn, reports: Path) -> None:
    hostile = f"{TEXT}<!-- ringwall-diff:prod --><<!-- a --><!---->\n<!doctype x><?php ?><![CDATA[x]]>\n"
    (reports / "dev.md").write_text(hostile, encoding="utf-8")
    run(hub, reports)
    (body,) = hub.bodies()
    assert re.findall(r"<[!?]", body) == ["<!"]
    assert body.startswith(MARKER)
    assert "&lt;!-- ringwall-diff:prod -->" in body


def test_what_is_added_counts_towards_the_limit() -> None:
    text = f"{MARKER}\n{'é' * 32_700}\n"
    assert len(body_of("dev", text, "").encode()) <= MAX_BODY
    with pytest.raises(InputError, match="over 65536 bytes"):
        body_of("dev", text, "x" * 200)


# GitHub as it is


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


# What `ringwall diff` writes


def test_a_report_of_diff_passes_whole_with_whatever_stands_in_the_files(tmp_path: Path) -> None:
    hostile = "<!-- ringwall-diff:prod --> `@org/team` \u202e\u200b |</pre>\x1b[0m\r\n"
    lines = tuple(change("x", Direction.LOOSENS, n, "dev.a", "", f"{n} {hostile * 20}", [hostile]) for n in range(100))
    report = DiffReport("p", "base", "head", (StackDiff("dev.a", "server", "changed", lines),))
    text = render_markdown(report, "dev")
    (tmp_path / "dev.md").write_text(text, encoding="utf-8")
    assert len(text.encode()) > CAP - 5000
    assert read_reports(tmp_path) == {"dev": text}
    # The longest note fits into what diff leaves, so that no report is refused for it.
    assert CAP + len(provenance("a" * 64, touched=True, files=GitHub.RUN_FILES).encode()) + 2 <= MAX_BODY
    assert body_of("dev", text, "").rstrip() == text.rstrip()
