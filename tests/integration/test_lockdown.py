"""A server closed and opened on the real engine, with a strict stand-in of the Access API beside it."""

from __future__ import annotations

import contextlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli import deploy
from cli.cloudflare_api import TOKEN_VARIABLE
from cli.engine_state import outputs
from cli.guard_delivery import Guards
from cli.lockdown_file import lifted, locked
from cli.lockdown_rings import Closing, Opening
from cli.operations import NotComplete, Operation
from cli.write import Change, apply
from guard.keys import create_key_pair, load_private_key
from model.errors import PlanRefused
from model.project import load_environment, open_project
from sandbox import Fault
from tests.support.access_api import TOKEN, AccessApi, access_api
from tests.support.engine_project import EngineProject

pytestmark = [pytest.mark.engine, pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")]
STACK = "dev.one"


@pytest.fixture
def deployed(
    engine_project: EngineProject, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[EngineProject, AccessApi]]:
    """Environment and server up, their Cloudflare API the stand-in, a token at hand."""
    with access_api() as api:
        file = engine_project.project.stack_file("dev")
        text = file.read_text(encoding="utf-8").replace(
            "      team: example", f"      team: example\n      api: {api.url}"
        )
        file.write_text(text, encoding="utf-8")
        engine_project.run("dev", "up")
        engine_project.run(STACK, "up")
        api.applications = set(exported(engine_project)["application_ids"].values())
        monkeypatch.setenv(TOKEN_VARIABLE, TOKEN)
        yield engine_project, api


def exported(world: EngineProject) -> dict[str, Any]:
    return outputs(world.project, STACK, target=world.target)


def guards_of(folder: Path) -> Guards:
    create_key_pair(folder / "keys", force=True)
    return Guards(load_private_key(folder / "keys" / "guard-signing.key"), folder, 0)


def close(world: EngineProject, guards: Guards) -> Operation:
    """As the command does once everybody agreed."""
    project = open_project(world.project.root)
    file = project.stack_file(STACK)
    before = file.read_bytes()
    after = locked(before.decode(), "an incident; Ada", "2026-11-23T03:00:00Z")
    apply([Change(file, before, after.encode())])
    operation = Operation(project.root, "lockdown", STACK, "an incident; Ada")
    operation.begin()
    with contextlib.redirect_stdout(io.StringIO()):
        Closing(project, load_environment(project, "dev"), [STACK], operation, guards).run(world.target, api=True)
    return operation


def reopen(world: EngineProject, guards: Guards, *, agreed: bool = True) -> Operation:
    project = open_project(world.project.root)
    file = project.stack_file(STACK)
    before = file.read_bytes()
    changes = [Change(file, before, lifted(before.decode()).encode())]
    operation = Operation(project.root, "lockdown --lift", STACK, None)
    opening = Opening(project, [STACK], changes, operation, guards, world.target)
    with contextlib.redirect_stdout(io.StringIO()):
        if opening.prepare(lambda: agreed):
            opening.run(keys=False)
    return operation


def rings(operation: Operation) -> dict[str, str]:
    return {step.ring: step.state for step in operation.steps}


def live(world: EngineProject, kind: str) -> dict[str, dict[str, Any]]:
    """What the providers hold now, by id."""
    return {one.id: dict(one.outputs) for one in world.sandbox.resources(f"*:{kind}")}


def named(world: EngineProject, kind: str, name: str) -> tuple[str, dict[str, Any]]:
    (found,) = ((id_, one) for id_, one in live(world, kind).items() if one["name"] == name)
    return found


def test_a_server_is_closed_in_every_ring_and_opened_as_it_was(
    deployed: tuple[EngineProject, AccessApi], tmp_path: Path
) -> None:
    world, api = deployed
    guards = guards_of(tmp_path)
    before = {kind: live(world, kind) for kind in ("ZeroTrustAccessApplication", "ZeroTrustAccessPolicy", "Plugin")}
    file = world.project.stack_file(STACK).read_bytes()
    config = json.loads(exported(world)["guard_config"])

    operation = close(world, guards)
    assert rings(operation) == {
        "edge": "done",
        "sessions": "done",
        "gateway": "done",
        "bundle": "done",
        "guard": "waiting",  # no guard runs here, so nothing proves it
    }
    assert [step.ring for step in operation.steps] == ["edge", "sessions", "gateway", "bundle", "guard"]
    assert [step.seconds for step in operation.steps] == sorted(step.seconds for step in operation.steps)
    id_, deny = named(world, "ZeroTrustAccessPolicy", "dev-one-lockdown")
    assert (deny["decision"], deny["includes"]) == ("deny", [{"everyone": {}}])
    (application,) = live(world, "ZeroTrustAccessApplication").values()
    assert [(one["id"], one["precedence"]) for one in application["policies"]] == [(id_, 1)]
    assert api.ended == sorted(api.applications)
    _, stop = named(world, "Plugin", "request-termination")
    assert json.loads(stop["configJson"])["status_code"] == 503
    signed = json.loads((tmp_path / "dev.one.guard.bundle.json").read_text(encoding="utf-8"))
    assert signed["config"] == {**config, "grants": []}
    with pytest.raises(
        NotComplete, match=r"^dev\.one: guard: not proven closed: no guard answers on 127\.0\.0\.1:10010"
    ):
        operation.end()

    # It survives the next `up`, which has only what closing did not touch.
    again = world.run(STACK, "up")
    assert [change.operation for change in again.steps.changed if "edge" in change.name] == []
    assert json.loads(exported(world)["guard_config"])["grants"] == []

    operation = reopen(world, guards)
    assert [(step.ring, step.state) for step in operation.steps] == [
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


def test_what_else_is_pending_is_not_brought_along(deployed: tuple[EngineProject, AccessApi], tmp_path: Path) -> None:
    world, _ = deployed
    file = world.project.stack_file(STACK)
    text = file.read_text(encoding="utf-8")
    file.write_text(
        text.replace("    guard_port:", "    limits:\n      requests_per_minute: 30\n    guard_port:"), "utf-8"
    )
    close(world, guards_of(tmp_path))
    assert sorted(c.name for c in world.run(STACK, "preview").steps.changed if c.operation == "update") == [
        "one-gateway-principal-rate",
        "one-guard",
    ]


def test_a_finding_that_refuses_up_does_not_keep_a_server_open(
    deployed: tuple[EngineProject, AccessApi], tmp_path: Path
) -> None:
    world, _ = deployed
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


def test_where_the_edge_cannot_be_closed_the_gateway_and_the_guard_are(
    deployed: tuple[EngineProject, AccessApi], tmp_path: Path
) -> None:
    world, api = deployed
    world.sandbox.faults.add(Fault(type="*:ZeroTrustAccessPolicy", nth=0, message="the API is down"))
    operation = close(world, guards_of(tmp_path))
    assert rings(operation) == {
        "edge": "failed",
        "sessions": "done",
        "gateway": "done",
        "bundle": "done",
        "guard": "waiting",
    }
    assert api.ended == sorted(api.applications)
    with pytest.raises(NotComplete, match=r"^dev\.one: edge: not closed: "):
        operation.end()


def test_without_a_token_whoever_is_signed_in_is_named_as_not_put_out(
    deployed: tuple[EngineProject, AccessApi], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    world, api = deployed
    monkeypatch.delenv(TOKEN_VARIABLE)
    operation = close(world, guards_of(tmp_path))
    assert (rings(operation)["edge"], rings(operation)["sessions"], api.ended) == ("done", "waiting", [])


def test_a_no_leaves_the_server_and_its_file_closed(deployed: tuple[EngineProject, AccessApi], tmp_path: Path) -> None:
    world, _ = deployed
    guards = guards_of(tmp_path)
    close(world, guards)
    file, held = world.project.stack_file(STACK).read_bytes(), live(world, "ZeroTrustAccessApplication")
    assert reopen(world, guards, agreed=False).steps == []
    assert (world.project.stack_file(STACK).read_bytes(), live(world, "ZeroTrustAccessApplication")) == (file, held)
