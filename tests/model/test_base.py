"""Field types: what is accepted is exactly what every later reader takes the same way."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import TypeAdapter, ValidationError

from model.base import (
    AbsolutePath,
    Country,
    Duration,
    Email,
    EnvName,
    Hostname,
    HttpsUrl,
    Instant,
    Many,
    Model,
    Name,
    Network,
    SecretRef,
    UrlPath,
    VaultReference,
    Version1,
    Words,
    Yes,
    seconds,
)
from model.loopback import is_loopback
from model.server import LoopbackUrl

GOOD: list[tuple[Any, list[Any]]] = [
    (Name, ["a", "dev-1", "a" * 40]),
    (Hostname, ["a.io", "github.example.com", "xn--bcher-kva.example.com"]),
    (Country, ["SE", "NO"]),
    (Network, ["192.0.2.0/24", "2001:db8::/32", "192.0.2.1/32"]),
    (Duration, ["8h", "30m", "90s", "1h30m", "1h1m1s"]),
    (Instant, ["2026-03-01T12:00:00Z"]),
    (HttpsUrl, ["https://a.example.com", "https://a.example.com:8443/x?y=z", "http://127.0.0.1:1/x", "http://[::1]:1"]),
    (
        LoopbackUrl,
        [
            "http://127.0.0.1:3000/mcp",
            "http://localhost:3000",
            "http://[::1]:3000/",
            "http://127.0.0.1:3000/mcp?toolsets=repos,issues&fast=",
            "http://127.0.0.1:3000/?author=ada&keyboard=x",
        ],
    ),
    (Email, ["ada@example.com", "a.b+c@x.example.com"]),
    (EnvName, ["A", "_x1"]),
    (AbsolutePath, ["/", "/etc/x"]),
    (UrlPath, ["/", "/mcp", "/a/b.c"]),
    (VaultReference, ["{vault://env/log-token}", "{vault://env/creds/user_1}"]),
    (Version1, [1]),
    (Yes, [True]),
]
BAD: list[tuple[Any, list[Any]]] = [
    (Name, ["", "-a", "a-", "A", "1a", "a_b", "a" * 41, "a\n", "å", 1]),
    (Hostname, ["", "localhost", "Example.com", "a..example.com", "-a.example.com", "a.example.com.", "a.1", "a.io\n",
                "*.example.com", "a.example.com:80", "exa mple.com", "x" * 64 + ".com", "192.0.2.1"]),
    (Country, ["EU", "se", "T1", "XX", ""]),
    (Network, ["192.0.2.1/24", "0.0.0.0/0", "::/0", "192.0.2.0/33", "example.com", ""]),
    (Duration, ["", "0s", "5", "5 m", "-5m", "1d", "5m1h", "\u0665m", "1.5h", "9999999h", "5M", "8h\n"]),
    (Instant, ["2026-03-01", "2026-03-01T12:00:00+00:00", "2026-02-30T12:00:00Z", "2026-03-01T12:00:00Z\n", ""]),
    (HttpsUrl, ["http://example.com", "ftp://127.0.0.1", "https://", "https://u@example.com", "https://:p@example.com",
                "https://example.com/#f", "https://exa\nmple.com", "https://example.com/ x", "https://example.com\\@evil.io",
                "https://example.com:99999", "https://example.com:0", "http://127.0.0.1@evil.io", "//example.com", "https:a",
                "http://0x7f000001", "http://127.1", "https://exämple.com", "https://[::1"]),
    (LoopbackUrl, ["http://127.0.0.1", "http://127.0.0.1:0", "https://127.0.0.1:3000", "http://0.0.0.0:3000", "http://[::]:3000",
                   "http://10.0.0.1:3000", "http://127.0.0.1.example.com:3000",
                   "http://127.0.0.1:3000/?apiKey=1", "http://127.0.0.1:3000/?x&access_token=1",
                   "http://127.0.0.1:3000/?SECRET", "http://a@127.0.0.1:3000",
                   "http://127.0.0.1:3000/\n", "http://2130706433:3000", "http://localhost.:3000"]),
    (Email, ["ada", "@example.com", "ada@example", "a b@example.com", 'a"b@example.com', "ada@Example.com", "a@b@c.io"]),
    (EnvName, ["", "1A", "A-B", "A=B"]),
    (AbsolutePath, ["", "etc", "/a\nb"]),
    (UrlPath, ["", "mcp", "//", "/a/", "/a b", "/a?b", "/%2e"]),
    (VaultReference, ["{vault://aws/x}", "{vault://env/X}", "x{vault://env/x}", "{vault://env/}", "vault://env/x"]),
    (Version1, [True, 1.0, "1", 2, 0, None]),
    (Yes, [1, "true", False, None]),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "value"), [(kind, value) for kind, values in GOOD for value in values])
def test_a_good_value_is_taken_as_it_is(kind: Any, value: Any) -> None:
    assert TypeAdapter(kind).validate_python(value) == value


@pytest.mark.parametrize(("kind", "value"), [(kind, value) for kind, values in BAD for value in values])
def test_a_bad_value_is_refused(kind: Any, value: Any) -> None:
    with pytest.raises(ValidationError):
        TypeAdapter(kind).validate_python(value, strict=True)


@pytest.mark.parametrize(("text", "expected"), [("90s", 90), ("30m", 1800), ("8h", 28800), ("1h30m5s", 5405)])
def test_a_duration_in_seconds(text: str, expected: int) -> None:
    assert seconds(text) == expected


@pytest.mark.parametrize("host", ["localhost", "127.0.0.1", "127.255.255.254", "::1"])
def test_loopback_is_loopback(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", ["", "0.0.0.0", "::", "10.0.0.1", "localhost.example.com", "127.0.0.1.nip.io", "127.1"]
)
def test_nothing_else_is_loopback(host: str) -> None:
    assert not is_loopback(host)


class Box(Model):
    names: Many[Name] = ()
    words: Words = ()


def test_a_list_of_names_holds_none_twice_and_a_command_line_may() -> None:
    assert Box.model_validate({"names": ["a", "b"], "words": ["-v", "x", "-v", "x"]}).words == ("-v", "x", "-v", "x")
    with pytest.raises(ValidationError, match="names a twice"):
        Box.model_validate({"names": ["a", "b", "a"]})
    with pytest.raises(ValidationError):
        Box.model_validate({"words": [""]})


def test_a_model_does_not_change() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        Box().names = ("a",)  # type: ignore[misc]


def test_no_value_is_taken_from_another_type() -> None:
    for value in ({"names": "ab"}, {"names": {"a": 1}}, {"names": [1]}, {"names": None}):
        with pytest.raises(ValidationError):
            Box.model_validate(value)


@pytest.mark.parametrize("value", [{}, {"env": "A", "file": "/a"}, {"env": "A B"}, {"file": "a"}, {"value": "hunter2"}])
def test_a_secret_reference_names_exactly_one_place(value: dict[str, str]) -> None:
    with pytest.raises(ValidationError):
        SecretRef.model_validate(value)
