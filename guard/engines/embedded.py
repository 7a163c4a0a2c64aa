"""The guard's own engine: it matches rules in linear time, without network or model. The rules are in `engines/rules`.

It finds what has a form (hidden characters, keys, forged chat turns, private addresses, well-known phrases in many languages,
and signs that add up, `engines/forms.py`) and misses what is only a meaning. docs/explain/detection.md has the measured rates.

An item is matched in several readings: as it is; with look-alike letters folded; and with up to two layers of encoding opened
(`engines/decoding.py`, `engines/blocks.py`). All strings of an item are joined into one text, one a line,
so that a phrase that is cut into two fields is still found.
"""

from __future__ import annotations

import math
import re
import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from functools import lru_cache
from itertools import chain

from guard.engines import forms
from guard.engines.argument_readings import literals, readings
from guard.engines.blocks import pieces
from guard.engines.content_blocks import linked, seams, without_marks_between
from guard.engines.decoding import (
    LAYERS,
    DecodingBudget,
    OverBounds,
    fold,
    may_be_encoded,
    plain_marks,
    unbroken,
    unescape,
)
from guard.engines.forms import FormTable, form_table
from guard.engines.joined_text import JoinedText, decoded
from guard.engines.matches import Matches
from guard.engines.mentions import is_mention, may_be_mentioned
from guard.engines.rules import behaviour, commands, hidden_text, instructions, languages, personal_data, secrets, urls
from guard.engines.rules.rule import READ, DetectionRule, Passes, RuleTable, TriggerSet, never
from guard.engines.wording import RULE as WORDING_RULE
from guard.engines.wording import WordingTable, wording_table
from guard.inspect.verdict import EVERYTHING, Leg, Outcome, ScanItem, Text, Verdict
from model.masking import is_secret_name
from model.parameter_kinds import JUDGED, SUBJECTS, Subject
from model.tool_lock import ParameterKind

OVER = "over the bounds"

_RULES = (
    *hidden_text.RULES,
    *instructions.RULES,
    *languages.RULES,
    *secrets.RULES,
    *personal_data.RULES,
    *commands.RULES,
    *behaviour.RULES,
)


def embedded_rules() -> tuple[DetectionRule, ...]:
    """All rules but those made from the names of a server's tools that match definitions alone."""
    of_tools = behaviour.tool_rules(frozenset(("send_message",)))
    return (*_RULES, *of_tools, *forms.RULES.values(), WORDING_RULE, *urls.rules(urls.checker(frozenset())))


@lru_cache(maxsize=1)
def _triggers() -> TriggerSet:
    """The triggers of all rules, once a process: those for addresses differ in the hosts they allow, not in their patterns."""
    return TriggerSet((*_RULES, *urls.rules(urls.checker(frozenset()))))


@lru_cache(maxsize=32)
def _table(rules: tuple[DetectionRule, ...], leg: Leg) -> RuleTable:
    """The table of one leg, shared by all engines with the same rules."""
    return RuleTable([rule for rule in rules if leg in rule.legs], triggers=_triggers())


@lru_cache(maxsize=64)
def _argument_table(rules: tuple[DetectionRule, ...], subjects: frozenset[Subject]) -> RuleTable:
    """The table for arguments that may hold these subjects; without subjects, of the rules that judge every argument."""
    arguments = [rule for rule in rules if Leg.ARGUMENTS in rule.legs]
    judging = [rule for rule in arguments if (rule.subject in subjects if subjects else rule.subject is None)]
    return RuleTable(judging, triggers=_triggers())


#: The tables of an item's texts, each with the texts that it judges.
Table = RuleTable | FormTable | WordingTable
Split = Callable[[Sequence[Text]], Iterable[tuple[tuple[Table, ...], Sequence[Text]]]]
#: A query that is one URL is judged as a URL too: a search may fetch it.
_BARE_URL = re.compile(r"\s*[A-Za-z][A-Za-z0-9+.-]{0,15}:/\S*\s*")


#: Names of members that may hold a secret or a card number, besides those of `model.masking.is_secret_name`. Their values
#: are still judged by a rule, so more names cost only time.
_MAYBE_SECRET = re.compile(r"(?i)pass|pwd|token|key|secret|credential|card|\bpan$")


#: Members that say what they hold only together with the member above: `{"card": {"number": …}}`.
_OF_A_CARD = frozenset(("number", "value", "digits"))


@lru_cache(maxsize=1)
def _named_value_table() -> RuleTable:
    """The rules for values beside a member's name."""
    rule_ids = ("secret.password", "secret.named_value", "secret.aws_secret_key", "pii.card")
    return RuleTable([rule for rule in _RULES if rule.id in rule_ids], triggers=_triggers())


@lru_cache(maxsize=64)
def _order_tables(names: frozenset[str]) -> tuple[RuleTable, ...]:
    """The table of orders to call one of these tools, one for all engines that know the same names."""
    rules = behaviour.tool_rules(names)
    return (RuleTable(rules),) if rules else ()


class EmbeddedVerdictEngine:
    """Judges by rules alone. It may be shared between tasks and threads, and keeps no state about what it has judged.

    Args:
        tool_names: names of the server's tools, to find a definition that steers another tool.
        acting_tools: names of those that change something, to taint whoever reads an order to call one; `watch_tools` adds
            those of other servers.
        allowed_hosts: hosts that arguments may name although they are private.
        thorough: legs on which policy may let a finding pass (flag, redact). There a text that was not read to its end is
            NO_VERDICT even with findings: the unread part would pass together with the finding.

    Raises ValueError when the rules cannot be compiled.
    """

    name = "embedded"

    def __init__(
        self,
        tool_names: frozenset[str] = frozenset(),
        allowed_hosts: frozenset[str] = frozenset(),
        *,
        acting_tools: frozenset[str] = frozenset(),
        thorough: frozenset[Leg] = frozenset(),
    ) -> None:
        self._thorough = thorough
        rules = (*_RULES, *urls.rules(urls.checker(allowed_hosts)))
        shadowing = instructions.shadowing(tool_names)
        self._tables: dict[Leg, tuple[Table, ...]] = {
            leg: (_table(rules, leg), form_table(leg), *((wording_table(leg),) if leg in READ else ())) for leg in Leg
        }
        self._every_argument = _argument_table(rules, frozenset())
        at_home = (*_RULES, *urls.rules(urls.checker(allowed_hosts | urls.LOOPBACK)))
        self._kinds: dict[ParameterKind | None, RuleTable] = {
            kind: _argument_table(at_home if kind == "local_url" else rules, subjects)
            for kind, subjects in JUDGED.items()
            if subjects
        }
        self._statement = _argument_table(rules, JUDGED["query"] - {"breakout"})
        self._kinds[None] = _argument_table(rules, SUBJECTS)
        if shadowing:
            self._tables[Leg.DEFINITIONS] += (RuleTable(shadowing),)
        self._acting: Callable[[], frozenset[str]] = lambda: acting_tools

    def watch_tools(self, names: Callable[[], frozenset[str]]) -> None:
        """Look for orders to call one of these, as they are at the moment of each text, in place of `acting_tools`."""
        self._acting = names

    async def scan(self, item: ScanItem, deadline: float) -> Verdict:
        """The verdict of `judge`."""
        return self.judge(item, deadline)

    def basis(self) -> frozenset[str]:
        """The names of the tools for which orders are looked for at this moment."""
        return self._acting()

    async def close(self) -> None:
        """Does nothing: no connection is open."""

    def judge(self, item: ScanItem, deadline: float = math.inf) -> Verdict:
        """BLOCK if there are findings that are not advisory, else ALLOW.

        NO_VERDICT when the item cannot be read to its end before `deadline` (`time.monotonic` seconds) and within the
        bounds; a finding blocks it all the same, except on thorough legs.
        """
        return self._judge(item, Matches(deadline, item.leg))

    def explain(self, item: ScanItem) -> tuple[Verdict, dict[tuple[str, str, bool], str]]:
        """The verdict without a deadline, and for each rule and pointer of it, and whether that is advisory, the words that
        matched. Hidden characters are shown, and a secret is not."""
        matches = Matches(math.inf, item.leg)
        matches.quotes = {}
        return self._judge(item, matches), matches.quotes

    def _judge(self, item: ScanItem, matches: Matches) -> Verdict:
        started = time.perf_counter()
        error = None
        try:
            self._read(self._split(item), item.texts, matches, item.leg)
        except OverBounds as over:
            error = str(over) or OVER
        decisive = bool(matches.findings) and any(not finding.advisory for finding in matches.findings)
        if decisive and not (error and item.leg in self._thorough):
            outcome = Outcome.BLOCK
        else:
            outcome = Outcome.NO_VERDICT if error else Outcome.ALLOW
        spent = (time.perf_counter() - started) * 1000
        return Verdict(outcome, self.name, tuple(matches.findings), milliseconds=spent, error=error)

    def _tables_of(self, leg: Leg) -> tuple[Table, ...]:
        return self._tables[leg] + _order_tables(self._acting()) if leg in behaviour.LEGS else self._tables[leg]

    def _split(self, item: ScanItem) -> Split:
        if item.leg is not Leg.ARGUMENTS or item.kinds is EVERYTHING:
            tables = self._tables_of(item.leg)
            return lambda texts: ((tables, texts),)

        def split(texts: Sequence[Text]) -> Iterable[tuple[tuple[Table, ...], Sequence[Text]]]:
            always: tuple[Table, ...] = (self._every_argument, form_table(Leg.ARGUMENTS))
            parts: dict[ParameterKind | None, list[Text]] = {}
            statements: list[Text] = []
            for text in texts:
                kind = item.kinds.kind(text.pointer)
                if text.value.startswith("$") and text.pointer.endswith("#"):
                    # An object in the place of one value, `{"$gt": ""}`: its member is read as the text of that object.
                    exact = item.kinds.exact(text.pointer.rpartition("/")[0])
                    if exact is not None:
                        parts.setdefault(exact, []).append(Text(text.pointer, f'{{"{text.value}":'))
                if text.pointer.endswith("/constructor/prototype#"):
                    parts.setdefault(None, []).append(Text(text.pointer, "constructor.prototype"))
                if kind == "query" and _BARE_URL.fullmatch(text.value):
                    kind = None
                part = parts.setdefault(kind, [])
                quoted = literals(text.value) if kind == "query" else None
                if quoted is None:
                    part.append(text)
                else:
                    statements.append(text)
                    part += [Text(text.pointer, literal) for literal in quoted]
                part += [Text(text.pointer, reading) for reading in readings(kind, text.value)]
            tables = [(table, part) for kind, part in parts.items() if (table := self._kinds.get(kind))]
            if not statements and len(parts) == 1 and len(tables) == 1 and len(tables[0][1]) == len(texts):
                # All are of one kind, and both tables are served by one pass.
                yield (*always, tables[0][0]), texts
                return
            yield always, texts
            if statements:
                yield (self._statement,), statements
            for table, part in tables:
                yield (table,), part

        return split

    def _read(self, split: Split, texts: Sequence[Text], matches: Matches, leg: Leg) -> None:
        texts = without_marks_between(texts)
        may_be_more = False
        for tables, part in split(texts):
            joined_text = JoinedText(part)
            _match(tables, joined_text, matches, direct=True)
            may_be_more = may_be_more or may_be_encoded(joined_text.data)
            if not joined_text.ascii and (folded := _folded(part)):
                _match(tables, JoinedText(folded), matches)
        if leg in READ:
            _match_named_values(texts, matches)
            if further := [*seams(texts), *linked(texts)]:
                _match(self._tables_of(leg), JoinedText(further), matches)
        if not may_be_more:
            return
        budget = DecodingBudget()
        layer: list[Text] = list(texts)
        for _ in range(LAYERS):
            inline, inner = _opened(layer, budget)
            for opened, copies in ((inline, True), (inner, False)):
                for tables, part in split(opened) if opened else ():
                    reading = JoinedText(part)
                    _match(tables, reading, matches, copies=copies)
                    if not reading.ascii and (folded := _folded(part)):
                        _match(tables, JoinedText(folded), matches, copies=copies)
            layer = [*inline, *inner]
        if layer and any(_opened(layer, budget, dry=True)):
            raise OverBounds


def _match(
    tables: tuple[Table, ...],
    joined_text: JoinedText,
    matches: Matches,
    *,
    direct: bool = False,
    copies: bool = True,
) -> None:
    """Match the rules on one reading of the item.

    `direct` is the original reading, whose findings have spans. `copies` means that the reading repeats strings of the
    original, so a value counts only where it occurs more often than there.
    """
    matches.in_time()
    passes: Passes = {}
    # All matches in one string have one pointer, and what has a finding there needs no other.
    settled = matches.settled_at(joined_text.texts[0].pointer) if len(joined_text.texts) == 1 else never
    hits = [ruled for table in tables if (ruled := table.places(joined_text.data, passes, settled))]
    if not hits:  # as in most texts
        return
    counts: dict[tuple[str, str, str], int] = defaultdict(int)
    for rule, places in chain.from_iterable(hits):
        for start, end in places:
            matches.in_time()
            value = decoded(joined_text.data[start:end])
            if rule.check is not None and not rule.check(value, joined_text.before(start)):
                continue
            text, span = joined_text.place(start, end)
            if rule.fallback and matches.steers(text.pointer):
                continue
            if rule.advisory:
                if _fits(rule, matches.leg, value, joined_text, start, end):
                    matches.mention(rule, text.pointer)
                    matches.quote(rule, joined_text, start, end, advisory=True)
                continue
            if not _fits(rule, matches.leg, value, joined_text, start, end):
                place = (rule.id, text.pointer)
                if direct:
                    matches.excused.add(place)
                # What a reader would have to decode first is no example for one.
                if place in matches.excused or not may_be_mentioned(rule, matches.leg):
                    continue
            if not rule.redactable:
                place = (rule.id, text.pointer)
                # A phrase that was encoded is no example for a reader.
                readable = (direct or place in matches.mentioned) and may_be_mentioned(rule, matches.leg)
                if place not in matches.known:
                    if readable and is_mention(*joined_text.around(start, end)):
                        matches.mention(rule, text.pointer)
                        matches.quote(rule, joined_text, start, end, advisory=True)
                        continue
                    matches.quote(rule, joined_text, start, end, advisory=False)
                    matches.add(rule, text.pointer, None)
                if len(joined_text.texts) == 1:
                    break
                continue
            matches.quote(rule, joined_text, start, end, advisory=False)
            key = (rule.id, text.pointer, value)
            if direct:
                for spelling in {value, unescape(unbroken(value)), value.partition("\\")[0]}:
                    matches.values[(rule.id, text.pointer, spelling)] += 1
                cuttable = span is not None and (rule.cut is None or rule.cut(value))
                matches.add(rule, text.pointer, span if cuttable else None)
                continue
            counts[key] += 1
            if not copies or counts[key] > matches.values[key]:
                matches.add(rule, text.pointer, None)


def _fits(rule: DetectionRule, leg: Leg, value: str, joined_text: JoinedText, start: int, end: int) -> bool:
    """Whether what stands around a match lets it be meant. A server's request to a model is no document that quotes."""
    if rule.context is None or leg is Leg.SERVER_REQUESTS:
        return True
    return rule.context(value, joined_text.before(start), joined_text.after(end))


def may_be_secret(name: str) -> bool:
    """Whether a member of this name may hold a secret or a card number."""
    return _MAYBE_SECRET.search(name) is not None or is_secret_name(name)


def _match_named_values(texts: Sequence[Text], matches: Matches) -> None:
    """Judge `{"password": "x"}` as the text `password=x` is judged: structured results repeat what their text says.

    Arguments are left out: their names are the tool's own parameters, which the tool lock approved.
    """
    for text in texts:
        if len(text.value) < 8:
            continue
        above, _, name = text.pointer.rpartition("/")
        if name in _OF_A_CARD and "card" in (holder := above.rpartition("/")[2]).lower():
            name = f"{holder}_{name}"
        if not may_be_secret(name):
            continue
        matches.in_time()
        prefix = f"{name}="
        line = JoinedText((Text(text.pointer, prefix + text.value),))
        for rule, places in _named_value_table().places(line.data):
            for start, end in places:
                _, span = line.place(start, end)
                if span is None or span[0] < len(prefix) or (rule.id, text.pointer) in matches.known:
                    continue
                if rule.check is None or rule.check(decoded(line.data[start:end]), line.before(start)):
                    matches.add(rule, text.pointer, (span[0] - len(prefix), span[1] - len(prefix)))


def _folded(texts: Sequence[Text]) -> list[Text]:
    """The texts with plain letters; none where all of them are as they were, as in most scripts but Latin."""
    read = [plain_marks(text.value) for text in texts]
    folded = [fold(value) for value in read]
    return [Text(text.pointer, value) for text, value in zip(texts, folded, strict=True)] if folded != read else []


def _opened(texts: Sequence[Text], budget: DecodingBudget, *, dry: bool = False) -> tuple[list[Text], list[Text]]:
    """The strings that differ once unescaped, and the texts that stand encoded in a string."""
    inline: list[Text] = []
    inner: list[Text] = []
    for text in texts:
        # What is quoted more often than twice is still one line end, so only encoding counts as too deep.
        plain = text.value if dry else unbroken(text.value)
        read = unescape(plain)
        if read != plain and not dry:
            budget.spend(len(read))
        if read != text.value:
            inline.append(Text(text.pointer, read))
        inner.extend(Text(text.pointer, piece) for piece in pieces(plain, budget))
    return inline, inner
