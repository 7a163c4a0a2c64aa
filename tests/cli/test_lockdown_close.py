"""Servers closed at Cloudflare and Kong themselves: what is proven, what is only asked for, and what is not known."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from engine.api_calls import Calls
from engine.locate import VARIABLE
from model.project import load_environment, open_project
from operations.incident import gateway_proof
from operations.incident.edits import calls_to_close
from operations.incident.gateway_proof import Clock, by_data_planes, by_requests
from tests.support.access_api import TOKEN, AccessApi, access_api
from tests.support.command_line import Result
from tests.support.command_line import ringwall as run
from tests.support.kong_takeover import KongGateway, kong_gateway
from tests.support.ports import free_port
from tests.support.projects import write_project
from tests.support.waiting import eventually_sync
from wire.cloudflare import TOKEN_VARIABLE
from wire.kong import DataPlane

ALLOW = "policy-people"
#: Where no proxy listens.
NOBODY = free_port()


class World:
    """A project with servers that are live at a Cloudflare and a Kong, and no engine, no backend and no passphrase."""

    def __init__(self, root: Path, api: AccessApi, kong: KongGateway, servers: int) -> None:
        self.root, self.api, self.kong = root, api, kong
        write_project(root, servers=servers)
        file = root / "stacks" / "Pulumi.dev.yaml"
        text = file.read_text(encoding="utf-8")
        text = text.replace("      team: example", f"      team: example\n      api: {api.url}")
        text = text.replace("admin_uri: http://127.0.0.1:8001", f"admin_uri: {kong.admin}")
        file.write_text(text.replace("dev-1: {}", f"dev-1: {{gateway_port: {kong.proxy_port}}}"), encoding="utf-8")
        self.servers = sorted(path.stem.split(".")[2] for path in (root / "stacks").glob("Pulumi.dev.*.yaml"))
        for name in self.servers:
            api.application(f"dev-{name}", f"{name}.example.com", ALLOW)
            kong.route(f"dev-{name}-mcp", f"{name}.example.com", "/mcp", "ringwall", "ringwall-environment-dev")

    def lockdown(self, stack: str = "dev.one", *options: str) -> Result:
        return run("lockdown", stack, "--reason", "r", "--yes", "--project", self.root, *options)

    def policies(self, name: str) -> list[dict[str, Any]]:
        (held,) = (application for application in self.api.applications.values() if application["name"] == name)
        return [self.api.policies[policy] for policy in held["policies"]]


@pytest.fixture
def make_world(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.setenv(VARIABLE, str(tmp_path / "no-engine-here"))
    monkeypatch.setenv(TOKEN_VARIABLE, TOKEN)
    for name in ("PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE", "PULUMI_BACKEND_URL", "KONG_ADMIN_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(gateway_proof, "MARGIN", 0.1)
    monkeypatch.setattr(gateway_proof, "INTERVAL", 0.01)
    with ExitStack() as stack:

        def make(servers: int = 2, **gateway: Any) -> World:
            api = stack.enter_context(access_api())
            kong = stack.enter_context(kong_gateway(KongGateway(**gateway)))
            return World(tmp_path / "project", api, kong, servers)

        yield make


def rings(result: Result, stack: str = "dev.one") -> dict[str, str]:
    return {step["ring"]: step["state"] for step in result.json["steps"] if step["stack"] == stack}


def text_of(result: Result, ring: str, stack: str = "dev.one") -> str:
    (found,) = (step["text"] for step in result.json["steps"] if (step["stack"], step["ring"]) == (stack, ring))
    return str(found)


@pytest.mark.parametrize("state", ["no folder", "unreadable", "wrong passphrase"])
def test_what_is_live_is_closed_whatever_the_backend_is_like(
    make_world: Any, state: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world()
    folder = world.root / ".ringwall" / "state"
    if state == "no folder":
        folder.rmdir()
    elif state == "unreadable":
        (folder / ".pulumi" / "stacks" / "ringwall").mkdir(parents=True)
        (folder / ".pulumi" / "meta.yaml").touch()
        (folder / ".pulumi" / "stacks" / "ringwall" / "dev.one.json").write_text("{", encoding="utf-8")
    else:
        monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "another one's")
    result = world.lockdown("dev.one", "--json")
    assert (result.code, result.json["complete"]) == (1, False)  # no key for the guard
    assert rings(result) == {"file": "done", "edge": "done", "sessions": "done", "gateway": "done", "guard": "waiting"}
    (deny,) = world.policies("dev-one")
    assert (deny["decision"], deny["include"]) == ("deny", [{"everyone": {}}])
    assert [policy["name"] for policy in world.policies("dev-two")] == [ALLOW]
    assert world.api.ended == ["app-0"]
    assert world.kong.answer("one.example.com", "/mcp")[0] == 503
    assert world.kong.answer("two.example.com", "/mcp")[0] == 401
    # What else protects the application is as it was.
    assert {**world.api.applications["app-0"], "policies": []} == {
        **world.api.applications["app-1"],
        "policies": [],
        "name": "dev-one",
        "aud": "aud-app-0",
        "domain": "one.example.com",
        "destinations": [{"type": "public", "uri": "one.example.com"}],
    }
    assert folder.exists() is (state != "no folder")


def test_the_gateway_is_called_closed_only_after_every_worker_refused(make_world: Any) -> None:
    # The slowest of four workers takes the change 0.6 s later; Kong says that 0.8 s is the most.
    world = make_world(lags=(0.0, 0.2, 0.4, 0.6), frequency=0.8)
    begun = time.monotonic()
    result = world.lockdown("dev.one", "--json", "--wait", "120")
    assert rings(result)["gateway"] == "done"
    assert time.monotonic() - begun >= 0.6 + 0.8
    said = text_of(result, "gateway")
    assert said.startswith(f"closed, and shown: http://127.0.0.1:{world.kong.proxy_port}/mcp refused ")
    assert said.endswith(" s with 503")
    statuses = {world.kong.answer("one.example.com", "/mcp")[0] for _ in range(8)}
    assert statuses == {503}


def test_a_worker_that_never_takes_the_change_over_leaves_the_gateway_unproven(make_world: Any) -> None:
    world = make_world(lags=(0.0, 0.0, 3600.0))
    result = world.lockdown("dev.one", "--json", "--wait", "1")
    assert (result.code, rings(result)["gateway"]) == (1, "waiting")
    said = text_of(result, "gateway")
    assert said.startswith(
        "Kong's Admin API has taken the closing, but whether its proxies have is not known: http://127"
    )
    assert f"`curl -si -X POST -H 'Host: one.example.com' http://127.0.0.1:{world.kong.proxy_port}/mcp`" in said


def test_another_kongs_503_proves_nothing(make_world: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    world = make_world()
    monkeypatch.setattr(world.kong, "answer", lambda *_: (503, {}, {"message": "This server is closed."}))
    assert rings(world.lockdown("dev.one", "--json", "--wait", "1"))["gateway"] == "waiting"


def plane(id_: str, config_hash: str, seen: float = 0) -> dict[str, Any]:
    return {"id": id_, "hostname": f"host-{id_}", "config_hash": config_hash, "last_seen": time.time() - seen}


@pytest.mark.parametrize(
    ("after", "state", "said"),
    [
        (
            [("a", "2" * 32, 0), ("b", "2" * 32, 0)],
            "done",
            "every data plane has a configuration newer than the closing",
        ),
        ([("a", "2" * 32, 0), ("b", "1" * 32, 0)], "waiting", "data plane host-b has not taken the closing yet"),
        ([("a", "2" * 32, 0), ("b", "2" * 32, 999)], "waiting", "data plane host-b was last heard of over 60 s ago"),
        ([("a", "2" * 32, 0), ("b", "3" * 32, 0)], "waiting", "the data planes have different configurations"),
        ([], "waiting", "the control plane has heard of no data plane"),
    ],
)
def test_where_no_proxy_is_here_the_data_planes_are_asked(
    make_world: Any, after: list[tuple[str, str, float]], state: str, said: str
) -> None:
    world = make_world(planes=[plane("a", "1" * 32), plane("b", "1" * 32)])
    file = world.root / "stacks" / "Pulumi.dev.yaml"
    file.write_text(file.read_text().replace(f"gateway_port: {world.kong.proxy_port}", f"gateway_port: {NOBODY}"))
    world.kong.on_change = lambda: setattr(world.kong, "planes", [plane(*values) for values in after])
    result = world.lockdown("dev.one", "--json", "--wait", "0.3")
    assert rings(result)["gateway"] == state
    assert said in text_of(result, "gateway")


def test_neither_a_proxy_here_nor_a_control_plane_is_said(make_world: Any) -> None:
    world = make_world()
    file = world.root / "stacks" / "Pulumi.dev.yaml"
    file.write_text(file.read_text().replace(f"gateway_port: {world.kong.proxy_port}", f"gateway_port: {NOBODY}"))
    said = text_of(world.lockdown("dev.one", "--json"), "gateway")
    assert f"nothing answers at http://127.0.0.1:{NOBODY}/mcp on this machine" in said
    assert "Kong is no control plane whose data planes could be asked" in said


def test_every_edge_is_closed_side_by_side_with_as_many_lists_as_one_server_needs(make_world: Any) -> None:
    world = make_world(servers=8, page=100)
    world.api.delay = 0.1
    result = world.lockdown("dev", "--json", "--wait", "120")
    assert {step["state"] for step in result.json["steps"] if step["ring"] in ("edge", "gateway")} == {"done"}
    assert world.api.most_at_once >= 4
    lists = [call[:2] for call in world.api.log if call[0] == "GET"]
    assert lists == [("GET", "/apps"), ("GET", "/policies")]
    assert [call for call in world.kong.log if call[0] == "GET"] == [
        ("GET", "/routes"),
        ("GET", "/"),
        ("GET", "/clustering/data-planes"),
    ]
    assert [call[1] for call in world.api.log].count("/policies") == 2  # one deny policy for all of them
    stacks = [f"dev.{name}" for name in world.servers]
    said = calls_to_close(load_environment(open_project(world.root), "dev"), stacks)
    assert said == Calls(len(world.api.log), len(world.kong.log))


def test_one_application_that_is_refused_keeps_no_other_open_and_the_command_goes_on(make_world: Any) -> None:
    world = make_world()
    world.api.refused = {"app-0"}
    result = world.lockdown("dev", "--json")
    assert (rings(result)["edge"], rings(result, "dev.two")["edge"]) == ("failed", "done")
    assert rings(result)["gateway"] == rings(result, "dev.two")["gateway"] == "done"
    assert "sessions" not in rings(result)
    assert text_of(result, "edge").startswith("not known to be closed: ")
    assert text_of(result, "edge").endswith("When that is put right, run `ringwall lockdown dev --reason r --yes`")
    world.api.refused = set()
    assert rings(world.lockdown("dev", "--json"))["edge"] == "done"
    assert len([policy for policy in world.api.policies.values() if policy["decision"] == "deny"]) == 1


def test_what_another_program_deployed_is_found_by_its_names(make_world: Any) -> None:
    # Nothing of it is in this project's state; its host name is another one than the file's, and an old one at that.
    world = make_world()
    world.api.applications.clear()
    id_ = world.api.application("dev-one", "elsewhere.example.com", ALLOW)
    hosted = world.api.application("its own name", "one.example.com", ALLOW)
    result = world.lockdown("dev.one", "--json")
    assert rings(result)["edge"] == "done"
    assert sorted(world.api.ended) == [id_, hosted]
    world.kong.routes["route-0"]["tags"] = []
    assert rings(world.lockdown("dev.one", "--json"))["gateway"] == "done"


def test_a_name_that_resolves_without_an_application_is_open_and_said_to_be(make_world: Any) -> None:
    world = make_world()
    world.api.applications.clear()
    result = world.lockdown("dev.one", "--json")
    assert (result.code, rings(result)["edge"]) == (1, "failed")
    assert text_of(result, "edge").startswith(
        "open: one.example.com has a DNS record, and no Access application (dev-one)"
    )
    world.api.records.clear()
    assert "neither an Access application dev-one nor a DNS record" in text_of(
        world.lockdown("dev.one", "--json"), "edge"
    )


@pytest.mark.parametrize(
    ("break_it", "ring", "said"),
    [
        ("token", "edge", "still open, nothing was changed there: CLOUDFLARE_API_TOKEN is not set"),
        ("cloudflare", "edge", "still open, nothing was changed there: http"),
        ("kong token", "gateway", "refused the token; set KONG_ADMIN_TOKEN"),
    ],
)
def test_a_service_that_cannot_be_asked_keeps_the_other_rings_from_nothing(
    make_world: Any, break_it: str, ring: str, said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world()
    if break_it == "token":
        monkeypatch.delenv(TOKEN_VARIABLE)
    elif break_it == "cloudflare":
        monkeypatch.setenv(TOKEN_VARIABLE, "wrong")
    else:
        world.kong.token = "right"
    result = world.lockdown("dev.one", "--json")
    assert (result.code, rings(result)[ring]) == (1, "failed")
    assert said in text_of(result, ring)
    other = "gateway" if ring == "edge" else "edge"
    assert rings(result)[other] == "done"


def test_a_token_that_only_the_stack_file_has_is_said_to_be_out_of_reach_and_the_gateway_is_closed(
    make_world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world()
    monkeypatch.delenv(TOKEN_VARIABLE)
    file = world.root / "stacks" / "Pulumi.dev.yaml"
    text = file.read_text(encoding="utf-8")
    file.write_text(
        text.replace("config:\n", "config:\n  cloudflare:apiToken:\n    secure: v1:abc\n", 1), encoding="utf-8"
    )
    result = world.lockdown("dev.one", "--json")
    assert (rings(result)["edge"], rings(result)["gateway"]) == ("failed", "done")
    said = "CLOUDFLARE_API_TOKEN is not set, and cloudflare:apiToken in the stack file cannot be opened: "
    assert said in text_of(result, "edge")


def test_a_defect_of_one_ring_is_no_word_that_it_is_closed_and_keeps_no_other_open(
    make_world: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = make_world()
    monkeypatch.setattr(world.api, "_shown", lambda id_: {"id": id_, "destinations": 7})
    result = world.lockdown("dev", "--json")
    for stack in ("dev.one", "dev.two"):
        assert (rings(result, stack)["edge"], rings(result, stack)["gateway"]) == ("failed", "done")
        assert text_of(result, "edge", stack).startswith("not known to be closed: TypeError: ")
        assert "guard" in rings(result, stack)


def test_a_broken_file_of_one_server_keeps_no_server_open(make_world: Any) -> None:
    world = make_world()
    file = world.root / "stacks" / "Pulumi.dev.two.yaml"
    file.write_text("config:\n  ringwall:server:\n    hostname: two.example.com\n    nonsense: 1\n", encoding="utf-8")
    result = world.lockdown("dev", "--json", "--wait", "0")
    assert rings(result)["edge"] == rings(result, "dev.two")["edge"] == "done"
    assert world.kong.plugins
    assert len(world.kong.plugins) == 2


def test_an_interruption_leaves_a_true_word_of_every_ring(make_world: Any) -> None:
    world = make_world(servers=3)
    world.api.delay = 0.6
    process = subprocess.Popen(
        [sys.executable, "-m", "cli.main", "lockdown", "dev", "--reason", "r", "--yes", "--project", str(world.root)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env=dict(os.environ),
        start_new_session=True,
    )
    eventually_sync(
        lambda: any(call[0] == "POST" for call in world.api.log), "the first deny policy is made", within=60
    )
    process.send_signal(signal.SIGINT)
    out, err = process.communicate(timeout=120)
    assert process.returncode == 130, err
    closed = {name for name in world.servers if world.policies(f"dev-{name}")[0]["decision"] == "deny"}
    for name in world.servers:
        lines = [line for line in (out + err).splitlines() if line.startswith(f"dev.{name}: edge: ")]
        assert len(lines) == 1
        assert ("closed: Cloudflare says" in lines[0]) is (name in closed)
        assert ("so take it for open; run `ringwall lockdown dev " in lines[0]) is (name not in closed)
    journal = [json.loads(line) for line in (world.root / ".ringwall" / "operations.jsonl").read_text().splitlines()]
    assert journal[-1]["result"] == "not complete"
    assert {step["ring"] for step in journal[-1]["steps"]} >= {"file", "edge", "gateway", "guard"}


class Time:
    """A clock that goes on only while somebody waits."""

    def __init__(self) -> None:
        self.at = 0.0

    def clock(self) -> Clock:
        return Clock(pause=self.pause, monotonic=lambda: self.at)

    def pause(self, seconds: float) -> bool:
        self.at += seconds
        return False


def test_one_answer_of_an_old_worker_begins_the_counting_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = iter([True] * 19 + [False] + [True] * 1000)
    monkeypatch.setattr(gateway_proof, "_ask", lambda *_, **__: (next(answers), "HTTP 401"))
    clock = Time()
    proof = by_requests("http://x", "h", "o", frequency=1.0, wait=60, clock=clock.clock())
    assert proof.closed
    assert clock.at >= 19 * gateway_proof.INTERVAL + 1.0 + gateway_proof.MARGIN


def test_data_planes_get_the_time_their_workers_need() -> None:
    clock = Time()
    new = [DataPlane("a", "host", "2" * 32, 100.0)]
    old = [DataPlane("a", "host", "1" * 32, 100.0)]
    proof = by_data_planes(lambda: new, old, frequency=5.0, wait=60, clock=clock.clock(), today=lambda: 100.0)
    assert (proof.closed, clock.at) == (True, 5.0 + gateway_proof.MARGIN)
