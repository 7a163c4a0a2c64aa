"""Applies waivers: a waived finding stays in the report, and an expired, refused or unused waiver is a finding itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import date
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from model.suggestions import nearest
from plan.findings import Finding
from plan.graph import urn_name
from plan.rules.catalog import WAIVER_EXPIRED, WAIVER_REFUSED, WAIVER_UNUSED
from plan.rules.rule import Key, Rule

if TYPE_CHECKING:
    from model.waivers import Waiver


def apply_waivers(
    findings: Sequence[Finding], waivers: Sequence[Waiver], rules: Sequence[Rule], today: date, *, indexed: bool = True
) -> Iterator[tuple[Finding, Key]]:
    """The findings, those with a waiver marked, and what is wrong with the waivers; each with its key in the manifest.

    Args:
        indexed: the waivers stand in the very file that is judged, so that each one's line can be named.
    """
    by_id = {rule.id: rule for rule in rules}
    in_force: list[tuple[Waiver, Key]] = []
    for index, waiver in enumerate(waivers):
        rule = by_id.get(waiver.rule)
        key: Key = ("waivers", index) if indexed else ("waivers",)
        if rule is not None and not rule.waivable:
            yield _about(WAIVER_REFUSED, f"no waiver can be given for {waiver.rule}"), key
        elif not waiver.holds_on(today):
            yield _about(WAIVER_EXPIRED, f"the waiver of {waiver.rule} ended on {waiver.expires}"), key
        elif rule is None:
            text = f"the waiver of {waiver.rule} names a rule that does not exist"
            yield _about(WAIVER_UNUSED, text, _rule_remedy(waiver.rule, by_id)), key
        elif not any(_covers(waiver, finding) for finding in findings):
            place = "" if waiver.resource == "*" else f" at {waiver.resource}"
            yield _about(WAIVER_UNUSED, f"the waiver of {waiver.rule}{place} matches no finding"), key
        else:
            in_force.append((waiver, key))
    used: set[int] = set()
    for finding in findings:
        number = next(
            (number for number, (waiver_in_force, _) in enumerate(in_force) if _covers(waiver_in_force, finding)), None
        )
        if number is not None:
            used.add(number)
            granted, _ = in_force[number]
            finding = replace(finding, waived=granted.reason, waived_until=granted.expires)
        yield finding, ()
    for number, (waiver, key) in enumerate(in_force):
        if number not in used:
            text = f"the waiver of {waiver.rule} covers only findings that an earlier waiver covers"
            yield _about(WAIVER_UNUSED, text, "remove one of them"), key


def _rule_remedy(name: str, known: Iterable[str]) -> str:
    close = nearest(name, known)
    return f"did you mean {close}?" if close else "correct its rule: `ringwall check --list-rules` shows them"


def _covers(waiver: Waiver, finding: Finding) -> bool:
    """A finding about the whole stack has no resource, so only a waiver for the whole stack covers it."""
    name = urn_name(finding.urn) if finding.urn else ""
    return waiver.rule == finding.rule_id and (waiver.resource == "*" or fnmatchcase(name, waiver.resource))


def _about(rule: Rule, text: str, remedy: str | None = None) -> Finding:
    return Finding(rule.id, rule.severity, "", text, remedy or rule.remedy)
