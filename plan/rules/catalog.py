"""The catalog of rules: the built-in ones, those about failed rules and waivers, and a project's own added to them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from model.errors import InputError
from plan.findings import Severity
from plan.rules import access, clients, edge, exceptions, gateway, guardless, limits, lock, models, origin, portal
from plan.rules import guard as rules_guard
from plan.rules import secrets as rules_secrets
from plan.rules.rule import FAMILIES, Broken, Rule
from plan.rules.subject import Subject


def _by_evaluation(subject: Subject) -> Iterable[Broken]:
    """The check of a rule whose findings are made by `plan.rules.evaluate` or `plan.rules.waivers`, not from a plan."""
    return ()


RULE_FAILED: Final = Rule(
    "rule-failed",
    Severity.ERROR,
    "A rule that fails has not checked everything, so that its missing findings would count as a pass.",
    "correct the rule, or report it as a defect when it is one of Ringwall's",
    "default deny",
    _by_evaluation,
    waivable=False,
)
WAIVER_EXPIRED: Final = Rule(
    "waiver-expired",
    Severity.ERROR,
    "The exception was granted until a day that has passed. Nobody has granted it for longer.",
    "correct what the waiver was for and remove it, or have a new date reviewed",
    "Ringwall's waivers",
    _by_evaluation,
    waivable=False,
)
WAIVER_REFUSED: Final = Rule(
    "waiver-refused",
    Severity.ERROR,
    "Some rules guard the promise that nothing answers unprotected and no secret is readable; for them there is no"
    " exception.",
    "remove the waiver and correct what the rule names",
    "Ringwall's waivers",
    _by_evaluation,
    waivable=False,
)
WAIVER_UNUSED: Final = Rule(
    "waiver-unused",
    Severity.WARNING,
    "An exception that matches no finding would hide the next finding of its kind, which a reviewer should see as new.",
    "remove it, or correct its rule or resource",
    "Ringwall's waivers",
    _by_evaluation,
    waivable=False,
)

BUILT_IN: Final[tuple[Rule, ...]] = (
    *access.RULES,
    *edge.RULES,
    *clients.RULES,
    *gateway.RULES,
    *limits.RULES,
    *rules_guard.RULES,
    *exceptions.RULES,
    *origin.RULES,
    *rules_secrets.RULES,
    *lock.RULES,
    *models.RULES,
    *guardless.RULES,
    *portal.RULES,
    RULE_FAILED,
    WAIVER_EXPIRED,
    WAIVER_REFUSED,
    WAIVER_UNUSED,
)


def with_custom(custom: Sequence[Rule]) -> tuple[Rule, ...]:
    """Ringwall's rules and a project's.

    Raises:
        InputError: an id is taken, or belongs to a family of Ringwall's own ids.
    """
    ids = {rule.id for rule in BUILT_IN}
    for rule in custom:
        if rule.id in ids:
            raise InputError(f"two rules have the id {rule.id}", remedy="rename the rule in the project's file")
        if rule.id.split("-", 1)[0] in FAMILIES:
            raise InputError(
                f"the rule id {rule.id} is in a family of Ringwall's own ids",
                remedy=f"begin it with another word than {', '.join(sorted(FAMILIES))}",
            )
        ids.add(rule.id)
    return (*BUILT_IN, *custom)
