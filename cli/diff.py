from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Optional

import typer
from rich.text import Text

from cli import console, state
from cli.options import AsJson, Debug, ProjectDir
from cli.project import current_project
from model.errors import InputError
from model.stacks import environment_of
from operations.pull_request.programs import RevisionPrograms
from operations.pull_request.revisions import export_working_tree, repository
from plan.diff.compare import Side, compare
from plan.diff.html import render_html
from plan.diff.markdown import render_markdown
from plan.diff.model import Direction, Report, document, finding_line, grouped, stand_ins
from plan.diff.pairs import UNPLANNABLE

_FAIL_ON = ("loosens", "errors")


def diff(
    base: Annotated[str, typer.Argument(metavar="BASE", help="Git revision to compare with, such as origin/main.")],
    head: Annotated[
        Optional[str],  # noqa: UP045 - Typer reads it at run time
        typer.Argument(metavar="HEAD", help="Git revision to look at; else the working tree.", show_default=False),
    ] = None,
    merge_base: Annotated[
        bool,
        typer.Option("--merge-base", help="Compare with the commit where HEAD left BASE, as a pull request does."),
    ] = False,
    environment: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--environment", help="Only this environment, or this zone stack.", show_default=False),
    ] = None,
    markdown: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--markdown",
            metavar="FILE",
            help="Write a comment for a pull request; - is standard output.",
            show_default=False,
        ),
    ] = None,
    html: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--html", metavar="FILE", help="Write a self-contained page.", show_default=False),
    ] = None,
    output: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(
            "--output",
            metavar="DIR",
            help="Write ENV.md for each environment that changes, report.json and report.html into an empty folder.",
            show_default=False,
        ),
    ] = None,
    artifact_url: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--artifact-url", help="Where the whole report is, for the comment.", show_default=False),
    ] = None,
    fail_on: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(
            "--fail-on",
            metavar="WHAT",
            help="Exit with 3 when something loosens (loosens), or when the head breaks a rule (errors) that no waiver "
            "of both revisions excepts.",
            show_default=False,
        ),
    ] = None,
    every_resource: Annotated[
        bool,
        typer.Option(
            "--every-resource", help="Plan every changed server, where one would stand for many that changed alike."
        ),
    ] = False,
    program: Annotated[
        bool,
        typer.Option(
            "--program",
            help="Where code changed, plan each revision by its own copy of the program. It is run: only for code "
            "you trust.",
        ),
    ] = False,
    project: ProjectDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Show what a change of the stack files means: who gains which tool, what loosens, what is replaced.

    Offline and without secrets: the installed Ringwall reads both revisions' files as data and runs none of their code,
    unless --program says so.
    Every change loosens, tightens or is neutral; neutral only where that is proven. It compares files, not the cloud:
    `ringwall preview` asks the engine.

    Exit code 2 when files of a revision do not load (the rest is shown), 3 by --fail-on.
    """
    wanted = [part for option in fail_on or [] for part in option.split(",") if part]
    for part in wanted:
        if part not in _FAIL_ON:
            raise InputError(f"--fail-on knows no {part}", remedy=f"use {' or '.join(_FAIL_ON)}")
    if output is not None and output.is_dir() and any(output.iterdir()):
        raise InputError("is not empty, and an earlier report would pass for this one", file=output, remedy="empty it")
    to_stdout = markdown == "-"
    if to_stdout and state.json:
        raise InputError("--json and --markdown - both want standard output", remedy="write one of them to a file")
    with console.working(f"comparing {base} with {head or 'the working tree'}"):
        report = report_of(
            base,
            head,
            merge_base=merge_base,
            environment=environment,
            # One plan may not stand for many where its findings decide: rules look at names and grants too.
            every_resource=every_resource or "errors" in wanted,
            program=program,
        )
    if markdown is not None:
        text = render_markdown(report, environment, artifact_url)
        if to_stdout:
            print(text, end="")
        else:
            _write(Path(markdown), text)
    if html is not None:
        _write(html, render_html(report))
    if output is not None:
        _write_all(report, output, artifact_url)
    if state.json:
        console.print_json(document(report))
    elif not to_stdout:
        show(report)
    if report.errors:
        raise typer.Exit(2)
    if ("loosens" in wanted and report.loosens) or ("errors" in wanted and _breaks_rules(report)):
        raise typer.Exit(3)


def report_of(
    base: str,
    head: str | None,
    *,
    merge_base: bool,
    environment: str | None,
    every_resource: bool,
    program: bool = False,
) -> Report:
    """Compare two revisions of the current project (or one and the working tree)."""
    root = current_project().root
    git = repository(root)
    one = git.commit(base)
    other = git.commit(head) if head is not None else None
    if merge_base:
        one = git.merge_base(one, other or git.commit("HEAD"))
    with tempfile.TemporaryDirectory(prefix="ringwall-diff-") as folder:
        # Resolved: a temporary folder may be reached through a link, and errors are shown relative to it.
        sides = [Path(folder).resolve() / name for name in ("base", "head")]
        for side in sides:
            side.mkdir()
        planned = git.export(one, base, sides[0])
        if other is None:
            planned |= export_working_tree(root, sides[1])
        else:
            planned |= git.export(other, str(head), sides[1])
        unplanned = git.unplanned(one, other or git.commit("HEAD"), planned)
        programs = None
        if program:
            carried = RevisionPrograms.checked_out(git, {"base": one, "head": other}, Path(folder).resolve())
            # Where no code changed both plans are made of the same code, and the installed Ringwall's need no trust.
            programs = carried.plan if unplanned or other is None else None
            unplanned = ()
        labels = (f"{base} ({one[:12]})", f"{head} ({other[:12]})" if other else "working tree")
        return compare(
            Side(labels[0], sides[0]),
            Side(labels[1], sides[1]),
            environment=environment,
            unplanned=unplanned,
            every_resource=every_resource,
            programs=programs,
        )


def _write_all(report: Report, folder: Path, artifact_url: str | None) -> None:
    """What `ringwall comment` takes: one comment for each environment, and the whole report beside them."""
    unread = {error.stack for error in report.errors if error.stack}
    names = {stack.environment for stack in report.stacks}
    names |= {environment_of(name) for name in unread}
    if not names and report.errors:
        names = {"all"}
    for name in sorted(names):
        _write(folder / f"{name}.md", render_markdown(report, None if name == "all" else name, artifact_url))
    _write(folder / "report.json", json.dumps(document(report), indent=2, ensure_ascii=False) + "\n")
    _write(folder / "report.html", render_html(report))


def _breaks_rules(report: Report) -> bool:
    unjudged = any(change.id == UNPLANNABLE["head"] for change in report.changes)
    return unjudged or any(finding.refuses for _, finding in report.findings)


def _write(file: Path, text: str) -> None:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        temporary = file.with_name(f".{file.name}.{os.getpid()}")
        temporary.write_text(text, encoding="utf-8")
        temporary.replace(file)
    except OSError as error:
        raise InputError(f"cannot be written ({error.strerror})", file=file, remedy="name another file") from None


def show(report: Report) -> None:
    """The report on a terminal: errors, then every change by risk, then resources key by key."""
    console.say(f"{report.base} → {report.head}: what the stack files say; nothing real was asked")
    for error in report.errors:
        place = f"{error.side}{f', {error.stack}' if error.stack else ''}"
        console.note(f"error: {place}: {error.message}")
    counts = report.counts()
    console.say(", ".join(f"{count} {direction}" for direction, count in counts.items()))
    colours = {Direction.LOOSENS: "bold red", Direction.TIGHTENS: "green", Direction.NEUTRAL: "dim"}
    out = console.stdout()
    for group in grouped(report.changes):
        one = group.change
        line = Text(f"{one.direction:<8} ", style=colours[one.direction])
        where = (
            group.stacks[0] if len(group.stacks) == 1 else f"{group.stacks[0]} and {len(group.stacks) - 1} more stacks"
        )
        line.append(f"{where}: {one.title}", style="")
        out.print(line)
        for detail in one.details:
            out.print(Text(f"           {detail}", style="dim"))
        if len(group.stacks) > 1:
            out.print(Text(f"           in {_some(group.stacks)}", style="dim"))
    _show_resources(report)
    for stack, finding in report.findings:
        console.say(finding_line(stack, finding))
    for note in report.notes:
        console.note(f"note: {note}")


def _show_resources(report: Report) -> None:
    out = console.stdout()
    likes = stand_ins(report.stacks)
    for stack in report.stacks:
        if not stack.resources:
            continue
        console.say(f"\n{stack.stack}: {len(stack.resources)} resources")
        for resource in stack.resources:
            out.print(Text(f"  {resource.action:<8} {resource.type.rsplit(':', 1)[-1]} {resource.name}"))
            for key in resource.keys:
                before, after = ("none" if value is None else value for value in (key.before, key.after))
                out.print(Text(f"             {key.path}: {before} → {after}"))
        if others := likes.get(stack.stack):
            console.say(f"  the same resources and keys, with values of their own: {_some(others)}")


def _some(stacks: Sequence[str]) -> str:
    """The first names; --json, --html and --markdown have them all."""
    more = f" and {len(stacks) - 8} more" if len(stacks) > 8 else ""
    return ", ".join(stacks[:8]) + more
