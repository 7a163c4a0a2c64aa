"""An issuer of tokens on loopback: a JWKS over HTTP, real RSA and EC keys, rotation, and the faults an issuer can have."""

from __future__ import annotations

import base64
import contextlib
import functools
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

NOW = 1_790_000_000


@functools.cache
def private_key(kind: str, number: int) -> Any:
    """Made once a test run; `kind` is rsa, rsa1024, p256 or p384."""
    if kind.startswith("rsa"):
        return rsa.generate_private_key(65537, int(kind.removeprefix("rsa") or 2048))
    return ec.generate_private_key(ec.SECP256R1() if kind == "p256" else ec.SECP384R1())


def public_jwk(kind: str, number: int = 0, **extra: Any) -> dict[str, Any]:
    key = private_key(kind, number).public_key()
    made = jwt.algorithms.RSAAlgorithm.to_jwk(key) if kind.startswith("rsa") else jwt.algorithms.ECAlgorithm.to_jwk(key)
    jwk: dict[str, Any] = json.loads(made)
    jwk.pop("key_ops", None)
    return jwk | {"use": "sig"} | extra


class TokenIssuer:
    """Serves `keys` at `jwks_uri` and signs with them. `fault` is None, an HTTP status, or a whole body; `hits` counts."""

    def __init__(self) -> None:
        self.keys: list[dict[str, Any]] = [public_jwk("rsa", kid="one", alg="RS256")]
        self.fault: int | bytes | None = None
        self.headers: dict[str, str] = {}
        self.hits = 0
        self.gate = threading.Event()
        self.gate.set()
        issuer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                issuer.hits += 1
                issuer.gate.wait(30)
                issuer._answer(self)

            def log_message(self, format: str, *args: object) -> None:
                return

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self._server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self.jwks_uri = f"{self.url}/certs"

    def __enter__(self) -> Self:
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.01,))
        self._thread.start()
        return self

    def __exit__(self, *error: object) -> None:
        self.gate.set()
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()

    def rotate(self, kid: str, number: int = 1) -> None:
        """As Cloudflare does: the new key and the one before it."""
        self.keys = [public_jwk("rsa", number, kid=kid, alg="RS256"), *self.keys[:1]]

    def _answer(self, handler: BaseHTTPRequestHandler) -> None:
        body = self.fault if isinstance(self.fault, bytes) else json.dumps({"keys": self.keys}).encode()
        handler.send_response(self.fault if isinstance(self.fault, int) else 200)
        for name, value in {
            "content-type": "application/json",
            "content-length": str(len(body)),
            **self.headers,
        }.items():
            handler.send_header(name, value)
        # A client that has read enough hangs up.
        with contextlib.suppress(ConnectionError):
            handler.end_headers()
            handler.wfile.write(body)

    def sign(
        self, claims: dict[str, Any], *, kid: str = "one", algorithm: str = "RS256", number: int = 0, **headers: Any
    ) -> str:
        """A token with exactly these claims; `headers` are added to the header."""
        kind = {"RS": "rsa", "PS": "rsa"}.get(algorithm[:2], {"ES256": "p256", "ES384": "p384"}.get(algorithm, ""))
        key = private_key(kind, number) if kind else "" if algorithm == "none" else b"0" * 32
        jws = jwt.PyJWS()
        payload = json.dumps(claims).encode()
        return jws.encode(payload, key, algorithm, headers={"kid": kid, "typ": "JWT", **headers})

    def raw(self, header: bytes, payload: bytes) -> str:
        """A token of these very bytes, signed with key "one"."""
        text = b".".join(base64.urlsafe_b64encode(part).rstrip(b"=") for part in (header, payload))
        signature = jwt.algorithms.RSAAlgorithm(jwt.algorithms.RSAAlgorithm.SHA256).sign(text, private_key("rsa", 0))
        return (text + b"." + base64.urlsafe_b64encode(signature).rstrip(b"=")).decode()


class Clock:
    """A clock that the test moves."""

    def __init__(self, now: float = NOW) -> None:
        self.now = float(now)

    def __call__(self) -> float:
        return self.now
