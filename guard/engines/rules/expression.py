"""How a rule's pattern is matched: RE2 with the pattern's flags, and with few of Unicode's ranges where that is enough.

Unicode's own classes of letters, marks and digits have hundreds of ranges each. With some of them a pattern becomes an automaton
of tens of thousands of steps. It takes milliseconds to make, and over a text that keeps it busy it runs out of memory and goes on
in RE2's slow way, at sixty times the cost. So the *lean* pattern takes any foreign character for a letter, mark or digit. Over
ASCII it is the same as the exact one. Elsewhere it matches at least wherever that does, and only from there on the exact one is asked.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from functools import cached_property, lru_cache
from typing import Any

import re2  # type: ignore[import-untyped]

from guard.engines.rules.pattern_set import MEMORY, options

_PLAIN = {
    char: base
    for char in map(chr, [*range(0xC0, 0x250), *range(0x370, 0x400), *range(0x1EA0, 0x1EFA)])
    if (base := unicodedata.normalize("NFD", char)[0]) != char
} | {"ø": "o", "đ": "d", "ł": "l", "ı": "i", "ə": "e", "ħ": "h", "ð": "d", "ƙ": "k", "ɗ": "d", "ɓ": "b"}

#: Letters, marks and digits as few ranges: RE2's own classes have hundreds.
LETTERS = (
    r"0-9A-Za-z\x{C0}-\x{559}\x{560}-\x{588}\x{591}-\x{5BD}\x{5BF}-\x{5F2}\x{610}-\x{61A}\x{620}-\x{6D3}\x{6D5}-\x{963}"
    r"\x{966}-\x{1049}\x{1050}-\x{1360}\x{1369}-\x{17D3}\x{17E0}-\x{1FFF}\x{200C}\x{200D}\x{2C00}-\x{2DFF}\x{A640}-\x{ABFF}"
)
_MARKS = r"[\t\n\r \"'(),:;<>*_`-]"
#: Characters that stand in a pattern for what is between two words of a sentence, in which a comma or a quotation mark may stand
#: with the blank, and for a character of a word, in the scripts of all languages. Written out, a table of languages takes megabytes.
BETWEEN, OF_WORD = "\x80", "\x81"
_WRITTEN_OUT = {
    BETWEEN: rf"(?:{_MARKS}{{0,2}}[^{LETTERS}.!?|…]{_MARKS}?)",
    # Any character but ASCII's own marks and the ends of sentences.
    OF_WORD: r"[^\x00-&(-,./:-@\[-^`{-\x7F।۔።։]",
}
#: An accented letter, and the class of it and its plain one.
_ACCENTS = str.maketrans({char: f"[{char}{plain}]" for char, plain in _PLAIN.items()} | _WRITTEN_OUT)
#: An escape or a class of characters; within it, a class of Unicode's.
_TOKEN = re.compile(r"\\p[LMN]|\\.|\[(?:\\.|[^\]\\])*\]")
_UNICODE = re.compile(r"\\p([LMN])|\\.")
_PLAIN_OF = {"L": "A-Za-z", "M": "", "N": "0-9"}
_FOREIGN = r"\x{80}-\x{10FFFF}"


def flagged(pattern: str, cased: bool) -> str:
    """The pattern written out, with its flags. It also matches text without accents, as people type it in haste and `decoding.fold` returns
    it; no character class of it may hold an accented letter. Strings are joined by line ends, so ``^`` and ``$`` match at the
    ends of each string."""
    bare = pattern if pattern.isascii() else pattern.translate(_ACCENTS)
    return f"(?m:{bare})" if cased else f"(?mi:{bare})"


@lru_cache(maxsize=8)
def lean(pattern: str) -> str:
    """The pattern with any foreign character for a letter, mark or digit; kept for the next rule, as many share one."""
    return _TOKEN.sub(_widened, pattern)


def _widened(token: re.Match[str]) -> str:
    if token[0].startswith("[^"):
        return _UNICODE.sub(lambda escape: _PLAIN_OF[escape[1]] if escape[1] else escape[0], token[0])
    wide = _UNICODE.sub(lambda escape: _PLAIN_OF[escape[1]] + _FOREIGN if escape[1] else escape[0], token[0])
    return f"[{wide}]" if token[0].startswith(r"\p") else wide


class Expression:
    """A pattern of which `group` is sought. Each automaton is made when a text first needs it: all take 0.3 s and 10 MB."""

    def __init__(self, pattern: str, cased: bool, group: int) -> None:
        self._pattern, self._cased, self._group = pattern, cased, group
        self._lean_pattern = lean(pattern)

    def spans(self, data: bytes) -> Iterator[tuple[int, int]]:
        """Byte offsets of the group in every match in `data` (UTF-8)."""
        if self._lean_pattern == self._pattern or data.isascii():
            for match in self._lean.finditer(data):
                yield match.span(self._group)
            return
        position = 0
        # A further match of the lean pattern need not be one of the exact one, which goes on from there.
        while position <= len(data) and (beginning := self._lean.search(data, position)) is not None:
            match = self._exact.search(data, beginning.start())
            if match is None:
                return
            yield match.span(self._group)
            position = max(match.end(), match.start() + 1)

    def first(self, text: str, position: int = 0) -> Any:
        """The first match in a text from a position on, with its groups; None without one."""
        return self._exact.search(text, position)

    @cached_property
    def _lean(self) -> Any:
        return self._compiled(self._lean_pattern)

    @cached_property
    def _exact(self) -> Any:
        return self._compiled(self._pattern)

    def _compiled(self, pattern: str) -> Any:
        with_flags, captures = flagged(pattern, self._cased), self._group > 0
        try:
            return re2.compile(with_flags, options(captures=captures))
        except re2.error:  # a rule made from the names of very many tools
            return re2.compile(with_flags, options(captures=captures, memory=MEMORY))


@lru_cache(maxsize=2048)
def expression(pattern: str, cased: bool, group: int) -> Expression:
    """The expression, shared by all legs."""
    return Expression(pattern, cased, group)
