"""How bad a finding is, whose it is, and what is proposed for it."""

from __future__ import annotations

import os
import socket
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from model.errors import InputError
from operations.scan.advice import advise, name_for
from operations.scan.places import named_places, places
from operations.scan.process import short
from operations.scan.report import ScannedServer, ScanTarget, Tool, merged
from operations.scan.scan import PATHS
from operations.sockets import ListeningSocket, all_listeners
from tests.support.mcp_servers import SECRET, servers
from tests.support.scanned_servers import only, scan_ports


def test_owner_is_named_and_its_secret_is_not(ports: dict[str, int]) -> None:
    with servers("bearer") as (bearer, process):
        server = only(scan_ports(bearer["bearer"]))
    assert server.place.pid == process.pid
    assert (
        server.owner == f"{Path(sys.executable).name} -m tests.support.mcp_servers bearer --host 127.0.0.1 --token=***"
    )
    assert SECRET not in repr(server)


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["/usr/bin/node", "server.js", "--port", "3000"], "node server.js --port 3000"),
        (["node", "--api-key", "hunter2", "x"], "node --api-key *** x"),
        (["node", "/opt/node_modules/@vendor/server-everything/dist/index.js"], "node .../dist/index.js"),
        (["run", "PASSWORD=hunter2"], "run PASSWORD=***"),
        (["run", "sk-abcdefghijklmnopqrstuv"], "run ***"),
        (["run", "a1b2c3d4e5f6a7b8c9"], "run ***"),
        (["run", "http://me:hunter2@host/"], "run ***"),
        (["run", "-H", "Authorization: Bearer abc"], "run -H ***"),
    ],
)
def test_command_line_is_shown_without_what_may_be_secret(arguments: list[str], shown: str) -> None:
    assert short(arguments) == shown


def test_every_socket_is_reached_at_an_address_of_its_own_family() -> None:
    listeners = [
        ListeningSocket("0.0.0.0", 1),
        ListeningSocket("::", 1),
        ListeningSocket("::ffff:127.0.0.1", 2),
        ListeningSocket("192.0.2.7", 3, 9),
        ListeningSocket("0.0.0.0", 1, 4),
    ]
    reached = [(place.address, place.port, place.beyond_loopback, place.pid) for place in places(listeners)]
    assert reached == [
        ("127.0.0.1", 1, True, 4), ("::1", 1, True, None), ("127.0.0.1", 2, False, None), ("192.0.2.7", 3, True, 9),
    ]  # fmt: skip


def test_every_listening_socket_of_this_machine_is_listed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as first, socket.create_server(("127.0.0.1", 0)) as second:
        ports = {first.getsockname()[1], second.getsockname()[1]}
        assert {(listener.port, listener.pid) for listener in all_listeners()} >= {
            (port, os.getpid()) for port in ports
        }


def scanned_server(address: str, state: Any, *risks: Any, beyond: bool = True, port: int = 8080) -> ScannedServer:
    offered = tuple(Tool(f"t{number}", risk, (), False) for number, risk in enumerate(risks))
    place = ScanTarget("127.0.0.1", port, (address,), beyond)
    return ScannedServer(place, "http", (("streamable-http", "/mcp"),), state, name="n", tools=offered)


def test_danger_is_who_can_reach_it_times_what_it_can_do() -> None:
    assert scanned_server("0.0.0.0", "exposed", "read", "execute").danger == "critical"
    assert scanned_server("0.0.0.0", "exposed", "write").danger == "high"
    assert scanned_server("0.0.0.0", "exposed", "unknown").danger == "high"
    assert replace(scanned_server("0.0.0.0", "exposed"), tools=None).danger == "high"
    assert scanned_server("0.0.0.0", "exposed", "read").danger == "medium"
    assert scanned_server("127.0.0.1", "open", "execute", beyond=False).danger == "medium"
    assert scanned_server("0.0.0.0", "guarded").danger == "low"
    assert scanned_server("127.0.0.1", "guarded", beyond=False).danger == "info"


def test_one_server_on_two_addresses_is_one_finding_and_as_exposed_as_the_worse() -> None:
    pair = [scanned_server("127.0.0.1", "open", "read", beyond=False), scanned_server("0.0.0.0", "exposed", "read")]
    (server,) = merged(pair)
    assert (server.state, server.place.addresses, server.place.beyond_loopback) == (
        "exposed",
        ("127.0.0.1", "0.0.0.0"),
        True,
    )
    assert len(merged([pair[0], scanned_server("0.0.0.0", "exposed", "execute")])) == 2


def test_origin_of_a_stack_is_not_behind_rings_while_it_is_bound_beyond_loopback() -> None:
    with servers("seed", host="0.0.0.0") as (ports, _):
        server = only(scan_ports(ports["seed"], onboarded=lambda *_: "dev.ops"))
    assert (server.state, server.onboarded, server.danger) == ("exposed", "dev.ops", "critical")


@pytest.mark.parametrize(
    "target",
    [
        "192.0.2.0/24", "192.0.2.1-9:80", "192.0.2.*:80", "host:80,81", "host:1-1024", "host", "host:0", "host:70000",
        "http://192.0.2.0/24", "user@host:80", "ho st:80", "host:80/mcp", "::1:80", "-o:80",
    ],
)  # fmt: skip
def test_range_or_anything_but_one_host_and_port_is_refused(target: str) -> None:
    with pytest.raises(InputError) as refused:
        named_places([target])
    assert refused.value.key == "TARGETS"


def test_hosts_are_named_one_by_one_and_sixteen_at_most() -> None:
    places_ = named_places(["tools.example.com:8080", "[::1]:3000", "https://192.0.2.7:8443/api/mcp", "/run/mcp.sock"])
    assert [(p.address, p.port, p.beyond_loopback, p.scheme, p.path, p.socket) for p in places_] == [
        ("tools.example.com", 8080, True, None, None, None),
        ("::1", 3000, False, None, None, None),
        ("192.0.2.7", 8443, True, "https", "/api/mcp", None),
        ("", 0, False, None, None, "/run/mcp.sock"),
    ]
    with pytest.raises(InputError, match="17 hosts are named, and a scan takes 16 at most"):
        named_places([f"192.0.2.{number}:80" for number in range(17)])


@pytest.mark.parametrize(
    ("address", "beyond", "url"),
    [("::1", False, "'http://[::1]:80/mcp'"), ("127.0.0.2", False, "http://127.0.0.2:80/mcp"),
     ("192.0.2.7", True, "http://127.0.0.1:80/mcp")],
)  # fmt: skip
def test_command_names_the_address_where_the_server_is_on_its_own_host(address: str, beyond: bool, url: str) -> None:
    server = scanned_server(address, "open", beyond=beyond, port=80)
    server = replace(server, place=replace(server.place, address=address))
    advice = advise(server, environments=("dev", "prod"), project="/srv/my project")
    assert advice.command == f"ringwall onboard n --env dev --url {url} --people YOU@... --project '/srv/my project'"
    assert advice.steps[-1] == "choose its environment: dev, prod"
    assert advise(server, project="p").steps[-1] == "make an environment first: ringwall init dev --project p"


def test_name_of_a_server_fits_a_stack_and_is_taken_once() -> None:
    server = replace(scanned_server("127.0.0.1", "open", beyond=False, port=3000), name="9 Ops Helper (v2)!")
    assert name_for(server) == "ops-helper-v2"
    assert name_for(server, frozenset({"ops-helper-v2"})) == "ops-helper-v2-3000"
    assert name_for(replace(server, name="日本")) == "server"


def test_paths_tried_are_those_that_the_help_names() -> None:
    from cli.flags.scan import scan as command

    assert command.__doc__ is not None
    assert " ".join(PATHS) in " ".join(command.__doc__.split())
