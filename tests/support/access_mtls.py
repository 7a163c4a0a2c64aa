"""Cloudflare Access with mutual TLS, on loopback with real TLS, as an environment's plan sets it up.

Written from Cloudflare's pages "Mutual TLS" and "Access policies": at a host name that some authority is associated with,
the TLS handshake asks for a client certificate. One of another authority ends it, by OpenSSL's own rule. A caller passes
when, of the application's policies in order, one has an `includes` that holds and `requires` that all hold. Selectors that
the plan of an agent has no use for are refused. Nothing of a certificate goes on.
"""

from __future__ import annotations

import contextlib
import http.client
import ssl
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from ipaddress import ip_address, ip_network
from typing import Any

from plan.graph import Graph

_TYPE = "cloudflare:index/zeroTrustAccess{0}:ZeroTrustAccess{0}"


@dataclass
class AccessWithCertificates:
    """One public name. `graph` is the environment's plan, `policies` are the keys of the name's policies in order, `sign`
    makes the assertion of a service token, `behind` is the port of the tunnel. The caller comes from `address`."""

    graph: Graph
    hostname: str
    policies: Sequence[str]
    service_tokens: Mapping[str, tuple[str, str]]
    sign: Callable[[str], str]
    behind: int
    address: str = "192.0.2.7"
    country: str = "SE"
    port: int = 0
    #: Common names of the certificates that were shown, None for none.
    shown: list[str | None] = field(default_factory=list)

    def authorities(self) -> str:
        certificates = self.graph.by_type(_TYPE.format("MtlsCertificate"))
        listed: list[str] = [
            str(resource.inputs["certificate"])
            for resource in certificates
            if self.hostname in resource.inputs["associatedHostnames"]  # type: ignore[operator]
        ]
        return "".join(listed)

    def admits(self, token: str | None, common_name: str | None) -> bool:
        named = {
            str(r.inputs["name"]).removeprefix("dev-"): r.inputs for r in self.graph.by_type(_TYPE.format("Policy"))
        }
        for key in self.policies:
            policy: Any = named[key]
            if policy["decision"] == "non_identity":
                included = any(self._holds(rule, token, common_name) for rule in policy["includes"])
                if included and all(self._holds(rule, token, common_name) for rule in policy["requires"]):
                    return True
        return False

    def _holds(self, rule: Mapping[str, Any], token: str | None, common_name: str | None) -> bool:
        ((selector, value),) = rule.items()
        if selector == "serviceToken":
            return bool(value["tokenId"] == f"${{dev-edge-agent-{token}.id}}")
        if selector == "commonName":
            return bool(value["commonName"] == common_name)
        if selector == "group":
            groups = {f"${{{r.name}.id}}": r.inputs for r in self.graph.by_type(_TYPE.format("Group"))}
            members: Any = groups[value["id"]]["includes"]
            return any(self._holds(member, token, common_name) for member in members)
        if selector == "geo":
            return bool(value["countryCode"] == self.country)
        if selector == "ip":
            return ip_address(self.address) in ip_network(value["ip"])
        raise AssertionError(f"no agent's policy has {selector}")

    def token_of(self, headers: Mapping[str, str]) -> str | None:
        client = headers.get("cf-access-client-id", "")
        agent, secret = self.service_tokens.get(client, (None, ""))
        return agent if secret and headers.get("cf-access-client-secret") == secret else None


def _handler(access: AccessWithCertificates) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers["content-length"]))
            certificate: Any = self.connection.getpeercert() or {}
            subject = {key: value for part in certificate.get("subject", ()) for key, value in part}
            common_name = subject.get("commonName")
            access.shown.append(common_name)
            if not access.admits(access.token_of(headers), common_name):
                self._send(403, b"")
                return
            kept = {name: value for name, value in headers.items() if not name.startswith("cf-access-")}
            kept["cf-access-jwt-assertion"] = access.sign(headers["cf-access-client-id"])
            connection = http.client.HTTPConnection("127.0.0.1", access.behind, timeout=30)
            try:
                connection.request("POST", self.path, body, kept)
                answer = connection.getresponse()
                self._send(answer.status, answer.read())
            finally:
                connection.close()

        def _send(self, status: int, content: bytes) -> None:
            self.send_response(status)
            self.send_header("connection", "close")
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, format: str, *args: object) -> None:
            return

    return Handler


class _Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A handshake that the client or this side ends is no fault of the server."""


@contextlib.contextmanager
def access_with_certificates(access: AccessWithCertificates, certificate: str) -> Iterator[AccessWithCertificates]:
    """Serve until the end of the block; `certificate` is the file of the edge's own certificate and key."""

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    if authorities := access.authorities():
        context.load_verify_locations(cadata=authorities)
        context.verify_mode = ssl.CERT_OPTIONAL
    server = _Server(("127.0.0.1", 0), _handler(access))
    # The handshake is done by the thread of the connection, when it first reads.
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    access.port = server.server_address[1]
    try:
        yield access
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
