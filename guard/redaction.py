"""Cuts secrets and personal data out of a message, where an engine is certain of their place."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from guard.verdict import Category, Finding

MARKS = {Category.SECRET: "[redacted:secret]", Category.PERSONAL_DATA: "[redacted:personal data]"}


def redact(value: Any, findings: Sequence[Finding]) -> tuple[Any, int]:
    """A copy of `value` with every finding's span replaced by a mark, and how many places were cut.

    Raises:
        ValueError: a finding has no certain place, is of another category, or points at no string: nothing is cut then.
    """
    cuts: dict[str, list[tuple[int, int, str]]] = {}
    for finding in findings:
        if finding.span is None or finding.category not in MARKS:
            raise ValueError("a finding cannot be cut out")
        cuts.setdefault(finding.pointer, []).append((*finding.span, MARKS[finding.category]))
    result, total = value, 0
    for pointer, spans in cuts.items():
        merged = _merged(spans)
        total += len(merged)
        result = _replaced(result, _tokens(pointer), merged)
    return result, total


def _tokens(pointer: str) -> list[str]:
    if pointer and not pointer.startswith("/"):
        raise ValueError("not a JSON pointer")
    return [token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")[1:]]


def _merged(spans: list[tuple[int, int, str]]) -> list[tuple[int, int, str]]:
    """Overlapping spans as one, under the first one's mark."""
    merged: list[tuple[int, int, str]] = []
    for start, end, mark in sorted(spans):
        if merged and start < merged[-1][1]:
            merged[-1] = (merged[-1][0], max(end, merged[-1][1]), merged[-1][2])
        else:
            merged.append((start, end, mark))
    return merged


def _replaced(node: Any, tokens: list[str], spans: list[tuple[int, int, str]]) -> Any:
    if tokens:
        token, rest = tokens[0], tokens[1:]
        if isinstance(node, dict) and token in node:
            return {**node, token: _replaced(node[token], rest, spans)}
        if isinstance(node, list) and token.isdigit() and int(token) < len(node):
            at = int(token)
            return [*node[:at], _replaced(node[at], rest, spans), *node[at + 1 :]]
        raise ValueError("the pointer leads nowhere")
    if not isinstance(node, str):
        raise ValueError("the pointer does not lead to a string")
    for start, end, mark in reversed(spans):
        if not 0 <= start <= end <= len(node):
            raise ValueError("the span lies outside the string")
        node = node[:start] + mark + node[end:]
    return node
