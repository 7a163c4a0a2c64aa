"""Tokens: the estimate for a text, and the tokens that are to be reported to the server's budget at the gateway.

The budgets of principals are in `guard.decide.limits`.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from typing import Any

import orjson

from wire.json import dump

BYTES_PER_TOKEN = 4


def estimate(text_bytes: int) -> int:
    """Tokens of a text of so many UTF-8 bytes: a quarter of the bytes, rounded up.

    This is an estimate on purpose. Tokenizers differ by model, and the guard does not know which one will read the text.
    Four bytes a token is the vendors' rule of thumb for English; other scripts take more bytes a letter, so they are not
    undercounted by much. A budget is a bound on harm, not a bill.
    """
    return -(-text_bytes // BYTES_PER_TOKEN)


class ServerBudget:
    """Tokens that are not reported to the gateway yet.

    Kong's response-ratelimiting reads `X-Kong-Limit: tokens=N` from response headers. The headers of an SSE answer are
    sent before its results exist, so its tokens are owed and reported with the next answer that can carry them.
    """

    def __init__(self) -> None:
        self._owed = 0

    def owe(self, tokens: int) -> None:
        """Add tokens of a result whose headers are sent."""
        self._owed += max(0, tokens)

    def settle(self, tokens: int, remaining: int | None) -> int:
        """The tokens that this answer reports: its own `tokens` and everything owed, but never more than `remaining`.

        Tokens beyond that are forgiven: Kong's minute ends with the clock's, and a debt that is carried over would close
        the server for minutes after one large result. Once nothing remains, nothing is reported and nothing forgiven: Kong
        would turn the answer into a 429 after the call was executed (3.9.3, header_filter.lua).
        """
        if remaining is not None and remaining <= 0:
            self._owed += max(0, tokens)
            return 0
        owed, self._owed = self._owed, 0
        return owed + tokens if remaining is None else min(owed + tokens, remaining)


#: A number as Lua writes it: with decimals if an answer reported some, with an exponent from 1e+14 on (`%.14g`).
_NUMBER = re.compile(r"-?[0-9]{1,15}(\.[0-9]{1,15})?(e[+-][0-9]{1,3})?")


def read_remaining(text: str | None) -> int | None:
    """The whole tokens left of the server's budget, as Kong wrote them; None if the header is missing or no number."""
    if text is None or not _NUMBER.fullmatch(text):
        return None
    return math.floor(float(text))


def seconds_to_next_minute(time: float) -> int:
    """Seconds until Kong's budget is full again: its periods are the clock's minutes (3.9.3, kong/tools/timestamp.lua)."""
    return max(1, math.ceil(60 - time % 60))


def repeated_bytes(result: Mapping[str, Any]) -> int:
    """Bytes of a tool's result that say once more, as text for older clients, what its `structuredContent` says.

    MCP has a tool return both, and a model reads one of them, so both count once. A text repeats the structured content if
    it is equal to it or to its only member (as servers wrap what is no object), or parses to what is equal; the texts of a
    list's items repeat it together. Nothing that is merely alike is left out of the count, and no text twice.
    """
    structured, blocks = result.get("structuredContent"), result.get("content")
    if not isinstance(structured, dict) or not isinstance(blocks, list):
        return 0
    texts = [block["text"] for block in blocks if isinstance(block, dict) and isinstance(block.get("text"), str)]
    sources = [structured, *structured.values()] if len(structured) == 1 else [structured]
    for text in texts:
        if any(_repeats(text, source) for source in sources):
            return len(dump(text))
    items = sources[-1]
    if isinstance(items, list) and len(items) == len(texts) and all(map(_repeats, texts, items)):
        return sum(len(dump(text)) for text in texts)
    return 0


def _repeats(text: str, value: Any) -> bool:
    if text == value:
        return True
    try:
        return bool(orjson.loads(text) == value)
    except ValueError:
        return False
