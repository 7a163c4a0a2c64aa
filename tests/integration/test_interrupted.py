"""After SIGKILL in the middle of an operation, with providers that answer late, one more command makes it whole.

A representative part; `make interrupt` kills in every operation of up, update and destroy.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from sandbox import Fault, Sandbox
from tests.support.interrupted import Stage
from tests.support.projects import write_project

pytestmark = pytest.mark.engine

#: What a late provider takes beyond the kill.
LATE = 1.5


@dataclass
class Prepared:
    stage: Stage
    #: The environment is up, its server is not.
    before: Path
    #: Both are.
    after: Path
    alone: Counter[str]
    both: Counter[str]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prepared]:
    folder = tmp_path_factory.mktemp("interrupted")
    root = write_project(folder / "project")
    (root / ".ringwall" / "sandbox").mkdir(parents=True)
    with Sandbox(root / ".ringwall" / "sandbox" / "providers") as sandbox:
        stage = Stage(root, sandbox)
        stage.run("up", "dev", "--yes")
        stage.keep(folder / "after")
        both = stage.there()
        stage.run("destroy", "dev.one", "--yes")
        stage.keep(folder / "before")
        yield Prepared(stage, folder / "before", folder / "after", stage.there(), both)


def test_an_application_made_while_the_run_died_is_recorded_and_not_made_twice(prepared: Prepared) -> None:
    stage = prepared.stage
    stage.go_back(prepared.before)
    fault = Fault("create", "*AccessApplication", delay=LATE, after_effect=True)
    assert stage.kill_in(fault, "up", "dev.one", "--yes")
    assert len(stage.locks()) == 1
    # Commands that change nothing say it, and what mends it.
    rows = json.loads(stage.run("status", "--json").stdout)["stacks"]
    assert [("create of application dev-one" in row["note"], row["stack"]) for row in rows] == [
        (False, "dev"),
        (True, "dev.one"),
    ]
    assert "run `ringwall repair dev.one`" in rows[1]["note"]
    (made,) = stage.sandbox.resources("*AccessApplication")
    line = f"application dev-one: Cloudflare has made it ({made.id})"
    assert line in stage.run("repair", "dev.one", "--dry-run", code=3).stdout
    assert line in stage.run("up", "dev.one", "--yes").stderr
    stage.assert_whole(prepared.both)


def test_a_tunnel_that_appears_after_the_kill_is_waited_for(prepared: Prepared) -> None:
    stage = prepared.stage
    stage.go_back(prepared.before)
    assert stage.kill_in(Fault("create", "*ZeroTrustTunnelCloudflared", delay=LATE), "up", "dev.one", "--yes")
    assert stage.sandbox.resources("*ZeroTrustTunnelCloudflared") == []
    assert "tunnel dev-one: Cloudflare has made it" in stage.run("repair", "dev.one", "--yes").stderr
    # Repair does that alone: what was not begun is still not there.
    assert stage.sandbox.resources("*AccessApplication") == []
    stage.run("up", "dev.one", "--yes")
    stage.assert_whole(prepared.both)


def test_destroy_takes_down_a_kong_service_whose_create_was_interrupted(prepared: Prepared) -> None:
    stage = prepared.stage
    stage.go_back(prepared.before)
    fault = Fault("create", "kong:*Service", delay=LATE, after_effect=True)
    assert stage.kill_in(fault, "up", "dev.one", "--yes")
    assert "service dev-one-mcp: Kong has made it" in stage.run("destroy", "dev.one", "--yes").stderr
    stage.assert_whole(prepared.alone)


def test_a_delete_that_was_interrupted_is_not_done_twice(prepared: Prepared) -> None:
    stage = prepared.stage
    stage.go_back(prepared.after)
    # Kong answers 404 to a second delete of a target.
    fault = Fault("delete", "kong:*Target", delay=LATE, after_effect=True)
    assert stage.kill_in(fault, "destroy", "dev.one", "--yes")
    assert "its delete was interrupted; read back" in stage.run("destroy", "dev.one", "--yes").stderr
    stage.assert_whole(prepared.alone)


def test_an_update_that_was_interrupted_is_brought_to_its_end(prepared: Prepared) -> None:
    stage = prepared.stage
    stage.go_back(prepared.after)
    file = stage.root / "stacks" / "Pulumi.dev.one.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(
        text.replace("    guard_port", "    oauth:\n      access_token_lifetime: 5m\n    guard_port"), "utf-8"
    )
    try:
        assert stage.kill_in(Fault("update", "*AccessApplication", delay=LATE), "up", "dev.one", "--yes")
        assert "its update was interrupted; read back" in stage.run("up", "dev.one", "--yes").stderr
    finally:
        file.write_text(text, encoding="utf-8")
    stage.assert_whole(prepared.both)
    (application,) = stage.sandbox.resources("*AccessApplication")
    assert application.outputs["oauthConfiguration"]["grant"]["accessTokenLifetime"] == "5m"
