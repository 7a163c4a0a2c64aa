"""An issuer of tokens on loopback: a JWKS over HTTP, real RSA and EC keys, rotation, and the faults an issuer can have."""

from __future__ import annotations

import base64
import functools
import json
from http.server import BaseHTTPRequestHandler
from typing import Any

import jwt
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from tests.support.loopback_issuer import LoopbackIssuer

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


class TokenIssuer(LoopbackIssuer):
    """Serves `keys` at `jwks_uri` and signs with them; `hits` counts the requests."""

    VERB = "GET"

    def __init__(self) -> None:
        super().__init__()
        self.keys: list[dict[str, Any]] = [public_jwk("rsa", kid="one", alg="RS256")]
        self.hits = 0
        self.jwks_uri = f"{self.url}/certs"

    def rotate(self, kid: str, number: int = 1) -> None:
        """As Cloudflare does: the new key and the one before it."""
        self.keys = [public_jwk("rsa", number, kid=kid, alg="RS256"), *self.keys[:1]]

    def answer(self, handler: BaseHTTPRequestHandler, body: bytes) -> tuple[int, Any]:
        self.hits += 1
        return 200, {"keys": self.keys}

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
