"""Compares two plans of one stack, resource by resource and key by key, inside JSON texts too.

Of a value that holds secrets only these are masked. The plans are made from files, so what is deployed plays no part. Which
changes replace a resource follows from the providers' rules as far as they are known; the engine's preview decides.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from model.difference import ABSENT, Part, Path, by_key, descend
from model.masking import masked, open_json
from model.text import visible
from plan.diff.model import Change, Direction, KeyChange, ResourceChange, change
from plan.diff.semantic.tools import words
from plan.graph import Graph, Resource
from plan.values import Json, is_marker, is_secret

#: Inputs whose change replaces the resource (facts of the providers: cloudflare 6.23.1 schema and docs, kong 4.6.3).
REPLACES: dict[str, frozenset[str]] = {
    "ZeroTrustTunnelCloudflared": frozenset({"accountId", "configSrc"}),
    "ZeroTrustTunnelCloudflaredConfig": frozenset({"accountId", "tunnelId"}),
    "ZeroTrustAccessApplication": frozenset({"accountId", "zoneId"}),
    "ZeroTrustAccessPolicy": frozenset({"accountId"}),
    "ZeroTrustAccessGroup": frozenset({"accountId", "zoneId"}),
    "ZeroTrustAccessServiceToken": frozenset({"accountId", "zoneId"}),
    "ZeroTrustDevicePostureRule": frozenset({"accountId"}),
    "ZeroTrustAccessMtlsCertificate": frozenset({"accountId", "zoneId", "certificate"}),
    "DnsRecord": frozenset({"zoneId"}),
    "Ruleset": frozenset({"name", "zoneId", "kind", "phase"}),
    "Plugin": frozenset({"name"}),
    "Target": frozenset({"target", "weight", "upstreamId", "tags"}),
    "ConsumerAcl": frozenset({"consumerId", "group"}),
}
#: Resources that only let requests in, so that less is open without them.
_OPENINGS = frozenset(
    {"ZeroTrustAccessPolicy", "ZeroTrustAccessServiceToken", "ZeroTrustAccessGroup", "DnsRecord", "Route", "Service"}
    | {"ZeroTrustAccessMtlsCertificate"}
    | {"Target", "Consumer", "ConsumerAcl", "ZeroTrustTunnelCloudflared", "ZeroTrustTunnelCloudflaredConfig"}
)
#: Named by their content (`components.edge.access`).
_BY_CONTENT = frozenset({"ZeroTrustAccessPolicy", "ZeroTrustAccessGroup"})
#: Lists that providers and the gateway take as sets.
_SETS = (
    frozenset({"tags", "hosts", "methods", "protocols", "paths", "includes", "requires", "excludes", "allowedIdps"})
    | {"allow", "deny", "hostnames", "agents", "countries", "tools", "prompts", "resources", "emails", "domains"}
    | {"groups", "hosted_clients", "headers", "header_names", "claims_to_verify", "audTags", "httpStatuses"}
    | {"allowedUris", "origins", "additional_secret_outputs", "aliases", "matches"}
    | {"associatedHostnames"}
)
_MAX_TEXT = 600
#: Components are no resources of a provider. These two are compared all the same, as they hold the guard's settings.
_SHOWN_COMPONENTS = frozenset({"ringwall:index:Guard", "ringwall:index:Origin"})


def kind(resource_type: str) -> str:
    """The class name of a type token: ``kong:index/plugin:Plugin`` is Plugin."""
    return resource_type.rsplit(":", 1)[-1]


def compare_resources(base: Graph | None, head: Graph | None) -> tuple[ResourceChange, ...]:
    """Differing resources, sorted by action and URN. The keys of a resource that only one side has are not listed."""
    base_resources, head_resources = (
        {r.urn: r for r in graph.resources if _counts(r)} if graph else {} for graph in (base, head)
    )
    changes = []
    for urn in sorted(base_resources.keys() | head_resources.keys()):
        base_resource, head_resource = base_resources.get(urn), head_resources.get(urn)
        resource = head_resource or base_resource
        if resource is None:
            continue
        if base_resource is None:
            changes.append(ResourceChange(urn, resource.type, resource.name, "create"))
        elif head_resource is None:
            changes.append(ResourceChange(urn, resource.type, resource.name, "delete"))
        elif keys := tuple(_differences(base_resource, head_resource)):
            replacing = {
                *REPLACES.get(kind(head_resource.type), ()),
                *_texts(head_resource.options.get("replace_on_changes")),
            }
            replaced = {k.path.split(".")[0].split("[")[0] for k in keys} & replacing
            action = "replace" if replaced else "update"
            changes.append(ResourceChange(urn, resource.type, resource.name, action, keys))
    order = {"replace": 0, "delete": 1, "update": 2, "create": 3}
    return tuple(sorted(changes, key=lambda r: (order[r.action], r.urn)))


def _texts(value: Json) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _counts(resource: Resource) -> bool:
    """Whether a resource is compared: one of a provider, or a component that holds what becomes the guard's settings."""
    if resource.type == "pulumi:pulumi:Stack":
        return False
    return resource.custom or resource.type in _SHOWN_COMPONENTS


def _differences(base: Resource, head: Resource) -> Iterator[KeyChange]:
    yield from _key_changes(dict(base.inputs), dict(head.inputs))
    if base.protect != head.protect:
        yield KeyChange("(protect)", _text(base.protect), _text(head.protect))
    yield from _key_changes(dict(base.options), dict(head.options), "(options)")


@dataclass(frozen=True)
class _Entry:
    """The path element of a list's entry that is told by its content or its name, not by its place."""

    label: str = ""

    def __str__(self) -> str:
        return f"[{self.label}]"


#: The path element of the order in which a list has the entries that both sides have.
_ORDER = "[] (order)"


def _key_changes(base: Json, head: Json, *root: str) -> Iterator[KeyChange]:
    for path, base_value, head_value in descend(base, head, _parts, root):
        if path[-1:] == (_ORDER,):
            yield KeyChange(_shown_path(path), _text(base_value), _text(head_value))
            continue
        yield _key_change(_shown_path(path), _key(path), base_value, head_value)


def _shown_path(path: Path) -> str:
    """``configJson.limits[0].name``, ``tags[]``, ``ingresses[mcp.example.com].service``."""
    texts: list[str] = []
    for element in path:
        if _is_key(element):
            texts.append(f".{visible(element)}" if texts else visible(element))
        else:
            texts.append(f"[{element}]" if isinstance(element, int) else str(element))
    return "".join(texts)


def _is_key(element: Any) -> bool:
    return isinstance(element, str) and element != _ORDER


def _key(path: Path) -> str:
    """The innermost key of a path: it says what a list is and whether a value may be a secret."""
    return next((element for element in reversed(path) if _is_key(element)), "")


def _parts(path: Path, base: Json, head: Json) -> Iterable[Part] | None:
    """Inputs as the providers and the gateway take them: null is absent, JSON texts are opened, some lists are sets."""
    if base is ABSENT or head is ABSENT or path[-1:] == (_ORDER,):
        return None
    if base == head and type(base) is type(head):
        return ()
    base, head = _opened(base), _opened(head)
    if isinstance(base, dict) and isinstance(head, dict) and not is_marker(base) and not is_marker(head):
        return by_key(base, head, None)
    if isinstance(base, list) and isinstance(head, list):
        return _list_parts(base, head, _key(path))
    return () if _canonical(base) == _canonical(head) else None


def _opened(value: Json) -> Json:
    return open_json(value) if isinstance(value, str) else value


def _list_parts(base: list[Any], head: list[Any], key: str) -> Iterator[Part]:
    if key in _SETS:
        base_items, head_items = ({_canonical(item): item for item in side} for side in (base, head))
        yield from ((_Entry(), base_items[text], ABSENT) for text in sorted(base_items.keys() - head_items.keys()))
        yield from ((_Entry(), ABSENT, head_items[text]) for text in sorted(head_items.keys() - base_items.keys()))
    elif (name := _identity(base + head)) is not None:
        base_items, head_items = ({str(item[name]): item for item in side} for side in (base, head))
        for label, base_item, head_item in by_key(base_items, head_items):
            yield _Entry(visible(label)), base_item, head_item
        shared = base_items.keys() & head_items.keys()
        orders = [[str(item[name]) for item in side if str(item[name]) in shared] for side in (base, head)]
        if orders[0] != orders[1]:
            yield _ORDER, orders[0], orders[1]
    else:
        for index in range(max(len(base), len(head))):
            base_item, head_item = (side[index] if index < len(side) else ABSENT for side in (base, head))
            yield index, base_item, head_item


def _identity(items: list[Any]) -> str | None:
    """The key by which the objects of two lists are told apart, if there is one."""
    for name in ("ref", "hostname", "uri", "id", "name"):
        values = [item.get(name) if isinstance(item, dict) else None for item in items]
        if values and all(isinstance(value, str) for value in values) and len(set(values)) * 2 >= len(values):
            return name
    return None


def _key_change(path: str, key: str, base: Json, head: Json) -> KeyChange:
    """Two unlike values, with their secrets masked; a value that only one side has is shown as it is written."""
    base, head = (None if value is ABSENT else value for value in (base, head))
    if base is not None and head is not None:
        base, head = _opened(base), _opened(head)
    hidden = [masked(value, key) for value in (base, head)]
    if isinstance(base, str) and isinstance(head, str) and "\n" in base + head and hidden == [base, head]:
        return KeyChange(path, None, _cut(words(base, head)))
    base_text, head_text = (None if value is None else _text(value) for value in hidden)
    if base_text == head_text and not (is_secret(base) and is_secret(head)):
        head_text = f"{head_text} (changed)"  # both masked
    return KeyChange(path, base_text, head_text)


def _canonical(value: Json) -> str:
    return json.dumps(value, sort_keys=True)


def _text(value: Json) -> str:
    return _cut(visible(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)))


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}… ({len(text)} characters)"


def resource_changes(
    stack: str,
    resources: Collection[ResourceChange],
    base: Graph,
    head: Graph,
    cause: str = "",
) -> list[Change]:
    """What is replaced, deleted or weakened, as changes.

    Args:
        cause: why resources differ although no changed setting says so; empty where a changed setting explains them, and
            then they are no change of their own.
    """
    changes: list[Change] = []
    for resource in resources:
        kind_name = kind(resource.type)
        label = f"{kind_name} {resource.name}"
        recreated = any(r.action == "create" and kind(r.type) == kind_name for r in resources)
        if resource.action == "delete" and kind_name in _BY_CONTENT and (recreated or not cause):
            continue  # new content makes a new resource; what the content means is compared as settings
        if resource.action == "delete":
            direction = Direction.TIGHTENS if _only_opened(kind_name, resource, base, head) else Direction.LOOSENS
            weight = 60 if direction is Direction.LOOSENS else 30
            changes.append(change("resource-deleted", direction, weight, stack, _ring(resource), f"{label} is deleted"))
        elif resource.action == "replace":
            causes = sorted(k.path for k in resource.keys)
            lines = [f"because of {', '.join(causes)}", "while it is replaced there is neither the old nor the new one"]
            # A target carries requests and protects nothing: without one the gateway answers 503.
            harmless = kind_name == "Target"
            direction = Direction.NEUTRAL if harmless else Direction.LOOSENS
            lines += ["neutral: without a target the gateway answers 503"] if harmless else []
            changes.append(
                change("resource-replaced", direction, 65, stack, _ring(resource), f"{label} is replaced", lines)
            )
        for key in resource.keys:
            if key.path == "(protect)" and key.before == "true":
                title = f"{label} is no longer protected from deletion"
                changes.append(change("resource-protect", Direction.LOOSENS, 80, stack, _ring(resource), title))
            if key.path.startswith("(options)") and "secret" in key.path and key.before is not None:
                title = f"{label}: an output is no longer kept secret in state"
                changes.append(change("resource-secret", Direction.LOOSENS, 85, stack, _ring(resource), title))
    changes += _order(stack, base, head)
    modified = [r for r in resources if r.action in ("create", "update")]  # the others are changes of their own
    if modified and cause:
        names = ", ".join(sorted({f"{kind(r.type)} {r.name}" for r in modified})[:5])
        title = (
            f"{len(modified)} {'resource differs' if len(modified) == 1 else 'resources differ'} and {cause}: {names}"
        )
        changes.append(change("resource-unexplained", Direction.LOOSENS, 70, stack, "", title))
    return changes


def _only_opened(kind_name: str, resource: ResourceChange, base: Graph, head: Graph) -> bool:
    """Whether a deleted resource did nothing but let requests in, so that less is open without it."""
    removed = base.get(resource.urn)
    if removed is not None and removed.inputs.get("decision") == "deny":
        return False
    if kind_name in _OPENINGS:
        return True
    if kind_name == "ZeroTrustAccessApplication" and removed is not None:
        names = {str(d.get("uri")) for d in _list(removed.inputs.get("destinations")) if isinstance(d, Mapping)}
        open_names = {str(r.inputs.get("name")) for r in head.resources if kind(r.type) == "DnsRecord"}
        return not names & open_names
    # A plugin of a route is removed together with that route.
    if kind_name == "Plugin" and removed is not None:
        route = removed.inputs.get("routeId")
        return route is not None and all(f"${{{r.name}.id}}" != route for r in head.resources)
    return False


def _list(value: Json) -> list[Any]:
    return value if isinstance(value, list) else []


def _order(stack: str, base: Graph, head: Graph) -> list[Change]:
    """Whether everything that stood before the public name still does."""
    changes = []
    records = {resource.urn for resource in base.resources if kind(resource.type) == "DnsRecord"}
    for record in sorted(records):
        if head.get(record) is None:
            continue
        ancestors = head.ancestors(record)
        lost = [
            urn
            for urn in base.ancestors(record)
            if urn not in ancestors and (resource := head.get(urn)) is not None and resource.custom
        ]
        if lost:
            names = ", ".join(sorted(urn.rsplit("::", 1)[-1] for urn in lost))
            title = f"the public name no longer waits for {names}"
            changes.append(change("exposure-order", Direction.LOOSENS, 100, stack, "edge", title))
    return changes


_RINGS: Iterable[tuple[str, str]] = (("cloudflare:", "edge"), ("kong:", "gateway"))


def _ring(resource: ResourceChange) -> str:
    return next((ring for prefix, ring in _RINGS if resource.type.startswith(prefix)), "")
