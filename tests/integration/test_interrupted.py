"""After SIGKILL in the middle of an operation, with providers that answer late, one more command makes it whole.

A representative part. `make interrupt` runs the rare ones, and kills in every operation of up, update and destroy.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from getpass import getuser
from pathlib import Path
from socket import gethostname

import pytest

from engine.repair.kinds import SHAPES, kind_of, own_id
from engine.repair.lookup import ProviderLookup, find
from engine.repair.name_clashes import ListCache
from engine.repair.pending import delete_late_objects, resolve
from engine.workspace import Target
from model.project import load_environment, open_project
from sandbox import Fault, Sandbox
from sandbox.readings import reader
from tests.support.interrupted import Stage
from tests.support.projects import write_project
from tests.support.waiting import eventually_sync
from tests.support.world_api import ADMIN_TOKEN, TOKEN, world_api

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
    baseline: Counter[str]


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prepared]:
    folder = tmp_path_factory.mktemp("interrupted")
    root = write_project(folder / "project")
    (root / ".ringwall" / "sandbox").mkdir(parents=True)
    with Sandbox(root / ".ringwall" / "sandbox" / "providers") as sandbox:
        stage = Stage(root, sandbox)
        stage.run("up", "dev", "--yes")
        stage.keep(folder / "after")
        baseline = stage.there()
        stage.run("destroy", "dev.one", "--yes")
        stage.keep(folder / "before")
        yield Prepared(stage, folder / "before", folder / "after", stage.there(), baseline)


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
    assert f"run `ringwall repair dev.one --sandbox --project {stage.root}`" in rows[1]["note"]
    (application,) = stage.sandbox.resources("*AccessApplication")
    line = f"application dev-one: Cloudflare has made it ({application.id})"
    # A kill may leave this file empty, which says nothing, and then the engine refuses the whole state.
    (stage.home / "state" / ".pulumi" / "stacks" / "ringwall" / "dev.one.json.attrs").write_text("")
    assert line in stage.run("repair", "dev.one", "--dry-run", code=3).stdout
    drift = json.loads(stage.run("drift", "dev.one", "--only", "engine", "--json", code=3).stdout)["rows"]
    assert [row["real"].startswith(line) for row in drift if "interrupted create of one-edge-app" in row["what"]] == [
        True
    ]
    assert line in stage.run("up", "dev.one", "--yes").stderr
    stage.assert_whole(prepared.baseline)


@pytest.mark.rare
def test_of_two_ups_at_once_the_second_names_the_first_and_changes_nothing(prepared: Prepared) -> None:
    stage = prepared.stage
    stage.go_back(prepared.before)
    seconds: list[str] = []
    first = stage.during(
        Fault("create", "*AccessApplication", delay=30.0),
        lambda: seconds.append(stage.run("up", "dev.one", "--yes", code=5).stderr),
        "up",
        "dev.one",
        "--yes",
    )
    assert first.returncode == 0, first.stderr
    (line,) = [line for line in seconds[0].splitlines() if line.startswith("error: ")]
    holder = rf"error: .*another update of dev\.one is running \({getuser()}@{gethostname()}, pid \d+, since .*"
    assert re.fullmatch(holder, line), line
    stage.assert_whole(prepared.baseline)


@pytest.mark.rare
def test_a_tunnel_that_appears_after_the_kill_is_waited_for(prepared: Prepared) -> None:
    stage = prepared.stage
    stage.go_back(prepared.before)
    assert stage.kill_in(Fault("create", "*ZeroTrustTunnelCloudflared", delay=LATE), "up", "dev.one", "--yes")
    assert stage.sandbox.resources("*ZeroTrustTunnelCloudflared") == []
    # The engine writes this file in place, so a kill may leave it empty; it would refuse the whole state for it.
    (stage.home / "state" / ".pulumi" / "stacks" / "ringwall" / "dev.one.json.attrs").write_text("")
    assert "tunnel dev-one: Cloudflare has made it" in stage.run("repair", "dev.one", "--yes").stderr
    # Repair does that alone: what depends on the tunnel, and so was not begun, is still not there.
    assert stage.sandbox.resources("*DnsRecord") == []
    stage.run("up", "dev.one", "--yes")
    stage.assert_whole(prepared.baseline)


@pytest.mark.rare
def test_destroy_takes_down_a_kong_service_whose_create_was_interrupted(prepared: Prepared) -> None:
    stage = prepared.stage
    stage.go_back(prepared.before)
    fault = Fault("create", "kong:*Service", delay=LATE, after_effect=True)
    assert stage.kill_in(fault, "up", "dev.one", "--yes")
    assert "service dev-one-mcp: Kong has made it" in stage.run("destroy", "dev.one", "--yes").stderr
    stage.assert_whole(prepared.alone)


@pytest.mark.rare
def test_a_delete_that_was_interrupted_is_not_done_twice(prepared: Prepared) -> None:
    stage = prepared.stage
    stage.go_back(prepared.after)
    # Kong answers 404 to a second delete of a target.
    fault = Fault("delete", "kong:*Target", delay=LATE, after_effect=True)
    assert stage.kill_in(fault, "destroy", "dev.one", "--yes")
    released = stage.run("cancel", "dev.one", "--yes")
    assert "which has ended" in released.stderr
    assert released.stdout == (
        f"dev.one: lock released; run `ringwall repair dev.one --sandbox --project {stage.root}`\n"
    )
    assert "its delete was interrupted; read back" in stage.run("destroy", "dev.one", "--yes").stderr
    stage.assert_whole(prepared.alone)


@pytest.mark.rare
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
    stage.assert_whole(prepared.baseline)
    (application,) = stage.sandbox.resources("*AccessApplication")
    assert application.outputs["oauthConfiguration"]["grant"]["accessTokenLifetime"] == "5m"


@pytest.mark.rare
def test_what_appears_after_it_was_given_up_is_deleted(prepared: Prepared) -> None:
    stage = prepared.stage
    stage.go_back(prepared.before)
    assert stage.kill_in(Fault("create", "*AccessApplication", delay=6), "up", "dev.one", "--yes")
    target = Target(open_project(stage.root), stage.sandbox.environment(), stage.home, reader(stage.home / "providers"))
    findings = resolve(target, "dev.one", settle=0)
    texts = [finding.text for finding in findings]
    assert "application dev-one: its create was interrupted; Cloudflare does not have it" in texts
    (late,) = eventually_sync(
        lambda: stage.sandbox.resources("*AccessApplication"), "the application that the killed run asked for appears"
    )
    assert delete_late_objects(target, findings) == [f"dev.one: application dev-one ({late.id}) appeared late: deleted"]
    assert stage.sandbox.resources("*AccessApplication") == []
    assert stage.recorded() == {(record.type, record.id) for record in stage.sandbox.resources()}


def test_a_token_whose_secret_was_in_the_lost_answer_is_made_again(prepared: Prepared) -> None:
    stage = prepared.stage
    stage.go_back(prepared.before)
    file = stage.root / "stacks" / "Pulumi.dev.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(
        text.replace("    agents:\n", "    agents:\n      fresh:\n        countries: [SE]\n"), encoding="utf-8"
    )
    try:
        fault = Fault("create", "*AccessServiceToken", delay=LATE, after_effect=True)
        assert stage.kill_in(fault, "up", "dev", "--yes")
        stderr = stage.run("repair", "dev", "--yes").stderr
    finally:
        file.write_text(text, encoding="utf-8")
    assert "service-token dev-fresh: Cloudflare has made it" in stderr
    assert "its secret was in the lost answer; deleted, `up` makes another" in stderr
    assert "dev-fresh" not in [record.outputs["name"] for record in stage.sandbox.resources("*AccessServiceToken")]
    assert stage.recorded() == {(record.type, record.id) for record in stage.sandbox.resources()}


def test_every_kind_is_found_by_what_names_it_and_read_back_by_its_import_id(prepared: Prepared) -> None:
    stage = prepared.stage
    stage.go_back(prepared.after)
    project = open_project(stage.root)
    kinds = set()
    with world_api(stage.sandbox) as api:
        environment = load_environment(project, "dev")
        cloudflare = environment.settings.cloudflare.model_copy(update={"api": api.cloudflare})
        gateway = environment.settings.gateway.model_copy(update={"admin_uri": api.kong})
        settings = environment.settings.model_copy(update={"cloudflare": cloudflare, "gateway": gateway})
        tokens = {"cloudflare:apiToken": TOKEN, "kong:kongAdminToken": ADMIN_TOKEN}
        with ExitStack() as clients:
            lookup = ProviderLookup(replace(environment, settings=settings), tokens.get, clients)
            lists = ListCache(lookup)
            for stack in ("dev", "dev.one"):
                file = stage.home / "state" / ".pulumi" / "stacks" / "ringwall" / f"{stack}.json"
                document = json.loads(file.read_text(encoding="utf-8"))
                for resource in document["checkpoint"]["latest"]["resources"]:
                    kind = kind_of(resource["type"])
                    if kind is None:
                        continue
                    kinds.add(kind)
                    if SHAPES[kind].path is not None:
                        assert find(lookup, kind, resource["inputs"]) == [own_id(resource["id"])], resource["urn"]
                        clashes = [
                            item["id"]
                            for item in lists.items(kind, resource["inputs"])
                            if SHAPES[kind].clashes(resource["inputs"], item)
                        ]
                        assert clashes == [own_id(resource["id"])], resource["urn"]
                    resource["id"] = SHAPES[kind].imported(resource["inputs"], own_id(resource["id"]))
                    resource["outputs"] = {}
                file.write_text(json.dumps(document), encoding="utf-8")
    assert len(kinds) == 15  # a zone's ruleset is a stack of its own
    stderr = stage.run("repair", "dev", "--yes").stderr
    assert stderr.count("was being recorded; read again") == sum(prepared.baseline.values())
    stage.assert_whole(prepared.baseline)
    previews = json.loads(stage.run("preview", "dev.one", "--json").stdout)["runs"]
    assert [(run["error"], run["changes"]) for run in previews] == [(None, [])]


def test_names_that_are_taken_are_refused_with_a_command_each_before_anything_is_made(prepared: Prepared) -> None:
    stage = prepared.stage
    stage.go_back(prepared.after)
    for path in (stage.home / "state").rglob("dev.one.json*"):
        path.unlink()
    (tunnel,) = stage.sandbox.resources("*ZeroTrustTunnelCloudflared")
    before = stage.there()
    lines = stage.run("up", "dev.one", "--yes", code=2).stderr.splitlines()
    assert stage.there() == before
    (line,) = [message for message in lines if "tunnel dev-one: Cloudflare has one already" in message]
    command = f"ringwall import dev.one tunnel {tunnel.id} --name one-edge-tunnel"
    assert f"({tunnel.id}), which this stack does not record; run `{command} " in line
    kinds = {message.split("dev.one: ")[1].split()[0] for message in lines if "has one already" in message}
    assert kinds == {"tunnel", "application", "record", "service", "route", "upstream"}
    stage.run(*command.removeprefix("ringwall ").split(), "--yes")
    assert ("cloudflare:index/zeroTrustTunnelCloudflared:ZeroTrustTunnelCloudflared", tunnel.id) in stage.recorded()


@pytest.mark.parametrize(
    ("command", "fault"),
    [
        ("up", Fault("create", "*AccessApplication", message="500 Internal Server Error", after_effect=True)),
        pytest.param(
            "destroy",
            # Kong answers 404 to a second delete of a target.
            Fault("delete", "kong:*Target", message="unexpected EOF", after_effect=True),
            marks=pytest.mark.rare,
        ),
    ],
)
def test_what_a_service_did_though_its_answer_was_a_fault_is_recorded_at_once(
    prepared: Prepared, command: str, fault: Fault
) -> None:
    stage = prepared.stage
    stage.go_back(prepared.before if command == "up" else prepared.after)
    met, failed = stage.fail_in(fault, command, "dev.one", "--yes")
    assert met == [fault]
    assert "failed, and the service may have done it all the same: it is asked" in failed.stderr
    assert stage.recorded() == {(record.type, record.id) for record in stage.sandbox.resources()}
    stage.run(command, "dev.one", "--yes")
    stage.assert_whole(prepared.baseline if command == "up" else prepared.alone)


@pytest.mark.rare
def test_what_a_service_refused_is_not_asked_about(prepared: Prepared) -> None:
    stage = prepared.stage
    stage.go_back(prepared.before)
    _, failed = stage.fail_in(Fault("create", "*AccessApplication", message="403 Forbidden"), "up", "dev.one", "--yes")
    assert failed.returncode == 5
    assert "may have done it" not in failed.stderr
