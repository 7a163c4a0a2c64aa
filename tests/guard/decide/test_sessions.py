"""Sessions and request states give nothing to anyone but the principal they were given to."""

from __future__ import annotations

from guard.decide.reasons import Reason
from guard.decide.sessions import EndedSession, RequestStates, Sessions
from guard.identity.principal import Principal
from tests.support.token_issuer import Clock

KARI, OLA = Principal("person:kari", "person"), Principal("person:ola", "person")
DAY, HOUR = 24 * 3600, 3600


def test_session_is_its_owners_alone() -> None:
    sessions = Sessions(Clock(0))
    assert sessions.bind("s1", KARI)
    assert sessions.holds("s1", KARI)
    assert not sessions.holds("s1", OLA)
    assert not sessions.holds("s2", KARI)
    assert not sessions.bind("s1", OLA)
    assert sessions.holds("s1", KARI)


def test_ended_session_is_unknown_and_its_requests_forgotten() -> None:
    sessions = Sessions(Clock(0))
    sessions.bind("s1", KARI)
    sessions.remember("s1", 1, "context")
    sessions.end("s1")
    sessions.end("s1")
    assert not sessions.holds("s1", KARI)
    assert sessions.context("s1", 1) is None
    assert not sessions.remember("s1", 1, "context")
    assert sessions.bind("s1", OLA)


def test_session_ends_a_day_after_its_last_use() -> None:
    clock = Clock(0)
    sessions = Sessions(clock)
    sessions.bind("s1", KARI)
    clock.now = DAY - 1
    assert sessions.holds("s1", KARI)
    # Another's attempt is no use of it.
    clock.now = 2 * DAY - 2
    assert not sessions.holds("s1", OLA)
    clock.now = 2 * DAY - 1
    assert not sessions.holds("s1", KARI)


def test_an_open_stream_is_no_use_of_its_session() -> None:
    clock = Clock(0)
    sessions = Sessions(clock)
    sessions.bind("s1", KARI)
    clock.now = DAY - 1
    assert sessions.lives("s1", KARI)
    assert not sessions.lives("s1", OLA)
    clock.now = DAY
    assert not sessions.lives("s1", KARI)


def test_room_for_a_session_is_known_before_it_is_opened() -> None:
    clock = Clock(0)
    sessions = Sessions(clock, per_principal=1, most=1)
    assert sessions.has_room(KARI)
    sessions.bind("s1", KARI)
    # One's own least recently used session makes room, another's does not.
    assert sessions.has_room(KARI)
    assert not sessions.has_room(OLA)
    clock.now = DAY
    assert sessions.has_room(OLA)


def test_one_session_too_many_ends_the_owners_least_recently_used() -> None:
    sessions = Sessions(Clock(0), per_principal=2)
    sessions.bind("o", OLA)
    sessions.bind("s1", KARI)
    sessions.bind("s2", KARI)
    sessions.holds("s1", KARI)
    sessions.bind("s3", KARI)
    assert [sessions.holds(session, KARI) for session in ("s1", "s2", "s3")] == [True, False, True]
    assert sessions.holds("o", OLA)


def test_the_server_is_told_once_of_what_its_client_did_not_end() -> None:
    clock = Clock(0)
    sessions = Sessions(clock, per_principal=2)
    for session in ("s1", "s2", "s3"):
        sessions.bind(session, KARI)
    sessions.bind("o", OLA)
    sessions.end("s2")
    clock.now = DAY
    assert not sessions.holds("s3", KARI)
    replaced, expired = Reason.SESSION_REPLACED, Reason.SESSION_EXPIRED
    assert sessions.take_untold(KARI) == [EndedSession("s1", replaced), EndedSession("s3", expired)]
    assert sessions.take_untold(KARI) == []
    # Nobody looked at the other's, which ends where room is made.
    sessions.bind("s4", KARI)
    assert sessions.take_untold(OLA) == [EndedSession("o", expired)]


def test_a_session_that_the_server_gave_away_again_is_not_ended_there() -> None:
    clock = Clock(0)
    sessions = Sessions(clock)
    sessions.bind("s1", KARI)
    clock.now = DAY
    assert sessions.bind("s1", OLA)
    assert sessions.take_untold(KARI) == []
    assert sessions.holds("s1", OLA)


def test_what_principals_who_never_come_back_leave_is_bounded() -> None:
    clock = Clock(0)
    sessions = Sessions(clock, per_principal=2, most=3)
    for day in range(1, 6):
        for number in range(3):
            principal = Principal(f"agent:{day}.{number}", "agent")
            sessions.bind(f"{day}.{number}", principal)
        clock.now = day * DAY
    assert not sessions.holds("5.2", KARI)
    assert len(sessions.untold) <= 3


def test_full_table_binds_nothing_until_something_ended() -> None:
    clock = Clock(0)
    sessions = Sessions(clock, most=1)
    sessions.bind("s1", KARI)
    assert not sessions.bind("s2", OLA)
    assert sessions.holds("s1", KARI)
    clock.now = DAY
    assert sessions.bind("s2", OLA)
    assert len(sessions) == 1


def test_request_ids_of_two_types_are_two_requests() -> None:
    sessions = Sessions(Clock(0))
    sessions.bind("s1", KARI)
    sessions.bind("s2", KARI)
    sessions.remember("s1", 1, "number")
    sessions.remember("s1", "1", "text")
    assert (sessions.context("s1", 1), sessions.context("s1", "1")) == ("number", "text")
    assert sessions.context("s2", 1) is None
    sessions.forget("s1", 1)
    assert (sessions.context("s1", 1), sessions.context("s1", "1")) == (None, "text")


def test_pending_requests_of_a_session_are_bounded() -> None:
    sessions = Sessions(Clock(0))
    sessions.bind("s1", KARI)
    for number in range(300):
        sessions.remember("s1", number, number)
    assert sessions.context("s1", 43) is None
    assert sessions.context("s1", 44) == 44


def test_request_state_is_good_for_its_principal_for_an_hour() -> None:
    clock = Clock(0)
    states = RequestStates(clock)
    assert states.bind("step-2", KARI)
    assert states.holds("step-2", KARI)
    assert not states.holds("step-2", OLA)
    assert not states.holds("step-3", KARI)
    clock.now = HOUR
    assert not states.holds("step-2", KARI)


def test_two_principals_may_be_given_the_same_state() -> None:
    states = RequestStates(Clock(0))
    states.bind("step-2", KARI)
    states.bind("step-2", OLA)
    assert states.holds("step-2", KARI)
    assert states.holds("step-2", OLA)


def test_request_states_are_bounded_and_nobody_pushes_out_anothers() -> None:
    clock = Clock(0)
    states = RequestStates(clock, most=258)
    states.bind("kari", KARI)
    for number in range(300):
        assert states.bind(f"ola-{number}", OLA)
    assert states.holds("kari", KARI)
    assert not states.holds("ola-43", OLA)
    assert states.holds("ola-44", OLA)
    assert len(states) == 257
    assert states.bind("kari-2", KARI)
    assert not states.bind("kari-3", KARI)
    clock.now = HOUR
    assert states.bind("kari-3", KARI)
    assert len(states) == 1
