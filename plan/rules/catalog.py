"""Every rule there is: Ringwall's own, those about rules and waivers themselves, and a project's."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Final

from model.errors import InputError
from plan.findings import Severity
from plan.rules import access, edge, gateway, limits, lock, origin
from plan.rules import guard as rules_guard
from plan.rules import secrets as rules_secrets
from plan.rules.rule import FAMILIES, Broken, Rule
from plan.rules.subject import Subject


def _by_evaluation(subject: Subject) -> Iterable[Broken]:
    """The finding is made by `plan.rules.evaluate` or `plan.rules.waivers`, not by looking at a plan."""
    return ()


RULE_FAILED: Final = Rule(
    "rule-failed",
    Severity.ERROR,
    "A rule that stops half way has not looked at everything: no finding of it would be a pass nobody earned.",
    "correct the rule, or report it as a defect when it is one of Ringwall's",
    "default deny",
    _by_evaluation,
    waivable=False,
)
WAIVER_EXPIRED: Final = Rule(
    "waiver-expired",
    Severity.ERROR,
    "An exception was granted until a day that has passed; whoever granted it did not grant more.",
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
    "An exception that matches no finding waits for the next one of its kind, which nobody would then see as new.",
    "remove it, or correct its rule or resource",
    "Ringwall's waivers",
    _by_evaluation,
    waivable=False,
)

OWN: Final[tuple[Rule, ...]] = (
    *access.RULES,
    *edge.RULES,
    *gateway.RULES,
    *limits.RULES,
    *rules_guard.RULES,
    *origin.RULES,
    *rules_secrets.RULES,
    *lock.RULES,
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
    taken = {rule.id for rule in OWN}
    for rule in custom:
        if rule.id in taken:
            raise InputError(f"two rules have the id {rule.id}", remedy="rename your own")
        if rule.id.split("-", 1)[0] in FAMILIES:
            raise InputError(
                f"the rule id {rule.id} is in a family of Ringwall's own ids",
                remedy=f"begin it with another word than {', '.join(sorted(FAMILIES))}",
            )
        taken.add(rule.id)
    return (*OWN, *custom)
