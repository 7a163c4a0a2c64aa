"""Writes docs/reference/editions.md from the table of editions: `python docs/generate_editions.py`, with --check to compare
only."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from components.editions import TABLE, ByGuard, ByPlugin, Entry, Protection
from model.kong_versions import FLAWS, KONG_AI_GATEWAY_2, RECOMMENDED
from operations.editions import EDITIONS, key_of, reason_of

DOCS = Path(__file__).parent

HEAD = """\
# Who enforces what

Made by `make docs` from `components/editions.py`. `ringwall editions` prints the same table, and `ringwall editions STACK`
what one stack uses. [Kong's editions](../explain/editions.md) says what the editions are.

A plugin's number is the first version of Kong that has it. *The guard* means that the guard does it and Kong has no part in
it. *Nobody* means that a stack file which asks for it is refused, with the reason below.

"""
REASONS = """
## Why

"""
VERSIONS = """
## Versions

"""


def editions_reference() -> str:
    """The whole page."""
    lines = [HEAD, f"| protection | {' | '.join(EDITIONS)} |\n", f"|{'---|' * (len(EDITIONS) + 1)}\n"]
    for protection in Protection:
        cells = (_cell(TABLE[edition][protection]) for edition in EDITIONS)
        lines.append(f"| {protection.value} (`{key_of(protection)}`) | {' | '.join(cells)} |\n")
    lines += [REASONS, *(f"- **{text}** {reason}.\n" for text, reason in _reasons())]
    lines += [VERSIONS, *(f'- `{edition}`: write `version: "{RECOMMENDED[edition]}"`.\n' for edition in EDITIONS)]
    for flaw in FLAWS:
        editions, fixed = " and ".join(sorted(flaw.editions)), " and ".join(".".join(map(str, v)) for v in flaw.fixed)
        lines.append(f"- `{editions}`: {flaw.problem}. {fixed} are without it, and what is before them is refused.\n")
    lines.append(f"- {KONG_AI_GATEWAY_2}.\n")
    return "".join(lines)


def _cell(entry: Entry) -> str:
    if isinstance(entry, ByPlugin):
        return f"`{entry.name}` {entry.since}"
    return "*the guard*" if isinstance(entry, ByGuard) else "*nobody*"


def _reasons() -> Iterator[tuple[str, str]]:
    """Each protection with each reason of its cells once, and the editions that it holds in."""
    for protection in Protection:
        editions: dict[str, list[str]] = {}
        for edition in EDITIONS:
            if reason := reason_of(TABLE[edition][protection]):
                editions.setdefault(reason, []).append(edition)
        for reason, names in editions.items():
            yield f"{key_of(protection)}, {', '.join(names)}:", reason


def main(check: bool) -> int:
    file, text = DOCS / "reference" / "editions.md", editions_reference()
    if file.exists() and file.read_text(encoding="utf-8") == text:
        return 0
    print(f"{file.name}: {'out of date, run `make docs`' if check else 'written'}")
    if not check:
        file.write_text(text, encoding="utf-8")
    return int(check)


if __name__ == "__main__":
    sys.exit(main("--check" in sys.argv))
