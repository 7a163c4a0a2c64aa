"""Compares waivers of rules, and the country blocks of a zone."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from model.environment import Environment
from model.stacks import PerimeterManifest
from model.zone import Zone
from plan.diff.model import Change, Direction, change


def dump_waivers(manifest: Environment | PerimeterManifest | Zone | None) -> list[dict[str, Any]]:
    """The waivers of a manifest, which `dump` leaves out as they are no part of what is deployed."""
    return [waiver.dump() for waiver in manifest.waivers] if manifest is not None else []


def compare_waivers(stack: str, base: Sequence[Mapping[str, Any]], head: Sequence[Mapping[str, Any]]) -> list[Change]:
    """Waivers by rule and resource: a new one or a later end loosens, an earlier end or none tightens."""
    # Of several waivers for one place only the one that ends last counts.
    base_waivers, head_waivers = (
        {(w["rule"], w.get("resource", "*")): w for w in sorted(side, key=lambda w: str(w["expires"]))}
        for side in (base, head)
    )
    changes = []
    for key in sorted(base_waivers.keys() | head_waivers.keys()):
        base_waiver, head_waiver = base_waivers.get(key), head_waivers.get(key)
        name = f"{key[0]} at {key[1]}"
        if base_waiver is None and head_waiver is not None:
            details = (f"reason: {head_waiver['reason']}", f"expires {head_waiver['expires']}")
            changes.append(change("waiver-added", Direction.LOOSENS, 85, stack, "", f"waives {name}", details))
        elif head_waiver is None:
            changes.append(change("waiver-removed", Direction.TIGHTENS, 50, stack, "", f"no longer waives {name}"))
        elif base_waiver is not None and base_waiver != head_waiver:
            earlier = str(head_waiver["expires"]) < str(base_waiver["expires"])
            lines = tuple(
                f"{k}: {base_waiver.get(k)} → {head_waiver.get(k)}"
                for k in sorted({*base_waiver, *head_waiver})
                if base_waiver.get(k) != head_waiver.get(k)
            )
            same_end = base_waiver["expires"] == head_waiver["expires"]
            direction = Direction.TIGHTENS if earlier and not same_end else Direction.LOOSENS
            changes.append(change("waiver-changed", direction, 70, stack, "", f"waiver of {name} changed", lines))
    return changes


def compare_zone_rules(stack: str, base: Zone | None, head: Zone | None) -> list[Change]:
    """Changes of a zone's country blocks, by host name."""
    base_countries, head_countries = (
        {name: frozenset(rule.countries) for rule in (zone.rules if zone else ()) for name in rule.hostnames}
        for zone in (base, head)
    )
    changes = []
    for name in sorted(base_countries.keys() | head_countries.keys()):
        base_allowed, head_allowed = base_countries.get(name), head_countries.get(name)
        if base_allowed == head_allowed:
            continue
        if base_allowed is None and head_allowed is not None:
            title = f"{name} is blocked from everywhere but {', '.join(sorted(head_allowed))}"
            changes.append(change("zone-block", Direction.TIGHTENS, 60, stack, "edge", title))
        elif head_allowed is None:
            title = f"{name} is no longer blocked by country at the zone"
            changes.append(change("zone-block", Direction.LOOSENS, 80, stack, "edge", title))
        elif base_allowed is not None:
            parts = [f"+ {c}" for c in sorted(head_allowed - base_allowed)] + [
                f"- {c}" for c in sorted(base_allowed - head_allowed)
            ]
            direction = Direction.LOOSENS if head_allowed - base_allowed else Direction.TIGHTENS
            title = f"countries that may reach {name} at the zone: {', '.join(parts)}"
            changes.append(change("zone-block", direction, 75, stack, "edge", title))
    return changes
