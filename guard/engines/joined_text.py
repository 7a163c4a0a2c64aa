"""Several strings as one text, one a line, so that a phrase that is cut into two fields is still found."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from itertools import accumulate

from guard.engines.decoding import plain_marks
from guard.engines.mentions import SPAN
from guard.engines.rules.rule import AFTER, BEFORE
from guard.inspect.verdict import Text
from model.text import visible

#: Characters of a quoted match, and bytes of the words on either side of it.
MAX_QUOTE, LEAD = 200, 32


class JoinedText:
    """Several strings joined into one text, one a line; `place` maps a byte offset back to a string and a character."""

    def __init__(self, texts: Sequence[Text]) -> None:
        self.texts = texts
        joined = plain_marks(texts[0].value if len(texts) == 1 else "\n".join([text.value for text in texts]))
        self.ascii = joined.isascii()
        self.data = _encoded(joined)
        self._starts: list[int] | None = None
        self._read = (0, 0)

    def place(self, start: int, end: int) -> tuple[Text, tuple[int, int] | None]:
        """The string in which a match begins, and its span there; None for a span that continues into the next string."""
        if self._starts is None:
            sizes = (len(text.value if self.ascii else _encoded(plain_marks(text.value))) + 1 for text in self.texts)
            self._starts = [0, *accumulate(sizes)]
        index = min(bisect_right(self._starts, start) - 1, len(self.texts) - 1)
        base, limit = self._starts[index], self._starts[index + 1] - 1
        text = self.texts[index]
        if end > limit:
            return text, None
        if self.ascii:
            return text, (start - base, end - base)
        # Matches of a rule come in order, so counting continues where the last match ended.
        offset, characters = self._read if base <= self._read[0] <= start else (base, 0)
        first = characters + _length(self.data[offset:start])
        self._read = (start, first)
        return text, (first, first + _length(self.data[start:end]))

    def quote(self, start: int, end: int) -> str:
        """A match with the words around it, at most `MAX_QUOTE` characters."""
        first = max(start - LEAD, self.data.rfind(b"\n", 0, start) + 1, 0)
        after = self.data[end : end + LEAD].partition(b"\n")[0]
        text = visible((self.data[first:end] + after).decode("utf-8", "ignore"))
        return text if len(text) <= MAX_QUOTE else f"{text[:MAX_QUOTE]}…"

    def around(self, start: int, end: int) -> tuple[str, str, str]:
        """The text before a match, the match, and the text after it."""
        before, after = self.data[max(0, start - SPAN) : start], self.data[end : end + SPAN]
        return decoded(before), decoded(self.data[start:end]), decoded(after)

    def before(self, start: int) -> str:
        return decoded(self.data[max(0, start - BEFORE) : start])

    def after(self, end: int) -> str:
        return decoded(self.data[end : end + AFTER])


def _encoded(text: str) -> bytes:
    """UTF-8; each half of a surrogate pair becomes one ``?``, so that offsets stay right."""
    return text.encode("utf-8", "replace")


def _length(data: bytes) -> int:
    return len(decoded(data))


def decoded(data: bytes) -> str:
    return data.decode("utf-8", "replace")
