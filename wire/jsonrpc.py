"""JSON-RPC 2.0 messages as MCP uses them: a request, a notification or an answer. Anything else is refused.

What a method may do is not decided here.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any

from wire.json import Malformed

Id = str | int

_REQUEST = frozenset(("jsonrpc", "id", "method", "params"))
_NOTIFICATION = frozenset(("jsonrpc", "method", "params"))
_RESULT = frozenset(("jsonrpc", "id", "result"))
_ERROR = frozenset(("jsonrpc", "id", "error"))

#: Members of a client's params that the official schemas know, and those of `ref` and `notifications` that decide.
_MEMBERS = frozenset(
    (
        *(
            "_meta",
            "argument",
            "arguments",
            "capabilities",
            "clientInfo",
            "context",
            "cursor",
            "inputResponses",
            "level",
        ),
        *("message", "name", "notifications", "progress", "progressToken", "protocolVersion", "reason", "ref"),
        *("requestId", "requestState", "resourceSubscriptions", "task", "total", "type", "uri"),
    )
)


@dataclass(frozen=True, slots=True)
class Request:
    """`body` is the whole message, the very object that is forwarded."""

    id: Id
    method: str
    params: dict[str, Any]
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Notification:
    method: str
    params: dict[str, Any]
    body: dict[str, Any]


@dataclass(frozen=True, slots=True)
class Answer:
    """Either `result` or `error` is there. An error about a message that could not be read has no id (`None`)."""

    id: Id | None
    result: dict[str, Any] | None
    error: dict[str, Any] | None
    body: dict[str, Any]


Message = Request | Notification | Answer


def classify(value: Any) -> Message:
    """The one kind of message `value` is.

    Members that JSON-RPC does not know are refused: no part of a message may pass uninspected.

    Raises:
        Malformed: no object, not version 2.0, a null, boolean or fractional id, params that are no object, or members
            that do not go together.
    """
    if not isinstance(value, dict) or value.get("jsonrpc") != "2.0":
        raise Malformed("not a JSON-RPC 2.0 message")
    keys = value.keys()
    if "method" in value:
        method, params = value["method"], value.get("params", {})
        if not isinstance(method, str) or not method or len(method) > 128:
            raise Malformed("the method is not a name")
        if not isinstance(params, dict):
            raise Malformed("params is not an object")
        if any(blurred(part, _MEMBERS) for part in (params, params.get("ref"), params.get("notifications"))):
            raise Malformed("a member of params is a known one in another spelling")
        if "id" not in value:
            if not keys <= _NOTIFICATION:
                raise Malformed("members beyond jsonrpc, method and params")
            return Notification(method, params, value)
        if not keys <= _REQUEST:
            raise Malformed("members beyond jsonrpc, id, method and params")
        return Request(_id(value["id"]), method, params, value)
    if keys == _RESULT:
        if not isinstance(value["result"], dict):
            raise Malformed("the result is not an object")
        return Answer(_id(value["id"]), value["result"], None, value)
    if keys == _ERROR or keys == _ERROR - {"id"}:
        error = value["error"]
        code = error.get("code") if isinstance(error, dict) else None
        if not isinstance(code, int) or isinstance(code, bool) or not isinstance(error.get("message"), str):
            raise Malformed("the error has no code and message")
        number = value.get("id")
        return Answer(None if number is None else _id(number), None, error, value)
    raise Malformed("neither a request, a notification nor an answer")


def blurred(keys: Any, known: Collection[str]) -> bool:
    """Whether a key differs from one of `known` only by upper and lower case, or by a NUL in it.

    Some readers take ``Name`` (Go's `encoding/json`, CVE-2026-27896) or ``name`` with a NUL behind it (GHSA-q382-vc8q-7jhj)
    for ``name``, others do not: two meanings.
    """
    unknown = [key for key in keys if key not in known] if isinstance(keys, dict) else []
    return bool(unknown) and not {name.casefold() for name in known}.isdisjoint(
        key.casefold().replace("\0", "") for key in unknown
    )


def blurred_arguments(value: Any, schema: Any) -> bool:
    """Whether `blurred` holds for a tool's arguments and the properties that its schema names, at any depth."""
    if not isinstance(schema, dict):
        return False
    if isinstance(value, list):
        return any(blurred_arguments(item, schema.get("items")) for item in value)
    properties = schema.get("properties")
    if not isinstance(value, dict) or not isinstance(properties, dict):
        return False
    return blurred(value, properties) or any(
        blurred_arguments(child, properties.get(key)) for key, child in value.items() if isinstance(child, dict | list)
    )


def _id(value: Any) -> Id:
    if isinstance(value, str) and len(value) <= 256:
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return value
    raise Malformed("the id is neither a string nor an integer")
