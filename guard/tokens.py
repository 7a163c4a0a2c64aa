"""Counting tokens: how many a text is taken for, and what a server owes its budget at the gateway."""

from __future__ import annotations

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
        """Add tokens of a result whose headers are sent; also to give back what `take` took for an answer never sent."""
        self._owed += max(0, tokens)

    def take(self) -> int:
        """Everything owed, which is then no longer owed: put it on this answer."""
        owed, self._owed = self._owed, 0
        return owed
