"""What the audit log may keep of an inspected text, where the stack file has it kept (`guard.audit_payloads`)."""

from __future__ import annotations

from guard.inspect.inspection import Inspected
from guard.inspect.redaction import redact
from guard.inspect.verdict import Category
from wire.json import dump


def payload_of(inspected: Inspected) -> str | None:
    """The content as text without its secrets and personal data; None where they cannot be cut out for certain."""
    findings = [
        finding
        for verdict in inspected.verdicts
        for finding in verdict.findings
        if finding.category in (Category.SECRET, Category.PERSONAL_DATA)
    ]
    if not findings:
        return inspected.document
    try:
        cleaned, _ = redact(inspected.source, findings)
    except ValueError:
        return None
    return dump(cleaned).decode()
