"""Tells an order that stands by itself, in a paragraph or a string of its own, from one in the course of a text.

A document that tells its reader what to do does so among other sentences. What was put into a result stands apart: it is the
whole of a review or of an event's description, or the paragraph after the text that the result is about.
"""

from __future__ import annotations

import re

#: Characters of a paragraph, at most: a longer one is a text.
LONGEST = 400
#: Where a string of JSON or a paragraph begins and ends.
_STARTS = re.compile(r"\n[ \t]*\n|[:,\[{][ \t]*\"|^\"")
_ENDS = re.compile(r"\n[ \t]*\n|\"[ \t]*(?:[,\]}]|\n|$)|[.!?:;|}\]>\"'`*=#-]\n")
#: Characters of a line that was wrapped and goes on in the next one, and what ends a line that does not.
_WRAPPED = range(45, 110)
_LINE_ENDS = tuple(".!?:;|}]>\"'`*=#-")
#: What a sentence before it ends with, and the marks and words that an order may begin with.
_SENTENCE = re.compile(
    r"(?:^|[.!?:;*>#\n\"/(\[-])\s*(?:(?:please|also|then|and|now|finally|so|but)[, ]+)*$", re.IGNORECASE
)
#: A letter's greeting, its end, and a name that is called.
_LETTER = re.compile(
    r"\b(?:hi|hello|hey|dear|thanks|thank you|thx|cheers|regards|sincerely|yours|greetings)\b"
    r"|\bgood (?:morning|afternoon|evening)\b|(?:^|\s)@\w",
    re.IGNORECASE,
)


def is_apart(before: str, value: str, after: str) -> bool:
    """Whether `value` begins a sentence of a short paragraph or string."""
    head = before[-LONGEST - 1 :]
    starts = [start.end() for start in _STARTS.finditer(head)]
    lines = head[starts[-1] if starts else 0 :].split("\n")
    while len(lines) > 1 and len(lines[-2]) in _WRAPPED and not lines[-2].endswith(_LINE_ENDS):
        lines[-2:] = [f"{lines[-2]} {lines[-1]}"]
    head = lines[-1]
    after = after[: LONGEST + 1]
    end = _ENDS.search(after)
    tail = after[: end.start()] if end else after
    if len(head) + len(value) + len(tail) > LONGEST:
        return False
    return _SENTENCE.search(head) is not None


#: "Vergiss nicht", "oubliez pas": the verb is turned around after it; elsewhere before it.
_TURNED = re.compile(r"\b(?:ikke|inte|aldrig|aldri|nicht|niet|pas|jamais)\b", re.IGNORECASE)
_TURNED_BEFORE = re.compile(
    r"(?:\b(?:ikke|inte|aldri|não|non|no|ne|nu|nie|не|ні|jangan|đừng|không|älä)|\bn['’])[^\w.!?]*$",  # noqa: RUF001
    re.IGNORECASE,
)


def is_negated(before: str, value: str) -> bool:
    """Whether an override in another language than English is turned around."""
    return _TURNED.search(value) is not None or _TURNED_BEFORE.search(before[-12:]) is not None


def is_impersonal(before: str, after: str) -> bool:
    """Whether nothing around says that a person writes to another: what one asks of a colleague is an errand too."""
    return _LETTER.search(before[-LONGEST:]) is None and _LETTER.search(after[:LONGEST]) is None
