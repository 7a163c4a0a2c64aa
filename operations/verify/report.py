"""The report of a verification as rows, JSON and JUnit XML. A skipped check never counts as passed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal
from xml.etree import ElementTree

from model.text import visible

Outcome = Literal["pass", "fail", "skipped"]
FAILED = 3
#: Most characters that are shown of a peer's answer, which is untrusted.
SHOWN = 300


@dataclass(frozen=True)
class ProbeResult:
    """The outcome of one probe. `observed` says how the server answered, or for `skipped` the reason; `remedy` replaces that
    of the probe where the answer itself names the cause."""

    outcome: Outcome
    observed: str
    remedy: str | None = None


def passed(observed: str) -> ProbeResult:
    return ProbeResult("pass", observed)


def failed(observed: str, remedy: str | None = None) -> ProbeResult:
    return ProbeResult("fail", observed, remedy)


def skipped(reason: str, remedy: str | None = None) -> ProbeResult:
    return ProbeResult("skipped", reason, remedy)


@dataclass(frozen=True)
class ProbeRecord:
    """One probe that was run: `target` is the public name or host it was run against, `seconds` its duration. A failure has
    a remedy, and so has a skip that somebody can do something about."""

    id: str
    target: str
    tried: str
    expected: str
    observed: str
    outcome: Outcome
    remedy: str | None
    seconds: float = 0.0

    @property
    def reason(self) -> str | None:
        """Why it was skipped."""
        return self.observed if self.outcome == "skipped" else None

    def as_json(self) -> dict[str, Any]:
        return {
            "id": self.id,
            "on": self.target,
            "tried": self.tried,
            "expected": self.expected,
            "seen": None if self.outcome == "skipped" else self.observed,
            "outcome": self.outcome,
            "remedy": self.remedy,
            "seconds": round(self.seconds, 3),
            "reason": self.reason,
        }


@dataclass(frozen=True)
class VerificationReport:
    """All checks of one stack, in the order they ran. `notes` state limits of the whole run."""

    stack: str
    checks: tuple[ProbeRecord, ...]
    notes: tuple[str, ...] = ()

    def count(self, outcome: Outcome) -> int:
        return Counter(check.outcome for check in self.checks)[outcome]

    @property
    def summary(self) -> str:
        return f"{self.count('pass')} passed, {self.count('fail')} failed, {self.count('skipped')} skipped"

    def exit_code(self, *, strict: bool) -> int:
        """0, or 3: a check failed, or with `strict` one was skipped, or nothing passed at all."""
        bad = self.count("fail") or not self.count("pass") or (strict and self.count("skipped"))
        return FAILED if bad else 0

    @property
    def tried(self) -> tuple[ProbeRecord, ...]:
        return tuple(check for check in self.checks if check.outcome != "skipped")

    def rows(self) -> list[list[str]]:
        """Make rows of outcome, check, target and observed answer of what was tried."""
        return [[check.outcome, check.id, check.target, shown(check.observed)] for check in self.tried]

    def skips(self) -> dict[tuple[str, str | None], tuple[ProbeRecord, ...]]:
        """Group what was skipped by reason and remedy, in the order of the checks: one silent name skips them all."""
        groups: dict[tuple[str, str | None], tuple[ProbeRecord, ...]] = {}
        for check in self.checks:
            if check.outcome == "skipped":
                key = shown(check.observed), check.remedy
                groups[key] = (*groups.get(key, ()), check)
        return groups

    def as_json(self) -> dict[str, Any]:
        return {
            "version": 1,
            "stack": self.stack,
            "passed": self.count("pass"),
            "failed": self.count("fail"),
            "skipped": self.count("skipped"),
            "notes": list(self.notes),
            "checks": [check.as_json() for check in self.checks],
        }

    def junit(self, *, strict: bool = False) -> str:
        """Write JUnit XML for CI systems: one suite with a case for each check; with `strict` a skip is a failure."""
        cases = self.checks
        failures = self.count("fail") + (self.count("skipped") if strict else 0)
        suite = ElementTree.Element(
            "testsuite",
            name=f"ringwall verify {self.stack}",
            tests=str(len(cases)),
            failures=str(failures),
            errors="0",
            skipped=str(0 if strict else self.count("skipped")),
            time=f"{sum(check.seconds for check in cases):.3f}",
        )
        for check in cases:
            case = ElementTree.SubElement(
                suite,
                "testcase",
                classname=_xml(f"{self.stack}.{check.id.split('.')[0]}"),
                name=_xml(f"{check.id} on {check.target}"),
                time=f"{check.seconds:.3f}",
            )
            text = _xml(
                f"tried: {check.tried}\nexpected: {check.expected}\nseen: {check.observed}\n"
                f"remedy: {check.remedy or 'none'}"
            )
            if check.outcome == "skipped" and not strict:
                ElementTree.SubElement(case, "skipped", message=_xml(check.observed))
            elif check.outcome != "pass":
                ElementTree.SubElement(case, "failure", message=_xml(shown(check.observed))).text = text
        suites = ElementTree.Element("testsuites")
        suites.append(suite)
        ElementTree.indent(suites)
        return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(suites, encoding="unicode") + "\n"


def shown(text: str) -> str:
    """Write untrusted text on one line, with visible control characters and of bounded length."""
    line = visible(text)
    return line if len(line) <= SHOWN else f"{line[: SHOWN - 1]}…"


def _xml(text: str) -> str:
    """`text` in the characters that XML 1.0 allows."""
    return "".join(c if c in "\n\t" or 0x20 <= ord(c) < 0xD800 or 0xE000 <= ord(c) < 0xFFFE else "?" for c in text)


def worst(results: Sequence[ProbeResult]) -> ProbeResult:
    """The first failure, else the first skip, else the first pass."""
    for outcome in ("fail", "skipped", "pass"):
        for result in results:
            if result.outcome == outcome:
                return result
    return skipped("there was nothing to try")
