"""What a rule is, and the decorator that makes one, for Ringwall's rules and a project's own alike."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from model.errors import InputError
from plan.findings import Finding, Severity
from plan.graph import Resource

if TYPE_CHECKING:
    from plan.rules.subject import Subject

#: First words of rule ids that are reserved for Ringwall, as a later version may add rules to each family.
FAMILIES: Final = frozenset(
    {
        "edge",
        "exposure",
        "gateway",
        "guard",
        "hosted",
        "lock",
        "model",
        "origin",
        "portal",
        "provider",
        "ringwall",
        "rule",
        "secret",
        "waiver",
    }
)
_ID = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)+")
MAX_ID: Final = 64

Key = tuple[str | int, ...]


@dataclass(frozen=True)
class Broken:
    """One place where a rule does not hold.

    Args:
        text: what is wrong, without the resource's name: ``admits Everyone``.
        resource: the resource meant; None means the stack as a whole.
        remedy: what to do here, where it is more exact than the rule's own remedy.
        key: where the manifest says it, below `ringwall:server` (or model, environment, zone), such as ``("grants", 0)``.
    """

    text: str
    resource: Resource | None = None
    remedy: str | None = None
    key: Key = ()


#: A check yields what is broken and nothing when the rule holds. Ringwall's own may yield findings already made.
Check = Callable[["Subject"], Iterable["Broken | Finding"]]


@dataclass(frozen=True)
class Rule:
    """One named rule.

    `source` is the document or measurement behind it. `outside_production` is the severity where the environment does not
    say `production: true`, if that is not the same. A rule that is not `waivable` guards a promise to which no exception can
    be granted: its findings stay whatever a waiver says.
    """

    id: str
    severity: Severity
    reason: str
    remedy: str
    source: str
    check: Check
    outside_production: Severity | None = None
    waivable: bool = True
    custom: bool = False

    def severity_in(self, *, production: bool) -> Severity:
        return self.severity if production or self.outside_production is None else self.outside_production


def rule(
    *,
    id: str,
    severity: Severity | str,
    reason: str,
    remedy: str,
    source: str = "",
    outside_production: Severity | str | None = None,
    waivable: bool = True,
) -> Callable[[Check], Rule]:
    """Make a rule of a function that takes a `Subject` and yields `Broken` wherever the rule does not hold.

    Raises:
        InputError: the id is no kebab-case word pair, a text is empty, or the severity is none of error, warning, info.
    """
    if not isinstance(id, str) or not _ID.fullmatch(id) or len(id) > MAX_ID:
        raise InputError(
            f"{id!r} is no rule id",
            remedy=f"write two or more lower-case words joined by -, at most {MAX_ID} characters",
        )
    for name, text in (("reason", reason), ("remedy", remedy)):
        if not isinstance(text, str) or not text.strip():
            raise InputError(f"the rule {id} has no {name}", remedy=f"give its {name} as one sentence")
    weight = _severity(id, severity)
    elsewhere = None if outside_production is None else _severity(id, outside_production)

    def make(check: Check) -> Rule:
        return Rule(id, weight, reason, remedy, source, check, elsewhere, waivable)

    return make


def _severity(id: str, value: Severity | str) -> Severity:
    try:
        return Severity(value)
    except ValueError:
        raise InputError(
            f"the rule {id} has the severity {value!r}", remedy=f"write one of {', '.join(Severity)}"
        ) from None


def broken(text: str, resource: Resource | None = None, *, remedy: str | None = None, key: Key = ()) -> Broken:
    """The same as `Broken`, under a name that reads well after `yield` in a project's own rules."""
    return Broken(text, resource, remedy, key)
