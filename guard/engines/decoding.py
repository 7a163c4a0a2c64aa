"""Other readings of a text: with look-alike letters folded, and with escapes in it read. No rule is matched here; blocks of
encoded text are in `guard.engines.blocks`.

All work is linear in the length of the text. Two layers of encoding are opened; text that still looks encoded below them
is over the bounds, and the engine gives no verdict on it.
"""

from __future__ import annotations

import base64
import html
import re
import unicodedata
from urllib.parse import unquote

from guard.engines.blocks import SIGN, expression

LAYERS = 2
#: Characters of decoded text per item.
MAX_DECODED = 1 << 20
#: Base64 or hexadecimal candidates per item.
MAX_CANDIDATES = 20_000
#: Characters normalised at once: sorting a run of combining marks takes time by the square of its length (run: 80 s for
#: 760 kB), and no other thread runs meanwhile.
SLICE = 256
#: Characters of a quoted-printable line, at most.
LINE = 76

_INVISIBLE = re.compile(
    "[\u00ad\u034f\u115f\u1160\u17b4\u17b5\u180b-\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\u3164\ufe00-\ufe0f\ufeff\uffa0\U000e0000-\U000e0fff]+"
)
#: What folding may change. A plain letter stays: a mark behind it is in `_MARKS`, or makes no other letter of it. A Chinese
#: character stays, too, and no mark joins it.
_FOREIGN = re.compile("([^\x00-\x7f\u4e00-\u9fff]+)")
_ASCII = bytes(range(128))
_MARKS = re.compile("[\u0300-\u036f\u1ab0-\u1aff\u20d0-\u20ff]+")
#: Letters of other scripts that look like Latin ones (from the Unicode confusables data, the common ones).
_LOOKALIKES = str.maketrans(
    "аАвВсСԁеЕғɡһНіІїјЈкКӏмМոоОрРԛгѕЅтТυսνѵѡԝхХуУүΑΒΕΖΗΙΚΜΝΟΡΤΥΧαεικορτυχγηωωаսօհꓲꓰⅼｌıȷɑɩᴀᴄᴅᴇɪᴋᴏᴘꜱᴛᴜᴠᴡᴢǃ‘’‚“”‐‑‒–—−⁄∕",
    "aAbBcCdeEfghHiIijJkKlmMnoOpPqrsStTuuvvwwxXyYyABEZHIKMNOPTYXaeikoptuxynwwauohIEllijaiACDEIKOPSTUVWZ!'''\"\"------//",
)
#: What typesetters write for a plain mark, each in place of one character. A text of them is read once: a rule takes its own
#: for the plain one. An ellipsis is a pause, behind which a sentence may begin. Quotation marks stay, as they tell where a
#: quotation begins and where it ends.
_TYPESET = {"…": ";", "’": "'", "‐": "-", "‑": "-", "–": "-", "—": "-", "−": "-", "\u00a0": " ", "\u202f": " "}
_PERCENT = re.compile(r"%[0-9A-Fa-f]{2}")
_ENTITY = re.compile(r"&(?:#[0-9]|#[xX][0-9A-Fa-f]|[A-Za-z]{2,12};)")
#: What `html.unescape` takes for a reference, behind its sign.
_REFERENCE = re.compile(r"&(#[0-9]+;?|#[xX][0-9a-fA-F]+;?|[^\t\n\f <&#;]{1,32};?)")
#: More digits than Python reads as a number.
_HUGE = re.compile(r"&#([0-9]{4000,});?")
_ESCAPE = re.compile(r"\\(?:u\{?([0-9A-Fa-f]{4,6})\}?|x([0-9A-Fa-f]{2})|([0-3][0-7]{2}))")
#: Quoted-printable (RFC 2045): a line that goes on, and an octet. Two octets before a letter are a sign of it; `x=10` is none.
_SOFT_BREAK = re.compile(r"=(?<![=\s]=)\r?\n(?=[^=\s])")
_OCTETS = re.compile(r"=[0-9A-F]{2}(?=[A-Za-z=])")
#: Written so that it begins with a letter that `re` can look for, which takes a thirtieth of the time.
_QUOTED = re.compile(r"=[0-9A-F]{2}(?:=[0-9A-F]{2})*")
#: A run of plain letters in UTF-7 (RFC 2152): UTF-16 in base64, whose first octet is zero.
_UTF_7 = re.compile(r"\+(A[A-P][A-Za-z0-9+/]+)-?")
#: A whole run of backslashes: begun at each of them, a megabyte of nothing else took more than an hour.
_RUN = r"\\(?<!\\\\)\\*+"
#: A line end, tab or the like as JSON and other languages write it, however often the text was quoted; the letter would
#: otherwise stick to the next word and hide where it begins (`…\\nIgnore all`).
_BREAK = re.compile(rf"{_RUN}[nrtfvb]")
#: A command to a terminal: colours stand within words, any other moves on.
_COLOUR = re.compile("(?:\x1b\\[|\x9b)[0-9;:]*m")
_TERMINAL = re.compile("(?:\x1b\\[|\x9b)[0-9;:?]*[A-Za-z]|\x1b\\][^\x07\x1b]*(?:\x07|\x1b\\\\)?|\x1b[PX^_78=>c]")
#: A quote or slash that is quoted itself, as JSON writes it.
_QUOTED_MARK = re.compile(rf"{_RUN}(?=[\"'/])")
#: What a text has of which there is another reading.
_ANY = expression(
    r"%[0-9A-Fa-f]{2}|&#|&[A-Za-z]+;|\\[uxnrtfvb\"'/]|\\[0-3][0-7]{2}|\x1b|\x{9b}|[^=\s]=\r?\n[^=\s]|=[0-9A-F]{2}[A-Za-z=]|\+A[A-P][A-Za-z0-9+/]|"
    + SIGN
)


class OverBounds(Exception):
    """An item holds more than the engine looks at: too many findings, too much encoded text, or too little time."""


class DecodingBudget:
    """How much may still be decoded for one item."""

    def __init__(self) -> None:
        self.characters = MAX_DECODED
        self.candidates = MAX_CANDIDATES
        self._known: set[tuple[bytes, int]] = set()

    def spend(self, characters: int) -> None:
        self.characters -= characters
        if self.characters < 0:
            raise OverBounds

    def candidate(self, block: bytes, encoding: int) -> bool:
        """Whether a block is still to be decoded: a text that has escapes is read with and without them, with the same blocks."""
        self.candidates -= 1
        if self.candidates < 0:
            raise OverBounds
        if (block, encoding) in self._known:
            return False
        self._known.add((block, encoding))
        return True


def may_be_encoded(data: bytes) -> bool:
    """A cheap test of UTF-8 text; False means that it holds nothing to decode."""
    return _ANY.search(data) is not None


def plain_marks(text: str) -> str:
    """The text with plain marks for those of typesetters, of as many characters."""
    if not text.isascii():
        for typeset, plain in _TYPESET.items():
            if typeset in text:
                text = text.replace(typeset, plain)
    return text


def fold(text: str) -> str:
    """The text as a reader sees it: compatibility forms, look-alikes and accents become plain letters, and invisible
    characters are removed."""
    if text.isascii():
        return text
    foreign = text.encode("utf-8", "surrogatepass").translate(None, _ASCII).decode("utf-8", "surrogatepass")
    visible_text = _INVISIBLE.sub("", text) if _INVISIBLE.search(foreign) else text
    plain = _Plain()
    return "".join(_folded(visible_text[start : start + SLICE], plain) for start in range(0, len(visible_text), SLICE))


def _folded(text: str, plain: _Plain) -> str:
    if text.isascii():
        return text
    parts = _FOREIGN.split(text)
    parts[1::2] = map(plain.__getitem__, parts[1::2])
    return "".join(parts)


class _Plain(dict[str, str]):
    """Runs of foreign characters, folded: a text has few marks and words, and repeats them."""

    def __missing__(self, run: str) -> str:
        plain = _MARKS.sub("", unicodedata.normalize("NFKD", run))
        # Composed again, since syllables (Korean) and voiced letters (Japanese) are taken apart by NFKD.
        self[run] = folded = unicodedata.normalize("NFC", plain).translate(_LOOKALIKES)
        return folded


def unbroken(text: str) -> str:
    """The text with quoted line ends as line ends, quoted quotes and slashes as such, and without commands to a terminal; the
    same object without any."""
    read = text
    if "\x1b" in read or "\x9b" in read:
        read = _TERMINAL.sub("\n", _COLOUR.sub("", read))
    return _QUOTED_MARK.sub("", _BREAK.sub("\n", read)) if "\\" in read else read


def unescape(text: str) -> str:
    """Decode quoted-printable, UTF-7, percent encoding, HTML entities and backslash escapes once; the same object when there
    are none."""
    read = text
    if "=" in read:
        read = _unquoted(read)
    if "+A" in read:
        read = _UTF_7.sub(_letters, read)
    if "\\" in read:
        read = _joined_surrogates(_ESCAPE.sub(_character, read))
    if "&" in read and _ENTITY.search(read):
        read = _dereferenced(_HUGE.sub(_shorter, read))
    if "%" in read and _PERCENT.search(read):
        read = unquote(read, errors="replace")
    return read


def _unquoted(text: str) -> str:
    """The text without quoted-printable encoding."""
    joined = _SOFT_BREAK.sub(_nothing, text)
    if joined == text and len(_OCTETS.findall(text)) < 2:
        return text
    return _QUOTED.sub(lambda match: bytes.fromhex(match[0].replace("=", "")).decode("utf-8", "replace"), joined)


def _nothing(match: re.Match[str]) -> str:
    """Nothing for the end of a quoted-printable line, which has blanks or octets; a line of base64 only ends with padding."""
    line = match.string[max(0, match.start() - LINE) : match.start()].rpartition("\n")[2]
    return "" if " " in line or "=" in line else match[0]


def _letters(match: re.Match[str]) -> str:
    """What a run in UTF-7 says; the run itself where that is no plain text."""
    letters = match[1]
    raw = base64.b64decode(letters[: len(letters) - (len(letters) % 4 == 1)] + "=" * (-len(letters) % 4))
    plain = raw[: len(raw) // 2 * 2].decode("utf-16-be", "replace")
    return plain if plain.isascii() and plain.isprintable() else match[0]


def _dereferenced(text: str) -> str:
    """`html.unescape`, which calls a function for each reference; pages have few and repeat them."""
    parts = _REFERENCE.split(text)
    known = {reference: html.unescape(f"&{reference}") for reference in set(parts[1::2])}
    parts[1::2] = map(known.__getitem__, parts[1::2])
    return "".join(parts)


def _shorter(match: re.Match[str]) -> str:
    digits = match[1].lstrip("0")
    return f"&#{digits};" if len(digits) < 8 else "\ufffd"


def _character(match: re.Match[str]) -> str:
    code = int(match[3], 8) if match[3] else int(match[1] or match[2], 16)
    return chr(code) if code < 0x110000 else match[0]


def _joined_surrogates(text: str) -> str:
    if text.isascii():
        return text
    return text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace")
