"""One decision as the audit log holds it, and how it is written as JSON. Chaining and signing: `guard.audit.chain`.

A record holds no payload unless the configuration asks for payloads, and then redacted text. Texts that come from outside
(names, references) are cut to a maximum length, and the record says so: a client must not be able to fill the disk with
one long name.
"""

from __future__ import annotations

import functools
from collections.abc import Mapping
from dataclasses import field
from datetime import UTC, datetime
from typing import Any

from guard.decide.reasons import Decision
from guard.inspect.verdict import EngineFinding, Verdict
from model.finding_exceptions import rule_of
from model.value_types import value_type

VERSION = 1
#: Characters kept of a name, principal or reference, and of a payload.
MAX_TEXT = 1024
MAX_PAYLOAD = 1024 * 1024
#: Findings kept of one engine's verdict; `more_findings` counts the rest.
MAX_FINDINGS = 100
#: Members whose texts come from outside, in every record.
_OUTER = ("method", "name", "principal", "request_id")


@value_type(kw_only=True)
class AuditRecord:
    """One decision. The log adds version, kind, sequence, time, server, previous and hash.

    `bundle` is the SHA-256 of the configuration in force. `session` is a prefix of the session id's SHA-256. `reason` is
    a short stable code such as not_granted or no_verdict. `key` is the key of the stack file that decided; `exceptions` are
    the rules whose findings exceptions of that file let pass; `problem` says what was wrong where no engine's finding does,
    without any value of the message. `incident` is the incident id that the caller was given; `repeats` counts
    further refusals under the same id, which have no records of their own (`guard.audit.repeats`).
    `limit` is the limit that was reached: its key in the stack file, what it allows, what is used, when it is over.
    `content_sha256` is the digest of the inspected content, `payload` that content as redacted text. `milliseconds` is
    the time the guard itself took. `uninspected` counts bytes that no engine could look into, by media type. `identity` has
    the id of the token that tells the server who calls, and of the key that signs it. `usage` is what an answer of a model
    used, as its provider counts it.
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
    engines: tuple[Verdict, ...] = ()
    content_sha256: str | None = None
    request_bytes: int | None = None
    response_bytes: int | None = None
    tokens: int | None = None
    limit: Mapping[str, Any] | None = None
    milliseconds: float | None = None
    payload: str | None = None
    key: str | None = None
    exceptions: tuple[str, ...] = ()
    problem: str | None = None
    repeats: int | None = None
    uninspected: Mapping[str, int] = field(default_factory=dict)
    identity: Mapping[str, str] | None = None
    usage: Mapping[str, Any] | None = None

    def summary(self) -> str:
        """What the guard's own log says of a message that was stopped: the first finding, the key, the caller."""
        finding = next(
            (
                f" {rule_of(verdict.engine, finding.rule)} at {finding.pointer or 'no place'}"
                for verdict in self.engines
                for finding in verdict.findings
                if rule_of(verdict.engine, finding.rule) not in self.exceptions
            ),
            "",
        ) + (f" {self.problem}" if self.problem else "")
        subject = " ".join(filter(None, (self.method, (self.name or "")[:256], f"({self.leg})" if self.leg else "")))
        decided = f", decided by {self.key}" if self.key else ""
        return f"{self.decision} {subject}: {self.reason}{finding}{decided}; {self.principal}, incident {self.incident}"

    def as_json(self) -> dict[str, Any]:
        """The record's members. `key`, `exceptions`, `identity`, `problem`, `repeats`, `uninspected_bytes`, `limit`, `usage`
        and `payload` are there only if they say something, `payload_cut` (the payload's length) only if it was cut."""
        members: dict[str, Any] = {
            "bundle": self.bundle,
            "content_sha256": self.content_sha256,
            "decision": str(self.decision),
            "engines": [_engine(verdict) for verdict in self.engines],
            "incident": self.incident,
            "leg": self.leg,
            "method": self.method,
            "milliseconds": _number(self.milliseconds),
            "name": self.name,
            "principal": self.principal,
            "reason": self.reason,
            "request_bytes": self.request_bytes,
            "request_id": self.request_id,
            "response_bytes": self.response_bytes,
            "session": self.session,
            "tokens": self.tokens,
        }
        for name in _OUTER:
            if isinstance(text := members[name], str) and len(text) > MAX_TEXT:
                members[name] = _short(text)
        if self.key is not None:
            members["key"] = self.key
        if self.exceptions:
            members["exceptions"] = list(self.exceptions)
        if self.identity is not None:
            members["identity"] = dict(self.identity)
        if self.problem is not None:
            members["problem"] = _short(self.problem)
        if self.repeats is not None:
            members["repeats"] = self.repeats
        if self.uninspected:
            members["uninspected_bytes"] = dict(sorted(self.uninspected.items()))
        if self.limit is not None:
            members["limit"] = {name: _short(v) if isinstance(v, str) else v for name, v in self.limit.items()}
        if self.usage is not None:
            members["usage"] = dict(self.usage)
        if self.payload is not None:
            members["payload"] = self.payload[:MAX_PAYLOAD]
            if len(self.payload) > MAX_PAYLOAD:
                members["payload_cut"] = len(self.payload)
        return members


def _engine(verdict: Verdict) -> dict[str, Any]:
    members: dict[str, Any] = {
        "engine": verdict.engine,
        "error": verdict.error and _short(verdict.error),
        "findings": [_finding(finding) for finding in verdict.findings[:MAX_FINDINGS]] if verdict.findings else [],
        "milliseconds": _number(verdict.milliseconds),
        "outcome": str(verdict.outcome),
        "reference": verdict.reference and _short(verdict.reference),
    }
    if len(verdict.findings) > MAX_FINDINGS:
        members["more_findings"] = len(verdict.findings) - MAX_FINDINGS
    return members


def _finding(finding: EngineFinding) -> dict[str, Any]:
    return {
        "category": str(finding.category),
        "pointer": _short(finding.pointer),
        "rule": _short(finding.rule),
    }


def _short(text: str | None) -> str | None:
    """`text`, or its beginning and how many characters are missing."""
    if text is None or len(text) <= MAX_TEXT:
        return text
    return f"{text[:MAX_TEXT]}…+{len(text) - MAX_TEXT}"


def _number(value: float | None) -> float | None:
    """Rounded to microseconds; a whole number becomes an integer, as canonical JSON writes it."""
    if value is None:
        return None
    rounded = round(value, 3)
    return int(rounded) if rounded.is_integer() else rounded


def timestamp(unix_time: float) -> str:
    """RFC 3339, UTC, microseconds."""
    second = int(unix_time)
    return f"{_second(second)}.{min(int((unix_time - second) * 1_000_000), 999_999):06d}Z"


@functools.lru_cache(maxsize=4)
def _second(second: int) -> str:
    return datetime.fromtimestamp(second, UTC).strftime("%Y-%m-%dT%H:%M:%S")
