"""A dot plot as SVG, by hand: one panel a figure, one line a subject, on a logarithmic axis where values differ widely."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from html import escape

WIDTH, LABEL, LINE, TOP, FOOT = 860, 250, 24, 58, 34
COLOURS = ("#1f5fa8", "#c2571a", "#3d8b46")
INK, FAINT = "#222222", "#d5d5d5"


@dataclass(frozen=True)
class Panel:
    """`values`: for each subject one or more numbers, in the order of `series`; the first dot is the filled one.

    `joined` draws a line from the first value to the last, as from a median to its 99th percentile.
    """

    title: str
    unit: str
    series: Sequence[str]
    values: Mapping[str, Sequence[float]]
    joined: bool = False


def svg(title: str, panels: Sequence[Panel]) -> str:
    """The whole picture. Every value is written beside its dots, so that nothing rests on reading an axis."""
    parts, y = [], 48
    for panel in panels:
        height = TOP + LINE * len(panel.values) + FOOT
        parts.append(f'<g transform="translate(0,{y})">{_panel(panel)}</g>')
        y += height
    head = (
        f'<svg xmlns="http://www.w3.org/2000/svg" width="{WIDTH}" height="{y + 8}" viewBox="0 0 {WIDTH} {y + 8}" '
        f'font-family="system-ui, sans-serif" font-size="13" fill="{INK}" role="img" aria-label="{escape(title)}">'
        f'<rect width="100%" height="100%" fill="white"/><text x="16" y="30" font-size="17">{escape(title)}</text>'
    )
    return head + "".join(parts) + "</svg>\n"


def _panel(panel: Panel) -> str:
    numbers = [value for values in panel.values.values() for value in values if value > 0]
    low = math.floor(math.log10(min(numbers)))
    high = max(math.ceil(math.log10(max(numbers))), low + 1)
    right = WIDTH - 190

    def x(value: float) -> float:
        share: float = (math.log10(max(value, 10**low)) - low) / (high - low)
        return round(LABEL + share * (right - LABEL), 1)

    bottom = TOP + LINE * len(panel.values)
    parts = [
        f'<text x="16" y="22" font-weight="600">{escape(panel.title)}'
        f'<tspan font-weight="400"> in {escape(panel.unit)}, logarithmic</tspan></text>'
    ]
    if len(panel.series) > 1:
        for number, name in enumerate(panel.series):
            left = LABEL + 150 * number
            parts.append(_dot(left, 38, number) + f'<text x="{left + 10}" y="42" font-size="12">{escape(name)}</text>')
    for power in range(low, high + 1):
        at = x(10.0**power)
        parts.append(f'<line x1="{at}" y1="{TOP - 8}" x2="{at}" y2="{bottom}" stroke="{FAINT}"/>')
        parts.append(f'<text x="{at}" y="{bottom + 16}" font-size="11" text-anchor="middle">{10.0**power:,g}</text>')
    for line, (subject, values) in enumerate(panel.values.items()):
        at = TOP + LINE * line + 8
        parts.append(f'<text x="{LABEL - 14}" y="{at + 4}" text-anchor="end">{escape(subject)}</text>')
        if panel.joined and len(values) > 1:
            ends = f'x1="{x(values[0])}" x2="{x(values[-1])}"'
            parts.append(f'<line {ends} y1="{at}" y2="{at}" stroke="{COLOURS[0]}" stroke-width="2"/>')
        parts += [_dot(x(value), at, number) for number, value in enumerate(values)]
        shown = " / ".join(_short(value) for value in values)
        parts.append(f'<text x="{right + 12}" y="{at + 4}" font-size="12">{shown}</text>')
    return "".join(parts)


def _dot(x: float, y: float, number: int) -> str:
    fill = COLOURS[number % 3] if number == 0 else "white"
    return f'<circle cx="{x}" cy="{y}" r="5" fill="{fill}" stroke="{COLOURS[number % 3]}" stroke-width="2"/>'


def _short(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.1f}" if value >= 10 else f"{value:.2f}"
