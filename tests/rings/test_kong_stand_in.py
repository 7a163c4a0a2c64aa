"""The stand-in of Kong refuses what it does not know, and does what is not in the recordings as the sources say."""

from __future__ import annotations

import http.client
import re
import socket
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from components.gateway.options import PLUGINS
from tests.support import kong_published_schema, kong_schema
from tests.support.kong_gateway.configuration import Configuration, Plugin, Route, Service, Unsupported
from tests.support.kong_gateway.plugins import HANDLERS
from tests.support.kong_gateway.server import KongGateway, normalized


def only(*plugins: Plugin, port: int = 1) -> Configuration:
    return Configuration((Service("s", (f"127.0.0.1:{port}",)),), (Route("s", paths=("~/mcp$",)),), plugins)


@pytest.mark.parametrize(
    "plugin",
    [
        Plugin("ai-mcp-proxy", {}, "s"),
        Plugin("jwt", {"uri_param_names": [], "hide_credentials": True}, "s"),
        Plugin("jwt", {}, "s"),  # its default reads a token from the query
        Plugin("rate-limiting", {"minute": 1, "policy": "cluster"}, "s"),
        Plugin("rate-limiting", {"minute": 0}, "s"),
        Plugin("rate-limiting", {"minute": 1, "policy": "local", "redis": {"port": 1}, "redis_port": 2}, "s"),
        Plugin("rate-limiting", {}, "s"),
        Plugin("response-ratelimiting", {"limits": {"tokens": {"minute": None}}}, "s"),
        Plugin("request-transformer", {"add": {"headers": ["a:b"]}}, "s"),
        Plugin("pre-function", {"rewrite": ["return"]}, "s"),
        Plugin("cors", {"origins": ["*"], "headers": ["a"], "methods": ["GET"]}, "s"),
    ],
)
def test_what_the_stand_in_does_not_know_is_refused(plugin: Plugin) -> None:
    with pytest.raises(Unsupported):
        KongGateway(only(plugin))


#: Plugins of the licensed editions, which OSS has not.
LICENSED = {"openid-connect", "rate-limiting-advanced"}


@pytest.mark.parametrize(
    "name", sorted(set(HANDLERS) - LICENSED - {"prometheus", "http-log", "file-log", "opentelemetry"})
)
def test_its_options_and_defaults_are_those_of_kongs_schema(name: str) -> None:
    schema = kong_schema.config_schema(name)
    options = kong_schema.fields(schema)
    assert set(HANDLERS[name].OPTIONS) == set(options) | set(kong_schema.shorthands(schema))
    for option, one in options.items():
        if one["type"] not in ("record", "map"):
            assert HANDLERS[name].OPTIONS[option] == one.get("default"), option


@pytest.mark.parametrize("name", sorted(LICENSED))
def test_the_options_of_a_licensed_plugin_are_those_of_kongs_published_schema(name: str) -> None:
    assert set(HANDLERS[name].OPTIONS) == set(kong_published_schema.config_schema(name)["properties"])


def test_plugins_run_in_the_order_that_is_listed() -> None:
    listed = {name: re.search(r"\(priority (-?\d+)\)", table.source) for name, table in PLUGINS.items()}
    found = {name: int(match[1]) for name, match in listed.items() if match}
    assert found == {name: handler.PRIORITY for name, handler in HANDLERS.items() if name not in LICENSED}


def test_a_second_instance_at_one_place_is_refused_and_the_more_specific_one_runs() -> None:
    close = {"status_code": 503, "body": "here"}
    with pytest.raises(Unsupported):
        KongGateway(only(Plugin("request-termination", close, "s"), Plugin("request-termination", close, "s")))
    wide = Plugin("request-termination", {"status_code": 503, "body": "everywhere"})
    with KongGateway(only(wide, Plugin("request-termination", close, "s"))) as gateway:
        assert get(gateway.port, "/mcp") == (503, b"here")


def get(port: int, path: str) -> tuple[int, bytes]:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
    try:
        connection.request("GET", path)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.mark.parametrize(
    ("path", "status"),
    [("/mcp", 503), ("//mcp", 503), ("/%6dcp", 503), ("/x/../mcp", 503), ("/mcp/", 404), ("/MCP", 404), ("/", 404)],
)
def test_a_path_is_normalized_before_it_is_routed(path: str, status: int) -> None:
    with KongGateway(only(Plugin("request-termination", {"status_code": 503, "body": "x"}, "s"))) as gateway:
        assert get(gateway.port, path)[0] == status


def test_normalizing_decodes_unreserved_characters_only() -> None:
    assert normalized("/a%2fb/%7Ec/./d") == "/a%2Fb/~c/d"


@pytest.mark.parametrize(
    ("head", "status"),
    [
        (b"GET /mcp HTTP/1.1\r\n", 400),
        (b"GET /mcp HTTP/1.1\r\nHost: a\r\nHost: b\r\n", 400),
        (b"POST /mcp HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n", 400),
        (b"TRACE /mcp HTTP/1.1\r\nHost: a\r\n", 405),
    ],
)
def test_what_nginx_refuses_never_reaches_a_plugin(head: bytes, status: int) -> None:
    with (
        KongGateway(only(Plugin("request-termination", {"status_code": 503, "body": "x"}, "s"))) as gateway,
        socket.create_connection(("127.0.0.1", gateway.port), timeout=30) as connection,
    ):
        connection.sendall(head + b"\r\n")
        assert connection.recv(4096).split(b" ")[1] == b"%d" % status


@pytest.fixture
def events() -> Iterator[tuple[int, threading.Event]]:
    """A server that sends one event, and the next only when told to."""
    more = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("transfer-encoding", "chunked")
            self.end_headers()
            self.wfile.write(b"8\r\ndata: 1\n\r\n")
            more.wait(30)
            self.wfile.write(b"8\r\ndata: 2\n\r\n0\r\n\r\n")

        def log_message(self, format: str, *args: Any) -> None:
            return

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield server.server_port, more
    more.set()
    server.shutdown()
    thread.join()
    server.server_close()


def test_events_of_a_stream_pass_as_they_come(events: tuple[int, threading.Event]) -> None:
    port, more = events
    with KongGateway(only(port=port)) as gateway:
        connection = http.client.HTTPConnection("127.0.0.1", gateway.port, timeout=30)
        connection.request("GET", "/mcp")
        answer = connection.getresponse()
        assert answer.read1(100) == b"data: 1\n"
        more.set()
        assert answer.read() == b"data: 2\n"
        connection.close()


def test_a_guard_that_is_not_there_is_502() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    with KongGateway(only(port=port)) as gateway:
        assert get(gateway.port, "/mcp")[0] == 502
