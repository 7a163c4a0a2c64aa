"""A model route is read with its environment like a server, and a mistake in it is one line."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.cross_checks import missing_secrets
from model.project import load, load_environment, open_project
from model.schema import json_schema, stack_file_schema
from model.shared_machines import shared_problems
from model.stacks import ModelStack
from tests.support.bad_files import ONE, Mistake, lines, make
from tests.support.model_routes import FILE, GUARDLESS, ROUTE, guardless_project, write_route_project

M = "config.ringwall:model"


def test_a_model_route_belongs_to_its_environment_and_is_no_server(tmp_path: Path) -> None:
    environment = load_environment(open_project(write_route_project(tmp_path)), "dev")
    assert (sorted(environment.servers), sorted(environment.models)) == (["one"], ["models"])
    assert [stack.stack for stack in environment.reach] == ["dev.one"]
    assert [stack.stack for stack in environment.perimeters] == ["dev.models", "dev.one"]
    assert sorted(environment.manifests) == ["models", "one"]
    assert environment.models["models"].manifest.countries == ("NO", "SE")


def test_a_model_route_loads_by_its_name(tmp_path: Path) -> None:
    loaded = load(open_project(write_route_project(tmp_path)), "dev.models")
    assert isinstance(loaded, ModelStack)
    assert loaded.manifest.hostnames == {"models.example.com": None}


MISTAKES = {
    "an unknown key": Mistake(
        FILE, "    guard_port: 9040", "    guard_prot: 1\n    guard_port: 9040", "guard_prot", f"{M}.guard_prot",
        "unknown key", "write guard_port, or remove it",
    ),
    "a host that is not there": Mistake(
        FILE, "    host: dev-1", "    host: dev-9", "host: dev-9", f"{M}.host", "dev-9 is not in the environment's hosts",
        "",
    ),
    "a grant of no model": Mistake(
        FILE, "        models: [small]", "        models: [smal]", "models: [smal]", f"{M}.grants.0.models",
        "smal matches no model of the route", "did you mean small?",
    ),
    "a grant to an agent that access keeps out": Mistake(
        FILE, "      - to: {agents: [ci]}", "      - to: {agents: [nightly]}", "nightly", f"{M}.grants.1.to.agents",
        "nightly is not admitted by access.agents", "add it to access.agents too",
    ),
    "a name outside the zone": Mistake(
        FILE, "hostname: models.example.com", "hostname: models.example.org", "hostname", f"{M}.hostname",
        "models.example.org is outside the zone example.com", "use a name that ends in .example.com",
    ),
    "a claim of tools": Mistake(
        FILE, "    posture: [encrypted]",
        "    oauth: {mode: external, issuer: keycloak, audience: https://models.example.com/v1, tool_claim: email}\n"
        "    posture: [encrypted]",
        "oauth:", f"{M}.oauth.tool_claim", "belongs to servers: a model route has no tools", "remove it",
    ),
    "a cost without a price": Mistake(
        FILE, '        price: {input: "0"}\n', "", "grants:", f"{M}.grants.1.budget",
        "counts cost, and house has no price", "give every model a price",
    ),
    "no flood limit": Mistake(
        FILE, "    posture: [encrypted]", "    limits: {principal: {tokens_per_day: 5}}\n    posture: [encrypted]",
        "limits:", f"{M}.limits.principal", "has no requests_per_minute", "add it: it bounds a flood",
    ),
    "no token budget for all": Mistake(
        FILE, "    posture: [encrypted]", "    limits: {all: {requests_per_minute: 5}}\n    posture: [encrypted]",
        "limits:", f"{M}.limits.all", "counts no tokens", "add tokens_per_minute, tokens_per_hour or tokens_per_day",
    ),
    "a provider that nobody knows": Mistake(
        FILE, "provider: openai\n            model: gpt-4o-mini", "provider: opena\n            model: gpt-4o-mini",
        "opena", f"{M}.models.small.targets.0.provider", "", "",
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_one_mistake_in_a_model_route_is_one_line(tmp_path: Path, mistake: str) -> None:
    root = write_route_project(tmp_path)
    expected = make(root, MISTAKES[mistake])
    (line,) = lines(root)
    assert line.startswith(expected.rstrip("; "))


def test_a_server_and_a_model_route_cannot_share_a_port_or_a_name(tmp_path: Path) -> None:
    text = ROUTE.replace("guard_port: 9040", "guard_port: 9010").replace("models.example.com", "one.example.com")
    problems = lines(write_route_project(tmp_path, text))
    assert any(
        "server.guard_port: port 9010 on host dev-1 belongs to dev.models (guard_port)" in line for line in problems
    )
    assert any("server.hostname: one.example.com is dev.models's host name" in line for line in problems)


def test_both_manifests_in_one_file_are_refused(tmp_path: Path) -> None:
    root = write_route_project(tmp_path, ROUTE + "  ringwall:server:\n    version: 1\n")
    (line,) = lines(root)
    assert "a stack of kind model route has no such manifest" in line


def test_a_guard_key_in_clear_is_refused(tmp_path: Path) -> None:
    start, _, rest = ROUTE.partition("  ringwall:guardKey:\n")
    root = write_route_project(tmp_path, start + "  ringwall:guardKey: abc\n" + rest.split("\n", 1)[1])
    (line,) = lines(root)
    assert "ringwall:guardKey: a secret in clear" in line


def test_a_missing_guard_key_is_named_with_the_command_that_makes_it(tmp_path: Path) -> None:
    start, _, rest = ROUTE.partition("  ringwall:guardKey:\n")
    root = write_route_project(tmp_path, start + rest.split("\n", 1)[1])
    (problem,) = missing_secrets(load_environment(open_project(root), "dev").perimeters)
    assert problem.key == "config.ringwall:guardKey"
    assert problem.remedy is not None
    assert "pulumi config set --secret ringwall:guardKey --stack dev.models" in problem.remedy


def test_topology_central_is_refused_as_it_has_no_gateway_beside_the_guard(tmp_path: Path) -> None:
    root = write_route_project(tmp_path)
    file = root / "stacks/Pulumi.dev.yaml"
    text = file.read_text().replace("topology: colocated", "topology: central")
    text = text.replace("      dev-1: {}", "      dev-1: {guard_address: dev-1.internal.example.com}")
    text = text.replace("        gateway_port: 8010", "        guard_address: dev-2.internal.example.com")
    text = text.replace(
        "      admin_uri: http://127.0.0.1:8001",
        "      admin_uri: http://127.0.0.1:8001\n      mutual_tls:\n"
        "        client_certificate_id: 11111111-1111-1111-1111-111111111111\n"
        "        ca_certificate_ids: [22222222-2222-2222-2222-222222222222]",
    )
    file.write_text(text)
    assert any("model routes need the gateway on the guard's own machine" in line for line in lines(root))


def test_another_environments_model_route_keeps_its_ports_and_names(tmp_path: Path) -> None:
    first = load_environment(open_project(write_route_project(tmp_path / "a")), "dev")
    root = write_route_project(tmp_path / "b")
    (root / "stacks/Pulumi.dev.yaml").rename(root / "stacks/Pulumi.sit.yaml")
    (root / FILE).rename(root / "stacks/Pulumi.sit.models.yaml")
    (root / ONE).unlink()
    second = load_environment(open_project(root), "sit")
    texts = [str(problem) for problem in shared_problems(second, [first])]
    assert any("config.ringwall:model.hostname: models.example.com is dev.models's host name" in text for text in texts)
    assert any(
        "config.ringwall:model.guard_port: port 9040 on host dev-1 belongs to dev.models" in text for text in texts
    )


def test_the_schema_of_stack_files_knows_model_routes() -> None:
    assert "ringwall:model" in stack_file_schema()["properties"]["config"]["properties"]
    assert "models" in json_schema("model")["properties"]
    assert "inner" in json_schema("model-guard-config")["properties"]


def test_a_route_may_say_that_it_has_no_guard(tmp_path: Path) -> None:
    loaded = load(open_project(guardless_project(tmp_path)), "dev.models")
    assert isinstance(loaded, ModelStack)
    manifest = loaded.manifest
    assert (manifest.guard, manifest.leg, manifest.admin_port) == (None, None, None)
    assert manifest.dump()["guard"] == "none"
    assert "guard_port" not in manifest.dump()


@pytest.mark.parametrize(
    ("guard", "problem"),
    [
        ("false", "guard: must be the guard's settings; write them as key: value lines, or none for no guard"),
        ("nothing", "guard: must be the guard's settings"),
        ("", "guard: is empty; write the guard's settings, {} for its defaults, or none"),
        ("{}", "guard_port: a required key is missing; add it"),
        ("none\n    guard_port: 9040", "guard_port: belongs to a guard, and this route has none; remove it"),
        ("none\n    guard_admin_port: 9041", "guard_admin_port: belongs to a guard"),
        ("none\n    guard_key: {env: KEY}", "guard_key: belongs to a guard"),
    ],
)
def test_the_keys_of_a_guard_stand_with_it_alone(guard: str, problem: str, tmp_path: Path) -> None:
    (line,) = lines(guardless_project(tmp_path, GUARDLESS.replace("guard: none\n", f"guard: {guard}\n")))
    assert f"config.ringwall:model.{problem}" in line


def test_a_schema_knows_the_word_and_no_other() -> None:
    assert json_schema("model")["properties"]["guard"]["anyOf"] == [{"$ref": "#/$defs/ModelGuard"}, {"const": "none"}]
