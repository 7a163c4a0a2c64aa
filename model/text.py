"""Makes text from outside safe to show: characters that a reader cannot see are written out. No text is refused here."""

from __future__ import annotations

import re

#: Characters that draw nothing yet that Python calls printable: fillers, joiners, variation selectors.
_BLANK = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]")


def is_hidden(char: str) -> bool:
    """True for a character a reviewer cannot see: zero width, bidi, tags, variation selectors, controls but whitespace."""
    return (not char.isprintable() and char not in "\t\n\r ") or _BLANK.match(char) is not None


def visible(text: str) -> str:
    """`text` on one line: whitespace collapsed, every hidden character written as ``<U+200B>``."""
    if text.isascii() and text.isprintable():
        return " ".join(text.split())
    shown = "".join(f"<U+{ord(char):04X}>" if is_hidden(char) else char for char in text)
    return " ".join(shown.split())
