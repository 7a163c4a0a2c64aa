"""jwt, key-auth and acl."""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import Any, ClassVar

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.serialization import load_pem_public_key

from tests.support.kong_gateway.configuration import JwtCredential
from tests.support.kong_gateway.exchange import MAX_HEADERS, Exchange, Exit, exit_with
from tests.support.kong_gateway.plugins.handler import Handler

#: `alg_verify` of jwt_parser.lua.
_ALGORITHMS = {f"{kind}{bits}" for kind in ("HS", "RS", "ES", "PS") for bits in (256, 384, 512)} | {"EdDSA"}
_DIGESTS = {"RS256": hashes.SHA256(), "RS384": hashes.SHA384(), "RS512": hashes.SHA512()}


class Jwt(Handler):
    """kong/plugins/jwt/handler.lua, jwt_parser.lua."""

    NAME = "jwt"
    PRIORITY = 1450
    OPTIONS: ClassVar[dict[str, Any]] = {
        "uri_param_names": ["jwt"],
        "cookie_names": [],
        "key_claim_name": "iss",
        "secret_is_base64": False,
        "claims_to_verify": None,
        "anonymous": None,
        "run_on_preflight": True,
        "maximum_expiration": 0,
        "header_names": ["authorization"],
        "realm": None,
    }

    def check(self) -> None:
        self.require("uri_param_names", [])
        self.require("cookie_names", [])
        self.require("secret_is_base64", False)
        self.require("anonymous", None)
        self.require("realm", None)

    def access(self, exchange: Exchange) -> None:
        if not self.config["run_on_preflight"] and exchange.method == "OPTIONS":
            return
        token = self._token(exchange)
        if isinstance(token, Exit):
            raise token
        parsed = _parse(token)
        if parsed is None:
            raise exchange.failure()
        if isinstance(parsed, str):
            raise _refused({"message": f"Bad token; {parsed}"})
        header, claims, signed, signature = parsed
        name = self.config["key_claim_name"]
        key = _index(claims, name)
        key = _index(header, name) if key in (None, False) else key
        if key in (None, False):
            raise _refused({"message": f"No mandatory '{name}' in claims"})
        if key == "":
            raise _refused({"message": f"Invalid '{name}' in claims"})
        if not isinstance(key, str):
            # Looking a credential up by anything but text is a schema violation, and that is an error.
            raise exchange.failure()
        found = next(
            (
                (consumer, credential)
                for consumer in self.configuration.consumers
                for credential in consumer.jwt
                if credential.key == key
            ),
            None,
        )
        if found is None:
            raise _refused({"message": f"No credentials found for given '{name}'"})
        consumer, credential = found
        if _index(header, "alg") != credential.algorithm:
            raise _refused({"message": "Invalid algorithm"})
        if not _is_signed(credential, signed, signature):
            raise _refused({"message": "Invalid signature"})
        self._check_times(claims, exchange.now)
        exchange.authenticate(consumer, credential, credential.key)

    def _token(self, exchange: Exchange) -> str | Exit:
        """`retrieve_tokens`: the first of repeated headers, and anywhere in it."""
        headers, found = exchange.request.table(MAX_HEADERS), set()
        for name in self.config["header_names"]:
            value = headers.get(name.lower())
            if isinstance(value, list):
                value = value[0]
            if value is not None and (match := re.search(r"\s*[Bb]earer\s+(.+)", value)):
                found.add(match[1])
        if not found:
            return _refused({"message": "Unauthorized"}, error=False)
        if len(found) > 1:
            return _refused({"message": "Multiple tokens provided"})
        return str(found.pop())

    def _check_times(self, claims: Any, now: int) -> None:
        """`verify_registered_claims`: only what is listed, and what is listed must be there."""
        errors = {}
        for name in self.config["claims_to_verify"] or ():
            value = _index(claims, name)
            if not _is_number(value):
                errors[name] = "must be a number"
            elif name == "exp" and value <= now:
                errors[name] = "token expired"
            elif name == "nbf" and value > now:
                errors[name] = "token not valid yet"
        if errors:
            raise _refused(errors)
        longest = self.config["maximum_expiration"]
        if longest > 0:
            expires = _index(claims, "exp")
            if not _is_number(expires) or expires - now > longest:
                raise _refused({"exp": "exceeds maximum allowed expiration"})


def _refused(document: dict[str, str], *, error: bool = True) -> Exit:
    challenge = 'Bearer error="invalid_token"' if error else "Bearer"
    return exit_with(401, document, {"WWW-Authenticate": challenge})


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _index(value: Any, name: str) -> Any:
    """A Lua table's field: a JSON list has none. JSON null is cjson.null, which is something."""
    if not isinstance(value, dict) or name not in value:
        return None
    found = value[name]
    return _NULL if found is None else found


_NULL = object()


def _decode(part: str) -> bytes:
    """`base64_decode`: the URL alphabet and the plain one, padding as needed; raises ValueError."""
    text = part.replace("-", "+").replace("_", "/").partition("=")[0]
    if len(text) % 4 == 1 or re.search(r"[^A-Za-z0-9+/]", text):
        raise ValueError("no base64")
    return base64.b64decode(text + "=" * (-len(text) % 4))


def _parse(token: str) -> tuple[Any, Any, bytes, bytes] | str | None:
    """`decode_token`: header, claims, what is signed, the signature; a text says why not; None where Lua itself fails."""
    parts = token.split(".", 2)
    if len(parts) < 3:
        return "invalid JSON"
    try:
        header, claims = json.loads(_decode(parts[0])), json.loads(_decode(parts[1]))
        signature = _decode(parts[2])
    except (ValueError, binascii.Error, RecursionError):
        return "invalid JSON"
    if not isinstance(header, dict | list | str):
        return None
    if _index(header, "alg") not in _ALGORITHMS:
        return "invalid alg"
    if not isinstance(claims, dict | list | str):
        return None
    return header, claims, f"{parts[0]}.{parts[1]}".encode(), signature


def _is_signed(credential: JwtCredential, signed: bytes, signature: bytes) -> bool:
    key = load_pem_public_key(credential.rsa_public_key.encode())
    assert isinstance(key, RSAPublicKey)
    try:
        key.verify(signature, signed, padding.PKCS1v15(), _DIGESTS[credential.algorithm])
    except InvalidSignature:
        return False
    return True


class KeyAuth(Handler):
    """kong/plugins/key-auth/handler.lua."""

    NAME = "key-auth"
    PRIORITY = 1250
    OPTIONS: ClassVar[dict[str, Any]] = {
        "key_names": ["apikey"],
        "hide_credentials": False,
        "anonymous": None,
        "key_in_header": True,
        "key_in_query": True,
        "key_in_body": False,
        "run_on_preflight": True,
        "realm": None,
    }

    def check(self) -> None:
        for option, only in (("key_in_header", True), ("key_in_query", False), ("key_in_body", False)):
            self.require(option, only)
        for option in ("anonymous", "realm"):
            self.require(option, None)

    def access(self, exchange: Exchange) -> None:
        if not self.config["run_on_preflight"] and exchange.method == "OPTIONS":
            return
        challenge = {"WWW-Authenticate": "Key"}
        headers, key = exchange.request.table(MAX_HEADERS), None
        for name in self.config["key_names"]:
            value = headers.get(name.lower())
            if isinstance(value, list):
                raise exchange.error(401, "Duplicate API key found", challenge)
            if value is not None:
                key = value
                if self.config["hide_credentials"]:
                    exchange.request.clear(name)
                break
        if not key:
            raise exchange.error(401, "No API key found in request", challenge)
        for consumer in self.configuration.consumers:
            for credential in consumer.keys:
                if credential.key == key:
                    return exchange.authenticate(consumer, credential, credential.id)
        raise exchange.error(401, "Unauthorized", challenge)


class Acl(Handler):
    """kong/plugins/acl/handler.lua: whoever has a consumer in the group passes, whichever credential it has."""

    NAME = "acl"
    PRIORITY = 950
    OPTIONS: ClassVar[dict[str, Any]] = {
        "allow": None,
        "deny": None,
        "hide_groups_header": False,
        "always_use_authenticated_groups": False,
    }

    def check(self) -> None:
        self.require("deny", None)
        self.require("always_use_authenticated_groups", False)

    def access(self, exchange: Exchange) -> None:
        if exchange.consumer is None:
            raise exchange.error(401, "Unauthorized")
        groups = exchange.consumer.groups
        if not set(groups) & set(self.config["allow"] or ()):
            raise exchange.error(403, "You cannot consume this service")
        if self.config["hide_groups_header"]:
            exchange.request.clear("X-Consumer-Groups")
        else:
            exchange.request.set("X-Consumer-Groups", ", ".join(groups))
