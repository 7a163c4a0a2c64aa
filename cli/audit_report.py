"""Shows what the verification of an audit log proved, and what it could not."""

from __future__ import annotations

from collections.abc import Sequence

from cli import console
from guard.audit.chain import AuditReport
from model.text import counted, visible


def show_report(report: AuditReport) -> None:
    """The verification of one log for people."""
    if report.broken is not None:
        console.say(f"BROKEN {visible(str(report.broken))}")
        if report.records:
            console.say(f"before it, {counted(report.records, 'record')}, unbroken, to number {report.last_sequence}")
        return
    console.say(
        f"{visible(report.server or '')}: {counted(report.records, 'record')} in "
        f"{counted(len(report.files), 'file')}, unbroken, "
        f"{report.first_sequence} to {report.last_sequence} ({visible(report.last_time or '')})"
    )
    if report.recovered:
        console.say(f"set aside after a crash: {counted(report.recovered, 'incomplete record')}")
    if report.signatures_checked:
        console.say(
            f"signed and good: {counted(report.heads, 'head')}; not signed: {counted(report.unsigned, 'record')} after it"
        )
    if report.anchors:
        older = f", {report.anchors_older} are older than the kept files" if report.anchors_older else ""
        console.say(f"in the chain: {report.anchors_found} of {counted(report.anchors, 'anchored head')}{older}")


def warn_of_unproven(reports: Sequence[AuditReport]) -> None:
    """Say what was not checked of the logs that are sound."""
    sound = [report for report in reports if report.ok]
    if any(not report.signatures_checked for report in sound):
        console.note("warning: signatures were not checked; give the guard's public key with --public-key")
    if any(not report.anchors for report in sound):
        console.note(
            "warning: root on the guard's host could have rewritten all of it; give anchored heads with --anchors"
        )
