"""Decides which pinned definitions the guard withholds for what the engines find in them: in lists as on calls.

A definition is judged once under a policy, in the form in which the lock pins it, and all who ask about it get that one
judgement. A finding that a reviewer accepted in the lock does not count. The acceptance belongs to the entry, so it ends
with any change of the definition. An advisory finding withholds nothing; one that the lock does not note is in the log.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from guard.decide.grants import Rights
from guard.inspect.definitions import METHODS, PinnedDefinition, pinned_definitions
from guard.inspect.inspection import Inspected, Inspector
from guard.inspect.panel import CACHE_SECONDS
from guard.inspect.verdict import Leg, Outcome, rule_id
from model.canonical import digest
from model.text import visible
from model.tool_lock import ToolLock

log = logging.getLogger("ringwall.guard")


@dataclass(frozen=True, slots=True)
class Withheld:
    """A pinned definition that the guard shows to nobody. `places` are the rules with their JSON pointers, or why no engine
    gave a verdict."""

    name: str
    sha256: str
    rules: tuple[str, ...]
    places: tuple[str, ...]


class Definitions:
    """The judgements of one lock's definitions under one policy."""

    def __init__(self, lock: ToolLock, inspector: Inspector, clock: Callable[[], float] = time.monotonic) -> None:
        self._pinned = {(pinned.kind, pinned.key): pinned for pinned in pinned_definitions(lock)}
        self._inspector = inspector
        self._clock = clock
        #: Judgements with the moment at which they end, as a vendor's policy may change.
        self._judged: dict[tuple[str, str], tuple[float, Inspected]] = {}
        self._withheld: dict[tuple[str, str], Withheld] = {}
        self._noted: set[tuple[str, str, str]] = set()

    @property
    def withheld(self) -> tuple[Withheld, ...]:
        """What is known to be withheld, by name."""
        return tuple(entry for _, entry in sorted(self._withheld.items()))

    async def judge(
        self, kind: str, key: str, *, shown: Any = None, principal: str = "", incident: str = ""
    ) -> Inspected:
        """The decision on a pinned definition.

        `shown` is the form in which the server shows it. One that is not the pinned form (an older protocol version leaves
        members out) is judged as well, and what is found in it counts from then on.
        """
        pinned = self._pinned[kind, key]  # type: ignore[index]
        known = self._judged.get((kind, key))
        if known is None or self._clock() >= known[0]:
            known = self._keep(pinned, await self._inspect(pinned, pinned.value, principal, incident))
        if shown is not None and known[1].passed and shown != pinned.value:
            form = await self._inspect(pinned, shown, principal, incident)
            if not form.passed:
                known = self._keep(pinned, form)
        return known[1]

    async def judge_all(self, rights: Rights) -> None:
        """Judge whatever these rights cover, so that /readyz and the log name what is withheld before anybody asks."""
        for kind, key in self._pinned:
            if kind == "instructions" or rights.covers(kind, key):
                await self.judge(kind, key)
                await asyncio.sleep(0)

    async def _inspect(self, pinned: PinnedDefinition, value: Any, principal: str, incident: str) -> Inspected:
        return await self._inspector.inspect(
            Leg.DEFINITIONS,
            METHODS[pinned.kind],
            pinned.key,
            value,
            principal=principal,
            incident=incident,
            structural=True,
            accepted=pinned.accepted,
        )

    def _keep(self, pinned: PinnedDefinition, inspected: Inspected) -> tuple[float, Inspected]:
        known = (self._clock() + CACHE_SECONDS, inspected)
        silent = any(verdict.outcome is Outcome.NO_VERDICT for verdict in inspected.verdicts)
        if inspected.passed or not silent:
            self._judged[pinned.kind, pinned.key] = known
        if inspected.passed:
            self._withheld.pop((pinned.kind, pinned.key), None)
            self._tell_notes(pinned, inspected)
            return known
        withheld = _withheld(pinned, inspected)
        if self._withheld.get((pinned.kind, pinned.key)) != withheld:
            self._withheld[pinned.kind, pinned.key] = withheld
            log.warning("withheld, though the tool lock has it: %s: %s", withheld.name, "; ".join(withheld.places))
        return known

    def _tell_notes(self, pinned: PinnedDefinition, inspected: Inspected) -> None:
        """Log once what is only suspected of a definition that everybody is shown, and that its reviewer was not shown."""
        rules = {
            rule_id(verdict.engine, finding)
            for verdict in inspected.verdicts
            for finding in verdict.findings
            if finding.advisory
        }
        for rule in sorted(rules - pinned.noted):
            if (note := (pinned.kind, pinned.key, rule)) not in self._noted:
                self._noted.add(note)
                name = f"{pinned.kind} {visible(pinned.key)}".strip()
                log.warning(
                    "shown, though an engine suspects it and the tool lock does not note that: %s: %s", name, rule
                )


def _withheld(pinned: PinnedDefinition, inspected: Inspected) -> Withheld:
    findings = [
        (rule_id(verdict.engine, finding), finding) for verdict in inspected.verdicts for finding in verdict.findings
    ]
    rules = tuple(dict.fromkeys(rule for rule, _ in findings))
    places = [f"{rule} at {visible(finding.pointer) or 'the definition'}" for rule, finding in findings[:20]]
    places += [f"{verdict.engine}: {verdict.error}" for verdict in inspected.verdicts if verdict.error]
    name = f"{pinned.kind} {visible(pinned.key)}".strip()
    return Withheld(name, digest(pinned.value), rules, tuple(places) or (str(inspected.reason),))
