"""One call of the demo: what is tried, what must come of it, and what came of it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from guard.decide.reasons import Decision
from model.text import counted


@dataclass(frozen=True)
class Attempt:
    """One call of the story. `decision` and `reason` are what the audit log must say of it, or the demo has failed."""

    name: str
    title: str
    tool: str
    arguments: Mapping[str, Any]
    decision: str
    reason: str

    @property
    def call(self) -> str:
        arguments = ", ".join(f"{name}={value!r}" for name, value in self.arguments.items())
        return f"{self.tool}({arguments})"

    @property
    def subject(self) -> dict[str, Any]:
        """What is asked for, as data."""
        return {"tool": self.tool, "arguments": dict(self.arguments)}


@dataclass(frozen=True)
class ModelAttempt:
    """One request to a model, as `Attempt` is one call of a tool. `tool_result` follows the message, as if it were what a
    tool answered to the model's call."""

    name: str
    title: str
    model: str
    message: str
    decision: str
    reason: str
    tool_result: str | None = None

    @property
    def call(self) -> str:
        # The orders themselves are left out: a guard stops whoever reads a page with this story.
        answer = "" if self.tool_result is None else " A tool's answer with orders is beside it."
        return f"{self.model}: {self.message}{answer}"

    @property
    def subject(self) -> dict[str, Any]:
        """What is asked for, as data."""
        return {"model": self.model, "message": self.message, "tool_result": self.tool_result}


@dataclass(frozen=True)
class AttemptResult:
    """What came of an attempt: what the client saw, and the record of the guard's audit log."""

    attempt: Attempt | ModelAttempt
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
        """The record on one line: its number, what was decided and why, for whom, by which key, the tokens, the incident."""
        record = self.record
        parts = [
            f"#{record['sequence']} {' '.join(dict.fromkeys((record['decision'], record['reason'])))}",
            *(str(record[key]) for key in ("principal", "key") if record.get(key)),
            *([counted(record["tokens"], "token")] if record.get("usage") else []),
            *([f"incident {record['incident']}"] if record.get("incident") else []),
        ]
        return ", ".join(parts)

    def document(self) -> dict[str, Any]:
        attempt, record = self.attempt, self.record
        return {
            "name": attempt.name,
            **attempt.subject,
            "client_saw": self.saw,
            "incident": record.get("incident"),
            "decision": record["decision"],
            "reason": record["reason"],
            "record": record["sequence"],
        }


def decisions(log: Path) -> list[dict[str, Any]]:
    """The decisions in an audit log, in order."""
    lines = log.read_text(encoding="utf-8").splitlines()
    return [record for record in map(json.loads, lines) if record.get("kind") == "decision"]
