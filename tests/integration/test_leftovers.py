"""`destroy` and `offboard` ask the providers' own lists whether anything is left, and name what is."""

from __future__ import annotations

import os
import subprocess
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path

import pytest

from engine.repair.kinds import Kind
from engine.repair.leftovers import REMOVAL_ORDER
from engine.repair.lookup import ProviderLookup
from model.project import Project, load, open_project
from sandbox.state import Store
from tests.support.client_authorities import TestAuthority, add_authorities
from tests.support.command_line import Result, ringwall
from tests.support.company import Authority
from tests.support.engine_project import EngineProject
from tests.support.logpush import KEYS, add_logpush
from tests.support.portals import add_portal
from tests.support.projects import ZONE, write_project
from tests.support.world_api import ADMIN_TOKEN, TOKEN, WorldApi, world_api

TUNNEL = "cloudflare:index/zeroTrustTunnelCloudflared:ZeroTrustTunnelCloudflared"


@pytest.mark.engine
def test_destroy_refuses_running_connectors_and_names_an_object_that_no_record_knows(tmp_path: Path) -> None:
    project = open_project(write_project(tmp_path / "project"))
    assert ringwall("up", "dev", "--sandbox", "--yes", "--project", project.root).code == 0
    store = Store(project.root / ".ringwall" / "sandbox" / "providers")
    _assert_not_taken_down_while_connected(project, store)
    with store.transaction() as world:
        recorded = world.records_of(TUNNEL)[0]
        world.records.append(replace(recorded, id="twin"))
    name = recorded.outputs["name"]
    done = ringwall("destroy", "dev", "--servers", "--sandbox", "--yes", "--json", "--project", project.root)
    assert done.code == 3, done.err
    assert [(leftover["kind"], leftover["id"], leftover["name"]) for leftover in done.json["leftovers"]] == [
        ("tunnel", "twin", f"tunnel {name}")
    ]
    assert "destroying would take 13 calls of Cloudflare's API and 18 calls of Kong's Admin API" in done.err
    assert f"tunnel {name} (twin) is still at Cloudflare" in done.err
    others = {"dev", "dev.one"} - {done.json["leftovers"][0]["stack"]}
    assert all(f"{stack}: nothing is left, by the providers' own lists" in done.err for stack in others)
    assert done.json["unproven"] == {}


def _assert_not_taken_down_while_connected(project: Project, store: Store) -> None:
    """A stack whose connectors run is refused whole, instead of left half there when Cloudflare keeps the tunnel (1022)."""
    with store.transaction() as world:
        (tunnel,) = world.records_of(TUNNEL)
        tunnel.outputs["connections"] = [{"coloName": "arn01"}]
        before = list(world.records)
    refused = ringwall("destroy", "dev.one", "--sandbox", "--yes", "--project", project.root)
    assert refused.code == 2, refused.err
    (error,) = refused.errors
    assert "is connected, and Cloudflare deletes none that is; nothing was taken down" in error
    assert "`systemctl stop ringwall-cloudflared-dev.one.service`" in error
    with store.transaction() as world:
        assert world.records == before
        (tunnel,) = world.records_of(TUNNEL)
        tunnel.outputs["connections"] = []


@pytest.mark.engine
def test_nothing_is_offboarded_until_the_providers_say_that_nothing_is_left(
    engine_project: EngineProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, sandbox, company = engine_project.project, engine_project.sandbox, Authority(tmp_path)
    _at_a_company(engine_project, company, monkeypatch)
    monkeypatch.delenv("CLOUDFLARE_API_TOKEN", raising=False)

    def run(*arguments: str) -> Result:
        return ringwall(*arguments, "--yes", "--project", project.root)

    with world_api(sandbox, company.server("localhost")) as api:
        _address(project.stack_file("dev"), api)
        engine_project.run("dev", "up")
        engine_project.run("dev.one", "up")
        (tunnel,) = sandbox.resources(TUNNEL)
        deployed = sandbox.resources()

        # Down, and nobody could be asked: scripts are told by the code, people by the line.
        down = run("destroy", "dev.one")
        assert (down.code, sandbox.resources(TUNNEL)) == (6, []), down.err
        assert (
            "dev.one: not known whether anything is left, as the providers were not asked: Cloudflare cannot be"
            in down.err
        )
        assert f"run `ringwall destroy dev.one --project {project.root}` again, which asks" in down.err
        kept = run("offboard", "dev.one")
        assert kept.code == 2
        assert "not known whether anything of dev.one is left: Cloudflare cannot be asked" in kept.errors[0]

        monkeypatch.setenv("CLOUDFLARE_API_TOKEN", TOKEN)
        with sandbox.store.transaction() as world:
            world.records.append(replace(tunnel, id="twin"))
        again = run("destroy", "dev.one")
        assert again.code == 3, again.err
        kept = run("offboard", "dev.one")
        assert kept.code == 2
        assert "the providers still hold 1 object of dev.one, as said above" in kept.errors[0]
        for done in (again, kept):
            assert "dev.one: tunnel dev-one (twin) is still at Cloudflare; remove it with `curl --fail" in done.err
        assert project.stack_file("dev.one").is_file()

        # Every object as if it had never been taken down: each printed command works as pasted, in the order printed.
        with sandbox.store.transaction() as world:
            world.records.extend(record for record in deployed if record not in world.records)
        proven = run("destroy", "dev.one", "--json")
        assert proven.code == 3, proven.err
        kinds = [leftover["kind"] for leftover in proven.json["leftovers"]]
        assert kinds[0] == "record", "a name goes before what protects it"
        assert sorted(kinds) == ["application", "record", "route", "service", "tunnel", "tunnel", "upstream"]
        assert paste(proven, company) == []
        assert run("destroy", "dev.one").code == 0
        gone = run("offboard", "dev.one")
        assert gone.code == 0, gone.err
        assert "dev.one: nothing is left, by the providers' own lists" in gone.err
        assert not project.stack_file("dev.one").exists()
        assert f"/client/v4/zones/{ZONE}/dns_records" in api.log


@pytest.mark.engine
def test_whatever_an_environment_makes_is_removed_by_the_commands_that_its_destroy_prints(
    engine_project: EngineProject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    project, sandbox, company = engine_project.project, engine_project.sandbox, Authority(tmp_path)
    _at_a_company(engine_project, company, monkeypatch)
    monkeypatch.setenv("CLOUDFLARE_API_TOKEN", TOKEN)
    portal = "    portal:\n      hostname: mcp.example.com\n      servers: all\n      people: {groups: [engineers]}\n"
    add_portal(project.root, portal)
    add_logpush(project.root, keys=())
    add_authorities(project.root, first=TestAuthority.made("first").pem)
    engine_project.pulumi("stack", "init", "dev")
    for key in KEYS:
        engine_project.pulumi("config", "set", "--secret", "--stack", "dev", key, "s3://bucket/{DATE}?region=eu-1")
    with world_api(sandbox, company.server("localhost")) as api:
        _address(project.stack_file("dev"), api)
        engine_project.run("dev", "up")
        deployed = sandbox.resources()
        engine_project.run("dev", "destroy")
        with sandbox.store.transaction() as world:
            world.records.extend(record for record in deployed if record not in world.records)
        proven = ringwall("destroy", "dev", "--json", "--yes", "--project", project.root)
        assert proven.code == 3, proven.err
        assert {leftover["kind"] for leftover in proven.json["leftovers"]} == {
            *("record", "portal", "application", "portal-server", "policy", "group", "posture", "authority"),
            *("service-token", "logpush-job", "plugin", "consumer"),
        }
        assert paste(proven, company) == []
        gone = ringwall("destroy", "dev", "--yes", "--project", project.root)
        assert gone.code == 0, gone.err
        assert "dev: nothing is left, by the providers' own lists" in gone.err
        assert sandbox.resources() == []


def _at_a_company(engine_project: EngineProject, company: Authority, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {
        **engine_project.environment,
        "SSL_CERT_FILE": str(company.file),
        "KONG_ADMIN_TOKEN": ADMIN_TOKEN,
    }.items():
        monkeypatch.setenv(name, value)


def _address(file: Path, api: WorldApi) -> None:
    """Have an environment speak to the stand-in."""
    text = file.read_text(encoding="utf-8").replace("team: example", f"team: example\n      api: {api.cloudflare}")
    file.write_text(text.replace("http://127.0.0.1:8001", api.kong), encoding="utf-8")


def test_every_kind_has_its_place_in_the_order_of_removal() -> None:
    assert sorted(REMOVAL_ORDER) == sorted(Kind)


def paste(done: Result, company: Authority) -> list[str]:
    """What went wrong when the commands that a destroy has printed are run in a shell, one after the other."""
    environment = {**os.environ, "CURL_CA_BUNDLE": str(company.file)}
    wrong = []
    for leftover in done.json["leftovers"]:
        line = ["sh", "-c", leftover["command"]]
        shell = subprocess.run(line, env=environment, capture_output=True, text=True, check=False)
        if shell.returncode != 0:
            wrong.append(f"{leftover['command']}: {shell.stdout}{shell.stderr}")
    return wrong


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
