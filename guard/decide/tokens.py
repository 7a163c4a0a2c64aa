"""Counting tokens: how many a text is taken for, and what a server owes its budget at the gateway."""

from __future__ import annotations

import math
import re

BYTES_PER_TOKEN = 4


def estimate(text_bytes: int) -> int:
    """Tokens of a text of so many UTF-8 bytes: a quarter, rounded up.

    An estimate on purpose. Tokenizers differ by model and the guard does not know which one will read the text; four
    bytes is the vendors' rule of thumb for English. Other scripts take more bytes a letter, so they are not undercounted
    by much. A budget is a bound on harm, not a bill.
    """
    return -(-text_bytes // BYTES_PER_TOKEN)


class ServerBudget:
    """Tokens not reported to the gateway yet.

    Kong's response-ratelimiting reads `X-Kong-Limit: tokens=N` from response headers. The headers of an SSE answer are
    gone before its results exist, so its tokens are owed and go with the next answer that can carry them.
    """

    def __init__(self) -> None:
        self._owed = 0

    def owe(self, tokens: int) -> None:
        """Add tokens of a result whose headers are sent."""
        self._owed += max(0, tokens)

    def settle(self, tokens: int, remaining: int | None) -> int:
        """What this answer reports: its own `tokens` and everything owed, but never more than what is left.

        What goes beyond is forgiven: Kong's minute ends with the clock's, and a debt that is carried over would close the
        server for minutes after one large result. Nothing is reported, and nothing forgiven, once nothing is left: Kong
        would turn the answer into a 429 after the call was executed (3.9.3, header_filter.lua).
        """
        if remaining is not None and remaining <= 0:
            self._owed += max(0, tokens)
            return 0
        owed, self._owed = self._owed, 0
        return owed + tokens if remaining is None else min(owed + tokens, remaining)


#: How Lua writes a number: decimals where an answer reported some, an exponent from 1e+14 on (`%.14g`).
_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,15})?(e[+-][0-9]{1,3})?")


def read_remaining(text: str | None) -> int | None:
    """Whole tokens left of the server's budget, as Kong wrote them; None for a header that is missing or no number."""
    if text is None or not _NUMBER.fullmatch(text):
        return None
    return math.floor(float(text))


def seconds_to_next_minute(now: float) -> int:
    """When Kong's budget is full again: its periods are those of the clock (3.9.3, kong/tools/timestamp.lua)."""
    return max(1, math.ceil(60 - now % 60))
