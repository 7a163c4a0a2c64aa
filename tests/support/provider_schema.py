"""Judge planned inputs by the providers' own package schemas: unknown property, missing required one, wrong type.

What it does not prove: values a provider refuses for another reason, and the extras below, which the schemas are too old
to know.
"""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any, cast

import pytest

from plan.graph import Graph
from plan.values import is_marker

ROOT = Path(__file__).parents[2].parent / "shared" / "provider-schemas"

Schema = dict[str, Any]

#: Inputs that the pinned SDK has and the schema lacks, by the end of the type token: newer ones, as the schemas' README
#: lists them, and `description`, which the cut took away together with the schemas' own descriptions.
EXTRAS: dict[str, dict[str, Schema]] = {
    "ZeroTrustAccessAiControlsMcpPortal": {"codeMode": {"type": "string"}},
    "ZeroTrustAccessAiControlsMcpServer": {"clientSecret": {"type": "string"}},
    "ZeroTrustAccessServiceToken": {"enabled": {"type": "boolean"}},
    "ZeroTrustAccessApplicationDestination": {"workerId": {"type": "string"}},
    "ZeroTrustOrganization": {
        "strictServiceTokenAuth": {"type": "boolean"},
        "serviceTokenInactivity": {"$ref": "pulumi.json#/Any"},
    },
    "Ruleset": {"description": {"type": "string"}},
    "RulesetRule": {"description": {"type": "string"}},
    "ZeroTrustDevicePostureRule": {"description": {"type": "string"}},
}

_TYPES: dict[str, tuple[type, ...]] = {
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
    "array": (list,),
    "object": (dict,),
}


@cache
def load(provider: str) -> Schema:
    """The package schema of ``cloudflare`` or ``kong``; skips where the reference data is absent."""
    if not ROOT.is_dir():
        pytest.skip("../shared is not here: the providers' schemas not checked")
    schema: Schema = json.loads((ROOT / f"{provider}.json").read_text(encoding="utf-8"))
    return schema


def graph_problems(graph: Graph) -> list[str]:
    """Problems of every custom resource of a plan, providers aside."""
    return [
        f"{resource.name}: {problem}"
        for resource in graph.resources
        if resource.custom and not resource.type.startswith("pulumi:")
        for problem in resource_problems(resource.type, dict(resource.inputs))
    ]


def resource_problems(token: str, inputs: dict[str, Any]) -> list[str]:
    """Problems of one resource's inputs in plan JSON (`plan.values`), keys in camel case."""
    package = load(token.partition(":")[0])
    schema = package["resources"].get(token)
    if schema is None:
        return [f"unknown resource {token}"]
    return _object(
        package, schema["inputProperties"], schema.get("requiredInputs", []), token.rpartition(":")[2], inputs, ""
    )


def _object(
    package: Schema, properties: dict[str, Schema], required: list[str], name: str, value: dict[str, Any], at: str
) -> list[str]:
    known = properties | EXTRAS.get(name, {})
    problems = [f"{at}{key}: required" for key in required if value.get(key) is None]
    for key, one in value.items():
        if key not in known:
            problems.append(f"{at}{key}: unknown property of {name}")
        else:
            problems += _judge(package, known[key], one, f"{at}{key}")
    return problems


def _judge(package: Schema, schema: Schema, value: Any, at: str) -> list[str]:
    if value is None or is_marker(value) or schema.get("$ref") == "pulumi.json#/Any":
        return []
    if isinstance(value, str) and value.startswith("${"):  # an output of another resource, of whatever type
        return []
    if reference := schema.get("$ref"):
        token = reference.removeprefix("#/types/")
        inner = package["types"][token]
        if not isinstance(value, dict):
            return [f"{at}: expected object, not {value!r}"]
        return _object(
            package, inner.get("properties", {}), inner.get("required", []), token.rpartition(":")[2], value, f"{at}."
        )
    kind = schema["type"]
    if not isinstance(value, _TYPES[kind]) or (isinstance(value, bool) and kind != "boolean"):
        return [f"{at}: expected {kind}, not {value!r}"]
    if kind == "array":
        inner = schema["items"]
        items: list[tuple[str, Any]] = [(f"{at}[{index}]", one) for index, one in enumerate(cast(list[Any], value))]
    elif kind == "object":
        inner = schema.get("additionalProperties", {"type": "string"})
        items = [(f"{at}.{key}", one) for key, one in cast(dict[str, Any], value).items()]
    else:
        return []
    return [problem for where, one in items for problem in _judge(package, inner, one, where)]
