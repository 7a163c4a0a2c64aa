"""Findings as SARIF 2.1.0 (OASIS), the form in which code hosts show them beside the lines of a pull request.

Deterministic: no times, no absolute paths, everything sorted. Waived findings are results with a suppression, so that a
reader sees the exception and its reason instead of nothing.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from posixpath import normpath
from typing import Any, Final
from urllib.parse import quote

from plan.findings import Finding, Severity
from plan.graph import urn_name
from plan.rules.rule import Rule

SCHEMA: Final = "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
#: SARIF's word for each severity.
LEVELS: Final = {Severity.ERROR: "error", Severity.WARNING: "warning", Severity.INFO: "note"}


def to_sarif(
    findings: Sequence[tuple[str, Finding]], rules: Sequence[Rule], *, version: str, docs: str | None, prefix: str = ""
) -> str:
    """One SARIF log of one run.

    Args:
        findings: stack and finding; every finding's rule is among `rules`.
        version: of Ringwall.
        docs: address of the folder docs, without a / at the end. SARIF takes absolute addresses only, so
            without one rules carry their help as text alone.
        prefix: the project's folder inside the repository, with a / at its end: code hosts count from its top.
    """
    listed = sorted(rules, key=lambda rule: rule.id)
    index = {rule.id: number for number, rule in enumerate(listed)}
    driver = {
        "name": "ringwall",
        "semanticVersion": version,
        "rules": [_rule(rule, docs) for rule in listed],
    }
    run = {
        "tool": {"driver": driver},
        "automationDetails": {"id": "ringwall-check/"},
        "columnKind": "unicodeCodePoints",
        "results": [_result(stack, finding, index, prefix) for stack, finding in findings],
    }
    return json.dumps({"$schema": SCHEMA, "version": "2.1.0", "runs": [run]}, indent=2, ensure_ascii=False) + "\n"


def _rule(rule: Rule, docs: str | None) -> dict[str, Any]:
    source = f"\n\nSource: {rule.source}" if rule.source else ""
    text = f"{rule.reason}\n\nRemedy: {rule.remedy}{source}"
    descriptor: dict[str, Any] = {
        "id": rule.id,
        "name": "".join(part.capitalize() for part in rule.id.split("-")),
        "shortDescription": {"text": rule.reason},
        "help": {"text": text},
        "defaultConfiguration": {"level": LEVELS[rule.severity]},
        "properties": {"tags": ["security"], "waivable": rule.waivable, "custom": rule.custom},
    }
    if docs and not rule.custom:
        descriptor["helpUri"] = f"{docs}/reference/rules.md#{rule.id}"
    return descriptor


def _result(stack: str, finding: Finding, index: dict[str, int], prefix: str) -> dict[str, Any]:
    location: dict[str, Any] = {}
    if finding.file is not None:
        place: dict[str, Any] = {"artifactLocation": {"uri": _uri(prefix + finding.file), "uriBaseId": "%SRCROOT%"}}
        if finding.line is not None:
            place["region"] = {"startLine": finding.line}
        location["physicalLocation"] = place
    logical = {"name": stack, "fullyQualifiedName": stack, "kind": "module"}
    if finding.urn:
        logical = {"name": urn_name(finding.urn), "fullyQualifiedName": finding.urn, "kind": "resource"}
    location["logicalLocations"] = [logical]
    identity = json.dumps([stack, finding.rule_id, finding.urn, finding.message], ensure_ascii=False)
    result: dict[str, Any] = {
        "ruleId": finding.rule_id,
        "ruleIndex": index[finding.rule_id],
        "level": LEVELS[finding.severity],
        "message": {"text": f"{stack}: {finding.message}; {finding.remedy}"},
        "locations": [location],
        "partialFingerprints": {"ringwall/v1": hashlib.sha256(identity.encode()).hexdigest()},
        # Written for every result: a log in which some have it and some have not reads as if nobody had looked.
        "suppressions": [],
    }
    if finding.waived is not None:
        result["suppressions"] = [
            {
                "kind": "inSource",
                "status": "accepted",
                "justification": f"{finding.waived} (until {finding.waived_until})",
            }
        ]
    return result


def _uri(path: str) -> str:
    # Stack files may stand beside the project's folder (`stackConfigDir: ../stacks`); code hosts match names as written.
    return quote(normpath(path), safe="/")
