"""Finds the exceptions of the stack file (`guard.exceptions`) that cover what the engines found in one message part.

An exception ends by the guard's own clock, so that it ends where nobody deploys. What an exception may say is in
`model.finding_exceptions`; what a covered finding changes is decided in `guard.inspect.inspection`.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime

from guard.inspect.verdict import AnyLeg, EngineFinding, Verdict
from model.finding_exceptions import KINDS, FindingException, ModelFindingException, rule_of
from wire.uri_templates import parse_template


@dataclass(frozen=True, slots=True)
class CoveredFinding:
    """A finding of one engine that an exception covers. `rule` is written as in the stack file, `number` is the
    exception's place there. A `trusted` finding does not taint."""

    engine: str
    finding: EngineFinding
    rule: str
    number: int
    trusted: bool


AnyException = FindingException | ModelFindingException
_Numbered = tuple[int, AnyException]


class Exceptions:
    """All exceptions of one configuration. `clock` is in seconds since the epoch."""

    def __init__(self, exceptions: Sequence[AnyException], clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._by_subject: dict[tuple[str, str, str], list[_Numbered]] = defaultdict(list)
        # The exception for one place comes before one for any place, as it says more exactly what to do.
        for number, exception in sorted(enumerate(exceptions), key=lambda pair: pair[1].place is None):
            self._by_subject[exception.leg, exception.kind, exception.name].append((number, exception))
        names = {exception.name for exception in exceptions if exception.kind == "resource" and "{" in exception.name}
        self._templates = [(name, template) for name in sorted(names) if (template := parse_template(name)) is not None]

    def covered(self, leg: AnyLeg, method: str, name: str, verdicts: Iterable[Verdict]) -> tuple[CoveredFinding, ...]:
        """The findings about this tool, prompt or resource that do not count, in the order of the verdicts."""
        today = self._today()
        named = [item for item in self._named(leg, method, name) if item[1].holds_on(today)]
        covered = []
        for engine, finding, rule in _findings(verdicts) if named else ():
            match = _match(named, rule, finding)
            if match is not None:
                number, exception = match
                covered.append(CoveredFinding(engine, finding, rule, number, exception.action == "allow"))
        return tuple(covered)

    def ended(self, leg: AnyLeg, method: str, name: str, verdicts: Iterable[Verdict]) -> str | None:
        """Which exception for one of these findings has ended, in words; None if none has."""
        today = self._today()
        named = [item for item in self._named(leg, method, name) if not item[1].holds_on(today)]
        for _, finding, rule in _findings(verdicts) if named else ():
            match = _match(named, rule, finding)
            if match is not None:
                return f"the exception for {rule} ended on {match[1].expires}"
        return None

    def _named(self, leg: AnyLeg, method: str, name: str) -> list[_Numbered]:
        """The exceptions for what a message of this method names, the more exact first."""
        kind = KINDS.get(method)
        if kind is None or not self._by_subject:
            return []
        named = list(self._by_subject.get((leg.value, kind, name), ()))
        if kind == "resource":
            for text, template in self._templates:
                if text != name and template.match(name) is not None:
                    named += self._by_subject.get((leg.value, kind, text), ())
        return named

    def _today(self) -> date:
        return datetime.fromtimestamp(self._clock(), UTC).date()


def _findings(verdicts: Iterable[Verdict]) -> Iterator[tuple[str, EngineFinding, str]]:
    """Engine, finding and rule of every finding."""
    for verdict in verdicts:
        for finding in verdict.findings:
            yield verdict.engine, finding, rule_of(verdict.engine, finding.rule)


def _match(named: Iterable[_Numbered], rule: str, finding: EngineFinding) -> _Numbered | None:
    return next((item for item in named if item[1].rule == rule and item[1].covers(finding.pointer)), None)
