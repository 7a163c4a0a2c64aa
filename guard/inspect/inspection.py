"""Sends one message part to the engines, and decides by policy on their judgement.

The order is fixed: an unreadable part is blocked, a part without verdict is blocked, then the leg's policy decides on the
findings. `redact` applies only when every finding is a secret or personal data with a certain place; else it blocks.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from guard.decide.reasons import Decision, Reason
from guard.inspect.content import Content, content_of, document_of
from guard.inspect.panel import Panel
from guard.inspect.redaction import corrected, redact
from guard.inspect.verdict import EVERYTHING, Category, EngineFinding, Leg, Outcome, ScanItem, Verdict
from model.defaults import LegPolicy
from model.parameter_kinds import KindTree


@dataclass(frozen=True, slots=True)
class Inspected:
    """The decision on one message part. `value` is what may pass (None when blocked). `reason` is a stable word: a
    finding's category, `no_verdict` or `unreadable`. `uninspected` counts bytes that no engine could look into, by media
    type. `source` is the part as it arrived and `document` its JSON text; None where no engine was asked."""

    decision: Decision
    value: Any
    reason: Reason | Category | None
    verdicts: tuple[Verdict, ...]
    uninspected: Mapping[str, int] = field(default_factory=dict)
    document: str | None = None
    source: Any = None

    @property
    def passed(self) -> bool:
        return self.decision is not Decision.BLOCK

    @property
    def untrusted(self) -> bool:
        """Whether something tried to steer a model, whatever the policy decided."""
        return any(finding.untrusted for verdict in self.verdicts for finding in verdict.findings)


class Inspector:
    """Judges message parts by a panel of engines and a policy for each leg."""

    def __init__(self, panel: Panel, legs: LegPolicy, server: str) -> None:
        self._panel = panel
        self._policy = {leg: str(getattr(legs, leg.value)) for leg in Leg}
        self._server = server

    async def inspect(
        self,
        leg: Leg,
        method: str,
        name: str,
        value: Any,
        *,
        principal: str,
        incident: str,
        structural: bool = False,
        kinds: KindTree = EVERYTHING,
        media_types: frozenset[str] = frozenset(),
    ) -> Inspected:
        """Judge every string of `value`.

        Args:
            principal: hash of the principal, which is all that engines learn about it.
            structural: the method carries no prose (ping, lists, levels), so that short words need no verdict.
            kinds: what each argument is, by its pointer in `value`.
            media_types: what may pass uninspected beside images and sounds.
        """
        content = content_of(value, method, media_types)
        if content.unreadable is not None:
            finding = EngineFinding(Category.POLICY, "content.media_type", content.unreadable)
            verdict = Verdict(Outcome.BLOCK, "content", (finding,), error=content.problem)
            return Inspected(Decision.BLOCK, None, Reason.UNREADABLE, (verdict,), content.uninspected)
        value = corrected(value, content.corrected)
        if not content.texts or (structural and content.inert):
            return Inspected(Decision.ALLOW, value, None, (), content.uninspected)
        document = document_of(value)
        item = ScanItem(leg, self._server, method, name, content.texts, document, principal, incident, kinds)
        judgement = await self._panel.judge(item)
        decision: Decision = Decision.ALLOW
        passed: Any = value
        reason: Reason | Category | None = None
        if judgement.outcome is Outcome.NO_VERDICT:
            decision, passed, reason = Decision.BLOCK, None, Reason.NO_VERDICT
        elif judgement.outcome is Outcome.ALLOW:
            advice = next((finding for finding in judgement.findings if finding.advisory), None)
            if advice is not None:
                decision, reason = Decision.FLAG, advice.category
        else:
            decision, passed, reason = self._by_policy(leg, value, judgement.verdicts, judgement.findings, content)
        return Inspected(decision, passed, reason, judgement.verdicts, content.uninspected, document, value)

    def _by_policy(
        self, leg: Leg, value: Any, verdicts: tuple[Verdict, ...], findings: tuple[EngineFinding, ...], content: Content
    ) -> tuple[Decision, Any, Reason | Category]:
        policy = self._policy[leg]
        reason = findings[0].category if findings else Reason.BLOCKED
        # Nothing is known from an engine without answer, so `flag` and `redact` cannot rely on the other engines alone.
        silent = any(verdict.outcome is Outcome.NO_VERDICT for verdict in verdicts)
        if policy == "flag" and not silent:
            return Decision.FLAG, value, reason
        cuttable = _all_from_findings(verdicts) and not any(f.pointer in content.decoded for f in findings)
        if policy == "redact" and not silent and cuttable:
            try:
                cleaned, _ = redact(value, findings)
            except ValueError:
                return Decision.BLOCK, None, reason
            return Decision.REDACT, cleaned, reason
        return Decision.BLOCK, None, reason


def _all_from_findings(verdicts: tuple[Verdict, ...]) -> bool:
    """False when an engine blocks without a finding: there would be nothing to cut out."""
    return all(verdict.findings for verdict in verdicts if verdict.outcome is Outcome.BLOCK)
