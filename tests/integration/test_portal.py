"""An environment with an MCP portal on the real engine: it comes up, follows its servers' files, and leaves nothing."""

from __future__ import annotations

import pytest

from engine import deploy
from engine.run import Run
from plan.protectors import ACCESS_APPLICATION, DNS_RECORD, MCP_PORTAL, MCP_SERVER
from tests.support.engine_project import EngineProject
from tests.support.exposure_watch import watching
from tests.support.portals import add_portal

pytestmark = [pytest.mark.engine, pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")]

PORTAL = """\
    portal:
      hostname: mcp.example.com
      servers: all
      people: {groups: [engineers]}
"""


def up(engine_project: EngineProject) -> list[tuple[str, str, str]]:
    """Bring the environment up as its files say; every state on the way is judged."""
    scope = deploy.scope_of(engine_project.project, "dev")
    with watching(engine_project.sandbox) as watch:
        runs: list[Run] = deploy.bring_up(engine_project.target, scope, deploy.preview(engine_project.target, scope))
    assert watch.exposed == []
    assert [run.error for run in runs] == [None] * len(runs)
    return [(run.stack, change.operation, change.name) for run in runs for change in run.steps.changed]


def test_a_portal_follows_its_servers_files_without_a_moment_unprotected(engine_project: EngineProject) -> None:
    project, sandbox = engine_project.project, engine_project.sandbox
    up(engine_project)
    environment = add_portal(project.root, PORTAL)

    # Beside a running server: the server lets the portal register, the rest is new.
    changed = up(engine_project)
    assert [change for change in changed if change[0] == "dev"][-1] == ("dev", "create", "dev-portal-record")
    assert [change for change in changed if change[0] == "dev.one"] == [("dev.one", "update", "one-edge-application")]
    assert up(engine_project) == []

    def held(token: str) -> list[dict[str, object]]:
        return [record.outputs for record in sandbox.resources() if record.type == token]

    (portal,) = held(MCP_PORTAL)
    assert portal["codeMode"] == "off"

    # A grant narrowed in the server's file is a tool less in the portal.
    server = project.stack_file("dev.one")
    text = server.read_text(encoding="utf-8")
    server.write_text(text.replace("tools: [list_tickets, get_ticket]", "tools: [list_tickets]"), encoding="utf-8")
    assert ("dev", "update", "dev-portal") in up(engine_project)

    # Another name of the server is another server at Cloudflare: made beside the old one, which goes last.
    text = server.read_text(encoding="utf-8")
    server.write_text(text.replace("hostname: one.example.com", "hostname: uno.example.com"), encoding="utf-8")
    moved = [change for change in up(engine_project) if change[0] == "dev"]
    assert {name for _, _, name in moved} == {"dev-portal-server-one", "dev-portal-application-one", "dev-portal"}
    (kept,) = held(MCP_SERVER)
    assert kept["hostname"] == "https://uno.example.com/mcp"

    # And another name of the portal: its application stands for both until the record has moved.
    text = environment.read_text(encoding="utf-8")
    environment.write_text(text.replace("hostname: mcp.example.com", "hostname: tools.example.com"), encoding="utf-8")
    up(engine_project)
    names = sorted(str(record["name"]) for record in held(DNS_RECORD))
    assert names == ["tools.example.com", "uno.example.com"]

    text = environment.read_text(encoding="utf-8")
    environment.write_text(text.replace(PORTAL.replace("mcp.example", "tools.example"), ""), encoding="utf-8")
    up(engine_project)
    assert (held(MCP_PORTAL), held(MCP_SERVER)) == ([], [])
    assert [app["type"] for app in held(ACCESS_APPLICATION)] == ["self_hosted"]
