"""Exceptions and blocks: waivers of rules, and a zone's country blocks."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from model.zone import Zone
from plan.diff.model import Change, Direction, change


def compare_waivers(
    stack: str, before: Sequence[Mapping[str, Any]], after: Sequence[Mapping[str, Any]]
) -> list[Change]:
    """Waivers by rule and resource: a new one or a later end loosens, an earlier end or none tightens."""
    # Of several for one place the one that ends last holds longest.
    was, now = (
        {(w["rule"], w.get("resource", "*")): w for w in sorted(side, key=lambda w: str(w["expires"]))}
        for side in (before, after)
    )
    changes = []
    for key in sorted(was.keys() | now.keys()):
        one, other = was.get(key), now.get(key)
        name = f"{key[0]} at {key[1]}"
        if one is None and other is not None:
            told = (f"reason: {other['reason']}", f"expires {other['expires']}")
            changes.append(change("waiver-added", Direction.LOOSENS, 85, stack, "", f"waives {name}", told))
        elif other is None:
            changes.append(change("waiver-removed", Direction.TIGHTENS, 50, stack, "", f"no longer waives {name}"))
        elif one is not None and one != other:
            earlier = str(other["expires"]) < str(one["expires"])
            lines = tuple(
                f"{k}: {one.get(k)} → {other.get(k)}" for k in sorted({*one, *other}) if one.get(k) != other.get(k)
            )
            same_end = one["expires"] == other["expires"]
            direction = Direction.TIGHTENS if earlier and not same_end else Direction.LOOSENS
            changes.append(change("waiver-changed", direction, 70, stack, "", f"waiver of {name} changed", lines))
    return changes


def compare_zone_rules(stack: str, before: Zone | None, after: Zone | None) -> list[Change]:
    """Country blocks by host name."""
    was, now = (
        {name: frozenset(rule.countries) for rule in (zone.rules if zone else ()) for name in rule.hostnames}
        for zone in (before, after)
    )
    changes = []
    for name in sorted(was.keys() | now.keys()):
        one, other = was.get(name), now.get(name)
        if one == other:
            continue
        if one is None and other is not None:
            title = f"{name} is blocked from everywhere but {', '.join(sorted(other))}"
            changes.append(change("zone-block", Direction.TIGHTENS, 60, stack, "edge", title))
        elif other is None:
            title = f"{name} is no longer blocked by country at the zone"
            changes.append(change("zone-block", Direction.LOOSENS, 80, stack, "edge", title))
        elif one is not None:
            parts = [f"+ {c}" for c in sorted(other - one)] + [f"- {c}" for c in sorted(one - other)]
            direction = Direction.LOOSENS if other - one else Direction.TIGHTENS
            title = f"countries that may reach {name} at the zone: {', '.join(parts)}"
            changes.append(change("zone-block", direction, 75, stack, "edge", title))
    return changes
