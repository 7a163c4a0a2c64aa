"""The report of `ringwall diff`: made from two revisions of the repository, and written as files.

How the terminal shows it is in `cli/diff.py`.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from model.stacks import environment_of
from operations.output_file import write_output
from operations.pull_request.programs import RevisionPrograms
from operations.pull_request.revisions import export_working_tree, repository
from plan.diff.compare import Side, compare
from plan.diff.html import render_html
from plan.diff.markdown import render_markdown
from plan.diff.model import DiffReport, document
from plan.diff.pairs import UNPLANNABLE


def report_of(
    root: Path,
    base: str,
    head: str | None,
    *,
    merge_base: bool,
    environment: str | None,
    every_resource: bool,
    program: bool = False,
) -> DiffReport:
    """Compare two revisions of the project in `root`; without `head`, one and the working tree."""
    git = repository(root)
    base_commit = git.commit(base)
    head_commit = git.commit(head) if head is not None else None
    if merge_base:
        base_commit = git.merge_base(base_commit, head_commit or git.commit("HEAD"))
    with tempfile.TemporaryDirectory(prefix="ringwall-diff-") as folder:
        # Resolved: a temporary folder may be reached through a link, and errors are shown relative to it.
        sides = [Path(folder).resolve() / name for name in ("base", "head")]
        for side in sides:
            side.mkdir()
        planned = git.export(base_commit, base, sides[0])
        if head_commit is None:
            planned |= export_working_tree(root, sides[1])
        else:
            planned |= git.export(head_commit, str(head), sides[1])
        unplanned = git.unplanned(base_commit, head_commit or git.commit("HEAD"), planned)
        programs = None
        if program:
            carried = RevisionPrograms.checked_out(
                git, {"base": base_commit, "head": head_commit}, Path(folder).resolve()
            )
            # Where no code changed both plans are made of the same code, and the installed Ringwall's need no trust.
            programs = carried.plan if unplanned or head_commit is None else None
            unplanned = ()
        labels = (f"{base} ({base_commit[:12]})", f"{head} ({head_commit[:12]})" if head_commit else "working tree")
        return compare(
            Side(labels[0], sides[0]),
            Side(labels[1], sides[1]),
            environment=environment,
            unplanned=unplanned,
            every_resource=every_resource,
            programs=programs,
        )


def write_all(report: DiffReport, folder: Path, artifact_url: str | None) -> None:
    """What `ringwall comment` takes: one comment for each environment, and the whole report beside them."""
    unread = {error.stack for error in report.errors if error.stack}
    names = {stack.environment for stack in report.stacks}
    names |= {environment_of(name) for name in unread}
    if not names and report.errors:
        names = {"all"}
    for name in sorted(names):
        write_output(folder / f"{name}.md", render_markdown(report, None if name == "all" else name, artifact_url))
    write_output(folder / "report.json", json.dumps(document(report), indent=2, ensure_ascii=False) + "\n")
    write_output(folder / "report.html", render_html(report))


def breaks_rules(report: DiffReport) -> bool:
    unjudged = any(change.id == UNPLANNABLE["head"] for change in report.changes)
    return unjudged or any(finding.refuses for _, finding in report.findings)
