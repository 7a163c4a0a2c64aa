"""Directional marks in comments, where people who write Hebrew or Arabic need them.

U+200E, U+200F and U+061C are each a letter of no width: beside a digit or a bracket they say to which side it belongs, as a
visible letter there would. The reordering of whole lines ("Trojan Source", CVE-2021-42574) needs embeddings, overrides or
isolates, none of which passes anywhere. Unicode's advice for source code tells the implicit marks from those, too (UTS #55).
In a key or value they are part of what is compared, and two that look the same would differ.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

#: LEFT-TO-RIGHT MARK, RIGHT-TO-LEFT MARK, ARABIC LETTER MARK.
IMPLICIT_MARKS = "\u200e\u200f\u061c"
_COMMENT = re.compile(r"(?:^|[ \t])#")


def mark_outside_comments(text: str, root: Any) -> tuple[int, str] | None:
    """Place and character of the first such mark in a YAML document's text that is in no comment. `root` is its node."""
    places = [place for place, char in enumerate(text) if char in IMPLICIT_MARKS]
    if not places:
        return None
    spans = list(_spans(root))
    for place in places:
        line = text[text.rfind("\n", 0, place) + 1 : place]
        # A number sign in a text begins no comment. A byte order mark may count or not, so a span has one more at each end.
        if not _COMMENT.search(line) or any(start - 1 <= place <= end for start, end in spans):
            return place, text[place]
    return None


def _spans(root: Any) -> Iterator[tuple[int, int]]:
    """Where the scalars of a document begin and end."""
    waiting, visited = [root], set()
    while waiting:
        node = waiting.pop()
        if node is None or id(node) in visited:
            continue
        visited.add(id(node))
        if isinstance(node.value, str):
            yield node.start_mark.index, node.end_mark.index
            continue
        for child in node.value:
            waiting.extend(child if isinstance(child, tuple) else (child,))
