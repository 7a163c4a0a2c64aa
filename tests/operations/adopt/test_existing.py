"""What exists is read with GET alone, over the real APIs' paths; what half fits is named with its remedy, one line each.

The stand-in answers the paths of Cloudflare's API reference (`access/apps`, `access/policies` inside them, `cfd_tunnel`,
`cfd_tunnel/{id}/configurations`, `dns_records`) and of Kong's Admin API (`/`, `/routes`, `/services`, `/plugins`), in pages,
and refuses everything else.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from engine.repair.kinds import Kind
from model.environment import Cloudflare, Gateway
from operations.adopt.existing import Existing, hostnames, read_existing
from operations.adopt.sources import ApiSource
from tests.support.kong_admin import serving
from tests.support.projects import ACCOUNT, ZONE
from wire.cloudflare_reader import CloudflareReader
from wire.kong_reader import KongReader

NAME, TUNNEL = "desk.example.com", "f70ff985-a4ef-4643-bbbc-4a0ed4fc8415"
TOKEN = "planted-0123456789-0123456789"
Objects = dict[str, Any]


def fitting() -> Objects:
    account, zone = f"/client/v4/accounts/{ACCOUNT}", f"/client/v4/zones/{ZONE}"
    policy = {
        "id": "p-1",
        "name": "Team",
        "decision": "allow",
        "include": [{"email": {"email": "ada@example.com"}}, {"email_domain": {"domain": "example.org"}}],
        "exclude": [],
        "require": [],
    }
    application = {
        "id": "a-1",
        "name": "Desk",
        "type": "self_hosted",
        "domain": NAME,
        "destinations": [{"type": "public", "uri": NAME}],
        "policies": [policy],
    }
    return {
        f"{account}/access/apps": [application],
        f"{account}/cfd_tunnel": [{"id": TUNNEL, "name": "office", "remote_config": True, "deleted_at": None}],
        f"{account}/cfd_tunnel/{TUNNEL}/configurations": {
            "tunnel_id": TUNNEL,
            "config": {
                "ingress": [{"hostname": NAME, "service": "http://localhost:8000"}, {"service": "http_status:404"}]
            },
        },
        f"{zone}/dns_records": [
            {"id": "r-1", "name": NAME, "type": "CNAME", "content": f"{TUNNEL}.cfargotunnel.com", "proxied": True}
        ],
        "/routes": [{"id": "k-1", "name": "desk", "hosts": [NAME], "service": {"id": "s-1"}}],
        "/services": [
            {"id": "s-1", "name": "desk", "protocol": "http", "host": "127.0.0.1", "port": 3000, "path": "/mcp"}
        ],
        "/plugins": [],
    }


@contextmanager
def source_of(objects: Objects) -> Iterator[tuple[ApiSource, list[str]]]:
    asked: list[str] = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            held, query = objects.get(parts.path), parse_qs(parts.query)
            asked.append(parts.path)
            is_kong = parts.path.startswith(("/routes", "/services", "/plugins"))
            if held is None or (not is_kong and self.headers.get("authorization") != f"Bearer {TOKEN}"):
                self._send(404, {"success": False, "errors": [{"code": 7003, "message": "Could not route"}]})
            elif is_kong:
                start = int(query.get("offset", ["0"])[0])  # pages of one entity
                more = {"offset": str(start + 1)} if start + 1 < len(held) else {}
                self._send(200, {"data": held[start : start + 1], "next": None, **more})
            elif isinstance(held, list):
                page = int(query["page"][0])
                info = {"page": page, "total_pages": len(held)}
                self._send(200, {"success": True, "result": held[page - 1 : page], "result_info": info})
            else:
                self._send(200, {"success": True, "result": held})

        def _send(self, status: int, document: Any) -> None:
            body = json.dumps(document).encode()
            self.send_response_only(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    with serving(Handler) as uri:
        cloudflare = Cloudflare.model_validate(
            {"account_id": ACCOUNT, "zone": "example.com", "zone_id": ZONE, "team": "acme", "api": f"{uri}/client/v4"}
        )
        gateway = Gateway.model_validate({"admin_uri": uri})
        with CloudflareReader(cloudflare, TOKEN) as reader, KongReader(gateway) as kong:
            yield ApiSource(ACCOUNT, ZONE, reader, kong), asked


def read(change: Callable[[Objects], object] = lambda _: None, *, has_file: bool = False) -> Existing:
    objects = fitting()
    change(objects)
    with source_of(objects) as (source, _):
        return read_existing(source, NAME, has_file=has_file)


def of(objects: Objects, ending: str) -> Any:
    return next(value for path, value in objects.items() if path.endswith(ending))


def test_a_set_up_of_one_of_each_fits_and_says_who_may_come_and_where_the_server_is() -> None:
    existing = read()
    assert existing.misfits == ()
    assert set(existing.objects) == {
        Kind.application, Kind.tunnel, Kind.ingress, Kind.record, Kind.service, Kind.route,
    }  # fmt: skip
    assert existing.people == (["ada@example.com"], ["example.org"])
    assert existing.origin == "http://127.0.0.1:3000/mcp"


def test_every_list_is_read_to_its_end_and_once() -> None:
    objects = fitting()
    for number in range(3):
        of(objects, "/access/apps").insert(0, {"id": f"x{number}", "name": "Wiki", "domain": f"w{number}.example.com"})
        objects["/routes"].insert(0, {"id": f"y{number}", "name": "wiki", "hosts": [f"w{number}.example.com"]})
    with source_of(objects) as (source, asked):
        assert hostnames(source, "example.com") == [NAME, *(f"w{number}.example.com" for number in range(3))]
        assert read_existing(source, NAME, has_file=False).misfits == ()
    assert [asked.count(path) for path in ("/routes", f"/client/v4/accounts/{ACCOUNT}/access/apps")] == [4, 4]


def test_what_does_not_exist_is_left_to_up() -> None:
    def without_gateway(objects: Objects) -> None:
        objects["/routes"].clear()

    existing = read(without_gateway)
    assert existing.misfits == ()
    assert Kind.route not in existing.objects
    assert existing.origin == "http://localhost:8000/mcp"


def _policy(objects: Objects) -> Any:
    return of(objects, "/access/apps")[0]["policies"][0]


MISFITS: list[tuple[str, Callable[[Objects], object], Kind, str]] = [
    (
        "several policies",
        lambda o: of(o, "/access/apps")[0]["policies"].append({"name": "Guests", "decision": "allow", "include": []}),
        Kind.application,
        "has 2 policies",
    ),
    ("a bypass policy", lambda o: _policy(o).update(decision="bypass"), Kind.application, "without a sign-in (bypass)"),
    (
        "a policy with a country",
        lambda o: _policy(o).update(require=[{"geo": {"country_code": "SE"}}]),
        Kind.application,
        "asks for more than e-mail addresses and domains",
    ),
    (
        "an application of two names",
        lambda o: of(o, "/access/apps")[0]["destinations"].append({"type": "public", "uri": "wiki.example.com"}),
        Kind.application,
        "protects desk.example.com, wiki.example.com",
    ),
    (
        "an application of a path",
        lambda o: of(o, "/access/apps")[0]["destinations"][0].update(uri=f"{NAME}/admin"),
        Kind.application,
        "protects desk.example.com/admin",
    ),
    (
        "a wildcard application",
        lambda o: of(o, "/access/apps")[0].update(destinations=[{"type": "public", "uri": "*.example.com"}]),
        Kind.application,
        "by the wildcard *.example.com",
    ),
    (
        "two applications",
        lambda o: of(o, "/access/apps").append({"id": "a-2", "name": "Old", "domain": NAME, "policies": []}),
        Kind.application,
        "2 applications protect it (Desk, Old)",
    ),
    (
        "a wildcard record",
        lambda o: of(o, "/dns_records")[0].update(name="*.example.com"),
        Kind.record,
        "a wildcard answers for desk.example.com",
    ),
    (
        "an address record",
        lambda o: of(o, "/dns_records")[0].update(type="A", content="192.0.2.7"),
        Kind.record,
        "leads to 192.0.2.7 and to no tunnel",
    ),
    (
        "a locally managed tunnel",
        lambda o: of(o, "/cfd_tunnel")[0].update(remote_config=False),
        Kind.tunnel,
        "is configured in a file on its host",
    ),
    (
        "a deleted tunnel",
        lambda o: of(o, "/cfd_tunnel")[0].update(deleted_at="2026-01-01T00:00:00Z"),
        Kind.tunnel,
        "a tunnel that this account does not have",
    ),
    (
        "a shared tunnel",
        lambda o: of(o, "/configurations")["config"]["ingress"].insert(0, {"hostname": "wiki.example.com"}),
        Kind.ingress,
        "serves wiki.example.com too",
    ),
    (
        "a tunnel with paths",
        lambda o: of(o, "/configurations")["config"]["ingress"][0].update(path="/mcp"),
        Kind.ingress,
        "leads paths of desk.example.com",
    ),
    (
        "a route with more hosts",
        lambda o: o["/routes"][0]["hosts"].append("x.example.com"),
        Kind.route,
        "x.example.com too",
    ),
    (
        "a wildcard route",
        lambda o: o["/routes"][0].update(hosts=["*.example.com"]),
        Kind.route,
        "by the wildcard *.example.com",
    ),
    (
        "a shared service",
        lambda o: o["/routes"].append({"id": "k-2", "name": "wiki", "hosts": ["w"], "service": {"id": "s-1"}}),
        Kind.service,
        "serves the routes wiki too",
    ),
    (
        "a record of another stack",
        lambda o: of(o, "/dns_records")[0].update(comment="ringwall prod.desk"),
        Kind.record,
        "belongs to Ringwall's stack prod.desk",
    ),
    (
        "a route of another stack",
        lambda o: o["/routes"][0].update(tags=["ringwall", "ringwall-environment-prod", "ringwall-server-desk"]),
        Kind.route,
        "belongs to Ringwall's stack prod.desk",
    ),
    (
        "plugins of its own",
        lambda o: o["/plugins"].append({"id": "g-1", "name": "key-auth", "service": {"id": "s-1"}}),
        Kind.plugin,
        "run on route desk",
    ),
]


@pytest.mark.parametrize(("change", "kind", "problem"), [row[1:] for row in MISFITS], ids=[row[0] for row in MISFITS])
def test_what_half_fits_is_named_with_its_remedy(change: Callable[[Objects], object], kind: Kind, problem: str) -> None:
    (misfit,) = read(change).misfits
    assert misfit.kind is kind
    assert problem in f"{misfit.name} {misfit.problem}"
    assert misfit.remedy


def test_a_stack_file_says_who_may_come_so_the_policies_need_not() -> None:
    several = MISFITS[0][1]
    assert read(several, has_file=True).misfits == ()
    bypass = MISFITS[1][1]
    assert [misfit.kind for misfit in read(bypass, has_file=True).misfits] == [Kind.application]
