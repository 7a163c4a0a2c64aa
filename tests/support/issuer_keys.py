"""Keys as an issuer publishes them, and one sync of them to a stand-in of Kong."""

from __future__ import annotations

import base64
from functools import cache
from typing import Any

from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from components.gateway.names import consumer_username, tags
from model.environment import Environment
from operations.keys.sync import IssuerReport, sync_keys
from tests.support.kong_admin import JwksStandIn, KongStandIn

CONSUMER = consumer_username("dev", "idp")


OWN_TAGS = tags("dev")


@cache
def private_key(name: str, bits: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(public_exponent=65537, key_size=bits)


def number(value: int) -> str:
    return base64.urlsafe_b64encode(value.to_bytes((value.bit_length() + 7) // 8, "big")).rstrip(b"=").decode()


def jwk(kid: str, /, *, bits: int = 2048, name: str | None = None, **changes: Any) -> dict[str, Any]:
    public = private_key(name or kid, bits).public_key().public_numbers()
    entry = {"kid": kid, "kty": "RSA", "use": "sig", "alg": "RS256", "n": number(public.n), "e": number(public.e)}
    return {key: value for key, value in {**entry, **changes}.items() if value is not None}


def pem(name: str) -> str:
    public = private_key(name, 2048).public_key()
    return public.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def ec_jwk(kid: str) -> dict[str, Any]:
    public = ec.generate_private_key(ec.SECP256R1()).public_key().public_numbers()
    return {"kid": kid, "kty": "EC", "crv": "P-256", "use": "sig", "x": number(public.x), "y": number(public.y)}


def settings(kong: KongStandIn, idp: JwksStandIn, **gateway: Any) -> Environment:
    return Environment.model_validate(
        {
            "version": 1,
            "cloudflare": {"account_id": "0" * 32, "zone": "example.com", "zone_id": "1" * 32, "team": "acme"},
            "hosts": {"h1": {}},
            "gateway": {"admin_uri": kong.uri, **gateway},
            "countries": ["SE"],
            "issuers": {"idp": {"issuer": "https://idp.example.com", "jwks_uri": idp.url}},
        }
    )


def synced(kong: KongStandIn, idp: JwksStandIn, **options: Any) -> IssuerReport:
    report = sync_keys(settings(kong, idp), "dev", issuers=["idp"], **options)
    return report.issuers[0]


def refused(kong: KongStandIn, idp: JwksStandIn, **options: Any) -> str:
    """The error, after checking that nothing was written."""
    before = dict(kong.credentials)
    report = synced(kong, idp, **options)
    assert kong.writes() == []
    assert kong.credentials == before
    assert report.error is not None
    assert "\n" not in report.error
    return report.error
