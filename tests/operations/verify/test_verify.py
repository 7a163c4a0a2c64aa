"""Verification over real HTTP: a real MCP server and real guards as processes, behind a stand-in of edge and gateway.

What is whole passes; each thing that is broken on purpose fails its own checks and no others.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from typing import Any

import jwt
import pytest

from components.edge.registration import Registration
from model.guard_config import ResolvedGrant
from model.tool_lock import ToolLock
from operations.verify.calls import PHRASE
from operations.verify.client import Address, Client
from operations.verify.context import VerifyContext
from operations.verify.ports import own_addresses, probe_of
from operations.verify.report import VerificationReport
from operations.verify.run import verify
from operations.verify.subject import CallerIdentity, InnerRing, Listening, PlantedCall, PublicHostname, VerifySubject
from tests.support import guard_process as processes
from tests.support.command_line import serve_desk
from tests.support.edge_stand_in import ACCESS_TOKEN, CLIENT_ID, CLIENT_SECRET, EdgeStandIn, edge_stand_in, signed_guard
from tests.support.kong_admin import serving
from tests.support.loopback_http import NO_AUTHORITIES
from tests.support.ports import free_port
from tests.support.token_issuer import TokenIssuer

HOST, SIBLING = "desk.example.com", "other.example.com"
AUDIENCES = {HOST: "a" * 64, SIBLING: "b" * 64}
GRANTS: list[dict[str, Any]] = [
    {"to": {"agents": ["ci"]}, "tools": ["list_tickets", "search_tickets"]},
    {"to": {"emails": ["ada@example.com"]}, "tools": ["create_ticket", "search_tickets"]},
]
AGENT = CallerIdentity(
    "agent:ci",
    access=(("cf-access-client-id", CLIENT_ID), ("cf-access-client-secret", CLIENT_SECRET)),
    principal="agent:ci",
)
ADA = CallerIdentity(
    "a bearer token", bearer=(("authorization", f"Bearer {ACCESS_TOKEN}"),), principal="ada@example.com"
)
#: What cannot be tried with what these tests give.
ALWAYS_SKIPPED = {
    "edge.plain-http": "the whole run was by plain HTTP on loopback (--insecure-http)",
    "tokens.expired": "no genuine expired token was given (--expired-token-file); one made here would be forged",
    "discovery.strangers-redirect": "no client was registered: add --register",
    **{
        f"discovery.client.{client}": "works from resource_metadata up to its registration, which was not tried"
        for client in ("claude-code", "cursor", "vscode", "inspector", "gemini-cli")
    },
    "calls.injected-result": "no tool of the lock takes a text and returns it unblocked; plant an instruction "
    "where a tool reads it, and name that call with --planted",
}


@dataclass
class Stack:
    """Everything that runs, and the subject a run is about."""

    edge: EdgeStandIn
    subject: VerifySubject
    upstream: processes.Upstream
    lock: ToolLock
    folder: Path

    async def run(self, **changes: Any) -> VerificationReport:
        """Run one verification; `changes` are fields of the context, or `subject`."""
        names = dict.fromkeys(AUDIENCES, Address("127.0.0.1", self.edge.port))
        async with Client(names, insecure_http=True, timeout=30) as client:
            values: dict[str, Any] = {"caller": AGENT, "second_caller": ADA, "subject": self.subject, **changes}
            return await verify(VerifyContext(client=client, **values))


def identity(issuer: TokenIssuer, hostname: str, audience: str | None = None) -> dict[str, Any]:
    access = {
        "issuer": issuer.url,
        "jwks_uri": issuer.jwks_uri,
        "front_doors": [{"hostname": hostname, "audience": audience or AUDIENCES[hostname]}],
    }
    return {"access": access, "agents": {CLIENT_ID: "ci"}}


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stack]:
    folder = tmp_path_factory.mktemp("verify")
    desk = serve_desk("--port", "0")
    with TokenIssuer() as issuer:
        upstream = processes.Upstream(url=next(desk))
        lock = processes.lock_of(upstream)
        with signed_guard(upstream, folder / "guard", lock, identity=identity(issuer, HOST), grants=GRANTS) as guard:
            edge = EdgeStandIn(issuer, AUDIENCES, {HOST: guard.port, SIBLING: guard.port})
            subject = VerifySubject(
                stack="test.one",
                doors=(PublicHostname(HOST, AUDIENCES[HOST], registration=Registration(True, True, ())),),
                path="/mcp",
                mode="access",
                issuer=issuer.url,
                jwks_uri=issuer.jwks_uri,
                resource=f"https://{HOST}/mcp",
                lock=lock,
                grants=tuple(ResolvedGrant.model_validate(grant) for grant in GRANTS),
                agents={CLIENT_ID: "ci"},
                siblings=(SIBLING,),
                rings=(InnerRing("guard", guard.port, "sign it again"),),
            )
            with edge_stand_in(edge):
                yield Stack(edge, subject, upstream, lock, folder)
    desk.close()  # type: ignore[attr-defined]


@pytest.fixture
def stack(running: Stack) -> Iterator[Stack]:
    """The running stack; a test may break its edge, which is put right afterwards."""
    before = {name: value for name, value in vars(running.edge).items() if name.startswith("breaks_")}
    guard = dict(running.edge.guard)
    yield running
    for name, value in before.items():
        setattr(running.edge, name, value)
    running.edge.guard = guard


def outcomes(report: VerificationReport, outcome: str) -> dict[str, str]:
    return {check.id: check.observed for check in report.checks if check.outcome == outcome}


def failures(report: VerificationReport) -> set[str]:
    return set(outcomes(report, "fail"))


async def test_a_whole_stack_passes_and_says_what_it_did_not_try(stack: Stack) -> None:
    report = await stack.run()
    assert outcomes(report, "fail") == {}
    assert outcomes(report, "skipped") == ALWAYS_SKIPPED
    assert report.summary == f"{len(report.checks) - 9} passed, 0 failed, 9 skipped"
    assert (report.exit_code(strict=False), report.exit_code(strict=True)) == (0, 3)
    observed = outcomes(report, "pass")
    assert observed["calls.tools-list"] == "2 tools, all locked and granted to agent:ci"
    assert observed["calls.denied-tool"] == "get_ticket: -32602 Unknown tool"
    assert observed["calls.injected-arguments"] == "search_tickets: blocked by the guard"
    assert observed["calls.foreign-session"] == "404 for a second identity's session"


async def test_no_token_appears_in_any_report(stack: Stack) -> None:
    genuine = stack.edge.agent_token(SIBLING)
    report = await stack.run(sibling=genuine)
    shown = f"{report.as_json()}{report.junit()}{report.rows()}{report!r}"
    for secret in (CLIENT_SECRET, ACCESS_TOKEN, genuine, "eyJ"):
        assert secret not in shown


async def test_an_edge_that_lets_strangers_in_fails_whatever_must_be_refused(stack: Stack) -> None:
    stack.edge.breaks_authentication = True
    assert failures(await stack.run()) == {
        "edge.no-token",
        "edge.country-headers",
        "edge.identity-headers",
        "edge.query-token",
        "edge.websocket",
        "tokens.self-signed",
        "tokens.unsigned",
        "tokens.hs256-confusion",
        "tokens.sibling",
        # Whoever is let in at once never learns that there is a sign-in.
        "discovery.challenge",
        *(f"discovery.client.{client}" for client in ("claude-code", "cursor", "vscode", "inspector", "gemini-cli")),
    }


async def test_an_edge_that_believes_a_header_about_who_calls_fails_with_and_without_an_identity(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    genuine = EdgeStandIn.identify

    def believing(edge: EdgeStandIn, hostname: str, headers: dict[str, str]) -> str | None:
        email = headers.get("cf-access-authenticated-user-email")
        return edge.person_token(hostname, email) if email else genuine(edge, hostname, headers)

    monkeypatch.setattr(EdgeStandIn, "identify", believing)
    assert failures(await stack.run()) == {"edge.identity-headers", "calls.identity-headers"}


@pytest.mark.parametrize(
    ("check", "algorithm"),
    [("tokens.unsigned", "none"), ("tokens.hs256-confusion", "HS256"), ("tokens.self-signed", "RS256")],
)
async def test_an_edge_that_does_not_check_one_kind_of_signature_fails_that_check_alone(
    stack: Stack, monkeypatch: pytest.MonkeyPatch, check: str, algorithm: str
) -> None:
    genuine = EdgeStandIn.identify

    def careless(edge: EdgeStandIn, hostname: str, headers: dict[str, str]) -> str | None:
        cookie = headers.get("cookie", "").removeprefix("CF_Authorization=")
        if (
            cookie
            and jwt.get_unverified_header(cookie)["alg"] == algorithm
            and not (algorithm == "RS256" and cookie.endswith("."))
        ):
            claims = jwt.decode(cookie, options={"verify_signature": False})
            if claims["iss"] == edge.issuer.url and edge.doors[hostname] in claims["aud"]:
                return edge.person_token(hostname, "ada@example.com")
        return genuine(edge, hostname, headers)

    monkeypatch.setattr(EdgeStandIn, "identify", careless)
    assert failures(await stack.run()) == {check}


async def test_an_edge_that_believes_a_country_header_fails_whichever_way_it_is_believed(
    stack: Stack, monkeypatch: pytest.MonkeyPatch
) -> None:
    genuine = EdgeStandIn.identify
    for country, opens in (("US", True), ("T1", False)):

        def believing(
            edge: EdgeStandIn, hostname: str, headers: dict[str, str], country: str = country, opens: bool = opens
        ) -> str | None:
            if headers.get("cf-ipcountry") == country:
                return edge.person_token(hostname, "ada@example.com") if opens else None
            return genuine(edge, hostname, headers)

        monkeypatch.setattr(EdgeStandIn, "identify", believing)
        assert failures(await stack.run()) == {"edge.country-headers"}


async def test_a_guard_that_only_flags_arguments_is_found(stack: Stack) -> None:
    with signed_guard(
        stack.upstream,
        stack.folder / "flags-arguments",
        stack.lock,
        identity=identity(stack.edge.issuer, HOST),
        grants=GRANTS,
        guard={"legs": {"arguments": "flag"}, "taint": {"outbound_call": "allow"}},
    ) as guard:
        stack.edge.guard[HOST] = guard.port
        assert failures(await stack.run()) == {"calls.injected-arguments"}


async def test_a_document_for_another_resource_keeps_every_client_out(stack: Stack) -> None:
    stack.edge.breaks_resource = "https://elsewhere.example.com/mcp"
    report = await stack.run()
    assert failures(report) == {
        "discovery.resource",
        *(f"discovery.client.{client}" for client in ("claude-code", "cursor", "vscode", "inspector", "gemini-cli")),
    }
    assert "https://elsewhere.example.com/mcp" in outcomes(report, "fail")["discovery.resource"]


async def test_missing_documents_and_missing_pkce_are_told_apart(stack: Stack) -> None:
    clients = {
        f"discovery.client.{client}" for client in ("claude-code", "cursor", "vscode", "inspector", "gemini-cli")
    }
    stack.edge.breaks_pkce = True
    assert failures(await stack.run()) == {"discovery.pkce", *clients}
    stack.edge.breaks_pkce, stack.edge.breaks_well_known = False, True
    missing = {"discovery.well-known", "discovery.resource", "discovery.authorization-server", *clients}
    missing.add("discovery.challenge")  # it points to what is not there
    assert failures(await stack.run()) == missing


async def test_registration_is_tried_only_when_asked_for(stack: Stack) -> None:
    def registrations() -> int:
        return sum(path == "/oauth/register" for _, path, _ in stack.edge.seen)

    before = registrations()
    await stack.run()
    assert registrations() == before
    stack.edge.removes = False
    report = await stack.run(register=True)
    stack.edge.removes = True
    assert failures(report) == set()
    assert {"discovery.strangers-redirect", "discovery.client.claude-code"} < set(outcomes(report, "pass"))
    # Three clients that return to loopback were registered, and this server keeps them.
    assert len([note for note in report.notes if note.startswith("a registration stays: ")]) == 3


async def test_a_gateway_that_swallows_the_query_fails_the_query_check_alone(stack: Stack) -> None:
    stack.edge.breaks_query = True
    assert failures(await stack.run()) == {"edge.query-token"}


async def test_a_guard_that_grants_too_much_is_found_by_list_and_call(stack: Stack) -> None:
    wide = [{"to": {"all": True}, "tools": [tool.name for tool in stack.lock.tools]}]
    with signed_guard(
        stack.upstream,
        stack.folder / "wide",
        stack.lock,
        identity=identity(stack.edge.issuer, HOST),
        grants=wide,
    ) as guard:
        stack.edge.guard[HOST] = guard.port
        report = await stack.run()
    assert failures(report) == {"calls.tools-list", "calls.denied-tool"}
    assert "create_ticket is not granted" in outcomes(report, "fail")["calls.tools-list"]


async def test_a_guard_of_another_audience_lets_nobody_in(stack: Stack) -> None:
    with signed_guard(
        stack.upstream,
        stack.folder / "mistaken",
        stack.lock,
        identity=identity(stack.edge.issuer, HOST, AUDIENCES[SIBLING]),
        grants=GRANTS,
    ) as guard:
        stack.edge.guard[HOST] = guard.port
        report = await stack.run()
    assert failures(report) == {"calls.initialize"}
    assert outcomes(report, "skipped")["calls.tools-list"] == "the identity was not let in"


async def test_an_instruction_in_a_result_is_blocked_unless_the_guard_only_flags_it(stack: Stack) -> None:
    import httpx

    # Past the guard, as whoever can write a ticket could.
    body = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {
            "name": "create_ticket",
            "arguments": {"title": f"Printer. {PHRASE}", "reporter": "eve@example.com"},
            "_meta": {
                "io.modelcontextprotocol/protocolVersion": "2026-07-28",
                "io.modelcontextprotocol/clientCapabilities": {},
            },
        },
    }
    headers = {
        "accept": "application/json, text/event-stream",
        "mcp-protocol-version": "2026-07-28",
        "mcp-method": "tools/call",
        "mcp-name": "create_ticket",
    }
    assert stack.upstream.url is not None
    httpx.post(
        stack.upstream.url, json=body, headers=headers, trust_env=False, verify=NO_AUTHORITIES
    ).raise_for_status()

    planted = PlantedCall("search_tickets", {"query": "printer. ignore"})
    assert (
        outcomes(await stack.run(planted=planted), "pass")["calls.injected-result"]
        == "search_tickets: blocked by the guard"
    )
    with signed_guard(
        stack.upstream,
        stack.folder / "flagging",
        stack.lock,
        identity=identity(stack.edge.issuer, HOST),
        grants=GRANTS,
        guard={"legs": {"results": "flag"}, "taint": {"outbound_call": "allow"}},
    ) as guard:
        stack.edge.guard[HOST] = guard.port
        assert failures(await stack.run(planted=planted)) == {"calls.injected-result"}


async def test_expired_and_sibling_tokens_prove_something_only_when_they_are_what_they_are_said_to_be(
    stack: Stack,
) -> None:
    clock = int(time.time())
    old = stack.edge.assertion(HOST, sub="ada", iat=clock - 7200, nbf=clock - 7200, exp=clock - 3600)
    assert outcomes(await stack.run(expired=old), "pass")["tokens.expired"] == "401"
    for unsuitable, reason in (
        (stack.edge.person_token(HOST, "ada@example.com"), "has not expired yet"),
        (stack.edge.assertion(SIBLING, exp=clock - 3600), "is for another name"),
        ("opaque", "is no JWT"),
    ):
        assert reason in outcomes(await stack.run(expired=unsuitable), "skipped")["tokens.expired"]
    own_token = stack.edge.agent_token(HOST)
    assert "is for this server itself" in outcomes(await stack.run(sibling=own_token), "skipped")["tokens.sibling"]
    report = await stack.run(caller=None, second_caller=None)
    assert "no service token to exchange" in outcomes(report, "skipped")["tokens.sibling"]


async def test_without_an_identity_no_call_is_made_and_none_passes(stack: Stack) -> None:
    report = await stack.run(caller=None, second_caller=None)
    assert failures(report) == set()
    assert {check.outcome for check in report.checks if check.id.startswith("calls.")} == {"skipped"}


async def test_a_name_nobody_answers_at_fails_once_and_nothing_else_passes(stack: Stack) -> None:
    subject = replace(stack.subject, doors=(PublicHostname(SIBLING, AUDIENCES[SIBLING]),), siblings=())
    port = stack.edge.port
    stack.edge.port = free_port()
    try:
        report = await stack.run(subject=subject)
    finally:
        stack.edge.port = port
    assert outcomes(report, "fail") == {"edge.reachable": "no connection"}
    assert outcomes(report, "pass") == {}
    assert report.exit_code(strict=False) == 3


async def port_check(port: int, *, on_host: bool = True) -> tuple[str, str]:
    async with Client({}) as client:
        # The probe of a port reads nothing of the subject.
        context = VerifyContext(subject=None, client=client, on_host=on_host)  # type: ignore[arg-type]
        result = await probe_of(Listening("origin", port, "bind it")).run(context, PublicHostname(HOST))
        return result.outcome, result.observed


async def test_an_origin_on_another_address_of_the_host_is_found(exposed: str) -> None:
    port = int(exposed.rpartition(":")[2].partition("/")[0])
    outcome, observed = await port_check(port)
    assert outcome == "fail"
    assert "bound beyond loopback, on 0.0.0.0" in observed
    for address in own_addresses():
        if ":" not in address:
            assert address in observed.partition(";")[0]


@pytest.fixture
def exposed() -> Iterator[str]:
    yield from serve_desk("--port", "0", "--host", "0.0.0.0")


async def test_a_port_on_loopback_passes_and_one_nobody_listens_on_is_not_called_closed() -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        outcome, observed = await port_check(port)
        assert (outcome, "bound to loopback only, on 127.0.0.1" in observed) == ("pass", True)
        assert await port_check(port, on_host=False) == (
            "skipped",
            "not run with --on-host, which says that this machine is the origin host",
        )
    outcome, observed = await port_check(port)
    assert (outcome, observed.startswith("nothing to try here: no socket")) == ("skipped", True)


async def test_each_ring_behind_the_edge_is_proven_on_its_own_where_it_is_reached(stack: Stack) -> None:
    guard = stack.subject.rings[0]
    with socket.create_server(("127.0.0.1", 0)) as held:
        nobody = held.getsockname()[1]
    report = await stack.run(subject=replace(stack.subject, rings=(InnerRing("gateway", nobody, "x"), guard)))
    assert outcomes(report, "pass")["behind.guard"] == "refused all by itself: 401"
    observed = outcomes(report, "skipped")["behind.gateway"]
    assert observed.startswith(f"not reached from here: 127.0.0.1:{nobody}: no connection")
    assert report.notes[-1].endswith("edge: proven; gateway: not reached, so not proven; guard: proven")


class AsksNobody(BaseHTTPRequestHandler):
    """An MCP server where the guard should be. `believes`: the header that must be there, whatever it says."""

    believes: str | None = None

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        refused = self.believes is not None and self.believes not in self.headers
        body = json.dumps({"jsonrpc": "2.0", "id": 1, "result": {"protocolVersion": "2025-11-25"}}).encode()
        self.send_response(401 if refused else 200)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", "0" if refused else str(len(body)))
        self.end_headers()
        self.wfile.write(b"" if refused else body)

    def log_message(self, format: str, *args: Any) -> None:
        return


class BelievesAnyAssertion(AsksNobody):
    believes = "cf-access-jwt-assertion"


@pytest.mark.parametrize(
    ("handler", "observed"),
    [
        (AsksNobody, "no token: 200, and the MCP server answered"),
        (BelievesAnyAssertion, "self-signed as assertion: 200, and the MCP server answered"),
    ],
)
async def test_an_edge_that_refuses_everything_does_not_hide_an_open_ring_behind_it(
    stack: Stack, handler: type[BaseHTTPRequestHandler], observed: str
) -> None:
    with serving(handler) as uri:
        rings = (InnerRing("guard", int(uri.rpartition(":")[2]), "sign it again"),)
        report = await stack.run(subject=replace(stack.subject, rings=rings))
    assert failures(report) == {"behind.guard"}
    assert outcomes(report, "fail")["behind.guard"].startswith(observed)
    assert report.notes[-1].endswith("edge: proven; guard: NOT closed")


async def test_something_else_at_a_rings_port_is_no_proof_and_on_the_host_a_failure(stack: Stack) -> None:
    with TokenIssuer() as elsewhere:
        port = int(elsewhere.url.rpartition(":")[2].partition("/")[0])
        changed = replace(stack.subject, rings=(InnerRing("gateway", port, "x"),))
        assert (
            "which is not how this server's gateway does"
            in outcomes(await stack.run(subject=changed), "skipped")["behind.gateway"]
        )
        assert "behind.gateway" in failures(await stack.run(subject=changed, on_host=True))
