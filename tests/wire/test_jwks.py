"""Which published keys count: one rule for the guard, which verifies with them, and for Kong, which is given them."""

from __future__ import annotations

import ast
import json
from pathlib import Path
from typing import Any

import pytest
from jwt.algorithms import RSAAlgorithm

from operations.keys.decide import read_jwks
from tests.support.token_issuer import private_key, public_jwk
from wire.jwks import read_key_set

ROOT = Path(__file__).parents[2]
RSA = public_jwk("rsa", kid="other")
USABLE: dict[str, dict[str, Any]] = {
    "it states everything": RSA | {"use": "sig", "alg": "RS256", "key_ops": ["verify"]},
    "it states no use": RSA,
    "its use is to sign": RSA | {"use": "sig"},
    "one of its operations is to verify": RSA | {"key_ops": ["verify", "encrypt"]},
    "it has a member nobody knows": RSA | {"issued": "today"},
}
UNUSABLE: dict[str, Any] = {
    "symmetric": {"kty": "oct", "k": "c2VjcmV0", "kid": "other", "alg": "HS256"},
    "private": json.loads(RSAAlgorithm.to_jwk(private_key("rsa", 0))) | {"kid": "other", "key_ops": ["verify"]},
    "short": public_jwk("rsa1024", kid="other"),
    "a small exponent": RSA | {"e": "Aw"},
    "for encryption": RSA | {"use": "enc"},
    "for other operations": RSA | {"key_ops": ["encrypt"]},
    "operations that are no list": RSA | {"key_ops": "verify"},
    "without a name": public_jwk("rsa"),
    "a name with a blank": RSA | {"kid": "two words"},
    "for key wrapping": RSA | {"alg": "RSA-OAEP"},
    "for another kind's algorithm": public_jwk("p256", kid="other", alg="RS256"),
    "off its curve": public_jwk("p256", kid="other") | {"x": "A" * 43},
    "a coordinate cut short": public_jwk("p256", kid="other") | {"x": "AAAA"},
    "an RSA key with a curve": RSA | {"crv": "P-256"},
    "no base64url": RSA | {"n": RSA["n"] + "="},
    "no kind": {"kty": ["RSA"], "kid": "other"},
    "no object": "text",
}


def document(*keys: Any) -> bytes:
    return json.dumps({"keys": keys}).encode()


@pytest.mark.parametrize("name", USABLE)
def test_a_key_that_may_verify_counts_at_the_guard_and_at_kong(name: str) -> None:
    (key,), (issued,) = read_key_set(document(USABLE[name])).keys, read_jwks(document(USABLE[name])).keys
    assert "RS256" in key.algorithms
    assert (key.kid, key.pem) == (issued.kid, issued.pem)


@pytest.mark.parametrize("name", UNUSABLE)
def test_any_other_counts_at_neither(name: str) -> None:
    good = public_jwk("rsa", 1, kid="good")
    for read in (read_key_set, read_jwks):
        key_set = read(document(UNUSABLE[name], good))
        assert [key.kid for key in key_set.keys] == ["good"]
        assert len(key_set.ignored) == 1
        with pytest.raises(ValueError, match="it holds no usable"):
            read(document(UNUSABLE[name]))


def test_a_key_verifies_the_algorithm_its_issuer_names_or_every_one_of_its_kind() -> None:
    listed = [public_jwk("p256", kid="e"), public_jwk("rsa", kid="f", alg="RS512"), public_jwk("rsa", kid="r")]
    algorithms = {key.kid: key.algorithms for key in read_key_set(document(*listed)).keys}
    assert algorithms == {"e": ("ES256",), "f": ("RS512",), "r": ("RS256", "RS384", "RS512", "PS256")}
    assert [key.kid for key in read_jwks(document(*listed)).keys] == ["r"]


def test_two_keys_of_one_id_are_refused_and_one_listed_twice_is_one() -> None:
    for read in (read_key_set, read_jwks):
        with pytest.raises(ValueError, match="two different keys under the kid a"):
            read(document(public_jwk("rsa", kid="a"), public_jwk("rsa", 1, kid="a")))
        assert len(read(document(public_jwk("rsa", kid="a"), public_jwk("rsa", kid="a"))).keys) == 1
        with pytest.raises(ValueError, match="over 64 keys"):
            read(document(*[public_jwk("rsa", kid=f"k{number}") for number in range(65)]))


def test_no_other_module_makes_a_key_out_of_published_numbers() -> None:
    makers = set()
    for folder in ("cli", "components", "engine", "guard", "model", "operations", "plan", "wire"):
        for file in (ROOT / folder).rglob("*.py"):
            for node in ast.walk(ast.parse(file.read_text())):
                if isinstance(node, ast.Call) and ast.unparse(node.func).endswith("PublicNumbers"):
                    makers.add(str(file.relative_to(ROOT)))
    assert makers == {"wire/jwks.py"}
