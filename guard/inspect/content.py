"""Takes a message part apart for the engines: every string and key with its place, and the content no engine can read.

No verdict is made here. Content that arrives as base64 (a `blob`, or image and audio `data`) is judged by its bytes, not
by the type it claims: what decodes to text is inspected like any other text; an image or sound of a known format passes
uninspected and is counted; anything else, which no engine can look into, is not passed on.
"""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from guard.decide.methods import opaque_places
from guard.inspect.verdict import Text
from wire.json import dump

#: First bytes of the formats that pass uninspected, and the types that may name them.
_MAGIC: tuple[tuple[bytes, int, bytes, tuple[str, ...]], ...] = (
    (b"\x89PNG\r\n\x1a\n", 0, b"", ("image/png", "image/apng")),
    (b"\xff\xd8\xff", 0, b"", ("image/jpeg", "image/jpg")),
    (b"GIF87a", 0, b"", ("image/gif",)),
    (b"GIF89a", 0, b"", ("image/gif",)),
    (b"RIFF", 8, b"WEBP", ("image/webp",)),
    # Many texts begin with these two letters: the four reserved bytes identify a bitmap.
    (b"BM", 6, b"\0\0\0\0", ("image/bmp",)),
    (b"RIFF", 8, b"WAVE", ("audio/wav", "audio/x-wav", "audio/wave")),
    (b"ID3", 0, b"", ("audio/mpeg", "audio/mp3")),
    (b"\xff\xfb", 0, b"", ("audio/mpeg", "audio/mp3")),
    (b"OggS", 0, b"", ("audio/ogg", "audio/opus")),
    (b"fLaC", 0, b"", ("audio/flac",)),
)

_INERT = re.compile(r"[A-Za-z0-9_.:/+-]{1,64}")

#: Member names up to this long that are identifiers are not inspected, as every message has them. The shortest secrets that
#: could stand in their place have 20 characters (AKIA…).
_SHORT_KEY = 19
#: Characters of all pointers of one value. A long key of a long list is repeated in the pointer of each item: 26 kB on the
#: wire made 40 MB here, and a body of the usual limit would end the process. Ordinary messages stay far below.
MAX_POINTERS = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Content:
    """The strings of a message part. `texts` are in document order. `uninspected` counts bytes of images and sounds.
    `unreadable` is a place that no engine can look into and that has no known format, or where the pointers became too
    long. `decoded` are pointers whose text was decoded, so that it is not the string in the document."""

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
        """Whether all texts are short words without blanks, such as ids, versions and levels, which can hold no prose."""
        return all(_INERT.fullmatch(text.value) for text in self.texts)


def content_of(value: Any, method: str = "") -> Content:
    """All strings of a JSON value in a message of this method. The pointer of a key itself ends in ``#``."""
    opaque = opaque_places(method)
    texts: list[Text] = []
    uninspected = 0
    unreadable: str | None = None
    decoded: set[str] = set()
    stack: list[tuple[str, Any]] = [("", value)]
    spent = 0
    while stack:
        pointer, node = stack.pop()
        if isinstance(node, dict | list):
            spent += (len(pointer) + 1) * len(node) + (sum(map(len, node)) if isinstance(node, dict) else 0)
            if spent > MAX_POINTERS:
                return Content((), 0, pointer[:64])
        if isinstance(node, str):
            if node:
                texts.append(Text(pointer, node))
        elif isinstance(node, dict):
            blob = _blob(node) if "data" in node or "blob" in node else None
            for key, child in reversed(node.items()):
                child_pointer = (
                    f"{pointer}/{key.replace('~', '~0').replace('/', '~1')}"
                    if "~" in key or "/" in key
                    else f"{pointer}/{key}"
                )
                if child_pointer in opaque and isinstance(child, str | int):
                    continue
                if key == blob:
                    inside, size, readable = _decoded(child, node.get("mimeType"))
                    if inside:
                        texts += [Text(child_pointer, text) for text in inside]
                        decoded.add(child_pointer)
                    uninspected += size
                    if not readable:
                        unreadable = child_pointer
                    continue
                if isinstance(child, str | dict | list):
                    stack.append((child_pointer, child))
                if not (key.isascii() and key.isidentifier() and len(key) <= _SHORT_KEY):
                    texts.append(Text(f"{child_pointer}#", key))
        elif isinstance(node, list):
            stack.extend((f"{pointer}/{index}", child) for index, child in reversed(list(enumerate(node))))
    return Content(tuple(texts), uninspected, unreadable, frozenset(decoded))


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


def _decoded(data: str, mime: Any) -> tuple[tuple[str, ...], int, bool]:
    """The texts in the base64, the number of uninspected bytes, and whether it may pass at all."""
    loose = data.translate(_LOOSE)
    try:
        raw = base64.b64decode(loose, validate=True)
    except (binascii.Error, ValueError):
        # A client may read it as text, or as base64 without the characters that do not belong there, as many decoders do.
        alphabet_only = _NOT_BASE64.sub("", loose)
        skipped = base64.b64decode(alphabet_only[: len(alphabet_only) - (len(alphabet_only) % 4 == 1)] + "==")
        return (data, *_text(skipped)), 0, True
    if text := _text(raw):
        return text, 0, True
    known = any(
        raw.startswith(head) and raw[offset : offset + len(mark)] == mark and (mime is None or mime in types)
        for head, offset, mark, types in _MAGIC
    )
    return (), len(raw), known


def _text(raw: bytes) -> tuple[str, ...]:
    try:
        return (raw.decode("utf-8"),)
    except UnicodeDecodeError:
        return ()
