"""The files of `ringwall comment` are a stranger's: what `diff` would not write is refused."""

from __future__ import annotations

import os
import re
from pathlib import Path

import pytest

from model.errors import InputError
from operations.pull_request.files import MAX_BODY, body_of, provenance, read_reports
from operations.pull_request.github import GitHub
from plan.diff.markdown import CAP, render_markdown
from plan.diff.model import DiffReport, Direction, StackDiff, change
from tests.support.comment_runs import MARKER, TEXT, run
from tests.support.github_api import GitHubStandIn


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
