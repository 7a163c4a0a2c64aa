"""Text of a stream that waits for its verdict: nothing is sent before what follows it was judged with it.

A piece of a stream is judged with `hold_back` characters before and after it. So whatever an engine finds that is no longer
than that is found before its first character was sent, wherever the provider cut its stream.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import replace

from guard.decide.reasons import Decision
from guard.inspect.inspection import Inspected
from guard.inspect.redaction import redact
from guard.inspect.verdict import EngineFinding, ModelLeg

#: Characters that may wait beside the window, as a finding that is to be cut out has not ended.
MOST_WAITING = 64 * 1024

#: Judges a text of one channel.
Judge = Callable[[str], Awaitable[Inspected]]


class WithheldPiece(Exception):
    """A piece that may not be sent, and the decision on it."""

    def __init__(self, inspected: Inspected, leg: ModelLeg = ModelLeg.ANSWERS) -> None:
        super().__init__(inspected.reason)
        self.inspected = inspected
        self.leg = leg


class HeldText:
    """One channel of one answer, such as its content. `pointer` is where its text stands in what `judge` judges."""

    def __init__(self, hold_back: int, judge: Judge, pointer: str) -> None:
        self._hold_back = hold_back
        self._step = max(64, hold_back // 4)
        self._judge = judge
        self._pointer = pointer
        #: What was sent last, as it arrived, and what waits.
        self._before = ""
        self._waiting: list[str] = []
        self._size = 0
        self._due = hold_back + self._step
        #: Decisions that are worth a record: a finding that policy let pass or cut out.
        self.noted: list[Inspected] = []

    @property
    def holds_text(self) -> bool:
        return self._size > 0

    async def add(self, text: str) -> str:
        """Take in a piece; returns what may be sent. Raises WithheldPiece."""
        self._waiting.append(text)
        self._size += len(text)
        if self._size < self._due:
            return ""
        return await self._release(self._hold_back)

    async def end(self) -> str:
        """What is left, as nothing follows it. Raises WithheldPiece."""
        return await self._release(0) if self._size else ""

    async def _release(self, hold_back: int) -> str:
        waiting = "".join(self._waiting)
        window = self._before + waiting
        inspected = await self._judge(window)
        if not inspected.passed:
            raise WithheldPiece(inspected)
        start, end = len(self._before), len(window) - hold_back
        text = window[start:end]
        if inspected.decision is Decision.REDACT:
            try:
                text, end = _cut(window, start, end, _spanned(inspected, self._pointer))
            except ValueError:
                raise WithheldPiece(replace(inspected, decision=Decision.BLOCK, value=None)) from None
        if inspected.decision is not Decision.ALLOW:
            self.noted.append(inspected)
        self._before = window[max(0, end - self._hold_back) : end]
        self._waiting = [window[end:]]
        self._size = len(window) - end
        self._due = max(self._hold_back, self._size) + self._step
        if self._size > self._hold_back + MOST_WAITING:
            raise WithheldPiece(replace(inspected, decision=Decision.BLOCK, value=None))
        return text


def _spanned(inspected: Inspected, pointer: str) -> list[EngineFinding]:
    covered = {(item.engine, item.finding) for item in inspected.covered}
    return [
        finding
        for verdict in inspected.verdicts
        for finding in verdict.findings
        if finding.pointer == pointer and not finding.advisory and (verdict.engine, finding) not in covered
    ]


def _cut(window: str, start: int, end: int, findings: Sequence[EngineFinding]) -> tuple[str, int]:
    """`window[start:end]` without the findings in it, and where it ends: before a finding that may go on behind it.

    Raises ValueError where a finding begins in what was sent.
    """
    spans = [(finding.span, finding) for finding in findings if finding.span is not None and finding.span[1] > start]
    spans.sort(key=lambda pair: pair[0])
    if spans and spans[0][0][0] < start:
        raise ValueError("a part of a finding was sent already")
    for (first, last), _ in reversed(spans):
        if first < end < last:
            end = first
    inside = [
        replace(finding, pointer="", span=(first - start, last - start))
        for (first, last), finding in spans
        if last <= end
    ]
    cleaned, _ = redact(window[start:end], inside)
    return cleaned, end
