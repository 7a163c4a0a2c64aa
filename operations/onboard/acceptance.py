"""The guard's findings in a lock's definitions, and which of them a reviewer accepts.

A definition with a finding is withheld from everybody until a reviewer accepts the rule for it. The acceptance stands in the
definition's entry and ends with the definition, so a changed one is judged anew. An advisory finding withholds nothing: the
reviewer is shown its words, and the lock notes the rule.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import asdict
from typing import Any

from guard.inspect.definitions import definition_findings, pinned_definitions
from model.definition_findings import name_of
from model.difference import ValueChange, short_json
from model.engines import VENDORS
from model.errors import InputError
from model.text import visible
from model.tool_lock import ToolLock

_RULE = re.compile(r"[a-z0-9_]+(\.[a-z0-9_]+)+")

#: Accepted rules by kind and key of the definition.
Acceptances = Mapping[tuple[str, str], Collection[str]]


def read_acceptances(lock: ToolLock, values: Iterable[str]) -> Acceptances:
    """What `--accept NAME:RULE` and `--accept NAME` name; the second is every finding in that definition.

    Raises:
        InputError: no definition has that name, or the rule finds nothing in it.
    """
    every_finding = definition_findings(lock)
    findings = [finding for finding in every_finding if finding.acceptable and not finding.advisory]
    notes = {(name_of(finding.key), finding.rule) for finding in every_finding if finding.advisory}
    places = [(pinned.kind, pinned.key) for pinned in pinned_definitions(lock)]
    accepted: dict[tuple[str, str], set[str]] = {}
    for value in values:
        name, rule = _parted(value, {name_of(key) for _, key in places})
        named = [place for place in places if name_of(place[1]) == name]
        if not named:
            raise InputError(
                f"the server offers nothing named {visible(name)}",
                key="--accept",
                remedy="write NAME:RULE as `ringwall lock diff` shows it",
            )
        for place in named:
            rules = {finding.rule for finding in findings if (finding.kind, finding.key) == place}
            if rule is None or rule in rules:
                accepted.setdefault(place, set()).update(rules if rule is None else {rule})
            elif rule.split(".", 1)[0] in VENDORS:
                accepted.setdefault(place, set()).add(rule)
        if not any(accepted.get(place) for place in named):
            if (name, rule) in notes:
                problem, remedy = (
                    f"{rule} is only a note in {visible(name)}",
                    "leave it out: a note needs no acceptance",
                )
                raise InputError(problem, key="--accept", remedy=remedy)
            matching = sorted({finding.rule for finding in findings if name_of(finding.key) == name})
            raise InputError(
                f"{visible(rule or 'the guard')} finds nothing in {visible(name)}",
                key="--accept",
                remedy=f"give one of {', '.join(matching)}" if matching else "leave it out",
            )
    return accepted


def _parted(value: str, names: Collection[str]) -> tuple[str, str | None]:
    name, _, rule = value.rpartition(":")
    if value not in names and name and _RULE.fullmatch(rule):
        return name, rule
    return value, None


def accepting(lock: ToolLock, acceptances: Acceptances) -> ToolLock:
    """The lock with these rules accepted beside those that it accepts already."""

    def entry(kind: str, item: Any) -> Any:
        rules = acceptances.get((kind, item.key))
        return item.model_copy(update={"accepted": _joined(item.accepted, rules)}) if rules else item

    changes: dict[str, Any] = {
        kind: tuple(entry(kind, item) for item in entries) for kind, entries in lock.entries().items()
    }
    if rules := acceptances.get(("instructions", "")):
        accepted = _joined(lock.server.accepted, rules)
        changes["server"] = lock.server.model_copy(update={"accepted": accepted})
    return lock.model_copy(update=changes)


def with_notes(lock: ToolLock) -> ToolLock:
    """The lock with every advisory finding noted in the entry of its definition, and nothing else noted."""
    rules: dict[tuple[str, str], set[str]] = {}
    for finding in definition_findings(lock):
        if finding.advisory:
            rules.setdefault((finding.kind, finding.key), set()).add(finding.rule)

    def noting(kind: str, key: str, item: Any) -> Any:
        noted = tuple(sorted(rules.get((kind, key), ())))
        return item if item.noted == noted else item.model_copy(update={"noted": noted})

    changes: dict[str, Any] = {
        kind: tuple(noting(kind, item.key, item) for item in entries) for kind, entries in lock.entries().items()
    }
    changes["server"] = noting("instructions", "", lock.server)
    return lock.model_copy(update=changes)


def keep_acceptances(lock: ToolLock, previous: ToolLock) -> ToolLock:
    """The lock with what `previous` accepts for definitions that are the same in both."""
    before, after = _decided(previous, "accepted"), _decided(lock, "accepted")
    return accepting(
        lock,
        {place: rules for place, (sha256, rules) in before.items() if rules and after.get(place, ("",))[0] == sha256},
    )


def findings_json(lock: ToolLock) -> list[dict[str, Any]]:
    """What the guard finds in the definitions of a lock, accepted or not, for a JSON document."""
    return [asdict(finding) for finding in definition_findings(lock)]


def acceptance_changes(old: ToolLock, new: ToolLock) -> Iterator[tuple[str, str, ValueChange]]:
    """Kind, key and change of every acceptance and note that differs; one that ended with its definition is no change of
    its own."""
    for member in ("accepted", "noted"):
        before, after = _decided(old, member), _decided(new, member)
        for place, (sha256, rules) in after.items():
            old_sha256, old_rules = before.get(place, ("", ()))
            compared = old_rules if sha256 == old_sha256 else ()
            if sorted(compared) != sorted(rules):
                yield (*place, ValueChange(f"/{member}", _shown(compared), _shown(rules)))


def _shown(rules: Collection[str]) -> str | None:
    return short_json(sorted(rules)) if rules else None


def _joined(accepted: Iterable[str], rules: Iterable[str]) -> tuple[str, ...]:
    return tuple(sorted({*accepted, *rules}))


def _decided(lock: ToolLock, member: str) -> dict[tuple[str, str], tuple[str, tuple[str, ...]]]:
    """The digest of each definition, and the rules that its entry has under `member`."""
    decided = {
        (kind, entry.key): (entry.sha256, tuple(getattr(entry, member)))
        for kind, entries in lock.entries().items()
        for entry in entries
    }
    if lock.server.instructions_sha256 is not None:
        decided["instructions", ""] = (lock.server.instructions_sha256, tuple(getattr(lock.server, member)))
    return decided
