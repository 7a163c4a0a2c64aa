"""The headers of MCP 2026-07-28 that repeat a request's body, compared with it and made from it.

A reader between client and server routes by the headers, and the server acts by the body, so both must say the same. The
rules are those of the official SDK (`mcp.shared.inbound`), which tests/wire/test_mirrored_headers.py compares with these:
its package costs the guard 0.4 s and 17 MB to import.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any, Final

from wire.jsonrpc import HEADER_MISMATCH, INVALID_PARAMS, UNSUPPORTED_VERSION
from wire.protocol_versions import CAPABILITIES_KEY, MODERN_VERSIONS, VERSION_KEY

#: The member of `params` that `Mcp-Name` repeats, by method.
NAMED: Final = MappingProxyType({"tools/call": "name", "prompts/get": "name", "resources/read": "uri"})
PREFIX: Final = "Mcp-Param-"
MARK: Final = "x-mcp-header"

_ENCODED = re.compile(r"=\?base64\?(.*)\?=")
_VISIBLE = re.compile(r"[\x20-\x7e]*")
#: RFC 9110 section 5.6.2: what a header's name may hold.
_TOKEN = re.compile(r"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_DECIMAL = re.compile(r"(-?[0-9]+)(?:\.([0-9]+))?")
_MARKABLE = ("string", "integer", "boolean")

#: Keywords of JSON Schema 2020-12 whose values are schemas, by the shape of the value; `properties` stands apart.
_SINGLE = frozenset(
    (
        *("items", "contains", "unevaluatedItems", "additionalProperties", "propertyNames", "unevaluatedProperties"),
        *("not", "if", "then", "else", "contentSchema"),
    )
)
_LISTED = frozenset(("allOf", "anyOf", "oneOf", "prefixItems"))
_NAMED = frozenset(("patternProperties", "dependentSchemas", "$defs", "definitions"))

Path = tuple[str, ...]


@dataclass(frozen=True)
class Mismatch:
    """Why a request is refused, as the members of a JSON-RPC error."""

    code: int
    message: str
    data: Any = None


def envelope_mismatch(body: Mapping[str, Any], headers: Mapping[str, str]) -> Mismatch | None:
    """What is wrong with the envelope of a request of the 2026 era, or with the headers (lower-case) that repeat it."""
    params = body.get("params")
    meta = params.get("_meta") if isinstance(params, dict) else None
    if not isinstance(params, dict) or not isinstance(meta, dict):
        text = f"params._meta must be an object carrying the required {VERSION_KEY!r} and {CAPABILITIES_KEY!r} envelope keys"
        return Mismatch(INVALID_PARAMS, text)
    if missing := [key for key in (VERSION_KEY, CAPABILITIES_KEY) if key not in meta]:
        return Mismatch(INVALID_PARAMS, f"params._meta is missing the required envelope key(s): {', '.join(missing)}")
    version = headers.get("mcp-protocol-version")
    # A version of null equals a header that is not there.
    if version is None or version != meta[VERSION_KEY]:
        return _differs("mcp-protocol-version header does not match the request envelope's protocol version")
    method = body.get("method")
    if headers.get("mcp-method") != method:
        return _differs("mcp-method header does not match the request body's method")
    key = NAMED.get(method) if isinstance(method, str) else None
    if key is not None and params.get(key) is not None and decoded(headers.get("mcp-name")) != params[key]:
        return _differs(f"mcp-name header does not match the request body's {key!r} parameter")
    return version_mismatch(version)


def version_mismatch(version: str) -> Mismatch | None:
    """The refusal of a version that is not served."""
    if version in MODERN_VERSIONS:
        return None
    data = {"supported": list(MODERN_VERSIONS), "requested": version}
    return Mismatch(UNSUPPORTED_VERSION, "Unsupported protocol version", data)


def marks_hold(schema: Any) -> bool:
    """Whether every mark of an input schema is valid; where one is not, conforming clients mirror none of its arguments."""
    tokens: set[str] = set()
    for path, position in _positions(schema):
        if MARK not in position:
            continue
        token, type_ = position[MARK], position.get("type")
        if not path or not isinstance(token, str) or not _TOKEN.fullmatch(token):
            return False
        if type_ not in _MARKABLE or token.lower() in tokens:
            return False
        tokens.add(token.lower())
    return True


def marks(schema: Any) -> dict[Path, str]:
    """The marks of a schema whose marks hold, by the path of the property."""
    return {path: token for path, token, _ in _marked(schema)}


def headers_of(marks: Mapping[Path, str], arguments: Mapping[str, Any]) -> dict[str, str]:
    """The headers that mirror these arguments, as a client makes them."""
    headers: dict[str, str] = {}
    for path, token in marks.items():
        value = _value(arguments, path)
        if value is not None and (text := _text(value)) is not None:
            headers[PREFIX + token] = encoded(text)
    return headers


def argument_mismatch(schema: Any, arguments: Mapping[str, Any], headers: Mapping[str, str]) -> Mismatch | None:
    """The first `Mcp-Param-*` header (lower-case names) that does not say what its argument says; null counts as absent.

    A header whose argument is absent is refused: a reader before the server would route by a value that the body never held.
    """
    if not marks_hold(schema):
        return None
    for path, token, position in _marked(schema):
        name, argument = PREFIX + token, repr(".".join(path))
        raw, value = headers.get(name.lower()), _value(arguments, path)
        meaning = decoded(raw)
        text = None if value is None else _text(value)
        if raw is None:
            if text is not None:
                return _differs(f"{name} header is missing but the request body's {argument} argument is present")
        elif value is None:
            return _differs(f"{name} header is present but the request body's {argument} argument is absent")
        elif text is not None and meaning is None:
            return _differs(f"{name} header carries a malformed base64 sentinel value")
        elif text is None or meaning is None or not _equal(position.get("type"), value, text, meaning):
            return _differs(f"{name} header does not match the request body's {argument} argument")
    return None


def encoded(value: str) -> str:
    """The value as a header can carry it: as it is, or in base64 between marks."""
    if _VISIBLE.fullmatch(value) and value == value.strip() and not _ENCODED.fullmatch(value):
        return value
    return f"=?base64?{base64.b64encode(value.encode()).decode()}?="


def decoded(header: str | None) -> str | None:
    """The value that a header carries; None for what has no one meaning, which equals no value of a body."""
    match = _ENCODED.fullmatch(header) if header is not None else None
    if match is None:
        return header
    try:
        data = base64.b64decode(match[1], validate=True)
        return data.decode() if base64.b64encode(data).decode() == match[1] else None
    except (binascii.Error, ValueError):
        return None


def _differs(text: str) -> Mismatch:
    return Mismatch(HEADER_MISMATCH, text)


def _positions(root: Any) -> Iterator[tuple[Path | None, dict[str, Any]]]:
    """Every schema in a schema, with the chain of `properties` that leads to it; None where another keyword does."""
    stack: list[tuple[Path | None, Any]] = [((), root)]
    while stack:
        path, schema = stack.pop()
        if not isinstance(schema, dict):
            continue
        yield path, schema
        for keyword, value in schema.items():
            if keyword == "properties" and isinstance(value, dict):
                stack.extend(((*path, name) if path is not None else None, part) for name, part in value.items())
            elif keyword in _SINGLE:
                stack.append((None, value))
            elif keyword in _LISTED and isinstance(value, list):
                stack.extend((None, part) for part in value)
            elif keyword in _NAMED and isinstance(value, dict):
                stack.extend((None, part) for part in value.values())


def _marked(schema: Any) -> Iterator[tuple[Path, str, dict[str, Any]]]:
    for path, position in _positions(schema):
        if path and isinstance(token := position.get(MARK), str):
            yield path, token, position


def _value(arguments: Mapping[str, Any], path: Path) -> Any:
    node: Any = arguments
    for key in path:
        if not isinstance(node, Mapping):
            return None
        node = node.get(key)
    return node


def _text(value: Any) -> str | None:
    """A value as a client writes it into a header; None for one that cannot be mirrored."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if not isinstance(value, str | int | float):
        return None
    try:
        return str(value)
    except ValueError:  # an integer of more digits than Python writes
        return None


def _equal(type_: Any, value: Any, text: str, meaning: str) -> bool:
    """Whether a header says what the argument says; integers are compared as numbers, so 42 is 42.0."""
    integral = not isinstance(value, bool) and (
        isinstance(value, int) or (isinstance(value, float) and value.is_integer())
    )
    match = _DECIMAL.fullmatch(meaning) if type_ == "integer" and integral else None
    if match is None:
        return meaning == text
    if match[2] and match[2].strip("0"):
        return False
    try:
        return int(match[1]) == int(value)
    except ValueError:
        return False
