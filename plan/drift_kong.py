"""What the plan wants at Kong, entity by entity in Kong's own names, with where its Admin API shows each. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from plan.drift import is_symbolic, resolved

#: References to other entities and the provider's own switches; where an entity hangs is seen from where it is found.
_NOT_KONGS = {"serviceId", "routeId", "upstreamId", "consumerId", "strictMatch", "configJson"}
_REFERENCES = {"client_certificate_id": "client_certificate", "ca_certificate_ids": "ca_certificates"}


@dataclass(frozen=True)
class Wanted:
    """One entity. `path` answers with it, or with a list of which it is the one whose `match` fits."""

    what: str
    path: str
    desired: Mapping[str, Any]
    recorded: Mapping[str, Any] | None
    match: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Listing:
    """A list at Kong that holds declared entities only: whoever is in it by another `key` was put there by hand.

    `own`: of a list that other stacks share, only entities with all these tags count.
    """

    what: str
    path: str
    key: str
    declared: frozenset[str]
    own: frozenset[str] = frozenset()


def wanted_at_kong(
    resources: Iterable[Any], recorded: Mapping[str, Mapping[str, Any]], known: Mapping[str, Mapping[str, Any]]
) -> tuple[list[Wanted], list[Listing]]:
    """From the plan's resources (`plan.graph.Resource`).

    Args:
        recorded: inputs of each resource as the engine recorded them, by URN.
        known: recorded outputs by resource name, to replace symbols with.
    """
    every = {resource.urn: resource for resource in resources if resource.type.startswith("kong:")}
    names = {r.name: dict(r.inputs) for r in every.values()}
    entities: list[Wanted] = []
    listings: dict[str, tuple[str, str, set[str], frozenset[str]]] = {}

    def listing(what: str, path: str, key: str, name: str | None, own: frozenset[str] = frozenset()) -> None:
        held = listings.setdefault(path, (what, key, set(), own))
        if name is not None:
            held[2].add(name)

    for urn, resource in sorted(every.items()):
        inputs = dict(resource.inputs)
        kind = resource.type.rpartition(":")[2]
        parent = _parent(inputs, names)
        path, match = _place(kind, inputs, parent)
        if path is None:
            continue
        before = recorded.get(urn)
        entities.append(
            Wanted(
                resource.name,
                path,
                in_kongs_names(kind, resolved(inputs, known)),
                None if before is None else in_kongs_names(kind, before),
                match,
            )
        )
        if kind == "Service":
            listing("plugin of service", f"{path}/plugins", "name", None)
            listing("route of service", f"{path}/routes", "name", None)
        elif kind == "Route":
            listing("plugin of route", f"{path}/plugins", "name", None)
            listing("route of service", f"/services/{quote(parent or '')}/routes", "name", inputs["name"])
        elif kind == "Plugin" and parent is not None:
            listing("plugin of service", path, "name", inputs["name"])
        elif kind == "Plugin":
            own = frozenset(tag for tag in inputs.get("tags") or ())
            listing("global plugin", path, "name", inputs["name"], own)
        elif kind == "Target":
            listing("target of upstream", path, "target", inputs["target"])
        elif kind == "ConsumerAcl":
            listing("group of consumer", path, "group", inputs["group"])
    return entities, [
        Listing(what, path, key, frozenset(declared), own)
        for path, (what, key, declared, own) in sorted(listings.items())
    ]


def _parent(inputs: Mapping[str, Any], names: Mapping[str, Mapping[str, Any]]) -> str | None:
    for key in ("serviceId", "upstreamId", "consumerId"):
        value = inputs.get(key)
        match = re.fullmatch(r"\$\{(.+)\.id\}", value) if isinstance(value, str) else None
        if match and match[1] in names:
            found = names[match[1]]
            return str(found.get("name") or found.get("username"))
    return None


def _place(kind: str, inputs: Mapping[str, Any], parent: str | None) -> tuple[str | None, dict[str, Any]]:
    under = quote(parent or "", safe="")
    own = quote(str(inputs.get("name") or inputs.get("username")), safe="")
    places: dict[str, tuple[str, dict[str, Any]]] = {
        "Service": (f"/services/{own}", {}),
        "Route": (f"/routes/{own}", {}),
        "Upstream": (f"/upstreams/{own}", {}),
        "Consumer": (f"/consumers/{own}", {}),
        "Plugin": (f"/services/{under}/plugins" if parent else "/plugins", {"name": inputs.get("name")}),
        "Target": (f"/upstreams/{under}/targets", {"target": inputs.get("target")}),
        "ConsumerAcl": (f"/consumers/{under}/acls", {"group": inputs.get("group")}),
    }
    return places.get(kind, (None, {}))


def in_kongs_names(kind: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Inputs as Kong's Admin API names them; a plugin's configuration opened as `config`."""
    found: dict[str, Any] = {}
    for key, value in inputs.items():
        if key in _NOT_KONGS or key.startswith("__"):
            continue
        name = _snake(key)
        if name in _REFERENCES:
            several = isinstance(value, list)
            value = value if several else {"id": value}
            name = _REFERENCES[name]
        found[name] = value if kind == "Plugin" else _inside(value)
    config = inputs.get("configJson")
    if isinstance(config, str):
        # A symbol inside makes the whole text one: it is not compared piece by piece.
        found["config"] = config if is_symbolic(config) else json.loads(config)
    return found


def _inside(value: Any) -> Any:
    if isinstance(value, dict):
        return {_snake(key): _inside(item) for key, item in value.items()}
    return value


def _snake(name: str) -> str:
    return re.sub(r"([A-Z])", lambda match: f"_{match[1].lower()}", name)
