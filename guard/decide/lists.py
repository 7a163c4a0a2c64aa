"""Filters a server's list for one principal, who sees the definitions that the lock admits and a grant names.

What makes a definition the approved one is in `guard.decide.pins`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from guard.decide.grants import Rights
from guard.decide.methods import Section
from guard.decide.pins import KEYS, Pins
from guard.inspect.definitions import shown_form

#: Milliseconds for which a client may cache a list, which is made for one principal and changes with the next bundle.
LONGEST_TTL = 60_000


#: Members of results that decide what the client is shown. A member whose name only looks like one of them is refused.
DECIDING = frozenset(
    ("tools", "prompts", "resources", "resourceTemplates", "instructions", "capabilities", "requestState", "resultType")
)
#: Members that hold a list of definitions.
_LISTS = frozenset(section.member for section in Section)


def holds_definitions(result: Mapping[str, Any]) -> bool:
    """Whether a result holds a list of definitions, whatever it answers.

    A client could use one id for two requests, so that the list would be taken for the answer to the other one.
    """
    return not _LISTS.isdisjoint(result) and any(isinstance(result.get(member), list) for member in _LISTS)


def filter_list(
    pins: Pins, section: Section, rights: Rights, result: Mapping[str, Any], *, modern: bool
) -> tuple[list[dict[str, Any]], dict[str, Any], int]:
    """The definitions that the principal may see, the result without its definitions, and how many were withheld.

    A list of the 2026 era is marked private and short-lived, as it holds for one principal (MCP caching).
    """
    listed = result.get(section.member, [])
    definitions = listed if isinstance(listed, list) else [listed]
    admitted: dict[str, dict[str, Any]] = {}
    withheld = 0
    for definition in definitions:
        if not pins.admits(section, definition) or not rights.covers(section, definition[KEYS[section]]):
            withheld += 1
            continue
        # Twins are admitted only where both are the approved definition, so they are one.
        admitted.setdefault(definition[KEYS[section]], shown_form(definition))
    # A later entry of the same key may have shown that the server changed the definition.
    refused = [key for key in admitted if pins.entry(section, key) is None]
    shown = [definition for key, definition in admitted.items() if key not in refused]
    remainder = {key: value for key, value in result.items() if key != section.member}
    if modern:
        remainder["cacheScope"] = "private"
        ttl = remainder.get("ttlMs")
        if isinstance(ttl, int | float) and ttl > LONGEST_TTL:
            remainder["ttlMs"] = LONGEST_TTL
    return shown, remainder, withheld + len(refused)
