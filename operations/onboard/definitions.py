"""Judges each definition that a server offers by itself: one that cannot be pinned or enforced costs nothing but itself.

A definition must be what MCP lets a server send, as official clients drop a whole list for one bad entry. The input schema
of a tool must be one that the guard compiles.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mcp.shared.uri_template import InvalidUriTemplate, UriTemplate
from mcp_types.methods import validate_server_result
from mcp_types.version import SUPPORTED_PROTOCOL_VERSIONS
from pydantic import ValidationError

from model.canonical import digest
from model.definitions import same_meaning
from model.schemas import Unenforceable, patterns_left_to_server, pointer
from model.text import visible
from model.tool_lock import EntryKind, LeftOut
from model.tool_schema import SCHEMA
from wire.mcp import ServerOffer


@dataclass(frozen=True)
class _Listing:
    """How MCP lists one kind: the method, the result's member, and what names an entry and no further one."""

    method: str
    member: str
    key: str


_LISTINGS: Mapping[EntryKind, _Listing] = {
    "tools": _Listing("tools/list", "tools", "name"),
    "prompts": _Listing("prompts/list", "prompts", "name"),
    "resources": _Listing("resources/list", "resources", "uri"),
    "resource_templates": _Listing("resources/templates/list", "resourceTemplates", "uriTemplate"),
}
#: Members that every result of the 2026 era has beside its list.
_ENVELOPE = {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"}


@dataclass(frozen=True)
class Pinnable:
    """A definition that can be pinned. `left_to_server` has the pointers of patterns that only the server enforces."""

    key: str
    definition: dict[str, Any]
    left_to_server: tuple[str, ...] = ()


@dataclass(frozen=True)
class Sifted:
    """An offer taken apart: what can be pinned, by kind and sorted by key, and what is left out."""

    pinnable: Mapping[EntryKind, tuple[Pinnable, ...]]
    left_out: tuple[LeftOut, ...]


def sift(offer: ServerOffer) -> Sifted:
    """Judge every entry of the offer by itself. Identical twins are one entry; unlike ones are both left out."""
    pinnable: dict[EntryKind, tuple[Pinnable, ...]] = {}
    left_out = [LeftOut(kind=kind, key="", reason=visible(reason)) for kind, reason in offer.failed.items()]
    for kind in _LISTINGS:
        by_key: dict[str, list[Any]] = {}
        for number, definition in enumerate(getattr(offer, kind), start=1):
            by_key.setdefault(_key(kind, definition) or f"entry {number}", []).append(definition)
        entries = []
        for key in sorted(by_key):
            judged = _judge(kind, key, by_key[key], offer.protocol_version)
            if isinstance(judged, Pinnable):
                entries.append(judged)
            else:
                left_out.append(LeftOut(kind=kind, key=key, reason=judged))
        pinnable[kind] = tuple(entries)
    left_out.sort(key=lambda entry: (entry.kind, entry.key))
    return Sifted(pinnable, tuple(left_out))


def _key(kind: EntryKind, definition: Any) -> str | None:
    """What names the entry; None where nothing does that could stand in a file."""
    key = definition.get(_LISTINGS[kind].key) if isinstance(definition, dict) else None
    if not isinstance(key, str):
        return None
    try:
        key.encode()
    except UnicodeEncodeError:
        return None
    return key or None


def _judge(kind: EntryKind, key: str, definitions: list[Any], version: str) -> Pinnable | str:
    """The entry as it can be pinned, or why it cannot."""
    definition = definitions[0]
    if any(not same_meaning(definition, twin) for twin in definitions[1:]):
        return f"it is offered {len(definitions)} times, each time otherwise, so a request could mean either"
    if not isinstance(definition, dict):
        return "it is no object"
    try:
        digest(definition)
    except ValueError as error:
        return f"it is not plain JSON: {error}"
    listing = _LISTINGS[kind]
    for member in dict.fromkeys((listing.key, "name")):
        if not isinstance(definition.get(member), str) or not definition[member]:
            return f"it has no {member}"
    if slip := _slip(listing, definition, version):
        return slip
    if kind == "resource_templates":
        try:
            UriTemplate.parse(key)
        except InvalidUriTemplate as error:
            return f"no URI could be matched with its template: {visible(str(error))}"
    if kind != "tools":
        return Pinnable(key, definition)
    try:
        places = patterns_left_to_server(definition["inputSchema"])
    except Unenforceable as error:
        return f"its input schema cannot be enforced: {error.problem} (at {visible(SCHEMA + error.pointer)})"
    return Pinnable(key, definition, tuple(SCHEMA + place for place in places))


def _slip(listing: _Listing, definition: dict[str, Any], version: str) -> str | None:
    """What in a definition keeps official clients from reading the list it stands in; None where they read it."""
    revision = version if version in SUPPORTED_PROTOCOL_VERSIONS else SUPPORTED_PROTOCOL_VERSIONS[-1]
    try:
        validate_server_result(listing.method, revision, {listing.member: [definition], **_ENVELOPE})
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        place = visible(pointer(first["loc"][2:]))
        message = re.sub(" or instance of .*", "", first["msg"]).replace("dictionary", "object")
        return f"MCP {revision} does not allow it: {message} (at {place})"
    return None
