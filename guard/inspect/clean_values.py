"""Remembers which message parts had nothing in them, so that the same part is not judged again.

Agents ask the same again and again: the state of a job, a list, a file. An engine that decides by the part alone, by no
service and no clock, says of it what it said before. Only digests are kept, and a caller meets only what it sent or was
sent itself: how long an answer takes tells nobody what others asked.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Hashable

#: Parts that are remembered of one server: some 0.3 MB.
REMEMBERED = 1024


class CleanValues:
    """Parts that every engine allowed without any finding, under one configuration; the least used are forgotten."""

    def __init__(self) -> None:
        # By one string each, which costs the garbage collector nothing.
        self._parts: OrderedDict[str, None] = OrderedDict()
        self._circumstances: dict[Hashable, int] = {}

    def key(self, digest: str, principal: str, circumstances: Hashable) -> str:
        """The key of a part: its digest, the hash of whoever sent it or is sent it, and all else that its judgement depends
        on."""
        number = self._circumstances.get(circumstances)
        if number is None:
            if len(self._circumstances) >= REMEMBERED:
                self._circumstances.clear()
                self._parts.clear()
            number = self._circumstances[circumstances] = len(self._circumstances)
        return f"{number} {principal} {digest}"

    def holds(self, key: str) -> bool:
        if key not in self._parts:
            return False
        self._parts.move_to_end(key)
        return True

    def add(self, key: str) -> None:
        self._parts[key] = None
        if len(self._parts) > REMEMBERED:
            self._parts.popitem(last=False)
