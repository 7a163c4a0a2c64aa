"""The shapes of what a client's params may hold, as MCP's schema has them, where nothing else judges the member.

A server that hands params to code of its own may do anything with a member of another shape, and what steers (a level, a
cursor, the id of a request) is no text that an engine would look at. Which member has which shape stands in
`guard.decide.methods`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from model.value_types import value_type
from wire.jsonrpc import is_whole_number

#: The levels of MCP's logging, which are those of RFC 5424.
LEVELS = ("debug", "info", "notice", "warning", "error", "critical", "alert", "emergency")


@value_type()
class MemberShape:
    """What a member must be; `words` say it to the sender."""

    words: str
    fits: Callable[[Any], bool]


def _is_handle(value: Any) -> bool:
    return isinstance(value, str) or is_whole_number(value)


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _is_meta(value: Any) -> bool:
    # What is no object has no members, and an engine reads it. Some languages write an absent member as null.
    token = value.get("progressToken") if isinstance(value, dict) else None
    return token is None or _is_handle(token)


def _is_completed(value: Any) -> bool:
    return isinstance(value, dict) and isinstance(value.get("name"), str) and isinstance(value.get("value"), str)


TEXT = MemberShape("a string", lambda value: isinstance(value, str))
#: PHP writes an object without members as [].
OBJECT = MemberShape("an object", lambda value: isinstance(value, dict) or value == [])
NUMBER = MemberShape("a number", _is_number)
HANDLE = MemberShape("a string or an integer", _is_handle)
LEVEL = MemberShape(f"one of {', '.join(LEVELS)}", lambda value: isinstance(value, str) and value in LEVELS)
META = MemberShape("an object whose progressToken is a string or an integer", _is_meta)
COMPLETED = MemberShape("an object with the strings name and value", _is_completed)
