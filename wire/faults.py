"""Tells what it can of a message that was refused: the request that it answers, or its own id, and the place of its fault.

Nothing of it is passed on. It is read as leniently as possible for one purpose: nobody must wait for a message that came
and cannot be used.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from model.json import parse_json
from model.text import visible
from wire.json import MAX_DEPTH
from wire.jsonrpc import Id

_MAX_PLACE = 200
#: Bytes at either end of a text that is no JSON, in which its first members or its last ones are looked for.
_END = 512
_ID = rb'("(?:[^"\\]){0,256}"|-?\d{1,18})'
_VERSION = rb'"jsonrpc"\s*:\s*"2\.0"'
_AT_START = re.compile(rb"\s*\{\s*(?:" + _VERSION + rb"\s*,\s*)?" + rb'"id"\s*:\s*' + _ID + rb"\s*,")
_AT_END = re.compile(_VERSION + rb'\s*,\s*"id"\s*:\s*' + _ID + rb"\s*\}\s*$")
#: A line of a message that was written over several lines, of which a command's reader sees each alone.
_SPREAD = re.compile(rb"\s*" + _VERSION + rb"\s*,?\s*")
_METHOD = re.compile(rb'\s*\{\s*(?:"(?:jsonrpc|id)"\s*:\s*(?:"[^"\\]*"|-?\d+)\s*,\s*)*"method"\s*:')


@dataclass(frozen=True, slots=True)
class Diagnosis:
    """`answers` are the ids of requests that the message answers, `asks` is its own id if it is a request.

    `is_message` is false for what never was meant as one, such as a line of a log. `place` is a JSON pointer, or empty.
    """

    is_message: bool
    is_answer: bool = False
    answers: tuple[Id, ...] = ()
    asks: Id | None = None
    place: str = ""


class _Pairs(dict[str, Any]):
    """An object, with the key that it has twice."""

    twice: str | None = None


def diagnose(body: bytes) -> Diagnosis:
    """What can be told of a message that `wire.json.parse` or `wire.jsonrpc.classify` refused."""
    text = body.removeprefix(b"\xef\xbb\xbf").decode("utf-8", "replace")
    try:
        value = _LENIENT.decode(text)
    except (ValueError, RecursionError):
        return _undecoded(body)
    messages = [item for item in (value if isinstance(value, list) else [value]) if _is_message(item)]
    if not messages:
        return Diagnosis(False)
    place = _place(value)
    answers = tuple(item["id"] for item in messages if "method" not in item and _has_id(item))
    asking = next((item for item in messages if "method" in item), None)
    is_answer = any("method" not in item for item in messages)
    asks = asking["id"] if asking is not None and _has_id(asking) else None
    return Diagnosis(True, is_answer, answers, asks, place)


def _is_message(value: Any) -> bool:
    return isinstance(value, dict) and (
        "jsonrpc" in value or ("id" in value and ("result" in value or "error" in value))
    )


def _has_id(message: Any) -> bool:
    id_ = message.get("id")
    if isinstance(message, _Pairs) and message.twice == "id":
        return False
    return isinstance(id_, str | int) and not isinstance(id_, bool)


def _undecoded(body: bytes) -> Diagnosis:
    """Of a text that is no JSON: an id among its first members, or as its last one, stands at no other level."""
    start, end = body[:_END], body[-_END:]
    if _SPREAD.fullmatch(start):
        return Diagnosis(True, True)
    if not start.lstrip(b"\xef\xbb\xbf \t\r\n[").startswith(b"{") or not (b'"jsonrpc"' in start or b'"jsonrpc"' in end):
        return Diagnosis(False)
    if _METHOD.match(start):
        return Diagnosis(True)
    match = _AT_START.match(start) or _AT_END.search(end)
    answers = () if match is None else (parse_json(match[1].decode("utf-8", "replace")),)
    return Diagnosis(True, True, answers)


def _place(value: Any) -> str:
    """The JSON pointer to the first key that appears twice, number that is none, or level too deep."""
    pending: list[tuple[Any, tuple[Any, ...], int]] = [(value, (), 1)]
    while pending:
        node, path, depth = pending.pop()
        if isinstance(node, _Pairs) and node.twice is not None:
            return _pointer((path, node.twice))
        if (isinstance(node, float) and not math.isfinite(node)) or depth > MAX_DEPTH + 1:
            return _pointer(path)
        pending += reversed([(child, (path, key), depth + 1) for key, child in _children(node)])
    return ""


def _children(node: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(node, dict):
        return ((key, child) for key, child in node.items() if isinstance(child, dict | list | float))
    if isinstance(node, list):
        return ((str(number), child) for number, child in enumerate(node) if isinstance(child, dict | list | float))
    return iter(())


def _pointer(path: tuple[Any, ...]) -> str:
    keys: list[str] = []
    while path:
        path, key = path
        keys.append(key.replace("~", "~0").replace("/", "~1"))
    pointer = visible("".join(f"/{key[:64]}" for key in reversed(keys)))
    return pointer if len(pointer) <= _MAX_PLACE else f"{pointer[:_MAX_PLACE]}…"


def _pairs(pairs: list[tuple[str, Any]]) -> _Pairs:
    result = _Pairs(pairs)
    if len(result) != len(pairs):
        keys: set[str] = set()
        result.twice = next(key for key, _ in pairs if key in keys or keys.add(key))  # type: ignore[func-returns-value]
    return result


_LENIENT = json.JSONDecoder(object_pairs_hook=_pairs, strict=False)
