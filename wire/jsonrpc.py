"""JSON-RPC 2.0 messages as MCP uses them: a request, a notification or an answer. Anything else is refused.

What a method may do is not decided here.
"""

from __future__ import annotations

from collections.abc import Set
from functools import lru_cache
from typing import Any

from model.value_types import value_type
from wire.json import Malformed

Id = str | int

#: Error codes of MCP and JSON-RPC that more than one module answers with.
METHOD_NOT_FOUND = -32601
INVALID_PARAMS = -32602
HEADER_MISMATCH = -32020
UNSUPPORTED_VERSION = -32022

#: Below it every number that a double holds is a different integer (RFC 8259, section 6).
_EXACT = 2.0**53
#: What 64 bits hold, with or without a sign: no program counts its requests beyond it.
_INTEGERS = range(-(2**63), 2**64)

_REQUEST = frozenset(("jsonrpc", "id", "method", "params"))
_NOTIFICATION = frozenset(("jsonrpc", "method", "params"))
_RESULT = frozenset(("jsonrpc", "id", "result"))
_ERROR = frozenset(("jsonrpc", "id", "error"))

#: Members of a client's params that the official schemas know, and those of `ref` and `notifications` that decide.
MEMBERS = frozenset(
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


@value_type()
class Request:
    """`body` is the whole message in its usual form, the very object that is forwarded."""

    id: Id
    method: str
    params: dict[str, Any]
    body: dict[str, Any]


@value_type()
class Notification:
    method: str
    params: dict[str, Any]
    body: dict[str, Any]


@value_type()
class Answer:
    """Either `result` or `error` is there. An error about a message that could not be read has no id (`None`).

    `absent`: the result was null or [], which is a whole result only where a method's result has no members.
    """

    id: Id | None
    result: dict[str, Any] | None
    error: dict[str, Any] | None
    body: dict[str, Any]
    absent: bool = False


Message = Request | Notification | Answer


def classify(value: Any) -> Message:
    """The one kind of message `value` is.

    What has one meaning is written in its usual form, and the message's `body` has that form: null in place of params,
    arguments or another member of params that MCP knows is an absent one; null beside a result or an error is nothing; a
    result of null or [] is an empty one; an id or code of 7.0 is 7; an answer's members beyond JSON-RPC's mean nothing and
    are left out.
    A request's members that JSON-RPC does not know are refused: no part of a message may pass uninspected.

    Raises:
        Malformed: no object, not version 2.0, a null, boolean or fractional id, params that are no object, or members
            that do not go together.
    """
    if isinstance(value, list):
        raise Malformed("an array stands where a message should")
    if not isinstance(value, dict) or value.get("jsonrpc") != "2.0":
        raise Malformed("not a JSON-RPC 2.0 message")
    if "method" not in value:
        return _answer(value)
    method, params = value["method"], value.get("params", {})
    if not isinstance(method, str) or not method or len(method) > 128:
        raise Malformed("the method is not a name")
    if params is None or (isinstance(params, dict) and None in params.values()):
        params = _present(params or {})
        value = {**value, "params": params}
    if not isinstance(params, dict):
        raise Malformed("params is not an object")
    if blurred(params, MEMBERS) or blurred(params.get("ref"), MEMBERS) or blurred(params.get("notifications"), MEMBERS):
        raise Malformed("a member of params is a known one in another spelling")
    if "id" not in value:
        if not value.keys() <= _NOTIFICATION:
            raise Malformed("members beyond jsonrpc, method and params")
        return Notification(method, params, value)
    if not value.keys() <= _REQUEST:
        raise Malformed("members beyond jsonrpc, id, method and params")
    id_ = _id(value["id"])
    return Request(id_, method, params, value if id_ is value["id"] else {**value, "id": id_})


def _present(params: dict[str, Any]) -> dict[str, Any]:
    """`params` without the known members that are null, which is how some languages write an absent one."""
    present = {key: item for key, item in params.items() if item is not None or key not in MEMBERS}
    if "arguments" in params and params["arguments"] is None:
        # Not left out: some servers do not run a tool without arguments.
        present["arguments"] = {}
    return present


def _answer(value: dict[str, Any]) -> Answer:
    result, error = value.get("result"), value.get("error")
    if error is not None:
        if result is not None:
            raise Malformed("a result and an error stand in one answer")
        number = value.get("id")
        id_ = None if number is None else _id(number)
        read = _error(error)
        usual = read is error and id_ is number and (value.keys() == _ERROR or value.keys() == _ERROR - {"id"})
        return Answer(id_, None, read, value if usual else {"jsonrpc": "2.0", "id": id_, "error": read})
    if "result" not in value:
        raise Malformed("neither a request, a notification nor an answer")
    if "id" not in value:
        raise Malformed("a result without an id")
    id_ = _id(value["id"])
    if result is None or result == []:
        return Answer(id_, {}, None, {"jsonrpc": "2.0", "id": id_, "result": {}}, absent=True)
    if not isinstance(result, dict):
        raise Malformed("the result is not an object")
    usual = value.keys() == _RESULT and id_ is value["id"]
    return Answer(id_, result, None, value if usual else {"jsonrpc": "2.0", "id": id_, "result": result})


def _error(error: Any) -> dict[str, Any]:
    """The error with its code as an integer, which -32000.0 is too, and a message, which null says is empty."""
    code = error.get("code") if isinstance(error, dict) else None
    if isinstance(code, float) and code.is_integer():
        code = int(code)
    if not isinstance(code, int) or isinstance(code, bool):
        raise Malformed("the error has no code that is an integer")
    message = error.get("message", "")
    if message is not None and not isinstance(message, str):
        raise Malformed("the error's message is not text")
    if isinstance(error["code"], int) and isinstance(error.get("message"), str):
        read: dict[str, Any] = error
        return read
    return {**error, "code": code, "message": message or ""}


def blurred(keys: Any, known: Set[str]) -> bool:
    """Whether a key differs from one of `known` only by upper and lower case, or by a NUL in it.

    Some readers take ``Name`` (Go's `encoding/json`, CVE-2026-27896) or ``name`` with a NUL behind it (GHSA-q382-vc8q-7jhj)
    for ``name``, others do not: two meanings.
    """
    if not isinstance(keys, dict) or keys.keys() <= known:
        return False
    folded = _folded(frozenset(known))
    return any(key.casefold().replace("\0", "") in folded for key in keys if key not in known)


@lru_cache(maxsize=256)
def _folded(names: frozenset[str]) -> frozenset[str]:
    """Names without regard to case. Those that are asked for are the protocol's, and those of the locked tools' schemas."""
    return frozenset(name.casefold() for name in names)


def blurred_arguments(value: Any, schema: Any) -> bool:
    """Whether `blurred` holds for a tool's arguments and the properties that its schema names, at any depth."""
    if not isinstance(schema, dict):
        return False
    if isinstance(value, list):
        return any(blurred_arguments(item, schema.get("items")) for item in value)
    properties = schema.get("properties")
    if not isinstance(value, dict) or not isinstance(properties, dict):
        return False
    return blurred(value, properties.keys()) or any(
        blurred_arguments(child, properties.get(key)) for key, child in value.items() if isinstance(child, dict | list)
    )


def _id(value: Any) -> Id:
    if type(value) is int and value in _INTEGERS:  # as nearly all are
        return value
    # U+FFFD may stand for half of a surrogate pair: the sender would not know the id again.
    if isinstance(value, str) and len(value) <= 256 and "\ufffd" not in value:
        return value
    if is_whole_number(value):
        return int(value)
    raise Malformed("the id is neither a string nor an integer of at most 64 bits")


def is_whole_number(value: Any) -> bool:
    """Whether this is an integer, or a number that stands for one, of which nothing was rounded off."""
    if isinstance(value, float):
        return value.is_integer() and abs(value) < _EXACT
    return isinstance(value, int) and not isinstance(value, bool) and value in _INTEGERS
