"""`ringwall drift` against the real engine, a Kong Admin API over HTTP, a real guard and a real server."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import urlsplit

import pytest
import typer

from cli.flags.drift import drift as command
from cli.target import target_of
from engine.deploy import preview, scope_of
from engine.run import Run
from engine.runs import execute
from engine.workspace import Target, workspace
from model.errors import Unreachable
from model.project import Project, load, open_project
from operations.drift.comparison import DriftComparison
from operations.drift.gateway_look import look_at_gateway
from operations.drift.sources import compare
from sandbox import Sandbox
from tests.support.kong_admin import serving
from tests.support.projects import write_project

#: What Kong 3.9.3 answers for fields that nobody gave (kong/db/schema/entities).
_DEFAULTS: dict[str, dict[str, Any]] = {
    "Service": {
        "path": None,
        "enabled": True,
        "client_certificate": None,
        "ca_certificates": None,
        "tls_verify": None,
        "tls_verify_depth": None,
    },
    "Route": {"headers": None, "snis": None, "sources": None, "destinations": None},
    "Plugin": {"protocols": ["grpc", "grpcs", "http", "https"], "instance_name": None},
    "Upstream": {
        "algorithm": "consistent-hashing",
        "client_certificate": None,
        "healthchecks": {"active": {"headers": None}, "threshold": 0},
        "host_header": None,
        "use_srv_name": False,
    },
    "Target": {},
    "Consumer": {},
    "ConsumerAcl": {},
}


@dataclass
class KongEntities:
    """What Kong would answer, made from what the stand-in provider holds, so that both tell of one gateway."""

    sandbox: Sandbox
    uri: str = ""
    #: Entities that nobody declared, by the list they are in.
    extra: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    methods: set[str] = field(default_factory=set)
    #: Fields set past the provider, by entity id: what it neither reads nor writes.
    set_by_hand: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: Paths that fail, as a database that is away makes them.
    broken: set[str] = field(default_factory=set)

    def patch(self, path: str, body: dict[str, Any]) -> tuple[int, Any]:
        kind, name = path.strip("/").split("/")
        held = self.held({"services": "Service", "routes": "Route", "upstreams": "Upstream", "plugins": "Plugin"}[kind])
        entity = next((item for item in held if name in (item["id"], item["name"])), None)
        if entity is None:
            return 404, {"message": "Not found"}
        if unknown := sorted(body.keys() - entity.keys()):
            return 400, {"message": f"schema violation ({unknown[0]}: unknown field)", "code": 2}
        self.set_by_hand[entity["id"]] = merge(self.set_by_hand.get(entity["id"], {}), body)
        return 200, merge(entity, body)

    def answer(self, path: str) -> tuple[int, Any]:
        if path in self.broken:
            return 500, {"message": "An unexpected error occurred"}
        if path == "/":
            return 200, {"version": "3.9.3"}
        parts = path.strip("/").split("/")
        held = {kind: self.held(kind) for kind in _DEFAULTS}
        kinds = {"services": "Service", "routes": "Route", "upstreams": "Upstream", "consumers": "Consumer"}
        if parts == ["plugins"]:
            return 200, {"data": [p for p in held["Plugin"] if not p["service"]] + self.extra.get(path, [])}
        if parts == ["routes"]:
            return 200, {"data": held["Route"] + self.extra.get(path, [])}
        parent = next(
            (e for e in held[kinds[parts[0]]] if parts[1] in (e["id"], e.get("name", e.get("username")))), None
        )
        if parent is None:
            return 404, {"message": "Not found"}
        if len(parts) == 2:
            return 200, parent
        below = {"plugins": "Plugin", "routes": "Route", "targets": "Target", "acls": "ConsumerAcl"}[parts[2]]
        key = parts[0].removesuffix("s")
        return 200, {"data": [o for o in held[below] if o.get(key) == parent["id"]] + self.extra.get(path, [])}

    def held(self, kind: str) -> list[dict[str, Any]]:
        found = []
        for record in self.sandbox.resources(f"kong:*:{kind}"):
            outputs = json.loads(json.dumps(record.outputs))
            body = _snake(outputs)
            references = {key: body.get(f"{key}_id") for key in ("service", "upstream", "consumer", "route")}
            body.update({"id": record.id, **references})
            if kind == "Plugin":
                body["config"] = json.loads(outputs["computedConfig"])
            found.append(merge(merge(_DEFAULTS[kind], body), self.set_by_hand.get(record.id, {})))
        return found


def merge(old: Any, new: Any) -> Any:
    """As a PATCH leaves it: members of records one by one, everything else whole."""
    if not isinstance(old, dict) or not isinstance(new, dict):
        return new
    return {**old, **{key: merge(old.get(key), value) for key, value in new.items()}}


def _snake(value: Any) -> Any:
    if isinstance(value, dict):
        return {re.sub(r"([A-Z])", lambda m: f"_{m[1].lower()}", key): _snake(item) for key, item in value.items()}
    return value


@dataclass
class World:
    """A deployed project in the sandbox, and hands to change what is real."""

    project: Project
    target: Target
    sandbox: Sandbox
    kong: KongEntities

    def table(self, *only: str) -> list[tuple[str, str, str, str, str]]:
        comparison = DriftComparison(self.project, self.target, load(self.project, "dev.one"), ("dev.one",))
        rows, _ = compare(comparison, only, lambda _: None)
        return [(row.kind, row.what, row.recorded, row.real, row.desired) for row in rows]

    def exported(self) -> Any:
        with workspace(self.target, "dev.one") as stack:
            return stack.export_stack().deployment


@pytest.fixture(scope="module")
def deployed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    root = write_project(tmp_path_factory.mktemp("drift"))
    with (
        target_of(open_project(root), sandbox=True) as target,
        Sandbox(root / ".ringwall/sandbox/providers") as sandbox,
    ):
        kong = KongEntities(sandbox)

        class Handler(BaseHTTPRequestHandler):
            def _answer(self) -> None:
                kong.methods.add(self.command)
                sent = self.rfile.read(int(self.headers.get("content-length") or 0))
                path = urlsplit(self.path).path
                status, body = kong.patch(path, json.loads(sent)) if self.command == "PATCH" else kong.answer(path)
                content = json.dumps(body).encode()
                self.send_response(status)
                self.send_header("content-length", str(len(content)))
                self.end_headers()
                self.wfile.write(content)

            do_GET = do_POST = do_PATCH = do_PUT = do_DELETE = _answer

            def log_message(self, format: str, *args: Any) -> None:
                return

        with serving(Handler) as uri:
            file = root / "stacks" / "Pulumi.dev.yaml"
            file.write_text(file.read_text().replace("http://127.0.0.1:8001", uri))
            kong.uri = uri
            for stack in ("dev", "dev.one"):
                assert execute(target, Run(stack, "up")).error is None
            yield World(open_project(root), target, sandbox, kong)


@pytest.fixture
def world(deployed: World) -> Iterator[World]:
    """The world as deployed; what a test changes in it is put right afterwards."""
    state = deployed.sandbox.store.folder / "state.json"
    file = deployed.project.stack_file("dev.one")
    before = (state.read_bytes(), file.read_text())
    yield deployed
    state.write_bytes(before[0])
    file.write_text(before[1])
    deployed.kong.extra.clear()
    deployed.kong.set_by_hand.clear()
    deployed.kong.broken.clear()
    deployed.kong.methods.clear()


def of(world: World, kind: str, name: str) -> Any:
    return next(r for r in world.sandbox.resources(f"*{kind}") if r.outputs.get("name") == name)


@pytest.mark.engine
def test_what_was_just_deployed_has_no_drift(world: World) -> None:
    assert world.table("engine", "gateway") == []


@pytest.mark.engine
def test_what_was_changed_behind_the_engines_back_is_drift_and_the_state_stays_as_it_was(world: World) -> None:
    before = world.exported()
    world.sandbox.change(of(world, "Service", "dev-one-mcp").id, readTimeout=1234)
    acl = of(world, "Plugin", "acl")
    world.sandbox.change(
        acl.id, computedConfig=json.dumps({**json.loads(acl.outputs["computedConfig"]), "allow": ["x"]})
    )
    world.sandbox.remove(of(world, "DnsRecord", "one.example.com").id)
    assert sorted(world.table("engine")) == [
        ("drift", "one-gateway-issuer configJson.allow", '["issuer-access"]', '["x"]', '["issuer-access"]'),
        ("drift", "one-gateway-service readTimeout", "300000", "1234", "300000"),
        ("missing", "one-public-name-record", "there", "absent", "there"),
    ]
    assert world.exported() == before


@pytest.mark.engine
def test_a_host_name_added_at_the_gateway_is_shown_with_all_there_were_and_are(world: World) -> None:
    world.sandbox.change(of(world, "Route", "dev-one-mcp").id, hosts=["a.example.com", "one.example.com"])
    declared, changed = '["one.example.com"]', '["a.example.com", "one.example.com"]'
    assert world.table("engine") == [("drift", "one-gateway-route hosts", declared, changed, declared)]
    run = Run("dev.one", "preview")
    assert execute(world.target, run, refresh=True).error is None
    details = {change.name: change.details for change in run.steps.changed if change.operation == "update"}
    assert details["one-gateway-route"] == (f"hosts: {changed} → {declared}",)


@pytest.mark.engine
def test_a_refresh_preview_names_what_was_changed_behind_the_engines_back(world: World) -> None:
    world.sandbox.change(of(world, "Service", "dev-one-mcp").id, readTimeout=1234)
    world.sandbox.remove(of(world, "DnsRecord", "one.example.com").id)
    run = Run("dev.one", "preview_refresh")
    assert execute(world.target, run).error is None
    changed = {(change.operation, change.name) for change in run.steps.changed}
    assert changed == {("update", "one-gateway-service"), ("delete", "one-public-name-record")}


@pytest.mark.engine
def test_the_gateway_tells_the_same_and_what_nobody_declared(world: World) -> None:
    world.sandbox.change(of(world, "Service", "dev-one-mcp").id, readTimeout=1234)
    rate = of(world, "Plugin", "rate-limiting")
    config = {**json.loads(rate.outputs["computedConfig"]), "minute": 6000}
    world.sandbox.change(rate.id, computedConfig=json.dumps(config), enabled=False)
    world.sandbox.remove(of(world, "Plugin", "jwt").id)
    world.kong.extra["/services/dev-one-mcp/routes"] = [{"name": "back-door"}]
    past_everything = {"name": "side-door", "hosts": ["one.example.com"], "service": {"id": "straight-to-the-origin"}}
    world.kong.extra["/routes"] = [
        {"name": "back-door"},
        past_everything,
        {"name": "other", "hosts": ["a.example.org"]},
    ]
    assert sorted(world.table("gateway")) == [
        ("drift", "one-gateway-principal-rate config.minute", "240", "6000", "240"),
        ("drift", "one-gateway-principal-rate enabled", "true", "false", "true"),
        ("drift", "one-gateway-service read_timeout", "300000", "1234", "300000"),
        ("drift", "route for public names of dev.one side-door", "absent", "there", "absent"),
        ("drift", "route of service dev-one-mcp back-door", "absent", "there", "absent"),
        ("missing", "one-gateway-signature", "there", "absent", "there"),
    ]
    assert world.kong.methods == {"GET"}


def by_hand(world: World) -> None:
    """Set what the provider neither reads nor writes."""
    world.kong.set_by_hand = {
        of(world, "Route", "dev-one-mcp").id: {"headers": {"x-env": ["dev"]}},
        # It stands there enabled and runs for no request of this gateway.
        of(world, "Plugin", "jwt").id: {"protocols": ["grpc"]},
        of(world, "Service", "dev-one-mcp").id: {"enabled": False},
        of(world, "Upstream", "dev-one-guard").id: {"healthchecks": {"threshold": 90}},
    }


@pytest.mark.engine
def test_what_the_provider_cannot_see_the_gateways_own_reader_sees(world: World) -> None:
    by_hand(world)
    assert world.table("engine") == []
    every = '["grpc", "grpcs", "http", "https"]'
    assert sorted(world.table("gateway")) == [
        ("drift", "one-gateway-route headers", "absent", '{"x-env": ["dev"]}', "absent"),
        ("drift", "one-gateway-service enabled", "true", "false", "true"),
        ("drift", "one-gateway-signature protocols", every, '["grpc"]', every),
        ("drift", "one-gateway-upstream healthchecks.threshold", "0", "90", "0"),
    ]


@pytest.mark.engine
def test_up_puts_back_what_the_provider_cannot_in_place(world: World) -> None:
    by_hand(world)
    reading = look_at_gateway(scope_of(world.project, "dev"))
    assert reading is not None
    assert sorted(line for difference in reading.differences for line in difference.lines()) == [
        'one-gateway-route headers: {"x-env": ["dev"]} → absent',
        "one-gateway-service enabled: false → true",
        'one-gateway-signature protocols: ["grpc"] → ["grpc", "grpcs", "http", "https"]',
        "one-gateway-upstream healthchecks.threshold: 90 → 0",
    ]
    assert world.kong.methods == {"GET"}
    before = world.kong.held("Upstream")[0]["healthchecks"]["active"]["healthy"]
    reading.put_back()
    assert world.kong.methods == {"GET", "PATCH"}
    assert world.kong.held("Upstream")[0]["healthchecks"]["active"]["healthy"] == before
    assert world.table("gateway") == []


@pytest.mark.engine
def test_a_gateway_that_fails_on_an_upstream_stops_the_command_before_any_target_is_lost(world: World) -> None:
    world.kong.broken.add("/upstreams/dev-one-guard")
    with pytest.raises(Unreachable, match=r"answered GET /upstreams/dev-one-guard with 500"):
        look_at_gateway(scope_of(world.project, "dev"))


@pytest.mark.engine
def test_a_target_that_looked_gone_and_stands_at_kong_stops_the_command(world: World) -> None:
    scope = scope_of(world.project, "dev.one")
    reading = look_at_gateway(scope)
    assert reading is not None
    state = world.sandbox.store.folder / "state.json"
    whole = state.read_bytes()
    world.sandbox.remove(next(iter(world.sandbox.resources("*:Target"))).id)
    previews = preview(world.target, scope, refresh=True)
    reading.refuse_lost_targets(previews)  # it is gone at Kong, too
    state.write_bytes(whole)
    with pytest.raises(Unreachable, match=r"dev\.one: one-gateway-target stands at Kong and looked gone.*run the same"):
        reading.refuse_lost_targets(previews)


@pytest.mark.engine
def test_a_file_that_moved_on_is_ahead_and_no_drift(world: World) -> None:
    file = world.project.stack_file("dev.one")
    file.write_text(
        file.read_text().replace("    guard_port", "    limits:\n      requests_per_minute: 30\n    guard_port")
    )
    rows = world.table("engine", "gateway")
    assert {row[0] for row in rows} == {"ahead"}
    assert ("ahead", "one-gateway-principal-rate config.minute", "240", "240", "120") in rows
    assert ("ahead", "one-gateway-principal-rate configJson.minute", "240", "240", "120") in rows


@pytest.mark.engine
def test_the_command_says_what_it_could_not_look_at_by_its_exit_code(
    world: World, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(world.project.root)

    def run(*only: str, **options: Any) -> tuple[int, str]:
        try:
            command("dev.one", only=list(only), guard_url=None, on_host=False, timeout=60, sandbox=True, **options)
        except typer.Exit as end:
            return end.exit_code, capsys.readouterr().out
        return 0, capsys.readouterr().out

    assert run("gateway", allow_unreachable=False) == (0, "dev.one: no drift; looked at gateway dev.one\n")
    # Without a choice the sandbox is asked for what it has: nobody there stands in for Kong, an issuer, a guard or a server.
    code, out = run(allow_unreachable=False)
    assert (code, out.splitlines()) == (
        0,
        [
            "dev.one: no drift; looked at engine dev.one",
            "not asked: gateway, keys, guard and server, which the sandbox has not",
        ],
    )
    document = json.loads(run(allow_unreachable=False, as_json=True)[1])
    assert (document["looked_at"], document["not_asked"]) == (
        ["engine dev.one"],
        ["gateway", "keys", "guard", "server"],
    )
    code, out = run("guard", "server", allow_unreachable=False)
    assert (code, out.count("unreachable\t")) == (6, 2)
    assert run("guard", allow_unreachable=True)[0] == 0
    world.kong.extra["/services/dev-one-mcp/routes"] = [{"name": "back-door"}]
    (row,) = json.loads(run("gateway", allow_unreachable=False, as_json=True)[1])["rows"]
    assert row["repair"] == f"delete it at Kong ({world.kong.uri}/services/dev-one-mcp/routes)"
    world.kong.extra.clear()
    world.sandbox.change(of(world, "Service", "dev-one-mcp").id, readTimeout=1)
    code, out = run("gateway", "guard", allow_unreachable=True, as_json=True)
    repairs = [row["repair"] for row in json.loads(out)["rows"]]
    assert [repair.partition(" --project")[0].rstrip("`") for repair in repairs] == ["`ringwall up dev.one", ""]
    assert (code, json.loads(out)["counts"]) == (3, {"ahead": 0, "drift": 1, "missing": 0, "unreachable": 1, "note": 0})
