"""Converts property values between the Pulumi wire format and the plan's JSON. Masking is in `model.masking`.

In a plan a value is plain JSON, plus four markers, each an object of exactly one `$` key::

    {"$unknown": true}            known only after the deployment
    {"$secret": true}             a secret; the plan never holds its value
    {"$asset": {...}}             a file or archive handed to a provider ("path", "text", "uri" or "assets")
    {"$resource": "urn:..."}      a reference to a whole resource

A secret leaf hides itself only: its neighbours stay readable, which is what a reviewer of a rate limit needs. The engine's
own signs for them are in `model.sentinels`.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, TypeAlias

from model.errors import RingwallError
from model.sentinels import (
    WIRE_ARCHIVE,
    WIRE_ASSET,
    WIRE_OUTPUT,
    WIRE_RESOURCE,
    WIRE_SECRET,
    WIRE_SIGNATURE,
    WIRE_UNKNOWN,
)

if TYPE_CHECKING:
    from google.protobuf.struct_pb2 import Struct, Value  # type: ignore[import-untyped]

#: None, bool, int, float, str, list or dict of the same; markers as in the module docstring.
Json: TypeAlias = object


def unknown() -> dict[str, Json]:
    """The marker of a value known only after the deployment."""
    return {"$unknown": True}


def secret() -> dict[str, Json]:
    """The marker that stands for a secret."""
    return {"$secret": True}


def is_unknown(value: Json) -> bool:
    return value == {"$unknown": True}


def is_secret(value: Json) -> bool:
    return value == {"$secret": True}


def is_marker(value: Json) -> bool:
    """Whether the value is one of the four markers rather than data."""
    if is_unknown(value) or is_secret(value):
        return True
    return isinstance(value, dict) and len(value) == 1 and next(iter(value)) in ("$asset", "$resource")


def holds_secret(value: Json) -> bool:
    """Whether a secret stands anywhere inside the value."""
    if is_secret(value):
        return True
    if isinstance(value, Mapping):
        return any(holds_secret(inner) for inner in value.values())
    return isinstance(value, list) and any(holds_secret(inner) for inner in value)


def symbol(name: str, prop: str) -> str:
    """The readable stand-in for an output that only the provider knows: ``${github-tunnel.id}``."""
    return f"${{{name}.{prop}}}"


def from_struct(struct: Struct) -> dict[str, Json]:
    """The properties of a wire object, keys sorted.

    Raises `RingwallError` for a wire signature this version does not know: showing it as data could show a secret.
    """
    fields = struct.fields
    return {key: from_value(fields[key]) for key in sorted(fields)}


def from_value(value: Value) -> Json:
    """One wire value as plan JSON; whole numbers become integers."""
    match value.WhichOneof("kind"):
        case "string_value":
            return unknown() if value.string_value == WIRE_UNKNOWN else value.string_value
        case "number_value":
            number = value.number_value
            return int(number) if number.is_integer() else number
        case "bool_value":
            return value.bool_value
        case "list_value":
            return [from_value(item) for item in value.list_value.values]
        case "struct_value":
            fields = value.struct_value.fields
            return _signed(value.struct_value) if WIRE_SIGNATURE in fields else from_struct(value.struct_value)
        case _:
            return None


def _signed(struct: Struct) -> Json:
    fields = struct.fields
    match fields[WIRE_SIGNATURE].string_value:
        case signature if signature == WIRE_SECRET:
            return secret()
        case signature if signature == WIRE_OUTPUT:
            if "secret" in fields and fields["secret"].bool_value:
                return secret()
            return from_value(fields["value"]) if "value" in fields else unknown()
        case signature if signature == WIRE_RESOURCE:
            return {"$resource": fields["urn"].string_value}
        case signature if signature in (WIRE_ASSET, WIRE_ARCHIVE):
            return {"$asset": {key: from_value(fields[key]) for key in sorted(fields) if key != WIRE_SIGNATURE}}
        case signature:
            raise RingwallError(
                f"the Pulumi SDK sent a value of the unknown kind {signature}",
                remedy="the installed pulumi is newer than this Ringwall supports: install the pinned version",
            )


def is_wire_secret(value: Value) -> bool:
    """Whether a wire value is wrapped as a secret as a whole."""
    fields = value.struct_value.fields if value.WhichOneof("kind") == "struct_value" else {}
    return WIRE_SIGNATURE in fields and fields[WIRE_SIGNATURE].string_value == WIRE_SECRET


def to_wire(value: Json, path: str, *, symbolic: bool) -> Json:
    """Plan JSON as an object for a wire `Struct`, for outputs handed from one plan to the next.

    A secret stays a secret; its content, and an unknown when `symbolic`, becomes the stand-in ``${path}``, so that one
    secret output does not make all of its neighbours unknown. Without `symbolic` both are unknown.
    """
    stand_in = f"${{{path}}}" if symbolic else WIRE_UNKNOWN
    if is_unknown(value):
        return stand_in
    if is_secret(value):
        return {WIRE_SIGNATURE: WIRE_SECRET, "value": stand_in}
    if isinstance(value, Mapping):
        return {str(key): to_wire(inner, f"{path}.{key}", symbolic=symbolic) for key, inner in value.items()}
    if isinstance(value, Sequence) and not isinstance(value, str | bytes):
        return [to_wire(inner, f"{path}.{index}", symbolic=symbolic) for index, inner in enumerate(value)]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise RingwallError(
        f"the stack output {path} is a {type(value).__name__}, which no stack output can be", remedy="export JSON"
    )
