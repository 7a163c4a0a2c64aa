"""Many patterns as one automaton, which tells in one pass over a text which of them match.

All patterns are RE2's, so that no text can make them slow. They hold no wide counted repetition, as that would multiply the
automaton's states.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import re2  # type: ignore[import-untyped]

#: Bytes for an automaton of many patterns, and for one of few (RE2's default). A pass that needs more forgets the states it has
#: seen, or takes the slower way, and finds the same.
MEMORY, SMALL_MEMORY = 64 << 20, 8 << 20
#: Appended to every text, with a pattern of its own: an RE2 set answers "no match" when a pass runs out of memory, which
#: would let everything pass. A pass that does not report the sentinel is therefore no answer.
_SENTINEL = b"\n\x1f\x1eend\x1e\x1f"


def options(*, captures: bool = True, memory: int = SMALL_MEMORY) -> Any:
    """Options for RE2 that keep what a pattern holds out of the log."""
    chosen = re2.Options()
    chosen.log_errors = False
    chosen.max_mem = memory
    chosen.never_capture = not captures
    return chosen


class PatternSet:
    """One automaton of many patterns. It may take `memory` bytes; if it needs more, it tells nothing.

    Raises ValueError when a pattern is wrong.
    """

    def __init__(self, patterns: Iterable[str], memory: int = MEMORY) -> None:
        self._numbers: dict[str, int] = {}
        automaton = re2.Set.SearchSet(options(memory=memory))
        try:
            for pattern in dict.fromkeys(patterns):
                self._numbers[pattern] = automaton.Add(pattern)
            self._end = automaton.Add(re2.escape(_SENTINEL.decode()))
        except re2.error:
            raise ValueError("a detection rule cannot be compiled") from None
        # A set that was not compiled must never be asked: RE2 then reads past its end.
        self._set: Any = automaton if _compiled(automaton) else None

    @property
    def one_pass(self) -> bool:
        """Whether all patterns fit into one automaton."""
        return self._set is not None

    def number(self, pattern: str) -> int:
        """The number of a pattern; raises KeyError for one that is not in the set."""
        return self._numbers[pattern]

    def hits(self, data: bytes) -> list[int] | None:
        """The numbers of the patterns that match in `data` (UTF-8), and of the end; None when the pass ran out of memory."""
        matches = self._set.Match(data + _SENTINEL) if self._set is not None else None
        return matches if matches and self._end in matches else None


def _compiled(automaton: Any) -> bool:
    try:
        automaton.Compile()
    except re2.error:
        return False
    return True
