"""Equal JSON values have one byte form and one digest, and unequal ones never share it."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import pytest
from hypothesis import given

from model.canonical import canonical_json, digest
from tests.support.json_values import VALUES


@given(VALUES)
def test_canonical_json_is_json_of_an_equal_value(value: Any) -> None:
    assert json.loads(canonical_json(value)) == value


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ({"b": 1, "a": [True, None]}, b'{"a":[true,null],"b":1}'),
        ({"\ufb33": 1, "\U0001f600": 2}, '{"\U0001f600":2,"\ufb33":1}'.encode()),
        ({"x": 1.0, "y": -0.0, "z": 0.5}, b'{"x":1,"y":0,"z":0.5}'),
        (2**53 + 1, b"9007199254740993"),
        ("\x00\x1f\x7f/\u2028é", '"\\u0000\\u001f\x7f/\u2028é"'.encode()),
    ],
)
def test_canonical_json_has_the_bytes_of_rfc_8785(value: Any, text: bytes) -> None:
    assert canonical_json(value) == text


def test_digest_is_sha256_of_the_canonical_bytes() -> None:
    assert digest({"b": 1, "a": 2}) == "sha256:" + hashlib.sha256(b'{"a":2,"b":1}').hexdigest()


@pytest.mark.parametrize("value", [float("nan"), float("inf"), {1: 2}, {"a": {None: 1}}, "\ud800", b"x", {"\udfff": 1}])
def test_what_is_not_json_has_no_digest(value: Any) -> None:
    with pytest.raises(ValueError, match=r"."):
        digest(value)
