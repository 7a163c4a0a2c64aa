"""The guard's own engine: rules, no account, no network, no model; linear time whatever the text.

All patterns of a leg are one RE2 set that runs once over all strings of a message, joined by line ends so that a phrase
split over fields is found too; only what hits is looked at again, string by string, for its place. Rules miss most
paraphrases: docs/detection.md has the measured figures.
"""

from __future__ import annotations

import time
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import re2  # type: ignore[import-untyped]

from guard.engines.decoding import TooMuch, decoded, folded
from guard.engines.rules import commands, instructions, personal_data, secrets, urls
from guard.engines.rules.hidden_text import hidden
from guard.engines.rules.rule import Rule
from guard.verdict import Category, Finding, Leg, Outcome, ScanItem, Text, Verdict

RULES: tuple[Rule, ...] = (
    *instructions.RULES,
    *secrets.RULES,
    *personal_data.RULES,
    *urls.RULES,
    *commands.RULES,
)
#: Findings kept of one item: enough for policy and the audit log.
MOST = 200


def _options() -> Any:
    options = re2.Options()
    options.case_sensitive = False
    options.log_errors = False
    options.max_mem = 256 << 20
    return options


@dataclass(frozen=True, slots=True)
class _Compiled:
    rule: Rule
    pattern: Any


#: Put behind every text and matched by a pattern of its own: a pass that does not report it ran out of memory, which RE2
#: otherwise shows as "no match".
_SENTINEL = "\n\x1f\x1eend\x1e\x1f"
#: Strings are joined by line ends, so each line's ends are a string's.
_LINES = "(?m)"


class _Set:
    """Rules that are matched in one pass."""

    def __init__(self, rules: Iterable[Rule]) -> None:
        self.rules = [_Compiled(rule, re2.compile(_LINES + rule.pattern, _options())) for rule in rules]
        self._set = re2.Set.SearchSet(_options())
        for one in self.rules:
            self._set.Add(_LINES + one.rule.pattern)
        self._set.Add(re2.escape(_SENTINEL))
        self._set.Compile()

    def hits(self, text: str) -> list[_Compiled]:
        """Rules that match somewhere in `text`, before any second look."""
        found = self._set.Match(text + _SENTINEL) or ()
        if len(self.rules) not in found:
            return [one for one in self.rules if one.pattern.search(text) is not None]
        return [self.rules[index] for index in sorted(found) if index < len(self.rules)]


_SETS = {leg: _Set(rule for rule in RULES if leg in rule.legs) for leg in Leg}


class EmbeddedEngine:
    """See the module. `tool_names` are the locked tools: a definition that tells a model how to use another is shadowing."""

    name = "embedded"

    def __init__(self, tool_names: frozenset[str] = frozenset()) -> None:
        # Short and ordinary words are no evidence that a tool is meant.
        self._tools = frozenset(name for name in tool_names if len(name) >= 6 and ("_" in name or "-" in name))

    async def scan(self, item: ScanItem, deadline: float) -> Verdict:
        return self.judge(item)

    async def close(self) -> None:
        return None

    def judge(self, item: ScanItem) -> Verdict:
        """Judge at once. BLOCK with findings, NO_VERDICT when more is encoded than is decoded, else ALLOW."""
        started = time.monotonic()
        findings: list[Finding] = []
        joined = "\n".join(text.value for text in item.texts)
        rules = _SETS[item.leg]
        for hit in rules.hits(joined):
            findings += _located(hit, item.texts, joined)
        findings += _hidden(item)
        plain = folded(joined)
        if plain != joined:
            findings += [_elsewhere(hit) for hit in rules.hits(plain) if _holds(hit, plain)]
        if item.leg is Leg.DEFINITIONS:
            findings += self._shadowing(item)
        error = None
        try:
            for text in decoded(joined):
                inner = folded(text)
                findings += [_elsewhere(hit) for hit in rules.hits(inner) if _holds(hit, inner)]
        except TooMuch:
            error = "more encoded text than is decoded"
        kept = tuple(dict.fromkeys(findings))[:MOST]
        outcome = Outcome.BLOCK if kept else Outcome.NO_VERDICT if error else Outcome.ALLOW
        return Verdict(outcome, self.name, kept, None, (time.monotonic() - started) * 1000, None if kept else error)

    def _shadowing(self, item: ScanItem) -> list[Finding]:
        """Another tool's name beside words that direct its use (facts on MCP: cross-server shadowing)."""
        found = []
        for text in item.texts:
            for name in self._tools:
                if name != item.name and name in text.value and _DIRECTS.search(text.value) and text.value != name:
                    found.append(Finding(Category.TOOL_POISONING, "steers-" + "named-tool", text.pointer))
        return found


_DIRECTS = re2.compile(
    r"\b(?:whenever|every time|each time|always when|if|when)\b[^.\n]{0,60}\b(?:is|are|gets?) (?:called|used|invoked)\b[^.\n]{0,80}\b(?:must|also|change|replace|instead|send|set)\b"
    r"|\b(?:must|always|never|instead)\b[^.\n]{0,40}\b(?:recipient|bcc|forward|redirect|override|replace|overwrite)\b",
    _options(),
)


def _located(hit: _Compiled, texts: tuple[Text, ...], joined: str) -> list[Finding]:
    rule = hit.rule
    found = []
    for text in texts:
        for match in hit.pattern.finditer(text.value):
            if rule.check is None or rule.check(match.group()):
                span = match.span() if rule.certain else None
                found.append(Finding(rule.category, rule.id, text.pointer, span, 1.0 if rule.certain else None))
                if not rule.certain or len(found) >= MOST:
                    break
    if not found and rule.whole and len(texts) > 1 and _holds(hit, joined):
        found.append(_elsewhere(hit))
    return found


def _holds(hit: _Compiled, text: str) -> bool:
    check = hit.rule.check
    return check is None or any(check(match.group()) for match in hit.pattern.finditer(text))


def _elsewhere(hit: _Compiled) -> Finding:
    """Found in what the strings encode, or across them: no place that could be cut out."""
    return Finding(hit.rule.category, hit.rule.id)


def _hidden(item: ScanItem) -> list[Finding]:
    return [
        Finding(Category.HIDDEN_TEXT, name, text.pointer)
        for text in item.texts
        if not text.value.isascii() or "\x1b" in text.value
        for name in hidden(text.value, item.leg)
    ]
