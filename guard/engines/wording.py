"""Weighs the words of a passage: what steers a model uses other words than documents, mail and code do, whatever its form.

A linear classifier of some thousand words and pairs of words, whose weights are in `guard/engines/rules/wording.json`.
`tests/detection/wording.py` learns them from public sets. The grammar (`guard.engines.forms`) finds the forms that somebody
thought of; this finds what resembles them. It knows English alone.

It looks only where one of a few words stands that most attacks have (the seeds), so most texts cost one search.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from functools import lru_cache
from importlib.resources import files
from itertools import chain
from typing import Any, Final

import orjson
import re2  # type: ignore[import-untyped]

from guard.engines.mentions import SPAN, speaks_of_attacks
from guard.engines.rules.behaviour import LEGS
from guard.engines.rules.pattern_set import options
from guard.engines.rules.rule import READ, DetectionRule, Passes, Settled, never
from guard.inspect.verdict import Category, Leg

#: Words of a block, and blocks that are weighed together: a passage of sixty words, taken anew every twenty.
BLOCK: Final = 20
BLOCKS: Final = 3
#: Bytes around a seed that are weighed, and between two seeds that belong to one passage.
AROUND: Final = 400
#: Bytes of one passage: a longer one is weighed in pieces.
LONGEST: Final = 8192
#: What a passage must weigh to be a finding.
THRESHOLD: Final = 2.5
#: Words and pairs that must speak for an attack at least: two or three are in every proverb.
SIGNS: Final = 5
#: Words by which a passage speaks to whoever reads it. A story, or what a manual says of an assistant, has none.
VOICE: Final = frozenset(("you", "your", "yourself", "you're", "you'll", "you've", "me", "my", "please", "must"))
#: By how much less it may weigh and still taint its reader.
CLOSE: Final = 0.5

_WORD = re.compile("[a-z0-9\x80-\U0010ffff]+(?:'[a-z]+)?")
_CURLY = "\u2019".encode()

RULE = DetectionRule("injection.wording", Category.INJECTION, "", READ, confidence=0.5, fallback=True)
_CLOSE_RULE = replace(RULE, advisory=True)


def words_of(text: bytes) -> list[str]:
    """The words of a text, in small letters."""
    return _WORD.findall(text.replace(_CURLY, b"'").lower().decode("utf-8", "replace"))


def pairs_of(words: Sequence[str], place: int) -> Iterator[str]:
    """What is weighed at a place: the word, it with the next one, and with the one after that."""
    word = words[place]
    yield word
    if place + 1 < len(words):
        yield f"{word} {words[place + 1]}"
    if place + 2 < len(words):
        yield f"{word} _ {words[place + 2]}"


class _Word:
    """What is known of a word."""

    __slots__ = ("following", "second", "weight")

    def __init__(self) -> None:
        self.weight = 0.0
        self.following: dict[str, tuple[str, float]] = {}
        self.second: dict[str, tuple[str, float]] = {}


class Weights:
    """What words weigh, and the seeds."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.bias: float = document["bias"]
        weights: dict[str, float] = document["weights"]
        #: By word: its own weight, and what it weighs before the next word and before the one after that.
        self._words: dict[str, _Word] = {}
        for feature, weight in weights.items():
            first, *partners = feature.split(" ")
            word = self._words.setdefault(first, _Word())
            match partners:
                case []:
                    word.weight = weight
                case [following]:
                    word.following[following] = (feature, weight)
                case [_, following]:
                    word.second[following] = (feature, weight)
        seeds = "|".join(map(re2.escape, document["seeds"]))
        self.seeds: Any = re2.compile(rf"(?i)\b(?:{seeds})\b", options(captures=False))

    def blocks(self, words: Sequence[str]) -> list[dict[str, float]]:
        """The weights of what stands in each block of words, each once."""
        blocks: list[dict[str, float]] = []
        known_words, ended = self._words, [*words, "", ""]
        for start in range(0, len(words), BLOCK):
            block: dict[str, float] = {}
            for place, word in enumerate(words[start : start + BLOCK], start):
                known = known_words.get(word)
                if known is None:
                    continue
                if known.weight:
                    block[word] = known.weight
                # Few words have pairs.
                if known.following and (pair := known.following.get(ended[place + 1])) is not None:
                    block[pair[0]] = pair[1]
                if known.second and (pair := known.second.get(ended[place + 2])) is not None:
                    block[pair[0]] = pair[1]
            blocks.append(block)
        return blocks

    def heaviest(self, text: bytes, least: float = float("-inf")) -> float:
        """What the heaviest passage of a text weighs; those that cannot weigh `least` are left out."""
        words = words_of(text)
        blocks = self.blocks(words)
        # No passage weighs more than all that speaks for an attack in its blocks.
        bounds = [sum([weight for weight in block.values() if weight > 0]) for block in blocks]
        most = float("-inf")
        for start in range(max(1, len(blocks) - BLOCKS + 1)):
            if self.bias + sum(bounds[start : start + BLOCKS]) < max(least, most):
                continue
            passage: dict[str, float] = {}
            for block in blocks[start : start + BLOCKS]:
                passage.update(block)
            if sum(weight > 0 for weight in passage.values()) >= SIGNS and not VOICE.isdisjoint(
                words[start * BLOCK : (start + BLOCKS) * BLOCK]
            ):
                most = max(most, self.bias + sum(passage.values()))
        return most

    def passages(self, data: bytes) -> Iterator[tuple[int, int]]:
        """Where the first seed of each passage begins and the last ends, in bytes."""
        start = end = -1
        for match in self.seeds.finditer(data):
            first, last = match.span()
            if start >= 0 and first - end <= AROUND and last - start <= LONGEST:
                end = last
                continue
            if start >= 0:
                yield start, end
            start, end = first, last
        if start >= 0:
            yield start, end


@lru_cache(maxsize=1)
def weights() -> Weights:
    """The weights that are shipped, read once."""
    return Weights(orjson.loads((files("guard.engines.rules") / "wording.json").read_bytes()))


class WordingTable:
    """The weights for one leg."""

    def __init__(self, leg: Leg) -> None:
        self._weights = weights()
        self._close = THRESHOLD - (CLOSE if leg in LEGS else 0)

    one_pass = True

    def places(
        self, data: bytes, passes: Passes | None = None, settled: Settled = never
    ) -> Iterable[tuple[DetectionRule, Iterable[tuple[int, int]]]]:
        """The passages of `data` (UTF-8) that weigh too much; an empty sequence where there are no seeds. One that speaks of
        attacks taints alone where something is read: a note on them has the words that they have."""
        passages = self._weights.passages(data)
        first = next(passages, None)
        return () if first is None else self._heavy(chain((first,), passages), data, settled)

    def _heavy(
        self, passages: Iterable[tuple[int, int]], data: bytes, settled: Settled
    ) -> Iterator[tuple[DetectionRule, Iterable[tuple[int, int]]]]:
        for start, end in passages:
            if settled(RULE):
                return
            weight = self._weights.heaviest(data[max(0, start - AROUND) : end + AROUND], self._close)
            if weight >= self._close:
                before = data[max(0, start - AROUND - SPAN) : end + AROUND].decode("utf-8", "replace")
                is_note = self._close < THRESHOLD and speaks_of_attacks(before)
                rule = RULE if weight >= THRESHOLD and not is_note else _CLOSE_RULE
                yield rule, ((start, end),)


@lru_cache(maxsize=len(Leg))
def wording_table(leg: Leg) -> WordingTable:
    """The table of a leg that a model reads, shared by all engines."""
    if leg not in READ:
        raise ValueError(f"{leg} is not weighed")
    return WordingTable(leg)
