"""Cloudflare's edge and the gateway in one small process part: real HTTP on loopback in front of a real guard.

It does what Access does with an identity (service token, OAuth access token, its own cookie), answers everybody else
with 401 and the documents of managed OAuth, takes off what a client must not send, and hands on the signed assertion.
Each field that starts with `breaks_` makes it do one thing wrong.

Registration is Access's (`access_registration`) and can be removed (RFC 7592), which Cloudflare's pages do not speak of. The
challenges are those that Access and others were seen to answer with (`CHALLENGES`).
"""

from __future__ import annotations

import contextlib
import http.client
import json
import secrets
import subprocess
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import jwt

from components.gateway.names import REMAINING_HEADER
from guard.bundle.bundle import render, sign
from guard.bundle.keys import create_key_pair, load_private_key
from model.guard_config import GuardConfig
from model.tool_lock import ToolLock
from tests.support.access_registration import AccessRegistration
from tests.support.guard_process import COMMAND, GuardProcess, Upstream, await_http, config_of
from tests.support.issued_tokens import PERSON, SERVICE_TOKEN, IssuedToken
from tests.support.ports import free_port
from tests.support.token_issuer import TokenIssuer

WELL_KNOWN = "/.well-known/oauth-protected-resource"
CLIENT_ID = "ci.access"
CLIENT_SECRET = "cfast_not-a-real-secret"
ACCESS_TOKEN = "opaque-access-token-of-ada"
_LOGIN = "https://team.cloudflareaccess.com/cdn-cgi/access/login/{host}?kid=0&redirect_url=%2Fmcp"
_BROWSER = 'Cloudflare-Access resource_metadata="https://{host}/.well-known/cloudflare-access-protected-resource/mcp"'
_HTML = {"content-type": "text/html; charset=utf-8"}
#: Kind of challenge: status, headers with `{host}` for the public name, and body.
CHALLENGES: dict[str, tuple[int, dict[str, str], bytes]] = {
    "login-page": (302, {"location": _LOGIN}, b""),
    "login-page with Cloudflare-Access": (302, {"location": _LOGIN, "www-authenticate": _BROWSER}, b""),
    "page": (200, _HTML, b"<html><title>Sign in</title></html>"),
    "cloudflare-access": (401, {**_HTML, "www-authenticate": _BROWSER}, b"<title>401 Unauthorized</title>"),
    "bearer-alone": (401, {"www-authenticate": 'Bearer realm="mcp", error="invalid_token"'}, b""),
    "html": (401, _HTML, b"<html><title>401 Unauthorized</title></html>"),
    "bare": (401, {}, b""),
    "foreign-scheme": (401, {"www-authenticate": 'Basic realm="staff"'}, b""),
    "blocked": (403, {**_HTML, "server": "cloudflare"}, b"<title>Attention Required! | Cloudflare</title>"),
    "mitigated": (403, {**_HTML, "server": "cloudflare", "cf-mitigated": "challenge"}, b"<title>Just a moment...</title>"),
    "missing": (404, {}, b""),
    "two challenges": (
        401,
        {"www-authenticate": 'Basic realm="a", Bearer scope="x", resource_metadata=https://{host}/.well-known/'
         "oauth-protected-resource/mcp"},
        b"",
    ),
}  # fmt: skip


@dataclass
class EdgeStandIn:
    """`doors`: public name to the audience of its tokens. `guard`: port of the guard, by public name."""

    issuer: TokenIssuer
    doors: dict[str, str]
    guard: dict[str, int]
    path: str = "/mcp"
    service_tokens: dict[str, str] = field(default_factory=lambda: {CLIENT_ID: CLIENT_SECRET})
    access_tokens: dict[str, str] = field(default_factory=lambda: {ACCESS_TOKEN: "ada@example.com"})
    breaks_authentication: bool = False
    breaks_resource: str | None = None
    breaks_well_known: bool = False
    breaks_pkce: bool = False
    breaks_redirects: bool = False
    breaks_query: bool = False
    #: A key of CHALLENGES for whoever is not let in.
    breaks_challenge: str | None = None
    #: Parts of user agents that bot rules block on every path but the well-known ones.
    breaks_user_agents: tuple[str, ...] = ()
    #: A registration takes this many redirect URIs and drops the others without a word.
    breaks_registered_uris: int | None = None
    #: Settings of the application, as `dynamicClientRegistration` has them.
    registration: dict[str, Any] = field(
        default_factory=lambda: {"enabled": True, "allowAnyOnLocalhost": True, "allowAnyOnLoopback": True}
    )
    #: Whether a registration can be removed (RFC 7592), and whether client id metadata documents are announced.
    removes: bool = True
    announces_cimd: bool = False
    auth_methods: tuple[str, ...] = ("none", "client_secret_post")
    #: What is registered now: client id to its document and the token that removes it.
    registered: dict[str, tuple[dict[str, Any], str]] = field(default_factory=dict)
    port: int = 0
    #: Every request: verb, path, and the names of its headers.
    seen: list[tuple[str, str, dict[str, str]]] = field(default_factory=list)

    def assertion(self, hostname: str, kind: IssuedToken = PERSON, **changes: Any) -> str:
        """What Access signs for somebody it let in; `changes` replace claims."""
        return self.issuer.sign(kind.claims(self.issuer.url, self.doors[hostname], **changes))

    def agent_token(self, hostname: str, client_id: str = CLIENT_ID) -> str:
        return self.assertion(hostname, SERVICE_TOKEN, common_name=client_id)

    def person_token(self, hostname: str, email: str) -> str:
        return self.assertion(hostname, sub=email.partition("@")[0], email=email)

    def identify(self, hostname: str, headers: dict[str, str]) -> str | None:
        """The assertion to hand on, or None for a stranger."""
        client = headers.get("cf-access-client-id", "")
        if client and self.service_tokens.get(client) == headers.get("cf-access-client-secret"):
            return self.agent_token(hostname, client)
        bearer = headers.get("authorization", "").removeprefix("Bearer ")
        if bearer in self.access_tokens:
            return self.person_token(hostname, self.access_tokens[bearer])
        cookie = headers.get("cookie", "").removeprefix("CF_Authorization=")
        with contextlib.suppress(jwt.InvalidTokenError, StopIteration):
            kid = jwt.get_unverified_header(cookie).get("kid")
            key = jwt.PyJWK(next(one for one in self.issuer.keys if one["kid"] == kid))
            jwt.decode(cookie, key, algorithms=["RS256"], audience=self.doors[hostname], issuer=self.issuer.url)
            return cookie
        if self.breaks_authentication:
            return self.person_token(hostname, "ada@example.com")
        return None

    def document(self, hostname: str, path: str) -> tuple[int, Any] | None:
        """The discovery document at a path, if there is one."""
        here = f"https://{hostname}"
        if path in (WELL_KNOWN, f"{WELL_KNOWN}{self.path}") and not self.breaks_well_known:
            resource = self.breaks_resource or f"{here}{self.path}"
            return 200, {"resource": resource, "authorization_servers": [here], "bearer_methods_supported": ["header"]}
        if path == "/.well-known/oauth-authorization-server":
            return 200, {
                "issuer": here,
                "authorization_endpoint": f"{here}/oauth/authorize",
                "token_endpoint": f"{here}/oauth/token",
                "registration_endpoint": f"{here}/oauth/register",
                "response_types_supported": ["code"],
                "code_challenge_methods_supported": ["plain"] if self.breaks_pkce else ["S256"],
                "client_id_metadata_document_supported": self.announces_cimd,
                "token_endpoint_auth_methods_supported": list(self.auth_methods),
            }
        return None

    def register(self, hostname: str, document: dict[str, Any]) -> tuple[int, Any]:
        status, answer = AccessRegistration(self.registration).register(document)
        if status != 201 and not self.breaks_redirects:
            return status, answer
        id_, token = secrets.token_hex(8), secrets.token_hex(16)
        self.registered[id_] = document, token
        removal = {
            "registration_client_uri": f"https://{hostname}/oauth/register/{id_}",
            "registration_access_token": token,
        }
        taken = {**document, "redirect_uris": document["redirect_uris"][: self.breaks_registered_uris]}
        return 201, {"client_id": id_, **taken, **(removal if self.removes else {})}

    def unregister(self, id_: str, headers: dict[str, str]) -> tuple[int, Any]:
        if id_ not in self.registered or headers.get("authorization") != f"Bearer {self.registered[id_][1]}":
            return 401, {}
        del self.registered[id_]
        return 204, None

    def turned_away(self, hostname: str) -> tuple[int, dict[str, str], bytes]:
        """The answer to whoever is not let in."""
        if self.breaks_challenge is not None:
            status, headers, body = CHALLENGES[self.breaks_challenge]
            return status, {name: value.format(host=hostname) for name, value in headers.items()}, body
        pointer = f"https://{hostname}{WELL_KNOWN}{self.path}"
        return 401, {"www-authenticate": f'Bearer resource_metadata="{pointer}"'}, b"{}"

    def handed_on(self, headers: dict[str, str], assertion: str) -> dict[str, str]:
        """What the guard gets to see."""
        dropped: tuple[str, ...] = ("cf-access-", "x-ringwall-", "authorization", "cookie")
        kept = {name: value for name, value in headers.items() if not name.startswith(dropped)}
        # The gateway's word on the server's tokens: none are spent here.
        left = {REMAINING_HEADER: "200000"}
        return {**kept, "cf-access-jwt-assertion": assertion, "cf-ipcountry": "SE", **left}


def _handler(edge: EdgeStandIn) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def end_headers(self) -> None:
            """One request a connection, which the client is told: it would send its next one into an ended connection."""
            self.send_header("connection", "close")
            super().end_headers()

        def _serve(self) -> None:
            headers = {name.lower(): value for name, value in self.headers.items()}
            body = self.rfile.read(int(headers.get("content-length") or 0))
            path, _, query = self.path.partition("?")
            edge.seen.append((self.command, self.path, headers))
            hostname = headers.get("host", "").partition(":")[0]
            if hostname not in edge.doors:
                return self._answer(404, {})
            if (document := edge.document(hostname, path)) is not None:
                return self._answer(*document)
            if any(part in headers.get("user-agent", "") for part in edge.breaks_user_agents):
                return self._send(*CHALLENGES["blocked"])
            if path == "/oauth/register":
                return self._answer(*edge.register(hostname, json.loads(body)))
            if path.startswith("/oauth/register/") and self.command == "DELETE":
                return self._answer(*edge.unregister(path.rpartition("/")[2], headers))
            assertion = edge.identify(hostname, headers)
            if assertion is None:
                return self._send(*edge.turned_away(hostname))
            if path != edge.path:
                return self._answer(404, {}, {"set-cookie": f"CF_Authorization={assertion}; Path=/; HttpOnly"})
            target = path if edge.breaks_query or not query else self.path
            return self._forward(edge.guard[hostname], target, edge.handed_on(headers, assertion), body)

        def _forward(self, port: int, target: str, headers: dict[str, str], body: bytes) -> None:
            connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
            try:
                connection.request(self.command, target, body or None, headers)
                answer = connection.getresponse()
                content = answer.read()
            finally:
                connection.close()
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("transfer-encoding", "content-length", "connection", "date", "server"):
                    self.send_header(name, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def _answer(self, status: int, document: Any, headers: dict[str, str] | None = None) -> None:
            content = b"" if status == 204 else json.dumps(document).encode()
            self._send(status, {"content-type": "application/json", **(headers or {})}, content)

        def _send(self, status: int, headers: dict[str, str], content: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_POST = do_DELETE = _serve

        def log_message(self, format: str, *args: object) -> None:
            return

    return Handler


@contextlib.contextmanager
def edge_stand_in(edge: EdgeStandIn) -> Iterator[EdgeStandIn]:
    """Serve until the end of the block; `port` says where."""
    server = ThreadingHTTPServer(("127.0.0.1", 0), _handler(edge))
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    edge.port = server.server_address[1]
    try:
        yield edge
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


@contextlib.contextmanager
def signed_guard(
    upstream: Upstream, folder: Path, lock: ToolLock, *, sequence: int = 7, **changes: Any
) -> Iterator[GuardProcess]:
    """`ringwall guard run` with a real identity, hence with a signed bundle; `changes` are keys of its configuration.

    `folder` keeps the configuration as ``config.json``.
    """
    folder.mkdir(parents=True)
    private, public, _ = create_key_pair(folder)
    port, admin_port = free_port(), free_port()
    document = config_of(upstream, lock, folder, port, admin_port, **changes)
    (folder / "config.json").write_text(json.dumps(document))
    config = GuardConfig.model_validate(document)
    bundle = folder / "bundle.json"
    made, key = int(time.time()), load_private_key(private)
    signed = sign(config, sequence=sequence, denied=(), key=key, issued=made, expires=made + 3600)
    bundle.write_text(render(signed))
    command = [*COMMAND, "--config", str(bundle), "--public-key", str(public), "--state", str(folder / "state")]
    log = folder / "guard.log"
    with log.open("ab") as out:
        process = subprocess.Popen(command, stdout=out, stderr=out, stdin=subprocess.DEVNULL)
    running = GuardProcess(f"http://127.0.0.1:{port}/mcp", port, admin_port, folder, process)
    try:
        await_http(f"http://127.0.0.1:{admin_port}/readyz", process, log)
        yield running
    finally:
        running.stop()
