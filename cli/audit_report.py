"""Shows what the verification of an audit log proved, and what it could not."""

from __future__ import annotations

from cli import console
from guard.audit.chain import AuditReport
from model.text import counted, visible


def show_report(report: AuditReport) -> None:
    """The verification for people; what was not checked is a warning."""
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
    else:
        console.note("warning: signatures were not checked; give the guard's public key with --public-key")
    if report.anchors:
        older = f", {report.anchors_older} are older than the kept files" if report.anchors_older else ""
        console.say(f"in the chain: {report.anchors_found} of {counted(report.anchors, 'anchored head')}{older}")
    else:
        console.note(
            "warning: root on the guard's host could have rewritten all of it; give anchored heads with --anchors"
        )
