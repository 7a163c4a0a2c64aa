"""`ringwall diff`: compares two revisions of the stack files, and shows and writes the report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import typer
from rich.text import Text

from cli import console, invocation
from cli.paragraphs import folded
from cli.project import current_project
from model.errors import InputError
from model.text import counted, printable
from operations.output_file import write_output
from operations.pull_request.reports import breaks_rules, report_of, write_all
from plan.diff.html import render_html
from plan.diff.markdown import render_markdown
from plan.diff.model import DiffReport, Direction, document, finding_line, grouped, stand_ins

_FAIL_ON = ("loosens", "errors")


def diff(
    base: str,
    *,
    head: str | None,
    merge_base: bool,
    environment: str | None,
    markdown: str | None,
    html: Path | None,
    output: Path | None,
    artifact_url: str | None,
    fail_on: list[str] | None,
    every_resource: bool,
    program: bool,
) -> None:
    """What `ringwall diff` does; its flags and help are in `cli.flags.diff`."""
    failures = [part for option in fail_on or [] for part in option.split(",") if part]
    for part in failures:
        if part not in _FAIL_ON:
            raise InputError(f"--fail-on knows no {part}", remedy=f"use {' or '.join(_FAIL_ON)}")
    if output is not None and output.is_dir() and any(output.iterdir()):
        raise InputError("is not empty, and an earlier report would pass for this one", file=output, remedy="empty it")
    to_stdout = markdown == "-"
    if to_stdout and invocation.current().json:
        raise InputError("--json and --markdown - both want standard output", remedy="write one of them to a file")
    with console.working(f"comparing {base} with {head or 'the working tree'}"):
        report = report_of(
            current_project().root,
            base,
            head,
            merge_base=merge_base,
            environment=environment,
            # One plan may not stand for many where its findings decide: rules look at names and grants too.
            every_resource=every_resource or "errors" in failures,
            program=program,
        )
    if markdown is not None:
        text = render_markdown(report, environment, artifact_url)
        if to_stdout:
            print(text, end="")
        else:
            write_output(Path(markdown), text)
    if html is not None:
        write_output(html, render_html(report))
    if output is not None:
        write_all(report, output, artifact_url)
    if invocation.current().json:
        console.print_json(document(report))
    elif not to_stdout:
        show(report)
    if report.errors:
        raise typer.Exit(2)
    if ("loosens" in failures and report.loosens) or ("errors" in failures and breaks_rules(report)):
        raise typer.Exit(3)


def show(report: DiffReport) -> None:
    """The report on a terminal: errors, then every change by risk, then resources key by key."""
    console.say(folded(f"{report.base} → {report.head}: what the stack files say; nothing real was asked"))
    for error in report.errors:
        place = f"{error.side}{f', {error.stack}' if error.stack else ''}"
        console.note(f"error: {place}: {error.message}")
    counts = report.counts()
    console.say(", ".join(f"{count} {direction}" for direction, count in counts.items()))
    colours = {Direction.LOOSENS: "bold red", Direction.TIGHTENS: "green", Direction.NEUTRAL: "dim"}
    out = console.stdout()
    for group in grouped(report.changes):
        change = group.change
        direction = f"{change.direction:<8} "
        place = (
            group.stacks[0] if len(group.stacks) == 1 else f"{group.stacks[0]} and {len(group.stacks) - 1} more stacks"
        )
        line = Text(folded(f"{direction}{place}: {change.title}"))
        line.stylize(colours[change.direction], 0, len(direction))
        out.print(line)
        details = [*change.details, *([f"in {_first_names(group.stacks)}"] if len(group.stacks) > 1 else [])]
        for detail in details:
            out.print(Text(folded(detail, " " * 11), style="dim"))
    _show_resources(report)
    for stack, finding in report.findings:
        console.say_coloured(folded(finding_line(stack, finding)))
    for note in report.notes:
        console.note(f"note: {note}")


def _show_resources(report: DiffReport) -> None:
    out = console.stdout()
    likes = stand_ins(report.stacks)
    for stack in report.stacks:
        if not stack.resources:
            continue
        console.say(f"\n{stack.stack}: {counted(len(stack.resources), 'resource')}")
        for resource in stack.resources:
            out.print(Text(f"  {resource.action:<8} {resource.type.rsplit(':', 1)[-1]} {printable(resource.name)}"))
            for key in resource.keys:
                before, after = ("none" if value is None else printable(value) for value in (key.before, key.after))
                out.print(Text(folded(f"{printable(key.path)}: {before} → {after}", " " * 13)))
        if alike := likes.get(stack.stack):
            console.say(f"  the same resources and keys, with values of their own: {_first_names(alike)}")


def _first_names(stacks: Sequence[str]) -> str:
    """The first names; --json, --html and --markdown have them all."""
    ending = f" and {len(stacks) - 8} more" if len(stacks) > 8 else ""
    return ", ".join(stacks[:8]) + ending
