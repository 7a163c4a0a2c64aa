"""Renders the report as one HTML page that loads nothing: its styles and pictures are inside, and its content security
policy forbids anything else.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from html import escape

from model.text import counted, visible
from plan.diff.markdown import resource_lines, visible_line
from plan.diff.model import DiffReport, Direction, Grouped, Matrix, StackDiff, grouped, stand_ins
from plan.diff.picture import RingSummary, rings
from plan.findings import Finding

#: Nothing is loaded or run, whatever a text may hold (W3C Content Security Policy Level 3).
POLICY = "default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'"
_STYLE = """
:root{--fg:#1f2328;--dim:#57606a;--bg:#fff;--soft:#f6f8fa;--line:#d0d7de;--bad:#cf222e;--badbg:#ffebe9;--good:#1a7f37;
--goodbg:#dafbe1;--flat:#0969da;--flatbg:#ddf4ff}
@media(prefers-color-scheme:dark){:root{--fg:#e6edf3;--dim:#9198a1;--bg:#0d1117;--soft:#161b22;--line:#30363d;
--bad:#ff7b72;--badbg:#3d1a1c;--good:#56d364;--goodbg:#12301c;--flat:#79c0ff;--flatbg:#10233d}}
*{box-sizing:border-box}
body{margin:0 auto;max-width:70rem;padding:1rem;font:16px/1.5 system-ui,sans-serif;color:var(--fg);background:var(--bg)}
h1{font-size:1.5rem;margin:.2rem 0}h2{font-size:1.2rem;margin:2rem 0 .5rem;border-bottom:1px solid var(--line)}
h3{font-size:1rem;margin:1.2rem 0 .4rem;overflow-wrap:anywhere}
p,li,summary{overflow-wrap:anywhere}.dim{color:var(--dim)}
.counts{display:flex;flex-wrap:wrap;gap:.5rem;padding:0;list-style:none}
.counts li,.tag{border-radius:1rem;padding:.1rem .7rem;font-weight:600;white-space:nowrap}
.loosens{color:var(--bad);background:var(--badbg)}.tightens{color:var(--good);background:var(--goodbg)}
.neutral{color:var(--flat);background:var(--flatbg)}.error{color:var(--bad)}
.change{border:1px solid var(--line);border-left-width:.35rem;border-radius:.4rem;padding:.5rem .7rem;margin:.5rem 0}
.change.loosens,.change.tightens,.change.neutral{color:var(--fg);background:none}
.change.loosens{border-left-color:var(--bad)}.change.tightens{border-left-color:var(--good)}
.change.neutral{border-left-color:var(--flat)}.change p{margin:.2rem 0}
.tag{font-size:.8rem;margin-right:.4rem}
pre{background:var(--soft);border:1px solid var(--line);border-radius:.4rem;padding:.6rem;white-space:pre-wrap;
overflow-wrap:anywhere;font-size:.82rem;margin:.4rem 0}
.wide{overflow-x:auto;border:1px solid var(--line);border-radius:.4rem}
table{border-collapse:collapse;font-size:.85rem}
th,td{border-bottom:1px solid var(--line);padding:.3rem .55rem;text-align:left}
td.cell{text-align:center;white-space:nowrap}
th.who{position:sticky;left:0;background:var(--bg);min-width:7.5rem;max-width:11rem;overflow-wrap:break-word;font-weight:600}
svg{width:100%;max-width:30rem;height:auto;display:block;margin:auto}
svg text{fill:var(--fg);font:600 15px system-ui,sans-serif}svg text.small{font-weight:400;font-size:12px;fill:var(--dim)}
svg rect{fill:var(--bg);stroke:var(--line);stroke-width:2}
svg rect.loosens{fill:var(--badbg);stroke:var(--bad)}svg rect.tightens{fill:var(--goodbg);stroke:var(--good)}
svg rect.neutral{fill:var(--flatbg);stroke:var(--flat)}
"""
_CELLS = {
    "yes": ("✓", "", "may call it"),
    "no": ("", "", "may not call it"),
    "gained": ("+ gained", "loosens", "may call it from now on"),
    "lost": ("- lost", "tightens", "may call it no longer"),
    "changed": ("~ changed", "loosens", "may call it under other conditions"),
}


def _e(text: str) -> str:
    return escape(visible(text), quote=True)


def render_html(report: DiffReport) -> str:
    """The whole page: summary, picture of the rings, changes by risk, tool grants, findings, resources key by key."""
    counts = report.counts()
    parts = [
        '<!doctype html><html lang="en"><head><meta charset="utf-8">',
        f'<meta http-equiv="Content-Security-Policy" content="{POLICY}">',
        '<meta name="viewport" content="width=device-width, initial-scale=1">',
        f"<title>Ringwall: {_e(report.project)}</title><style>{_STYLE}</style></head><body>",
        f"<h1>Ringwall: {_e(report.project)}</h1>",
        f'<p class="dim">{_e(report.base)} → {_e(report.head)}. What the stack files say, planned offline; no account or '
        "gateway was asked.</p>",
        '<ul class="counts">',
        *(f'<li class="{d}">{counts[d]} {d}</li>' for d in Direction),
        "</ul>",
        *_errors(report),
        "<h2>The rings</h2>",
        _svg(rings(report.changes)),
        "<h2>Changes by risk</h2>",
        *(_change(group) for group in grouped(report.changes)),
        *([] if report.changes else ["<p>Nothing that the stack files declare changes.</p>"]),
        *_matrices(report.stacks),
        *_findings(report),
        *_resources(report.stacks),
        *_unplanned(report),
        "</body></html>",
    ]
    return "\n".join(parts) + "\n"


def _errors(report: DiffReport) -> list[str]:
    if not report.errors:
        return []
    items = [f'<li class="error">{_e(e.side)} {_e(e.stack)}: {_e(e.message)}</li>' for e in report.errors]
    return ["<h2>What does not load</h2><ul>", *items, "</ul>"]


def _svg(shown_rings: list[RingSummary]) -> str:
    """The rings inside one another, each coloured by the worst direction of its changes and headed by their counts."""
    width, step, top = 400, 22, 54
    height = top * len(shown_rings) * 2 - 40
    shapes = []
    for index, ring in enumerate(shown_rings):
        x, y = 4 + index * step, 4 + index * top
        w, h = width - 8 - 2 * index * step, height - 8 - index * (top + 30)
        shapes.append(f'<rect class="{ring.state}" x="{x}" y="{y}" width="{w}" height="{h}" rx="18"/>')
        shapes.append(f'<text x="{x + 18}" y="{y + 24}">{_e(ring.name)}</text>')
        shapes.append(f'<text class="small" x="{x + 18}" y="{y + 42}">{_e(ring.words)}</text>')
    label = "; ".join(f"{ring.name}: {ring.words}" for ring in shown_rings)
    return f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{_e(label)}">{"".join(shapes)}</svg>'


def _change(group: Grouped) -> str:
    change = group.change
    place = f"in {', '.join(group.stacks)}" if len(group.stacks) <= 3 else f"in {counted(len(group.stacks), 'stack')}"
    details = list(change.details)
    if len(group.stacks) > 3:
        details.append(f"in {', '.join(group.stacks)}")
    ring = f" · {change.ring} ring" if change.ring else ""
    return (
        f'<div class="change {change.direction}"><p><span class="tag {change.direction}">{change.direction}</span>'
        f'<strong>{_e(change.title)}</strong></p><p class="dim">{_e(place)}{ring} · risk {change.risk}</p>'
        f"{_pre(details) if details else ''}</div>"
    )


def _pre(lines: Iterable[str]) -> str:
    return f"<pre>{chr(10).join(escape(visible_line(line), quote=True) for line in lines)}</pre>"


def _matrices(stacks: Iterable[StackDiff]) -> list[str]:
    """The tables of tool grants; servers with equal tables share one, under all their names."""
    tables: dict[Matrix, list[str]] = {}
    for stack in stacks:
        if stack.matrix is not None and stack.matrix.tools:
            tables.setdefault(stack.matrix, []).append(stack.stack)
    if not tables:
        return []
    parts = ["<h2>Who may call which tool</h2>"]
    for matrix, names in tables.items():
        title = ", ".join(names) if len(names) <= 6 else f"{', '.join(names[:6])} and {len(names) - 6} more"
        heads = "".join(
            f'<th scope="col">{_e(name)}<br><span class="dim">{_e(risk)}</span></th>' for name, risk in matrix.tools
        )
        rows = "".join(
            f'<tr><th scope="row" class="who">{_e(principal)}</th>{"".join(_cell(state) for state in cells)}</tr>'
            for principal, cells in zip(matrix.principals, matrix.cells, strict=True)
        )
        parts.append(f"<h3>{_e(title)}</h3>")
        parts.append(_table(f'<tr><th class="who">principal</th>{heads}</tr>', rows))
    return parts


def _table(heads: str, rows: str) -> str:
    return f'<div class="wide"><table><thead>{heads}</thead><tbody>{rows}</tbody></table></div>'


def _cell(state: str) -> str:
    text, style, meaning = _CELLS[state]
    inner = f'<span class="tag {style}">{text}</span>' if style else text
    return f'<td class="cell" title="{meaning}">{inner}</td>'


def _findings(report: DiffReport) -> list[str]:
    parts = ["<h2>Findings of the rules</h2>"]
    if not report.findings:
        return [*parts, "<p>None in the plans of the changed stacks.</p>"]
    rows = "".join(
        f"<tr><td>{_e(stack)}</td><td>{_e(str(f.severity))}</td><td>{_e(f.rule_id)}</td>"
        f"<td>{_e(f.message)}; {_e(f.remedy)}{_waived(f)}</td></tr>"
        for stack, f in report.findings
    )
    heads = "<tr><th>stack</th><th>severity</th><th>rule</th><th>what and what to do</th></tr>"
    return [*parts, _table(heads, rows)]


def _waived(finding: Finding) -> str:
    return "" if finding.waived is None else f" (waived until {_e(str(finding.waived_until))}: {_e(finding.waived)})"


def _resources(stacks: Sequence[StackDiff]) -> list[str]:
    parts, alike = [], stand_ins(stacks)
    for stack in stacks:
        if stack.resources:
            lines = [line for resource in stack.resources for line in resource_lines(resource)]
            if alike_stacks := alike.get(stack.stack):
                lines.append(f"the same resources and keys, with values of their own: {', '.join(alike_stacks)}")
            summary = f"{_e(stack.stack)}: {counted(len(stack.resources), 'resource')}"
            parts.append(f"<details><summary>{summary}</summary>{_pre(lines)}</details>")
    return ["<h2>Resources, key by key</h2>", *parts] if parts else []


def _unplanned(report: DiffReport) -> list[str]:
    if not report.unplanned:
        return []
    text = f"not planned: {counted(len(report.unplanned), 'changed file')} outside the stack files of this project"
    return [f"<details><summary>{text}</summary>{_pre(report.unplanned)}</details>"]
