from __future__ import annotations

import json

from components.guard_settings import build_guard_config, render
from model.guard_config import GuardConfig
from model.project import EnvironmentStack
from model.tool_lock import digest

AGENTS = {"ci": "0123.access", "nightly": "4567.access"}


def built(environment: EnvironmentStack, name: str) -> GuardConfig:
    server = environment.servers[name]
    audiences = {hostname: f"aud-of-{hostname}" for hostname in server.manifest.hostnames}
    return build_guard_config(environment.settings, server, audiences, AGENTS)


def test_every_front_door_has_its_own_audience(environment: EnvironmentStack) -> None:
    doors = built(environment, "hosted").identity.access.front_doors
    assert [(d.hostname, d.audience, d.hosted_client) for d in doors] == [
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
