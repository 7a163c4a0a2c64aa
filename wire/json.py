"""Reads and writes the JSON of messages: a text has exactly one meaning or is refused, as model/json.py says.

A byte order mark before the text and half of a surrogate pair in it have one meaning: nothing, and U+FFFD.

The guard forwards what it writes anew from the value it inspected, so that the server runs what was inspected.
"""

from __future__ import annotations

import json
from typing import Any

import orjson

from model.json import NotJson, check_depth, read_json

MAX_DEPTH = 64
_MARK = b"\xef\xbb\xbf"


class Malformed(ValueError):
    """Not JSON with exactly one meaning, or not a JSON-RPC message. Its text quotes nothing of the input."""


def parse(body: bytes) -> Any:
    """The value of a UTF-8 JSON text; raises Malformed."""
    body = body.removeprefix(_MARK)
    try:
        # A text that is what its value is written as has no other meaning: no key twice, no half of a pair, no number that
        # was rounded. Nearly every message is, and both ways together take a third of the strict reader's time.
        value = orjson.loads(body)
        usual = orjson.dumps(value) == body
    except (ValueError, TypeError):  # of either way, also for what the strict reader alone takes
        usual = False
    try:
        if usual:
            check_depth(body, MAX_DEPTH)
            return value
        value = None  # beside the strict reader's it would take as much memory again
        return read_json(body, MAX_DEPTH, replace_halves=True)
    except NotJson as error:
        raise Malformed(str(error)) from None


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


_ENCODER = json.JSONEncoder(ensure_ascii=False, allow_nan=False, separators=(",", ":"), check_circular=False)
