"""The one reader of JSON: a text has exactly one meaning, or it is refused.

Two readers must never take one text differently: what was reviewed or inspected is what another program runs. So duplicate
keys, NaN, numbers out of range, bad UTF-8, half surrogates and deep nesting are errors. Half a pair has one meaning to
whoever shows it, U+FFFD, so a reader that writes the value anew may ask for that.
"""

from __future__ import annotations

import json
import re
from itertools import accumulate
from typing import Any, NoReturn

from model.text import visible

#: Levels that a file or a definition may be nested; the wire has a bound of its own (wire/json.py).
MAX_DEPTH = 100
#: An escape of a surrogate, alone or not. Only with one in the text can a string hold half of a pair.
_SURROGATE = re.compile(r"\\u[dD][89abcdefABCDEF]")
#: Bytes of a text that are taken apart at once: another thread has its turn after each.
_PIECE = 1 << 16
#: Brackets as the signed bytes 1 and -1.
_STEPS = bytes.maketrans(b"[{]}", b"\x01\x01\xff\xff")
_NO_BRACKETS = bytes(set(range(256)) - set(b"[]{}"))
_HALF = re.compile("[\ud800-\udfff]")


class NotJson(ValueError):
    """Its text quotes nothing of the input; `detail` and `key`, which appears twice, are for the author of the text."""

    def __init__(self, problem: str, detail: str | None = None, *, key: str | None = None) -> None:
        super().__init__(problem)
        self.detail = detail or problem
        self.key = key


def read_json(text: str | bytes, depth: int, *, replace_halves: bool = False) -> Any:
    """The value of a JSON text (bytes: UTF-8 alone) of at most `depth` levels; raises NotJson.

    `replace_halves` gives U+FFFD for half of a surrogate pair, as a browser's encoder does; it is refused otherwise.
    """
    try:
        # Encoded, too: a string of Python may hold half a pair as it stands.
        encoded = text if isinstance(text, bytes) else text.encode("utf-8")
        text = encoded.decode("utf-8")
    except UnicodeError:
        raise NotJson("not UTF-8") from None
    try:
        value = _DECODER.decode(text)
    except RecursionError:
        raise _too_deep(depth) from None
    except NotJson:
        raise
    except ValueError as error:
        raise NotJson("not JSON", str(error)) from None
    check_depth(encoded, depth)
    if "\\u" in text and _SURROGATE.search(text):
        try:
            json.dumps(value, ensure_ascii=False).encode("utf-8")
        except UnicodeEncodeError:
            if replace_halves:
                return _without_halves(value)
            raise NotJson("a string holds half of a surrogate pair, which is not Unicode text") from None
    return value


def check_depth(encoded: bytes, depth: int) -> None:
    """Raise NotJson where a JSON text has more than `depth` levels."""
    # Counting brackets bounds the depth at once for nearly every message; only the rest is looked at closer.
    if encoded.count(b"{") + encoded.count(b"[") > depth and _is_deeper(encoded, depth):
        raise _too_deep(depth)


def _too_deep(depth: int) -> NotJson:
    text = f"nested deeper than {depth} levels"
    return NotJson(text, f"is {text}")


def parse_json(text: str | bytes) -> Any:
    """The value of a JSON text of at most `MAX_DEPTH` levels.

    Raises:
        ValueError: it has not exactly one meaning. Its text may quote a key of the input, hidden characters shown;
            use `read_json` where nothing of the input may be quoted.
    """
    try:
        return read_json(text, MAX_DEPTH)
    except NotJson as error:
        detail = error.detail if error.key is None else f"the key {visible(error.key[:64])} appears twice"
        raise ValueError(detail) from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        keys: set[str] = set()
        twice = next(key for key, _ in pairs if key in keys or keys.add(key))  # type: ignore[func-returns-value]
        raise NotJson("a key appears twice", key=twice)
    return result


def _constant(name: str) -> NoReturn:
    raise NotJson("NaN and Infinity are not JSON", f"{name} is not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise NotJson("a number is out of range", "a number is NaN or out of range, which is not JSON")
    return number


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_constant, parse_float=_finite)


def _without_halves(value: Any) -> Any:
    """`value` with U+FFFD for each half of a surrogate pair; raises NotJson where two keys become one by it."""
    if isinstance(value, str):
        return _HALF.sub("\ufffd", value)
    if isinstance(value, list):
        return [_without_halves(item) for item in value]
    if isinstance(value, dict):
        return _unique([(_without_halves(key), _without_halves(item)) for key, item in value.items()])
    return value


def without_strings(encoded: bytes) -> tuple[bytes, int]:
    """A JSON text without its strings, so that its marks, numbers and words are left; and how many strings it had.

    Of a text that is no JSON this is so as far as the place where that shows.
    """
    if b"\\" in encoded:
        # Only strings hold backslashes. What is left are the quotes at which strings begin and end.
        encoded = encoded.replace(b"\\\\", b"").replace(b'\\"', b"")
    outside, within = [], 0
    for start in range(0, len(encoded), _PIECE):
        parts = encoded[start : start + _PIECE].split(b'"')
        outside.append(b"".join(parts[within::2]))
        within = (within + len(parts) - 1) % 2
    return b"".join(outside), encoded.count(b'"') // 2


def _is_deeper(encoded: bytes, depth: int) -> bool:
    """Whether a JSON text has more than `depth` levels.

    To walk the value takes ten times as long as to count its brackets one after the other, and nobody else is served
    meanwhile: a server chooses how many values its answer has.
    """
    brackets = without_strings(encoded)[0].translate(_STEPS, _NO_BRACKETS)
    return max(accumulate(memoryview(brackets).cast("b")), default=0) > depth
