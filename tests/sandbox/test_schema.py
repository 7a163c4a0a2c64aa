from __future__ import annotations

import json
from pathlib import Path

import pytest

from sandbox import cloudflare, kong, schema
from sandbox.behaviour import Package
from sandbox.schema import Property, Type

SHARED = Path(__file__).parents[2].parent / "shared" / "provider-schemas"
# Renamed upstream since the published copy (now mfaPivKeyRequirements).
RENAMED = {"cloudflare:index/zeroTrustOrganization:ZeroTrustOrganization.mfaSshPivKeyRequirements"}
KINDS = {"string": "string", "boolean": "boolean", "integer": "integer", "number": "number", "array": "list"}


def test_types_and_required_properties_come_from_the_sdk() -> None:
    plugin = schema.resource(kong.PLUGIN)
    assert plugin.inputs["configJson"] == Property("configJson", Type("string"), required=False)
    assert plugin.inputs["tags"].type == Type("list", item=Type("string"))
    assert plugin.computed == {"computedConfig"}
    route = schema.resource(kong.ROUTE)
    assert {name for name, property_ in route.inputs.items() if property_.required} == {"protocols", "serviceId"}


def test_nested_names_are_in_wire_form() -> None:
    config = schema.resource(cloudflare.TUNNEL_CONFIG).inputs["config"].type
    assert config.args is not None
    item = schema.properties(config.args)["ingresses"].type.item
    assert item is not None
    assert item.args is not None
    assert schema.properties(item.args)["originRequest"].type.kind == "object"


@pytest.mark.parametrize("package", [cloudflare.PACKAGE, kong.PACKAGE], ids=lambda package: package.name)
def test_every_behaviour_names_properties_the_sdk_has(package: Package) -> None:
    for token, behaviour in package.behaviours.items():
        definition = schema.resource(token)
        inputs, every = definition.inputs.keys(), definition.inputs.keys() | definition.computed
        named = [name for group in behaviour.unique for name in group]
        assert behaviour.replaces <= inputs, token
        assert behaviour.defaults.keys() <= inputs, token
        assert behaviour.sets | behaviour.json_text | behaviour.unrefreshed | set(named) <= inputs, token
        assert behaviour.sensitive | behaviour.secret_outputs <= every, token


@pytest.mark.parametrize("package", ["cloudflare", "kong"])
def test_published_schemas_agree_with_what_was_read_from_the_sdk(package: str) -> None:
    path = SHARED / f"{package}.json"
    if not path.exists():
        pytest.skip("../shared is not here: agreement with the published provider schemas not checked")
    for token, published in json.loads(path.read_text())["resources"].items():
        inputs = schema.resource(token).inputs
        for name, definition in published["inputProperties"].items():
            if f"{token}.{name}" in RENAMED:
                continue
            assert name in inputs, f"{token}.{name}"
            if definition.get("type") in KINDS:
                assert inputs[name].type.kind == KINDS[definition["type"]], f"{token}.{name}"
        required = {name for name, property_ in inputs.items() if property_.required}
        # The published copy is older: the SDK may require more since (a policy its account), never less.
        assert required >= set(published.get("requiredInputs", [])), token
