"""Drift of a running guard and of the server behind it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import httpx
import pytest

from engine.workspace import Target
from model.errors import Unreachable
from model.project import load, open_project
from model.tool_lock import LeftOut, ToolLock, to_yaml
from operations.drift.comparison import Deployed, DriftComparison
from operations.drift.guard import guard, offered
from plan.drift import DriftTable
from tests.support import guard_process as processes
from tests.support.command_line import serve_desk
from tests.support.edge_stand_in import signed_guard
from tests.support.kong_admin import serving
from tests.support.projects import write_project
from tests.support.token_issuer import TokenIssuer


@dataclass
class Running:
    """A guard and a server as processes, and the project that describes them."""

    root: Path
    lock: ToolLock
    config: str

    def comparison(self, **changes: Any) -> DriftComparison:
        """Drift of `dev.one` where the engine recorded `config`."""
        project = open_project(self.root)
        config = json.dumps({**json.loads(self.config), **changes})
        known = {"dev.one": Deployed(exported={"guard_config": config}, exists=True), "dev": Deployed()}
        return DriftComparison(project, Target(project), load(project, "dev.one"), ("dev.one",), _deployed=known)


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("live")
    root = write_project(folder / "project")
    desk = serve_desk("--port", "0")
    upstream = processes.Upstream(url=next(desk))
    lock = processes.lock_of(upstream)
    with TokenIssuer() as issuer:
        doors = [{"hostname": "one.example.com", "audience": "a" * 64}]
        access = {"issuer": issuer.url, "jwks_uri": issuer.jwks_uri, "front_doors": doors}
        server = {"environment": "dev", "name": "one"}
        with signed_guard(upstream, folder / "guard", lock, server=server, identity={"access": access}) as guard:
            file = root / "stacks" / "Pulumi.dev.one.yaml"
            text = file.read_text().replace("http://127.0.0.1:3000/mcp", str(upstream.url))
            file.write_text(
                text.replace("guard_port: 9010", f"guard_port: 9010\n    guard_admin_port: {guard.admin_port}")
            )
            (root / "stacks" / "dev.one.lock.yaml").write_text(to_yaml(lock))
            yield Running(root, lock, (guard.folder / "config.json").read_text())
    desk.close()  # type: ignore[attr-defined]


def test_a_guard_in_force_as_recorded_and_a_server_as_locked_have_no_drift(running: Running) -> None:
    comparison = running.comparison()
    (server,) = comparison.servers
    assert guard(comparison, server) == []
    assert offered(comparison, server) == []


def test_a_guard_that_runs_another_configuration_is_drift(running: Running) -> None:
    comparison = running.comparison(grants=[])
    (row,) = guard(comparison, comparison.servers[0])
    assert (row.what, row.kind) == ("configuration (bundle 7)", "drift")
    assert row.recorded == row.desired != row.real


def test_a_lock_that_moved_on_is_ahead_of_the_guard_and_the_server_drifts_from_it(running: Running) -> None:
    file = running.root / "stacks" / "dev.one.lock.yaml"
    before = file.read_text()
    fewer = [tool for tool in running.lock.tools if tool.name != "close_ticket"]
    file.write_text(to_yaml(running.lock.model_copy(update={"tools": tuple(fewer)})))
    try:
        comparison = running.comparison()
        (row,) = guard(comparison, comparison.servers[0])
        assert (row.what, row.kind) == ("tool lock", "ahead")
        (row,) = offered(comparison, comparison.servers[0])
        assert (row.what, row.real, row.desired, row.kind) == ("tool close_ticket", "offered", "not locked", "drift")
    finally:
        file.write_text(before)


@pytest.mark.parametrize(
    ("refused", "kind"),
    [
        # The server shows it to clients with roots, sampling or elicitation alone; its lock was made without.
        ({"definition": "tools close_door", "difference": ["not in the tool lock"]}, "note"),
        # Whoever asks gets it: the server moved away from its lock.
        ({"definition": "tools close_ticket", "difference": ["not in the tool lock"]}, "drift"),
        ({"definition": "tools close_door", "difference": ["description changed"]}, "drift"),
        # It is as locked, and the guard withholds it for what its rules find there: `check` says so before.
        (
            {"definition": "tools close_ticket", "difference": ["poisoning.loot at /description"], "rules": ["x.y"]},
            "note",
        ),
    ],
)
def test_a_tool_that_appears_by_client_capability_or_is_withheld_is_no_drift(
    running: Running, refused: Any, kind: str
) -> None:
    comparison = running.comparison()
    (server,) = comparison.servers
    own = httpx.get(f"http://127.0.0.1:{server.manifest.admin_port}/readyz").json()

    class Guard(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps({**own, "refused": [refused]}).encode())

    with serving(Guard) as comparison.guard_url:
        (row,) = guard(comparison, server)
    assert (row.what, row.kind) == (f"definition {refused['definition']}", kind)
    table = DriftTable("dev.one", (row,))
    assert table.exit_code(allow_unreachable=False) == (0 if kind == "note" else 3)


def test_what_the_lock_leaves_out_is_no_drift_and_what_cannot_be_enforced_is(running: Running) -> None:
    comparison = running.comparison()
    (server,) = comparison.servers
    left_out = LeftOut(kind="tools", key="odd tool", reason="it is offered twice")
    server = replace(server, lock=server.lock.model_copy(update={"left_out": (left_out,)}))
    own = httpx.get(f"http://127.0.0.1:{server.manifest.admin_port}/readyz").json()
    names = ("tools odd tool", "tools close_ticket")
    refused = [{"definition": name, "difference": ["why"]} for name in names]

    class Guard(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            state = {**own, "refused": refused, "unenforceable": {"tools/close_ticket": "why"}}
            self.wfile.write(json.dumps(state).encode())

    with serving(Guard) as comparison.guard_url:
        rows = {row.what: (row.real, row.kind) for row in guard(comparison, server)}
    assert rows["definition tools odd tool"] == ("left out of the lock: it is offered twice", "note")
    assert rows["definition tools close_ticket"] == ("cannot be enforced, so refused", "drift")


def test_what_does_not_answer_is_never_no_drift(running: Running) -> None:
    comparison = running.comparison()
    with serving(BaseHTTPRequestHandler) as elsewhere:
        comparison.guard_url = elsewhere
        with pytest.raises(Unreachable, match="not as a guard does"):
            guard(comparison, comparison.servers[0])


@pytest.mark.parametrize("state", [[], {"bundle": {}, "denied": 5}, {"bundle": {}, "refused": {"a": 1}}])
def test_a_readyz_of_something_else_is_unreachable_and_no_crash(running: Running, state: Any) -> None:
    class Elsewhere(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(json.dumps(state).encode())

    comparison = running.comparison()
    with serving(Elsewhere) as comparison.guard_url, pytest.raises(Unreachable, match="not as a guard does"):
        guard(comparison, comparison.servers[0])
