"""What a request may look like at the gateway, as it was run on a real Kong: the planned plugins refuse by form before
they look at who asks, and a good token does not help."""

from __future__ import annotations

import json
import socket

import pytest

from tests.rings.conftest import INITIALIZE, Rings
from tests.support import issued_tokens

HOST = "one.example.com"
BODY = json.dumps(INITIALIZE).encode()
LENGTH = f"Content-Length: {len(BODY)}"
CHUNKED = b"%x\r\n%b\r\n0\r\n\r\n" % (len(BODY), BODY)


def asked(rings: Rings, line: str, *headers: str, body: bytes = BODY) -> tuple[int, bool]:
    """The status, and whether the request reached the guard."""
    audience = rings.audiences[HOST]
    token = rings.access.sign(issued_tokens.SERVICE_TOKEN.claims(rings.access_issuer, audience))
    fixed = [f"Host: {HOST}", f"Cf-Access-Jwt-Assertion: {token}", "Content-Type: application/json"]
    accept = "Accept: application/json, text/event-stream"
    head = "\r\n".join([f"{line} HTTP/1.1", *fixed, accept, "Connection: close", *headers, "", ""])
    before, answer = len(rings.gateway.proxied), b""
    with socket.create_connection(("127.0.0.1", rings.gateway.port), timeout=20) as connection:
        connection.sendall(head.encode() + body)
        while part := connection.recv(65536):
            answer += part
    return int(answer.split(b" ")[1]), len(rings.gateway.proxied) > before


@pytest.mark.parametrize("path", ["/mcp", "//mcp", "/%6dcp", "/x/../mcp"])
def test_the_endpoint_by_any_of_its_spellings_is_checked_and_passed_on(rings: Rings, path: str) -> None:
    assert asked(rings, f"POST {path}", LENGTH) == (200, True)


@pytest.mark.parametrize(
    ("line", "headers", "body", "status"),
    [
        ("POST /mcp?access_token=secret", (LENGTH,), BODY, 400),
        ("POST /mcp", ("Transfer-Encoding: chunked",), CHUNKED, 411),
        ("POST /mcp", (), b"", 411),
        ("POST /mcp", (LENGTH, "Transfer-Encoding: chunked"), BODY, 400),
        ("POST /mcp", (LENGTH, "Host: other.example.com"), BODY, 400),
        ("POST /mcp", (LENGTH, "cf_access_jwt_assertion: x"), BODY, 400),
        ("POST /mcp", (LENGTH, "Upgrade: websocket"), BODY, 400),
        ("POST /mcp", (LENGTH, "Upgrade: h2c"), BODY, 400),
        ("GET /mcp", (LENGTH,), BODY, 400),
        ("POST /mcp", (LENGTH, *(f"x-{number}: y" for number in range(85))), BODY, 431),
        ("POST /mcp", (f"Content-Length: {4097 * 1024}",), b"x" * (4097 * 1024), 413),
        ("POST /mcp/", (LENGTH,), BODY, 404),
        ("POST /MCP", (LENGTH,), BODY, 404),
        ("POST /", (LENGTH,), BODY, 404),
        ("PUT /mcp", (LENGTH,), BODY, 404),
        ("TRACE /mcp", (), b"", 405),
    ],
)
def test_a_request_of_another_form_never_reaches_the_guard(
    rings: Rings, line: str, headers: tuple[str, ...], body: bytes, status: int
) -> None:
    assert asked(rings, line, *headers, body=body) == (status, False)


def test_what_a_client_says_of_itself_is_not_what_the_guard_hears(rings: Rings) -> None:
    forged = ("x-ringwall-principal: person:root", "x-consumer-username: root", "apikey: k")
    assert asked(rings, "POST /mcp", LENGTH, *forged) == (200, True)
    counted = rings.gateway.counters.counted()
    assert any("agent:e3678.access" in key for key in counted)
    assert not any("person:root" in key for key in counted)
