"""A client that meets a limit reads which, how much and when again, and its session goes on: official SDKs, both eras."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.clients.test_clients import DESK, python_of, sdk
from tests.support.guard_process import WIDE, Upstream, first_line, guard

SEARCH = "search_tickets"
LIST = ["call", "list_tickets", {}]
#: Below the size, and above it.
LARGE, TOO_LARGE = (["call", SEARCH, {"query": "x" * size}] for size in (3000, 5000))
#: Repeats a call until no limit refuses it.
AGAIN = ["until", SEARCH, {"query": "printer"}]
SETTINGS = {
    **WIDE,
    "body_kilobytes": 4,
    "principal_tokens_per_minute": 6000,  # of which 16 large calls use 13,000, unless they take over a minute
    "tools": {"list_tickets": {"requests_per_minute": 1}},
}


@pytest.fixture(scope="module")
def desk() -> Iterator[Upstream]:
    with first_line(DESK) as (url, _):
        yield Upstream(url=url)


@pytest.mark.parametrize(("client", "mode"), [("mcp 1", "legacy"), ("mcp 2", "legacy"), ("mcp 2", "auto")])
def test_the_session_of_an_sdk_client_outlives_every_limit(
    desk: Upstream, tmp_path: Path, client: str, mode: str
) -> None:
    with guard(desk, tmp_path, limits=SETTINGS) as running:
        steps = [LIST, LIST, TOO_LARGE, *[LARGE] * 16, AGAIN]
        results = sdk(python_of(client), running.url, mode, steps)["results"]
    assert [_limit(results[index]) for index in (0, 1, 2, 3, 19)] == [
        None,
        "limits.tools.list_tickets.requests_per_minute",
        "limits.body_kilobytes",
        None,
        None,
    ]
    assert {_limit(result) for result in results[4:19]} == {None, "limits.principal_tokens_per_minute"}


def _limit(answer: dict[str, Any]) -> str | None:
    """The limit that refused a call, which its text names too."""
    if not answer.get("isError"):
        return None
    limit = answer["_meta"]["ringwall/limit"]["limit"]
    assert f"The limit {limit} is reached: " in answer["content"][0]["text"]
    return str(limit)
