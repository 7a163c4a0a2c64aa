"""The pages of docs/ as tests read them: their links, anchors and fenced blocks.

A block is run unless a comment stands before it, `<!-- not run: REASON -->`. A YAML block with `<!-- into FILE -->` before
it is a part of that stack file, one with `<!-- file FILE -->` a whole file.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
PAGES = sorted(DOCS.rglob("*.md"))

_FENCE = re.compile(
    r"(?:<!-- (?P<note>[^\n]*?) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, its text, and the comment before it."""

    language: str
    text: str
    note: str

    @property
    def runs(self) -> bool:
        return not self.note.startswith("not run: ")

    def commands(self) -> Iterator[tuple[str, list[str]]]:
        """Each command with the lines of output that are shown below it."""
        command, output = "", list[str]()
        for line in self.text.replace("\\\n", " ").splitlines():
            begins = line.startswith("$ ") if self.language == "console" else line and not line.startswith((" ", "#"))
            if not begins:
                output.append(line)
                continue
            if command:
                yield command, output
            command, output = re.sub(r"\s+#.*| {2,}", " ", line.removeprefix("$ ")).strip(), []
        if command:
            yield command, output


def blocks(page: Path) -> list[Block]:
    """The fenced blocks of a page, in their order."""
    text = page.read_text(encoding="utf-8")
    return [Block(each["language"], each["text"], each["note"] or "") for each in _FENCE.finditer(text)]


def prose(page: Path) -> str:
    """A page without its fenced blocks and code spans."""
    return re.sub(r"`[^`\n]*`", "", _FENCE.sub("", page.read_text(encoding="utf-8")))


def anchors(page: Path) -> set[str]:
    """The anchors of a page's headings, as GitHub and MkDocs both make them."""
    headings = re.findall(r"^#+ (.*)$", _FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.replace("`", "")).strip().lower().replace(" ", "-") for heading in headings}


def links(page: Path) -> list[str]:
    """The targets of a page's links that are not addresses on the network."""
    targets = re.findall(r"\]\(([^)\s]+)\)", prose(page))
    return [target for target in targets if not re.match(r"[a-z]+:", target)]
