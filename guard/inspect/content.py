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
    # Two letters begin many a text: the four reserved bytes tell a bitmap.
    (b"BM", 6, b"\0\0\0\0", ("image/bmp",)),
    (b"RIFF", 8, b"WAVE", ("audio/wav", "audio/x-wav", "audio/wave")),
    (b"ID3", 0, b"", ("audio/mpeg", "audio/mp3")),
    (b"\xff\xfb", 0, b"", ("audio/mpeg", "audio/mp3")),
    (b"OggS", 0, b"", ("audio/ogg", "audio/opus")),
    (b"fLaC", 0, b"", ("audio/flac",)),
)

_INERT = re.compile(r"[A-Za-z0-9_.:/+-]{1,64}")

#: Keys up to this long that are plain words go unread, as no message is without them; the shortest keys and tokens that
#: could stand in their place have 20 characters (AKIA…).
_SHORT_KEY = 19
#: Characters of all pointers of one value. A long key over a long list is written out for each of its items: 26 kB on the
#: wire made 40 MB here, and a body of the usual limit would be the end of the process. Honest messages stay far below.
MAX_POINTERS = 32 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Content:
    """`texts` in document order; `uninspected` counts bytes of images and sounds; `unreadable` names a place that no
    engine can look into and that is not of a known format, or where naming places began to cost too much; `decoded` are
    pointers whose text is not what stands there."""

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


def content_of(value: Any, method: str = "") -> Content:
    """All strings of a JSON value, of a message of this method; a key's own pointer ends in ``#``."""
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
    """The same value as one text for engines that take JSON."""
    return dump(value).decode()


def _blob(node: Mapping[str, Any]) -> str | None:
    """The member of a content block that holds base64, if it is one (MCP: ImageContent, AudioContent, blob)."""
    if isinstance(node.get("blob"), str) and isinstance(node.get("uri"), str):
        return "blob"
    if node.get("type") in ("image", "audio") and isinstance(node.get("data"), str):
        return "data"
    return None


#: What readers of base64 take for the same text: line breaks and blanks left out, the URL alphabet.
_LOOSE = str.maketrans("-_", "+/", " \t\r\n")
_NOT_BASE64 = re.compile(r"[^A-Za-z0-9+/]+")


def _decoded(data: str, mime: Any) -> tuple[tuple[str, ...], int, bool]:
    """Texts inside, bytes left uninspected, and whether it may pass at all."""
    loose = data.translate(_LOOSE)
    try:
        raw = base64.b64decode(loose, validate=True)
    except (binascii.Error, ValueError):
        # A client may read it as the text it is, or as base64 with what does not belong there skipped, as many decoders do.
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
