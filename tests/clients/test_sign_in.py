"""What verify says of clients on the TypeScript SDK is what the SDK itself does, at the same edge: it comes to the browser
with the right resource, or it does not."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from model.known_clients import KNOWN_CLIENTS
from model.tool_lock import ToolLock
from operations.verify.client import Address, Client
from operations.verify.clients import KNOWN, probe_of
from operations.verify.context import VerifyContext
from operations.verify.subject import ExpectedClient, PublicHostname, VerifySubject
from tests.support.edge_stand_in import CHALLENGES, EdgeStandIn, edge_stand_in
from tests.support.node import NotAvailable, installed, node
from tests.support.token_issuer import TokenIssuer

HOST = "desk.example.com"
HERE = Path(__file__).parent
SDKS = {
    "sdk 1": ("sdk/dist/esm/client/streamableHttp.js", "sdk/dist/esm/client/index.js"),
    "client 2": ("client/dist/index.mjs", "client/dist/index.mjs"),
}
INSPECTOR = next(flow for flow in KNOWN if flow.name == "inspector")
DOOR = PublicHostname(HOST, clients=(ExpectedClient("inspector", KNOWN_CLIENTS["inspector"].redirect_uris),))
Trial = Callable[[], dict[str, Any]]


@pytest.fixture(scope="module")
def edge() -> Iterator[EdgeStandIn]:
    with TokenIssuer() as issuer, edge_stand_in(EdgeStandIn(issuer, {HOST: "a" * 64}, {})) as running:
        yield running


@pytest.fixture(autouse=True)
def _whole(edge: EdgeStandIn) -> Iterator[None]:
    before = {name: value for name, value in vars(edge).items() if name.startswith("breaks_")}
    yield
    for name, value in before.items():
        setattr(edge, name, value)


@pytest.fixture(scope="module", params=SDKS)
def sdk(request: pytest.FixtureRequest, edge: EdgeStandIn) -> Iterator[Trial]:
    """Begins a client of this SDK at the edge; gives what it came to."""
    try:
        modules = installed(HERE)
    except NotAvailable as reason:
        pytest.skip(f"no TypeScript SDK here: {reason}")
    files = [str(modules / "@modelcontextprotocol" / file) for file in SDKS[request.param]]
    command = [node(modules), str(HERE / "sign_in.mjs"), *files, str(edge.port)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        asked, answers = process.stdin, process.stdout

        def trial() -> dict[str, Any]:
            asked.write(json.dumps(INSPECTOR.redirect_uris) + "\n")
            asked.flush()
            answer: dict[str, Any] = json.loads(answers.readline())
            return answer

        yield trial
        asked.close()
        process.wait(timeout=90)


async def verdict(edge: EdgeStandIn) -> str:
    """What verify says of the Inspector, which is on this SDK."""
    subject = VerifySubject(
        stack="test.one", doors=(DOOR,), path="/mcp", mode="access", grants=(), resource=f"https://{HOST}/mcp",
        issuer=edge.issuer.url, jwks_uri=edge.issuer.jwks_uri,
        lock=ToolLock.model_construct(tools=()),  # type: ignore[call-arg]
    )  # fmt: skip
    async with Client({HOST: Address("127.0.0.1", edge.port)}, insecure_http=True, timeout=30) as client:
        return (await probe_of(INSPECTOR).run(VerifyContext(subject, client, register=True), DOOR)).outcome


def signs_in(answer: dict[str, Any]) -> bool:
    """Whether it came to the browser with a resource that Access takes (RFC 8707 is required there)."""
    location = answer["location"]
    if location is None:
        return False
    (resource,) = parse_qs(urlsplit(location).query).get("resource", [""])
    return answer["registered"] is True and f"https://{HOST}/mcp".startswith(resource) and resource != ""


@pytest.mark.parametrize("challenge", [None, *CHALLENGES])
async def test_the_sdk_comes_through_each_challenge_that_verify_says_it_does(
    edge: EdgeStandIn, sdk: Trial, challenge: str | None
) -> None:
    edge.breaks_challenge = challenge
    answer = sdk()
    assert challenge is not None or signs_in(answer), answer
    assert (await verdict(edge) == "pass") == signs_in(answer), answer


@pytest.mark.parametrize(
    "changes",
    [
        {"breaks_resource": f"https://{HOST}"},
        {"breaks_resource": f"https://{HOST}/mcp/"},
        {"breaks_resource": f"https://{HOST}/m"},
        {"breaks_resource": "https://elsewhere.example.com/mcp"},
        {"breaks_well_known": True},
        {"breaks_well_known": True, "breaks_challenge": "cloudflare-access"},
        {"breaks_pkce": True},
    ],
    ids=str,
)
async def test_the_sdk_takes_each_document_that_verify_says_it_does(
    edge: EdgeStandIn, sdk: Trial, changes: dict[str, Any]
) -> None:
    for name, value in changes.items():
        setattr(edge, name, value)
    answer = sdk()
    assert (await verdict(edge) == "pass") == signs_in(answer), answer


async def test_the_sdk_cannot_register_where_verify_says_so(edge: EdgeStandIn, sdk: Trial) -> None:
    before = edge.registration
    edge.registration = {**before, "allowAnyOnLocalhost": False}
    try:
        assert (await verdict(edge), sdk()["registered"]) == ("fail", False)
    finally:
        edge.registration = before
