"""Renders the four rings as a Mermaid flow chart, with what `picture` says of each."""

from __future__ import annotations

from collections.abc import Iterable

from plan.diff.model import Change
from plan.diff.picture import rings

_LONGEST = 64
_SAFE = frozenset("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789 ")


def label(text: str) -> str:
    """Text for a quoted Mermaid label: everything but letters, digits and spaces as ``#NN;`` (Mermaid's entity codes)."""
    short = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
    return "".join(char if char in _SAFE else f"#{ord(char)};" for char in short)


def render_mermaid(changes: Iterable[Change]) -> str:
    """A flow chart from client to server, each ring with what changed in it. It holds no backtick, so it cannot end the
    code fence around it."""
    lines = ["flowchart TB", '  client(["MCP client"])']
    previous = "client"
    for ring in rings(changes):
        parts = [f"<b>{ring.name}</b>", label(ring.words)]
        parts += [label(f"{group.change.direction}: {group.change.title}") for group in ring.top]
        lines.append(f'  {ring.name}["{"<br/>".join(parts)}"]:::{ring.state}')
        lines.append(f"  {previous} --> {ring.name}")
        previous = ring.name
    lines += [
        "  classDef loosens fill:#ffebe9,stroke:#cf222e,color:#1f2328,stroke-width:2px",
        "  classDef tightens fill:#dafbe1,stroke:#1a7f37,color:#1f2328",
        "  classDef neutral fill:#ddf4ff,stroke:#0969da,color:#1f2328",
        "  classDef same fill:#f6f8fa,stroke:#8c959f,color:#57606a",
    ]
    return "\n".join(lines) + "\n"
