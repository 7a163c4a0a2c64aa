"""A server that the real engine made: closed at the services beside it, and opened again by it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from engine import deploy
from engine.locate import VARIABLE
from engine.progress import SilentProgress
from engine.state import outputs
from guard.bundle.keys import create_key_pair, load_private_key
from model.errors import PlanRefused
from model.project import load_environment, open_project
from operations.guard_bundle.delivery import Guards
from operations.incident.closing import closing_plugin_id
from operations.incident.lift import Opening, open_gateway
from operations.incident.lockdown import Closing, places_of
from operations.incident.stack_file import lifted, locked
from operations.journal import NotComplete, Operation
from operations.project.write import FileChange, apply
from sandbox.closing import SandboxServices
from sandbox.closing_services import SandboxEdge, SandboxGateway
from tests.support.engine_project import EngineProject
from tests.support.projects import ACCOUNT

pytestmark = [pytest.mark.engine, pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")]
STACK = "dev.one"


@pytest.fixture
def world(engine_project: EngineProject) -> EngineProject:
    """Environment and server up."""
    engine_project.run("dev", "up")
    engine_project.run(STACK, "up")
    return engine_project


def edge_of(world: EngineProject) -> SandboxEdge:
    return SandboxEdge(SandboxServices(world.sandbox.store), ACCOUNT)


def gateway_of(world: EngineProject) -> SandboxGateway:
    return SandboxGateway(SandboxServices(world.sandbox.store))


def exported(world: EngineProject) -> dict[str, Any]:
    return outputs(world.project, STACK, target=world.target)


def guards_of(folder: Path) -> Guards:
    create_key_pair(folder / "keys", force=True)
    return Guards(load_private_key(folder / "keys" / "guard-signing.key"), folder, 0)


def close(world: EngineProject, guards: Guards) -> Operation:
    """As the command does once everybody agreed."""
    file = world.project.stack_file(STACK)
    before = file.read_bytes()
    after = locked(before.decode(), "an incident; Ada", "2026-11-23T03:00:00Z")
    apply([FileChange(file, before, after.encode())])
    return close_again(world, guards)


def close_again(world: EngineProject, guards: Guards) -> Operation:
    """The same for a file that says so already."""
    project = open_project(world.project.root)
    operation = Operation(project.root, "lockdown", STACK, "an incident; Ada", SilentProgress())
    operation.begin()
    environment = load_environment(project, "dev")
    manifests = {server.stack: server.manifest for server in environment.servers.values()}
    places = places_of(project, [STACK], manifests, environment.settings, guards, SilentProgress().note)
    closing = Closing(project, places, operation, guards, "ringwall lockdown dev.one", real=False)
    closing.run(lambda: edge_of(world), lambda: gateway_of(world), world.target)
    return operation


def reopen(world: EngineProject, guards: Guards, *, agreed: bool = True) -> Operation:
    project = open_project(world.project.root)
    file = project.stack_file(STACK)
    before = file.read_bytes()
    changes = [FileChange(file, before, lifted(before.decode()).encode())]
    operation = Operation(project.root, "lockdown --lift", STACK, None, SilentProgress())
    opening = Opening(
        project, [STACK], changes, operation, guards, world.target, lambda: edge_of(world), lambda: gateway_of(world)
    )
    if opening.prepare(lambda: agreed):
        opening.run(keys=None)
    return operation


def rings(operation: Operation) -> dict[str, str]:
    return {step.ring: step.state for step in operation.steps}


def live(world: EngineProject, kind: str) -> dict[str, dict[str, Any]]:
    """What the providers hold now, by id."""
    return {record.id: dict(record.outputs) for record in world.sandbox.resources(f"*:{kind}")}


def named(world: EngineProject, kind: str, name: str) -> tuple[str, dict[str, Any]]:
    (match,) = ((id_, outputs) for id_, outputs in live(world, kind).items() if outputs["name"] == name)
    return match


def test_a_server_is_closed_in_every_ring_without_the_engine_and_opened_by_it_as_it_was(
    world: EngineProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    guards = guards_of(tmp_path)
    before = {kind: live(world, kind) for kind in ("ZeroTrustAccessApplication", "ZeroTrustAccessPolicy", "Plugin")}
    file = world.project.stack_file(STACK).read_bytes()
    config = json.loads(exported(world)["guard_config"])

    with monkeypatch.context() as patch:
        patch.setenv(VARIABLE, str(tmp_path / "no-engine-here"))
        operation = close(world, guards)
    assert rings(operation) == {
        "edge": "done",
        "sessions": "left",  # the sandbox has none
        "gateway": "done",
        "bundle": "done",
        "guard": "waiting",  # no guard runs here, so nothing proves it
    }
    id_, deny = named(world, "ZeroTrustAccessPolicy", "dev-closed")
    assert (deny["decision"], deny["includes"]) == ("deny", [{"everyone": {}}])
    (application,) = live(world, "ZeroTrustAccessApplication").values()
    assert [(policy["id"], policy["precedence"]) for policy in application["policies"]] == [(id_, 1)]
    plugin = live(world, "Plugin")[closing_plugin_id("dev", "one")]
    assert "kong.response.exit(503, " in plugin["configJson"]
    signed = json.loads((tmp_path / "dev.one.guard.bundle.json").read_text(encoding="utf-8"))
    assert signed["config"] == {**config, "grants": []}
    (guard,) = [step for step in operation.steps if step.ring == "guard"]
    assert guard.text.startswith("the guard has not confirmed that it is closed: no guard answers on")
    with pytest.raises(NotComplete, match=r"^lockdown is not complete: dev\.one \(guard\); "):
        operation.end()

    reopened = reopen(world, guards)
    assert [(step.ring, step.state) for step in reopened.steps] == [
        ("file", "done"),
        ("bundle", "done"),
        ("guard", "waiting"),
        ("gateway", "done"),
        ("edge", "done"),
    ]
    assert world.project.stack_file(STACK).read_bytes() == file
    assert {kind: live(world, kind) for kind in before} == before
    assert json.loads((tmp_path / "dev.one.guard.bundle.json").read_text())["config"] == config
    assert world.run(STACK, "up").steps.changed == []


def test_the_next_up_of_a_closed_server_keeps_it_closed_and_lifting_gives_all_of_it_back(
    world: EngineProject, tmp_path: Path
) -> None:
    guards = guards_of(tmp_path)
    before = {kind: live(world, kind) for kind in ("ZeroTrustAccessApplication", "ZeroTrustAccessPolicy", "Plugin")}
    close(world, guards)
    world.run(STACK, "up")
    id_, _ = named(world, "ZeroTrustAccessPolicy", "dev-one-lockdown")
    (application,) = live(world, "ZeroTrustAccessApplication").values()
    assert [policy["id"] for policy in application["policies"]] == [id_]
    _, stop = named(world, "Plugin", "request-termination")
    assert json.loads(stop["configJson"])["status_code"] == 503
    assert json.loads(exported(world)["guard_config"])["grants"] == []
    # It is closed already, so that a second lockdown makes no other policy.
    assert rings(close_again(world, guards))["edge"] == "done"
    assert [policy["id"] for policy in next(iter(live(world, "ZeroTrustAccessApplication").values()))["policies"]] == [
        id_
    ]

    reopen(world, guards)
    assert {kind: live(world, kind) for kind in before} == before


def test_a_finding_that_refuses_up_does_not_keep_a_server_open(world: EngineProject, tmp_path: Path) -> None:
    file = world.project.stack_file(STACK)
    waiver = (
        '    waivers:\n      - rule: hosted-client\n        reason: decided by Ada\n        expires: "2020-01-01"\n'
    )
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("    guard_port:", waiver + "    guard_port:"), "utf-8")
    with pytest.raises(PlanRefused):
        deploy.scope_of(world.project, STACK)
    assert rings(close(world, guards_of(tmp_path)))["edge"] == "done"
    # And it is not opened before that is put right; the file is closed as before.
    closed = file.read_bytes()
    with pytest.raises(PlanRefused):
        reopen(world, guards_of(tmp_path))
    assert file.read_bytes() == closed


def test_a_no_leaves_the_server_and_its_file_closed_and_a_file_opened_by_hand_opens_the_gateway(
    world: EngineProject, tmp_path: Path
) -> None:
    guards = guards_of(tmp_path)
    close(world, guards)
    file, held = world.project.stack_file(STACK).read_bytes(), live(world, "ZeroTrustAccessApplication")
    assert reopen(world, guards, agreed=False).steps == []
    assert (world.project.stack_file(STACK).read_bytes(), live(world, "ZeroTrustAccessApplication")) == (file, held)
    assert open_gateway(gateway_of(world), [STACK, "dev.two"]) == [STACK]
    assert closing_plugin_id("dev", "one") not in live(world, "Plugin")
    assert open_gateway(gateway_of(world), [STACK]) == []


def test_opening_what_another_backend_has_opens_the_gateway_and_says_who_must_open_the_edge(
    world: EngineProject, tmp_path: Path
) -> None:
    guards = guards_of(tmp_path)
    close(world, guards)
    (checkpoint,) = (path for path in world.backend_files() if path.parts[-2:] == ("ringwall", f"{STACK}.json"))
    checkpoint.unlink()
    operation = reopen(world, guards)
    assert rings(operation) == {"file": "done", "gateway": "done", "edge": "failed"}
    assert "dev-one denies everyone, and no stack of this backend has it" in operation.steps[-1].text
    assert "run `pulumi up --refresh` in the program that deployed it" in operation.steps[-1].text
    assert closing_plugin_id("dev", "one") not in live(world, "Plugin")
