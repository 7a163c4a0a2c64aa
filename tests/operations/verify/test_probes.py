"""Single probes against an HTTP peer whose one defence is taken away, or whose answer proves nothing."""

from __future__ import annotations

import json
import time
from collections.abc import Awaitable, Callable, Iterator
from http.server import BaseHTTPRequestHandler
from typing import Any

import jwt
import pytest

from model.tool_lock import ToolLock
from operations.verify import calls, client, edge, tokens
from operations.verify.client import Address, Client
from operations.verify.context import VerifyContext
from operations.verify.conversation import Conversation
from operations.verify.report import ProbeResult
from operations.verify.subject import CallerIdentity, PublicHostname, VerifySubject, described, is_refusal
from tests.support.issued_tokens import EXTERNAL_PERSON
from tests.support.kong_admin import serving
from tests.support.ports import free_port
from tests.support.token_issuer import TokenIssuer, public_jwk
from wire.mcp_client import ClientSide

HOST, RESOURCE = "desk.example.com", "https://desk.example.com/mcp"
SERVICE_TOKEN = CallerIdentity("agent:ci", access=(("cf-access-client-id", "ci"),), principal="agent:ci")
Answer = Callable[[BaseHTTPRequestHandler], tuple[int, dict[str, str], bytes] | None]


@pytest.fixture
def issuer() -> Iterator[TokenIssuer]:
    with TokenIssuer() as token_issuer:
        yield token_issuer


def subject(**changes: Any) -> VerifySubject:
    values: dict[str, Any] = {
        "stack": "test.one", "doors": (PublicHostname(HOST, "a" * 64),), "path": "/mcp", "mode": "access", "grants": (),
        "issuer": "https://team.example.com", "jwks_uri": "https://team.example.com/certs", "resource": RESOURCE,
    }  # fmt: skip
    lock = ToolLock.model_construct(tools=())  # type: ignore[call-arg]
    return VerifySubject(**{**values, "lock": lock, **changes})


async def probed(
    answer: Answer,
    probe: Callable[[VerifyContext, PublicHostname], Awaitable[ProbeResult]],
    target: VerifySubject | None = None,
    *,
    timeout: float = 10,
    prepare: Callable[[VerifyContext], None] = lambda _: None,
    **context_fields: Any,
) -> ProbeResult:
    """One probe at a peer that answers so; None leaves the connection open without a word."""

    class Peer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            response = answer(self)
            if response is None:
                self.rfile.read(1)
                return
            status, headers, body = response
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)
            self.wfile.flush()
            if headers.get("content-type") == "text/event-stream":
                self.rfile.read(1)

        do_POST = do_GET

        def log_message(self, format: str, *args: object) -> None:
            return

    target = target or subject()
    with serving(Peer) as url:
        port = int(url.rpartition(":")[2])

        async with Client({HOST: Address("127.0.0.1", port)}, insecure_http=True, timeout=timeout) as client:
            context = VerifyContext(target, client, **context_fields)
            prepare(context)
            return await probe(context, target.doors[0])


def external(issuer: TokenIssuer) -> VerifySubject:
    return subject(mode="external", external_issuer=issuer.url, external_jwks_uri=issuer.jwks_uri, scopes=("mcp:use",))


def resource_server(issuer: TokenIssuer, *, signature: bool = True, audience: bool = True) -> Answer:
    """Access for the service token, then a gateway that verifies the bearer token, all but what is taken away."""
    result = {"jsonrpc": "2.0", "id": 1, "result": {"protocolVersion": "2025-11-25", "capabilities": {}}}

    def answer(request: BaseHTTPRequestHandler) -> tuple[int, dict[str, str], bytes]:
        token = (request.headers.get("authorization") or "").removeprefix("Bearer ")
        if request.headers.get("cf-access-client-id") != "ci":
            return 401, {}, b""
        try:
            claims = jwt.decode(
                token, jwt.PyJWK(public_jwk("rsa")), algorithms=["RS256"], issuer=issuer.url, audience=RESOURCE,
                options={"verify_signature": signature, "verify_aud": audience, "verify_iss": True, "verify_exp": True},
            )  # fmt: skip
        except jwt.InvalidTokenError:
            return 401, {}, b""
        let_in = not audience or claims.get("scope") == "mcp:use"
        return (200, {"content-type": "application/json"}, json.dumps(result).encode()) if let_in else (403, {}, b"")

    return answer


async def test_forged_bearer_token_of_mode_external_is_wrong_in_its_signature_alone(issuer: TokenIssuer) -> None:
    async def tried(signature: bool) -> ProbeResult:
        server = resource_server(issuer, signature=signature)
        return await probed(server, tokens.self_signed, external(issuer), caller=SERVICE_TOKEN)

    assert (await tried(signature=True)).outcome == "pass"
    broken = await tried(signature=False)
    assert broken.outcome == "fail"
    assert "self-signed as bearer behind Access: 200, and the MCP server answered" in broken.observed


async def test_sibling_and_expired_tokens_of_mode_external_are_judged_by_the_external_issuer(
    issuer: TokenIssuer,
) -> None:
    clock = int(time.time())

    def signed(audience: str, exp: int) -> str:
        claims = EXTERNAL_PERSON.claims(issuer.url, audience, exp - 600, exp=exp, scope="mcp:use")
        return issuer.sign(claims, typ="at+jwt")

    async def tried(probe: Any, *, audience: bool = True, **context_fields: Any) -> ProbeResult:
        server = resource_server(issuer, audience=audience)
        return await probed(server, probe, external(issuer), caller=SERVICE_TOKEN, **context_fields)

    sibling_token = signed("https://other.example.com/mcp", clock + 600)
    assert (await tried(tokens.sibling, sibling=sibling_token)).outcome == "pass"
    assert (await tried(tokens.sibling, sibling=sibling_token, audience=False)).outcome == "fail"
    assert "for this server itself" in (await tried(tokens.sibling, sibling=signed(RESOURCE, clock + 600))).observed
    assert (await tried(tokens.expired, expired=signed(RESOURCE, clock - 60))).outcome == "pass"
    assert (
        "for another name"
        in (await tried(tokens.expired, expired=signed("https://other.example.com/mcp", clock - 60))).observed
    )


async def test_sibling_token_that_would_be_refused_for_another_reason_proves_nothing(issuer: TokenIssuer) -> None:
    strange = issuer.sign({"iss": "https://stranger.example.com", "aud": "b" * 64, "exp": int(time.time()) + 600})
    for token, reason in (("opaque", "is no JWT"), (strange, "is of another issuer")):
        result = await probed(lambda _: (401, {}, b""), tokens.sibling, sibling=token)
        assert (result.outcome, reason in result.observed) == ("skipped", True)


async def test_stream_without_an_end_on_another_path_is_an_answer() -> None:
    def answer(request: BaseHTTPRequestHandler) -> tuple[int, dict[str, str], bytes]:
        if request.path == "/sse":
            return 200, {"content-type": "text/event-stream"}, b"event: endpoint\ndata: /messages\n\n"
        return 401, {}, b""

    result = await probed(answer, edge.other_paths)
    assert (result.outcome, result.observed) == ("fail", "/sse: 200")


async def test_path_that_does_not_answer_in_time_is_no_proof_that_it_is_closed() -> None:
    def answer(request: BaseHTTPRequestHandler) -> tuple[int, dict[str, str], bytes] | None:
        return None if request.path == "/metrics" else (401, {}, b"")

    result = await probed(answer, edge.other_paths, timeout=3)
    assert (result.outcome, result.observed) == ("fail", "/metrics: no answer within 3 s, which proves nothing")


def _conversation(context: VerifyContext, **begun: Any) -> Conversation:
    door = context.subject.doors[0]
    return Conversation(context.subject, context.client, context.url(door), SERVICE_TOKEN, **begun)


async def test_session_of_nobody_proves_nothing_about_sessions_of_others() -> None:
    def opened(context: VerifyContext) -> None:
        context.conversation = _conversation(context, side=ClientSide("probe", session="mine"))

    async def tried(status: int, **context_fields: Any) -> str:
        answer = (status, {"mcp-session-id": "theirs"}, b"")
        result = await probed(
            lambda _: answer, calls.foreign_session, caller=SERVICE_TOKEN, prepare=opened, **context_fields
        )
        return result.outcome

    assert (await tried(404), await tried(200)) == ("skipped", "fail")
    # The agent's own token twice is no second principal.
    assert await tried(404, second_caller=SERVICE_TOKEN) == "skipped"


@pytest.mark.parametrize(
    ("status", "outcome"), [(400, "pass"), (403, "fail"), (404, "fail"), (502, "fail"), (200, "fail")]
)
async def test_only_the_same_list_or_a_refused_request_shows_that_identity_headers_are_not_believed(
    status: int, outcome: str
) -> None:
    def opened(context: VerifyContext) -> None:
        context.conversation = _conversation(context, tools=[{"name": "a"}])

    result = await probed(lambda _: (status, {}, b""), calls.identity_headers, caller=SERVICE_TOKEN, prepare=opened)
    assert result.outcome == outcome


@pytest.mark.parametrize(
    ("answers", "outcome", "observed"),
    [(False, "pass", "no connection"), (True, "skipped", "cannot tell: no answer within 3 s")],
)
async def test_plain_http_that_hangs_is_not_called_closed(
    answers: bool, outcome: str, observed: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a door whose name holds the port, as the check asks for port 80 of the public name."""
    import socket

    monkeypatch.setenv("NO_PROXY", "*")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1] if answers else free_port()
        async with Client({}, timeout=3) as client:
            result = await edge.plain_http(VerifyContext(subject(), client), PublicHostname(f"127.0.0.1:{port}"))
    assert (result.outcome, result.observed) == (outcome, observed)


async def test_plain_http_is_not_tried_at_a_port_that_was_given_for_https() -> None:
    async with Client({HOST: Address("127.0.0.1", 8443)}) as client:
        result = await edge.plain_http(VerifyContext(subject(), client), PublicHostname(HOST))
    assert result.outcome == "skipped"


@pytest.mark.parametrize(
    ("headers", "body", "refused", "observed"),
    [
        ({"server": "kong/3.9.3"}, b'{"message":"Bad request"}', True, "400 by Kong"),
        ({"server": "cloudflare"}, b"<html>", True, "400 by the edge"),
        ({}, b"", True, "400 by edge or gateway"),
        (
            {"content-type": "application/json"},
            b'{"jsonrpc":"2.0","id":null,"error":{"code":-32000,"message":"no session"}}',
            False,
            "400 by guard or server",
        ),
    ],
)
def test_a_400_is_a_refusal_unless_it_may_be_the_servers_own(
    headers: dict[str, str], body: bytes, observed: str, *, refused: bool
) -> None:
    answer = client.HttpResponse(400, headers, body)
    assert (is_refusal(subject(), answer), described(subject(), answer)) == (refused, observed)
