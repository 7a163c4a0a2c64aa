"""Status and headers alone can make an answer unusable, and the sentence about it says what to do."""

from __future__ import annotations

import pytest

from wire.answer_headers import MAX_SESSION, HeaderFault, header_fault


@pytest.mark.parametrize(
    ("status", "headers", "kind", "words"),
    [
        (
            307,
            {"location": "http://127.0.0.1:8000/mcp/?token=a#b"},
            HeaderFault.REDIRECT,
            "to http://127.0.0.1:8000/mcp/",
        ),
        (
            301,
            {"location": "https://ada:pw@mcp.example/"},
            HeaderFault.REDIRECT,
            "to [secret]; give the address that answers",
        ),
        (302, {}, HeaderFault.REDIRECT, "does not name"),
        (200, {"content-encoding": " BR"}, HeaderFault.ENCODING, "with br, although asked not to"),
        (200, {"content-encoding": "gzip, gzip"}, HeaderFault.ENCODING, "gzip, gzip"),
        (404, {"content-encoding": "zstd"}, HeaderFault.ENCODING, "zstd"),
        (200, {"mcp-session-id": "s" * (MAX_SESSION + 1)}, HeaderFault.SESSION, "1025 characters"),
        (200, {"mcp-session-id": "a b"}, HeaderFault.SESSION, "visible ASCII"),
    ],
)
def test_an_unusable_answer_is_named(status: int, headers: dict[str, str], kind: HeaderFault, words: str) -> None:
    fault = header_fault(status, headers, opening=True)
    assert fault is not None
    assert fault[0] is kind
    assert words in fault[1]
    assert "token" not in fault[1]


@pytest.mark.parametrize(
    ("headers", "opening"),
    [
        ({}, True),
        ({"content-encoding": "gzip"}, True),
        ({"content-encoding": "Identity"}, True),
        ({"mcp-session-id": "s" * MAX_SESSION}, True),
        ({"mcp-session-id": "a b"}, False),
        ({"set-cookie": "x" * 9000}, True),
    ],
)
def test_any_other_answer_is_read(headers: dict[str, str], opening: bool) -> None:
    assert header_fault(200, headers, opening=opening) is None
