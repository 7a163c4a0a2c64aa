"""One message part before the engines, and what policy makes of their verdict.

The order is fixed: what cannot be read is blocked, no verdict is blocked, then each leg's policy decides about findings.
`redact` holds only when every finding is a secret or personal data with a certain place; otherwise it blocks.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from guard.decide.reasons import Decision, Reason
from guard.inspect.content import Content, content_of, document_of
from guard.inspect.panel import Panel
from guard.inspect.redaction import redact
from guard.inspect.verdict import Category, Finding, Leg, Outcome, ScanItem, Verdict
from model.defaults import LegPolicy


@dataclass(frozen=True, slots=True)
class Inspected:
    """`value` is what may go on (None when blocked); `reason` is a stable word: a finding's category, `no_verdict` or
    `unreadable`. `untrusted` says that something tried to steer a model, whatever the policy made of it. `source` is
    what came in, `document` the same as text; None where no engine was asked."""

    decision: Decision
    value: Any
    reason: Reason | Category | None
    verdicts: tuple[Verdict, ...]
    uninspected: int = 0
    document: str | None = None
    source: Any = None

    @property
    def passed(self) -> bool:
        return self.decision is not Decision.BLOCK

    @property
    def untrusted(self) -> bool:
        return any(finding.untrusted for verdict in self.verdicts for finding in verdict.findings)


class Inspector:
    """Judges parts by a panel of engines and a policy for each leg."""

    def __init__(self, panel: Panel, legs: LegPolicy, server: str) -> None:
        self._panel = panel
        self._policy = {leg: str(getattr(legs, leg.value)) for leg in Leg}
        self._server = server

    async def inspect(
        self, leg: Leg, method: str, name: str, value: Any, *, principal: str, incident: str, structural: bool = False
    ) -> Inspected:
        """Judge every string of `value`.

        Args:
            principal: hash of the principal, the only thing about it that engines are told.
            structural: the method carries no prose (ping, lists, levels); short words then need no verdict.
        """
        content = content_of(value, method)
        if content.unreadable is not None:
            return Inspected(Decision.BLOCK, None, Reason.UNREADABLE, (), content.uninspected)
        if not content.texts or (structural and content.inert):
            return Inspected(Decision.ALLOW, value, None, (), content.uninspected)
        document = document_of(value)
        item = ScanItem(leg, self._server, method, name, content.texts, document, principal, incident)
        judgement = await self._panel.judge(item)
        decision: Decision = Decision.ALLOW
        passed: Any = value
        reason: Reason | Category | None = None
        if judgement.outcome is Outcome.NO_VERDICT:
            decision, passed, reason = Decision.BLOCK, None, Reason.NO_VERDICT
        elif judgement.outcome is not Outcome.ALLOW:
            decision, passed, reason = self._by_policy(leg, value, judgement.verdicts, judgement.findings, content)
        return Inspected(decision, passed, reason, judgement.verdicts, content.uninspected, document, value)

    def _by_policy(
        self, leg: Leg, value: Any, verdicts: tuple[Verdict, ...], findings: tuple[Finding, ...], content: Content
    ) -> tuple[Decision, Any, Reason | Category]:
        policy = self._policy[leg]
        reason = findings[0].category if findings else Reason.BLOCKED
        # An engine that gave no answer said nothing about this text, so `flag` and `redact` cannot stand on the others.
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
    """False when an engine blocks without saying what it found: nothing would be cut out then."""
    return all(verdict.findings for verdict in verdicts if verdict.outcome is Outcome.BLOCK)
