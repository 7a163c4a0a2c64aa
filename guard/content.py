"""Takes a message part apart for the engines: every string with its place, keys included, and what no engine can read.

Text that arrives as base64 (a `blob`, or image and audio `data`) is judged by what it is, not by what it says it is:
decodable text is inspected like any other; an image or a sound of a known format passes as uninspected and is counted;
anything else that nothing can look into is not passed on.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from guard.verdict import Text
from guard.wire_json import dump

#: First bytes of the formats that pass uninspected, and the types that may name them.
_MAGIC: tuple[tuple[bytes, int, bytes, tuple[str, ...]], ...] = (
    (b"\x89PNG\r\n\x1a\n", 0, b"", ("image/png", "image/apng")),
    (b"\xff\xd8\xff", 0, b"", ("image/jpeg", "image/jpg")),
    (b"GIF87a", 0, b"", ("image/gif",)),
    (b"GIF89a", 0, b"", ("image/gif",)),
    (b"RIFF", 8, b"WEBP", ("image/webp",)),
    (b"BM", 0, b"", ("image/bmp",)),
    (b"RIFF", 8, b"WAVE", ("audio/wav", "audio/x-wav", "audio/wave")),
    (b"ID3", 0, b"", ("audio/mpeg", "audio/mp3")),
    (b"\xff\xfb", 0, b"", ("audio/mpeg", "audio/mp3")),
    (b"OggS", 0, b"", ("audio/ogg", "audio/opus")),
    (b"fLaC", 0, b"", ("audio/flac",)),
)

_INERT = re.compile(r"[A-Za-z0-9_.:/+-]{1,64}")

#: Members that are opaque by definition and never shown to a model; `requestState` must not be altered (MCP).
_OPAQUE = frozenset(("requestState", "progressToken", "cursor", "nextCursor"))


@dataclass(frozen=True, slots=True)
class Content:
    """`texts` in document order; `uninspected` counts bytes of images and sounds; `unreadable` names a place that no
    engine can look into and that is not of a known format; `decoded` are pointers whose text is not what stands there."""

    texts: tuple[Text, ...]
    uninspected: int
    unreadable: str | None
    decoded: frozenset[str] = frozenset()

    @property
    def size(self) -> int:
        """Characters of all texts."""
        return sum(len(text.value) for text in self.texts)

    @property
    def inert(self) -> bool:
        """True when no text can say anything: short words without blanks, such as ids, versions and levels."""
        return all(_INERT.fullmatch(text.value) for text in self.texts)


def content_of(value: Any) -> Content:
    """All strings of a JSON value; a key's own pointer ends in ``#``."""
    texts: list[Text] = []
    uninspected = 0
    unreadable: str | None = None
    decoded: set[str] = set()
    stack: list[tuple[str, Any]] = [("", value)]
    while stack:
        pointer, node = stack.pop()
        if isinstance(node, str):
            if node:
                texts.append(Text(pointer, node))
        elif isinstance(node, dict):
            blob = _blob(node) if "data" in node or "blob" in node else None
            for key, child in reversed(node.items()):
                here = (
                    f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}"
                    if "~" in key or "/" in key
                    else f"{pointer}/{key}"
                )
                if key in _OPAQUE and isinstance(child, str | int):
                    continue
                if key == blob:
                    text, size, readable = _decoded(child, node.get("mimeType"))
                    if text is not None:
                        texts.append(Text(here, text))
                        decoded.add(here)
                    uninspected += size
                    if not readable:
                        unreadable = here
                    continue
                if isinstance(child, str | dict | list):
                    stack.append((here, child))
                if not (key.isascii() and key.isidentifier() and len(key) <= 64):
                    texts.append(Text(f"{here}#", key))
        elif isinstance(node, list):
            stack.extend((f"{pointer}/{at}", child) for at, child in reversed(list(enumerate(node))))
    return Content(tuple(texts), uninspected, unreadable, frozenset(decoded))


def document_of(value: Any) -> str:
    """The same value as one text for engines that take JSON."""
    return dump(value).decode()


def _blob(node: Mapping[str, Any]) -> str | None:
    """The member of a content block that holds base64, if it is one (MCP: ImageContent, AudioContent, blob)."""
    if isinstance(node.get("blob"), str) and isinstance(node.get("uri"), str):
        return "blob"
    if node.get("type") in ("image", "audio") and isinstance(node.get("data"), str):
        return "data"
    return None


def _decoded(data: str, mime: Any) -> tuple[str | None, int, bool]:
    """Text inside, bytes left uninspected, and whether it may pass at all."""
    try:
        raw = base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        return data, 0, True  # not base64 at all, so a client could only read it as the text it is
    try:
        return raw.decode("utf-8"), 0, True
    except UnicodeDecodeError:
        pass
    known = any(
        raw.startswith(head) and raw[at : at + len(more)] == more and (mime is None or mime in types)
        for head, at, more, types in _MAGIC
    )
    return None, len(raw), known
