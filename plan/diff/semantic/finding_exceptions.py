"""Compares `guard.exceptions`: findings that do not block, each of one tool, prompt or resource, one leg and one rule."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from model.finding_exceptions import LEGS, FindingException
from plan.diff.model import Change, Direction, change
from plan.diff.semantic.directions import Delegated, Table

TABLE: Table = {
    "guard.exceptions": Delegated("finding_exceptions"),
    **{f"guard.exceptions[].{key}": Delegated("finding_exceptions") for key in FindingException.model_fields},
}

_Identity = tuple[str, str, str, str, str, str]


def compare_finding_exceptions(
    stack: str, base: Sequence[Mapping[str, Any]], head: Sequence[Mapping[str, Any]]
) -> list[Change]:
    """Exceptions by what they let pass: a new one or a later end loosens, an earlier end or none tightens."""
    base_exceptions, head_exceptions = _by_identity(base), _by_identity(head)
    changes = []
    for identity in sorted(base_exceptions.keys() | head_exceptions.keys()):
        base_exception, head_exception = base_exceptions.get(identity), head_exceptions.get(identity)
        kind, name, leg, rule, place, action = identity
        shown = f"{rule} in {leg} of {kind} {name}" + (f" at {place}" if place else "")
        if base_exception is None and head_exception is not None:
            lines = [f"{key}: {head_exception[key]}" for key in ("reason", "expires")]
            effect = "passes and does not taint" if action == "allow" else "passes and is flagged"
            changes.append(change("exception-added", Direction.LOOSENS, 82, stack, "guard", f"{shown} {effect}", lines))
        elif head_exception is None:
            title = f"the exception ({action}) for {shown} is gone"
            changes.append(change("exception-removed", Direction.TIGHTENS, 45, stack, "guard", title))
        elif base_exception is not None and base_exception != head_exception:
            lines = [
                f"{key}: {base_exception[key]} → {head_exception[key]}"
                for key in ("reason", "expires")
                if base_exception[key] != head_exception[key]
            ]
            title = f"the exception ({action}) for {shown} changed"
            # Another reason alone is an exception to be judged anew.
            earlier = str(head_exception["expires"]) < str(base_exception["expires"])
            direction = Direction.TIGHTENS if earlier else Direction.LOOSENS
            changes.append(change("exception-changed", direction, 78, stack, "guard", title, lines))
    return changes


def _by_identity(exceptions: Sequence[Mapping[str, Any]]) -> dict[_Identity, Mapping[str, Any]]:
    """What each exception is for; of several for the same only the one that ends last counts."""
    by_identity: dict[_Identity, Mapping[str, Any]] = {}
    for item in sorted(exceptions, key=lambda item: str(item["expires"])):
        kind = next(kind for kind in (*LEGS, "model") if item.get(kind) is not None)
        identity = (kind, item[kind], item["leg"], item["rule"], item.get("place") or "", item["action"])
        by_identity[identity] = item
    return by_identity
