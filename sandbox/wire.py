"""Property values between Pulumi's wire form and Python.

Wire form (facts of the protocol, `sdk/go/common/resource/plugin/rpc.go` in pulumi/pulumi): protobuf structs, a reserved
string for a value that is not known yet, and a tagged object for a secret.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from google.protobuf import struct_pb2  # type: ignore[import-untyped]

SIGNATURE: Final = "4dabf18193072939515e22adb298388d"
SECRET: Final = "1b47061264138c4ac30d75fd1eb44270"  # noqa: S105 a type tag, not a credential
UNKNOWN_TEXT: Final = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
RESERVED: Final = frozenset({"__defaults", "__meta", "__pulumi_raw_state_delta"})

Props = dict[str, Any]


class Unknown:
    """A value that exists only after something else was created. One instance: `UNKNOWN`."""

    def __repr__(self) -> str:
        return "UNKNOWN"


UNKNOWN: Final = Unknown()


@dataclass(frozen=True)
class SecretValue:
    """A value the engine encrypts. Its text never appears in `repr`."""

    value: Any

    def __repr__(self) -> str:
        return "Secret(…)"


def decode(struct: struct_pb2.Struct) -> Props:
    """Properties of a request, without Pulumi's own reserved keys. Whole numbers become `int`."""
    return {key: _decode(value) for key, value in struct.fields.items() if key not in RESERVED}


def _decode(value: struct_pb2.Value) -> Any:
    kind = value.WhichOneof("kind")
    if kind == "struct_value":
        fields = value.struct_value.fields
        if SIGNATURE in fields and fields[SIGNATURE].string_value == SECRET:
            return SecretValue(_decode(fields["value"]))
        return {key: _decode(item) for key, item in fields.items() if key not in RESERVED}
    if kind == "list_value":
        return [_decode(item) for item in value.list_value.values]
    if kind == "string_value":
        return UNKNOWN if value.string_value == UNKNOWN_TEXT else value.string_value
    if kind == "number_value":
        return int(value.number_value) if value.number_value.is_integer() else value.number_value
    return value.bool_value if kind == "bool_value" else None


def encode(props: Mapping[str, Any]) -> struct_pb2.Struct:
    """The reverse of `decode`; properties that are None are left out, as the real providers do."""
    struct = struct_pb2.Struct()
    struct.update({key: _plain(value) for key, value in props.items() if value is not None})
    return struct


def _plain(value: Any) -> Any:
    if isinstance(value, SecretValue):
        return {SIGNATURE: SECRET, "value": _plain(value.value)}
    if isinstance(value, Unknown):
        return UNKNOWN_TEXT
    if isinstance(value, Mapping):
        return {key: _plain(item) for key, item in value.items() if item is not None}
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    return value


def reveal(value: Any) -> Any:
    """The value with every `SecretValue` opened, all the way down. For comparing and checking, never for showing."""
    return transform(value, lambda item: reveal(item.value) if isinstance(item, SecretValue) else item)


def transform(value: Any, change: Callable[[Any], Any]) -> Any:
    """Rebuild `value`, passing every leaf and every `SecretValue` through `change`."""
    if isinstance(value, dict):
        return {key: transform(item, change) for key, item in value.items()}
    if isinstance(value, list):
        return [transform(item, change) for item in value]
    return change(value)


def known(value: Any) -> bool:
    """Whether no part of the value is still unknown."""
    if isinstance(value, SecretValue):
        return known(value.value)
    if isinstance(value, dict):
        return all(known(item) for item in value.values())
    if isinstance(value, list):
        return all(known(item) for item in value)
    return not isinstance(value, Unknown)


def has_secret(value: Any) -> bool:
    """Whether any part of the value is a secret."""
    if isinstance(value, dict):
        return any(has_secret(item) for item in value.values())
    if isinstance(value, list):
        return any(has_secret(item) for item in value)
    return isinstance(value, SecretValue)
