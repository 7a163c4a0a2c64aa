"""One call of the demo: what is tried, what must come of it, and what came of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from guard.decide.reasons import Decision


@dataclass(frozen=True)
class Attempt:
    """One call of the story. `decision` and `reason` are what the audit log must say of it, or the demo has failed."""

    name: str
    title: str
    tool: str
    arguments: Mapping[str, Any]
    decision: str
    reason: str


@dataclass(frozen=True)
class AttemptResult:
    """What came of an attempt: what the client saw, and the record of the guard's audit log."""

    attempt: Attempt
    saw: str
    record: Mapping[str, Any] = field(repr=False)

    @property
    def refused(self) -> bool:
        return self.attempt.decision != Decision.ALLOW

    @property
    def answer(self) -> str:
        """What answered, in the words of the audit log; the same on every run."""
        return "answered" if not self.refused else f"{self.attempt.decision} {self.attempt.reason}"

    @property
    def audit_line(self) -> str:
        """The record on one line: its number, what was decided and why, for whom, by which key, and its incident."""
        record = self.record
        parts = [
            f"#{record['sequence']} {' '.join(dict.fromkeys((record['decision'], record['reason'])))}",
            *(str(record[key]) for key in ("principal", "key") if record.get(key)),
            *([f"incident {record['incident']}"] if record.get("incident") else []),
        ]
        return ", ".join(parts)

    def document(self) -> dict[str, Any]:
        attempt, record = self.attempt, self.record
        return {
            "name": attempt.name,
            "tool": attempt.tool,
            "arguments": dict(attempt.arguments),
            "client_saw": self.saw,
            "incident": record.get("incident"),
            "decision": record["decision"],
            "reason": record["reason"],
            "record": record["sequence"],
        }
