"""Two texts word by word, for whoever reviews what a server says of itself.

A payload must not hide behind padding: words that went or came are all shown, of equal ones those beside them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from difflib import SequenceMatcher
from itertools import islice, takewhile

#: More words than this are not set side by side: that takes the square of their number.
_MAX_WORDS = 2_000
#: Equal words shown on each side of a change.
_BESIDE = 10


def word_difference(before: str, after: str) -> str:
    """One line, ``[-gone-]`` and ``{+new+}``; long runs of equal words are left out, and said so. Empty when equal."""
    old, new = before.split(), after.split()
    return "" if old == new else " ".join(_side_by_side(old, new))


def _side_by_side(old: list[str], new: list[str]) -> Iterator[str]:
    start = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], zip(old, new, strict=False)))
    rest = min(len(old), len(new)) - start
    pairs = islice(zip(reversed(old), reversed(new), strict=False), rest)
    end = sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
    yield from _equal(old[:start], before=0)
    gone, come = old[start : len(old) - end], new[start : len(new) - end]
    steps: Sequence[tuple[str, int, int, int, int]]
    if max(len(gone), len(come)) > _MAX_WORDS:
        yield f"(… {len(gone)} words became {len(come)}; these went and came, wherever they stand:)"
        went, came = _only(gone, come), _only(come, gone)
        # The same words in another order are shown whole, as far as there is room.
        gone, come = (went, came) if went or came else (gone, come)
        steps = [("replace", 0, len(gone), 0, len(come))]
    else:
        steps = SequenceMatcher(None, gone, come, autojunk=False).get_opcodes()
    for tag, i, j, k, m in steps:
        if tag == "equal":
            yield from _equal(gone[i:j])
            continue
        if j > i:
            yield f"[-{' '.join(gone[i:j])}-]"
        if m > k:
            yield f"{{+{' '.join(come[k:m])}+}}"
    yield from _equal(old[len(old) - end :], after=0)


def _only(mine: list[str], theirs: list[str]) -> list[str]:
    """The words of the one that the other has not, or not as often, in their order."""
    left = Counter(mine) - Counter(theirs)
    found = []
    for word in reversed(mine):  # what is repeated was there first
        if left[word] > 0:
            left[word] -= 1
            found.append(word)
    return found[::-1]


def _equal(same: list[str], before: int = _BESIDE, after: int = _BESIDE) -> Iterator[str]:
    """Equal words: the first `before` and the last `after` of them, where there are more."""
    if len(same) <= before + after:
        yield from same
        return
    yield from same[:before]
    yield f"(… {len(same) - before - after} equal words …)"
    yield from same[len(same) - after :]
