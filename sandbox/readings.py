"""The objects that the stand-in services hold, in the spelling of the real APIs, for `engine.repair` to look up."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sandbox.state import HASHED, Store, World

#: Kong nests a reference as ``{"service": {"id": …}}``.
_REFERENCES = {"serviceId": "service", "routeId": "route", "consumerId": "consumer", "upstreamId": "upstream"}


def reader(folder: Path) -> Callable[[str], list[dict[str, Any]]]:
    """Lists the objects of a type that the sandbox whose world is in `folder` holds."""

    def read(type_: str) -> list[dict[str, Any]]:
        with Store(folder).transaction() as world:
            return items(world, type_)

    return read


def items(world: World, type_: str) -> list[dict[str, Any]]:
    """Every object of a type, without secrets."""
    return [_item(record.id, record.outputs, kong=type_.startswith("kong:")) for record in world.records_of(type_)]


def _item(id_: str, outputs: dict[str, Any], *, kong: bool) -> dict[str, Any]:
    # The plugin keeps a target as ``upstream/target`` and a credential as ``credential|consumer``; Kong does not.
    item: dict[str, Any] = {"id": id_.rpartition("/")[2].partition("|")[0]}
    for name, value in outputs.items():
        if isinstance(value, dict) and HASHED in value:
            continue
        if kong and name in _REFERENCES:
            item[_REFERENCES[name]] = {"id": value} if value is not None else None
        else:
            item[_snake(name)] = value if kong else _respelt(value)
    return item


def _respelt(value: Any) -> Any:
    """A value with the names of its members as the API spells them."""
    if isinstance(value, dict):
        return {_snake(name): _respelt(inner) for name, inner in value.items()}
    return [_respelt(inner) for inner in value] if isinstance(value, list) else value


def _snake(name: str) -> str:
    return re.sub(r"([A-Z])", lambda match: f"_{match[1].lower()}", name)
