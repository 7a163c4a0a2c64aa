"""Has the parts of a request or an answer judged, all parts of a leg as one, and remembers which were clean.

A client sends the whole conversation with every request. A part that was clean before is clean again under the same
configuration, so only what is new is judged; a phrase that is cut into two messages of one request is still found.
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from guard.decide.reasons import Decision
from guard.identity.principal import Principal
from guard.inspect.inspection import Inspected, Inspector
from guard.inspect.verdict import EVERYTHING, ModelLeg
from guard.models.conversation import MessagePart, kinds_of, sparse
from model.parameter_kinds import KindTree
from wire.json import dump

#: Parts remembered, and for how many seconds: a vendor's policy may change under the same project or profile.
REMEMBERED = 16_384
SECONDS = 600.0


class CleanParts:
    """Digests of parts that every engine allowed without any finding, of one configuration. `clock` is monotonic."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._until: OrderedDict[bytes, float] = OrderedDict()

    def holds(self, digest: bytes) -> bool:
        until = self._until.get(digest)
        return until is not None and self._clock() < until

    def add(self, digest: bytes) -> None:
        self._until[digest] = self._clock() + SECONDS
        self._until.move_to_end(digest)
        if len(self._until) > REMEMBERED:
            self._until.popitem(last=False)


@dataclass(frozen=True, slots=True)
class InspectedLeg:
    """The decision on everything of one leg that was judged."""

    leg: ModelLeg
    result: Inspected


class PartInspector:
    """Judges parts; `clean` remembers those without findings."""

    def __init__(self, inspector: Inspector, clean: CleanParts) -> None:
        self._inspector = inspector
        self._clean = clean

    async def inspect(
        self,
        parts: Sequence[MessagePart],
        method: str,
        model: str,
        *,
        principal: Principal,
        incident: str,
        memory: int = 0,
    ) -> list[InspectedLeg]:
        """The decisions, one for each leg that had anything new; the first that blocks is the last of them. `memory` is what
        the message takes of it, where it is large."""
        decisions: list[InspectedLeg] = []
        for leg in ModelLeg:
            new = [
                (digest, part) for part in parts if part.leg is leg and not self._clean.holds(digest := _digest(part))
            ]
            if not new:
                continue
            value = sparse([part for _, part in new])
            kinds = kinds_of([part for _, part in new])
            result = await self.judge(
                leg, value, method, model, principal=principal, incident=incident, kinds=kinds, memory=memory
            )
            decisions.append(InspectedLeg(leg, result))
            if not result.passed:
                break
            if result.decision is Decision.ALLOW and not result.uninspected and not _findings(result):
                for digest, _ in new:
                    self._clean.add(digest)
        return decisions

    async def judge(
        self,
        leg: ModelLeg,
        value: Any,
        method: str,
        model: str,
        *,
        principal: Principal,
        incident: str,
        kinds: KindTree = EVERYTHING,
        memory: int = 0,
    ) -> Inspected:
        """The decision on one value, which is not remembered: a piece of a stream."""
        return await self._inspector.inspect(
            leg,
            method,
            model,
            value,
            principal=principal.hash,
            principal_kind=principal.kind,
            incident=incident,
            kinds=kinds,
            memory=memory,
        )


def _findings(result: Inspected) -> bool:
    return any(verdict.findings for verdict in result.verdicts)


def _digest(part: MessagePart) -> bytes:
    # Not its place: a client that shortens a conversation moves every message.
    return hashlib.sha256(dump([part.leg.value, part.value, part.kinds])).digest()
