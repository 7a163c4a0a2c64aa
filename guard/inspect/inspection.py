"""Sends one message part to the engines, and decides by policy on their judgement.

The order is fixed: an unreadable part is blocked, a part without verdict is blocked, then the leg's policy decides on the
findings. `redact` applies only when every finding is a secret or personal data with a certain place; else it blocks. A
finding that an exception of the stack file covers is no longer among them (`guard.inspect.exceptions`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import field, replace
from typing import Any

from guard.decide.reasons import Decision, Reason
from guard.inspect.clean_values import CleanValues
from guard.inspect.content import Content, content_of
from guard.inspect.exceptions import CoveredFinding, Exceptions
from guard.inspect.panel import Panel
from guard.inspect.redaction import corrected, redact
from guard.inspect.verdict import (
    EVERYTHING,
    AnyLeg,
    Category,
    EngineFinding,
    Leg,
    ModelLeg,
    Outcome,
    ScanItem,
    Verdict,
)
from guard.large_messages import take_step
from model.defaults import LegPolicy
from model.model_route import ModelLegs
from model.parameter_kinds import KindTree
from model.value_types import value_type
from wire.json import dump


@value_type()
class Inspected:
    """The decision on one message part. `value` is what may pass (None when blocked). `reason` is a stable word: a
    finding's category, `no_verdict` or `unreadable`. `uninspected` counts bytes that no engine could look into, by media
    type. `source` is the part as it arrived, `document` its JSON text and `digest` the SHA-256 of that; None where no engine
    was asked.
    `covered` are the findings that did not count, as an exception covers them; `key` is the key of the stack file by which
    the findings were decided; `problem` says what no finding does."""

    decision: Decision
    value: Any
    reason: Reason | Category | None
    verdicts: tuple[Verdict, ...]
    uninspected: Mapping[str, int] = field(default_factory=dict)
    document: str | None = None
    digest: str | None = None
    source: Any = None
    covered: tuple[CoveredFinding, ...] = ()
    key: str | None = None
    problem: str | None = None

    @property
    def passed(self) -> bool:
        return self.decision is not Decision.BLOCK

    @property
    def untrusted(self) -> bool:
        """Whether something tried to steer a model, or is suspected of it, whatever the policy decided."""
        return bool(self._steering())

    @property
    def attacked(self) -> bool:
        """Whether something tried to steer a model: a finding that stops, where the policy does not let it pass."""
        return any(not finding.advisory for finding in self._steering())

    def _steering(self) -> list[EngineFinding]:
        steering = [
            (verdict.engine, finding) for verdict in self.verdicts for finding in verdict.findings if finding.untrusted
        ]
        if not steering:
            return []
        trusted = {(item.engine, item.finding) for item in self.covered if item.trusted}
        # Whoever trusts what would be stopped in a text has read it, and what is only suspected of it too.
        read = {finding.pointer for _, finding in trusted if not finding.advisory}
        return [
            finding
            for engine, finding in steering
            if (engine, finding) not in trusted and not (finding.advisory and finding.pointer in read)
        ]


class Inspector:
    """Judges message parts by a panel of engines, a policy for each leg, and exceptions from it."""

    def __init__(
        self, panel: Panel, legs: LegPolicy | ModelLegs, server: str, exceptions: Exceptions | None = None
    ) -> None:
        self._panel = panel
        self._exceptions = exceptions or Exceptions(())
        every: tuple[AnyLeg, ...] = tuple(ModelLeg) if isinstance(legs, ModelLegs) else tuple(Leg)
        self._policy = {leg: str(getattr(legs, leg.value)) for leg in every}
        self._server = server
        self._clean = CleanValues()

    async def inspect(
        self,
        leg: AnyLeg,
        method: str,
        name: str,
        value: Any,
        *,
        principal: str,
        incident: str,
        principal_kind: str = "",
        structural: bool = False,
        accepted: frozenset[str] = frozenset(),
        kinds: KindTree = EVERYTHING,
        media_types: frozenset[str] = frozenset(),
        memory: int = 0,
    ) -> Inspected:
        """Judge every string of `value`.

        Args:
            principal: hash of the principal, which with its kind is all that engines learn about it.
            accepted: rules whose findings a reviewer accepted for this very value (`guard.inspect.verdict.rule_id`).
            structural: the method carries no prose (ping, lists, levels), so that short words need no verdict.
            kinds: what each argument is, by its pointer in `value`.
            media_types: what may pass uninspected beside images and sounds.
            memory: bytes of memory that the message takes, where it is large.
        """
        document, digest = await take_step(memory, _document_of, value)
        basis = self._panel.basis()
        part = None
        if basis is not None and isinstance(leg, Leg) and not accepted:
            # The kinds by identity: a tool has one tree of them under one configuration.
            part = self._clean.key(digest, principal, (leg, method, name, media_types, kinds, basis))
            if self._clean.holds(part):
                return Inspected(Decision.ALLOW, value, None, self._panel.clean, {}, document, digest, value)
        content = await take_step(memory, content_of, value, method, media_types)
        if content.unreadable is not None:
            finding = EngineFinding(Category.POLICY, "content.media_type", content.unreadable)
            verdict = Verdict(Outcome.BLOCK, "content", (finding,), error=content.problem)
            problem = f"no engine can read what stands at {content.unreadable or 'the top'}"
            return Inspected(
                Decision.BLOCK,
                None,
                Reason.UNREADABLE,
                (verdict,),
                content.uninspected,
                problem=content.problem or problem,
            )
        if content.corrected:
            value = corrected(value, content.corrected)
            document, digest = await take_step(memory, _document_of, value)
        if not content.texts or (structural and content.inert):
            return Inspected(Decision.ALLOW, value, None, (), content.uninspected)
        judged_as = leg.judged_as if isinstance(leg, ModelLeg) else leg
        item = ScanItem(
            judged_as, self._server, method, name, content.texts, document, principal, incident, kinds, principal_kind
        )
        judgement = (await self._panel.judge(item)).accepting(accepted)
        if judgement.outcome is Outcome.NO_VERDICT:
            return Inspected(
                Decision.BLOCK,
                None,
                Reason.NO_VERDICT,
                judgement.verdicts,
                content.uninspected,
                document,
                digest,
                value,
            )
        if judgement.outcome is Outcome.ALLOW and not judgement.findings:
            read = all(verdict.error is None for verdict in judgement.verdicts)
            if part is not None and read and not content.uninspected and not content.corrected:
                self._clean.add(part)
            return Inspected(
                Decision.ALLOW, value, None, judgement.verdicts, content.uninspected, document, digest, value
            )
        # Nothing is known from an engine without answer, so nothing can rely on the other engines alone.
        silent = any(verdict.outcome is Outcome.NO_VERDICT for verdict in judgement.verdicts)
        covered = () if silent else self._exceptions.covered(leg, method, name, judgement.verdicts)
        decision: Decision = Decision.ALLOW
        passed: Any = value
        reason: Reason | Category | None = None
        key: str | None = None
        ended: str | None = None
        if judgement.outcome is not Outcome.ALLOW:
            blocking = _without(judgement.verdicts, covered)
            if any(verdict.outcome is Outcome.BLOCK for verdict in blocking):
                key = f"guard.legs.{leg}"
                policy = self._policy[leg]
                decision, passed, reason = await take_step(
                    memory, self._by_policy, policy, value, blocking, content, silent=silent
                )
                ended = self._exceptions.ended(leg, method, name, blocking)
            else:
                key = f"guard.exceptions.{covered[0].number}"
                if all(item.trusted for item in covered):
                    reason = Reason.EXCEPTED
                else:
                    decision, reason = Decision.FLAG, covered[0].finding.category
        elif advice := next((finding for finding in judgement.findings if finding.advisory), None):
            decision, reason = Decision.FLAG, advice.category
        return Inspected(
            decision,
            passed,
            reason,
            judgement.verdicts,
            content.uninspected,
            document,
            digest,
            value,
            covered,
            key,
            ended,
        )

    @staticmethod
    def _by_policy(
        policy: str, value: Any, verdicts: tuple[Verdict, ...], content: Content, *, silent: bool
    ) -> tuple[Decision, Any, Reason | Category]:
        findings = [finding for verdict in verdicts for finding in verdict.findings]
        reason = findings[0].category if findings else Reason.BLOCKED
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


def _document_of(value: Any) -> tuple[str, str]:
    """The value as one JSON text, for engines that take JSON, and the digest of that."""
    written = dump(value)
    return written.decode(), hashlib.sha256(written).hexdigest()


def _all_from_findings(verdicts: tuple[Verdict, ...]) -> bool:
    """False when an engine blocks without a finding: there would be nothing to cut out."""
    return all(verdict.findings for verdict in verdicts if verdict.outcome is Outcome.BLOCK)


def _without(verdicts: tuple[Verdict, ...], covered: tuple[CoveredFinding, ...]) -> tuple[Verdict, ...]:
    """The verdicts without the covered findings. An engine whose every finding is covered allows; one that blocks without
    a finding still blocks."""
    if not covered:
        return verdicts
    covered_pairs = {(item.engine, item.finding) for item in covered}
    remaining = []
    for verdict in verdicts:
        findings = tuple(finding for finding in verdict.findings if (verdict.engine, finding) not in covered_pairs)
        decisive = [finding for finding in findings if not finding.advisory]
        allows = verdict.outcome is Outcome.BLOCK and verdict.findings and not decisive
        outcome = Outcome.ALLOW if allows else verdict.outcome
        remaining.append(replace(verdict, outcome=outcome, findings=findings))
    return tuple(remaining)
