"""`ringwall who` names everybody who may use a tool, by which grant, and everybody who is admitted and may not."""

from __future__ import annotations

from model.project import Project
from tests.support.command_line import ringwall
from tests.support.portals import add_portal


def states(project: Project, tool: str, stack: str = "dev.one") -> dict[str, str]:
    done = ringwall("who", stack, tool, "--json", "--project", project.root)
    assert done.code == 0, done.err
    return {row["name"]: row["state"] for row in done.json["callers"]}


def test_a_grant_to_all_gives_everybody_whom_the_edge_admits(project: Project) -> None:
    assert states(project, "list_tickets") == {
        "everyone at example.com": "may",
        "group Engineering of okta": "may",
        "agent ci": "may",
    }


def test_who_is_admitted_and_has_no_grant_is_named(project: Project) -> None:
    assert states(project, "create_ticket") == {
        "everyone at example.com": "not_granted",
        "group Engineering of okta": "not_granted",
        "agent ci": "may",
    }
    done = ringwall("who", "dev.one", "create_ticket", "--project", project.root)
    assert done.out == (
        "dev.one: tool create_ticket (risk: write)\n"
        "\n"
        "may:\n"
        "  agent ci\n"
        "      grant 2, to agents: ci: Pulumi.dev.one.yaml:18\n"
        "      if: must come from SE (Pulumi.dev.yaml:35)\n"
        "      if: must come from 192.0.2.0/24 (Pulumi.dev.yaml:36)\n"
        "\n"
        "may not, though the edge admits them:\n"
        "  everyone at example.com\n"
        "  group Engineering of okta\n"
    )


def test_a_grant_to_somebody_whom_the_edge_does_not_admit_is_named(project: Project) -> None:
    file = project.stack_file("dev.one")
    file.write_text(file.read_text().replace("{agents: [ci]}", "{emails: [eve@example.org]}"))
    assert states(project, "create_ticket")["eve@example.org"] == "not_admitted"


def test_a_hosted_client_is_a_row_of_its_own(project: Project) -> None:
    rows = states(project, "list_tickets", "dev.hosted")
    assert [name for name in rows if name.endswith("through claude-ai")]


def test_a_closed_server_lets_nobody_in(project: Project) -> None:
    file = project.stack_file("dev.one")
    lockdown = '    version: 1\n    lockdown: {reason: leak, since: "2026-01-01T00:00:00Z"}\n'
    file.write_text(file.read_text().replace("    version: 1\n", lockdown))
    assert set(states(project, "list_tickets").values()) == {"neither"}


def test_an_unknown_tool_is_an_error_with_the_nearest_name(project: Project) -> None:
    done = ringwall("who", "dev.one", "list_tickts", "--project", project.root)
    assert done.code == 2
    (error,) = done.errors
    assert error.startswith(
        f"{project.lock_file('dev.one')}: the lock of dev.one has no tool list_tickts, so nobody may use it; "
        "did you mean list_tickets?"
    )


def test_who_says_whether_the_portal_has_a_tool_on_and_for_whom_it_calls(project: Project) -> None:
    assert ringwall("who", "dev.one", "create_ticket", "--json", "--project", project.root).json["portal"] is None
    add_portal(project.root)
    shown = ringwall("who", "dev.one", "create_ticket", "--project", project.root).out.splitlines()[1]
    assert shown.startswith("the portal https://mcp.example.com/mcp offers it too, as dev-one-")
    assert shown.endswith("calls it as the person who calls; tool create_ticket is off there")
    on = ringwall("who", "dev.one", "list_tickets", "--json", "--project", project.root).json["portal"]
    assert on.endswith("; tool list_tickets is on there")
