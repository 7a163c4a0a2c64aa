"""Makes text from outside safe to show: characters that a reader cannot see are written out. No text is refused here."""

from __future__ import annotations

import re
import textwrap
import unicodedata
from collections.abc import Callable, Iterator

#: Characters that draw nothing yet that Python calls printable: fillers, joiners, variation selectors.
_BLANK = re.compile("[\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180f\u2800\u3164\ufe00-\ufe0f\uffa0\U000e0000-\U000e0fff]")
#: What an emoji can begin with, in the blocks that Unicode's emoji-data.txt draws from.
_PICTURE = (
    "[\u00a9\u00ae\u203c\u2049\u2122\u2139\u2190-\u21ff\u2300-\u23ff\u24c2\u25a0-\u27bf\u2900-\u297f\u2b00-\u2bff"
    "\u3030\u303d\u3297\u3299\U0001f000-\U0001faff]"
)
#: Letters between which a joiner says how they are drawn: Arabic, Syriac, the scripts of India and their neighbours.
_JOINED = "[\u0600-\u07bf\u0840-\u0d7f\u0d80-\u0fff\u1000-\u109f\u1780-\u17ff\u1800-\u18aa\ufb50-\ufdff]"
#: Sequences in which a selector or joiner does what it is for: a picture's own style, pictures joined into one, a keycap,
#: a letter beside a letter. One selector a picture: a run of them can carry hidden text.
_SEQUENCE = (
    f"((?:{_PICTURE}[\ufe0e\ufe0f]?[\U0001f3fb-\U0001f3ff]?)(?:\u200d{_PICTURE}[\ufe0e\ufe0f]?[\U0001f3fb-\U0001f3ff]?)*"
    f"|[0-9#*]\ufe0f\u20e3|(?<={_JOINED})[\u200c\u200d](?={_JOINED}))"
)


def is_hidden(char: str) -> bool:
    """True for a character a reviewer cannot see: zero width, bidi, tags, variation selectors, controls but whitespace."""
    return (not char.isprintable() and char not in "\t\n\r ") or _BLANK.match(char) is not None


def hidden_in(text: str) -> list[str]:
    """The hidden characters of a text, each once and sorted, less those that an emoji or a joined letter is made with.

    A space of another width is seen as a space, and hides nothing.
    """
    if text.isascii() and text.isprintable():
        return []
    loose = "".join(piece for piece, drawn in _pieces(text) if not drawn)
    return sorted({char for char in loose if is_hidden(char) and unicodedata.category(char) != "Zs"})


def first_unseen(text: str, passed: str = "") -> tuple[int, str] | None:
    """Place and character of the first that nobody sees: one that formats or draws nothing, but for what `hidden_in` passes
    and those of `passed`.

    A character that this Python does not know yet may be drawn well, and a control is seen by other means.
    """
    if text.isascii():
        return None
    start = 0
    for piece, is_drawn in _pieces(text):
        for index, char in enumerate(() if is_drawn or piece.isascii() else piece, start):
            if (unicodedata.category(char) == "Cf" or _BLANK.match(char)) and char not in passed:
                return index, char
        start += len(piece)
    return None


def visible(text: str) -> str:
    """`text` on one line: whitespace collapsed, every hidden character written as ``<U+200B>``."""
    return " ".join(_spelled_out(text, _written_out).split())


def printable(text: str) -> str:
    """`text` in its own lines and blanks, every hidden character written as ``<U+001B>``: a terminal obeys none of it."""
    return _spelled_out(text, _written_unless_space).replace("\r", "<U+000D>")


def _spelled_out(text: str, written: Callable[[str], str]) -> str:
    if text.isprintable() and (text.isascii() or _BLANK.search(text) is None):
        return text
    return "".join(piece if drawn else "".join(map(written, piece)) for piece, drawn in _pieces(text))


def _written_unless_space(char: str) -> str:
    # A space of another width is seen as a space.
    return char if unicodedata.category(char) == "Zs" else _written_out(char)


def _pieces(text: str) -> Iterator[tuple[str, bool]]:
    """A text in pieces, each with whether it is such a sequence, of characters that this Python knows."""
    if text.isascii():  # compiled when it is first needed, as every command imports this
        yield text, False
        return
    for index, piece in enumerate(re.split(_SEQUENCE, text)):
        yield piece, index % 2 == 1 and all(char.isprintable() or char in "\u200c\u200d" for char in piece)


def _written_out(char: str) -> str:
    return f"<U+{ord(char):04X}>" if is_hidden(char) else char


def wrapped(text: str, indent: str = "    ", hanging: str = "    ") -> list[str]:
    """Visible text for a person, in lines of 80 columns, words whole: `indent` before the first, `hanging` before others."""
    return textwrap.wrap(
        visible(text),
        80,
        initial_indent=indent,
        subsequent_indent=hanging,
        break_long_words=False,
        break_on_hyphens=False,
    )


def counted(number: int, noun: str, plural: str = "") -> str:
    """A number and its noun, such as ``1 stack`` and ``2 stacks``; `plural` where an s does not make it."""
    return f"{number} {noun if number == 1 else plural or noun + 's'}"
