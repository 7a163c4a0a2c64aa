"""Key by key: what differs between two plans of one stack, inside JSON texts too, secret leaves masked alone.

Only files are compared. What is replaced is known from the providers' own rules where they are known; the engine's preview
has the last word.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping
from typing import Any

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
    "DnsRecord": frozenset({"zoneId"}),
    "Ruleset": frozenset({"name", "zoneId", "kind", "phase"}),
    "Plugin": frozenset({"name"}),
    "Target": frozenset({"target", "weight", "upstreamId", "tags"}),
    "ConsumerAcl": frozenset({"consumerId", "group"}),
}
#: Resources that only let something in: without them less is open.
_OPENINGS = frozenset(
    {"ZeroTrustAccessPolicy", "ZeroTrustAccessServiceToken", "ZeroTrustAccessGroup", "DnsRecord", "Route", "Service"}
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
)
_MAX_TEXT = 600
#: Components are no resources of a provider; these two hold what becomes the guard's configuration.
_SHOWN_COMPONENTS = frozenset({"ringwall:index:Guard", "ringwall:index:Origin"})


def kind(resource_type: str) -> str:
    """The class name of a type token: ``kong:index/plugin:Plugin`` is Plugin."""
    return resource_type.rsplit(":", 1)[-1]


def compare_resources(before: Graph | None, after: Graph | None) -> tuple[ResourceChange, ...]:
    """Differing resources, sorted by action and URN. A whole new or removed one has no keys listed."""
    was, now = ({r.urn: r for r in graph.resources if _counts(r)} if graph else {} for graph in (before, after))
    found = []
    for urn in sorted(was.keys() | now.keys()):
        one, other = was.get(urn), now.get(urn)
        resource = other or one
        if resource is None:
            continue
        if one is None:
            found.append(ResourceChange(urn, resource.type, resource.name, "create"))
        elif other is None:
            found.append(ResourceChange(urn, resource.type, resource.name, "delete"))
        elif keys := tuple(_differences(one, other)):
            replacing = {*REPLACES.get(kind(other.type), ()), *_texts(other.options.get("replace_on_changes"))}
            replaced = {k.path.split(".")[0].split("[")[0] for k in keys} & replacing
            action = "replace" if replaced else "update"
            found.append(ResourceChange(urn, resource.type, resource.name, action, keys))
    order = {"replace": 0, "delete": 1, "update": 2, "create": 3}
    return tuple(sorted(found, key=lambda r: (order[r.action], r.urn)))


def _texts(value: Json) -> list[str]:
    return [item for item in value if isinstance(item, str)] if isinstance(value, list) else []


def _counts(resource: Resource) -> bool:
    if resource.type == "pulumi:pulumi:Stack":
        return False
    return resource.custom or resource.type in _SHOWN_COMPONENTS


def _differences(one: Resource, other: Resource) -> Iterator[KeyChange]:
    yield from _values(dict(one.inputs), dict(other.inputs), "", "")
    if one.protect != other.protect:
        yield KeyChange("(protect)", _text(one.protect), _text(other.protect))
    yield from _values(dict(one.options), dict(other.options), "(options)", "")


def _values(one: Json, other: Json, path: str, key: str) -> Iterator[KeyChange]:
    if one == other and type(one) is type(other):
        return
    one, other = (open_json(value) if isinstance(value, str) else value for value in (one, other))
    if isinstance(one, dict) and isinstance(other, dict) and not is_marker(one) and not is_marker(other):
        for name in sorted(one.keys() | other.keys()):
            here = f"{path}.{visible(name)}" if path else visible(name)
            if name not in one or name not in other:
                value = other.get(name) if name in other else one.get(name)
                if value is not None:  # null and absent are one to both providers
                    yield from _whole(here, name, one.get(name), other.get(name))
            else:
                yield from _values(one[name], other[name], here, name)
    elif isinstance(one, list) and isinstance(other, list):
        yield from _lists(one, other, path, key)
    elif _canonical(one) != _canonical(other):
        yield from _whole(path, key, one, other)


def _lists(one: list[Any], other: list[Any], path: str, key: str) -> Iterator[KeyChange]:
    if key in _SETS:
        mine, theirs = ({_canonical(item): item for item in side} for side in (one, other))
        for text in sorted(mine.keys() - theirs.keys()):
            yield from _whole(f"{path}[]", key, mine[text], None)
        for text in sorted(theirs.keys() - mine.keys()):
            yield from _whole(f"{path}[]", key, None, theirs[text])
        return
    if (name := _identity(one + other)) is not None:
        was, now = ({str(item[name]): item for item in side} for side in (one, other))
        for label in sorted(was.keys() | now.keys()):
            here = f"{path}[{visible(label)}]"
            if label in was and label in now:
                yield from _values(was[label], now[label], here, key)
            else:
                yield from _whole(here, key, was.get(label), now.get(label))
        ranks = [
            [str(item[name]) for item in side if str(item[name]) in was and str(item[name]) in now]
            for side in (one, other)
        ]
        if ranks[0] != ranks[1]:
            yield KeyChange(f"{path}[] (order)", _text(ranks[0]), _text(ranks[1]))
        return
    for index in range(max(len(one), len(other))):
        here = f"{path}[{index}]"
        if index < len(one) and index < len(other):
            yield from _values(one[index], other[index], here, key)
        else:
            yield from _whole(
                here, key, one[index] if index < len(one) else None, other[index] if index < len(other) else None
            )


def _identity(items: list[Any]) -> str | None:
    """The key by which the objects of two lists are told apart, if there is one."""
    for name in ("ref", "hostname", "uri", "id", "name"):
        values = [item.get(name) if isinstance(item, dict) else None for item in items]
        if values and all(isinstance(value, str) for value in values):
            half = len(set(values))
            if half * 2 >= len(values):
                return name
    return None


def _whole(path: str, key: str, one: Json, other: Json) -> Iterator[KeyChange]:
    """A leaf, or a value that only one side has."""
    hidden = [masked(value, key) for value in (one, other)]
    if isinstance(one, str) and isinstance(other, str) and "\n" in one + other and hidden == [one, other]:
        yield KeyChange(path, None, _cut(words(one, other)))
        return
    was, now = (None if value is None else _text(value) for value in hidden)
    if was == now and not (is_secret(one) and is_secret(other)):
        now = f"{now} (changed)"  # both masked
    yield KeyChange(path, was, now)


def _canonical(value: Json) -> str:
    return json.dumps(value, sort_keys=True)


def _text(value: Json) -> str:
    return _cut(visible(value if isinstance(value, str) else json.dumps(value, ensure_ascii=False, sort_keys=True)))


def _cut(text: str) -> str:
    return text if len(text) <= _MAX_TEXT else f"{text[:_MAX_TEXT]}… ({len(text)} characters)"


def resource_changes(
    stack: str,
    resources: Collection[ResourceChange],
    before: Graph,
    after: Graph,
    why: str = "",
) -> list[Change]:
    """What is replaced, deleted or weakened, as changes; `why`: what to say of resources that no changed setting explains,
    empty where one does."""
    changes: list[Change] = []
    for resource in resources:
        what = kind(resource.type)
        label = f"{what} {resource.name}"
        another = any(other.action == "create" and kind(other.type) == what for other in resources)
        if resource.action == "delete" and what in _BY_CONTENT and (another or not why):
            continue  # another content is another resource; what the content means is compared as settings
        if resource.action == "delete":
            direction = Direction.TIGHTENS if _only_opened(what, resource, before, after) else Direction.LOOSENS
            weight = 60 if direction is Direction.LOOSENS else 30
            changes.append(change("resource-deleted", direction, weight, stack, _ring(resource), f"{label} is deleted"))
        elif resource.action == "replace":
            causes = sorted(k.path for k in resource.keys)
            lines = [f"because of {', '.join(causes)}", "while it is replaced there is neither the old nor the new one"]
            harmless = what == "Target"  # it carries requests and protects nothing: without it the gateway answers 503
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
    changes += _order(stack, before, after)
    rest = [r for r in resources if r.action in ("create", "update")]  # the others are changes of their own
    if rest and why:
        names = ", ".join(sorted({f"{kind(r.type)} {r.name}" for r in rest})[:5])
        title = f"{len(rest)} resources differ and {why}: {names}"
        changes.append(change("resource-unexplained", Direction.LOOSENS, 70, stack, "", title))
    return changes


def _only_opened(what: str, resource: ResourceChange, before: Graph, after: Graph) -> bool:
    gone = before.get(resource.urn)
    if gone is not None and gone.inputs.get("decision") == "deny":
        return False
    if what in _OPENINGS:
        return True
    if what == "ZeroTrustAccessApplication" and gone is not None:
        names = {str(d.get("uri")) for d in _list(gone.inputs.get("destinations")) if isinstance(d, Mapping)}
        open_names = {str(r.inputs.get("name")) for r in after.resources if kind(r.type) == "DnsRecord"}
        return not names & open_names
    # A route that is gone takes its own plugins with it.
    if what == "Plugin" and gone is not None:
        route = gone.inputs.get("routeId")
        return route is not None and all(f"${{{r.name}.id}}" != route for r in after.resources)
    return False


def _list(value: Json) -> list[Any]:
    return value if isinstance(value, list) else []


def _order(stack: str, before: Graph, after: Graph) -> list[Change]:
    """Whether everything that stood before the public name still does."""
    changes = []
    records = {r.urn for r in before.resources if kind(r.type) == "DnsRecord"}
    for record in sorted(records):
        if after.get(record) is None:
            continue
        now = after.ancestors(record)
        lost = [u for u in before.ancestors(record) if u not in now and (r := after.get(u)) is not None and r.custom]
        if lost:
            names = ", ".join(sorted(urn.rsplit("::", 1)[-1] for urn in lost))
            title = f"the public name no longer waits for {names}"
            changes.append(change("exposure-order", Direction.LOOSENS, 100, stack, "edge", title))
    return changes


_RINGS: Iterable[tuple[str, str]] = (("cloudflare:", "edge"), ("kong:", "gateway"))


def _ring(resource: ResourceChange) -> str:
    return next((ring for prefix, ring in _RINGS if resource.type.startswith(prefix)), "")
