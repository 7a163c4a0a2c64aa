"""A model route's configuration in a signed bundle: the same rules as a server's, and never taken for one."""

from __future__ import annotations

import base64
import json
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from guard.bundle.bundle import PREFIX, MalformedBundle, OtherServer, open_bundle, read_demo_config, render, sign
from guard.bundle.keys import key_id
from model.canonical import canonical_json
from model.errors import InputError
from model.model_guard_config import ModelGuardConfig
from tests.support.route_guard import route_config, route_document, small

KEY = Ed25519PrivateKey.from_private_bytes(bytes(32))
KEYS = {key_id(KEY.public_key()): KEY.public_key()}


def test_a_routes_bundle_is_signed_and_read_as_a_routes() -> None:
    text = render(sign(route_config(), sequence=3, denied=["person:eve"], key=KEY))
    opened = open_bundle(text, KEYS, expected_server=("dev", "models"), after=0).opened
    assert opened.for_route == route_config()
    assert opened.denied == {"person:eve"}
    with pytest.raises(InputError, match=r"dev.models is a model route's configuration"):
        _ = opened.for_server
    with pytest.raises(OtherServer, match=r"the bundle is for dev.models, and this is dev.one"):
        open_bundle(text, KEYS, expected_server=("dev", "one"), after=0)


def test_a_configuration_of_both_kinds_is_of_no_format() -> None:
    document: dict[str, Any] = json.loads(render(sign(route_config(), sequence=1, denied=[], key=KEY)))
    document["config"]["tool_lock"] = {}
    unsigned = {name: value for name, value in document.items() if name != "signature"}
    value = KEY.sign(PREFIX + canonical_json(unsigned))
    signature = base64.urlsafe_b64encode(value).rstrip(b"=").decode()
    document["signature"] |= {"value": signature}
    with pytest.raises(MalformedBundle, match="tool_lock"):
        open_bundle(json.dumps(document), KEYS, expected_server=None, after=0)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"models": [small(), small(provider_model="gpt-y")]}, "names small twice"),
        ({"grants": [{"to": {"all": True}, "models": ["large"]}]}, "large is none of the models"),
    ],
)
def test_a_route_names_each_model_once_and_grants_no_other(changes: dict[str, Any], problem: str) -> None:
    with pytest.raises(ValueError, match=problem):
        route_config(**changes)


def test_a_demo_of_a_route_runs_unsigned_and_anything_else_does_not() -> None:
    document = route_document(identity={"demo": {"principal": "person:ada"}})
    assert isinstance(read_demo_config(json.dumps(document), Path("route.json")), ModelGuardConfig)
    with pytest.raises(InputError, match="is not signed"):
        read_demo_config(json.dumps(route_document()), Path("route.json"))
