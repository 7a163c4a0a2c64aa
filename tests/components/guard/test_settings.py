from __future__ import annotations

import json
from pathlib import Path

from components.guard.settings import build_guard_config, render
from model.base import SecretRef
from model.canonical import digest
from model.guard_config import GuardConfig
from model.project import load_environment, open_project
from model.stacks import EnvironmentStack
from tests.support.projects import server_text, write_project, write_server

AGENTS = {"ci": "0123.access", "nightly": "4567.access"}


def built(environment: EnvironmentStack, name: str) -> GuardConfig:
    server = environment.servers[name]
    audiences = {hostname: f"aud-of-{hostname}" for hostname in server.manifest.hostnames}
    return build_guard_config(server, audiences, AGENTS)


def test_every_front_door_has_its_own_audience(environment: EnvironmentStack) -> None:
    access = built(environment, "hosted").identity.access
    assert access is not None
    assert [(d.hostname, d.audience, d.hosted_client) for d in access.front_doors] == [
        ("hosted.example.com", "aud-of-hosted.example.com", None),
        ("hosted-claude.example.com", "aud-of-hosted-claude.example.com", "claude-ai"),
    ]


def test_a_pattern_in_a_read_only_grant_gives_reading_tools_only(environment: EnvironmentStack) -> None:
    (grant,) = built(environment, "hosted").grants
    assert grant.tools == ("get_ticket", "list_tickets")


def test_a_grant_that_is_not_read_only_gives_what_it_names_and_no_more(environment: EnvironmentStack) -> None:
    everyone, ci = built(environment, "one").grants
    assert everyone.tools == ("get_ticket", "list_tickets")
    assert ci.tools == ("create_ticket",)
    assert (ci.to.agents, ci.to.all) == (("ci",), None)


def test_an_agent_is_known_by_its_service_token(environment: EnvironmentStack) -> None:
    assert built(environment, "hosted").identity.agents == {"0123.access": "ci", "4567.access": "nightly"}
    assert built(environment, "one").identity.agents == {"0123.access": "ci"}


def test_the_external_issuer_is_the_one_the_stack_file_names(environment: EnvironmentStack) -> None:
    external = built(environment, "external").identity.external
    assert external is not None
    assert (external.issuer, external.audience, external.scopes) == (
        "https://login.example.org/realms/tools",
        "https://external.example.com/mcp",
        ("tickets.read",),
    )
    assert built(environment, "one").identity.external is None


def test_the_guard_listens_on_loopback(environment: EnvironmentStack) -> None:
    assert {built(environment, name).listen.address for name in environment.servers} == {"127.0.0.1"}


def test_readiness_and_metrics_are_always_served_at_the_guards_port_plus_1000_unless_another_is_named(
    tmp_path: Path,
) -> None:
    root = write_project(tmp_path, servers=2)
    write_server(root, "dev.two", server_text("two", 1).replace("9011", "9011\n    guard_admin_port: 9999"))
    environment = load_environment(open_project(root), "dev")
    assert [built(environment, name).admin_port for name in ("one", "two")] == [10010, 9999]


def test_shared_counters_reach_the_guard(tmp_path: Path) -> None:
    root = write_project(tmp_path)
    redis = "    guard:\n      redis: {url: 'redis://127.0.0.1:6379/3', password: {env: REDIS_PASSWORD}}\n"
    write_server(root, "dev.one", server_text("one") + redis)
    config = built(load_environment(open_project(root), "dev"), "one")
    assert config.redis is not None
    assert (config.redis.url, config.redis.password) == ("redis://127.0.0.1:6379/3", SecretRef(env="REDIS_PASSWORD"))


def test_the_configuration_holds_the_whole_lock_and_its_digest(environment: EnvironmentStack) -> None:
    config = built(environment, "one")
    assert config.tool_lock == environment.servers["one"].lock
    assert config.tool_lock_sha256 == digest(environment.servers["one"].lock.dump())


def test_the_engine_key_is_a_reference(environment: EnvironmentStack) -> None:
    text = json.loads(render(built(environment, "hosted")))
    assert text["guard"]["engines"]["lakera"]["api_key"] == {"env": "LAKERA_API_KEY", "file": None}


def test_the_rendered_configuration_reads_back_equal(environment: EnvironmentStack) -> None:
    for name in environment.servers:
        config = built(environment, name)
        assert GuardConfig.model_validate(json.loads(render(config))) == config
        assert render(config) == render(built(environment, name))
