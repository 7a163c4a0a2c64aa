"""The outcome of each server, as a table for the terminal and for the page of the documentation."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from model.text import visible

PAGE = Path(__file__).resolve().parents[2] / "docs" / "explain" / "real-servers.md"
#: What stands on the page around the table.
BEGIN, END = "<!-- table -->\n", "<!-- end of the table -->\n"


@dataclass
class Row:
    """One server's outcome. Counts are `same/all`."""

    server: str
    version: str
    onboard: bool = False
    stable: bool | None = None
    tools: str = ""
    lists: bool | None = None
    calls: str = ""
    #: The protocol versions in which lists and calls were compared.
    versions: list[str] = field(default_factory=list)
    reasons: list[str] = field(default_factory=list)
    #: Tools with the rule of the guard that a reviewer had to accept.
    accepted: list[str] = field(default_factory=list)

    @property
    def good(self) -> bool:
        same, _, every = self.calls.partition("/")
        return self.onboard and bool(self.stable) and bool(self.lists) and same == every


def word_of(value: bool | None) -> str:
    return "-" if value is None else "yes" if value else "NO"


def table(rows: list[Row]) -> str:
    lines = [f"{'server':17} {'version':12} onboard  lock  tools    lists  calls  versions"]
    for row in rows:
        lines.append(
            f"{row.server:17} {row.version:12} {word_of(row.onboard):8} {word_of(row.stable):5} {row.tools or '-':8} "
            f"{word_of(row.lists):6} {row.calls or '-':6} {' '.join(row.versions) or '-'}"
        )
        lines += [f"    {reason}" for reason in (*row.reasons, *(f"accepted: {value}" for value in row.accepted))]
    good = sum(row.good for row in rows)
    return "\n".join([*lines, f"{good} of {len(rows)} servers: onboarded, lock stable, lists and calls equal"])


def page(rows: list[Row]) -> str:
    """The table of the page, in Markdown."""
    lines = [
        "| Server | Version | Onboarded | Lock holds | Tools | Lists equal | Calls equal | Why not, and what was accepted |"
    ]
    lines.append("|" + "---|" * 8)
    for row in rows:
        remarks = [*row.reasons, *(f"accepted: `{value}`" for value in row.accepted)]
        remark = "<br>".join(
            visible(" ".join(text.split())).replace("|", "\\|").replace("<", "&lt;") for text in remarks
        )
        states = (row.onboard, row.stable, row.tools or "-", row.lists, row.calls or "-")
        cells = [state if isinstance(state, str) else word_of(state) for state in states]
        lines.append("| " + " | ".join([row.server, row.version, *cells, remark]) + " |")
    return "\n".join(lines)


def write_page(rows: list[Row]) -> None:
    """Put the table of this run on the page."""
    text = PAGE.read_text(encoding="utf-8")
    head, tail = text.split(BEGIN)[0], text.split(END)[1]
    good = sum(row.good for row in rows)
    total = f"In the last run {good} of {len(rows)} were the same in everything."
    PAGE.write_text(f"{head}{BEGIN}{total}\n\n{page(rows)}\n{END}{tail}", encoding="utf-8")
