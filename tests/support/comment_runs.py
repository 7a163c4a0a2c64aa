"""`ringwall comment` against a stand-in of GitHub."""

from __future__ import annotations

from pathlib import Path

from tests.support import command_line
from tests.support.command_line import Result
from tests.support.github_api import REPO, GitHubStandIn

MARKER = "<!-- ringwall-diff:dev -->"


TEXT = f"{MARKER}\n### Ringwall: <code>dev</code>: 1 🔴 loosens, 0 🟢 tightens, 0 ⚪ neutral\n"


PLAIN = TEXT.rstrip()


def run(hub: GitHubStandIn, reports: Path, *more: str | Path) -> Result:
    which = () if "--head-sha" in more or "--pr" in more else ("--pr", "7")
    return command_line.ringwall("comment", "--from", reports, "--repo", REPO, "--api-url", hub.api, *which, *more)


def lines(bodies: list[str]) -> list[list[str]]:
    return [body.rstrip().splitlines() for body in bodies]
