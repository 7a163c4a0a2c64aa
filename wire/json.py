"""JSON as it is read from and written to the wire: one meaning only, or refused.

Two readers must never take one body differently: what the guard inspected is what the server runs. So duplicate keys,
NaN, numbers out of range, bad UTF-8, half surrogates and deep nesting are errors, and what is forwarded is written
anew from what was read (facts: parser gap).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, NoReturn

import orjson

MAX_DEPTH = 64


class Malformed(ValueError):
    """Not JSON with exactly one meaning, or not a JSON-RPC message. Its text quotes nothing of the input."""


def parse(body: bytes) -> Any:
    """The value of a UTF-8 JSON text; raises Malformed."""
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError:
        raise Malformed("not UTF-8") from None
    try:
        value = _DECODER.decode(text)
    except RecursionError:
        raise Malformed(f"nested deeper than {MAX_DEPTH} levels") from None
    except Malformed:
        raise
    except ValueError:
        raise Malformed("not JSON") from None
    # Counting brackets bounds the depth at once for nearly every message; only the rest is walked.
    if body.count(b"{") + body.count(b"[") > MAX_DEPTH and _depth(value) > MAX_DEPTH:
        raise Malformed(f"nested deeper than {MAX_DEPTH} levels")
    if b"\\u" in body:
        dump(value)
    return value


def dump(value: Any) -> bytes:
    """Compact UTF-8 JSON, keys in their order; raises Malformed for what is not JSON (half of a surrogate pair)."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        pass  # integers beyond 64 bits, which JSON has and orjson has not, or no JSON at all
    try:
        return _ENCODER.encode(value).encode("utf-8")
    except (UnicodeEncodeError, ValueError):
        raise Malformed("holds half of a surrogate pair, or a number that is not JSON") from None


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        raise Malformed("a key appears twice")
    return result


def _constant(_: str) -> NoReturn:
    raise Malformed("NaN and Infinity are not JSON")


def _finite(text: str) -> float:
    number = float(text)
    if number in (float("inf"), float("-inf")):
        raise Malformed("a number is out of range")
    return number


_DECODER = json.JSONDecoder(object_pairs_hook=_unique, parse_constant=_constant, parse_float=_finite)
_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), check_circular=False)


def _depth(value: Any) -> int:
    deepest, level = 0, [value]
    while level and deepest <= MAX_DEPTH:
        deepest += 1
        level = [child for node in level for child in _children(node)]
    return deepest


def _children(node: Any) -> Iterator[Any]:
    if isinstance(node, dict):
        return (child for child in node.values() if isinstance(child, dict | list))
    if isinstance(node, list):
        return (child for child in node if isinstance(child, dict | list))
    return iter(())
