"""The portal of an environment's file: what it may name, and what is said where it may not."""

from __future__ import annotations

from pathlib import Path

import pytest

from model.errors import InputErrors
from model.portal_checks import portal_server_id
from model.project import load_environment, open_project
from model.stacks import EnvironmentStack
from tests.support.model_routes import FILE as ROUTE_FILE
from tests.support.model_routes import ROUTE
from tests.support.portals import PORTAL, add_portal
from tests.support.projects import write_project


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return write_project(tmp_path, every_shape=True)


def loaded(root: Path, *edits: tuple[str, str]) -> EnvironmentStack:
    add_portal(root, PORTAL, *edits)
    return load_environment(open_project(root), "dev")


def test_a_portal_offers_the_servers_it_names(root: Path) -> None:
    environment = loaded(root)
    portal = environment.settings.portal
    assert portal is not None
    assert portal.published(environment.servers) == ["hosted", "one"]
    assert portal.callback_for("one") == "https://mcp.example.com/servers-callback"
    assert portal.callback_for("hosted") is None, "a server that is called as an agent takes no sign-in"
    assert portal.callback_for("external") is None


def test_all_means_every_server_and_no_model_route(root: Path) -> None:
    # Its people sign in at an issuer of its own, so the portal calls it as an agent.
    file = root / "stacks" / "Pulumi.dev.external.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("    access:\n", "    access:\n      agents: [ci]\n", 1), encoding="utf-8")
    (root / ROUTE_FILE).write_text(ROUTE, encoding="utf-8")
    environment = loaded(root, ("[one, hosted]", "all"), ("{hosted: nightly}", "{hosted: nightly, external: ci}"))
    portal = environment.settings.portal
    assert portal is not None
    assert environment.models
    assert portal.published(environment.servers) == ["external", "hosted", "one"]


def test_a_server_with_another_address_or_caller_has_another_id(root: Path) -> None:
    environment = loaded(root)
    one = environment.servers["one"]
    changed = type(one)(
        environment, "one", one.document, one.manifest.model_copy(update={"path": "/v2"}), one.lock_file, one.lock
    )
    ids = {portal_server_id(one, environment.settings), portal_server_id(changed, environment.settings)}
    assert len(ids) == 2
    assert all(id_.startswith("dev-one-") and len(id_) == len("dev-one-") + 4 and "_" not in id_ for id_ in ids)


def test_an_environment_without_a_portal_keeps_its_digest(root: Path) -> None:
    settings = load_environment(open_project(root), "dev").settings.dump()
    assert "portal" not in settings
    assert sorted(settings["quotas"]) == [
        "access_applications", "access_groups", "access_policies", "service_tokens", "tunnels",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("edits", "key", "text", "remedy"),
    [
        (
            [("mcp.example.com", "mcp.example.org")],
            "portal.hostname",
            "outside the zone example.com",
            "ends in .example",
        ),
        ([("mcp.example.com", "one.example.com")], "portal.hostname", "is dev.one's host name", "choose another"),
        ([("[one, hosted]", "[onee, hosted]")], "portal.servers.0", "onee is no server", "did you mean one?"),
        ([("[one, hosted]", "al")], "portal.servers", "is not a value it can have", "write all"),
        ([("[one, hosted]", "[one]")], "portal.shared.hosted", "hosted is not in servers", "add it there"),
        ([("hosted: nightly", "hosted: nobody")], "portal.shared.hosted", "nobody is not in agents", "known: ci"),
        (
            [("shared: {hosted", "shared: {one")],
            "portal.shared.one",
            "dev.one does not admit the agent",
            "access.agents",
        ),
        ([("      shared: {hosted: nightly}\n", "")], "portal.agents", "an agent has no sign-in", "remove agents"),
        ([("[ci]", "[robot]")], "portal.agents", "robot is not in agents", "add it to agents"),
        (
            [("[engineers]", "[engineer]")],
            "portal.people.groups",
            "engineer is not in groups",
            "did you mean engineers?",
        ),
        ([("agents: [ci]", "posture: [locked]")], "portal.posture", "locked is not in posture", "add it to posture"),
        ([("agents: [ci]", "code_mode: off")], "portal.code_mode", "is off where it is not written", "remove it"),
        (
            [("      people: {groups: [engineers]}\n", ""), ("      agents: [ci]\n", "")],
            "portal",
            "admits nobody",
            "give people or agents",
        ),
        ([("[one, hosted]", "[hosted, external]")], "portal.servers", "an issuer of its own", "portal.shared"),
    ],
)
def test_a_mistake_is_one_line_with_its_key(
    root: Path, edits: list[tuple[str, str]], key: str, text: str, remedy: str
) -> None:
    with pytest.raises(InputErrors) as raised:
        loaded(root, *edits)
    (problem,) = raised.value.problems
    line = str(problem)
    assert f"ringwall:environment.{key}: " in line
    assert text in line
    assert remedy in line


def test_more_servers_than_a_portal_holds_are_refused(root: Path) -> None:
    with pytest.raises(InputErrors, match=r"portal.servers: offers 2 servers, and a portal holds 1; name fewer"):
        loaded(root, ("agents: [ci]\n", "agents: [ci]\n    quotas: {portal_servers: 1}\n"))


def test_a_server_that_nobody_in_the_portal_could_use_is_refused(root: Path) -> None:
    file = root / "stacks" / "Pulumi.dev.one.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("      people:\n        groups: [engineers]\n", ""), encoding="utf-8")
    edits = [("[one, hosted]", "[one]"), ("hosted: nightly", "one: ci"), ("      agents: [ci]\n", "")]
    with pytest.raises(InputErrors, match=r"portal.shared.one: nobody could use dev.one through the portal"):
        loaded(root, *edits)
