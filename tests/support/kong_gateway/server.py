"""The listener: it reads a request as nginx does, routes it, runs the plugins by priority, and proxies, streams too."""

from __future__ import annotations

import contextlib
import http.client
import re
import threading
import time
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self
from urllib.parse import unquote

from tests.support.kong_gateway.configuration import Configuration, Plugin, Route, Service, Unsupported
from tests.support.kong_gateway.counters import Counters
from tests.support.kong_gateway.exchange import Exchange, Exit, Headers
from tests.support.kong_gateway.plugins import HANDLERS
from tests.support.kong_gateway.plugins.handler import Handler

#: RFC 9110 section 7.6.1, as nginx has it; lengths are written anew.
_HOP = {"connection", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade", "expect"}


class KongGateway:
    """A data plane on 127.0.0.1. `load` takes a new configuration as workers do: whole, for later requests; counters
    stay. `clock` gives Unix seconds; `seen` holds method, path and status of every request, `proxied` the path of each
    that reached its upstream."""

    def __init__(self, configuration: Configuration, clock: Callable[[], float] = time.time) -> None:
        self.clock = clock
        self.counters = Counters()
        self.seen: list[tuple[str, str, int]] = []
        self.proxied: list[str] = []
        self.failures: list[Exception] = []
        self.load(configuration)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(self))
        self._server.daemon_threads = True
        self.port = int(self._server.server_port)
        self.url = f"http://127.0.0.1:{self.port}"

    def load(self, configuration: Configuration) -> None:
        """Raises Unsupported for whatever the stand-in does not know."""
        chains: dict[str, list[Handler]] = {}
        for service in configuration.services:
            handlers = [self._make(plugin, configuration) for plugin in configuration.plugins_of(service)]
            chains[service.name] = sorted(handlers, key=lambda handler: -handler.PRIORITY)
        for route in configuration.routes:
            if route.service not in chains:
                raise Unsupported(f"a route to no service: {route.service}")
        self.configuration, self.chains = configuration, chains

    def _make(self, plugin: Plugin, configuration: Configuration) -> Handler:
        if plugin.name not in HANDLERS:
            raise Unsupported(f"plugin {plugin.name}")
        return HANDLERS[plugin.name](plugin, configuration, self.counters)

    def route_for(self, host: str, path: str, method: str) -> tuple[Service, Route] | None:
        found = [route for route in self.configuration.routes if route.matches(host, path, method)]
        if len(found) > 1:
            raise Unsupported(f"two routes for {method} {host}{path}: which goes first is the router's to say")
        if not found:
            return None
        return next(one for one in self.configuration.services if one.name == found[0].service), found[0]

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()
        if self.failures and error[0] is None:
            raise self.failures[0]


def normalized(path: str) -> str:
    """`normalize` of kong/tools/uri.lua: unreserved characters are decoded, dot segments and double slashes go."""
    decoded = re.sub(
        r"%([0-9A-Fa-f]{2})",
        lambda found: one if re.fullmatch(r"[A-Za-z0-9._~-]", one := unquote(found[0])) else found[0].upper(),
        path,
    )
    kept: list[str] = []
    segments = re.sub(r"/{2,}", "/", decoded).split("/")
    for segment in segments[1:]:
        if segment == "..":
            kept = kept[:-1]
        elif segment != ".":
            kept.append(segment)
    if segments[-1] in (".", ".."):
        kept.append("")
    return "/" + "/".join(kept)


def _handler(gateway: KongGateway) -> type[BaseHTTPRequestHandler]:
    class Listener(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"
        _log: list[Callable[[], None]]

        def _serve(self) -> None:
            self._log = []
            status = 500
            try:
                status = self._exchange()
            except (ConnectionError, TimeoutError):
                self.close_connection = True
            except Exception as failure:
                gateway.failures.append(failure)
                self.close_connection = True
                self._send(500, [("Content-Length", "0"), ("Connection", "close")])
            finally:
                gateway.seen.append((self.command, self.path, status))

        def _exchange(self) -> int:
            items = [(name, str(value)) for name, value in self.headers.items()]
            headers = Headers(items)
            if len(headers.all("host")) != 1 or (headers.all("transfer-encoding") and headers.all("content-length")):
                return self._plain(400, "Bad request")
            if self.command in ("TRACE", "CONNECT"):
                return self._plain(405, "Method not allowed")
            body = self._read(headers)
            raw, _, query = self.path.partition("?")
            host, path = re.sub(r":\d+$", "", headers.all("host")[0]).lower(), normalized(raw)
            routed = gateway.route_for(host, path, self.command)
            service = routed[0] if routed else None
            exchange = Exchange(
                service or Service("none", ()),
                self.command,
                host,
                path,
                query,
                headers,
                body,
                str(self.client_address[0]),
                int(gateway.clock()),
            )
            exchange.preserve_host = routed[1].preserve_host if routed else True
            chain = gateway.chains[service.name] if service else []
            try:
                if service is None:
                    raise exchange.error(404, "no Route matched with those values")
                for handler in chain:
                    handler.access(exchange)
            except Exit as answer:
                return self._answer(exchange, chain, answer)
            # The upstream is asked for the path as it was routed, where no plugin set another.
            return self._proxy(exchange, chain, exchange.upstream_path or path + (f"?{query}" if query else ""))

        def _read(self, headers: Headers) -> bytes:
            if (headers.first("transfer-encoding") or "").lower() == "chunked":
                parts = []
                while size := int(self.rfile.readline().partition(b";")[0], 16):
                    parts.append(self.rfile.read(size))
                    self.rfile.readline()
                while self.rfile.readline().strip():
                    pass
                return b"".join(parts)
            return self.rfile.read(int(headers.first("content-length") or 0))

        def _plain(self, status: int, message: str) -> int:
            self.close_connection = True
            body = message.encode()
            self._send(status, [("Content-Length", str(len(body))), ("Connection", "close")], body)
            return status

        def _answer(self, exchange: Exchange, chain: list[Handler], answer: Exit) -> int:
            """The gateway's own answer: the header_filter phase runs for every plugin, for those that did not get to
            their access phase too (kong/init.lua, `execute_collected_plugins_iterator`)."""
            exchange.status = answer.status
            exchange.response = Headers([("Server", "kong/3.9.3"), *exchange.early])
            for name, value in answer.headers.items():
                exchange.response.set(name, value)
            self._filter(exchange, chain)
            exchange.response.set("Content-Length", str(len(answer.body)))
            for handler in chain:
                handler.log(exchange)
            if answer.status in (413, 417):
                exchange.response.set("Connection", "close")
                self.close_connection = True
            self._send(exchange.status, list(exchange.response), answer.body)
            return exchange.status

        def _filter(self, exchange: Exchange, chain: list[Handler]) -> None:
            exchange.response.set("X-Kong-Request-Id", exchange.request_id)
            for handler in chain:
                handler.header_filter(exchange)

        def _proxy(self, exchange: Exchange, chain: list[Handler], target: str) -> int:
            service = exchange.service
            address, _, port = service.targets[0].rpartition(":")
            if exchange.address is not None:
                address, port = exchange.address[0], str(exchange.address[1])
            if not exchange.preserve_host:
                exchange.request.set("Host", f"{address}:{port}")
            connection = http.client.HTTPConnection(address, int(port), timeout=service.connect_timeout)
            try:
                try:
                    connection.connect()
                    connection.sock.settimeout(service.read_timeout)
                    connection.putrequest(exchange.method, target, skip_host=True, skip_accept_encoding=True)
                    for name, value in self._forwarded(exchange):
                        connection.putheader(name, value.encode("latin-1"))
                    connection.endheaders(exchange.body or None)
                    gateway.proxied.append(exchange.path)
                    upstream = connection.getresponse()
                except TimeoutError:
                    return self._answer(exchange, chain, exchange.error(504, "The upstream server is timing out"))
                except (OSError, http.client.HTTPException):
                    message = "An invalid response was received from the upstream server"
                    return self._answer(exchange, chain, exchange.error(502, message))
                exchange.status = upstream.status
                kept = [(name, value) for name, value in upstream.getheaders() if name.lower() not in _HOP]
                early = {name.lower() for name, _ in exchange.early}
                exchange.response = Headers([*(one for one in kept if one[0].lower() not in early), *exchange.early])
                self._filter(exchange, chain)
                self._stream(exchange, chain, upstream)
                return exchange.status
            finally:
                connection.close()

        def _forwarded(self, exchange: Exchange) -> list[tuple[str, str]]:
            kept = [one for one in exchange.request if one[0].lower() not in _HOP | {"content-length"}]
            if exchange.body or exchange.method == "POST":
                kept.append(("Content-Length", str(len(exchange.body))))
            headers = Headers(kept)
            for name, value in {
                "X-Forwarded-For": exchange.client_ip,
                "X-Forwarded-Proto": "http",
                "X-Forwarded-Host": exchange.host,
                "X-Forwarded-Port": str(gateway.port),
                "X-Forwarded-Path": exchange.path,
                "X-Real-IP": exchange.client_ip,
                "X-Kong-Request-Id": exchange.request_id,
                "Via": "1.1 kong/3.9.3",
            }.items():
                headers.set(name, value)
            return list(headers)

        def _stream(self, exchange: Exchange, chain: list[Handler], upstream: http.client.HTTPResponse) -> None:
            """Part by part as they come. The log phase runs before the last byte goes: a client that has the whole
            answer finds its counters moved."""
            length = exchange.response.first("content-length")
            bare = exchange.status in (204, 304) or exchange.method == "HEAD"
            if length is None and not bare:
                exchange.response.set("Transfer-Encoding", "chunked")
            left = int(length or 0)
            if bare or (length is not None and left == 0):
                self._log_phase(exchange, chain)
            self._send(exchange.status, list(exchange.response))
            if bare:
                return
            while part := upstream.read1(65536):
                left -= len(part)
                if length is not None and left <= 0:
                    self._log_phase(exchange, chain)
                self.wfile.write(part if length is not None else b"%x\r\n%b\r\n" % (len(part), part))
                self.wfile.flush()
            if length is None:
                self._log_phase(exchange, chain)
                self.wfile.write(b"0\r\n\r\n")

        @staticmethod
        def _log_phase(exchange: Exchange, chain: list[Handler]) -> None:
            for handler in chain:
                handler.log(exchange)

        def _send(self, status: int, headers: list[tuple[str, str]], body: bytes = b"") -> None:
            self.send_response_only(status, "" if status == 417 else None)
            for name, value in headers:
                self.send_header(name, value)
            with contextlib.suppress(ConnectionError):
                self.end_headers()
                self.wfile.write(b"" if self.command == "HEAD" else body)
                self.wfile.flush()

        def __getattr__(self, name: str) -> Any:
            if name.startswith("do_"):
                return self._serve
            raise AttributeError(name)

        def log_message(self, format: str, *args: object) -> None:
            return

    return Listener
