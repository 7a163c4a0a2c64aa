"""A stand-in of Cloudflare Access's sign-in on loopback: it publishes a team's keys, and signs people's tokens.

A guard that runs a deployed configuration fetches the keys from the team's own https address. It reaches this process
through the proxy of its environment, and trusts the certificate named there, as in a company with a proxy of its own;
nothing in the configuration differs.
"""

from __future__ import annotations

import datetime
import ipaddress
import json
import ssl
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, Self
from urllib.parse import urlsplit

import jwt
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

KEY_ID = "demo-key"
LIFETIME = 600
#: Cloudflare One docs, "Validate JWTs": where a team's keys are.
CERTS = "/cdn-cgi/access/certs"


class SignIn:
    """Serves while its context is entered; its certificate is written into `folder`."""

    def __init__(self, issuer: str, folder: Path) -> None:
        self._issuer = issuer
        self._key = rsa.generate_private_key(65537, 2048)
        self._stranger = rsa.generate_private_key(65537, 2048)
        self._certificate = folder / "sign-in.pem"
        host = urlsplit(issuer).hostname or ""
        self._tls = _tls(host, self._certificate)
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), self._handler(f"{host}:443"))
        self._server.daemon_threads = True

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    @property
    def environment(self) -> dict[str, str]:
        """What a process needs to reach the team's address here."""
        proxy = f"http://127.0.0.1:{self._server.server_port}"
        return {"HTTPS_PROXY": proxy, "NO_PROXY": "", "SSL_CERT_FILE": str(self._certificate)}

    def token(self, email: str, audience: str, *, forged: bool = False) -> str:
        """The token of a person who signed in to one application; a forged one is signed by a key that is not the team's,
        under the name of the one that is.

        The claims are those of Cloudflare One docs, "Application token", identity-based authentication.
        """
        moment = int(time.time())
        claims = {
            "aud": [audience],
            "email": email,
            "exp": moment + LIFETIME,
            "iat": moment,
            "nbf": moment,
            "iss": self._issuer,
            "type": "app",
            "identity_nonce": "6ei69kawdKzMIAPF",
            "sub": f"demo-{email.partition('@')[0]}",
            "country": "SE",
        }
        key = self._stranger if forged else self._key
        return jwt.encode(claims, key, algorithm="RS256", headers={"kid": KEY_ID})

    def _keys(self) -> bytes:
        jwk = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(self._key.public_key()))
        return json.dumps({"keys": [{**jwk, "kid": KEY_ID, "alg": "RS256", "use": "sig"}]}).encode()

    def _handler(self, authority: str) -> type[BaseHTTPRequestHandler]:
        sign_in = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            inside = False

            def do_CONNECT(self) -> None:
                if self.path != authority:
                    self.send_error(403, "this proxy leads to the stand-in's sign-in alone")
                    return
                self.send_response(200, "Connection established")
                self.end_headers()
                secure = sign_in._tls.wrap_socket(self.connection, server_side=True)
                self.connection, self.inside = secure, True
                self.rfile = secure.makefile("rb")
                self.wfile: Any = secure.makefile("wb", 0)

            def do_GET(self) -> None:
                if not self.inside or self.path != CERTS:
                    self.send_error(404)
                    return
                body = sign_in._keys()
                self.send_response(200)
                self.send_header("content-type", "application/json")
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *_: object) -> None:
                return

        return Handler


def _tls(host: str, file: Path) -> ssl.SSLContext:
    """A server's side of TLS under a name, with a certificate of its own that `file` names for clients to trust."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.oid.NameOID.COMMON_NAME, "Ringwall sandbox")])
    moment = datetime.datetime.now(datetime.UTC)
    names = [x509.DNSName(host), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(moment - datetime.timedelta(hours=1))
    builder = builder.not_valid_after(moment + datetime.timedelta(days=1))
    builder = builder.add_extension(x509.SubjectAlternativeName(names), critical=False)
    # What RFC 5280 asks for, and Python 3.13 and later with it.
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
    builder = builder.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
    builder = builder.add_extension(
        x509.AuthorityKeyIdentifier.from_issuer_public_key(key.public_key()), critical=False
    )
    certificate = builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM)
    file.write_bytes(certificate)
    private = file.with_suffix(".key")
    private.touch(mode=0o600)
    private.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file, private)
    return context
