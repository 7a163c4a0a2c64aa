"""Blocks of text that stand encoded inside a text: hexadecimal, base64, base32, bits and character codes.

Each encoding is looked for by itself, so that what stands before or after a block hides none of it. A block may be wrapped,
set in groups, and stand behind the marks of a quotation or a comment. All work is linear in the length of the text.
"""

from __future__ import annotations

import base64
import re
from binascii import a2b_base64, unhexlify
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import lru_cache
from itertools import groupby
from typing import Any, Protocol

import re2  # type: ignore[import-untyped]

from guard.engines.rules.pattern_set import SMALL_MEMORY, PatternSet, options

#: Base64 with a path or a name of the same letters around it is taken apart up to this length; longer, it is one block.
_APART = 2000
#: Fewest letters of one part of a block.
_PART = 20
_PRINTABLE = bytes(range(32, 127)) + b"\t\r\n"
#: A line end inside a block, with the mark of a quotation or a comment on the next line.
_WRAP = r"\r?\n[ \t]*(?:(?:[>#*|]|//)[ \t]+)?"
_MARK = re.compile(rb"\n[ \t]*(?:[>#*|]|//)[ \t]+")
_HEX_DIGITS = b"0123456789ABCDEFabcdef"
_HEX_PREFIX = re.compile(rb"0[xX]|\\x")
_NO_HEX = re.compile(rb"[^0-9A-Fa-f]+")
_NO_BASE32 = re.compile(rb"[^A-Z2-7]+")
_STANDARD = bytes.maketrans(b"-_", b"+/")
_SEPARATED = bytes.maketrans(b"-_/", b"   ")
#: What no printable text in UTF-8 holds: a control, and an octet that UTF-8 leaves out.
_NO_TEXT = re.compile(rb"[\x00-\x1f\x7f\xc0\xc1\xf5-\xff]")
_LETTERS = r"[A-Za-z0-9+/_-]"


class Spending(Protocol):
    """What may still be decoded; both methods raise when that is nothing."""

    def candidate(self, block: bytes, encoding: int) -> bool: ...

    def spend(self, characters: int) -> None: ...


def expression(pattern: str) -> Any:
    """A compiled RE2 pattern without groups."""
    return re2.compile(pattern, options(captures=False))


@dataclass(frozen=True, slots=True)
class Encoding:
    """One encoding: how its blocks look, and the texts that one block holds."""

    blocks: Any
    texts: Callable[[bytes], Iterator[str]]


def pieces(text: str, budget: Spending) -> Iterator[str]:
    """Texts that `text` holds in blocks; binary content is left out. Raises what `budget` raises."""
    if len(text) < _PART:
        return
    data = text.encode("utf-8", "replace")
    kinds = _kinds().hits(data)
    for number, encoding in enumerate(_ENCODINGS):
        if kinds is not None and number not in kinds:
            continue
        for match in encoding.blocks.finditer(data):
            start, end = match.span()
            block = data[start:end]
            if not budget.candidate(block, number):
                continue
            for decoded in encoding.texts(block):
                budget.spend(len(decoded))
                yield decoded


def _hexadecimal(block: bytes) -> Iterator[str]:
    digits = _NO_HEX.sub(b"", _HEX_PREFIX.sub(b"", block)) if block.translate(None, _HEX_DIGITS) else block
    for start in range(2):
        size = (len(digits) - start) // 2 * 2
        decoded = _readable(unhexlify(digits[start : start + size]))
        if decoded is not None:
            yield decoded
            return


def _base64(block: bytes) -> Iterator[str]:
    lines = (_MARK.sub(b"\n", block) if b"\n" in block else block).split()
    letters = b"".join(lines)
    decoded = _base64_line(letters)
    if decoded is not None:
        yield decoded
        return
    # A line that is no part of the block is of another length, but for the last.
    parts = [b"".join(group) for _, group in groupby(lines, key=len)] if len(lines) > 1 else []
    if len(block) <= _APART:
        parts += block.translate(_SEPARATED).split()
    for part in parts:
        if len(part) >= _PART and part != letters and (decoded := _base64_line(part)) is not None:
            yield decoded


def _base64_line(letters: bytes) -> str | None:
    """Decode from each of four offsets: characters before the base64 (a path, a name) may be of the same alphabet."""
    if letters.islower():
        # A name or a path: text has capitals in base64, as a letter before "h" begins with one there.
        return None
    compact = letters.rstrip(b"=").translate(_STANDARD)
    for start in range(4):
        # Padding that is too long is left over, and a letter too much left out.
        end = -1 if (len(compact) - start) % 4 == 1 else None
        decoded = _readable(a2b_base64(compact[start:end] + b"=="))
        if decoded is not None:
            return decoded
    return None


def _base32(block: bytes) -> Iterator[str]:
    letters = _NO_BASE32.sub(b"", _MARK.sub(b"\n", block))
    letters = letters[: len(letters) - (len(letters) % 8 in (1, 3, 6))]
    decoded = _readable(base64.b32decode(letters + b"=" * (-len(letters) % 8)))
    if decoded is not None:
        yield decoded


def _bits(block: bytes) -> Iterator[str]:
    digits = re.sub(rb"[^01]+", b"", block)
    decoded = _readable(int(digits, 2).to_bytes(len(digits) // 8, "big"))
    if decoded is not None:
        yield decoded


def _codes(block: bytes) -> Iterator[str]:
    """Character codes, read as decimal and as octal numbers."""
    numbers = re.findall(rb"[0-9]+", block)
    for base in (10, 8):
        if base == 8 and any(b"8" in number or b"9" in number for number in numbers):
            return
        codes = [int(number, base) for number in numbers]
        decoded = _readable(bytes(codes)) if max(codes) < 256 else None
        if decoded is not None:
            yield decoded


def _readable(raw: bytes) -> str | None:
    """The bytes as text, or None for binary. Mostly printable bytes count as text, so that one odd byte hides nothing."""
    if len(raw) < 8:
        return None
    strange = len(raw.translate(None, _PRINTABLE))
    if strange == 0:
        return raw.decode("ascii")
    if raw.count(0) > len(raw) * 0.3:
        for zeros, name in ((raw[1::2], "utf-16-le"), (raw[::2], "utf-16-be")):
            if zeros.count(0) > len(zeros) * 0.8:
                return raw.decode(name, "replace")
    if strange <= len(raw) * 0.3:
        return raw.decode("utf-8", "replace")
    # The rest is text in another script, or binary, as most of what is in base64.
    if _NO_TEXT.search(raw):
        return None
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        return None
    return text if text.isprintable() else None


_PAIR = r"(?:0[xX]|\\x)?[0-9A-Fa-f]{2}"
_BETWEEN = rf"(?:[ :,;_-][ \t]?|{_WRAP})?"
_WRAPPED = rf"(?:{_LETTERS}{{8,19}}{_WRAP}){{3}}"
_FOURS, _EIGHTS = r"(?:[A-Za-z0-9+/]{4}[ \t])", r"(?:[A-Za-z0-9+/]{8}[ \t])"
_EIGHTS_32 = r"(?:[A-Z2-7]{8}[ \t])"
_BYTE, _CODE = r"(?:[01]{8}[ ,]{0,2})", r"(?:[0-9]{2,3}(?:[,;] ?| ))"
_ENCODINGS = (
    Encoding(
        expression(rf"[0-9A-Fa-f]{{20,}}(?:{_WRAP}[0-9A-Fa-f]+)+|(?:{_PAIR}{_BETWEEN}){{9,}}{_PAIR}"),
        _hexadecimal,
    ),
    Encoding(
        expression(
            rf"{_LETTERS}{{20,}}(?:{_WRAP}{_LETTERS}{{16,}})*(?:{_WRAP}{_LETTERS}+)?={{0,2}}"
            rf"|{_WRAPPED}(?:{_LETTERS}{{8,19}}{_WRAP})*{_LETTERS}{{2,19}}={{0,2}}"
        ),
        _base64,
    ),
    Encoding(expression(rf"{_FOURS}{{5,}}[A-Za-z0-9+/]{{2,4}}|{_EIGHTS}{{3,}}[A-Za-z0-9+/]{{2,8}}"), _base64),
    Encoding(
        expression(
            rf"[A-Z2-7]{{24,}}(?:{_WRAP}[A-Z2-7]{{16,}})*(?:{_WRAP}[A-Z2-7]+)?|{_EIGHTS_32}{{2,}}[A-Z2-7]{{2,8}}"
        ),
        _base32,
    ),
    Encoding(expression(rf"{_BYTE}{{8,}}"), _bits),
    Encoding(expression(rf"{_CODE}{{11,}}[0-9]{{2,3}}"), _codes),
)


@lru_cache(maxsize=1)
def _kinds() -> PatternSet:
    """Which encodings a text has blocks of, by their numbers: most have none or one."""
    return PatternSet((encoding.blocks.pattern for encoding in _ENCODINGS), SMALL_MEMORY)


#: The least that a text with a block holds.
SIGN = (
    rf"{_LETTERS}{{20}}|{_WRAPPED}|{_FOURS}{{5}}|{_EIGHTS}{{3}}|{_EIGHTS_32}{{2}}"
    rf"|(?:{_PAIR}{_BETWEEN}){{9}}|{_BYTE}{{8}}|{_CODE}{{11}}"
)
