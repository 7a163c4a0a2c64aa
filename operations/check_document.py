"""What `check` found, written for machines and people: the line of a finding, the JSON documents and SARIF."""

from __future__ import annotations

from importlib.metadata import metadata
from pathlib import Path
from typing import Any

from model.errors import InputError
from model.project import Project
from operations.check import Checked
from plan.findings import Finding
from plan.rules.base_revision import top_level
from plan.rules.rule import Rule
from plan.rules.sarif import to_sarif


def finding_line(stack: str, finding: Finding) -> str:
    place = f" ({finding.file}:{finding.line})" if finding.file and finding.line else ""
    if finding.waived is None:
        return f"{finding.severity}: {stack}: {finding.rule_id}: {finding.message}; {finding.remedy}{place}"
    waiver = f"waived until {finding.waived_until}: {finding.waived}"
    return f"waived {finding.severity}: {stack}: {finding.rule_id}: {finding.message}; {waiver}{place}"


def document(checked: Checked) -> dict[str, Any]:
    rows = [
        {
            "stack": stack,
            "rule": finding.rule_id,
            "severity": finding.severity,
            "urn": finding.urn,
            "message": finding.message,
            "remedy": finding.remedy,
            "file": finding.file,
            "line": finding.line,
            "waived": {"reason": finding.waived, "until": finding.waived_until} if finding.waived else None,
        }
        for stack, finding in checked.findings
    ]
    base = {"revision": checked.base.revision, "commit": checked.base.commit} if checked.base else None
    ignored = dict(sorted(checked.ignored_waivers.items()))
    return {"version": 1, "stacks": checked.stacks, "findings": rows, "base": base, "waivers_not_in_force": ignored}


def write_sarif(project: Project, checked: Checked, file: Path | None) -> None:
    about = metadata("ringwall")
    urls = dict(entry.split(", ", 1) for entry in about.get_all("Project-URL") or [])
    docs = urls.get("Documentation")
    top = top_level(project.root)
    inside = project.root.resolve().relative_to(top).as_posix() if top is not None else "."
    text = to_sarif(
        checked.findings,
        checked.rules,
        version=about["Version"],
        docs=docs.rstrip("/") if docs else None,
        prefix="" if inside == "." else f"{inside}/",
    )
    if file is None:
        print(text, end="")
        return
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise InputError(f"cannot be written ({error.strerror})", file=file, remedy="name another file") from None


def rule_document(rule: Rule) -> dict[str, Any]:
    return {
        "id": rule.id,
        "severity": rule.severity,
        "outside_production": rule.outside_production,
        "reason": rule.reason,
        "remedy": rule.remedy,
        "source": rule.source,
        "waivable": rule.waivable,
        "custom": rule.custom,
    }
