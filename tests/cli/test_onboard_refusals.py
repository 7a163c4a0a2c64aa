"""What `onboard` refuses, by one line, before anything is written."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.command_line import PEOPLE, flags, ringwall, snapshot


def test_without_consent_nothing_is_written(root: Path, desk: str) -> None:
    before = snapshot(root)
    result = ringwall("onboard", "tickets", "--env", "dev", "--url", desk, *PEOPLE, "--project", root)
    assert result.code == 2
    assert result.errors[-1].endswith("add --yes to agree")
    assert snapshot(root) == before


def test_a_secret_on_the_command_line_is_refused_without_repeating_it(root: Path, shelf: Callable[..., str]) -> None:
    before = snapshot(root)
    secret = "ghp_" + "a1B2" * 9
    command = f"{shelf(list_books='List books.')} --token {secret}"
    result = ringwall("onboard", "shelf", "--env", "dev", "--command", command, *PEOPLE, "--yes", "--project", root)
    assert (result.code, len(result.errors)) == (2, 1)
    assert "looks like a GitHub token in clear" in result.errors[0]
    assert secret not in result.out + result.err
    assert snapshot(root) == before


def test_a_server_bound_beyond_loopback_is_refused_before_it_is_asked_anything(root: Path, exposed_desk: str) -> None:
    before = snapshot(root)
    result = ringwall("onboard", "tickets", "--env", "dev", "--url", exposed_desk, *PEOPLE, "--yes", "--project", root)
    assert (result.code, len(result.errors)) == (2, 1)
    assert re.search(r"bound beyond loopback, on 0\.0\.0\.0 port \d+ by \S+ \(pid \d+\)", result.errors[0])
    assert "; bind it to 127.0.0.1" in result.errors[0]
    assert "asking the server" not in result.err
    assert snapshot(root) == before


def test_an_exposed_server_can_be_onboarded_only_with_a_loud_warning(root: Path, exposed_desk: str) -> None:
    result = ringwall(
        "onboard", "tickets", "--env", "dev", "--url", exposed_desk, *PEOPLE, "--yes", "--allow-exposed", "--json",
        "--project", root,
    )  # fmt: skip
    assert result.code == 0
    assert "WARNING: " in result.err
    assert result.json["socket"]["state"] == "exposed"
    assert "0.0.0.0" in result.json["warnings"][0]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--url", "http://192.0.2.7:3000/mcp", *PEOPLE), "--url: 192.0.2.7 is not loopback"),
        (("--url", "http://127.0.0.1/mcp", *PEOPLE), "--url: must name its port"),
        (
            ("--url", "http://127.0.0.1:9/mcp", "--command", "x", *PEOPLE),
            "--command: --url and --command exclude each other",
        ),
        (("--command", "'open", *PEOPLE), "--command: is not a command line"),
        (("--socket", "/nowhere/mcp.sock", *PEOPLE), "/nowhere/mcp.sock: is no Unix socket"),
        (("--path", "/x", *PEOPLE), "--path: belongs to --socket"),
        (PEOPLE, "--url: is missing"),
        (("--url", "http://127.0.0.1:9/mcp"), "--people: nobody would be admitted"),
    ],
)
def test_a_bad_flag_is_one_line_and_writes_nothing(root: Path, arguments: tuple[str, ...], message: str) -> None:
    before = snapshot(root)
    result = ringwall("onboard", "tickets", "--env", "dev", *arguments, "--yes", "--project", root)
    assert (result.code, len(result.errors)) == (2, 1)
    assert result.errors[0].startswith(message)
    assert "; " in result.errors[0]
    assert snapshot(root) == before


@pytest.mark.parametrize(
    ("arguments", "key"),
    [
        (("--agent", "nobody"), "config.ringwall:server.access.agents: nobody is not in the environment's agents"),
        (("--host", "elsewhere"), "config.ringwall:server.host: elsewhere is not in the environment's hosts"),
        (
            ("--hostname", "tickets.example.org"),
            "config.ringwall:server.hostname: tickets.example.org is outside the zone",
        ),
        (("--guard-port", "8000"), "config.ringwall:server.guard_port: port 8000 on host dev-1 belongs to the gateway"),
    ],
)
def test_what_its_environment_would_refuse_is_refused_before_writing(
    root: Path, desk: str, arguments: tuple[str, ...], key: str
) -> None:
    before = snapshot(root)
    result = ringwall(
        "onboard", "tickets", "--env", "dev", "--url", desk, *PEOPLE, *arguments, "--yes", "--project", root
    )
    assert (result.code, len(result.errors)) == (2, 1)
    place, _, problem = result.errors[0].partition(": ")
    assert re.fullmatch(re.escape(f"{root}/stacks/Pulumi.dev.tickets.yaml:") + r"\d+", place)
    assert problem.startswith(key)
    assert "; " in problem
    assert snapshot(root) == before


def test_an_unknown_environment_is_named_with_its_remedy(root: Path) -> None:
    result = ringwall(
        "onboard", "tickets", "--env", "qa", "--url", "http://127.0.0.1:9/mcp", *PEOPLE, "--project", root
    )
    assert result.code == 2
    assert result.errors == ["there is no stack qa; correct it (known: dev)"]


def test_a_bad_server_name_is_refused(root: Path) -> None:
    result = ringwall(
        "onboard", "Tickets.x", "--env", "dev", "--url", "http://127.0.0.1:9/mcp", *PEOPLE, "--project", root
    )
    assert result.errors == ["SERVER: Tickets.x is no server name; use lower-case letters, digits and -"]
    assert result.code == 2


def test_a_server_that_is_not_there_is_exit_6(root: Path, shelf: Callable[..., str]) -> None:
    before = snapshot(root)
    result = ringwall(
        "onboard", "shelf", "--env", "dev", "--command", "/nowhere/server", *PEOPLE, "--yes", "--project", root
    )
    assert (result.code, len(result.errors)) == (6, 1)
    assert snapshot(root) == before


def test_another_origin_than_the_files_is_refused(root: Path, desk: str) -> None:
    ringwall("onboard", "tickets", "--env", "dev", "--url", desk, *PEOPLE, "--yes", "--project", root)
    result = ringwall("onboard", "tickets", "--env", "dev", "--url", "http://127.0.0.1:9/mcp", "--project", root)
    assert result.code == 2
    assert "config.ringwall:server.origin" in result.errors[0]


def test_several_hosts_need_a_choice(tmp_path: Path, desk: str) -> None:
    ringwall("init", "dev", "--project", tmp_path, *flags(), "--host", "dev-2")
    result = ringwall("onboard", "tickets", "--env", "dev", "--url", desk, *PEOPLE, "--yes", "--project", tmp_path)
    assert result.errors == ["--host: is missing; name one of dev-1, dev-2"]


def test_a_conflict_blames_the_newcomer_by_its_flag(root: Path, desk: str) -> None:
    first = ringwall("onboard", "tickets", "--env", "dev", "--url", desk, *PEOPLE, "--yes", "--project", root)
    assert first.code == 0, first.err
    before = snapshot(root)
    port = desk.rpartition(":")[2].partition("/")[0]
    again = ringwall(
        *(
            "onboard",
            "desk",
            "--env",
            "dev",
            "--url",
            desk,
            *PEOPLE,
            "--guard-port",
            "9010",
            "--yes",
            "--project",
            root,
        ),
        *("--hostname", "dev-tickets.example.com"),
    )
    assert again.code == 2
    assert again.errors == [
        "--hostname: dev-tickets.example.com is dev.tickets's host name; choose another",
        "--guard-port: port 9010 on host dev-1 is dev.tickets's; leave the option out (free: 9011)",
        f"--url: port {port} on host dev-1 is dev.tickets's server already; to see what that server changed run "
        f"`ringwall lock diff dev.tickets --project {root}`; another server has a port of its own",
    ]
    assert snapshot(root) == before
