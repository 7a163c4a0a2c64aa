"""The entities that the plan has at Kong, in the names of Kong's Admin API, with the path at which it shows each.

Pure: nothing is read here. `gateway_look` and `sources` read Kong and compare.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import quote

from plan.drift import is_symbolic, resolved

#: References to other entities and the provider's own switches. They are not compared as fields: an entity's parent is in
#: the path at which it is read.
_NOT_KONGS = {"serviceId", "routeId", "upstreamId", "consumerId", "strictMatch", "configJson"}
#: What the plan leaves to Kong, with Kong's own default (3.9.3, kong/db/schema/entities). The provider either never reads
#: these back (a route's headers, a plugin's protocols, a service's switch) or cannot take them away again: it leaves an
#: empty field out of its PATCH, and Kong keeps the value.
LEFT_TO_KONG: Mapping[str, Mapping[str, Any]] = {
    "Service": {
        "ca_certificates": None,
        "client_certificate": None,
        "enabled": True,
        "path": None,
        "tls_verify": None,
        "tls_verify_depth": None,
    },
    "Route": {"destinations": None, "headers": None, "snis": None, "sources": None},
    # Without http a plugin runs for none of this gateway's requests, and stands there all the same.
    "Plugin": {"protocols": ["grpc", "grpcs", "http", "https"]},
    "Upstream": {
        "client_certificate": None,
        "healthchecks": {"active": {"headers": None}, "threshold": 0},
        "host_header": None,
        "use_srv_name": False,
    },
}
_REFERENCES = {"client_certificate_id": "client_certificate", "ca_certificate_ids": "ca_certificates"}


@dataclass(frozen=True)
class PlannedEntity:
    """One planned entity. `path` answers with the entity itself, or with a list in which `match` picks it."""

    label: str
    path: str
    desired: Mapping[str, Any]
    recorded: Mapping[str, Any] | None
    match: Mapping[str, Any] = field(default_factory=dict)
    #: Fields that the plan does not write, with Kong's defaults, which must still hold.
    defaults: Mapping[str, Any] = field(default_factory=dict)

    def fits(self, item: Mapping[str, Any]) -> bool:
        """Whether an item of a list is this entity. A plugin that is narrowed to a consumer or a route is not: Kong runs the
        most specific instance in place of the declared one."""
        matches = all(item.get(key) == value for key, value in self.match.items())
        return matches and ("name" not in self.match or not _narrowed(item, self.path))


@dataclass(frozen=True)
class Listing:
    """A list at Kong that should hold declared entities only. An item whose `key` is not declared was put there by hand.

    `tags` are given where other stacks share the list: an item with the `ringwall` tag and without all of these is theirs.
    `takes` are (host names, path) of this stack's routes: then only routes count that could take their requests.
    """

    label: str
    path: str
    key: str
    declared: frozenset[str]
    tags: frozenset[str] = frozenset()
    takes: tuple[tuple[frozenset[str], str], ...] = ()

    def stranger(self, item: Mapping[str, Any]) -> bool:
        """Whether nothing declares this item of the list."""
        declared = item.get(self.key) in self.declared
        if self.takes:
            return not declared and any(_could_take(item, hosts, path) for hosts, path in self.takes)
        if not self.tags:
            return not declared or (
                self.key == "name" and self.path.endswith("/plugins") and _narrowed(item, self.path)
            )
        tagged = set(item.get("tags") or ())
        if _narrowed(item, self.path) or ("ringwall" in tagged and not self.tags <= tagged):
            return False
        return not declared


#: What a plugin may be narrowed to, by the list that shows it without being narrowed.
_SCOPES = {
    "service": "/services/",
    "route": "/routes/",
    "consumer": "/consumers/",
    "consumer_group": "/consumer_groups/",
}


def _narrowed(item: Mapping[str, Any], path: str) -> bool:
    return any(item.get(scope) and not path.startswith(place) for scope, place in _SCOPES.items())


def _could_take(route: Mapping[str, Any], hosts: frozenset[str], path: str) -> bool:
    """Whether Kong may send a route the requests for these host names. A route without host names takes every name, and
    counts where it covers `path`."""
    if not {"http", "https"} & set(route.get("protocols") or ("http",)):
        return False
    named = [str(host).lower().partition(":")[0] for host in route.get("hosts") or ()]
    if named:
        return any(_covers(pattern, host) for pattern in named for host in hosts)
    prefixes = [str(prefix) for prefix in route.get("paths") or ("/",)]
    return any(prefix.startswith("~") or path.startswith(prefix) for prefix in prefixes)


def _covers(pattern: str, host: str) -> bool:
    """Whether a route's host covers a host name. Kong allows one asterisk, at the left or the right end."""
    if pattern.startswith("*"):
        return host.endswith(pattern[1:])
    return host.startswith(pattern[:-1]) if pattern.endswith("*") else pattern == host


def planned_entities(
    resources: Iterable[Any], recorded: Mapping[str, Mapping[str, Any]], known: Mapping[str, Mapping[str, Any]]
) -> tuple[list[PlannedEntity], list[Listing]]:
    """The entities and lists to compare at Kong, from the plan's resources (`plan.graph.Resource`).

    Args:
        recorded: inputs of each resource as the engine recorded them, by URN.
        known: recorded outputs by resource name; they replace the plan's symbols.
    """
    every = {resource.urn: resource for resource in resources if resource.type.startswith("kong:")}
    names = {r.name: dict(r.inputs) for r in every.values()}
    entities: list[PlannedEntity] = []
    members: dict[str, tuple[str, str, set[str], frozenset[str]]] = {}
    takes: list[tuple[frozenset[str], str]] = []
    routes: set[str] = set()

    def listing(label: str, path: str, key: str, name: str | None, tags: frozenset[str] = frozenset()) -> None:
        held = members.setdefault(path, (label, key, set(), tags))
        if name is not None:
            held[2].add(name)

    for urn, resource in sorted(every.items()):
        inputs = dict(resource.inputs)
        kind = resource.type.rpartition(":")[2]
        parent = _parent(inputs, names)
        if kind == "ConsumerKeyAuth" and (held := known.get(resource.name, {}).get("id")):
            # By its id, as a key is a secret: whoever has another key of this consumer enters the inner routes.
            keys = f"/consumers/{quote(parent or '', safe='')}/key-auth"
            listing("key of consumer", keys, "id", str(held).partition("|")[0])
        path, match = _place(kind, inputs, parent)
        if path is None:
            continue
        before = recorded.get(urn)
        desired = in_kongs_names(kind, resolved(inputs, known))
        entities.append(
            PlannedEntity(
                resource.name,
                path,
                desired,
                None if before is None else in_kongs_names(kind, before),
                match,
                {
                    key: value
                    for key, value in LEFT_TO_KONG.get(kind, {}).items()
                    # The provider cannot write these members of a record.
                    if key not in desired or isinstance(value, dict)
                },
            )
        )
        if kind == "Service":
            listing("plugin of service", f"{path}/plugins", "name", None)
            listing("route of service", f"{path}/routes", "name", None)
        elif kind == "Route":
            listing("plugin of route", f"{path}/plugins", "name", None)
            listing("route of service", f"/services/{quote(parent or '')}/routes", "name", inputs["name"])
            hosts = frozenset(str(host).lower() for host in inputs.get("hosts") or ())
            takes += [(hosts, re.sub(r"^~|\\|\$$", "", str(pattern))) for pattern in inputs.get("paths") or ("/",)]
            routes.add(str(inputs["name"]))
        elif kind == "Plugin" and parent is not None:
            listing("plugin of service", path, "name", inputs["name"])
        elif kind == "Plugin":
            tags = frozenset(tag for tag in inputs.get("tags") or ())
            listing("global plugin", path, "name", inputs["name"], tags)
        elif kind == "Target":
            listing("target of upstream", path, "target", inputs["target"])
        elif kind == "ConsumerAcl":
            listing("group of consumer", path, "group", inputs["group"])
        elif kind == "Consumer":
            listing("plugin of consumer", f"{path}/plugins", "name", None)
            # An environment has consumers, also where it has no global plugin of its own.
            listing("global plugin", "/plugins", "name", None, frozenset(inputs.get("tags") or ()))
    listings = [
        Listing(label, path, key, frozenset(declared), tags)
        for path, (label, key, declared, tags) in sorted(members.items())
    ]
    # Kong picks the route that matches most attributes, so any route that names our hosts leads past the identity check.
    if routes:
        listings.append(Listing("route for public names of", "/routes", "name", frozenset(routes), takes=tuple(takes)))
    return entities, listings


def _parent(inputs: Mapping[str, Any], names: Mapping[str, Mapping[str, Any]]) -> str | None:
    for key in ("serviceId", "upstreamId", "consumerId"):
        value = inputs.get(key)
        match = re.fullmatch(r"\$\{(.+)\.id\}", value) if isinstance(value, str) else None
        if match and match[1] in names:
            entity = names[match[1]]
            return str(entity.get("name") or entity.get("username"))
    return None


def _place(kind: str, inputs: Mapping[str, Any], parent: str | None) -> tuple[str | None, dict[str, Any]]:
    under = quote(parent or "", safe="")
    name = quote(str(inputs.get("name") or inputs.get("username")), safe="")
    places: dict[str, tuple[str, dict[str, Any]]] = {
        "Service": (f"/services/{name}", {}),
        "Route": (f"/routes/{name}", {}),
        "Upstream": (f"/upstreams/{name}", {}),
        "Consumer": (f"/consumers/{name}", {}),
        "Plugin": (f"/services/{under}/plugins" if parent else "/plugins", {"name": inputs.get("name")}),
        "Target": (f"/upstreams/{under}/targets", {"target": inputs.get("target")}),
        "ConsumerAcl": (f"/consumers/{under}/acls", {"group": inputs.get("group")}),
    }
    return places.get(kind, (None, {}))


def in_kongs_names(kind: str, inputs: Mapping[str, Any]) -> dict[str, Any]:
    """Inputs under the names of Kong's Admin API; a plugin's configuration, which is JSON text, is parsed into `config`."""
    fields: dict[str, Any] = {}
    for key, value in inputs.items():
        if key in _NOT_KONGS or key.startswith("__"):
            continue
        name = _snake(key)
        if name in _REFERENCES:
            several = isinstance(value, list)
            value = value if several else {"id": value}
            name = _REFERENCES[name]
        fields[name] = value if kind == "Plugin" else _inside(value)
    config = inputs.get("configJson")
    if isinstance(config, str):
        # A text that holds a symbol is not JSON yet, so it is compared as a whole.
        fields["config"] = config if is_symbolic(config) else json.loads(config)
    return fields


def _inside(value: Any) -> Any:
    if isinstance(value, dict):
        return {_snake(key): _inside(item) for key, item in value.items() if not key.startswith("__")}
    return value


def _snake(name: str) -> str:
    return re.sub(r"([A-Z])", lambda match: f"_{match[1].lower()}", name)
