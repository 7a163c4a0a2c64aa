"""The list of Kong's options is whole: what planned stacks set stands in it, and nothing else."""

from __future__ import annotations

import importlib.util
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from components.gateway.entity_options import ENTITIES
from components.gateway.inner_plugins import inner_plugins
from components.gateway.licensed_options import ADDED_OPTIONS, LICENSED_PLUGINS
from components.gateway.options import PLUGINS, options_of
from components.gateway.plugins import environment_plugins, identity_plugin, metadata_plugins, server_plugins
from model.environment import Gateway
from model.project import load_environment, open_project
from plan.graph import Graph
from plan.offline import plan_stack
from tests.components.gateway.test_gateway_checks import EVERYTHING, STORE, subject
from tests.components.gateway.test_licensed import CASES as LICENSED_CASES
from tests.components.gateway.test_licensed import everything, settings_of
from tests.components.gateway.test_tool_access import PEOPLE
from tests.components.gateway.test_tool_access import server as holding_server
from tests.support.kong_admin import KongStandIn, kong_admin
from tests.support.kong_manifests import CASES, audiences, environment_stack, stack
from tests.support.model_routes import FILE as ROUTE_FILE
from tests.support.model_routes import ROUTE, route_stack, whole_route
from tests.support.projects import write_project
from tests.support.token_issuer import private_key
from wire.kong import IssuerKey, KongAdmin

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_is_what_the_tables_say() -> None:
    spec = importlib.util.spec_from_file_location("docs_generate_gateway", DOCS / "generate_gateway.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    assert (DOCS / "reference" / "gateway.md").read_text(encoding="utf-8") == module.gateway_reference()


def planned_plugins() -> dict[str, set[str]]:
    """Options by plugin, of every kind of server and environment."""
    found: dict[str, set[str]] = {}
    for model in ("small", "house"):
        for spec in inner_plugins(route_stack(manifest=whole_route()), model):
            found.setdefault(spec.name, set()).update(options_of(spec.config))
    for name, (settings, manifest) in CASES.items():
        specs = [
            identity_plugin(stack(settings, manifest), audiences(manifest)),
            *server_plugins(stack(settings, manifest)),
        ]
        specs += [*environment_plugins(environment_stack(settings, name)), *metadata_plugins(stack(settings, manifest))]
        for spec in specs:
            found.setdefault(spec.name, set()).update(options_of(spec.config))
    return found


def test_every_option_of_every_plugin_is_listed_and_no_other() -> None:
    assert {name: set(table.options) for name, table in PLUGINS.items()} == planned_plugins()


def licensed_plugins() -> dict[str, set[str]]:
    """Options by plugin, of every kind of server, environment and model route on the licensed editions."""
    found: dict[str, set[str]] = {}
    whole = subject(gateway=EVERYTHING, cache={"semantic": {**STORE, "shared": True}})
    specs = inner_plugins(whole, "small")
    for edition in ("enterprise", "ai"):
        route = route_stack(settings_of(edition), whole_route())
        specs += [spec for model in route.manifest.models for spec in inner_plugins(route, model)]
        specs += [spec for case in LICENSED_CASES for spec in everything(edition, case)]
    specs += server_plugins(holding_server("email", *PEOPLE))
    for spec in specs:
        found.setdefault(spec.name, set()).update(options_of(spec.config))
    return found


def test_every_option_of_a_licensed_edition_is_listed_and_no_other() -> None:
    planned = licensed_plugins()
    assert set(LICENSED_PLUGINS) == set(planned) - set(PLUGINS)
    for name, table in LICENSED_PLUGINS.items():
        assert set(table.options) == planned[name], name
    for name in set(planned) & set(PLUGINS):
        added = set(ADDED_OPTIONS[name].options) if name in ADDED_OPTIONS else set()
        assert planned[name] - set(PLUGINS[name].options) == added, name


CENTRAL = {
    "topology: colocated": "topology: central",
    "dev-1: {}": "dev-1: {guard_address: dev-1.internal.example.com}",
    "gateway_port: 8010": "guard_address: dev-2.internal.example.com",
    "    gateway:\n": "    gateway:\n      mutual_tls:\n"
    "        client_certificate_id: 11111111-1111-1111-1111-111111111111\n"
    "        ca_certificate_ids: [22222222-2222-2222-2222-222222222222]\n",
}


@pytest.fixture(scope="module")
def graphs(tmp_path_factory: pytest.TempPathFactory) -> list[Graph]:
    """Environment and every shape of server, gateways beside the guards and away from them."""
    planned = []
    for name, changes in (("colocated", {}), ("central", CENTRAL)):
        root = write_project(tmp_path_factory.mktemp(name), every_shape=True)
        if name == "colocated":
            (root / ROUTE_FILE).write_text(ROUTE, encoding="utf-8")
        file = root / "stacks" / "Pulumi.dev.yaml"
        text = file.read_text(encoding="utf-8")
        for old, new in changes.items():
            assert old in text
            text = text.replace(old, new)
        file.write_text(text, encoding="utf-8")
        project = open_project(root)
        environment = load_environment(project, "dev")
        planned.append(plan_stack(project, environment))
        planned += [plan_stack(project, one) for one in environment.perimeters]
    return planned


def snake(name: str) -> str:
    return re.sub(r"(?<=[a-z])([A-Z])", lambda found: f"_{found[1].lower()}", name)


def leaves(inputs: Any, prefix: str = "") -> Iterator[str]:
    for name, value in inputs.items():
        if isinstance(value, dict) and "$secret" not in value:
            yield from leaves(value, f"{prefix}{snake(name)}.")
        else:
            yield f"{prefix}{snake(name)}"


def test_every_input_of_every_other_object_is_listed_and_no_other(graphs: list[Graph]) -> None:
    found: dict[str, set[str]] = {}
    for graph in graphs:
        for resource in graph.resources:
            if resource.type.startswith("kong:index/"):
                kind = snake(resource.type.rpartition("/")[2].partition(":")[0])
                found.setdefault(kind, set()).update(leaves(resource.inputs))
    tables = {name: set(table.options) for name, table in ENTITIES.items() if name != "jwt credential"}
    assert tables == found


def test_a_planned_plugins_options_are_those_of_its_table(graphs: list[Graph]) -> None:
    """The whole way through the program, not the builders alone."""
    for graph in graphs:
        for plugin in graph.by_type("kong:index/plugin:Plugin"):
            config = json.loads(str(plugin.inputs["configJson"]))
            assert set(options_of(config)) <= set(PLUGINS[str(plugin.inputs["name"])].options)


def test_what_a_key_is_written_with_is_listed() -> None:
    key = private_key("rsa", 0).public_key()
    pem: bytes = key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    stand_in = KongStandIn()
    with kong_admin(stand_in) as kong, KongAdmin(Gateway(admin_uri=kong.uri)) as admin:
        admin.add_jwt(kong.consumer("dev-issuer-access"), IssuerKey("one", pem.decode()), ["ringwall"])
    (body,) = [body for method, _, body in stand_in.log if method == "POST"]
    assert set(body) == set(ENTITIES["jwt credential"].options)


def test_no_option_is_listed_twice() -> None:
    for table in [*PLUGINS.values(), *LICENSED_PLUGINS.values(), *ADDED_OPTIONS.values(), *ENTITIES.values()]:
        assert len(table.options) == len(set(table.options))
        assert all(edges.endswith(".") for edges in table.rows.values())
