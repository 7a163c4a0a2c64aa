"""What a check over a plan reports."""

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
    `urn` is empty where the whole graph is meant.
    """

    rule_id: str
    severity: Severity
    urn: str
    message: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.severity} {self.rule_id}: {self.message}; {self.remedy}"


def in_order(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """The findings without repetition, errors first, then by rule, resource and text: the same on every run."""
    unique = set(findings)
    return tuple(sorted(unique, key=lambda f: (_WEIGHT[f.severity], f.rule_id, f.urn, f.message, f.remedy)))
