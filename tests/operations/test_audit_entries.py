"""An operator reads what decided, where, and how to let just that pass; nothing of it can rewrite the screen."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from pathlib import Path
from typing import Any

import pytest

from guard.audit.reader import instant
from guard.decide.reasons import Reason
from guard.inspect.verdict import Category
from model.finding_exceptions import FindingException, ModelFindingException
from model.loader import parse
from operations.audit_entries import entry, line, way_out
from operations.audit_words import reason_words
from tests.support.time_zones import KATHMANDU, KIRITIMATI, NEW_YORK

TODAY = date(2026, 11, 26)


def record(*findings: tuple[str, str], engine: str = "embedded", **members: Any) -> dict[str, Any]:
    found = [{"category": "injection", "rule": rule, "pointer": pointer} for rule, pointer in findings]
    engines = [{"engine": engine, "outcome": "block", "error": None, "findings": found}] if findings else []
    return {
        "kind": "decision",
        "time": "2026-11-26T01:17:02.684582Z",
        "sequence": 9,
        "server": "dev.desk",
        "method": "tools/call",
        "name": "search",
        "leg": "results",
        "decision": "block",
        "reason": "injection",
        "key": "guard.legs.results",
        "principal": "person:ada",
        "incident": "9a4c05fa4d8d882d",
        "engines": engines,
        **members,
    }


def pasted(text: list[str]) -> list[Any]:
    """The exceptions as they are pasted below `ringwall:server` or `ringwall:model`."""
    first = text.index("    guard:")
    value: Any = parse("\n".join(text[first : text.index("", first)]), Path("Pulumi.dev.desk.yaml")).value
    return list(value["guard"]["exceptions"])


def exceptions(text: list[str]) -> list[FindingException]:
    return [FindingException.model_validate(item) for item in pasted(text)]


#: The time of `record` on this machine's clock.
LOCAL = datetime.fromisoformat("2026-11-26T01:17:02Z").astimezone().isoformat(sep=" ")


def test_an_entry_says_when_what_who_and_why_within_80_columns() -> None:
    shown = entry(record(("injection.override", "/content/0/text")))
    assert shown == [
        f"{LOCAL} block search by person:ada",
        "    incident 9a4c05fa4d8d882d, tools/call (results), record 9",
        "    injection: The text tries to steer a model.",
        "    injection.override at /content/0/text",
        "    decided by guard.legs.results",
    ]
    assert line(record()).count("\n") == 0
    assert line(record(("pii.card", "/a"))).endswith("pii.card at /a  decided by guard.legs.results")


@pytest.mark.parametrize(
    ("zone", "shown"),
    [
        ("UTC", ("2026-11-01 05:30:00+00:00", "2026-11-01 06:30:00+00:00")),
        # That night New York has the hour from one to two twice.
        (NEW_YORK, ("2026-11-01 01:30:00-04:00", "2026-11-01 01:30:00-05:00")),
        (KATHMANDU, ("2026-11-01 11:15:00+05:45", "2026-11-01 12:15:00+05:45")),
        (KIRITIMATI, ("2026-11-01 19:30:00+14:00", "2026-11-01 20:30:00+14:00")),
    ],
)
def test_a_time_that_is_shown_is_that_time_wherever_it_is_given_back(
    zone: str, shown: tuple[str, str], local_time_zone: Callable[[str], None]
) -> None:
    local_time_zone(zone)
    for time, expected in zip(("2026-11-01T05:30:00.250000Z", "2026-11-01T06:30:00.250000Z"), shown, strict=True):
        first = entry(record(time=time))[0]
        assert first == f"{expected} block search by person:ada"
        assert instant(expected) == time.replace("250000", "000000")


@pytest.mark.parametrize("time", ["0001-01-01T00:00:00Z", "9999-12-31T23:59:59Z", "noon", None])
def test_a_time_that_this_clock_cannot_show_is_shown_as_it_was_written(
    time: str | None, local_time_zone: Callable[[str], None]
) -> None:
    for zone in (KIRITIMATI, NEW_YORK):
        local_time_zone(zone)
        assert entry(record(time=time))[0].endswith(" block search by person:ada")


def test_an_entry_of_a_limit_names_its_numbers_and_one_that_counts_says_how_many() -> None:
    limit = {"limit": "limits.requests_per_minute", "most": 60, "used": 60, "retryAfterSeconds": 3}
    members: dict[str, Any] = {
        "decision": "refuse",
        "reason": "rate_limited",
        "key": "limits.requests_per_minute",
        "leg": None,
    }
    assert entry(record(**members, limit=limit, repeats=190))[2:] == [
        "    rate_limited: A limit of the principal, the tool, the server or the model",
        "    route is reached.",
        "    limit limits.requests_per_minute: 60 allowed, 60 used, again in 3 s",
        "    190 more within a second, without records of their own",
    ]


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("access_expired", "Access token: Its time is over."),
        ("bearer_wrong_audience", "Bearer token: It is for another application or server."),
        ("withheld_1", "1 definition of the list withheld."),
        ("origin_503", "The server refused with HTTP 503."),
        ("of_another_version", ""),
    ],
)
def test_a_reason_is_said_in_words(reason: str, words: str) -> None:
    assert reason_words(reason) == words
    assert all(reason_words(known) for known in (*Reason, *Category))


def test_hidden_characters_in_names_and_places_are_shown() -> None:
    evil = "x\u202ey\x1b[2J\n \U0001f600\U000e0041"
    changed = record(("pii.card", f"/{evil}"), name=evil)
    for text in [*entry(changed), *way_out(changed, TODAY)]:
        assert text.isprintable(), text
    (excepted,) = exceptions(way_out(record(("pii.card", "/a"), name=evil), TODAY))
    assert excepted.name == evil


def test_each_rule_that_blocked_gets_the_exception_that_lets_just_this_pass() -> None:
    found = (
        ("injection.override", "/content/0/text"),
        ("pii.card", "/content/0/text"),
        ("pii.card", "/content/1/text"),
    )
    first, second, third = exceptions(way_out(record(*found, exceptions=["pii.iban"]), TODAY))
    assert (first.tool, first.leg, first.rule, first.place, first.action) == (
        "search",
        "results",
        "injection.override",
        "/content/0/text",
        "flag",
    )
    assert (second.rule, third.place, first.expires) == ("pii.card", "/content/1/text", "2026-12-26")
    assert "9a4c05fa4d8d882d" in first.reason


def test_an_address_names_the_narrower_way_for_pages_of_the_own_machine() -> None:
    def ways(*findings: tuple[str, str]) -> list[str]:
        return [line for line in way_out(record(*findings, leg="arguments"), TODAY) if "lock approve" in line]

    assert ways(("url.forbidden", "/arguments/url")) == [
        "    ringwall lock approve dev.desk --parameter search:/url=local_url"
    ]
    assert ways(("url.forbidden", "/arguments/tabs/0/url"), ("url.forbidden", "/arguments/tabs/1/url")) == [
        "    ringwall lock approve dev.desk --parameter 'search:/tabs/*/url=local_url'"
    ]
    assert ways(("url.forbidden", "/arguments/url"), ("url.metadata", "/arguments/url")) == []
    assert ways(("url.forbidden", "/name")) == []


def test_an_exception_for_an_address_says_that_it_lets_any_address_pass_there() -> None:
    def advice(rule: str, leg: str) -> str:
        return " ".join(" ".join(way_out(record((rule, "/arguments/url"), leg=leg), TODAY)).split())

    wide = "Any address passes there then, also one of the guard's own network."
    assert wide in advice("url.forbidden", "arguments")
    assert "and the tool's schema names the argument" in advice("url.forbidden", "arguments")
    assert wide not in advice("pii.card", "arguments")
    assert wide not in advice("url.forbidden", "results")


def test_what_a_model_was_stopped_for_gets_an_exception_of_its_route() -> None:
    members = {"method": "chat/completions", "name": "small", "leg": "tool_results"}
    text = way_out(record(("injection.override", "/messages/2/content"), **members), TODAY)
    assert "below ringwall:model in Pulumi.dev.desk.yaml" in " ".join(text)
    (excepted,) = map(ModelFindingException.model_validate, pasted(text))
    assert (excepted.model, excepted.leg, excepted.place) == ("small", "tool_results", "/messages/2/content")


def test_what_a_model_used_is_said_in_words() -> None:
    usage = {"input": 1, "output": 12, "cost": "0.0003", "estimated": True}
    shown = entry(record(method="chat/completions", decision="allow", reason="allow", key=None, usage=usage))
    assert shown[-1] == "    used 1 token in and 12 out, estimated as the provider did not say, at 0.0003"


def test_what_an_exception_lets_pass_already_needs_no_second_one() -> None:
    found = (("injection.override", "/a"), ("pii.card", "/b"))
    (excepted,) = exceptions(way_out(record(*found, exceptions=["injection.override"]), TODAY))
    assert excepted.rule == "pii.card"


def test_a_rule_that_matched_in_many_places_gets_one_exception_for_all() -> None:
    found = [("pii.card", f"/content/{number}/text") for number in range(40)]
    (excepted,) = exceptions(way_out(record(*found), TODAY))
    assert excepted.place is None


@pytest.mark.parametrize("pointer", ["/a\x1bb", f"/{'x' * 1023}…+7", ""])
def test_a_place_that_no_exception_can_spell_is_left_out(pointer: str) -> None:
    (excepted,) = exceptions(way_out(record(("pii.card", pointer)), TODAY))
    assert excepted.place is None


def test_a_vendors_finding_is_named_with_its_engine_and_has_no_place() -> None:
    (excepted,) = exceptions(way_out(record(("pii/email", ""), engine="lakera"), TODAY))
    assert (excepted.rule, excepted.place) == ("lakera.pii/email", None)


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"reason": "no_verdict"}, "Nothing passes without a verdict"),
        ({"reason": "unreadable"}, "media_types of search"),
        ({"reason": "not_granted", "leg": None, "decision": "refuse"}, "Name it in a grant"),
        ({"reason": "not_in_lock", "leg": None, "decision": "refuse"}, "ringwall lock approve dev.desk"),
        ({"reason": "lock_mismatch", "leg": None, "decision": "refuse"}, "ringwall lock diff dev.desk"),
        ({"reason": "arguments", "leg": None, "decision": "refuse"}, "the schema is the server's own"),
        (
            {"reason": "rate_limited", "key": "limits.concurrency", "decision": "refuse"},
            "Raise limits.concurrency in Pulumi.dev.desk.yaml",
        ),
        (
            {"reason": "foreign_origin", "key": "cors.origins", "decision": "refuse", "leg": None},
            "cors.origins in Pulumi.dev",
        ),
        ({"reason": "taint"}, "guard.taint.outbound_call: ask"),
    ],
)
def test_what_no_exception_lets_pass_names_what_does(members: dict[str, Any], words: str) -> None:
    assert words in " ".join(text.strip() for text in way_out(record(**members), TODAY))


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (record(("hidden.tags", "/a")), "No exception can be given: hidden.tags lets through text"),
        (record(("pii.card", "/a"), leg="server_requests"), "none holds for server_requests of tools/call"),
        (record(("pii.card", "/a"), method="answer", leg="arguments"), "none holds for arguments of answer"),
        (record(("poisoning.loot", "/a"), leg="definitions", method="tools/list"), "ringwall lock approve dev.desk"),
    ],
)
def test_where_no_exception_is_to_be_had_that_is_said(changed: dict[str, Any], words: str) -> None:
    assert words in " ".join(text.strip() for text in way_out(changed, TODAY))


def test_what_was_not_stopped_has_no_way_out() -> None:
    assert way_out(record(("pii.card", "/a"), decision="flag", exceptions=["pii.card"]), TODAY) == []
    assert way_out({"kind": "open", "time": "t", "sequence": 1}, TODAY) == []
