"""The demo's HTML page: the rings, what was tried on each and what answered, and what is deployed there.

It is one file that loads nothing, and the same on every run: it holds no time, port or incident id.
"""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from cli.demo_tell import without_port
from plan.rings import RINGS

_PURPOSE = {
    "edge": "Cloudflare: who may reach the name at all.",
    "gateway": "Kong: the token once more, and how much.",
    "guard": "On the server's own host: every list, call and result.",
    "origin": "The MCP server, on loopback only.",
}

_STYLE = """
:root { color-scheme: light dark; --ink: #1a2230; --paper: #fff; --line: #c3ccd8; --soft: #f3f6fa; --mark: #0b5cad; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e6ebf2; --paper: #12161d; --line: #3a4555; --soft: #1b222c; --mark: #7db8f5; }
}
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 70rem; padding: 1rem; background: var(--paper); color: var(--ink);
  font: 1rem/1.5 system-ui, sans-serif; overflow-wrap: anywhere; }
h1 { font-size: 1.5rem; line-height: 1.2; }
h2 { font-size: 1.15rem; margin: 0; color: var(--mark); }
h3 { font-size: 1rem; margin: .75rem 0 .25rem; }
p { margin: .25rem 0; }
.ring { border: 2px solid var(--line); border-radius: .75rem; padding: .75rem; margin-top: .75rem; }
.ring:nth-of-type(even) { background: var(--soft); }
table { border-collapse: collapse; width: 100%; }
th, td { border-top: 1px solid var(--line); padding: .35rem .5rem .35rem 0; text-align: left; vertical-align: top;
  width: 50%; }
@media (min-width: 60rem) {
  .ring { display: grid; grid-template-columns: 1fr 1fr; column-gap: 2rem; }
  .ring header { grid-column: 1 / -1; }
}
""".strip()


def write_page(file: Path, rows: Sequence[tuple[str, str, str]], enforced: Sequence[tuple[str, str, str, str]]) -> None:
    """Write the page. `rows`: ring, what was tried, what answered. `enforced`: server, ring, protection, how."""
    sections = "\n".join(
        _section(
            ring,
            [(tried, answer) for name, tried, answer in rows if name == ring],
            [
                (control, without_port(detail))
                for server, name, control, detail in enforced
                if (server, name) == ("tickets", ring)
            ],
        )
        for ring in RINGS
    )
    file.write_text(
        f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>Ringwall: four rings around one MCP server</title>
<style>
{_STYLE}
</style>
</head>
<body>
<main>
<h1>Four rings around one MCP server</h1>
<p>What <code>ringwall demo</code> tried on this machine, and what answered. The server, its client, the guards and
the Pulumi engine were real; Cloudflare and Kong were stand-ins, so nothing was sent to these two. A stand-in of a model's
provider answered, behind the guard of a model route.</p>
{sections}
</main>
</body>
</html>
""",
        encoding="utf-8",
    )


def _section(ring: str, tried: Sequence[tuple[str, str]], deployed: Sequence[tuple[str, str]]) -> str:
    return f"""<section class="ring" id="{ring}">
<header><h2>{ring}</h2><p>{escape(_PURPOSE[ring])}</p></header>
<div><h3>Tried</h3>
{_table("tried", "answer", tried)}</div>
<div><h3>Deployed</h3>
{_table("protection", "how", deployed)}</div>
</section>"""


def _table(first: str, second: str, rows: Sequence[tuple[str, str]]) -> str:
    head = f'<tr><th scope="col">{first}</th><th scope="col">{second}</th></tr>'
    body = "\n".join(
        f"<tr><td>{escape(first_cell)}</td><td>{escape(second_cell)}</td></tr>" for first_cell, second_cell in rows
    )
    return f"<table>\n<thead>{head}</thead>\n<tbody>\n{body}\n</tbody>\n</table>\n"
