"""Text behind an encoding, within bounds: base64, percent, HTML entities, escapes, full-width and look-alike letters.

What is decoded is looked at once more, two layers deep. Encoded text beyond the bounds makes no verdict possible, and the
caller is told so; what decodes to no text (images, hashes, keys) is none.
"""

from __future__ import annotations

import base64
import binascii
import html
import re
import unicodedata
from urllib.parse import unquote

from guard.engines.rules.hidden_text import tag_text, unhidden

LAYERS = 2
#: Characters of encoded text that one item may make the guard decode.
BUDGET = 512 * 1024

_BASE64 = re.compile(
    r"(?:[A-Za-z0-9+/]{4}){6,}(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?|(?:[A-Za-z0-9_-]{4}){6,}[A-Za-z0-9_-]{0,3}={0,2}"
)
_PERCENT = re.compile(r"(?:%[0-9A-Fa-f]{2}|[A-Za-z0-9._~+-]){0,400}(?:%[0-9A-Fa-f]{2}){1}[^\s\"'<>]{0,400}")
_ENTITY = re.compile(r"&(?:#\d{1,7}|#[xX][0-9A-Fa-f]{1,6}|[A-Za-z]{2,8});")
_ESCAPE = re.compile(r"\\u[0-9A-Fa-f]{4}|\\x[0-9A-Fa-f]{2}")
_HEX = re.compile(r"\b(?:[0-9A-Fa-f]{2}){16,}\b")

_LOOK_ALIKES = str.maketrans(
    "аеорсухіјѕԁһѵԛԝкмтвнАВЕКМНОРСТХІЈЅαοινκρτυχΑΒΕΖΗΙΚΜΝΟΡΤΥΧɡɩʟ",
    "aeopcyxijsdhvqwkmtbhABEKMHOPCTXIJSaoivkptuxABEZHIKMNOPTYXgil",
)


class TooMuch(Exception):
    """More encoded text than is decoded."""


def folded(text: str) -> str:
    """`text` with what draws nothing left out, compatibility forms and look-alike letters as plain ones."""
    if text.isascii():
        return text
    return unicodedata.normalize("NFKC", unhidden(text)).translate(_LOOK_ALIKES)


def decoded(text: str) -> list[str]:
    """Every readable text that `text` encodes, inner layers too; raises TooMuch."""
    found: list[str] = []
    layer, spent = [text], 0
    for _ in range(LAYERS):
        inner: list[str] = []
        for one in layer:
            if not _worth(one):
                continue
            for candidate, cost in _candidates(one):
                spent += cost
                if spent > BUDGET:
                    raise TooMuch
                if candidate and _is_text(candidate) and candidate != one:
                    inner.append(candidate)
        found += inner
        layer = inner
    return found


def _worth(text: str) -> bool:
    return len(text) >= 6 and (
        not text.isascii() or any(mark in text for mark in ("%", "&", "\\")) or _BASE64.search(text) is not None
    )


def _candidates(text: str) -> list[tuple[str, int]]:
    found: list[tuple[str, int]] = []
    if not text.isascii() and (spelt := tag_text(text)):
        found.append((spelt, len(spelt)))
    if "%" in text and len(re.findall(r"%[0-9A-Fa-f]{2}", text)) >= 3:
        found.append((unquote(text, errors="replace"), len(text)))
    if "&" in text and _ENTITY.search(text):
        found.append((html.unescape(text), len(text)))
    if "\\" in text and _ESCAPE.search(text):
        found.append((_ESCAPE.sub(lambda match: chr(int(match[0][2:], 16)), text), len(text)))
    for match in _BASE64.finditer(text):
        found.append((_base64(match[0]), len(match[0])))
    for match in _HEX.finditer(text):
        found.append((_utf8(bytes.fromhex(match[0])), len(match[0])))
    return found


def _base64(text: str) -> str:
    plain = text.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        return _utf8(
            base64.b64decode(plain[: len(plain) // 4 * 4] if len(plain) % 4 == 1 else plain + "=" * (-len(plain) % 4))
        )
    except (binascii.Error, ValueError):
        return ""


def _utf8(raw: bytes) -> str:
    for encoding in ("utf-8", "utf-16-le") if b"\x00" in raw else ("utf-8",):
        try:
            return raw.decode(encoding)
        except UnicodeDecodeError:
            continue
    return ""


def _is_text(text: str) -> bool:
    """Mostly letters and blanks, as words are and random bytes are not."""
    wordly = sum(char.isalnum() or char in " \n\t.,:;/_-'\"()<>" for char in text)
    return len(text) >= 6 and wordly >= 0.85 * len(text)
