"""`destroy` asks the providers' own lists whether anything is left, and names what is."""

from __future__ import annotations

from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from engine.repair.kinds import Kind
from engine.repair.lookup import ProviderLookup
from model.project import load, open_project
from sandbox.state import Store
from tests.support.command_line import ringwall
from tests.support.projects import write_project

TUNNEL = "cloudflare:index/zeroTrustTunnelCloudflared:ZeroTrustTunnelCloudflared"


@pytest.mark.engine
def test_an_object_that_no_record_knows_is_named_after_destroy(tmp_path: Path) -> None:
    project = open_project(write_project(tmp_path / "project"))
    assert ringwall("up", "dev", "--sandbox", "--yes", "--project", project.root).code == 0
    with Store(project.root / ".ringwall" / "sandbox" / "providers").transaction() as world:
        recorded = world.records_of(TUNNEL)[0]
        world.records.append(replace(recorded, id="twin"))
    name = recorded.outputs["name"]
    done = ringwall("destroy", "dev", "--servers", "--sandbox", "--yes", "--json", "--project", project.root)
    assert done.code == 3, done.err
    assert [(leftover["kind"], leftover["id"], leftover["name"]) for leftover in done.json["leftovers"]] == [
        ("tunnel", "twin", f"tunnel {name}")
    ]
    assert f"tunnel {name} (twin) is still at Cloudflare" in done.err
    others = {"dev", "dev.one"} - {done.json["leftovers"][0]["stack"]}
    assert all(f"{stack}: nothing is left, by the providers' own lists" in done.err for stack in others)
    assert done.json["unproven"] == {}


@pytest.mark.parametrize(
    ("kind", "inputs", "ending"),
    [
        (Kind.policy, {"accountId": "a1"}, "/accounts/a1/access/policies/x9"),
        (Kind.service, {"name": "dev-one-mcp"}, "/services/x9"),
        (Kind.target, {"upstreamId": "u1"}, "/upstreams/u1/targets/x9"),
    ],
)
def test_the_command_that_removes_an_object_holds_its_address_and_no_credential(
    tmp_path: Path, kind: Kind, inputs: dict[str, str], ending: str
) -> None:
    project = open_project(write_project(tmp_path / "project"))
    with ExitStack() as clients:
        command = ProviderLookup(load(project, "dev.one"), lambda key: "secret-1", clients).removal(kind, inputs, "x9")
    assert command is not None
    assert command.endswith(ending)
    assert command.startswith("curl --fail --request DELETE --header ")
    assert "secret-1" not in command
