"""Tells a phrase that a document quotes as an example from one that is meant.

A note on prompt injection holds the phrases that steer a model, each between quotes or as code, beside words that speak of
attacks. Such a phrase passes in what is read, recorded as a finding; it still taints, as nobody knows what a model makes
of it. In a definition, which a reviewer is shown word by word, it is a note in the tool lock. In JSON every text stands
between quotes, so a straight quote after a colon, comma or bracket quotes nothing.
"""

from __future__ import annotations

import re

from guard.engines.rules.rule import READ, DetectionRule
from guard.inspect.verdict import Category, Leg

#: Bytes that are looked at before and after a phrase.
SPAN = 1500
#: Characters of one quotation, at most: more is a text of its own.
_QUOTATION = 200
_CLOSING = {"`": "`", '"': '"', "\u201c": "\u201d", "\u201e": "\u201c", "\u00ab": "\u00bb"}
_TOPIC = re.compile(
    r"(?i)\bprompt[- ]injections?\b|\bjail-?breaks?\b|\binjection (?:attacks?|attempts?|phrases?|rules?|patterns?)\b|"
    r"\bred[- ]team|\battack(?:s|ers?)?\b|\bmalicious\b|\badversarial\b|\bpayloads?\b|\bpoison(?:ed|ing)\b|"
    r"\bdetect(?:ion|ors?)\b|\bphishing\b"
)
_LEGS = READ - {Leg.SERVER_REQUESTS} | {Leg.DEFINITIONS}
_JUDGED = (Category.INJECTION, Category.JAILBREAK)


def may_be_mentioned(rule: DetectionRule, leg: Leg) -> bool:
    """Whether a phrase that the rule finds may be an example."""
    return leg in _LEGS and rule.category in _JUDGED


def is_mention(before: str, value: str, after: str) -> bool:
    """Whether the phrase stands in one quotation on its line, and the text before it or its line speaks of attacks."""
    # Few phrases are quoted, and these are the quicker questions.
    near_before, near_after = before[-_QUOTATION:], after[:_QUOTATION]
    marks = [mark for mark in _CLOSING.items() if mark[0] in near_before and mark[1] in near_after]
    if not marks:
        return False
    line_before, line_after = before[_line_start(before) :], after[: _line_end(after)]
    if not any(_encloses(opening, closing, line_before, value, line_after) for opening, closing in marks):
        return False
    return speaks_of_attacks(before) or speaks_of_attacks(line_after)


def speaks_of_attacks(text: str) -> bool:
    """Whether a text names attacks on models, or such as these."""
    return _TOPIC.search(text) is not None


def _line_start(text: str) -> int:
    """Where the last line begins; a line end may be written as `\\n`, and quoted."""
    return max(text.rfind("\n") + 1, text.rfind("\\n") + 2 if "\\n" in text else 0)


def _line_end(text: str) -> int:
    """Where the first line ends."""
    end, written = text.find("\n"), text.find("\\n")
    if written < 0 or 0 <= end < written:
        return end if end >= 0 else len(text)
    return len(text[:written].rstrip("\\"))


def _encloses(opening: str, closing: str, before: str, value: str, after: str) -> bool:
    start, end = before.rfind(opening), after.find(closing)
    if start < 0 or end < 0 or closing in value or len(before) - start + len(value) + end > _QUOTATION:
        return False
    if opening == closing:
        # An even number before it: the last quote opens. In JSON it opens a member or an item.
        structural = opening == '"' and before[:start].rstrip()[-1:] in ("", ":", ",", "[", "{", "\\")
        return before.count(opening) % 2 == 1 and not structural
    return closing not in before[start + 1 :]
