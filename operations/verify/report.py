"""What a verification found, as rows, JSON and JUnit XML. A check that was skipped never counts as passed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal
from xml.etree import ElementTree

from model.text import visible

Outcome = Literal["pass", "fail", "skipped"]
FAILED = 3
#: Characters of what a peer said that are shown; it is untrusted.
SHOWN = 300


@dataclass(frozen=True)
class Result:
    """What one check came to; `seen` is what was seen, or for `skipped` the reason."""

    outcome: Outcome
    seen: str


def passed(seen: str) -> Result:
    return Result("pass", seen)


def failed(seen: str) -> Result:
    return Result("fail", seen)


def skipped(reason: str) -> Result:
    return Result("skipped", reason)


@dataclass(frozen=True)
class Check:
    """One check done: `on` is the public name or port it was tried on, `seconds` how long it took."""

    id: str
    on: str
    tried: str
    expected: str
    seen: str
    outcome: Outcome
    remedy: str
    seconds: float = 0.0

    @property
    def reason(self) -> str | None:
        """Why it was skipped."""
        return self.seen if self.outcome == "skipped" else None

    def as_json(self) -> dict[str, Any]:
        skip = self.outcome == "skipped"
        return {
            **asdict(self),
            "seen": None if skip else self.seen,
            "reason": self.reason,
            "remedy": self.remedy if self.outcome == "fail" else None,
            "seconds": round(self.seconds, 3),
        }


@dataclass(frozen=True)
class Report:
    """All checks of one stack, in the order they ran. `notes` say what a reader needs to know beside them."""

    stack: str
    checks: tuple[Check, ...]
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

    def rows(self) -> list[list[str]]:
        """Rows of outcome, check, on, expected, seen (for skipped the reason)."""
        return [[check.outcome, check.id, check.on, check.expected, shown(check.seen)] for check in self.checks]

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
        """JUnit XML as CI systems read it: one suite, a case a check; with `strict` a skip is a failure."""
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
                name=_xml(f"{check.id} on {check.on}"),
                time=f"{check.seconds:.3f}",
            )
            text = _xml(f"tried: {check.tried}\nexpected: {check.expected}\nseen: {check.seen}\nremedy: {check.remedy}")
            if check.outcome == "skipped" and not strict:
                ElementTree.SubElement(case, "skipped", message=_xml(check.seen))
            elif check.outcome != "pass":
                ElementTree.SubElement(case, "failure", message=_xml(shown(check.seen))).text = text
        suites = ElementTree.Element("testsuites")
        suites.append(suite)
        ElementTree.indent(suites)
        return '<?xml version="1.0" encoding="utf-8"?>\n' + ElementTree.tostring(suites, encoding="unicode") + "\n"


def shown(text: str) -> str:
    """Untrusted text on one line, control characters visible, of bounded length."""
    line = visible(text)
    return line if len(line) <= SHOWN else f"{line[: SHOWN - 1]}…"


def _xml(text: str) -> str:
    """`text` in the characters that XML 1.0 allows."""
    return "".join(c if c in "\n\t" or 0x20 <= ord(c) < 0xD800 or 0xE000 <= ord(c) < 0xFFFE else "?" for c in text)


def worst(results: Sequence[Result]) -> Result:
    """The first failure, else the first skip, else the first pass."""
    for outcome in ("fail", "skipped", "pass"):
        for result in results:
            if result.outcome == outcome:
                return result
    return skipped("there was nothing to try")
