"""What the first `up` changes of an object that is adopted: the plan's settings beside those that the API shows. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from engine.repair.kinds import SHAPES, Kind
from model.text import visible
from operations.adopt.sources import Item
from plan.graph import Resource

#: Members that an API sets itself, or shows beside those that say the same.
_API_FIELDS = frozenset({
    "account_id", "account_tag", "app_launcher_url", "aud", "comment_modified_on", "connections", "conns_active_at",
    "conns_inactive_at", "created_at", "created_on", "credentials_file", "data", "deleted_at", "domain", "domain_type", "id",
    "meta", "metadata", "modified_on", "proxiable", "remote_config", "self_hosted_domains", "status", "tags_modified_on",
    "token", "tun_type", "tunnel_id", "type", "uid", "updated_at", "version", "ws_id", "zone_id", "zone_name",
})  # fmt: skip
#: How Pulumi names what an API names otherwise.
_NAMES = {"service_id": "service", "ingresses": "ingress", "aud_tags": "aud_tag"}
_LONGEST = 60


@dataclass(frozen=True)
class SettingChange:
    """One setting that the first `up` changes."""

    name: str
    before: str
    after: str

    def __str__(self) -> str:
        return f"{self.name}: {self.before} → {self.after}"

    def as_json(self) -> dict[str, str]:
        return {"name": self.name, "before": self.before, "after": self.after}


@dataclass(frozen=True)
class Adoption:
    """An object that becomes a resource of the plan, with what the first `up` changes of it."""

    kind: Kind
    resource: Resource
    id: str
    name: str
    differences: tuple[SettingChange, ...]

    def as_json(self) -> dict[str, Any]:
        return {
            "kind": self.kind.value,
            "name": self.name,
            "id": self.id,
            "resource": self.resource.name,
            "changes": [difference.as_json() for difference in self.differences],
        }


def adoption(kind: Kind, resource: Resource, item: Item, known: Mapping[str, str]) -> Adoption:
    """One object beside its resource; `known` are the real values of the plan's symbolic ones, such as ``${x.id}``."""
    inputs = _settled(dict(resource.inputs), known)
    # A tunnel's configuration has no id of its own.
    id_ = str(inputs["tunnelId"] if kind is Kind.ingress else item["id"])
    name = visible(str(item.get(SHAPES[kind].label) or id_))
    imported = SHAPES[kind].imported(inputs, id_)
    return Adoption(kind, resource, imported, name, tuple(_differences(inputs, item)))


def _differences(inputs: Mapping[str, Any], item: Item) -> Iterator[SettingChange]:
    planned = {_api_name(key): _normal(value) for key, value in inputs.items()}
    real = {str(key): _normal(value) for key, value in item.items()}
    for name in sorted(planned.keys() | real.keys()):
        before, after = real.get(name), planned.get(name)
        if name == "policies":
            before, after = _policies(real.get(name)), _policies(after)
        elif name == "service" and isinstance(before, dict):
            before = before.get("id")
        if name in _API_FIELDS - planned.keys() or _agree(before, after):
            continue
        if name in _API_FIELDS and name not in real:
            continue
        if name not in planned and not before:
            continue
        yield SettingChange(name, _shown(before), _shown(after))


def _agree(before: Any, after: Any) -> bool:
    """Equal, or both nothing; a member that the plan leaves out of an object is the API's own."""
    if isinstance(before, dict) and isinstance(after, dict):
        return all(_agree(before.get(key), value) for key, value in after.items())
    if isinstance(before, list) and isinstance(after, list):
        return len(before) == len(after) and all(map(_agree, before, after))
    return bool(before == after) or not (before or after or isinstance(before, int) or isinstance(after, int))


def _policies(value: Any) -> list[str]:
    return [
        str(policy.get("name") or policy.get("id")) if isinstance(policy, dict) else str(policy)
        for policy in value or ()
    ]


def _settled(value: Any, known: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {key: _settled(item, known) for key, item in value.items()}
    if isinstance(value, list):
        return [_settled(item, known) for item in value]
    if isinstance(value, str):
        return re.sub(r"\$\{[^}]+\}", lambda match: known.get(match[0], match[0]), value)
    return value


def _normal(value: Any) -> Any:
    """In the API's spelling of names; a whole number is one, however it is written."""
    if isinstance(value, dict):
        return {_api_name(str(key)): _normal(item) for key, item in value.items()}
    if isinstance(value, list):
        return [_normal(item) for item in value]
    return int(value) if isinstance(value, float) and value.is_integer() else value


def _api_name(name: str) -> str:
    name = re.sub(r"(?<=[a-z])([A-Z])", lambda match: f"_{match[1].lower()}", name)
    name = re.sub(r"(?<=[a-z])(\d)", r"_\1", name) if name == "service_auth401_redirect" else name
    return _NAMES.get(name, name)


def _shown(value: Any) -> str:
    if value is None or value == []:
        return "not set"
    text = visible(value if isinstance(value, str) else json.dumps(value, sort_keys=True, ensure_ascii=False))
    return text if len(text) <= _LONGEST else text[: _LONGEST - 1] + "…"
