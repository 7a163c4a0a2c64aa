"""Other readings of a text: with look-alike letters folded, and with encoded text in it decoded. No rule is matched here.

All work is linear in the length of the text. Two layers of encoding are opened; text that still looks encoded below them
is over the bounds, and the engine gives no verdict on it.
"""

from __future__ import annotations

import base64
import html
import re
import unicodedata
from collections.abc import Iterator
from typing import Any
from urllib.parse import unquote

import re2  # type: ignore[import-untyped]

LAYERS = 2
#: Characters of decoded text per item.
MAX_DECODED = 1 << 20
#: Base64 or hexadecimal candidates per item.
MAX_CANDIDATES = 20_000
#: Characters normalised at once: sorting a run of combining marks takes time by the square of its length (run: 80 s for
#: 760 kB), and no other thread runs meanwhile.
SLICE = 256

_INVISIBLE = re.compile(
    "[\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e0fff]+"
)
_MARKS = re.compile("[\u0300-\u036f\u1ab0-\u1aff\u20d0-\u20ff]+")
#: Letters of other scripts that look like Latin ones (from the Unicode confusables data, the common ones).
_LOOKALIKES = str.maketrans(
    "аАвВсСԁеЕғɡһНіІїјЈкКӏмМոоОрРԛгѕЅтТυսνѵѡԝхХуУүΑΒΕΖΗΙΚΜΝΟΡΤΥΧαεικορτυχγηωωаսօհꓲꓰⅼｌıȷɑɩᴀᴄᴅᴇɪᴋᴏᴘꜱᴛᴜᴠᴡᴢǃ‘’‚“”‐‑‒–—−⁄∕",
    "aAbBcCdeEfghHiIijJkKlmMnoOpPqrsStTuuvvwwxXyYyABEZHIKMNOPTYXaeikoptuxynwwauohIEllijaiACDEIKOPSTUVWZ!'''\"\"------//",
)
_PERCENT = re.compile(r"%[0-9A-Fa-f]{2}")
_ENTITY = re.compile(r"&#[0-9]|&#[xX][0-9A-Fa-f]|&[A-Za-z]{2,12};")
#: More digits than Python reads as a number.
_HUGE = re.compile(r"&#([0-9]{4000,});?")
_ESCAPE = re.compile(r"\\u\{?([0-9A-Fa-f]{4,6})\}?|\\x([0-9A-Fa-f]{2})")
#: A line end, tab or the like as JSON and other languages write it, however often the text was quoted; the letter would
#: otherwise stick to the next word and hide where it begins (`…\\nIgnore all`).
_BREAK = re.compile(r"\\+[nrtfvb]")
#: A command to a terminal: colours stand within words, any other moves on.
_COLOUR = re.compile("(?:\x1b\\[|\x9b)[0-9;:]*m")
_TERMINAL = re.compile("(?:\x1b\\[|\x9b)[0-9;:?]*[A-Za-z]|\x1b\\][^\x07\x1b]*(?:\x07|\x1b\\\\)?|\x1b[PX^_78=>c]")
_PRINTABLE = bytes(range(32, 127)) + b"\t\r\n"


def _expression(pattern: str) -> Any:
    options = re2.Options()
    options.never_capture = True
    return re2.compile(pattern, options)


_ANY = _expression(r"%[0-9A-Fa-f]{2}|&#|&[A-Za-z]+;|\\[uxnrtfvb]|\x1b|\x{9b}|[A-Za-z0-9+/_-]{20}")
_BLOCK = _expression(r"[A-Za-z0-9+/_-]{20,}(?:\r?\n[ \t]*[A-Za-z0-9+/_-]{16,})*(?:\r?\n[ \t]*[A-Za-z0-9+/_-]+)?={0,2}")


class OverBounds(Exception):
    """An item holds more than the engine looks at: too many findings, too much encoded text, or too little time."""


class DecodingBudget:
    """How much may still be decoded for one item."""

    def __init__(self) -> None:
        self.characters = MAX_DECODED
        self.candidates = MAX_CANDIDATES

    def spend(self, characters: int) -> None:
        self.characters -= characters
        if self.characters < 0:
            raise OverBounds

    def candidate(self) -> None:
        self.candidates -= 1
        if self.candidates < 0:
            raise OverBounds


def may_be_encoded(data: bytes) -> bool:
    """A cheap test of UTF-8 text; False means that it holds nothing to decode."""
    return _ANY.search(data) is not None


def fold(text: str) -> str:
    """The text as a reader sees it: compatibility forms, look-alikes and accents become plain letters, and invisible
    characters are removed."""
    if text.isascii():
        return text
    visible_text = _INVISIBLE.sub("", text)
    return "".join(_folded(visible_text[start : start + SLICE]) for start in range(0, len(visible_text), SLICE))


def _folded(text: str) -> str:
    if text.isascii():
        return text
    plain = _MARKS.sub("", unicodedata.normalize("NFKD", text))
    # Composed again, since syllables (Korean) and voiced letters (Japanese) are taken apart by NFKD.
    return unicodedata.normalize("NFC", plain).translate(_LOOKALIKES)


def unbroken(text: str) -> str:
    """The text with quoted line ends as line ends, and without commands to a terminal; the same object without either."""
    read = text
    if "\x1b" in read or "\x9b" in read:
        read = _TERMINAL.sub("\n", _COLOUR.sub("", read))
    return _BREAK.sub("\n", read) if "\\" in read else read


def unescape(text: str) -> str:
    """Decode percent encoding, HTML entities and backslash escapes once; the same object when there are none."""
    read = text
    if "\\" in read:
        read = _joined_surrogates(_ESCAPE.sub(_character, read))
    if "&" in read and _ENTITY.search(read):
        read = html.unescape(_HUGE.sub(_shorter, read))
    if "%" in read and _PERCENT.search(read):
        read = unquote(read, errors="replace")
    return read


def _shorter(match: re.Match[str]) -> str:
    digits = match[1].lstrip("0")
    return f"&#{digits};" if len(digits) < 8 else "\ufffd"


def _character(match: re.Match[str]) -> str:
    code = int(match[1] or match[2], 16)
    return chr(code) if code < 0x110000 else match[0]


def _joined_surrogates(text: str) -> str:
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")


def pieces(text: str, budget: DecodingBudget) -> Iterator[str]:
    """Texts that `text` holds as base64 (both alphabets) or hexadecimal; binary content is left out. Raises OverBounds."""
    if len(text) < 20:
        return
    data = text.encode("utf-8", "replace")
    for match in _BLOCK.finditer(data):
        budget.candidate()
        start, end = match.span()
        decoded = _text_of(data[start:end])
        if decoded is not None:
            budget.spend(len(decoded))
            yield decoded


def _text_of(block: bytes) -> str | None:
    compact = b"".join(block.split()) if b"\n" in block else block
    compact = compact.rstrip(b"=").translate(bytes.maketrans(b"-_", b"+/"))
    if not compact.translate(None, b"0123456789abcdefABCDEF"):
        return _readable(bytes.fromhex(compact[: len(compact) // 2 * 2].decode())) or _base64(compact)
    return _base64(compact)


def _base64(compact: bytes) -> str | None:
    """Decode from each of four offsets: characters before the base64 (a path, a name) may be of the same alphabet."""
    for start in range(4):
        size = len(compact) - start
        part = compact[start : start + size - (size % 4 == 1)]
        decoded = _readable(base64.b64decode(part + b"=" * (-len(part) % 4)))
        if decoded is not None:
            return decoded
    return None


def _readable(raw: bytes) -> str | None:
    """The bytes as text, or None for binary. Mostly printable bytes count as text, so that one odd byte hides nothing."""
    if len(raw) < 8:
        return None
    strange = len(raw.translate(None, _PRINTABLE))
    if strange == 0:
        return raw.decode("ascii")
    if raw[1::2].count(0) * 2 > len(raw) * 0.8:
        return raw.decode("utf-16-le", "replace")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return raw.decode("utf-8", "replace") if strange <= len(raw) * 0.3 else None
    return text if text.isprintable() or strange <= len(raw) * 0.3 else None
