"""Each client's whole registration against Access, as the planned application of a server configures it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from model.known_clients import KNOWN_CLIENTS
from model.project import load_environment, open_project
from plan.offline import plan_stack
from tests.support.access_registration import AccessRegistration
from tests.support.client_registrations import REGISTRATIONS
from tests.support.projects import write_project
from tests.support.provider_schema import graph_problems

EVERY = {name: range(len(bodies)) for name, bodies in REGISTRATIONS.items()}
#: The lists of a stack file, and the registrations that Access accepts under each, by client and number of the body.
ACCEPTED: dict[str, dict[str, Any]] = {
    # Without the key: whatever returns to the person's own machine.
    "": {"claude-code": (0, 1), "inspector": (0, 1), "gemini-cli": (0,)},
    "[]": {},
    "[claude-code]": {"claude-code": (0, 1), "inspector": (0, 1), "gemini-cli": (0,)},
    "[cursor]": {"cursor": (0, 1), "claude-code": (0,), "inspector": (0,), "gemini-cli": (0,)},
    "[vscode]": {"vscode": (0, 1), "claude-code": (0, 1), "inspector": (0, 1), "gemini-cli": (0,)},
    "[claude]": {"claude": (0, 1)},
    "[chatgpt]": {"chatgpt": (0, 1)},
    "[inspector]": {"claude-code": (0, 1), "inspector": (0, 1), "gemini-cli": (0,)},
    "[gemini-cli]": {"claude-code": (0,), "inspector": (0,), "gemini-cli": (0,)},
    "[claude-code, cursor, vscode, claude, chatgpt, inspector, gemini-cli]": EVERY,
    "[{name: desk, redirect_uris: ['com.example.desk:/oauth/callback', 'https://desk.example.com/oauth/*']}]": {},
}


def registrations(root: Path, clients: str, *, everywhere: bool = False) -> dict[str, AccessRegistration]:
    """The registration of each public name, as the plan of a server with these clients holds it."""
    write_project(root, every_shape=True)
    server, environment = root / "stacks" / "Pulumi.dev.hosted.yaml", root / "stacks" / "Pulumi.dev.yaml"
    if everywhere:
        text = environment.read_text()
        environment.write_text(
            text.replace("    logs:", f"    defaults: {{access: {{clients: {clients}}}}}\n    logs:")
        )
    elif clients:
        text = server.read_text()
        server.write_text(text.replace("      hosted_clients:", f"      clients: {clients}\n      hosted_clients:"))
    project = open_project(root)
    planned: dict[str, AccessRegistration] = {}
    for stack in load_environment(project, "dev").servers.values():
        plan = plan_stack(project, stack)
        assert graph_problems(plan) == []
        for resource in plan.by_type("cloudflare:index/zeroTrustAccessApplication:ZeroTrustAccessApplication"):
            inputs: Any = resource.inputs
            settings = inputs["oauthConfiguration"]["dynamicClientRegistration"]
            planned[inputs["destinations"][0]["uri"]] = AccessRegistration(settings)
    return planned


def accepted(registration: AccessRegistration) -> dict[str, list[int]]:
    statuses = {
        client: [number for number, body in enumerate(bodies) if registration.register(body)[0] == 201]
        for client, bodies in REGISTRATIONS.items()
    }
    return {client: numbers for client, numbers in statuses.items() if numbers}


@pytest.mark.parametrize("clients", ACCEPTED)
def test_whole_registration_of_a_client_is_accepted_exactly_where_the_list_allows_it(
    tmp_path: Path, clients: str
) -> None:
    expected = {client: list(numbers) for client, numbers in ACCEPTED[clients].items()}
    assert accepted(registrations(tmp_path, clients)["hosted.example.com"]) == expected


def test_every_known_client_has_a_registration_in_the_table_and_a_source() -> None:
    assert set(KNOWN_CLIENTS) == set(REGISTRATIONS)
    assert all(client.source for client in KNOWN_CLIENTS.values())


def test_known_client_registers_what_its_real_registration_holds() -> None:
    sent = {name: {uri for body in bodies for uri in body["redirect_uris"]} for name, bodies in REGISTRATIONS.items()}
    exact = {name for name, client in KNOWN_CLIENTS.items() if set(client.registers) <= sent[name]}
    assert exact == set(KNOWN_CLIENTS) - {"chatgpt"}  # whose last segment is another for each connector


def test_list_of_clients_says_nothing_about_a_hosted_clients_own_name(tmp_path: Path) -> None:
    with_list, without = registrations(tmp_path / "a", "[vscode]"), registrations(tmp_path / "b", "")
    assert with_list["hosted-claude.example.com"].settings == without["hosted-claude.example.com"].settings
    assert accepted(with_list["hosted-claude.example.com"]) == {}


def test_own_client_registers_exactly_its_own_uris(tmp_path: Path) -> None:
    own = next(clients for clients in ACCEPTED if "desk" in clients)
    desk = registrations(tmp_path, own)["hosted.example.com"]
    assert (
        desk.register({"redirect_uris": ["com.example.desk:/oauth/callback", "https://desk.example.com/oauth/a"]})[0]
        == 201
    )
    for uri in (
        "com.example.desk:/oauth/callback/more",
        "https://desk.example.com/oauth/../steal",
        "https://desk.example.com/oauth/%2e%2e/steal",
        "https://desk.example.com/",
        "https://desk.example.com:8443/oauth/a",
        "http://desk.example.com/oauth/a",
        "http://localhost:3118/callback",
    ):
        assert desk.register({"redirect_uris": [uri]})[0] == 400, uri


def test_servers_inherit_the_environments_clients_but_those_of_an_external_issuer(tmp_path: Path) -> None:
    planned = registrations(tmp_path, "[cursor]", everywhere=True)
    assert [accepted(planned[name]).get("cursor") for name in ("one.example.com", "hosted.example.com")] == [[0, 1]] * 2
    assert planned["external.example.com"].settings == {
        "enabled": False,
        "allowAnyOnLocalhost": False,
        "allowAnyOnLoopback": False,
        "allowedUris": [],
    }
