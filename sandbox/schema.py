"""The input types of the installed provider SDKs, in wire form, and whether given properties fit them.

Read from the generated Python classes themselves (`<Resource>Args`, `_<Resource>State` and the `*Args` they nest), so
that the sandbox accepts and refuses exactly what the SDK a user has can send. Each resource type is read on first use.
"""

from __future__ import annotations

import builtins
import collections.abc
import importlib
import inspect
import sys
import threading
import types
import typing
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from sandbox.wire import SecretValue, Unknown

Kind = Literal["string", "boolean", "integer", "number", "list", "map", "object", "any"]
_IMPORTING = threading.Lock()
MODULES = {"cloudflare": "pulumi_cloudflare", "kong": "pulumi_kong"}


class UnknownType(LookupError):
    """The installed SDK has no resource of this type."""


@dataclass(frozen=True)
class Type:
    """One wire type. `item` is set for lists and maps, `args` (an SDK class) for objects."""

    kind: Kind
    item: Type | None = None
    args: type | None = None


@dataclass(frozen=True)
class Property:
    """One input property under its wire name."""

    name: str
    type: Type
    required: bool


@dataclass(frozen=True)
class Schema:
    """A resource type: what it takes, and the names of what it has besides (computed outputs)."""

    token: str
    inputs: Mapping[str, Property]
    computed: frozenset[str]


@dataclass(frozen=True)
class Problem:
    """Why a property is refused. `path` is wire form: ``config.ingresses[0].service``."""

    path: str
    reason: str


@cache
def resource(token: str) -> Schema:
    """Schema of a resource type such as ``kong:index/plugin:Plugin``. Raises `UnknownType`."""
    package, _, name = token.partition(":")[0], *token.rpartition(":")[1:]
    module = _sdk(package)
    resource_class = getattr(module, name, None)
    if resource_class is None or getattr(resource_class, "pulumi_type", token) != token:
        raise UnknownType(f"{MODULES[package]} has no resource {token}")
    home = sys.modules[resource_class.__module__]
    inputs = properties(getattr(home, f"{name}Args"))
    state = getattr(home, f"_{name}State", None)
    return Schema(token, inputs, frozenset(properties(state)) - frozenset(inputs) if state else frozenset())


@cache
def provider(package: str) -> Mapping[str, Property]:
    """What the provider itself can be configured with."""
    _sdk(package)
    return properties(importlib.import_module(f"{MODULES[package]}.provider").ProviderArgs)


def _sdk(package: str) -> types.ModuleType:
    with _IMPORTING, warnings.catch_warnings():
        # Importing the Cloudflare SDK warns once for each of its own deprecated aliases.
        warnings.simplefilter("ignore", DeprecationWarning)
        return importlib.import_module(MODULES[package])


@cache
def properties(args: type) -> Mapping[str, Property]:
    """Input properties of an SDK `*Args` class by wire name."""
    import pulumi

    namespace = vars(sys.modules[args.__module__])
    result: dict[str, Property] = {}
    for parameter in list(inspect.signature(args.__init__).parameters.values())[1:]:  # type: ignore[misc]
        getter = getattr(args, parameter.name)
        wire = getattr(getter.fget, pulumi._types._PULUMI_NAME, parameter.name)
        required = parameter.default is inspect.Parameter.empty
        result[wire] = Property(wire, _type(parameter.annotation, namespace), required)
    return types.MappingProxyType(result)


_SCALARS: Mapping[Any, Kind] = {
    builtins.str: "string",
    builtins.bool: "boolean",
    builtins.int: "integer",
    float: "number",
}


def _type(annotation: Any, namespace: Mapping[str, Any]) -> Type:
    if isinstance(annotation, (str, typing.ForwardRef)):
        name = annotation if isinstance(annotation, str) else annotation.__forward_arg__
        annotation = namespace[name]
    if annotation in _SCALARS:
        return Type(_SCALARS[annotation])
    origin, arguments = typing.get_origin(annotation), typing.get_args(annotation)
    if origin in (typing.Union, types.UnionType):
        # pulumi.Input[T] is Union[T, Awaitable[T], Output[T]]: only the plain part says what travels.
        plain = [argument for argument in arguments if argument is not type(None) and not _is_deferred(argument)]
        return _type(plain[0], namespace) if len(plain) == 1 else Type("any")
    if origin in (list, collections.abc.Sequence):
        return Type("list", item=_type(arguments[0], namespace))
    if origin in (dict, collections.abc.Mapping):
        return Type("map", item=_type(arguments[1], namespace))
    if isinstance(annotation, type) and annotation.__name__.endswith("Args"):
        return Type("object", args=annotation)
    return Type("any")


def _is_deferred(annotation: Any) -> bool:
    if isinstance(annotation, typing.ForwardRef):
        return annotation.__forward_arg__.startswith("Output[")
    return typing.get_origin(annotation) is collections.abc.Awaitable


def problems(value: Mapping[str, Any], expected: Mapping[str, Property], path: str = "") -> Iterator[Problem]:
    """What is wrong with `value` as properties: unknown names, missing ones, wrong types. Unknown values pass."""
    prefix = f"{path}." if path else ""
    for name, item in value.items():
        if name not in expected:
            yield Problem(f"{prefix}{name}", "unknown property")
        elif item is not None:
            yield from _value_problems(item, expected[name].type, f"{prefix}{name}")
    for name, property_ in expected.items():
        if property_.required and value.get(name) is None:
            yield Problem(f"{prefix}{name}", "missing required property")


def _value_problems(value: Any, expected: Type, path: str) -> Iterator[Problem]:
    if isinstance(value, SecretValue):
        value = value.value
    if isinstance(value, Unknown) or value is None or expected.kind == "any":
        return
    if expected.kind == "list" and isinstance(value, list):
        for index, item in enumerate(value):
            yield from _value_problems(item, expected.item or Type("any"), f"{path}[{index}]")
    elif expected.kind == "map" and isinstance(value, dict):
        for key, item in value.items():
            yield from _value_problems(item, expected.item or Type("any"), f"{path}.{key}")
    elif expected.kind == "object" and isinstance(value, dict):
        assert expected.args is not None  # noqa: S101 set together with kind
        yield from problems(value, properties(expected.args), path)
    elif not _is_scalar(value, expected.kind):
        yield Problem(path, f"wrong type: expected {expected.kind}, got {_name(value)}")


def _is_scalar(value: Any, kind: Kind) -> bool:
    if kind == "boolean":
        return isinstance(value, bool)
    if kind == "integer":
        return isinstance(value, int) and not isinstance(value, bool)
    if kind == "number":
        return isinstance(value, (int, float)) and not isinstance(value, bool)
    return kind == "string" and isinstance(value, str)


def _name(value: Any) -> str:
    names = {bool: "boolean", int: "integer", float: "number", str: "string", list: "list", dict: "object"}
    return names.get(type(value), type(value).__name__)
