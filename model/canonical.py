"""Canonical JSON: the one byte form of a JSON value, and its digest. Reading JSON stands in model/json.py."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from model.json import MAX_DEPTH


def canonical_json(value: Any) -> bytes:
    """The one byte form of a JSON value, after RFC 8785 (JCS): no whitespace, keys sorted by UTF-16 units, UTF-8.

    Unlike RFC 8785, integers of any length keep every digit: rounding to a double would give two definitions one
    digest. Numbers equal in value have equal text (1.0 is 1). Raises ValueError for anything that is not JSON: NaN,
    infinities, lone surrogates, keys that are not strings, other types, over 100 levels.
    """
    text = json.dumps(_normal(value, 0), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:
        raise ValueError("a string holds half of a surrogate pair, which is not Unicode text") from None


def _normal(value: Any, depth: int) -> Any:
    if depth > MAX_DEPTH:
        raise ValueError(f"is nested deeper than {MAX_DEPTH} levels")
    kind = type(value)
    if kind is dict:
        if not all(type(key) is str for key in value):
            raise ValueError("a key is not a string")
        keys = sorted(value, key=_utf16) if not all(map(str.isascii, value)) else sorted(value)
        return {key: _normal(value[key], depth + 1) for key in keys}
    if kind is list or kind is tuple:
        return [_normal(item, depth + 1) for item in value]
    if kind is float:
        if value != value or value in (float("inf"), float("-inf")):
            raise ValueError("a number is NaN or out of range, which is not JSON")
        return int(value) if value.is_integer() else value
    if value is None or kind in (str, int, bool):
        return value
    raise ValueError(f"{kind.__name__} is not JSON")


def _utf16(key: str) -> bytes:
    return key.encode("utf-16-be", "surrogatepass")


def digest(value: Any) -> str:
    """``sha256:<hex>`` of the canonical JSON; raises ValueError like `canonical_json`."""
    return "sha256:" + hashlib.sha256(canonical_json(value)).hexdigest()
