"""Signs in the languages of `guard.engines.rules.vocabularies`, from one grammar that holds in whatever order a language has its words.

What is made: dropping what came before, asking for the model's instructions, keeping the user in the dark, another role, another
task, a note to a model, and an order to write something instead. An override is enough by itself on every leg.

All signs of a language share one trigger: its script, or the words of which each sign has one. So what sixty languages add to a pass
is fifty short patterns, and the signs themselves are compiled when a text holds such a word.
"""

from __future__ import annotations

import re
from typing import Final

from guard.engines.rules.expression import BETWEEN, LETTERS, OF_WORD
from guard.engines.rules.sign import Family, Sign
from guard.engines.rules.vocabularies.africa import AFRICA
from guard.engines.rules.vocabularies.europe import EUROPE
from guard.engines.rules.vocabularies.inner_asia import INNER_ASIA
from guard.engines.rules.vocabularies.slavic import SLAVIC
from guard.engines.rules.vocabularies.south_asia import SOUTH_ASIA
from guard.engines.rules.vocabularies.south_east_asia import SOUTH_EAST_ASIA
from guard.engines.rules.vocabularies.words import Words

VOCABULARIES: Final = (*AFRICA, *EUROPE, *SLAVIC, *INNER_ASIA, *SOUTH_ASIA, *SOUTH_EAST_ASIA)

#: The rows of which each sign has one: its language is looked for by these.
LOOKED_FOR: Final = (
    "drop", "show", "untold", "onwards", "task", "note", "instead", "address", "must", "stop", "only",
)  # fmt: skip

_EDGE, _END = rf"(?:^|[^{LETTERS}])", rf"(?:$|[^{LETTERS}])"
_NOTATION = re.compile("[ ~@]")
#: Within a phrase; `decoding.fold` makes these of all others.
_BLANK = r"(?:[\t\n\r\x20\"'(),:;<>*_`-]{1,3})"
#: In a trigger, which may find too much.
_COARSE = {" ": r"(?:[\t-@\[-`]+)", "~": r"[^\t-@\[-`]*"}
#: A group, which is left as it is, or the rest of a word that ends an alternative outside of groups: how the word begins is enough.
_ENDING = re.compile(r"(\((?:[^()]|\([^()]*\))*\))|~(?=\||$)")


def _gap(words: int, *, spaced: bool) -> str:
    """What may stand between two words of a sign: so many others, or as many letters as they have."""
    return rf"{BETWEEN}(?:{OF_WORD}+{BETWEEN}){{0,{words}}}" if spaced else rf"[^\n.!?។။]{{0,{8 * words}}}?"


def _row(alternatives: str, *, spaced: bool) -> str:
    """A row of a vocabulary as a pattern."""
    written = {" ": _BLANK, "~": f"{OF_WORD}*", "@": _gap(4, spaced=spaced)}
    return f"(?:{_NOTATION.sub(lambda mark: written[mark[0]], alternatives)})"


def _coarse(row: str) -> str:
    """A row of a vocabulary as a trigger has it."""
    return _NOTATION.sub(lambda mark: _COARSE[mark[0]], _ENDING.sub(lambda ending: ending[1] or "", row))


def _trigger(words: Words) -> str:
    """What stands in every text with a sign of the language: two letters of its script, or how one of its words begins."""
    if words.script:
        return f"[{words.script}]{{2}}"
    rows = [getattr(words, name) for name in LOOKED_FOR]
    row = "|".join(_coarse(row) for row in rows if row)
    return f"(?:^|[^0-9A-Za-z])(?:{row})"


def _verbs(words: Words) -> str:
    """A verb that could drop something, with a group for what turns it around before it and one for what does behind it."""
    edge, end, blank = (_EDGE, _END, r"\s{1,3}") if words.spaced else ("", "", r"\s?")
    before = f"({edge}{_row(words.negated, spaced=words.spaced)}{blank})|" if words.negated else ""
    behind = f"({blank}{_row(words.negated_behind, spaced=words.spaced)}{end})|" if words.negated_behind else ""
    return f"(?:{before}{edge}){_row(words.drop, spaced=words.spaced)}(?:{behind}{end})"


def signs_of(words: Words) -> list[Sign]:
    """The signs of one language."""

    def row(alternatives: str) -> str:
        return _row(alternatives, spaced=words.spaced)

    def gap(count: int) -> str:
        return _gap(count, spaced=words.spaced)

    def either_order(first: str, second: str, between: int) -> str:
        """Two rows in either order."""
        return f"{row(first)}{gap(between)}{row(second)}|{row(second)}{gap(between)}{row(first)}"

    def sign(family: Family, weight: int, pattern: str, reason: str, negated: str = "") -> Sign:
        bounded = f"{_EDGE}(?:{pattern}){_END}" if words.spaced else pattern
        return Sign(family, weight, bounded, reason, trigger, negated)

    trigger, drop = _trigger(words), row(words.drop)
    dropped = either_order(words.earlier, words.laws, 3) + (f"|{row(words.before)}" if words.before else "")
    override = f"{drop}{gap(4)}(?:{dropped})"
    if not words.verb_first:
        override += f"|(?:{dropped}){gap(3)}{drop}"
    signs = [sign(Family.OVERRIDE, 7, override, "drops what came before", _verbs(words))]
    if words.show:
        signs.append(
            sign(Family.THEFT, 6, either_order(words.show, words.prompt, 4), "asks for the model's instructions")
        )
    if words.untold:
        signs.append(sign(Family.SECRECY, 5, either_order(words.untold, words.user, 4), "is to stay unnoticed"))
    if words.onwards:
        role = f"{row(words.onwards)}{gap(1)}{row(words.you_are)}"
        signs.append(sign(Family.ROLE, 4, role, "calls the model something else"))
    if words.task:  # every list of tasks has a button that says so
        signs.append(sign(Family.TASK, 3, row(words.task), "announces another task"))
    if words.note:
        signs.append(sign(Family.AUTHORITY, 5, either_order(words.note, words.model, 3), "a note to a model"))
    if words.instead:
        signs.append(sign(Family.ORDER, 2, either_order(words.instead, words.do, 2), "an order to the reader"))
    for family, weight, phrase, reason in (
        (Family.ADDRESS, 4, words.address, "speaks to a model"),
        (Family.ORDER, 1, words.must, "an order to the reader"),
        (Family.TASK, 3, words.stop, "puts other work in place of the task"),
        (Family.OUTPUT, 2, words.only, "dictates the answer"),
    ):
        if phrase:
            signs.append(sign(family, weight, row(phrase), reason))
    return signs


FURTHER_LANGUAGES: Final = tuple(sign for words in VOCABULARIES for sign in signs_of(words))
