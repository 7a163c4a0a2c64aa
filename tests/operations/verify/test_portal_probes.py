"""The probes of an MCP portal, against a peer that answers as Cloudflare's documents say of portals (MCP server portals,
"Connect to a portal": 401 with the place of the metadata, service tokens, the server's id before each tool), and that does
one thing wrong at a time."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import pytest

from model.project import load_environment, open_project
from operations.verify.client import Address, Client
from operations.verify.context import VerifyContext
from operations.verify.portal import planned
from operations.verify.report import ProbeResult
from operations.verify.setup import subject_of
from operations.verify.subject import CallerIdentity, VerifySubject
from tests.support.kong_admin import serving
from tests.support.portals import add_portal
from tests.support.projects import write_project

HOST = "mcp.example.com"
CI = CallerIdentity("agent:ci", access=(("cf-access-client-id", "ci"),), principal="agent:ci")
METADATA = f'Bearer resource_metadata="https://{HOST}/.well-known/oauth-protected-resource/mcp"'


@dataclass
class Portal:
    """What the peer does. `tools` are the names that it lists, `open` lets strangers in, `silent` names no metadata."""

    tools: tuple[str, ...] = ()
    open: bool = False
    silent: bool = False


@contextmanager
def portal_peer(portal: Portal) -> Iterator[int]:
    class Peer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            if self.path != "/mcp":
                self._send(404, {})
            elif self.headers.get("cf-access-client-id") != "ci" and not portal.open:
                self._send(401, {} if portal.silent else {"www-authenticate": METADATA})
            elif body["method"] == "initialize":
                result = {
                    "protocolVersion": "2025-11-25",
                    "capabilities": {},
                    "serverInfo": {"name": "p", "version": "1"},
                }
                self._send(200, {}, {"jsonrpc": "2.0", "id": body["id"], "result": result})
            elif body["method"] == "tools/list":
                listed = [{"name": name, "inputSchema": {"type": "object"}} for name in portal.tools]
                self._send(200, {}, {"jsonrpc": "2.0", "id": body["id"], "result": {"tools": listed}})
            else:
                self._send(202, {})

        def _send(self, status: int, headers: dict[str, str], body: Any = None) -> None:
            encoded = b"" if body is None else json.dumps(body).encode()
            self.send_response(status)
            for name, value in {**headers, "content-type": "application/json"}.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(encoded)))
            self.end_headers()
            self.wfile.write(encoded)

        def log_message(self, format: str, *args: object) -> None:
            return

    with serving(Peer) as url:
        yield int(url.rpartition(":")[2])


@pytest.fixture
def subject(tmp_path: Path) -> VerifySubject:
    root = write_project(tmp_path)
    add_portal(root, "    portal: {hostname: mcp.example.com, servers: [one], shared: {one: ci}, agents: [ci]}\n")
    environment = load_environment(open_project(root), "dev")
    return subject_of(environment, environment.servers["one"], None)


async def outcomes(
    subject: VerifySubject, portal: Portal, caller: CallerIdentity | None = CI
) -> dict[str, ProbeResult]:
    with portal_peer(portal) as port:
        async with Client({HOST: Address("127.0.0.1", port)}, insecure_http=True, timeout=30) as client:
            context = VerifyContext(subject, client, caller=caller)
            return {probe.id: await probe.run(context, door) for probe, door in planned(subject.portal)}


def offered(subject: VerifySubject, *names: str) -> tuple[str, ...]:
    assert subject.portal is not None
    return tuple(f"{subject.portal.prefix}{name}" for name in names)


async def test_a_portal_as_it_is_planned_passes_every_probe(subject: VerifySubject) -> None:
    portal = Portal(tools=(*offered(subject, "create_ticket", "list_tickets"), "dev-hosted-1a2b_anything"))
    results = await outcomes(subject, portal)
    assert {id_: result.outcome for id_, result in results.items()} == dict.fromkeys(
        [
            "edge.reachable",
            "portal.no-token",
            "portal.identity-headers",
            "portal.challenge",
            "portal.tools",
        ],
        "pass",
    )
    assert results["portal.tools"].observed == "2 tools of the server, each granted there"


async def test_a_tool_that_is_on_beyond_the_grants_is_named(subject: VerifySubject) -> None:
    result = (await outcomes(subject, Portal(tools=offered(subject, "list_tickets", "run_report_command"))))[
        "portal.tools"
    ]
    assert (result.outcome, result.observed) == ("fail", "run_report_command is on, and is not granted there")


async def test_a_portal_that_lets_strangers_in_or_tells_nobody_where_to_sign_in_fails(subject: VerifySubject) -> None:
    unprotected = await outcomes(subject, Portal(open=True))
    failing = {id_ for id_, result in unprotected.items() if result.outcome == "fail"}
    assert failing == {"portal.no-token", "portal.identity-headers", "portal.challenge"}
    silent = await outcomes(subject, Portal(silent=True))
    assert {id_ for id_, result in silent.items() if result.outcome == "fail"} == {"portal.challenge"}


async def test_without_an_agents_token_the_tools_are_skipped_and_not_passed(subject: VerifySubject) -> None:
    result = (await outcomes(subject, Portal(), None))["portal.tools"]
    assert result.outcome == "skipped"
    assert "give the service token of ci" in result.observed


def test_a_server_that_no_portal_offers_has_no_such_probe(tmp_path: Path) -> None:
    root = write_project(tmp_path)
    environment = load_environment(open_project(root), "dev")
    subject = subject_of(environment, environment.servers["one"], None)
    assert list(planned(subject.portal)) == []
