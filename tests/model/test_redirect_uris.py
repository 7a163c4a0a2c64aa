"""Which redirect URIs may stand in Access's list: what many can receive is refused with the narrow form that serves."""

from __future__ import annotations

import pytest

from model.problems import Wrong
from model.redirect_uris import check_redirect_uri, loopback_host

ACCEPTED = (
    "https://claude.ai/api/mcp/auth_callback",
    "https://chatgpt.com/connector/oauth/*",
    "https://desk.example.com:8443/oauth/callback?tenant=a",
    "https://intranet/oauth/callback",
    "http://localhost/callback",
    "http://localhost:6274/oauth/callback",
    "http://127.0.0.1:33418/",
    "cursor://anysphere.cursor-mcp/oauth/callback",
    "com.example.app:/oauth/callback",
    "https://[2001:db8::1]/cb",
)
REFUSED = {
    "http://desk.example.com/callback": "http beyond loopback",
    "http://0.0.0.0/callback": "http beyond loopback",
    "http://localhost.example.com/cb": "http beyond loopback",
    "http://127.0.0.2/callback": "names 127.0.0.2",
    "http://[::1]/callback": "names ::1",
    "https://*.example.com/callback": "* in its host",
    "https://example.com*/callback": "* in its host",
    "https://example.com:*/callback": "not a URL",
    "https://*/callback": "* in its host",
    "https://example.com/*": "every page of example.com",
    "https://example.com/*/callback": "elsewhere than as its last path segment",
    "https://example.com/oauth*": "elsewhere than as its last path segment",
    "https://example.com/cb?next=*": "elsewhere than as its last path segment",
    "https://example.com/oauth/../*": "a . or .. in its path",
    "https://example.com/oauth/%2E%2e/*": "a . or .. in its path",
    "https://Example.com/cb": "capitals in its host",
    "https://example.com/cb#at": "fragment",
    "https://ada@example.com/cb": "user name",
    "https://example.com\\@evil.example/cb": "cannot hold",
    "https://exam ple.com/cb": "cannot hold",
    "https:///cb": "names no host",
    "https://%2a.example.com/cb": "names no host",
    "javascript:alert(1)": "by javascript:",
    "JavaScript://x/%0aalert(1)": "by javascript:",
    "data:text/html,x": "by data:",
    "file:///tmp/code": "by file:",
    "intent://x/#Intent;end": "by intent:",
    "vbscript:x": "by vbscript:",
    "urn:ietf:wg:oauth:2.0:oob": "by urn:",
    "desk:/callback": "names no program",
    "desk:callback": "names no program",
    "com.example.app:callback": "names no program",
    "cursor://anysphere.cursor-mcp/*": "holds *",
    "cursor://*/oauth/callback": "holds *",
    "//example.com/cb": "begin with a scheme",
    "*": "begin with a scheme",
    "": "begin with a scheme",
    "HTTPS://example.com/cb": "begin with a scheme",
    "https://example.com/" + "a" * 2048: "longer than 2048",
}


@pytest.mark.parametrize("uri", ACCEPTED)
def test_redirect_uri_of_one_client_is_accepted(uri: str) -> None:
    assert check_redirect_uri(uri) == uri


@pytest.mark.parametrize("uri", REFUSED)
def test_redirect_uri_that_many_receive_is_refused_with_a_remedy(uri: str) -> None:
    with pytest.raises(Wrong) as caught:
        check_redirect_uri(uri)
    assert REFUSED[uri] in str(caught.value)
    assert caught.value.remedy


@pytest.mark.parametrize(
    ("uri", "host"),
    [
        ("http://localhost:1/x", "localhost"),
        ("http://127.0.0.1/", "127.0.0.1"),
        ("https://localhost/x", None),
        ("https://example.com/localhost", None),
        ("cursor://localhost/x", None),
    ],
)
def test_only_http_on_loopback_is_allowed_by_host(uri: str, host: str | None) -> None:
    assert loopback_host(uri) == host
