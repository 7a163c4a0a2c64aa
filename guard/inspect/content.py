"""Takes a message part apart for the engines: every string and key with its place, and the content no engine can read.

No verdict is made here. Content that arrives as base64 (a `blob`, or image and audio `data`) is judged by its bytes, not
by the type it claims (`guard.inspect.media_types`): text is inspected like any other text; an image or sound of a known
format passes uninspected and is counted, and so does what the tool lock lists; anything else is not passed on.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import field
from typing import Any

from guard.decide.methods import opaque_places
from guard.inspect.card_numbers import LEAST_CARD, may_be_card
from guard.inspect.media_types import JudgedBytes, judge_bytes
from guard.inspect.verdict import Text
from model.value_types import value_type
from wire.json import dump
from wire.jsonrpc import MEMBERS
from wire.protocol_versions import META_KEYS

_INERT = re.compile(r"[A-Za-z0-9_.:/+-]{1,64}")

#: Member names up to this long that are identifiers are not inspected, as every message has them. The shortest secrets that
#: could stand in their place have 20 characters (AKIA…).
_SHORT_KEY = 19
#: Characters of the values that are opaque by definition (`guard.decide.methods`), by their last member's name. A
#: `requestState` may be a server's whole memory of a call; a progress token is an id, and a cursor names a place in a list.
MAX_OPAQUE = {"requestState": 65_536, "progressToken": 1024, "cursor": 8192, "nextCursor": 8192}
#: A handle is one word; what holds a blank or another script is text, wherever it stands.
_HANDLE = re.compile(r"[!-~]*")
#: Characters of all pointers of one value. A long key of a long list is repeated in the pointer of each item: 26 kB on the
#: wire made 40 MB here, and a body of the usual limit would end the process. Ordinary messages stay far below.
MAX_POINTERS = 32 * 1024 * 1024


@value_type()
class Content:
    """The texts of a message part. `texts` are in document order. `uninspected` counts bytes that pass unseen, by media
    type. `unreadable` is a place that no engine can look into and that may not pass, or where the pointers became too long;
    `problem` says why. `decoded` are pointers whose text was decoded, so that it is not the string in the document.
    `corrected` are the media types that must stand in place of those claimed, by pointer."""

    texts: tuple[Text, ...]
    uninspected: Mapping[str, int]
    unreadable: str | None
    decoded: frozenset[str] = frozenset()
    problem: str = ""
    corrected: Mapping[str, str] = field(default_factory=dict)

    @property
    def size(self) -> int:
        """Characters of all texts."""
        return sum(len(text.value) for text in self.texts)

    @property
    def inert(self) -> bool:
        """Whether all texts are short words without blanks, such as ids, versions and levels, which can hold no prose."""
        return all(_INERT.fullmatch(text.value) for text in self.texts)


def content_of(value: Any, method: str = "", media_types: frozenset[str] = frozenset()) -> Content:
    """All strings of a JSON value in a message of this method, and the numbers that may be a payment card's. The pointer of
    a key itself ends in ``#``.

    Args:
        media_types: what may pass uninspected beside images and sounds.
    """
    opaque = opaque_places(method)
    texts: list[Text] = []
    uninspected: dict[str, int] = {}
    unreadable: str | None = None
    problem = ""
    decoded: set[str] = set()
    corrected: dict[str, str] = {}
    stack: list[tuple[str, Any]] = [("", value)]
    spent = 0
    while stack:
        pointer, node = stack.pop()
        # By exact type first, which nearly every value has, as this is run for each of every message.
        kind = type(node)
        if kind not in _INSPECTED:
            kind = next((base for base in _INSPECTED if isinstance(node, base)), kind)
        if kind is str:
            if node:
                texts.append(Text(pointer, node))
        elif kind is dict:
            spent += (len(pointer) + 1) * len(node) + sum(map(len, node))
            if spent > MAX_POINTERS:
                return _too_long(pointer)
            blob = _blob(node) if "data" in node or "blob" in node else None
            for key in reversed(node):
                child = node[key]
                child_pointer = (
                    f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}"
                    if "~" in key or "/" in key
                    else f"{pointer}/{key}"
                )
                if child_pointer in opaque and (
                    isinstance(child, int) or (isinstance(child, str) and is_handle(child))
                ):
                    if isinstance(child, str) and len(child) > MAX_OPAQUE[key]:
                        unreadable = child_pointer
                        problem = f"it has {len(child)} characters, and {MAX_OPAQUE[key]} may pass"
                    continue
                if key == blob:
                    judged, size = _decoded(child, node.get("mimeType"), media_types)
                    if judged.texts:
                        texts += [Text(child_pointer, text) for text in judged.texts]
                        decoded.add(child_pointer)
                    if judged.passes_as is not None:
                        uninspected[judged.passes_as] = uninspected.get(judged.passes_as, 0) + size
                    if judged.corrected is not None:
                        corrected[f"{pointer}/mimeType"] = judged.corrected
                    if judged.problem is not None:
                        unreadable, problem = child_pointer, judged.problem
                    continue
                if child and type(child) not in _SILENT:
                    stack.append((child_pointer, child))
                if key not in _PLAIN_NAMES and (not _is_plain_name(key) or key in _PROTOTYPES):
                    texts.append(Text(f"{child_pointer}#", key))
        elif kind is list:
            spent += (len(pointer) + 1) * len(node)
            if spent > MAX_POINTERS:
                return _too_long(pointer)
            # A list may have millions of items that say nothing, and nobody else is served until all were passed.
            stack.extend(
                [
                    (f"{pointer}/{index}", child)
                    for index in range(len(node) - 1, -1, -1)
                    if (child := node[index])
                    and type(child) not in _SILENT
                    and not (type(child) is int and child < LEAST_CARD)
                ]
            )
        elif kind is int and node >= LEAST_CARD and may_be_card(pointer, str(node)):
            texts.append(Text(pointer, str(node)))
    return Content(tuple(texts), uninspected, unreadable, frozenset(decoded), problem, corrected)


def _too_long(pointer: str) -> Content:
    return Content((), {}, pointer[:64], problem="the names of its members are too long")


#: Types of values in which there may be something to inspect, and of those in which there is nothing.
_INSPECTED: tuple[type, ...] = (str, dict, list, int)
_SILENT = frozenset((bool, float, type(None)))


def _is_plain_name(key: str) -> bool:
    """Whether a member's name says nothing: the envelope's own, and short identifiers. The envelope's look like base64,
    which costs ten times the rest to rule out."""
    return (len(key) <= _SHORT_KEY and key.isascii() and key.isidentifier()) or key in META_KEYS


#: Short names that say something all the same: to JavaScript the common ancestor of all objects.
_PROTOTYPES = frozenset(("__proto__", "prototype"))

#: Names that stand in most messages, so that they need no look at their letters.
_PLAIN_NAMES = frozenset(
    filter(_is_plain_name, (*META_KEYS, *MEMBERS, "content", "text", "isError", "structuredContent", "version"))
)


def is_handle(value: str) -> bool:
    """Whether a value that is opaque by definition is one, and no text in its place."""
    return _HANDLE.fullmatch(value) is not None


def document_of(value: Any) -> str:
    """The value as one JSON text, for engines that take JSON."""
    return dump(value).decode()


def _blob(node: Mapping[str, Any]) -> str | None:
    """The member that holds base64 if this is a content block (MCP: ImageContent, AudioContent, blob)."""
    if isinstance(node.get("blob"), str) and isinstance(node.get("uri"), str):
        return "blob"
    if node.get("type") in ("image", "audio") and isinstance(node.get("data"), str):
        return "data"
    return None


#: Decoders of base64 read these as the same: without line breaks and blanks, and with the URL alphabet.
_LOOSE = str.maketrans("-_", "+/", " \t\r\n")
_NOT_BASE64 = re.compile(r"[^A-Za-z0-9+/]+")


def _decoded(data: str, claimed: Any, media_types: frozenset[str]) -> tuple[JudgedBytes, int]:
    """What the base64 holds, and the number of its bytes."""
    loose = data.translate(_LOOSE)
    try:
        raw = base64.b64decode(loose, validate=True)
    except (binascii.Error, ValueError):
        # A client may read it as text, or as base64 without the characters that do not belong there, as many decoders do.
        alphabet_only = _NOT_BASE64.sub("", loose)
        skipped = base64.b64decode(alphabet_only[: len(alphabet_only) - (len(alphabet_only) % 4 == 1)] + "==")
        return JudgedBytes((data, *judge_bytes(skipped, None, frozenset()).texts)), 0
    return judge_bytes(raw, claimed, media_types), len(raw)
