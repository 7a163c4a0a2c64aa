"""`agents show` and `agents rotate`: secrets stay where they are, and a rotation changes two lines."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from cli.agents import lines
from model.errors import InputError
from model.loader import parse
from model.project import load_environment, open_project
from model.stacks import EnvironmentStack
from operations.agents import describe, rotated
from tests.support.command_line import ringwall, snapshot
from tests.support.projects import write_project

SECRET = "cfast_" + "s3cr3t" * 8
OUTPUTS = {
    "contract": {"agents": {"ci": "ci-id.access", "nightly": "nightly-id.access"}},
    "agent_expires_at": {"ci": "2027-11-01T00:00:00Z"},
    "agent_credentials": {"ci": {"client_id": "ci-id.access", "client_secret": SECRET}},
}
WHEN = "2026-03-01T12:00:00Z"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return write_project(tmp_path, every_shape=True)


def stack_file(folder: Path) -> Path:
    return folder / "stacks" / "Pulumi.dev.yaml"


def test_an_agent_is_shown_with_its_id_expiry_places_and_servers(environment: EnvironmentStack) -> None:
    assert lines(describe(environment, "ci", OUTPUTS, reveal=False)) == [
        "ci",
        "  client id      ci-id.access",
        "  expires        2027-11-01T00:00:00Z (a token lives 8760h)",
        "  calls from     SE, 192.0.2.0/24",
        "  posture        none",
        "  admitted by    hosted (hosted.example.com), one (one.example.com)",
        "  secret         version 1",
    ]


def test_the_secret_is_in_the_description_only_when_it_is_revealed(environment: EnvironmentStack) -> None:
    assert SECRET not in str(describe(environment, "ci", OUTPUTS, reveal=False))
    assert lines(describe(environment, "ci", OUTPUTS, reveal=True))[-2:] == [
        "  CF-Access-Client-Id: ci-id.access",
        f"  CF-Access-Client-Secret: {SECRET}",
    ]


def test_a_masked_output_is_not_taken_for_a_secret(environment: EnvironmentStack) -> None:
    masked = {**OUTPUTS, "agent_credentials": "[secret]"}
    with pytest.raises(InputError, match="no credentials of ci; run `ringwall up dev`"):
        describe(environment, "ci", masked, reveal=True)


def test_an_agent_that_is_not_deployed_is_shown_from_the_file(environment: EnvironmentStack) -> None:
    shown = lines(describe(environment, "nightly", {}, reveal=False))
    assert "  client id      not deployed" in shown
    assert "  posture        encrypted" in shown


def test_an_agents_certificate_is_shown(environment: EnvironmentStack) -> None:
    agents = environment.settings.agents
    named = {**agents, "ci": agents["ci"].model_copy(update={"common_name": "ci.agents.example.com"})}
    asked = replace(environment, settings=environment.settings.model_copy(update={"agents": named}))
    assert "  certificate    ci.agents.example.com" in lines(describe(asked, "ci", {}, reveal=False))


def test_a_secret_is_not_written_to_a_pipe_without_yes(folder: Path) -> None:
    done = ringwall("agents", "show", "dev", "ci", "--reveal", "--project", folder)
    assert (done.code, done.out) == (2, "")
    assert done.errors == ["--reveal: client secrets would go to a file or a pipe; run it on a terminal, or add --yes"]


@pytest.mark.parametrize("arguments", [["show", "dev", "nobody"], ["rotate", "dev", "nobody"]])
def test_an_unknown_agent_is_wrong_input(folder: Path, arguments: list[str]) -> None:
    done = ringwall("agents", *arguments, "--project", folder)
    assert done.code == 2
    assert done.errors == [f"{stack_file(folder)}: agents: there is no agent nobody; correct it (known: ci, nightly)"]


def test_a_rotation_adds_two_lines_and_changes_no_other_byte(folder: Path) -> None:
    before = snapshot(folder)
    earliest = datetime.now(UTC).replace(microsecond=0) + timedelta(hours=2)
    done = ringwall("agents", "rotate", "dev", "ci", "--grace", "2h", "--project", folder, "--json")
    assert done.code == 0
    expires = done.json["previous_secret_expires_at"]
    assert earliest <= datetime.fromisoformat(expires) <= datetime.now(UTC) + timedelta(hours=2)
    after = snapshot(folder)
    (changed,) = [name for name in after if after[name] != before[name]]
    assert changed == "stacks/Pulumi.dev.yaml"
    assert after.keys() == before.keys()
    added = f'      ci:\n        secret_version: 2\n        previous_secret_expires_at: "{expires}"\n'
    assert after[changed].decode() == before[changed].decode().replace("      ci:\n", added)
    agent = load_environment(open_project(folder), "dev").settings.agents["ci"]
    assert (agent.secret_version, agent.previous_secret_expires_at) == (2, expires)


def test_a_rotation_says_to_run_up(folder: Path) -> None:
    done = ringwall("agents", "rotate", "dev", "ci", "--project", folder)
    assert "gets secret version 2; the present one stops working at " in done.out
    assert f"run `ringwall up dev --project {folder}`" in done.out


def test_a_second_rotation_within_the_grace_asks_first(folder: Path) -> None:
    assert ringwall("agents", "rotate", "dev", "ci", "--project", folder).code == 0
    written = stack_file(folder).read_bytes()
    done = ringwall("agents", "rotate", "dev", "ci", "--project", folder)
    assert done.code == 2
    assert "nobody can be asked here" in done.errors[0]
    assert stack_file(folder).read_bytes() == written
    assert ringwall("agents", "rotate", "dev", "ci", "--project", folder, "--yes", "--grace", "1h").code == 0
    text = stack_file(folder).read_text()
    assert text.count("secret_version: 3") == text.count("secret_version:") == 1
    assert text.count("previous_secret_expires_at:") == 1


@pytest.mark.parametrize("grace", ["0h", "tomorrow", ""])
def test_a_bad_grace_is_wrong_input_and_writes_nothing(folder: Path, grace: str) -> None:
    before = snapshot(folder)
    done = ringwall("agents", "rotate", "dev", "ci", "--grace", grace, "--project", folder)
    assert done.code == 2
    assert "--grace" in done.errors[0]
    assert snapshot(folder) == before


HEAD = "config:\n  ringwall:environment:\n    agents:\n"
SHAPES = {
    "flow": (
        HEAD + "      ci: {countries: [SE]}  # c\n",
        'ci: {secret_version: 2, previous_secret_expires_at: "W", cou',
    ),
    "whole mapping in flow": (
        "config: {ringwall:environment: {agents: {ci: {countries: [SE]}}}}\n",
        'ci: {secret_version: 2, previous_secret_expires_at: "W", cou',
    ),
    "comment before the first key": (
        HEAD + "      ci:\n        # from the office\n        countries: [SE]\n",
        '        # from the office\n        secret_version: 2\n        previous_secret_expires_at: "W"\n        countries',
    ),
    "quoted name": (
        HEAD + '      "ci":\n          countries: [SE]\n',
        "          secret_version: 2\n          previous",
    ),
    "Windows line ends": (
        HEAD.replace("\n", "\r\n") + "      ci:\r\n        countries: [SE]\r\n",
        '\r\n        secret_version: 2\r\n        previous_secret_expires_at: "W"\r\n        countries: [SE]\r\n',
    ),
    "both there": (
        HEAD + "      ci:\n        secret_version: 1  # one\n        previous_secret_expires_at: null\n",
        '        secret_version: 2  # one\n        previous_secret_expires_at: "W"\n',
    ),
    "another agent beside it": (
        HEAD + "      aa:\n        countries: [NO]\n      ci:\n        countries: [SE]\n",
        "        countries: [NO]\n      ci:\n        secret_version: 2\n",
    ),
}


@pytest.mark.parametrize("shape", SHAPES)
def test_a_rotation_keeps_the_style_of_the_file(shape: str) -> None:
    text, expected = SHAPES[shape]
    after = rotated(text, "ci", 2, WHEN)
    assert expected.replace("W", WHEN) in after
    now = agents(after)
    assert now["ci"].pop("secret_version") == 2
    assert now["ci"].pop("previous_secret_expires_at") == WHEN
    was = agents(text)
    was["ci"] = {key: value for key, value in was["ci"].items() if key == "countries"}
    assert now == was


def agents(text: str) -> Any:
    value: Any = parse(text, Path("text")).value
    return value["config"]["ringwall:environment"]["agents"]
