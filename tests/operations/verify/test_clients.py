"""Each client's way in, against each way an edge was seen to answer: by real HTTP, at an edge that stands on loopback."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from components.edge.registration import Registration
from model.known_clients import KNOWN_CLIENTS
from model.redirect_uris import loopback_host
from model.tool_lock import ToolLock
from operations.verify import clients
from operations.verify.challenges import schemes_of
from operations.verify.client import Address, Client
from operations.verify.context import VerifyContext
from operations.verify.registration import leftovers
from operations.verify.report import ProbeResult
from operations.verify.subject import ExpectedClient, PublicHostname, VerifySubject
from tests.support.edge_stand_in import EdgeStandIn, edge_stand_in
from tests.support.token_issuer import TokenIssuer

HOST = "desk.example.com"
BY_NAME = {flow.name: flow for flow in clients.KNOWN}


def door_for(*names: str) -> PublicHostname:
    """The public name of a server whose `access.clients` are these."""
    expected = tuple(ExpectedClient(name, KNOWN_CLIENTS[name].redirect_uris) for name in names)
    uris = [uri for client in expected for uri in client.redirect_uris]
    hosts = {loopback_host(uri) for uri in uris}
    listed = tuple(uri for uri in uris if loopback_host(uri) is None)
    return PublicHostname(HOST, None, expected, Registration("localhost" in hosts, "127.0.0.1" in hosts, listed))


def set_up(edge: EdgeStandIn, registration: Registration) -> None:
    """Give the edge the settings that `up` would."""
    edge.registration = {
        "enabled": registration.enabled,
        "allowAnyOnLocalhost": registration.localhost,
        "allowAnyOnLoopback": registration.loopback,
        "allowedUris": list(registration.uris),
    }


#: Every client is named, so that none is left out for that.
DOOR = door_for(*BY_NAME)
assert DOOR.registration is not None
EVERY_CLIENT = DOOR.registration


@pytest.fixture
def edge() -> Iterator[EdgeStandIn]:
    with TokenIssuer() as issuer, edge_stand_in(EdgeStandIn(issuer, {HOST: "a" * 64}, {})) as running:
        set_up(running, EVERY_CLIENT)
        yield running


async def run(
    edge: EdgeStandIn, door: PublicHostname = DOOR, *, register: bool = True, path: str = "/mcp"
) -> tuple[dict[str, ProbeResult], VerifyContext]:
    """What each client came to, by its name; `strangers-redirect` is among them."""
    subject = VerifySubject(
        stack="test.one", doors=(door,), path=path, mode="access", grants=(), resource=f"https://{HOST}{path}",
        issuer=edge.issuer.url, jwks_uri=edge.issuer.jwks_uri,
        lock=ToolLock.model_construct(tools=()),  # type: ignore[call-arg]
    )  # fmt: skip
    async with Client({HOST: Address("127.0.0.1", edge.port)}, insecure_http=True, timeout=30) as client:
        context = VerifyContext(subject, client, register=register)
        planned = list(clients.planned((door,)))
        return {probe.id.rpartition(".")[2]: await probe.run(context, at) for probe, at in planned}, context


def outcomes(results: dict[str, ProbeResult]) -> dict[str, str]:
    return {name: result.outcome for name, result in results.items() if name in BY_NAME}


async def test_every_client_comes_in_where_the_edge_is_right_and_leaves_no_registration(edge: EdgeStandIn) -> None:
    results, context = await run(edge)
    assert outcomes(results) == dict.fromkeys(BY_NAME, "pass")
    assert results["cursor"].observed == "works from resource_metadata; registered 3 redirect URIs"
    assert results["vscode"].observed == "works from resource_metadata; registered 4 redirect URIs"
    assert results["strangers-redirect"].outcome == "pass"
    assert (edge.registered, leftovers(context)) == ({}, ())


async def test_each_client_names_itself_as_its_vendor_does_on_every_request(edge: EdgeStandIn) -> None:
    await run(edge)
    named = {(path, headers["user-agent"]) for _, path, headers in edge.seen}
    for flow in clients.KNOWN:
        assert ("/mcp", flow.agents.mcp) in named
        assert ("/.well-known/oauth-protected-resource/mcp", flow.agents.discovery) in named
        assert ("/.well-known/oauth-authorization-server", flow.agents.discovery) in named
        assert ("/oauth/register", flow.agents.discovery) in named
    assert {headers["user-agent"] for verb, path, headers in edge.seen if path == "/mcp"} == {
        "ringwall-verify", "claude-code/2.1.210 (cli)", "Claude-User", "Cursor/3.9.16 (darwin arm64)",
        "Visual Studio Code/1.128.0", "openai-mcp/1.0.0 (+https://openai.com/bot)", "node",
    }  # fmt: skip


NOBODY: tuple[str, ...] = ()
#: What clients do whose source shows that any 401 makes them look at the well-known paths.
LOOKS = ("claude-code", "vscode", "inspector", "gemini-cli")


@pytest.mark.parametrize(
    ("challenge", "text", "works"),
    [
        ("login-page", "302 to a login page of Access", NOBODY),
        ("login-page with Cloudflare-Access", "302 to a login page of Access, with Cloudflare-Access on it", NOBODY),
        ("page", "200 with a page of HTML", NOBODY),
        ("cloudflare-access", "401 Cloudflare-Access, the challenge of a browser's login", LOOKS),
        ("bearer-alone", "401 Bearer without resource_metadata", LOOKS),
        ("html", "401 with a page of HTML and no challenge", LOOKS),
        ("bare", "401 without WWW-Authenticate", LOOKS),
        ("foreign-scheme", "401 basic, which is not Bearer", LOOKS),
        ("missing", "404", NOBODY),
        ("two challenges", "", tuple(BY_NAME)),
    ],
)
async def test_each_kind_of_challenge_is_told_apart_for_each_client(
    edge: EdgeStandIn, challenge: str, text: str, works: tuple[str, ...]
) -> None:
    edge.breaks_challenge = challenge
    results, _ = await run(edge)
    assert outcomes(results) == {name: "pass" if name in works else "fail" for name in BY_NAME}
    for name in set(BY_NAME) - set(works):
        assert results[name].observed == f"stops at the first answer: {text}"
        assert results[name].remedy
    for name in set(works) & set(LOOKS):
        assert text in results[name].observed


async def test_a_client_that_stops_for_another_check_points_to_it(edge: EdgeStandIn) -> None:
    edge.breaks_pkce = True
    results, _ = await run(edge)
    assert {results[name].remedy for name in BY_NAME} == {"see discovery.pkce"}


async def test_a_challenge_without_documents_lets_nobody_in(edge: EdgeStandIn) -> None:
    """Access without managed OAuth protects the well-known paths as well."""
    edge.breaks_challenge, edge.breaks_well_known = "cloudflare-access", True
    results, _ = await run(edge)
    assert outcomes(results) == dict.fromkeys(BY_NAME, "fail")
    assert results["vscode"].observed.startswith("finds no protected-resource metadata: ")


@pytest.mark.parametrize(
    ("blocked", "names"),
    [
        (("Claude-User",), {"claude"}),
        (("openai-mcp",), {"chatgpt"}),
        (("Claude-User", "openai-mcp"), {"claude", "chatgpt"}),
    ],
)
async def test_a_block_by_user_agent_is_told_from_a_block_of_everybody(
    edge: EdgeStandIn, blocked: tuple[str, ...], names: set[str]
) -> None:
    edge.breaks_user_agents = blocked
    results, _ = await run(edge)
    assert {name for name, outcome in outcomes(results).items() if outcome == "fail"} == names
    for name in names:
        agent = BY_NAME[name].agents.mcp
        assert results[name].observed == (
            f"blocked by its user agent ({agent}): 403 by Cloudflare; others get 401 Bearer with resource_metadata"
        )
        assert "AI Crawl Control" in str(results[name].remedy)
    edge.breaks_user_agents, edge.breaks_challenge = (), "mitigated"
    everybody, _ = await run(edge)
    assert {everybody[name].observed for name in BY_NAME} == {"blocked: 403, Cloudflare's own challenge"}


@pytest.mark.parametrize(
    ("resource", "works"),
    [
        ("https://desk.example.com/mcp", tuple(BY_NAME)),
        ("https://DESK.example.com:443/mcp", tuple(BY_NAME)),
        # The TypeScript SDK takes a resource above the URL; VS Code compares the two, a last slash included.
        ("https://desk.example.com", ("claude-code", "inspector")),
        ("https://desk.example.com/mcp/", NOBODY),
        ("https://desk.example.com/m", NOBODY),
        ("https://elsewhere.example.com/mcp", NOBODY),
        ("http://desk.example.com/mcp", NOBODY),
    ],
)
async def test_the_documents_resource_is_compared_as_each_client_compares_it(
    edge: EdgeStandIn, resource: str, works: tuple[str, ...]
) -> None:
    edge.breaks_resource = resource
    results, _ = await run(edge)
    assert {name for name, outcome in outcomes(results).items() if outcome == "pass"} == set(works)
    if "vscode" not in works:
        assert results["vscode"].observed == (
            f"refuses: resource is {resource}, and the URL it was given is https://desk.example.com/mcp"
        )
        assert str(results["vscode"].remedy).startswith("see discovery.resource")


@pytest.mark.parametrize("name", ["cursor", "vscode", "claude", "chatgpt"])
async def test_one_redirect_uri_that_is_not_allowed_keeps_the_client_out(edge: EdgeStandIn, name: str) -> None:
    uris = BY_NAME[name].redirect_uris
    for missing in (form for form in EVERY_CLIENT.uris if any(clients.is_allowed(uri, form) for uri in uris)):
        left = tuple(form for form in EVERY_CLIENT.uris if form != missing)
        set_up(edge, replace(EVERY_CLIENT, uris=left))
        results, _ = await run(edge)
        assert [client for client, outcome in outcomes(results).items() if outcome == "fail"] == [name]
        refused = next(uri for uri in uris if clients.is_allowed(uri, missing))
        assert results[name].observed == (
            f"cannot register: 400 invalid_redirect_uri: not allowed: {refused}; sent {', '.join(uris)}"
        )


@pytest.mark.parametrize("name", list(BY_NAME))
async def test_each_client_works_where_the_list_names_it_and_is_judged_alone_where_it_does_not(
    edge: EdgeStandIn, name: str
) -> None:
    for door in (door_for(name), door_for(*(other for other in BY_NAME if other != name))):
        assert door.registration is not None
        set_up(edge, door.registration)
        results, _ = await run(edge, door)
        named = {client.name for client in door.clients or ()}
        assert "fail" not in outcomes(results).values()
        assert {outcomes(results)[client] for client in named} == {"pass"}
        for client in set(outcomes(results)) - named:
            # Whoever returns to a host that another named client uses may register too, on every port.
            let_in = clients.may_register(door, BY_NAME[client])
            assert outcomes(results)[client] == ("pass" if let_in else "skipped")


async def test_a_registration_that_drops_a_redirect_uri_is_no_success(edge: EdgeStandIn) -> None:
    edge.breaks_registered_uris = 1
    results, _ = await run(edge)
    assert results["claude-code"].outcome == "pass"
    assert results["inspector"].observed == (
        "cannot register: registered without http://localhost:6274/oauth/callback/debug"
    )


async def test_a_client_that_nobody_named_is_kept_out_and_said_and_one_that_gets_in_is_a_failure(
    edge: EdgeStandIn,
) -> None:
    unnamed = PublicHostname(HOST, registration=Registration(localhost=True, loopback=True, uris=()))
    assert unnamed.registration is not None
    set_up(edge, unnamed.registration)
    results, _ = await run(edge, unnamed)
    assert outcomes(results) == {
        "claude-code": "pass", "cursor": "skipped", "vscode": "skipped", "inspector": "pass", "gemini-cli": "pass",
    }  # fmt: skip
    assert results["cursor"].observed.startswith(
        "does not work: cannot register: 400 invalid_redirect_uri: not allowed: cursor://"
    )
    assert results["cursor"].remedy == "for people who use it, add cursor to access.clients and run `ringwall up`"
    set_up(edge, EVERY_CLIENT)
    wide, _ = await run(edge, unnamed)
    assert (wide["cursor"].outcome, wide["vscode"].outcome) == ("fail", "fail")
    assert wide["cursor"].observed == "registered 3 redirect URIs, and access.clients does not let it"


async def test_a_client_of_ones_own_and_a_hosted_one_are_tried_with_their_own_uris(edge: EdgeStandIn) -> None:
    uris = ("com.example.desk:/callback", "https://desk.example.com/return/*")
    edges = Registration(localhost=False, loopback=False, uris=uris)
    set_up(edge, edges)
    results, _ = await run(edge, PublicHostname(HOST, None, (ExpectedClient("desk-app", uris),), edges))
    assert results["desk-app"].observed == "works from resource_metadata; registered 2 redirect URIs"


@pytest.mark.parametrize(
    ("form", "agent"),
    [
        ("https://chatgpt.com/connector/oauth/*", "openai-mcp/1.0.0 (+https://openai.com/bot)"),
        ("https://chatgpt.com/connector/oauth/kZ81mQx0TfWv", "openai-mcp/1.0.0 (+https://openai.com/bot)"),
        ("https://claude.ai/api/mcp/auth_callback", "Claude-User"),
        ("https://claude.com/api/mcp/auth_callback", "Claude-User"),
        ("https://agents.example.net/callback", "ringwall-verify"),
    ],
)
async def test_at_a_hosted_clients_name_it_alone_comes_with_its_vendors_user_agent(
    edge: EdgeStandIn, form: str, agent: str
) -> None:
    edges = Registration(localhost=False, loopback=False, uris=(form,))
    set_up(edge, edges)
    results, _ = await run(edge, PublicHostname(HOST, None, (ExpectedClient("vendor", (form,)),), edges, hosted=True))
    assert set(results) == {"strangers-redirect", "vendor"}
    assert results["vendor"].outcome == "pass"
    assert agent in {headers["user-agent"] for _, path, headers in edge.seen if path == "/mcp"}


async def test_without_registration_no_client_is_said_to_work(edge: EdgeStandIn) -> None:
    results, _ = await run(edge, register=False)
    assert outcomes(results) == dict.fromkeys(BY_NAME, "skipped")
    assert all(path != "/oauth/register" for _, path, _ in edge.seen)


async def test_a_client_id_document_is_used_where_the_edge_announces_it(edge: EdgeStandIn) -> None:
    edge.announces_cimd = True
    set_up(edge, Registration(localhost=False, loopback=False, uris=()))
    edge.registration["enabled"] = True
    results, _ = await run(edge)
    assert results["claude"].observed == "works from resource_metadata, by its own client id document (CIMD)"
    assert {name for name, outcome in outcomes(results).items() if outcome == "fail"} == {
        "cursor", "inspector", "gemini-cli",
    }  # fmt: skip


async def test_claude_registers_where_the_edge_does_not_announce_the_method_that_its_document_needs(
    edge: EdgeStandIn,
) -> None:
    edge.announces_cimd, edge.auth_methods = True, ("client_secret_basic",)
    results, _ = await run(edge)
    assert results["claude"].observed == "works from resource_metadata; registered 1 redirect URI"
    assert results["vscode"].observed == "works from resource_metadata, by its own client id document (CIMD)"


async def test_a_registration_that_cannot_be_removed_is_named(edge: EdgeStandIn) -> None:
    edge.removes = False
    _, context = await run(edge)
    named = leftovers(context)
    assert len(named) == len(edge.registered) == len(BY_NAME)
    assert {line.partition(" (")[0] for line in named} == {flow.title for flow in clients.KNOWN}
    assert all(line.endswith(f") at {HOST}: the server offers no removal") for line in named)


async def test_a_strangers_redirect_beside_a_loopback_one_is_found(edge: EdgeStandIn) -> None:
    edge.breaks_redirects = True
    results, _ = await run(edge)
    assert results["strangers-redirect"].outcome == "fail"
    assert results["strangers-redirect"].observed == "https://redirect.invalid/callback was registered (201)"
    assert edge.registered == {}


@pytest.mark.parametrize(
    ("header", "schemes"),
    [
        ("", {}),
        ("Bearer", {"bearer": {}}),
        ('Bearer resource_metadata="https://a/b, c"', {"bearer": {"resource_metadata": "https://a/b, c"}}),
        ("bearer RESOURCE_METADATA = https://a/b", {"bearer": {"resource_metadata": "https://a/b"}}),
        ('Basic realm="a \\"b\\"", Bearer scope=x', {"basic": {"realm": 'a "b"'}, "bearer": {"scope": "x"}}),
        ('Cloudflare-Access resource_metadata="https://a"', {"cloudflare-access": {"resource_metadata": "https://a"}}),
        ('resource_metadata="https://a"', {}),
        ('Bearer a="unended', {"bearer": {}, "a": {}, "unended": {}}),
    ],
)
def test_challenges_are_parsed_scheme_by_scheme(header: str, schemes: dict[str, Any]) -> None:
    assert schemes_of(header) == schemes
