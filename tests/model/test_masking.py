"""One rule says what is a secret's name; whoever shows or refuses a value goes by it."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pulumi.automation.events import StepEventMetadata

from guard.engines.embedded import may_be_secret
from model.clear_secrets import find_clear_secrets
from model.loader import parse
from model.masking import _says_secret, is_secret_name, is_secret_path, masked, secret_shape
from operations.scan.process import short
from plan.diff.resources import compare_resources
from plan.drift import shown
from plan.engine_steps import step_differences
from plan.graph import Graph, Resource
from plan.rules.secrets import secret_in_clear
from plan.rules.subject import Subject

SECRETS = (
    "x-api-key", "api-key", "api_key", "apiKey", "apikey", "access_token", "accessToken", "token", "log-token", "credential",
    "agent_credentials", "cookie", "Set-Cookie", "passphrase", "DB_PASSPHRASE", "password", "passwd", "client_secret",
    "clientSecret", "tunnelSecret", "secret_value", "Authorization", "Proxy-Authorization", "private_key", "privateKey",
    "secret_access_key", "encryption_key", "clientsecret", "secretkey", "secretaccesskey", "secrets", "secretArn",
)  # fmt: skip
OPEN = (
    "token_duration", "access_token_lifetime", "token_endpoint", "tokenId", "serviceTokenIds", "secret_name", "cookie_names",
    "sameSiteCookieAttribute", "authorization_servers", "aws_access_key_id", "password_file", "key_names", "public_key",
    "clientSecretVersion", "additional_secret_outputs", "keys_path", "monkey", "tokenizer", "jwks",
    "secretary", "UnderSecretaryGeneral", "secretariat", "secretions", "secretive",
)  # fmt: skip
VALUE = "kT9vQ2xLm4"


def graph(inputs: dict[str, Any]) -> Graph:
    urn = "urn:pulumi:dev.one::p::kong:index/plugin:Plugin::log"
    return Graph.build("p", "dev.one", [Resource(urn, "kong:index/plugin:Plugin", "log", True, inputs)])


def by_check(name: str) -> bool:
    document = parse(json.dumps({"config": {"m": {name: VALUE}}}), Path("f.yaml"))
    return find_clear_secrets(document, ("config", "m")) != []


def by_rule(name: str) -> bool:
    return list(secret_in_clear.check(Subject(graph({name: VALUE})))) != []


def by_diff(name: str) -> bool:
    return VALUE not in str(compare_resources(graph({}), graph({"configJson": json.dumps({name: VALUE})})))


def by_drift(name: str) -> bool:
    return VALUE not in shown(VALUE, f"config.{name}")


def by_drift_inside(name: str) -> bool:
    return VALUE not in shown({name: VALUE}, "config")


def by_events(name: str) -> bool:
    sides = [{"type": "kong:index/plugin:Plugin", "inputs": {name: value}, "outputs": {}} for value in (VALUE, "none")]
    urn = "urn:pulumi:dev.one::p::kong:index/plugin:Plugin::log"
    event = {"op": "update", "urn": urn, "type": "kong:index/plugin:Plugin", "old": sides[0], "new": sides[1]}
    changes = step_differences(StepEventMetadata.from_json({**event, "provider": ""}))
    assert changes
    return VALUE not in str(changes)


def by_scan(name: str) -> bool:
    return VALUE not in short(["server", f"--{name}={VALUE}"])


USERS = (by_check, by_rule, by_diff, by_drift, by_drift_inside, by_events, by_scan)


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("name", SECRETS)
def test_a_secrets_name_is_one_to_everybody(user: Callable[[str], bool], name: str) -> None:
    assert is_secret_name(name)
    assert user(name)


@pytest.mark.parametrize("user", USERS)
@pytest.mark.parametrize("name", OPEN)
def test_a_name_that_tells_about_a_secret_is_none_to_everybody(user: Callable[[str], bool], name: str) -> None:
    assert not is_secret_name(name)
    assert not user(name)


@pytest.mark.parametrize("name", SECRETS)
def test_the_embedded_engine_reads_what_stands_at_a_secrets_name(name: str) -> None:
    assert may_be_secret(name)


@pytest.mark.parametrize("value", [60, 0.5, True, None, "", "{vault://env/NAME}", "${tunnel.id}"])
def test_numbers_switches_and_references_are_shown_at_a_secrets_name(value: Any) -> None:
    assert masked({"client_secret": value, "in": [value]}, "credentials") == {"client_secret": value, "in": [value]}


@pytest.mark.parametrize("value", ["{vault://env/NAME}x", "x${tunnel.id}", "123456", "30s"])
def test_a_text_that_only_begins_as_a_reference_or_reads_as_a_number_is_masked(value: str) -> None:
    assert masked({"client_secret": value}) == {"client_secret": "[secret]"}


def test_a_mapping_at_a_secrets_name_is_secret_but_for_what_tells_about_it() -> None:
    value = {"credential": {"user": "u", "value": ["v"], "id": "i", "expires_at": "2027-01-01", "deep": {"x": "y"}}}
    hidden = {
        "user": "[secret]",
        "value": ["[secret]"],
        "id": "i",
        "expires_at": "2027-01-01",
        "deep": {"x": "[secret]"},
    }
    assert masked(value) == {"credential": hidden}
    assert is_secret_path(("credential", "user"))
    assert not is_secret_path(("credential", "id"))


def test_an_allowed_service_token_is_shown_to_the_reviewer_of_a_policy() -> None:
    includes = [{"serviceToken": {"tokenId": "f3a1"}}, {"anyValidServiceToken": {}}]
    assert masked({"includes": includes}) == {"includes": includes}


def test_a_pair_in_one_text_keeps_its_name_and_a_json_text_is_opened() -> None:
    assert masked(["X-Api-Key: hunter2", "X-Team: a"], "headers") == ["X-Api-Key: [secret]", "X-Team: a"]
    assert masked('{"redis": {"password": "hunter2", "port": 6379}}') == {
        "redis": {"password": "[secret]", "port": 6379}
    }


def test_a_secret_by_its_form_is_masked_at_any_name() -> None:
    assert masked({"note": "Bearer abcdefghijklmnopqrst"}) == {"note": "[secret]"}


def test_a_secret_in_a_text_of_several_lines_is_no_word_of_a_difference() -> None:
    before, after = ("line\nAuthorization: Basic " + value * 4 for value in ("aaaa1111", "bbbb2222"))
    (resource,) = compare_resources(graph({"configJson": before}), graph({"configJson": after}))
    assert [(key.before, key.after) for key in resource.keys] == [("[secret]", "[secret] (changed)")]


@pytest.mark.parametrize(
    "challenge",
    [
        'Bearer resource_metadata="https://a.example.com/.well-known/oauth-protected-resource/mcp"',
        "Bearer error=\\034insufficient_scope\\034, resource_metadata=\\034https://a.example.com/\\034",
        'Basic realm="a-realm-of-some-length"',
    ],
)
def test_a_challenge_holds_no_credential(challenge: str) -> None:
    """As the gateway's script of mode external has it, which without scopes was taken for a secret."""
    assert masked({"access": challenge}) == {"access": challenge}


@pytest.mark.parametrize("sentinel", ["4dabf18193072939515e22adb298388d", "1b47061264138c4ac30d75fd1eb44270"])
def test_the_engines_signs_stand_in_one_module(sentinel: str) -> None:
    """The sandbox has its own: a stand-in is written from its source, not from what it stands for."""
    root = Path(__file__).parents[2]
    floors = ("model", "wire", "components", "plan", "guard", "engine", "package", "policy_pack", "operations", "cli")
    files = [file for floor in floors for file in (root / floor).rglob("*.py")]
    assert [file.name for file in files if sentinel in file.read_text(encoding="utf-8")] == ["sentinels.py"]


def test_a_challenge_is_no_credential_and_a_credential_after_its_words_is_one() -> None:
    assert secret_shape('Bearer resource_metadata="https://tickets.example.com/.well-known"') is None
    assert secret_shape('{"access":"Bearer resource_metadata=\\"https://tickets.example.com\\""}') is None
    assert secret_shape("'Bearer resource_metadata=\\\\034https://tickets.example.com\\\\034'") is None
    assert secret_shape("Bearer resource_metadata=abcdefghijklmnop") == "a bearer credential"
    assert secret_shape('Bearer abcdefghijklmnop="') == "a bearer credential"


def test_a_long_name_is_judged_and_not_kept() -> None:
    kept = _says_secret.cache_info().currsize
    assert is_secret_name("x" * 100_000 + "_password")
    assert not is_secret_name("x" * 100_000)
    assert _says_secret.cache_info().currsize == kept
