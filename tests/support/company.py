"""A company's network on loopback: its own certificate authority, servers with its certificates, and a proxy outwards."""

from __future__ import annotations

import contextlib
import socket
import ssl
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

from tests.support.certificates import issued


class Authority:
    """`file` holds its certificate, to be named by SSL_CERT_FILE."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.own = issued("A company's own authority", is_authority=True)
        self.file = folder / "company-ca.pem"
        self.file.write_bytes(self.own.pem)

    def server(self, *names: str) -> ssl.SSLContext:
        """A server's side of TLS for these names, loopback among them."""
        certificate = issued(None, ["127.0.0.1", *names], by=self.own)
        return certificate.server(self._folder / f"server-{'-'.join(names)}.pem")


@contextlib.contextmanager
def https_server(tls: ssl.SSLContext, body: bytes) -> Iterator[int]:
    """Answers every GET and POST with `body`; its port."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.rfile.read(int(self.headers.get("content-length", 0)))
            self.send_response(200)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        do_POST = do_GET

        def log_message(self, format: str, *args: object) -> None:
            return

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def finish_request(self, request: object, client_address: object) -> None:
            # In the connection's own thread: a client that breaks the handshake off stops nobody else.
            assert isinstance(request, socket.socket)
            with contextlib.suppress(OSError), tls.wrap_socket(request, server_side=True) as secure:
                super().finish_request(secure, client_address)

    with Server(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield int(server.server_port)
        finally:
            server.shutdown()
            thread.join()


class ConnectProxy:
    """An HTTP proxy that answers CONNECT (RFC 9110 section 9.3.6) and leads every name to one port of this machine.

    `asked` holds the authorities that were asked for.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self.asked: list[str] = []
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.url = f"http://127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> ConnectProxy:
        self._thread = threading.Thread(target=self._accept, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        # Not close alone: a thread in accept would wait on.
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._thread.join()

    def _accept(self) -> None:
        while True:
            try:
                client, _ = self._listener.accept()
            except OSError:
                return
            threading.Thread(target=self._serve, args=(client,), daemon=True).start()

    def _serve(self, client: socket.socket) -> None:
        with client, contextlib.suppress(OSError):
            head = b""
            while not head.endswith(b"\r\n\r\n"):
                part = client.recv(1)
                if not part:
                    return
                head += part
            method, authority, _ = head.split(b" ", 2)
            self.asked.append(authority.decode())
            if method != b"CONNECT":
                client.sendall(b"HTTP/1.1 405 Method Not Allowed\r\ncontent-length: 0\r\n\r\n")
                return
            with socket.create_connection(("127.0.0.1", self._port)) as server:
                client.sendall(b"HTTP/1.1 200 OK\r\n\r\n")
                back = threading.Thread(target=_copy, args=(server, client), daemon=True)
                back.start()
                _copy(client, server)
                back.join()


def _copy(source: socket.socket, target: socket.socket) -> None:
    with contextlib.suppress(OSError):
        while part := source.recv(65536):
            target.sendall(part)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
