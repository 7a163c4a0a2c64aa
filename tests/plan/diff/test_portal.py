"""What a change of an environment's portal means to a reviewer, also where a server's own files make it."""

from __future__ import annotations

from pathlib import Path

import pytest

from plan.diff.model import Direction
from tests.plan.diff.conftest import Differ
from tests.support.portals import PORTAL, add_portal

DEV, ONE = "Pulumi.dev.yaml", "Pulumi.dev.one.yaml"


def changes(differ: Differ, *edits: tuple[str, str, str]) -> list[tuple[str, Direction, str]]:
    report = differ(*edits)
    assert report.errors == ()
    return [
        (change.id, change.direction, change.title)
        for diff in report.stacks
        if diff.stack == "dev"
        for change in diff.changes
        if change.id.startswith(("portal", "access", "client")) or change.direction is Direction.LOOSENS
    ]


def test_a_new_portal_says_who_gains_what(differ: Differ) -> None:
    found = changes(differ, (DEV, "    logs:\n", f"{PORTAL}    logs:\n"))
    people = "agent ci, everyone at example.com, group Engineering of okta"
    assert ("access-opened", Direction.LOOSENS, f"opens mcp.example.com through the portal to {people}") in found
    assert ("portal-server-gained", Direction.LOOSENS, "the portal offers one: get_ticket, list_tickets") in found
    assert ("portal-caller", Direction.LOOSENS, "the portal calls hosted as agent nightly, whoever uses it") in found


@pytest.fixture
def portal(base: Path) -> None:
    add_portal(base)


@pytest.mark.usefixtures("portal")
@pytest.mark.parametrize(
    ("edit", "expected"),
    [
        ((DEV, PORTAL, ""), ("access-closed", Direction.TIGHTENS, "closes mcp.example.com through the portal")),
        (
            (DEV, "people: {groups: [engineers]}", "people: {groups: [engineers], emails: [eve@example.org]}"),
            ("access-gained", Direction.LOOSENS, "person eve@example.org may now reach the server through the portal"),
        ),
        (
            (DEV, "      agents: [ci]\n", "      agents: [ci, nightly]\n"),
            ("access-gained", Direction.LOOSENS, "agent nightly may now reach the server through the portal"),
        ),
        (
            (DEV, "servers: [one, hosted]", "servers: [hosted]"),
            ("portal-server-lost", Direction.TIGHTENS, "the portal no longer offers one"),
        ),
        (
            (DEV, "shared: {hosted: nightly}", "shared: {hosted: nightly, one: ci}"),
            ("portal-caller", Direction.LOOSENS, "the portal calls one as agent ci, whoever uses it"),
        ),
        (
            (DEV, "      agents: [ci]\n", "      agents: [ci]\n      code_mode: opt_in\n"),
            ("portal-code-mode", Direction.LOOSENS, "code that clients may run in the portal: off → opt_in"),
        ),
        (
            (DEV, "      agents: [ci]\n", "      agents: [ci]\n      session: 9h\n"),
            ("portal-session", Direction.LOOSENS, "how long a sign-in to the portal lasts: 8h → 9h"),
        ),
        (
            (ONE, "tools: [list_tickets, get_ticket]", "tools: [list_tickets]"),
            ("portal-tools-lost", Direction.TIGHTENS, "the portal offers less of one: get_ticket is off"),
        ),
        (
            (ONE, "        tools: [list_tickets, get_ticket]\n", "        tools: ['*']\n        read_only: false\n"),
            (
                "portal-tools-gained",
                Direction.LOOSENS,
                "the portal offers more of one: create_ticket, run_report_command",
            ),
        ),
    ],
)
def test_a_change_is_named_once_in_its_direction(
    differ: Differ, edit: tuple[str, str, str], expected: tuple[str, Direction, str]
) -> None:
    assert changes(differ, edit).count(expected) == 1


def test_writing_a_limit_down_as_it_is_changes_nothing(differ: Differ) -> None:
    report = differ((DEV, "    logs:\n", "    quotas: {mcp_portals: 20, portal_servers: 10}\n    logs:\n"))
    assert [change.id for diff in report.stacks for change in diff.changes] == []
