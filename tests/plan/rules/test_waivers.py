"""Exceptions have a reason and an end, stay in sight, and cannot be had for everything."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from model.errors import InputError, InputErrors, PlanRefused
from model.project import Project, load, open_project
from model.waivers import today_utc
from plan.findings import Finding, Severity
from plan.offline import plan_stack
from plan.preflight import refuse_unsafe
from plan.rules.evaluate import evaluate, subject_of
from tests.support.projects import write_project
from tests.support.time_zones import KIRITIMATI, WEST_OF_HOWLAND

TODAY = date(2026, 11, 23)
#: Breaks guard-write-for-all: an error, and one that can be waived.
WRITING = ("      - to: {agents: [ci]}\n", "      - to: {all: true}\n")


def project(root: Path, *waivers: str, writing: bool = True) -> Project:
    write_project(root)
    file = root / "stacks" / "Pulumi.dev.one.yaml"
    text = file.read_text(encoding="utf-8")
    assert text.count(WRITING[0]) == 1
    if writing:
        text = text.replace(*WRITING)
    if waivers:
        text += "    waivers:\n" + "".join(f"      - {{{waiver}}}\n" for waiver in waivers)
    file.write_text(text, encoding="utf-8")
    return open_project(root)


def waiver(rule: str = "guard-write-for-all", expires: str = "2026-12-31", extra: str = "") -> str:
    return f'rule: {rule}, reason: Trial of two weeks. Ada, expires: "{expires}"{extra}'


def judge(waived_project: Project, today: date = TODAY) -> tuple[Finding, ...]:
    loaded = load(waived_project, "dev.one")
    return evaluate(subject_of(loaded, plan_stack(waived_project, loaded)), today=today, root=waived_project.root)


def test_without_a_waiver_a_writing_tool_for_everyone_refuses_the_deployment(tmp_path: Path) -> None:
    waived_project = project(tmp_path)
    with pytest.raises(PlanRefused, match=r"^guard-write-for-all: .*ticket \(write\) to everyone;.*\.one\.yaml:19\)$"):
        refuse_unsafe(waived_project, load(waived_project, "dev.one"), today=TODAY)


def test_a_waived_finding_keeps_its_weight_stays_in_sight_and_refuses_nothing(tmp_path: Path) -> None:
    waived_project = project(tmp_path, waiver())
    (finding,) = judge(waived_project)
    assert (finding.rule_id, finding.severity) == ("guard-write-for-all", Severity.ERROR)
    assert (finding.waived, finding.waived_until, finding.refuses) == ("Trial of two weeks. Ada", "2026-12-31", False)
    refuse_unsafe(waived_project, load(waived_project, "dev.one"), today=TODAY)


def test_the_last_day_of_a_waiver_is_the_day_in_utc_in_every_time_zone(local_time_zone: Callable[[str], None]) -> None:
    # At any moment one of the two has another date than UTC.
    for zone in (KIRITIMATI, WEST_OF_HOWLAND):
        local_time_zone(zone)
        before = datetime.now(UTC).date()
        assert before <= today_utc() <= datetime.now(UTC).date()


def test_a_waiver_holds_through_its_last_day_and_not_a_day_longer(tmp_path: Path) -> None:
    waived_project = project(tmp_path, waiver(expires="2026-11-23"))
    assert [finding.refuses for finding in judge(waived_project)] == [False]
    late = judge(waived_project, date(2026, 11, 24))
    assert [(finding.rule_id, finding.refuses) for finding in late] == [
        ("guard-write-for-all", True),
        ("waiver-expired", True),
    ]
    assert late[1].message == "the waiver of guard-write-for-all ended on 2026-11-23"
    assert late[1].file == "stacks/Pulumi.dev.one.yaml"
    text = (tmp_path / late[1].file).read_text(encoding="utf-8").splitlines()
    assert text[(late[1].line or 0) - 1].startswith("      - {rule: guard-write-for-all")
    with pytest.raises(PlanRefused, match="waiver-expired"):
        refuse_unsafe(waived_project, load(waived_project, "dev.one"), today=date(2026, 11, 24))


def test_an_expired_waiver_refuses_even_when_nothing_is_left_to_waive(tmp_path: Path) -> None:
    waived_project = project(tmp_path, waiver(expires="2026-01-01"), writing=False)
    assert [(finding.rule_id, finding.refuses) for finding in judge(waived_project)] == [("waiver-expired", True)]


@pytest.mark.parametrize(
    ("entry", "message"),
    [
        (waiver("gateway-retries"), "the waiver of gateway-retries matches no finding"),
        (waiver("gateway-retrys"), "the waiver of gateway-retrys names a rule that does not exist"),
    ],
)
def test_a_waiver_that_waives_nothing_is_a_warning(tmp_path: Path, entry: str, message: str) -> None:
    (finding,) = judge(project(tmp_path, entry, writing=False))
    assert (finding.rule_id, finding.severity, finding.message) == ("waiver-unused", Severity.WARNING, message)


def test_a_second_waiver_of_the_same_finding_is_seen_as_one_too_many(tmp_path: Path) -> None:
    reported = judge(project(tmp_path, waiver(), waiver(expires="2027-06-30")))
    assert [(finding.rule_id, finding.waived_until) for finding in reported] == [
        ("guard-write-for-all", "2026-12-31"),
        ("waiver-unused", None),
    ]
    text = (tmp_path / "stacks" / "Pulumi.dev.one.yaml").read_text(encoding="utf-8").splitlines()
    assert "2027-06-30" in text[(reported[1].line or 0) - 1]


@pytest.mark.parametrize(("pattern", "waived"), [("one-*", True), ("one-guard", True), ("two-*", False)])
def test_a_waiver_covers_the_resources_it_names_alone(tmp_path: Path, pattern: str, waived: bool) -> None:
    reported = judge(project(tmp_path, waiver(extra=f', resource: "{pattern}"')))
    by_rule = {finding.rule_id: finding for finding in reported}
    assert (by_rule["guard-write-for-all"].waived is not None) is waived
    assert ("waiver-unused" in by_rule) is not waived


@pytest.mark.parametrize(
    "rule", ["exposure-order", "secret-in-clear", "edge-policy-bypass", "waiver-expired", "rule-failed"]
)
def test_no_waiver_can_be_given_for_what_keeps_the_promise(tmp_path: Path, rule: str) -> None:
    (finding,) = judge(project(tmp_path, waiver(rule), writing=False))
    assert (finding.rule_id, finding.refuses) == ("waiver-refused", True)
    assert finding.message == f"no waiver can be given for {rule}"


def test_an_environments_waiver_does_not_reach_into_its_servers(tmp_path: Path) -> None:
    waived_project = project(tmp_path)
    file = tmp_path / "stacks" / "Pulumi.dev.yaml"
    text = file.read_text(encoding="utf-8") + f"    waivers:\n      - {{{waiver()}}}\n"
    file.write_text(text, encoding="utf-8")
    assert [finding.refuses for finding in judge(waived_project)] == [True]


def test_a_waiver_changes_nothing_that_is_deployed(tmp_path: Path) -> None:
    plain, waived = project(tmp_path / "plain"), project(tmp_path / "waived", waiver())
    file = tmp_path / "waived" / "stacks" / "Pulumi.dev.yaml"
    text = file.read_text(encoding="utf-8") + f"    waivers:\n      - {{{waiver()}}}\n"
    file.write_text(text, encoding="utf-8")
    for stack in ("dev", "dev.one"):
        graphs = [plan_stack(waived_project, load(waived_project, stack)) for waived_project in (plain, waived)]
        assert graphs[0] == graphs[1]


@pytest.mark.parametrize(
    ("entry", "problem"),
    [
        ('rule: a-b, reason: Because of it, expires: "2026-13-01"', "is no day that exists"),
        ('rule: a-b, reason: Because of it, expires: "soon"', "must be a day"),
        ('rule: a-b, reason: because, expires: "2026-12-01"', "says too little"),
        ('rule: a-b, expires: "2026-12-01"', "a required key is missing"),
        ("rule: a-b, reason: Because of it", "a required key is missing"),
        ("rule: a-b, reason: Because of it, expires: 2026-12-01", "an unquoted date"),
        ('rule: all, reason: Because of it, expires: "2026-12-01"', "must be a rule's id"),
    ],
)
def test_a_waiver_without_rule_reason_or_end_is_refused_with_its_line(tmp_path: Path, entry: str, problem: str) -> None:
    with pytest.raises((InputError, InputErrors), match=problem):
        load(project(tmp_path, entry, writing=False), "dev.one")
