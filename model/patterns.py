"""Compiles regular expressions and glob patterns that others wrote into matchers of linear time.

JSON Schema takes ECMA-262 expressions, which a backtracking matcher can be made to spend minutes on; RE2 cannot. What RE2
does not know is refused, but for two things that generated schemas are full of: ``\\uXXXX`` and ``\\u{X}`` escapes (JSON
Schema reads both, as with the flag `u`: 2020-12 core, section 6.4), and lookaheads right after a leading ``^`` (zod's e-mail
pattern, password rules), which are tests of the whole text made one after the other.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import re2  # type: ignore[import-untyped]

from model.name_patterns import tokens

MAX_LENGTH = 4096
_UNICODE = re.compile(r"(?<!\\)((?:\\\\)*)\\u(?:([0-9A-Fa-f]{4})|\{([0-9A-Fa-f]{1,6})\})")
Matcher = Callable[[str], bool]


def compile_pattern(pattern: str) -> Matcher:
    """A function that says whether a text contains a match (JSON Schema: patterns are not anchored).

    Raises ValueError for what cannot be matched in linear time, and for what is no expression.
    """
    if len(pattern) > MAX_LENGTH:
        raise ValueError(f"a pattern is longer than {MAX_LENGTH} characters")
    pattern = _UNICODE.sub(r"\1\\x{\2\3}", pattern)
    lookaheads, expression = _leading_lookaheads(pattern)
    search = _compile(expression).search
    if not lookaheads:
        return lambda text: search(text) is not None
    tests = [(_compile(body).search, positive) for body, positive in lookaheads]

    def matches(text: str) -> bool:
        return search(text) is not None and all((test(text) is not None) is positive for test, positive in tests)

    return matches


def _compile(pattern: str) -> Any:
    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    options.max_mem = 4 << 20
    try:
        return re2.compile(pattern, options)
    except re2.error:
        raise ValueError("a pattern cannot be matched in linear time (RE2 does not take it)") from None


def _leading_lookaheads(pattern: str) -> tuple[list[tuple[str, bool]], str]:
    """Split ``^(?=a)(?!b)rest`` into [("^(?:a)", True), ("^(?:b)", False)] and ``^(?:rest)``.

    Only where nothing but a single branch follows: in ``^(?!a)b|c`` the lookahead belongs to the first branch alone.
    """
    lookaheads: list[tuple[str, bool]] = []
    start = 1
    while pattern.startswith(("(?=", "(?!"), start) and pattern.startswith("^"):
        end = _closing(pattern, start)
        lookaheads.append((f"^(?:{pattern[start + 3 : end]})", pattern[start + 2] == "="))
        start = end + 1
    if not lookaheads:
        return [], pattern
    body = pattern[start:]
    if body[:1] in ("*", "+", "?", "{") or _branches(body):
        raise ValueError("a pattern uses a lookahead where it cannot be matched in linear time")
    return lookaheads, f"^(?:{body})"


def _closing(pattern: str, start: int) -> int:
    depth = 0
    for index, char in _outside_classes(pattern, start):
        depth += (char == "(") - (char == ")")
        if depth == 0:
            return index
    raise ValueError("a pattern has an open bracket")


def _branches(pattern: str) -> bool:
    depth = 0
    for _, char in _outside_classes(pattern, 0):
        depth += (char == "(") - (char == ")")
        if char == "|" and depth == 0:
            return True
    return False


def _outside_classes(pattern: str, position: int) -> list[tuple[int, str]]:
    """(index, character) of every character from `position` on that is neither escaped nor inside ``[...]``."""
    characters: list[tuple[int, str]] = []
    in_class = False
    while position < len(pattern):
        char = pattern[position]
        if char == "\\":
            position += 2
            continue
        if in_class:
            in_class = char != "]"
        elif char == "[":
            in_class = True
        else:
            characters.append((position, char))
        position += 1
    return characters


def compile_globs(patterns: tuple[str, ...]) -> Matcher:
    """A function that says whether one of a grant's patterns, as `model.name_patterns` reads them, matches a whole text."""
    if not patterns:
        return lambda text: False
    wildcards = {"*": "(?s:.*)", "?": "(?s:.)"}
    branches = (
        "".join(wildcards[char] if wild else re2.escape(char) for char, wild in tokens(pattern)) for pattern in patterns
    )
    fullmatch = _compile("|".join(f"(?:{branch})" for branch in branches)).fullmatch
    return lambda text: fullmatch(text) is not None
