"""Writes docs/reference/gateway.md from the tables of Kong's options: `python docs/generate_gateway.py`.

--check compares only.
"""

from __future__ import annotations

import sys
from pathlib import Path

from components.gateway.entity_options import ENTITIES
from components.gateway.licensed_options import ADDED_OPTIONS, LICENSED_PLUGINS
from components.gateway.option_table import OptionTable
from components.gateway.options import PLUGINS

DOCS = Path(__file__).parent

HEAD = """\
# What Ringwall sets at the gateway

Made by `make docs` from `components/gateway/options.py`, `licensed_options.py` and `entity_options.py`.

Every option that a stack sets at Kong, plugin by plugin and then the objects around them, with what Kong does with it at
its edges: 0, negative, absent, an array, null. It is the list to go through, line by line, on another Kong than 3.9.3.
*Recorded* was answered so by a real Kong 3.9.3, and the tests' stand-in is held to it; *run* was seen on one; the rest is
read in Kong's source. `ringwall preview` shows the values of your own stacks.

"""


LICENSED = """\
Editions `enterprise` and `ai`. Their source is not published: these rows say what Kong's schemas and pages of 3.15 say, and
none was run. [Who enforces what](editions.md) says which edition has which."""


def gateway_reference() -> str:
    """The page."""
    lines = [HEAD, "## Plugins", ""]
    for name, table in PLUGINS.items():
        lines += _section(name, table)
    lines += ["## What 3.15 adds to these plugins", ""]
    for name, table in ADDED_OPTIONS.items():
        lines += _section(f"{name} (3.15)", table)
    lines += ["## Licensed plugins", "", LICENSED, ""]
    for name, table in LICENSED_PLUGINS.items():
        lines += _section(name, table)
    lines += ["## Services, routes and what else is there", ""]
    for name, table in ENTITIES.items():
        lines += _section(name, table)
    return "\n".join(lines).replace("\n\n\n", "\n\n")


def _section(name: str, table: OptionTable) -> list[str]:
    lines = [f"### {name}", "", f"{table.source}.", "", "| option | at the edges |", "|---|---|"]
    for options, edges in table.rows.items():
        named = ", ".join(f"`{option.strip()}`" for option in options.split(","))
        lines.append(f"| {named} | {_escaped(edges)} |")
    return [*lines, ""]


def _escaped(text: str) -> str:
    return text.replace("|", "\\|").replace("<", "&lt;")


def main(check: bool) -> int:
    file, text = DOCS / "reference" / "gateway.md", gateway_reference()
    if file.exists() and file.read_text(encoding="utf-8") == text:
        return 0
    print(f"{file.name}: {'out of date, run `make docs`' if check else 'written'}")
    if not check:
        file.write_text(text, encoding="utf-8")
    return int(check)


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv))
