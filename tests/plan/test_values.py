"""Values keep their shape, and secrets never keep their value."""

from __future__ import annotations

import pytest
from google.protobuf import struct_pb2  # type: ignore[import-untyped]
from pulumi.runtime import rpc

from model import sentinels
from model.errors import RingwallError
from plan import values


def read(value: object) -> object:
    struct = struct_pb2.Struct()
    struct.update({"it": value})
    return values.from_struct(struct)["it"]


def signed(signature: str, **fields: object) -> dict[str, object]:
    return {sentinels.WIRE_SIGNATURE: signature, **fields}


def test_the_sentinels_are_those_of_the_installed_sdk() -> None:
    assert sentinels.WIRE_UNKNOWN == rpc.UNKNOWN
    assert rpc._special_sig_key == sentinels.WIRE_SIGNATURE
    assert rpc._special_secret_sig == sentinels.WIRE_SECRET
    assert rpc._special_resource_sig == sentinels.WIRE_RESOURCE
    assert rpc._special_output_value_sig == sentinels.WIRE_OUTPUT
    assert rpc._special_asset_sig == sentinels.WIRE_ASSET
    assert rpc._special_archive_sig == sentinels.WIRE_ARCHIVE


@pytest.mark.parametrize(
    ("wire", "expected"),
    [
        (None, None),
        (True, True),
        (3.0, 3),
        (2.5, 2.5),
        ("text", "text"),
        (sentinels.WIRE_UNKNOWN, {"$unknown": True}),
        (f"not {sentinels.WIRE_UNKNOWN}", f"not {sentinels.WIRE_UNKNOWN}"),
        ([1, {"b": 1, "a": [sentinels.WIRE_UNKNOWN]}], [1, {"a": [{"$unknown": True}], "b": 1}]),
        (signed(sentinels.WIRE_SECRET, value={"planted": 1}), {"$secret": True}),
        (signed(sentinels.WIRE_OUTPUT), {"$unknown": True}),
        (signed(sentinels.WIRE_OUTPUT, value=7), 7),
        (signed(sentinels.WIRE_OUTPUT, value="planted", secret=True), {"$secret": True}),
        (signed(sentinels.WIRE_RESOURCE, urn="urn:x", id="i"), {"$resource": "urn:x"}),
        (
            signed(sentinels.WIRE_ARCHIVE, assets={"k": signed(sentinels.WIRE_ASSET, text="t")}),
            {"$asset": {"assets": {"k": {"$asset": {"text": "t"}}}}},
        ),
    ],
)
def test_wire_values_read_as_plain_json_and_markers(wire: object, expected: object) -> None:
    value = read(wire)
    assert value == expected
    assert type(value) is type(expected)
    assert "planted" not in repr(value)


def test_an_unknown_signature_is_refused_rather_than_shown() -> None:
    with pytest.raises(RingwallError, match="unknown kind ffff"):
        read(signed("ffff", value="planted"))


def test_plan_values_go_back_on_the_wire_with_secrets_still_secret() -> None:
    value = {"a": [1, {"$secret": True}], "b": {"$unknown": True}}
    assert values.to_wire(value, "env", symbolic=True) == {
        "a": [1, signed(sentinels.WIRE_SECRET, value="${env.a.1}")],
        "b": "${env.b}",
    }
    assert values.to_wire(value, "env", symbolic=False) == {
        "a": [1, signed(sentinels.WIRE_SECRET, value=sentinels.WIRE_UNKNOWN)],
        "b": sentinels.WIRE_UNKNOWN,
    }


def test_an_output_that_is_no_json_is_refused_by_path() -> None:
    with pytest.raises(RingwallError, match=r"env\.a\.0 is a bytes"):
        values.to_wire({"a": [b"x"]}, "env", symbolic=True)


def test_data_that_only_resembles_a_marker_is_data() -> None:
    assert not values.is_marker({"$ref": "#/x"})
    assert not values.is_marker({"$secret": True, "other": 1})
    assert values.is_marker({"$asset": {"text": ""}})
    assert values.holds_secret([{"a": values.secret()}])
    assert not values.holds_secret({"a": [values.unknown()]})
