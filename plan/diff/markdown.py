"""Renders the report as one comment on a pull request. The comment is posted by `operations.pull_request`.

Everything that comes from the files stands inside `code` or `pre` elements, where GitHub makes no mention, reference,
link, image or emoji of it; in `code` all punctuation is written as entities, so that no Markdown is left to parse, and a
`pre` block is literal up to its end tag (CommonMark 0.31, HTML blocks of kind 1).
"""

from __future__ import annotations

import html
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from model.text import counted, visible
from plan.diff.mermaid import render_mermaid
from plan.diff.model import DiffReport, Direction, Grouped, ResourceChange, StackDiff, finding_line, grouped, stand_ins

#: GitHub refuses a body of 65,536 characters; counted here in bytes of UTF-8, which is never fewer.
CAP = 65_000
_RESERVE = 900
_LONGEST_CELL = 400
_LONGEST_LINE = 2_000
_MARKS = {Direction.LOOSENS: "🔴 loosens", Direction.TIGHTENS: "🟢 tightens", Direction.NEUTRAL: "⚪ neutral"}
_URL = re.compile(r"https?://[A-Za-z0-9._~:/?#@!$&*+,;=%-]+")


@dataclass(frozen=True)
class _Section:
    """A part of the comment that is included or left out whole. Low ranks are included first; `label` says what it is where
    left-out parts are counted."""

    place: tuple[int, int]
    rank: tuple[int, ...]
    text: str
    label: str


def marker(environment: str | None) -> str:
    """The hidden first line by which the comment of an environment is found again."""
    return f"<!-- ringwall-diff:{re.sub('[^A-Za-z0-9._-]', '-', environment or 'all')} -->"


def code(text: str) -> str:
    """Text from a file, in one line, as an inline code element that nothing can break out of."""
    shown = visible(text)
    if len(shown) > _LONGEST_CELL:
        shown = f"{shown[:_LONGEST_CELL]}… ({len(shown)} characters)"
    return f"<code>{''.join(c if c.isalnum() or c == ' ' else f'&#{ord(c)};' for c in shown)}</code>"


def pre(lines: Iterable[str]) -> str:
    """Lines from files as a block that is shown as it is."""
    body = "\n".join(html.escape(visible_line(line), quote=True) for line in lines)
    return f"<pre>\n{body}\n</pre>"


def _shortened(line: str) -> str:
    if len(line) <= _LONGEST_LINE:
        return line
    return f"{line[:_LONGEST_LINE]}… ({len(line) - _LONGEST_LINE} more characters: see the whole report)"


def visible_line(text: str) -> str:
    """`visible` that keeps the indentation."""
    return " " * (len(text) - len(text.lstrip(" "))) + visible(text)


def render_markdown(report: DiffReport, environment: str | None = None, artifact_url: str | None = None) -> str:
    """The comment, always below GitHub's limit. What does not fit is left out, lowest risk first, and the comment says so.

    Args:
        environment: only this one, named in the marker and the heading.
        artifact_url: where the whole report is.
    """
    shown = report.only(environment) if environment is not None else report
    groups = grouped(shown.changes)
    head = _head(shown, environment)
    sections = [
        *_errors(shown),
        *_rows(groups),
        *_details(groups),
        *_picture(shown),
        *_stacks(shown.stacks),
        *_findings(shown),
    ]
    budget = CAP - _RESERVE - _size(head) - _size(_TABLE)
    included: list[_Section] = []
    omitted: list[_Section] = []
    for section in sorted(sections, key=lambda s: s.rank):
        cost = _size(section.text) + 1
        # After the first omitted section, no section of less weight is included: what is left out always weighs least.
        if not omitted and cost <= budget:
            included.append(section)
            budget -= cost
        else:
            omitted.append(section)
    parts = [head]
    place = -1
    for section in sorted(included, key=lambda s: s.place):
        if section.place[0] == 1 and place != 1:
            parts.append(_TABLE)
        elif place == 1 and section.place[0] != 1:
            parts.append("")
        place = section.place[0]
        parts.append(section.text)
    return "\n".join([*parts, "", *_left_out(omitted, artifact_url), *_tail(shown, artifact_url, omitted)]) + "\n"


_TABLE = "\n| | Change | Stack |\n|---|---|---|"


def _size(text: str) -> int:
    return len(text.encode("utf-8"))


def _head(report: DiffReport, environment: str | None) -> str:
    counts = report.counts()
    words = ", ".join(f"{counts[d]} {_MARKS[d]}" for d in Direction)
    title = f"Ringwall: {code(environment)}" if environment else "Ringwall"
    lines = [marker(environment), f"### {title}: {words}", "", f"{code(report.base)} → {code(report.head)}"]
    if report.errors:
        subject = counted(len(report.errors), "file or setting", "files or settings")
        lines += ["", f"**Does not load: {subject}**; what depends on it is not compared."]
    elif not report.stacks:
        lines += ["", "Nothing that the stack files declare changes."]
    return "\n".join(lines)


def _errors(report: DiffReport) -> list[_Section]:
    return [
        _Section(
            (0, number),
            (0, number),
            f"\n- {error.side}{f' {code(error.stack)}' if error.stack else ''}: {code(error.message)}",
            "an error",
        )
        for number, error in enumerate(report.errors)
    ]


def _rows(groups: Sequence[Grouped]) -> list[_Section]:
    sections = []
    for number, group in enumerate(groups):
        change = group.change
        stacks = code(group.stacks[0])
        if len(group.stacks) > 1:
            stacks += f" and {len(group.stacks) - 1} more"
        row = f"| {_MARKS[change.direction]} | {code(change.title)} | {stacks} |"
        sections.append(_Section((1, number), (1, number), row, "a change"))
    return sections


def _details(groups: Sequence[Grouped]) -> list[_Section]:
    sections = []
    for number, group in enumerate(groups):
        change = group.change
        lines = list(change.details)
        if len(group.stacks) > 1:
            lines.append(f"in {', '.join(group.stacks)}")
        if not lines:
            continue
        summary = f"{_MARKS[change.direction]}: {code(change.title)}"
        text = f"\n<details><summary>{summary}</summary>\n\n{pre(map(_shortened, lines))}\n\n</details>"
        sections.append(_Section((3, number), (3, number), text, "a change's details"))
    return sections


def _picture(report: DiffReport) -> list[_Section]:
    if not report.changes:
        return []
    text = (
        f"\n<details open><summary>The rings</summary>\n\n```mermaid\n{render_mermaid(report.changes)}```\n\n</details>"
    )
    return [_Section((2, 0), (0, 10**9), text, "the picture")]


def _stacks(stacks: Sequence[StackDiff]) -> list[_Section]:
    """Resources key by key, the stacks with the heaviest changes first."""
    heavy = sorted(stacks, key=lambda s: (*(s.changes[0].order[:2] if s.changes else (9, 0)), s.stack))
    sections, alike = [], stand_ins(stacks)
    for number, stack in enumerate(heavy):
        if not stack.resources:
            continue
        lines = [line for resource in stack.resources for line in resource_lines(resource)]
        if alike_stacks := alike.get(stack.stack):
            lines.append(f"the same resources and keys, with values of their own: {', '.join(alike_stacks)}")
        summary = f"{code(stack.stack)}: {counted(len(stack.resources), 'resource')}, key by key"
        text = f"\n<details><summary>{summary}</summary>\n\n{pre(lines)}\n\n</details>"
        sections.append(_Section((4, number), (5, number), text, "a stack's resources"))
    return sections


def resource_lines(resource: ResourceChange) -> list[str]:
    """One resource and its keys as lines of plain text."""
    lines = [f"{resource.action} {resource.type.rsplit(':', 1)[-1]} {resource.name}"]
    for key in resource.keys:
        before, after = ("none" if value is None else value for value in (key.before, key.after))
        lines.append(f"  {key.path}: {before} → {after}")
    return lines


def _findings(report: DiffReport) -> list[_Section]:
    if not report.findings:
        return []
    lines = [finding_line(stack, finding) for stack, finding in report.findings]
    text = f"\n<details><summary>{counted(len(lines), 'finding')} of the rules</summary>\n\n{pre(lines)}\n\n</details>"
    return [_Section((5, 0), (4, 0), text, "the findings")]


def _left_out(omitted: Sequence[_Section], artifact_url: str | None) -> list[str]:
    if not omitted:
        return []
    counts: dict[str, int] = {}
    for section in omitted:
        counts[section.label] = counts.get(section.label, 0) + 1
    words = ", ".join(f"{counted(count, 'time')} {label}" for label, count in counts.items())
    return [f"**Left out for length, lowest risk first: {words}.** {_pointer(artifact_url)}", ""]


def _pointer(artifact_url: str | None) -> str:
    if artifact_url and _URL.fullmatch(artifact_url) and len(artifact_url) <= 500:
        return f"The whole report: [artifact](<{artifact_url}>)."
    return "The whole report is what `ringwall diff BASE --html FILE` writes; in CI it is the run's artifact."


def _tail(report: DiffReport, artifact_url: str | None, omitted: Sequence[_Section]) -> list[str]:
    lines = (
        [f"_Not planned: {counted(len(report.unplanned), 'changed file')} outside the stack files of this project._"]
        if report.unplanned
        else []
    )
    if artifact_url and not omitted:
        lines.append(_pointer(artifact_url))
    return [
        *lines,
        "<sub>What the files say, planned offline by the installed Ringwall; no account or gateway was asked.</sub>",
    ]
