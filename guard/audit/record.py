"""One decision as the audit log holds it, and how it is written as JSON.

No payload text stands in a record unless the caller asks for it, already redacted. What comes from outside (names,
references) is cut to a length, and the cut is written down: a client must not be able to fill the disk by a long name.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from guard.decide.reasons import Decision
from guard.inspect.verdict import Verdict

VERSION = 1
#: Characters kept of a name, principal or reference, and of a payload.
MAX_TEXT = 1024
MAX_PAYLOAD = 1024 * 1024
#: Findings kept of one engine's verdict; `more_findings` counts the rest.
MAX_FINDINGS = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class EngineNote:
    """What one engine answered, without any text it looked at. `findings` are (category, rule, JSON pointer)."""

    engine: str
    outcome: str
    reference: str | None = None
    milliseconds: float = 0.0
    error: str | None = None
    findings: tuple[tuple[str, str, str], ...] = ()

    @classmethod
    def of(cls, verdict: Verdict) -> EngineNote:
        return cls(
            engine=verdict.engine,
            outcome=verdict.outcome.value,
            reference=verdict.reference,
            milliseconds=verdict.milliseconds,
            error=verdict.error,
            findings=tuple((found.category.value, found.rule, found.pointer) for found in verdict.findings),
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One decision. The log adds version, kind, sequence, time, server, previous and hash.

    `bundle` is the SHA-256 of the configuration in force, `session` a prefix of the session id's, `reason` a short
    stable code such as not_granted or no_verdict, `incident` what the caller was told. `content_sha256` is of the
    inspected content, `payload` that content as text, redacted. `milliseconds` is the time the guard itself took.
    """

    method: str
    decision: Decision
    reason: str
    bundle: str | None = None
    principal: str | None = None
    session: str | None = None
    request_id: str | int | None = None
    leg: str | None = None
    name: str | None = None
    incident: str | None = None
    engines: tuple[EngineNote, ...] = ()
    content_sha256: str | None = None
    request_bytes: int | None = None
    response_bytes: int | None = None
    tokens: int | None = None
    milliseconds: float | None = None
    payload: str | None = None

    def as_json(self) -> dict[str, Any]:
        """The record's members; `payload` only if there is one, `payload_cut` (its whole length) only if it was cut."""
        members: dict[str, Any] = {
            "bundle": self.bundle,
            "content_sha256": self.content_sha256,
            "decision": self.decision.value,
            "engines": [_engine(note) for note in self.engines],
            "incident": self.incident,
            "leg": self.leg,
            "method": _short(self.method),
            "milliseconds": _number(self.milliseconds),
            "name": _short(self.name),
            "principal": _short(self.principal),
            "reason": self.reason,
            "request_bytes": self.request_bytes,
            "request_id": _short(self.request_id) if isinstance(self.request_id, str) else self.request_id,
            "response_bytes": self.response_bytes,
            "session": self.session,
            "tokens": self.tokens,
        }
        if self.payload is not None:
            members["payload"] = self.payload[:MAX_PAYLOAD]
            if len(self.payload) > MAX_PAYLOAD:
                members["payload_cut"] = len(self.payload)
        return members


def _engine(note: EngineNote) -> dict[str, Any]:
    members: dict[str, Any] = {
        "engine": note.engine,
        "error": _short(note.error),
        "findings": _findings(note.findings[:MAX_FINDINGS]),
        "milliseconds": _number(note.milliseconds),
        "outcome": note.outcome,
        "reference": _short(note.reference),
    }
    if len(note.findings) > MAX_FINDINGS:
        members["more_findings"] = len(note.findings) - MAX_FINDINGS
    return members


def _findings(found: Iterable[tuple[str, str, str]]) -> list[dict[str, Any]]:
    return [
        {"category": category, "pointer": _short(pointer), "rule": _short(rule)} for category, rule, pointer in found
    ]


def _short(text: str | None) -> str | None:
    """`text`, or its beginning and how many characters are missing."""
    if text is None or len(text) <= MAX_TEXT:
        return text
    return f"{text[:MAX_TEXT]}…+{len(text) - MAX_TEXT}"


def _number(value: float | None) -> float | None:
    """Rounded to microseconds; whole numbers as integers, as `model.canonical.canonical_json` has them."""
    if value is None:
        return None
    rounded = round(value, 3)
    return int(rounded) if rounded.is_integer() else rounded
