"""A server behind a gate: what asks for credentials is told from what only looks so."""

from __future__ import annotations

import http.server
import json
import ssl
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from operations.scan.report import ScanReport
from tests.support.certificates import issued
from tests.support.kong_admin import serving
from tests.support.scanned_servers import only, port_of, scan_ports, tools


def test_server_that_asks_for_credentials_is_guarded(ports: dict[str, int]) -> None:
    by_port = {server.place.port: server for server in scan_ports(ports["bearer"], ports["key"]).servers}
    bearer, key = by_port[ports["bearer"]], by_port[ports["key"]]
    assert (bearer.state, bearer.demands, bearer.tools) == ("guarded", "Bearer credentials (401)", None)
    assert (key.state, key.demands, key.danger) == ("guarded", "credentials (403)", "info")


def test_site_that_asks_on_every_path_cannot_be_judged_and_is_said_so(ports: dict[str, int]) -> None:
    report = scan_ports(ports["walled"])
    assert report.servers == ()
    assert report.unjudged[0].reason.startswith("asks for credentials on every path (/mcp, ")


class Guarded(http.server.BaseHTTPRequestHandler):
    """A server with a shell behind something in front of it: `gate` answers a POST, or lets it through."""

    gate: Any = staticmethod(lambda handler, method: None)
    tools = ({"name": "execute_command", "inputSchema": {"type": "object"}},)

    def do_HEAD(self) -> None:
        self.reply(404, b"")

    def do_GET(self) -> None:
        self.reply(405, b"")

    do_DELETE = do_GET

    def do_POST(self) -> None:
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        method = body["method"]
        if self.gate(self, method):
            return
        about = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": {"name": "shell"}}
        result = {"initialize": about, "tools/list": {"tools": self.tools}}.get(method)
        answer = {"result": result} if result else {"error": {"code": -32601, "message": "not found"}}
        self.reply(200, json.dumps({"jsonrpc": "2.0", "id": body.get("id"), **answer}).encode())

    def reply(self, status: int, body: bytes, **headers: str) -> bool:
        self.send_response(status)
        for name, value in {"content-type": "application/json", **headers, "content-length": str(len(body))}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)
        return True

    def log_message(self, format: str, *args: Any) -> None:
        return


def scan_behind(gate: Any) -> ScanReport:
    """A scan of a server on loopback with such a gate."""
    with serving(type("Gated", (Guarded,), {"gate": staticmethod(gate)})) as url:
        return scan_ports(port_of(url))


@pytest.mark.parametrize(("status", "words"), [(421, b"Invalid Host header"), (403, b'{"error": "Invalid Host: x"}')])
def test_server_that_refuses_the_name_localhost_is_asked_by_its_address(status: int, words: bytes) -> None:
    def gate(handler: Guarded, _: str) -> bool:
        return not handler.headers["host"].startswith("127.0.0.1:") and handler.reply(status, words)

    server = only(scan_behind(gate))
    assert (server.state, tools(server)) == ("open", [("execute_command", "execute")])


def test_server_that_answers_to_another_host_name_only_is_not_called_fine() -> None:
    report = scan_behind(lambda handler, _: handler.reply(421, b"Invalid Host header"))
    assert report.servers == ()
    assert [unjudged.reason for unjudged in report.unjudged] == [
        "answers only to its own host name, which is not known: name it as HOST:PORT"
    ]


def test_gate_that_asks_credentials_for_methods_it_does_not_know_is_no_gate() -> None:
    server = only(scan_behind(lambda handler, method: method == "server/discover" and handler.reply(401, b"")))
    assert (server.state, tools(server)) == ("open", [("execute_command", "execute")])


def test_redirect_within_one_server_is_looked_at_as_a_client_would_follow_it() -> None:
    server = only(scan_behind(lambda handler, _: handler.path != "/v2/x" and handler.reply(307, b"", location="/v2/x")))
    assert (server.path, tools(server)) == ("/v2/x", [("execute_command", "execute")])


def test_socket_that_breaks_off_everywhere_is_one_that_cannot_be_judged() -> None:
    report = scan_behind(lambda handler, _: handler.wfile.write(b"HTTP/1.1 200 OK\r\nno header\r\n\r\n"))
    (unjudged,) = report.unjudged
    assert unjudged.reason.startswith("broke off at /mcp (")
    assert unjudged.reason.endswith("; and 6 more of the kind")


def test_path_that_does_not_answer_beside_a_guarded_one_is_said() -> None:
    def gate(handler: Guarded, _: str) -> bool:
        if handler.path == "/mcp":
            return handler.reply(401, b"", **{"www-authenticate": 'Bearer resource_metadata="https://a.example.com/"'})
        return (
            handler.reply(404, b"")
            if handler.path != "/sse"
            else bool(handler.wfile.write(b"HTTP/1.1 200 OK\r\nx\r\n\r\n"))
        )

    report = scan_behind(gate)
    assert only(report).state == "guarded"
    assert report.unjudged[0].reason.startswith("broke off at /sse (")


def test_redirects_from_path_to_path_come_to_an_end() -> None:
    def gate(handler: Guarded, _: str) -> bool:
        return handler.reply(307, b"", location=f"{handler.path}/on")

    began = time.monotonic()
    assert scan_behind(gate).servers == ()
    assert time.monotonic() - began < 30


@contextmanager
def tls_site(*, client_certificate: bool, folder: Path) -> Iterator[int]:
    file = folder / "both.pem"
    context = issued("site").server(file)
    if client_certificate:
        context.verify_mode = ssl.CERT_REQUIRED
        context.load_verify_locations(file)

    class Handler(http.server.BaseHTTPRequestHandler):
        def do_HEAD(self) -> None:
            self.send_response(200)
            self.end_headers()

        def do_POST(self) -> None:
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            result: dict[str, Any] = {"protocolVersion": "2025-06-18", "capabilities": {}, "serverInfo": {"name": "s"}}
            if body["method"] == "tools/list":
                result = {"tools": [{"name": "drop_table"}]}
            answer = json.dumps({"jsonrpc": "2.0", "id": body.get("id"), "result": result}).encode()
            self.send_response(200 if self.path == "/mcp" else 404)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, *_: object) -> None: ...

    class Site(http.server.ThreadingHTTPServer):
        daemon_threads = True

        def get_request(self) -> Any:
            connection, address = super().get_request()
            connection.settimeout(30)
            return context.wrap_socket(connection, server_side=True), address

        def handle_error(self, *_: object) -> None: ...

    import threading

    site = Site(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=site.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
    thread.start()
    try:
        yield site.server_address[1]
    finally:
        site.shutdown()
        site.server_close()
        thread.join()


def test_server_behind_tls_is_found_whatever_its_certificate(tmp_path: Path) -> None:
    with tls_site(client_certificate=False, folder=tmp_path) as port:
        server = only(scan_ports(port))
    assert (server.url, tools(server)) == (f"https://127.0.0.1:{port}/mcp", [("drop_table", "write")])


def test_server_that_wants_a_client_certificate_cannot_be_judged(tmp_path: Path) -> None:
    with tls_site(client_certificate=True, folder=tmp_path) as port:
        report = scan_ports(port)
    assert [unjudged.reason for unjudged in report.unjudged] == ["speaks TLS and demands a client certificate"]
