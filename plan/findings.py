"""Findings: what a check of a plan reports. The checks themselves are in `plan.exposure`, `plan.step_order` and
`plan.rules`."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum


class Severity(StrEnum):
    """How much a finding weighs: an `error` refuses the plan, the others are for the reviewer."""

    ERROR = "error"
    WARNING = "warning"
    INFO = "info"


_WEIGHT = {Severity.ERROR: 0, Severity.WARNING: 1, Severity.INFO: 2}


@dataclass(frozen=True)
class Finding:
    """One broken rule at one resource.

    `rule_id` is stable (reports, waivers and docs name it); `message` says what is wrong, `remedy` what to do.
    `urn` is empty where the whole graph is meant. `file` and `line` (from 1) are where the stack file says it, the file
    as the project names it. A finding that a waiver covers keeps its severity and carries the waiver's reason.
    """

    rule_id: str
    severity: Severity
    urn: str
    message: str
    remedy: str
    file: str | None = None
    line: int | None = None
    waived: str | None = None
    waived_until: str | None = None

    def __str__(self) -> str:
        return f"{self.severity} {self.rule_id}: {self.message}; {self.remedy}"

    @property
    def refuses(self) -> bool:
        """Whether this finding alone refuses the plan."""
        return self.severity is Severity.ERROR and self.waived is None


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings without repetition, errors first, then by rule, resource, text and place: the same on every run."""
    return tuple(sorted(set(findings), key=_order))


def _order(finding: Finding) -> tuple[object, ...]:
    place = (finding.file or "", finding.line or 0)
    return (_WEIGHT[finding.severity], finding.rule_id, finding.urn, finding.message, finding.remedy, *place)
