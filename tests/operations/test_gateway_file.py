"""`ringwall gateway export` writes what `up` makes at Kong: whole, without a secret, and in texts that have one reading."""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]

from model.environment import Environment
from model.errors import InputError, Unreachable
from model.project import load_environment, open_project
from model.stacks import EnvironmentStack, Stack
from operations.drift.gateway import in_kongs_names
from operations.gateway_file import GatewayFile, gateway_file, issuer_keys
from plan.graph import Graph, Resource
from plan.offline import plan_stack, planned_contract
from tests.support import kong_published_schema, kong_schema
from tests.support.command_line import ringwall
from tests.support.deck_format import deck_problems, rendered
from tests.support.kong_gateway.configuration import Configuration, Unsupported
from tests.support.kong_gateway.declarative import declared_configuration
from tests.support.kong_gateway.planned import planned_configuration
from tests.support.projects import write_project
from tests.support.token_issuer import TokenIssuer
from wire.jwks import fetch_jwks

EXAMPLES = Path(__file__).parents[2] / "examples"
EDITIONS = ("production", "enterprise", "ai")
TAGS = ["ringwall", "ringwall-environment-dev"]


def planned(example: str) -> tuple[EnvironmentStack, list[Graph]]:
    project = open_project(EXAMPLES / example)
    environment = load_environment(project, "prod")
    contract = planned_contract(project, environment)
    stacks: list[Stack] = [environment, *environment.perimeters]
    return environment, [plan_stack(project, stack, contract=contract) for stack in stacks]


@pytest.fixture(scope="module", params=EDITIONS)
def exported(request: pytest.FixtureRequest) -> tuple[str, list[Graph], GatewayFile]:
    _, graphs = planned(request.param)
    return request.param, graphs, gateway_file(graphs, {}, environment="prod", keys={}, db_less=True)


def kong_resources(graphs: list[Graph]) -> Iterator[Resource]:
    return (resource for graph in graphs for resource in graph.resources if resource.type.startswith("kong:"))


def without_ids(configuration: Configuration) -> dict[str, Any]:
    """A configuration as data, sorted, without what each reading makes up."""

    def plain(value: Any) -> Any:
        if dataclasses.is_dataclass(value) and not isinstance(value, type):
            names = [item.name for item in dataclasses.fields(value) if item.name != "id"]
            return {name: plain(getattr(value, name)) for name in names}
        return sorted((plain(item) for item in value), key=repr) if isinstance(value, tuple) else value

    return {name: plain(getattr(configuration, name)) for name in ("services", "routes", "plugins", "consumers")}


@pytest.mark.parametrize("example", EDITIONS)
def test_the_stand_in_reads_the_file_as_it_reads_the_plan(example: str) -> None:
    _, graphs = planned(example)
    # The stand-in's services have no TLS, which those of a model route have.
    graphs = [graph for graph in graphs if graph.stack in ("prod", "prod.tickets")]
    file = gateway_file(graphs, {}, environment="prod", keys={}, db_less=True)
    symbols = {symbol: symbol.replace("${", "<").replace("}", ">") for symbol in file.unknown}
    text = file.text
    for symbol, value in symbols.items():
        text = text.replace(symbol, value)
    expected = without_ids(planned_configuration(graphs, known=symbols, targets={}, keys={}))
    assert without_ids(declared_configuration(text)) == expected
    assert expected["services"]


def test_every_object_is_in_the_file_with_every_field(exported: tuple[str, list[Graph], GatewayFile]) -> None:
    _, graphs, file = exported
    document = yaml.safe_load(file.text)
    fields: list[dict[str, Any]] = []

    def collect(entities: list[dict[str, Any]]) -> None:
        for entity in entities:
            inside = {name for name, value in entity.items() if isinstance(value, list) and value and name in NESTED}
            fields.append({name: value for name, value in entity.items() if name not in inside})
            for name in inside:
                collect(entity[name])

    NESTED = {"routes", "plugins", "targets", "acls", "keyauth_credentials"}
    for name in ("services", "upstreams", "consumers", "plugins"):
        collect(document.get(name, []))
    wanted = []
    for resource in kong_resources(graphs):
        kind = resource.type.rpartition(":")[2]
        entity = in_kongs_names(kind, resource.inputs)
        if isinstance(entity.get("config"), str):
            entity["config"] = yaml.safe_load(entity["config"])
        if kind == "ConsumerKeyAuth":
            (entity["key"],) = [
                f'${{{{ env "{name}" }}}}' for name in file.variables if resource.name.upper()[:6] in name
            ]
        wanted.append(entity)
    assert sorted(map(repr, map(_sorted, fields))) == sorted(map(repr, map(_sorted, wanted)))
    assert file.entities == len(wanted)


def _sorted(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: _sorted(value[name]) for name in sorted(value)}
    return [_sorted(item) for item in value] if isinstance(value, list) else value


def test_kongs_schemas_take_every_object(exported: tuple[str, list[Graph], GatewayFile]) -> None:
    edition, _, file = exported
    document = yaml.safe_load(file.text)
    plugins = [*document["plugins"], *(plugin for service in document["services"] for plugin in service["plugins"])]
    judge = kong_schema.plugin_problems if edition == "production" else kong_published_schema.plugin_problems
    assert [problem for plugin in plugins for problem in judge(plugin["name"], plugin["config"])] == []
    for section, inside in (("services", {"routes", "plugins"}), ("upstreams", {"targets"})):
        for entity in document[section]:
            alone = {name: value for name, value in entity.items() if name not in inside}
            assert kong_schema.entity_problems(section, alone) == []


@pytest.mark.parametrize("example", EDITIONS)
@pytest.mark.parametrize("db_less", [False, True], ids=["deck", "db-less"])
def test_deck_takes_every_entity_of_the_file(example: str, db_less: bool) -> None:
    environment, graphs = planned(example)
    with TokenIssuer() as issuer:
        keys = issuer_keys(environment.settings, "prod", lambda _: fetch_jwks(issuer.jwks_uri))
    file = gateway_file(graphs, {}, environment="prod", keys=keys, db_less=db_less)
    text = rendered(file.text, dict.fromkeys(file.variables, "a+b/c=="))
    document = yaml.safe_load(text)
    assert deck_problems(document) == []
    assert [key["key"] for consumer in document["consumers"] for key in consumer.get("keyauth_credentials", ())] == [
        "a+b/c==" for _ in file.variables
    ]
    assert any("jwt_secrets" in consumer for consumer in document["consumers"]) == (example == "production")


def test_decks_file_selects_the_tags_that_everything_has_and_a_node_gets_a_file_without_them() -> None:
    _, graphs = planned("production")
    deck = gateway_file(graphs, {}, environment="prod", keys={})
    assert yaml.safe_load(deck.text)["_info"] == {"select_tags": ["ringwall", "ringwall-environment-prod"]}
    with pytest.raises(Unsupported, match="_info"):
        declared_configuration(deck.text)
    server = gateway_file(graphs[-1:], {}, environment="prod", keys={})
    assert yaml.safe_load(server.text)["_info"]["select_tags"][-1] == "ringwall-server-tickets"


def test_what_a_deployment_recorded_stands_in_the_place_of_its_symbol() -> None:
    _, graphs = planned("production")
    aud = {"aud": "0123456789abcdef"}
    known = {
        "prod.tickets": {"tickets-edge-application": aud, "tickets-edge-application-claude-ai": aud},
        "prod.models": {"models-edge-application": aud},
    }
    file = gateway_file(graphs, known, environment="prod", keys={})
    assert file.unknown == ()
    assert '["models.example.com"] = "0123456789abcdef"' in file.text


def graph_of(config: str) -> Graph:
    service = Resource("urn:pulumi:dev::p::kong:index/service:Service::s", "kong:index/service:Service", "s", True)
    plugin = Resource("urn:pulumi:dev::p::kong:index/plugin:Plugin::p", "kong:index/plugin:Plugin", "p", True)
    return Graph.build(
        "p",
        "dev",
        [
            dataclasses.replace(service, inputs={"name": "off", "tags": TAGS}),
            dataclasses.replace(
                plugin,
                inputs={"name": "x", "configJson": config, "serviceId": "${s.id}", "enabled": True, "tags": TAGS},
            ),
        ],
    )


@pytest.mark.parametrize(
    "text",
    [
        "on",
        "1e3",
        "0x10",
        "2001-01-01",
        "null",
        "~",
        "a: b",
        "# no comment",
        "'",
        '"',
        "two\nlines\n",
        " a\n\nb \n",
        "é☃",
        "${x}",
    ],
)  # fmt: skip
def test_a_text_stays_the_text_that_it_is_in_yaml_of_any_version(text: str) -> None:
    file = gateway_file([graph_of(json.dumps({"a": text, "b": None, "c": 1.5}))], {}, environment="dev", keys={})
    (service,) = yaml.safe_load(file.text)["services"]
    assert service["name"] == "off"
    assert service["plugins"][0]["config"] == {"a": text, "b": None, "c": 1.5}


def test_a_value_that_deck_would_replace_is_refused() -> None:
    with pytest.raises(InputError, match=r"p holds \$\{\{, which decK would replace"):
        gateway_file([graph_of('{"a": "${{ env \\"DECK_TOKEN\\" }}"}')], {}, environment="dev", keys={})


def test_an_object_without_the_environments_tags_is_refused() -> None:
    with pytest.raises(NotImplementedError, match="lacks the environment's tags"):
        gateway_file([graph_of("{}")], {}, environment="prod", keys={})


def test_the_issuers_keys_are_those_that_keys_sync_writes_and_no_two_issuers_share_a_kid() -> None:
    text = {
        "version": 1,
        "cloudflare": {"account_id": "0" * 32, "zone": "example.com", "zone_id": "1" * 32, "team": "acme"},
        "hosts": {"h1": {}},
        "gateway": {"admin_uri": "http://127.0.0.1:8001"},
        "countries": ["DK"],
    }
    with TokenIssuer() as access, TokenIssuer() as idp:
        idp.rotate("two")
        idp.keys = idp.keys[:1]
        issuer = {"issuer": idp.url, "jwks_uri": idp.jwks_uri}
        settings = Environment.model_validate({**text, "issuers": {"idp": issuer}})

        def fetch(url: str) -> bytes:
            return fetch_jwks(access.jwks_uri if url == settings.cloudflare.jwks_uri else url)

        keys = issuer_keys(settings, "dev", fetch)
        assert {name: [(key["key"], key["algorithm"], key["tags"]) for key in held] for name, held in keys.items()} == {
            "dev-issuer-access": [("one", "RS256", TAGS)],
            "dev-issuer-idp": [("two", "RS256", TAGS)],
        }
        assert all(key["rsa_public_key"].startswith("-----BEGIN PUBLIC KEY-----") for (key,) in keys.values())
        idp.keys = access.keys
        with pytest.raises(Unreachable, match="issuers access and idp publish a key under the kid one"):
            issuer_keys(settings, "dev", fetch)
        idp.fault = 503
        with pytest.raises(Unreachable, match="issuer idp: ") as silent:
            issuer_keys(settings, "dev", fetch)
        assert silent.value.remedy == "try again, or write the file without signing keys by --without-keys"


def test_the_command_says_what_the_file_lacks_and_refuses_what_is_not_deployed(tmp_path: Path) -> None:
    root, out = EXAMPLES / "production", tmp_path / "kong" / "prod.yaml"
    offline = ringwall("gateway", "export", "prod", "--offline", "--db-less", "-o", out, "--project", root)
    assert offline.code == 0, offline.err
    assert offline.out == f"wrote 48 objects to {out}\n"
    assert (
        "decK puts in the key of models-inner-guard-key (prod.models) from its variable DECK_MODELS_INNER_GUARD_KEY"
        in (offline.err)
    )
    assert "deck file render --populate-env-vars" in offline.err
    assert "${tickets-edge-application.aud} is known once the stack is deployed" in offline.err
    assert "lets nobody in" in offline.err
    printed = ringwall("gateway", "export", "prod", "--offline", "--without-keys", "--db-less", "--project", root)
    assert printed.out == out.read_text(encoding="utf-8")
    zone = ringwall("gateway", "export", "zone.example", "--offline", "--project", root)
    assert (zone.code, len(zone.errors)) == (2, 1)
    assert "is a zone, which has no gateway" in zone.errors[0]
    project = write_project(tmp_path / "new")
    fresh = ringwall("gateway", "export", "dev", "--sandbox", "--project", project)
    assert fresh.code != 0
    assert "is not deployed" in fresh.errors[0]
