"""`ringwall adopt`: a set-up that exists becomes a stack, nothing is changed by it, and `preview` shows what was named."""

from __future__ import annotations

import copy
import gc
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from cli.target import sandbox_target
from engine.repair.kinds import SHAPES, Kind
from engine.run import Run
from engine.runs import execute
from model.project import open_project
from sandbox import Fault, Sandbox, faults
from sandbox.state import Record
from tests.support.command_line import Result, ringwall, serve_desk, snapshot
from tests.support.ports import free_port
from tests.support.projects import ACCOUNT, ZONE, write_project

pytestmark = pytest.mark.engine

TUNNEL, APPLICATION, POLICY = (f"11111111-0000-4000-8000-{number:012}" for number in (1, 2, 3))
SERVICE, ROUTE = (f"22222222-0000-4000-8000-{number:012}" for number in (1, 2))
NAME = "desk.example.com"


@pytest.fixture(scope="module")
def desk() -> Iterator[str]:
    yield from serve_desk("--port", str(free_port()))


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = write_project(tmp_path_factory.mktemp("adopt") / "project", servers=0)
    assert ringwall("up", "dev", "--yes", "--sandbox", "--project", root).code == 0
    return root


@pytest.fixture
def root(environment: Path, tmp_path: Path, desk: str) -> Path:
    """The environment, and a set-up for one name that somebody made by hand."""
    folder = Path(shutil.copytree(environment, tmp_path / "project"))
    port = int(desk.rpartition(":")[2].partition("/")[0])
    with Sandbox(folder / ".ringwall" / "sandbox" / "providers") as sandbox, sandbox.store.transaction() as world:
        for kind, id_, outputs in by_hand(port):
            world.records.append(Record(id_, SHAPES[kind].token, "by hand", copy.deepcopy(outputs)))
    return folder


def by_hand(port: int) -> list[tuple[Kind, str, dict[str, Any]]]:
    return [
        (
            Kind.policy,
            POLICY,
            {
                "accountId": ACCOUNT,
                "name": "Team",
                "decision": "allow",
                "includes": [{"email": {"email": "ada@example.com"}}, {"emailDomain": {"domain": "example.org"}}],
                "sessionDuration": "24h",
            },
        ),
        (
            Kind.application,
            APPLICATION,
            {
                "accountId": ACCOUNT,
                "name": "Desk",
                "type": "self_hosted",
                "aud": "f" * 64,
                "destinations": [{"type": "public", "uri": NAME}],
                "policies": [{"id": POLICY, "precedence": 1}],
                "sessionDuration": "24h",
                "logoUrl": "https://example.com/logo.png",
            },
        ),
        (Kind.tunnel, TUNNEL, {"accountId": ACCOUNT, "name": "office", "configSrc": "cloudflare", "connections": []}),
        (
            Kind.ingress,
            TUNNEL,
            {
                "accountId": ACCOUNT,
                "tunnelId": TUNNEL,
                "source": "cloudflare",
                "config": {
                    "ingresses": [
                        {"hostname": NAME, "service": "http://127.0.0.1:8000"},
                        {"service": "http_status:404"},
                    ]
                },
            },
        ),
        (
            Kind.record,
            "ab" * 16,
            {
                "zoneId": ZONE,
                "name": NAME,
                "type": "CNAME",
                "content": f"{TUNNEL}.cfargotunnel.com",
                "proxied": True,
                "ttl": 1,
                "comment": "the desk",
            },
        ),
        (
            Kind.service,
            SERVICE,
            {"name": "desk", "protocol": "http", "host": "127.0.0.1", "port": port, "path": "/mcp", "retries": 5},
        ),
        (
            Kind.route,
            ROUTE,
            {"name": "desk", "hosts": [NAME], "protocols": ["http"], "serviceId": SERVICE, "stripPath": True},
        ),
    ]


def world(root: Path) -> list[Any]:
    with Sandbox(root / ".ringwall" / "sandbox" / "providers") as sandbox:
        return [vars(record) for record in sandbox.resources()]


def adopt(root: Path, *arguments: str) -> Result:
    return ringwall("adopt", "dev", *arguments, "--sandbox", "--project", root)


def test_what_is_adopted_stays_as_it_is_and_the_first_up_changes_what_was_named(root: Path) -> None:
    before = world(root)
    done = adopt(root, "desk", "--hostname", NAME, "--host", "dev-1", "--yes", "--json")
    assert done.code == 0, done.err
    assert world(root) == before
    named = {item["resource"]: {change["name"] for change in item["changes"]} for item in done.json["objects"]}
    assert sorted(named) == [
        "desk-edge-application", "desk-edge-ingress", "desk-edge-tunnel", "desk-gateway-route", "desk-gateway-service",
        "desk-public-name-record",
    ]  # fmt: skip
    assert {"name", "policies", "session_duration", "logo_url"} <= named["desk-edge-application"]
    assert named["desk-edge-tunnel"] == {"name"}
    text = (root / "stacks" / "Pulumi.dev.desk.yaml").read_text("utf-8")
    assert "ada@example.com" in text
    assert "example.org" in text

    project = open_project(root)
    with Sandbox(root / ".ringwall" / "sandbox" / "providers") as sandbox:
        target = sandbox_target(project, sandbox.environment())
        first = execute(target, Run("dev", "up"))
        assert first.error is None, first.error
        run = execute(target, Run("dev.desk", "preview", refresh=True))
    assert run.error is None, run.error
    changed = {change.name: change for change in run.steps.changed}
    assert {name for name, change in changed.items() if change.operation == "update"} == set(named)
    assert {change.operation for change in changed.values()} == {"create", "update"}
    for name, settings in named.items():
        shown = {_snake(line.partition(":")[0]) for line in changed[name].details}
        assert shown == settings, name


def _snake(path: str) -> str:
    top = re.split(r"[.\[]", path)[0]
    name = re.sub(r"(?<=[a-z])([A-Z])", lambda match: f"_{match[1].lower()}", top)
    return {"service_auth401_redirect": "service_auth_401_redirect"}.get(name, name)


def test_a_dry_run_writes_and_records_nothing(root: Path) -> None:
    files, before = snapshot(root), world(root)
    done = adopt(root, "desk", "--hostname", NAME, "--host", "dev-1", "--dry-run", "--yes")
    assert done.code == 0, done.err
    assert "`up` changes session_duration: 24h → 8h" in done.out
    assert (snapshot(root), world(root)) == (files, before)


def test_a_failed_adoption_leaves_neither_files_nor_state(root: Path) -> None:
    files, before = snapshot(root), world(root)
    providers = root / ".ringwall" / "sandbox" / "providers"
    faults.write(providers, [Fault("read", "kong:*", nth=0, message="500 refused")])
    done = adopt(root, "desk", "--hostname", NAME, "--host", "dev-1", "--yes")
    faults.write(providers, [])
    gc.collect()  # after a failed run Pulumi's language server leaves its event loop open
    assert (done.code, snapshot(root), world(root)) == (5, files, before)
    assert not list((root / ".ringwall" / "sandbox" / "state").rglob("dev.desk.json"))
    assert adopt(root, "desk", "--hostname", NAME, "--host", "dev-1", "--yes").code == 0


def test_a_set_up_that_half_fits_is_named_and_left(root: Path) -> None:
    with Sandbox(root / ".ringwall" / "sandbox" / "providers") as sandbox:
        sandbox.change(POLICY, decision="bypass")
        sandbox.change(ROUTE, hosts=[NAME, "wiki.example.com"])
    files = snapshot(root)
    done = adopt(root, "desk", "--hostname", NAME, "--host", "dev-1", "--yes", "--json")
    assert (done.code, snapshot(root)) == (2, files)
    assert done.errors == [
        "application Desk lets everybody of policy Team in without a sign-in (bypass); remove that policy first: whoever "
        "relies on it loses access",
        "route desk answers for wiki.example.com too; give the others a route of their own",
    ]
    listed = adopt(root)
    assert f"{NAME}: cannot be adopted as it is" in listed.out
