"""What the rules found in one item so far, within its bounds: so many findings, and so much time."""

from __future__ import annotations

import time
from collections import defaultdict

from guard.engines.decoding import OverBounds
from guard.engines.joined_text import JoinedText
from guard.engines.rules.rule import DetectionRule, Settled
from guard.inspect.verdict import EngineFinding, Leg
from model.masking import SECRET

#: Findings of one item at most. One more is added without a place, so that nothing is passed on half redacted.
MAX_FINDINGS = 1000
#: After TURN seconds of work, a pause of PAUSE seconds lets other threads run. RE2 releases the interpreter's lock for each
#: match and takes it back before a waiting thread has woken, so without a pause the event loop starved (run: 280 ms).
TURN, PAUSE = 0.005, 0.0001
LATE = "not read to its end before the deadline"


class Matches:
    """The findings of one item so far, and how often each matched value stands in each string of the original reading."""

    def __init__(self, deadline: float, leg: Leg) -> None:
        self.deadline = deadline
        self.leg = leg
        self._turn_ends = time.monotonic() + TURN
        self.findings: list[EngineFinding] = []
        self.values: dict[tuple[str, str, str], int] = defaultdict(int)
        self.known: set[tuple[str, str]] = set()
        self.quotes: dict[tuple[str, str, bool], str] | None = None
        self.mentioned: set[tuple[str, str]] = set()
        #: Rules by pointer whose matches, as they stand, are no order in their context.
        self.excused: set[tuple[str, str]] = set()

    def add(self, rule: DetectionRule, pointer: str, span: tuple[int, int] | None) -> None:
        full = len(self.findings) >= MAX_FINDINGS
        self.known.add((rule.id, pointer))
        self.findings.append(EngineFinding(rule.category, rule.id, pointer, None if full else span, rule.confidence))
        if full:
            raise OverBounds

    def mention(self, rule: DetectionRule, pointer: str) -> None:
        """Note what stops nothing: a phrase that a document quotes, which may still be meant elsewhere, or an advisory
        rule."""
        if (rule.id, pointer) not in self.mentioned and len(self.findings) < MAX_FINDINGS:
            self.mentioned.add((rule.id, pointer))
            self.findings.append(EngineFinding(rule.category, rule.id, pointer, None, rule.confidence, advisory=True))

    def settled_at(self, pointer: str) -> Settled:
        """Tells of a rule whether what it finds at the pointer is known: each string has a finding of a rule once, and one
        that stops nothing, but for what may have to be cut out wherever it stands."""

        def settled(rule: DetectionRule) -> bool:
            known = self.mentioned if rule.advisory else self.known
            return (rule.id, pointer) in known and not rule.redactable

        return settled

    def steers(self, pointer: str) -> bool:
        """Whether something that stops was found at the pointer that is to steer a model."""
        return any(
            finding.pointer == pointer and finding.untrusted and not finding.advisory for finding in self.findings
        )

    def quote(self, rule: DetectionRule, joined_text: JoinedText, start: int, end: int, *, advisory: bool) -> None:
        """Keep the words of a match for whoever asked for an explanation."""
        if self.quotes is not None:
            pointer = joined_text.place(start, end)[0].pointer
            words = SECRET if rule.redactable else joined_text.quote(start, end)
            self.quotes.setdefault((rule.id, pointer, advisory), words)

    def in_time(self) -> None:
        moment = time.monotonic()
        if moment > self.deadline:
            raise OverBounds(LATE)
        if moment > self._turn_ends:
            time.sleep(PAUSE)
            self._turn_ends = time.monotonic() + TURN
