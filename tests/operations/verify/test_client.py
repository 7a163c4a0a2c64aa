"""A request to a resolved name over TLS: the certificate must be the name's, wherever the name was sent."""

from __future__ import annotations

from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest

from operations.verify.client import Address, Client, HttpResponse, NoResponse
from tests.support.certificates import issued

NAME = "desk.example.com"


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("set-cookie", "CF_Authorization=value; Path=/")
        self.end_headers()
        self.wfile.write(f"{self.headers['host']} {self.headers.get('cookie')}".encode())

    def log_message(self, format: str, *args: object) -> None:
        return


@pytest.fixture
def port(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[int]:
    certificate, file = issued(NAME, [NAME]), tmp_path / "server.pem"
    context = certificate.server(file)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    server.daemon_threads = True
    thread = Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


async def test_tls_is_verified_for_the_name_and_not_for_where_it_was_sent(
    port: int, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    async def get(name: str, times: int = 1) -> list[HttpResponse]:
        async with Client({name: Address("127.0.0.1", port)}) as client:
            return [await client.send("GET", f"https://{name}/mcp") for _ in range(times)]

    first, second = await get(NAME, 2)
    assert (first.status, first.body) == (200, f"{NAME} None".encode())
    # What a peer sets as a cookie is seen, and never sent back by itself.
    assert first.cookies == {"CF_Authorization": "value"}
    assert second.body == first.body
    with pytest.raises(NoResponse, match="its certificate is not trusted: Hostname mismatch"):
        await get("other.example.com")


@pytest.mark.parametrize(
    ("url", "problem"),
    [
        ("https://login.example.com/token", None),
        ("http://login.example.com/token", "is not https"),
        ("https://169.254.169.254/latest", "is an address that is not public"),
        ("https://[::1]/", "is an address that is not public"),
        ("https://localhost/", "is a loopback name"),
        ("https://user:secret@login.example.com/", "holds credentials, or no host"),
        ("file:///etc/passwd", "holds credentials, or no host"),
    ],
)
async def test_urls_out_of_documents_lead_nowhere_inside(url: str, problem: str | None) -> None:
    async with Client({}) as client:
        assert client.allows(url) == problem
