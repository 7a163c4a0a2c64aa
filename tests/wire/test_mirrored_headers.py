"""The headers that repeat a body are judged and made exactly as the official SDK does it."""

from __future__ import annotations

import itertools
from typing import Any

import mcp_types
import pytest
from mcp.shared import inbound
from mcp_types import jsonrpc, version

from wire import jsonrpc as codes
from wire import mirrored_headers, protocol_versions

MODERN = "2026-07-28"
META = {"io.modelcontextprotocol/protocolVersion": MODERN, "io.modelcontextprotocol/clientCapabilities": {}}
HEADERS = {"mcp-protocol-version": MODERN, "mcp-method": "tools/call", "mcp-name": "search"}


def body(method: Any = "tools/call", **params: Any) -> dict[str, Any]:
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": {"_meta": META, "name": "search", **params}}


def without(*names: str) -> dict[str, str]:
    return {name: value for name, value in HEADERS.items() if name not in names}


BODIES: list[dict[str, Any]] = [
    body(),
    {"method": "tools/call"},
    {"method": "tools/call", "params": None},
    {"method": "tools/call", "params": []},
    body(_meta=None),
    body(_meta={}),
    body(_meta={protocol_versions.VERSION_KEY: MODERN}),
    body(_meta={**META, protocol_versions.VERSION_KEY: "2025-11-25"}),
    body(_meta={**META, protocol_versions.VERSION_KEY: None}),
    body(_meta={**META, protocol_versions.VERSION_KEY: 7}),
    body("tools/list"),
    body(None),
    body("prompts/get"),
    body("resources/read", uri="search"),
    body("resources/read", uri="file:///ü"),
    body(name="other"),
    body(name=None),
    body(name=5),
    body(name="sök"),
]
HEADS = [
    HEADERS,
    without("mcp-protocol-version"),
    without("mcp-method"),
    without("mcp-name"),
    {**HEADERS, "mcp-protocol-version": "2025-11-25"},
    {**HEADERS, "mcp-method": "tools/list"},
    {**HEADERS, "mcp-method": "resources/read"},
    {**HEADERS, "mcp-name": "=?base64?c8O2aw==?="},
    {**HEADERS, "mcp-name": "=?base64?c8O2aw=?="},
    {**HEADERS, "mcp-name": "=?base64?c2VhcmNo?="},
]


def members(rejection: inbound.InboundLadderRejection | mirrored_headers.Mismatch | Any) -> Any:
    if isinstance(rejection, inbound.InboundLadderRejection | mirrored_headers.Mismatch):
        return rejection.code, rejection.message, rejection.data
    return None


@pytest.mark.parametrize("headers", HEADS, ids=str)
def test_an_envelope_is_refused_where_and_as_the_sdk_refuses_it(headers: dict[str, str]) -> None:
    for message in BODIES:
        theirs = inbound.classify_inbound_request(message, headers=headers)
        assert members(mirrored_headers.envelope_mismatch(message, headers)) == members(theirs), message
    assert mirrored_headers.envelope_mismatch(body(), HEADERS) is None


@pytest.mark.parametrize("asked", ["2026-07-28", "2025-11-25", "", "2027-01-01"])
def test_a_version_is_refused_as_the_sdk_refuses_it(asked: str) -> None:
    theirs = inbound.unsupported_protocol_version_rejection(asked)
    assert members(mirrored_headers.version_mismatch(asked)) == members(theirs)


def marked(token: Any, type_: Any = "string", **more: Any) -> dict[str, Any]:
    return {"type": type_, "x-mcp-header": token, **more}


SCHEMAS: list[Any] = [
    None,
    True,
    {},
    {"type": "object", "properties": {"a": marked("Region"), "b": {"type": "string"}}},
    {"properties": {"a": marked("Region"), "n": {"properties": {"b": marked("Count", "integer")}}}},
    {"properties": {"a": marked("Region"), "b": marked("REGION")}},
    {"properties": {"a": marked("")}},
    {"properties": {"a": marked("two words")}},
    {"properties": {"a": marked(5)}},
    {"properties": {"a": marked("R", "number")}},
    {"properties": {"a": marked("R", ["string"])}},
    {"properties": {"a": marked("R", None)}},
    {"properties": {"a": marked("On", "boolean")}},
    {"x-mcp-header": "R"},
    {"anyOf": [{"properties": {"a": marked("R")}}]},
    {"properties": {"a": {"items": marked("R")}}},
    {"$defs": {"a": marked("R")}},
    {"properties": {"a": {"type": "string", "default": marked("R"), "enum": [marked("R")]}}},
    {"properties": {"a": {"$ref": "#/$defs/x"}}, "patternProperties": {"x": {"type": "string"}}},
]
VALUES: list[Any] = [
    *(
        None,
        "",
        "eu",
        " eu",
        "e u",
        "ü",
        "=?base64?ZXU=?=",
        "1\n2",
        True,
        False,
        0,
        -3,
        42,
        42.0,
        1.5,
        10**5000,
        [],
        {},
    ),
]
RAW = [
    *("", "eu", "EU", " eu", "=?base64?ZXU=?=", "=?base64?ZXV=?=", "=?base64?!?=", "=?base64?gA==?=", "true", "True"),
    *("0", "42", "42.0", "42.5", "4.2e1", "-3", "9" * 5000),
]


@pytest.mark.parametrize("schema", SCHEMAS, ids=lambda schema: str(schema)[:60])
def test_marks_and_mirrored_arguments_are_read_as_the_sdk_reads_them(schema: Any) -> None:
    assert mirrored_headers.marks_hold(schema) == (inbound.find_invalid_x_mcp_header(schema) is None)
    marks = mirrored_headers.marks(schema)
    assert marks == inbound.x_mcp_header_map(schema)
    for value in VALUES:
        for arguments in ({"a": value}, {"a": "eu", "n": {"b": value}}, {"n": value}, {}):
            made = mirrored_headers.headers_of(marks, arguments)
            assert made == inbound.mcp_param_headers(marks, arguments)
            mirror = {name.lower(): text for name, text in made.items()}
            for headers in (mirror, {}, *({"mcp-param-region": raw, "mcp-param-on": raw} for raw in RAW)):
                ours = mirrored_headers.argument_mismatch(schema, arguments, headers)
                theirs = inbound.validate_mcp_param_headers(schema, arguments, headers)
                assert members(ours) == members(theirs), (arguments, headers)


def test_an_integer_is_compared_as_a_number_and_everything_else_as_text() -> None:
    for type_, value, raw in itertools.product(("integer", "string", "boolean"), VALUES, RAW):
        schema, arguments, headers = {"properties": {"a": marked("R", type_)}}, {"a": value}, {"mcp-param-r": raw}
        ours = mirrored_headers.argument_mismatch(schema, arguments, headers)
        assert members(ours) == members(inbound.validate_mcp_param_headers(schema, arguments, headers))
    schema = {"properties": {"a": marked("R", "integer")}}
    assert mirrored_headers.argument_mismatch(schema, {"a": 42}, {"mcp-param-r": "42.0"}) is None
    assert mirrored_headers.argument_mismatch(schema, {"a": 42}, {"mcp-param-r": "43"}) is not None


@pytest.mark.parametrize("value", ["", "a", "=?base64?", "ü", " a", "=?base64?YQ==?="])
def test_a_value_survives_its_header(value: str) -> None:
    assert mirrored_headers.encoded(value) == inbound.encode_header_value(value)
    assert mirrored_headers.decoded(mirrored_headers.encoded(value)) == value


def test_versions_and_codes_are_the_sdks() -> None:
    assert protocol_versions.HANDSHAKE_VERSIONS == version.HANDSHAKE_PROTOCOL_VERSIONS
    assert protocol_versions.LATEST_HANDSHAKE_VERSION == version.LATEST_HANDSHAKE_VERSION
    assert protocol_versions.MODERN_VERSIONS == version.MODERN_PROTOCOL_VERSIONS
    assert protocol_versions.VERSION_KEY == mcp_types.PROTOCOL_VERSION_META_KEY
    assert protocol_versions.CAPABILITIES_KEY == mcp_types.CLIENT_CAPABILITIES_META_KEY
    named = {value for name, value in vars(mcp_types).items() if name.endswith("_META_KEY")}
    assert {key for key in named if key.startswith("io.modelcontextprotocol/")} <= protocol_versions.META_KEYS
    assert mirrored_headers.NAMED == inbound.NAME_BEARING_METHODS
    assert codes.INVALID_PARAMS == jsonrpc.INVALID_PARAMS
    assert codes.HEADER_MISMATCH == jsonrpc.HEADER_MISMATCH
    assert codes.UNSUPPORTED_VERSION == jsonrpc.UNSUPPORTED_PROTOCOL_VERSION
