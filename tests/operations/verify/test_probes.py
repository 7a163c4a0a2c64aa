"""Single probes against an HTTP peer whose one defence is taken away, or whose answer proves nothing."""

from __future__ import annotations

import asyncio
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
from operations.verify.context import Context
from operations.verify.conversation import Conversation
from operations.verify.report import Result
from operations.verify.subject import Caller, Door, Subject, described, is_refusal
from tests.support.issued_tokens import EXTERNAL_PERSON
from tests.support.kong_admin import serving
from tests.support.token_issuer import TokenIssuer, public_jwk

HOST, RESOURCE = "desk.example.com", "https://desk.example.com/mcp"
SERVICE_TOKEN = Caller("agent:ci", access=(("cf-access-client-id", "ci"),), principal="agent:ci")
Answer = Callable[[BaseHTTPRequestHandler], tuple[int, dict[str, str], bytes] | None]


@pytest.fixture
def issuer() -> Iterator[TokenIssuer]:
    with TokenIssuer() as one:
        yield one


def subject(**changes: Any) -> Subject:
    values: dict[str, Any] = {
        "stack": "test.one", "doors": (Door(HOST, "a" * 64),), "path": "/mcp", "mode": "access", "grants": (),
        "issuer": "https://team.example.com", "jwks_uri": "https://team.example.com/certs", "resource": RESOURCE,
    }  # fmt: skip
    lock = ToolLock.model_construct(tools=())  # type: ignore[call-arg]
    return Subject(**{**values, "lock": lock, **changes})


def probed(
    answer: Answer,
    probe: Callable[[Context, Door], Awaitable[Result]],
    about: Subject | None = None,
    *,
    timeout: float = 1,
    prepare: Callable[[Context], None] = lambda _: None,
    **given: Any,
) -> Result:
    """One probe at a peer that answers so; None leaves the connection open without a word."""

    class Peer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("content-length") or 0))
            found = answer(self)
            if found is None:
                self.rfile.read(1)
                return
            status, headers, body = found
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

    about = about or subject()
    with serving(Peer) as url:
        port = int(url.rpartition(":")[2])

        async def go() -> Result:
            async with Client({HOST: Address("127.0.0.1", port)}, insecure_http=True, timeout=timeout) as client:
                context = Context(about, client, **given)
                prepare(context)
                return await probe(context, about.doors[0])

        return asyncio.run(go())


def external(issuer: TokenIssuer) -> Subject:
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


def test_forged_bearer_token_of_mode_external_is_wrong_in_its_signature_alone(issuer: TokenIssuer) -> None:
    def tried(signature: bool) -> Result:
        server = resource_server(issuer, signature=signature)
        return probed(server, tokens.self_signed, external(issuer), caller=SERVICE_TOKEN)

    assert tried(signature=True).outcome == "pass"
    broken = tried(signature=False)
    assert broken.outcome == "fail"
    assert "self-signed as bearer behind Access: 200, and the MCP server answered" in broken.observed


def test_sibling_and_expired_tokens_of_mode_external_are_judged_by_the_external_issuer(issuer: TokenIssuer) -> None:
    now = int(time.time())

    def signed(audience: str, exp: int) -> str:
        claims = EXTERNAL_PERSON.claims(issuer.url, audience, exp - 600, exp=exp, scope="mcp:use")
        return issuer.sign(claims, typ="at+jwt")

    def tried(probe: Any, *, audience: bool = True, **given: Any) -> Result:
        server = resource_server(issuer, audience=audience)
        return probed(server, probe, external(issuer), caller=SERVICE_TOKEN, **given)

    other = signed("https://other.example.com/mcp", now + 600)
    assert tried(tokens.sibling, sibling=other).outcome == "pass"
    assert tried(tokens.sibling, sibling=other, audience=False).outcome == "fail"
    assert "this very server's" in tried(tokens.sibling, sibling=signed(RESOURCE, now + 600)).observed
    assert tried(tokens.expired, expired=signed(RESOURCE, now - 60)).outcome == "pass"
    assert (
        "for another name" in tried(tokens.expired, expired=signed("https://other.example.com/mcp", now - 60)).observed
    )


def test_sibling_token_that_would_be_refused_for_another_reason_proves_nothing(issuer: TokenIssuer) -> None:
    strange = issuer.sign({"iss": "https://stranger.example.com", "aud": "b" * 64, "exp": int(time.time()) + 600})
    for token, why in (("opaque", "is no JWT"), (strange, "is of another issuer")):
        result = probed(lambda _: (401, {}, b""), tokens.sibling, sibling=token)
        assert (result.outcome, why in result.observed) == ("skipped", True)


def test_stream_without_an_end_on_another_path_is_an_answer() -> None:
    def answer(request: BaseHTTPRequestHandler) -> tuple[int, dict[str, str], bytes]:
        if request.path == "/sse":
            return 200, {"content-type": "text/event-stream"}, b"event: endpoint\ndata: /messages\n\n"
        return 401, {}, b""

    result = probed(answer, edge.other_paths)
    assert (result.outcome, result.observed) == ("fail", "/sse: 200")


def test_path_that_does_not_answer_in_time_is_no_proof_that_it_is_closed() -> None:
    result = probed(lambda request: None if request.path == "/metrics" else (401, {}, b""), edge.other_paths)
    assert (result.outcome, result.observed) == ("fail", "/metrics: no answer within 1 s, which proves nothing")


def _conversation(context: Context, **begun: Any) -> Conversation:
    door = context.subject.doors[0]
    return Conversation(context.subject, context.client, context.url(door), SERVICE_TOKEN, **begun)


def test_session_of_nobody_proves_nothing_about_sessions_of_others() -> None:
    def opened(context: Context) -> None:
        context.conversation = _conversation(context, session="mine")

    def tried(status: int, **given: Any) -> str:
        answer = (status, {"mcp-session-id": "theirs"}, b"")
        return probed(lambda _: answer, calls.foreign_session, caller=SERVICE_TOKEN, prepare=opened, **given).outcome

    assert (tried(404), tried(200)) == ("skipped", "fail")
    # The agent's own token twice is no second principal.
    assert tried(404, second_caller=SERVICE_TOKEN) == "skipped"


@pytest.mark.parametrize(
    ("status", "outcome"), [(400, "pass"), (403, "fail"), (404, "fail"), (502, "fail"), (200, "fail")]
)
def test_only_the_same_list_or_a_refused_request_shows_that_identity_headers_are_not_believed(
    status: int, outcome: str
) -> None:
    def opened(context: Context) -> None:
        context.conversation = _conversation(context, tools=[{"name": "a"}])

    result = probed(lambda _: (status, {}, b""), calls.identity_headers, caller=SERVICE_TOKEN, prepare=opened)
    assert result.outcome == outcome


@pytest.mark.parametrize(
    ("answers", "outcome", "seen"),
    [(False, "pass", "no connection"), (True, "skipped", "cannot tell: no answer within 1 s")],
)
def test_plain_http_that_hangs_is_not_called_closed(
    answers: bool, outcome: str, seen: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By a door whose name holds the port, as the check asks for port 80 of the public name."""
    import socket

    monkeypatch.setenv("NO_PROXY", "*")
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        if not answers:
            silent.close()

        async def go() -> Result:
            async with Client({}, timeout=1) as client:
                return await edge.plain_http(Context(subject(), client), Door(f"127.0.0.1:{port}"))

        result = asyncio.run(go())
    assert (result.outcome, result.observed) == (outcome, seen)


def test_plain_http_is_not_tried_at_a_port_that_was_given_for_https() -> None:
    async def go() -> Result:
        async with Client({HOST: Address("127.0.0.1", 8443)}) as client:
            return await edge.plain_http(Context(subject(), client), Door(HOST))

    assert asyncio.run(go()).outcome == "skipped"


@pytest.mark.parametrize(
    ("headers", "body", "refused", "seen"),
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
    headers: dict[str, str], body: bytes, seen: str, *, refused: bool
) -> None:
    answer = client.Answer(400, headers, body)
    assert (is_refusal(subject(), answer), described(subject(), answer)) == (refused, seen)
