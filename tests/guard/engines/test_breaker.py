"""The circuit breaker fails closed and counts only what a service does."""

from __future__ import annotations

from guard.engines.breaker import Breaker
from tests.support.token_issuer import Clock


def fail(breaker: Breaker, times: int = 1) -> None:
    for _ in range(times):
        ticket = breaker.admit()
        assert ticket is not None
        breaker.settle(ticket, False)


def test_fifth_failure_in_a_row_opens_it() -> None:
    breaker = Breaker("x", Clock())
    fail(breaker, 4)
    assert breaker.admit() is not None
    fail(breaker)
    assert breaker.admit() is None


def test_success_between_failures_keeps_it_closed() -> None:
    breaker = Breaker("x", Clock())
    fail(breaker, 4)
    breaker.settle(breaker.admit() or 0, True)
    fail(breaker, 4)
    assert not breaker.is_open


def test_half_open_lets_exactly_one_through() -> None:
    clock = Clock()
    breaker = Breaker("x", clock)
    fail(breaker, 5)
    clock.now += 9.9
    assert breaker.admit() is None
    clock.now += 0.1
    assert breaker.admit() is not None
    assert breaker.admit() is None


def test_good_probe_closes_it_and_a_bad_one_rests_the_whole_time_again() -> None:
    clock = Clock()
    breaker = Breaker("x", clock)
    fail(breaker, 5)
    clock.now += 10
    fail(breaker)
    clock.now += 9.9
    assert breaker.admit() is None
    clock.now += 0.1
    probe = breaker.admit()
    assert probe is not None
    breaker.settle(probe, True)
    fail(breaker, 4)
    assert not breaker.is_open


def test_probe_that_was_given_up_makes_room_for_another() -> None:
    clock = Clock()
    breaker = Breaker("x", clock)
    fail(breaker, 5)
    clock.now += 10
    probe = breaker.admit()
    assert probe is not None
    breaker.settle(probe, None)
    assert breaker.is_open
    assert breaker.admit() is not None


def test_request_from_before_it_opened_does_not_close_it() -> None:
    breaker = Breaker("x", Clock())
    early = breaker.admit()
    assert early is not None
    fail(breaker, 5)
    breaker.settle(early, True)
    assert breaker.admit() is None
