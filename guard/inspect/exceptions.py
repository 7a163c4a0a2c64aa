"""Finds the exceptions of the stack file (`guard.exceptions`) that cover what the engines found in one message part.

An exception ends by the guard's own clock, so that it ends where nobody deploys. What an exception may say is in
`model.finding_exceptions`; what a covered finding changes is decided in `guard.inspect.inspection`.
"""

from __future__ import annotations

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime

from guard.decide.resource_uris import parse_template
from guard.inspect.verdict import EngineFinding, Leg, Verdict
from model.finding_exceptions import KINDS, FindingException, rule_of


@dataclass(frozen=True, slots=True)
class CoveredFinding:
    """A finding of one engine that an exception covers. `rule` is written as in the stack file, `number` is the
    exception's place there. A `trusted` finding does not taint."""

    engine: str
    finding: EngineFinding
    rule: str
    number: int
    trusted: bool


class Exceptions:
    """All exceptions of one configuration. `clock` is in seconds since the epoch."""

    def __init__(self, exceptions: Sequence[FindingException], clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._by_subject: dict[tuple[str, str, str], list[tuple[int, FindingException]]] = defaultdict(list)
        # The exception for one place comes before one for any place, as it says more exactly what to do.
        for number, exception in sorted(enumerate(exceptions), key=lambda pair: pair[1].place is None):
            self._by_subject[exception.leg, exception.kind, exception.name].append((number, exception))
        names = {exception.name for exception in exceptions if exception.resource and "{" in exception.resource}
        self._templates = [(name, template) for name in sorted(names) if (template := parse_template(name)) is not None]

    def covered(self, leg: Leg, method: str, name: str, verdicts: Iterable[Verdict]) -> tuple[CoveredFinding, ...]:
        """The findings about this tool, prompt or resource that do not count, in the order of the verdicts."""
        kind = KINDS.get(method)
        if not self._by_subject or kind is None:
            return ()
        candidates = self._in_force(leg, kind, name)
        if not candidates:
            return ()
        covered = []
        for verdict in verdicts:
            for finding in verdict.findings:
                rule = rule_of(verdict.engine, finding.rule)
                for number, exception in candidates:
                    if exception.rule == rule and exception.covers(finding.pointer):
                        trusted = exception.action == "allow"
                        covered.append(CoveredFinding(verdict.engine, finding, rule, number, trusted))
                        break
        return tuple(covered)

    def _in_force(self, leg: Leg, kind: str, name: str) -> list[tuple[int, FindingException]]:
        named = list(self._by_subject.get((leg.value, kind, name), ()))
        if kind == "resource":
            for text, template in self._templates:
                if text != name and template.match(name) is not None:
                    named += self._by_subject.get((leg.value, kind, text), ())
        if not named:
            return []
        today = datetime.fromtimestamp(self._clock(), UTC).date()
        return [(number, exception) for number, exception in named if exception.holds_on(today)]
