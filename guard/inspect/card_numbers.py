"""Tells the numbers of payment cards from others (ISO/IEC 7812): Luhn's check, and what a network's numbers begin with.

One number in ten satisfies Luhn by chance, so a number alone is no card: what decides is a word for a card beside it.
"""

from __future__ import annotations

import re

#: No card has fewer digits than 14, but for numbers that networks stopped giving out before MCP.
LEAST_CARD = 10**13
_NUMBER = re.compile(r"[2-6][0-9]{15}|3[47][0-9]{13}|3[068][0-9]{12}|(?:5[06-9]|6[0-9])[0-9]{15,17}")
#: The last word of members that hold an id, a moment or an amount, whatever is beside them.
_NO_CARD = re.compile(
    r"(?:^|[^A-Za-z]|[a-z](?=[A-Z]))(?:[Ii][Dd]s?|(?i:ts|time|timestamp|date|at|nanos|ns|ms|size|bytes|offset))$"
)


def luhn(digits: str) -> bool:
    """Whether the last digit checks the others (ISO/IEC 7812-1, annex B)."""
    total = 0
    for position, char in enumerate(reversed(digits)):
        value = int(char) * (1 + position % 2)
        total += value - 9 * (value > 9)
    return total % 10 == 0


def may_be_card(pointer: str, digits: str) -> bool:
    """Whether a JSON number at this place may be a card's, and no id of another kind."""
    name = pointer.rpartition("/")[2]
    return _NUMBER.fullmatch(digits) is not None and luhn(digits) and _NO_CARD.search(name) is None
