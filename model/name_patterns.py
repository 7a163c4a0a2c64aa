"""Patterns of grants: ``*`` is any text, ``?`` is one character, and every other character is itself.

A backslash makes the next ``*``, ``?`` or backslash itself, and stands before nothing else; so each name that a server can
offer is written in exactly one way, and a pattern is told from a name by an open ``*`` or ``?`` alone.
"""

from __future__ import annotations

#: What a grant may say, as one expression for pydantic and for the JSON Schema of stack files.
GRANT_PATTERN = r"^([^\\]|\\[*?\\])+$"
MAX_NAME = 1024

#: One character that must stand there, or a wildcard: "*" with True is any text, "*" with False is itself.
Token = tuple[str, bool]


def literal(name: str) -> str:
    """The pattern that matches this name and no other."""
    return "".join(f"\\{char}" if char in "*?\\" else char for char in name)


def tokens(pattern: str) -> list[Token]:
    """A pattern taken apart; a backslash at its end, which no checked pattern has, is itself."""
    parts: list[Token] = []
    escaped = False
    for char in pattern:
        if char == "\\" and not escaped:
            escaped = True
            continue
        parts.append((char, not escaped and char in "*?"))
        escaped = False
    return [*parts, ("\\", False)] if escaped else parts


def matches(pattern: str, name: str) -> bool:
    """Whether a pattern matches a whole name; case counts. The work is at most the product of both lengths."""
    parts = tokens(pattern)
    place = position = 0
    star, resumed = -1, 0
    while position < len(name):
        char, wild = parts[place] if place < len(parts) else ("", False)
        if wild and char == "*":
            star, resumed = place, position
            place += 1
        elif place < len(parts) and (wild or char == name[position]):
            place += 1
            position += 1
        elif star >= 0:
            resumed += 1
            place, position = star + 1, resumed
        else:
            return False
    return all(part == ("*", True) for part in parts[place:])


def matches_any(patterns: tuple[str, ...], name: str) -> bool:
    return any(matches(pattern, name) for pattern in patterns)
