"""The difference of two texts, word by word, for the reviewer of what a server says about itself.

A payload must not hide behind padding: every removed or added word is shown, and of equal words only those next to a
change.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import islice, takewhile

#: More words than this are not aligned: that takes the square of their number in steps.
_MAX_WORDS = 2_000
#: Equal words shown on each side of a change.
_CONTEXT = 10


def word_difference(before: str, after: str) -> str:
    """One line with ``[-removed-]`` and ``{+added+}`` words; empty for equal texts. A long run of equal words is replaced by
    their number."""
    old, new = before.split(), after.split()
    return "" if old == new else " ".join(_side_by_side(old, new))


def _side_by_side(old: list[str], new: list[str]) -> Iterator[str]:
    start = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(old, new, strict=False)))
    length = min(len(old), len(new)) - start
    pairs = islice(zip(reversed(old), reversed(new), strict=False), length)
    end = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    yield from _equal(old[:start], before=0)
    removed, added = old[start : len(old) - end], new[start : len(new) - end]
    steps: Sequence[tuple[str, int, int, int, int]]
    if max(len(removed), len(added)) > _MAX_WORDS:
        yield f"(… {len(removed)} words became {len(added)}; these were removed and added, wherever they stand:)"
        only_old, only_new = _only(removed, added), _only(added, removed)
        # The same words in another order: all of them are shown.
        removed, added = (only_old, only_new) if only_old or only_new else (removed, added)
        steps = [("replace", 0, len(removed), 0, len(added))]
    else:
        steps = SequenceMatcher(None, removed, added, autojunk=False).get_opcodes()
    for tag, i, j, k, m in steps:
        if tag == "equal":
            yield from _equal(removed[i:j])
            continue
        if j > i:
            yield f"[-{' '.join(removed[i:j])}-]"
        if m > k:
            yield f"{{+{' '.join(added[k:m])}+}}"
    yield from _equal(old[len(old) - end :], after=0)


def _only(words: list[str], counterpart: list[str]) -> list[str]:
    """The words that `counterpart` lacks, or has less often, in their order."""
    surplus = Counter(words) - Counter(counterpart)
    result = []
    for word in reversed(words):  # of a repeated word, the first occurrences count as the ones that both have
        if surplus[word] > 0:
            surplus[word] -= 1
            result.append(word)
    return result[::-1]


def _equal(words: list[str], before: int = _CONTEXT, after: int = _CONTEXT) -> Iterator[str]:
    """Equal words: the first `before` and the last `after` of them, where there are more."""
    if len(words) <= before + after:
        yield from words
        return
    yield from words[:before]
    yield f"(… {len(words) - before - after} equal words …)"
    yield from words[len(words) - after :]
