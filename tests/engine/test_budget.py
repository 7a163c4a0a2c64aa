"""Cloudflare's limit is kept: by what runs take themselves, by what others took, and by waiting where the API refuses."""

from __future__ import annotations

import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from engine.budget import CallBudget, least_seconds
from wire.cloudflare_allowance import Allowance, allowance_of

WINDOW = 0.4


def budget(notes: list[str] | None = None, **settings: object) -> CallBudget:
    return CallBudget((notes if notes is not None else []).append, window=WINDOW, **settings)  # type: ignore[arg-type]


def test_no_window_ever_holds_more_calls_than_the_limit() -> None:
    notes: list[str] = []
    begun: list[float] = []
    read = threading.local()

    def clock() -> float:
        read.last = moment = time.monotonic()
        return moment

    kept = budget(notes, limit=10, clock=clock)

    def run(number: int) -> None:
        assert kept.admit(f"dev.s{number}", 4)
        begun.append(read.last)  # when it was let in, however late this thread goes on

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(run, range(6)))
    begun.sort()
    # Two runs of four calls fit into a window of ten, a third does not.
    assert all(later - earlier >= WINDOW * 0.95 for earlier, later in zip(begun, begun[2:], strict=False))
    assert begun[-1] - begun[0] < 30
    assert any("takes 10 in 5 minutes from all who use its token" in note for note in notes)


def test_what_others_took_leaves_less() -> None:
    kept = budget(limit=10, ask=lambda: Allowance(2, WINDOW))
    began = time.monotonic()
    assert kept.admit("dev.one", 4)
    assert time.monotonic() - began >= WINDOW * 0.9


def test_a_run_over_the_whole_limit_begins_alone() -> None:
    kept = budget(limit=10)
    assert kept.admit("dev", 25)
    began = time.monotonic()
    assert kept.admit("dev.one", 1)
    assert time.monotonic() - began >= WINDOW * 0.9


def test_a_refusal_is_waited_for_as_long_as_the_api_says_and_is_said() -> None:
    notes: list[str] = []
    kept = budget(notes, ask=lambda: Allowance(0, 0.2))
    began = time.monotonic()
    assert kept.pause("dev.one")
    assert 0.2 <= time.monotonic() - began < 30
    assert notes == [
        "dev.one: Cloudflare's API takes no more calls at present (429); waiting 0 s, then it goes on",
    ]


def test_closing_lets_go_of_those_who_wait() -> None:
    notes: list[str] = []
    kept = CallBudget(notes.append, ask=lambda: Allowance(0, 300.0))
    with ThreadPoolExecutor(2) as pool:
        paused, admitted = pool.submit(kept.pause, "dev.one"), pool.submit(kept.admit, "dev.two", 5)
        kept.close()
        assert (paused.result(30), admitted.result(30)) == (False, False)
    assert not kept.admit("dev.three", 0)


@pytest.mark.parametrize(
    ("status", "headers", "allowance"),
    [
        (200, {"ratelimit": '"default";r=50;t=30'}, Allowance(50, 30)),
        (200, {"ratelimit": '"default";r=50;t=30, "burst";r=3;t=5'}, Allowance(3, 5)),
        (200, {"ratelimit": '"default";r=50'}, Allowance(50, 300)),
        (200, {"ratelimit": "nonsense"}, None),
        (200, {}, None),
        (429, {"retry-after": "187"}, Allowance(0, 187)),
        (429, {}, Allowance(0, 300)),
    ],
)
def test_the_apis_own_headers_are_read(status: int, headers: dict[str, str], allowance: Allowance | None) -> None:
    assert allowance_of(status, headers) == allowance


def test_the_limit_draws_out_what_does_not_fit_into_one_window() -> None:
    assert [least_seconds(calls) for calls in (0, 1200, 1201, 3600)] == [0, 0, 300, 600]
