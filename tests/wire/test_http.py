"""One HTTP policy: a company's own authority and proxy hold for every road they are meant for, and for no other."""

from __future__ import annotations

import ast
import asyncio
import contextlib
import json
import ssl
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography import x509

from guard.audit.wires import HttpWire, NotAccepted
from guard.engines.http_engine import JsonService, NoAnswer
from guard.identity.keys import IssuerKeys, KeysUnavailable
from model.errors import InputError, Unreachable
from model.tool_lock import ToolLock
from operations.doctor.http import fetch
from tests.support.certificates import Issued, issued
from tests.support.company import Authority, ConnectProxy, https_server
from tests.support.guard_process import GuardProcess, Upstream, guard
from tests.support.guard_service import lock_of, tool
from tests.support.kong_manifests import environment
from tests.support.token_issuer import public_jwk
from tests.support.waiting import eventually_sync
from wire.cloudflare import CloudflareApi
from wire.http import HttpPolicy, RefusedAnswer, exchange, reason_of, tls_context
from wire.jwks import fetch_jwks
from wire.kong import KongAdmin

ROOT = Path(__file__).parents[2]
PRODUCT = ("cli", "components", "engine", "guard", "model", "operations", "plan", "wire")
KEYS = json.dumps({"keys": [public_jwk("rsa", 0, kid="one", alg="RS256")], "data": [], "result": []}).encode()


@pytest.fixture(autouse=True)
def plain_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("SSL_CERT_FILE", "SSL_CERT_DIR", "HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.lower(), raising=False)


@pytest.fixture
def authority(tmp_path: Path) -> Authority:
    return Authority(tmp_path)


@pytest.fixture
def port(authority: Authority) -> Iterator[int]:
    with https_server(authority.server("keys.company.test"), KEYS) as port:
        yield port


async def key_from(url: str) -> Any:
    async with HttpPolicy(None, proxies=True).async_client(timeout=5) as client:
        keys = IssuerKeys(url, client, time.monotonic)
        await keys.warm()
        return await keys.key("one", "RS256")


async def verdict_from(url: str) -> Any:
    service = JsonService(url, {})
    try:
        return await service.ask(b"{}", time.monotonic() + 10)
    finally:
        await service.close()


def ask_kong(url: str) -> Any:
    with KongAdmin(environment(gateway={"admin_uri": url}).gateway) as kong:
        return kong._call("GET", "/consumers", 200)


def ask_cloudflare(url: str) -> Any:
    settings = environment().cloudflare.model_copy(update={"api": url})
    with CloudflareApi(settings, "token", sleep=lambda _: None) as cloudflare:
        return cloudflare._http.get(f"{url}/x").status_code if trusted() else cloudflare._call("GET", "/x", "x")


def trusted() -> bool:
    import os

    return "SSL_CERT_FILE" in os.environ


def send_head(url: str) -> Any:
    wire = HttpWire(url, "token", None, timeout=5)
    try:
        wire._post.post(b"{}")
    finally:
        wire.close()
    return True


#: Synchronous all, as some of them run an event loop of their own.
ROADS: dict[str, Callable[[str], Any]] = {
    "the guard's signing keys": lambda url: asyncio.run(key_from(url)),
    "keys sync": fetch_jwks,
    "doctor": lambda url: fetch(url).status,
    "Kong's Admin API": ask_kong,
    "Cloudflare": ask_cloudflare,
    "a verdict engine": lambda url: asyncio.run(verdict_from(url)),
    "the audit log's collector": send_head,
}


@pytest.mark.parametrize("road", ROADS)
def test_a_companys_own_authority_counts_where_it_is_named_and_its_absence_is_called_a_certificate(
    road: str, port: int, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"https://127.0.0.1:{port}"
    with pytest.raises((Unreachable, KeysUnavailable, NoAnswer, NotAccepted)) as caught:
        ROADS[road](url)
    assert "certificate is not trusted" in str(caught.value)
    assert "SSL_CERT_FILE" in str(caught.value)
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    assert ROADS[road](url)


@pytest.mark.parametrize(
    ("names", "days", "problem"),
    [
        (["127.0.0.1"], (-2, -1), "certificate has expired"),
        (["127.0.0.1"], (1, 2), "certificate is not yet valid"),
        (["127.0.0.2"], (-1, 1), "IP address mismatch, certificate is not valid for '127.0.0.1'"),
    ],
)
def test_only_an_unknown_issuer_is_called_one(
    names: list[str],
    days: tuple[int, int],
    problem: str,
    authority: Authority,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def refusal(by: Issued) -> str:
        own = issued("keys", names, by=by, days=days)
        with https_server(own.server(tmp_path / "own.pem"), KEYS) as port, pytest.raises(Unreachable) as caught:
            fetch_jwks(f"https://127.0.0.1:{port}")
        return str(caught.value)

    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    refused = refusal(authority.own)
    assert f"(its certificate is not trusted: {problem}" in refused
    assert "SSL_CERT_FILE" not in refused
    unknown = "unable to get local issuer certificate; no authority in SSL_CERT_FILE signed it"
    assert f"(its certificate is not trusted: {unknown})" in refusal(issued("another", is_authority=True))


@pytest.mark.parametrize(
    ("missing", "of_authority", "problem"),
    [
        (x509.AuthorityKeyIdentifier, False, "Missing Authority Key Identifier"),
        (x509.KeyUsage, True, "CA cert does not include key usage extension"),
    ],
)
def test_a_certificate_against_rfc_5280_is_to_be_issued_anew(
    missing: type[x509.ExtensionType], of_authority: bool, problem: str, tmp_path: Path
) -> None:
    by = issued("company", is_authority=True, without=missing if of_authority else None)
    own = issued("keys", ["127.0.0.1"], by=by, without=None if of_authority else missing)
    trust = tls_context(str(by.write(tmp_path / "authority.pem")))
    assert bool(trust.verify_flags & ssl.VERIFY_X509_STRICT) == (sys.version_info >= (3, 13))
    trust.verify_flags |= ssl.VERIFY_X509_STRICT
    with (
        https_server(own.server(tmp_path / "own.pem"), KEYS) as port,
        httpx.Client(verify=trust, trust_env=False) as client,
        pytest.raises(httpx.ConnectError) as caught,
    ):
        client.get(f"https://127.0.0.1:{port}")
    assert reason_of(caught.value) == (
        f"its certificate is not trusted: {problem}; Python 3.13 and later hold certificates to RFC 5280: "
        "it, or its authority's, has to be issued anew"
    )


def test_a_folder_of_authorities_counts_too(
    port: int, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "certs"
    folder.mkdir()
    command = ["openssl", "x509", "-hash", "-noout", "-in", str(authority.file)]
    try:
        name = subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()
    except FileNotFoundError:
        pytest.skip("openssl is not here: it names the files of such a folder")
    (folder / f"{name}.0").write_bytes(authority.file.read_bytes())
    monkeypatch.setenv("SSL_CERT_DIR", str(folder))
    assert fetch_jwks(f"https://127.0.0.1:{port}") == KEYS


@pytest.mark.parametrize(
    ("variable", "content"), [("SSL_CERT_FILE", None), ("SSL_CERT_FILE", b"no certificate"), ("SSL_CERT_DIR", None)]
)
def test_authorities_that_cannot_be_read_are_named(
    variable: str, content: bytes | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    named = tmp_path / "authorities"
    if content is not None:
        named.write_bytes(content)
    monkeypatch.setenv(variable, str(named))
    with pytest.raises(InputError, match=f"{variable} names {named}"):
        tls_context()


def test_authorities_are_read_once_and_again_where_they_changed(
    port: int, authority: Authority, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "before").mkdir()
    file = Authority(tmp_path / "before").file
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    with pytest.raises(Unreachable, match="certificate is not trusted"):
        fetch_jwks(f"https://127.0.0.1:{port}")
    assert HttpPolicy(None, proxies=True)._context is HttpPolicy("https://a.example", proxies=False)._context
    authority.file.replace(file)
    assert fetch_jwks(f"https://127.0.0.1:{port}") == KEYS


@pytest.mark.parametrize("road", ["the guard's signing keys", "keys sync", "doctor", "Kong's Admin API"])
def test_the_proxy_of_the_environment_leads_out_and_nowhere_within(
    road: str, port: int, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    with ConnectProxy(port) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        assert ROADS[road](f"https://127.0.0.1:{port}")
        assert proxy.asked == []
        assert ROADS[road]("https://keys.company.test")
        assert set(proxy.asked) == {"keys.company.test:443"}


async def test_no_proxy_stands_between_an_engine_and_its_key(
    port: int, authority: Authority, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SSL_CERT_FILE", str(authority.file))
    with ConnectProxy(port) as proxy:
        monkeypatch.setenv("HTTPS_PROXY", proxy.url)
        with pytest.raises(NoAnswer):
            await verdict_from("https://keys.company.test")
        assert proxy.asked == []


def identity(port: int) -> dict[str, Any]:
    access = {
        "issuer": f"https://127.0.0.1:{port}",
        "jwks_uri": f"https://127.0.0.1:{port}/certs",
        "front_doors": [{"hostname": "one.example.com", "audience": "a" * 64}],
    }
    return {"access": access}


def identity_problems(running: GuardProcess) -> list[str] | None:
    """What /readyz says of the issuer's keys; None while the guard does not answer."""
    running.process.poll()
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{running.admin_port}/readyz") as answer:
            state = json.loads(answer.read())
    except urllib.error.HTTPError as answer:
        with answer:
            state = json.loads(answer.read())
    except OSError:
        return None
    return [problem for problem in state["problems"] if problem.startswith("identity")]


def test_a_guard_gets_its_keys_by_a_companys_authority_and_says_certificate_without_it(
    port: int, authority: Authority, tmp_path: Path
) -> None:
    upstream, lock = Upstream(url="http://127.0.0.1:9/mcp"), ToolLock.model_validate(lock_of([tool("search")]))
    with guard(upstream, tmp_path / "without", lock=lock, identity=identity(port)) as running:

        def certificate_problems() -> list[str]:
            return [problem for problem in identity_problems(running) or () if "certificate" in problem]

        (problem,) = eventually_sync(certificate_problems, "the issuer's certificate is named as the problem")
        assert "SSL_CERT_FILE" in problem
    trusting = {"SSL_CERT_FILE": str(authority.file)}
    with guard(upstream, tmp_path / "with", lock=lock, identity=identity(port), environment=trusting) as running:
        eventually_sync(lambda: identity_problems(running) == [], "the guard has the issuer's keys")


def test_every_client_of_httpx_is_made_by_the_policy_and_reads_up_to_a_limit() -> None:
    """`httpx.get` and its like make a client of their own; `response.read()` and its like read without a limit. The two
    readers of streams that end with the client's own limit are named, and the client whose transport refuses every call.
    The demo's client is the SDK's, and calls the demo's own guard."""
    clients, reads = set(), set()
    makers = {f"httpx.{name}" for name in ("Client", "AsyncClient", "get", "post", "request", "stream", "put", "head")}
    for folder in PRODUCT:
        for file in sorted((ROOT / folder).rglob("*.py")):
            text = file.read_text()
            for node in ast.walk(ast.parse(text)):
                if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
                    continue
                if ast.unparse(node.func) in makers:
                    clients.add(str(file.relative_to(ROOT)))
                if node.func.attr in ("aiter_bytes", "aiter_raw", "iter_bytes", "iter_raw", "aread"):
                    reads.add(str(file.relative_to(ROOT)))
    assert clients == {"wire/http.py", "operations/access/rehearsal.py"}
    assert reads == {"wire/http.py", "operations/verify/client.py", "cli/demo_calls.py"}


def test_no_reader_of_httpx_answers_uses_its_lenient_json() -> None:
    """Two keys of one name in an answer are two meanings; `json.loads` and `response.json()` take the last."""
    lenient = []
    for folder in (
        "wire",
        "operations/pull_request",
        "operations/doctor",
        "operations/keys",
        "operations/guard_bundle",
    ):
        for file in sorted((ROOT / folder).rglob("*.py")):
            calls = [
                ast.unparse(node.func) for node in ast.walk(ast.parse(file.read_text())) if isinstance(node, ast.Call)
            ]
            lenient += [str(file.relative_to(ROOT)) for call in calls if call in ("json.loads", "json.load")]
    assert lenient == []


class Long(BaseHTTPRequestHandler):
    """An answer without end, a compressed one, or one that leads elsewhere, by path."""

    def do_GET(self) -> None:
        kind = self.path.rpartition("/")[2]
        if kind == "elsewhere":
            self.send_response(302)
            self.send_header("location", "http://192.0.2.1/plain")
            self.end_headers()
            return
        self.send_response(200)
        if kind == "compressed":
            self.send_header("content-encoding", "gzip")
        self.end_headers()
        with contextlib.suppress(OSError):
            for _ in range(10_000):
                self.wfile.write(b" " * 65536)

    do_POST = do_PUT = do_PATCH = do_GET

    def log_message(self, *_: object) -> None:
        return


@pytest.fixture
def long() -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), Long)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    server.server_close()
    thread.join()


@pytest.mark.parametrize("road", ROADS)
def test_an_answer_without_end_is_cut_off_on_every_road(road: str, long: str) -> None:
    with pytest.raises(
        (Unreachable, KeysUnavailable, NoAnswer, NotAccepted), match=r"over \d+ [KM]iB|not application/json"
    ):
        ROADS[road](f"{long}/long")


def test_a_compressed_answer_is_refused_before_it_is_read(long: str) -> None:
    with HttpPolicy(long, proxies=False).client(timeout=5) as client, pytest.raises(RefusedAnswer, match="compressed"):
        exchange(client, "GET", f"{long}/compressed", limit=10, deadline=5)


def test_a_download_is_not_led_from_https_to_plain_http(
    authority: Authority, monkeypatch: pytest.MonkeyPatch, long: str
) -> None:
    with (
        HttpPolicy(None, proxies=False, redirects=True).client(timeout=5) as client,
        pytest.raises(RefusedAnswer, match="from https to plain HTTP"),
    ):
        exchange(client, "GET", f"{long}/elsewhere", limit=10, deadline=5)
