"""Shorter ways to what some functions of the Pulumi SDK compute, which took over half of a plan's time.

In force only in the context of a plan: other Pulumi programs of the process, also the one around a plan, keep the SDK's
own. Each gives what the SDK's function gives wherever the recorder reads it, and steps aside for arguments it does not know.
A plan of 25 resources made 198,000 calls with the SDK's own functions, and makes 93,000 with these.
"""

from __future__ import annotations

import asyncio
import functools
import inspect
import sys
import traceback
from collections.abc import Callable, Collection, Mapping
from contextvars import ContextVar
from types import FrameType, ModuleType
from typing import Any, Final

import pulumi
from pulumi import _types, output
from pulumi.runtime import resource, rpc, settings, stack
from pulumi.runtime.proto import source_pb2
from pulumi.runtime.settings import SETTINGS

from plan.loop import MonitorCall

#: Values that hold no other values and are sent as they are.
_PLAIN: Final = frozenset({str, bool, int, float, type(None)})
_OPTIONS: Final = (pulumi.ResourceOptions, pulumi.ResourceHookBinding)
_SERIALIZE_PROPERTY: Final = (
    "value",
    "deps",
    "property_key",
    "resource_obj",
    "input_transformer",
    "typ",
    "keep_output_values",
    "exclude_resource_refs_from_deps",
    "return_protobuf_value",
)
_IN_PLAN: Final[ContextVar[bool]] = ContextVar("ringwall.plan", default=False)


def use() -> None:
    """Put the shortcuts in force in the current context."""
    _IN_PLAN.set(True)


def _install(module: ModuleType | type, name: str, parameters: tuple[str, ...], shortcut: Callable[..., Any]) -> None:
    """Let a plan call `shortcut` first; an SDK whose function has other parameters is left as it is."""
    if _parameters(module, name) != parameters:
        return
    original = getattr(module, name)

    @functools.wraps(original)
    def chosen(*arguments: Any, **named: Any) -> Any:
        if _IN_PLAN.get() and (answer := shortcut(*arguments, **named)) is not NotImplemented:
            return answer
        return original(*arguments, **named)

    setattr(module, name, chosen)


def _parameters(module: ModuleType | type, name: str) -> tuple[str, ...] | None:
    original = getattr(module, name, None)
    return tuple(inspect.signature(original).parameters) if original is not None else None


@functools.lru_cache(4096)
def _position(file: str, line: int) -> source_pb2.SourcePosition | None:
    return resource._get_source_position_for_frame(traceback.FrameSummary(file, line, "", lookup_line=False))


def _stack_trace() -> source_pb2.StackTrace:
    """The one frame that the recorder reads, the caller of the third `__init__`; the SDK reads and converts every frame."""
    frame: FrameType | None = sys._getframe(2)
    constructors = 0
    while frame is not None:
        constructors += frame.f_code.co_name == "__init__"
        if constructors == 3:
            break
        frame = frame.f_back
    if frame is None or (caller := frame.f_back) is None:
        return source_pb2.StackTrace()
    position = _position(caller.f_code.co_filename, caller.f_lineno)
    return source_pb2.StackTrace(frames=[source_pb2.StackFrame(pc=position)])


def _urn(
    name: Any,
    type_: Any,
    parent: Any = None,
    project: str | None = None,
    stack: str | None = None,
) -> Any:
    """The URN of a resource whose parts are known, in one output; the SDK makes ten, for each resource."""
    if not (isinstance(name, str) and isinstance(type_, str) and isinstance(parent, str)):
        return NotImplemented
    return pulumi.Output.from_input(f"{parent[: parent.rfind('::')]}${type_}::{name}")


def _transfer(res: pulumi.Resource, props: Mapping[str, Any], custom: bool) -> dict[str, Callable[..., None]]:
    """The outputs of a resource's properties, one future each; the SDK makes four and a task that awaits them."""
    resolvers: dict[str, Callable[..., None]] = {}
    for name in props:
        if name == "urn" or (name == "id" and custom):
            continue
        future: asyncio.Future[Any] = asyncio.Future()
        resolvers[name] = functools.partial(_resolve, res, future)
        res.__dict__[name] = pulumi.Output._from_data(future)
    return resolvers


def _resolve(
    res: pulumi.Resource,
    future: asyncio.Future[Any],
    value: Any,
    is_known: bool,
    is_secret: bool,
    deps: Collection[pulumi.Resource] | None,
    failed: Exception | None,
) -> None:
    """Give an output its value and the resources it comes from, or the failure of the registration."""
    if future.cancelled():  # whoever waited for it gave up
        return
    if failed is not None:
        future.set_exception(failed)
    else:
        future.set_result(output._OutputData({*(deps or ()), res}, value, is_known, is_secret))


def _track(self: pulumi.Output[Any]) -> None:
    """Keep an output until it has a value. A set's own lock is enough; the SDK takes another and looks it up four times."""
    outputs, future = SETTINGS.outputs, self._data
    outputs.add(future)
    future.add_done_callback(functools.partial(_forget, outputs))


def _forget(outputs: set[asyncio.Future[Any]], future: asyncio.Future[Any]) -> None:
    if not future.cancelled() and future.exception() is None:  # a failed one stays, for the SDK to raise at the end
        outputs.discard(future)


def _contains_unknowns(val: Any) -> Any:
    """A plain value is known; the SDK asks it for its identity and its items first."""
    return False if type(val) in _PLAIN else NotImplemented


def _serialize_property(value: Any, *positional: Any, return_protobuf_value: bool = False, **_: Any) -> Any:
    """A plain value as it is; the SDK asks it first whether it is any of twelve other things, by type annotations too."""
    as_it_is = type(value) in _PLAIN and not return_protobuf_value and len(positional) < len(_SERIALIZE_PROPERTY) - 1
    return _immediate(value) if as_it_is else NotImplemented


async def _immediate(value: Any) -> Any:
    return value


def _cached(function: Any) -> Callable[[Any], Any]:
    """What the SDK finds out about a type, which it does anew for each resource and each property."""
    cached = functools.lru_cache(4096)(function)

    def answer(kind: Any) -> Any:
        try:
            return cached(kind)
        except TypeError:  # a type without a hash, such as Annotated[str, []]
            return NotImplemented

    return answer


def _copy(self: Any) -> Any:
    """A copy of options; the SDK's way by `copy.copy` and the protocol of pickle takes four times as long."""
    if type(self) not in _OPTIONS:
        return NotImplemented
    copied = object.__new__(type(self))
    copied.__dict__.update(self.__dict__)
    return copied


def _debug(*_: Any, **named: Any) -> None:
    """Nothing, as the recorder drops debug lines; the SDK makes a message for the engine of five lines a resource."""


_install(resource, "_get_stack_trace", (), _stack_trace)
_install(resource, "create_urn", ("name", "type_", "parent", "project", "stack"), _urn)
_install(pulumi.log, "debug", ("msg", "resource", "stream_id", "ephemeral"), _debug)
if _parameters(output, "_OutputData") == ("resources", "value", "is_known", "is_secret"):
    _install(rpc, "transfer_properties", ("res", "props", "custom"), _transfer)
_install(rpc, "contains_unknowns", ("val",), _contains_unknowns)
_install(rpc, "serialize_property", _SERIALIZE_PROPERTY, _serialize_property)
_install(pulumi.Output, "_track", ("self",), _track)
for _options in _OPTIONS:
    _install(_options, "_copy", ("self",), _copy)
for _module in (resource, settings, stack):
    _install(_module, "wrap_with_context", ("fn",), MonitorCall)
for _name, _parameter in (("unwrap_type", "val"), ("unwrap_optional_type", "val"), ("resource_types", "resource_cls")):
    _install(_types, _name, (_parameter,), _cached(getattr(_types, _name, None)))
