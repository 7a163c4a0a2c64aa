"""What bytes in base64 are, and whether they may pass: by their first bytes, never by the type they claim alone.

Text in any common encoding is inspected like other text. An image or sound of a known format passes uninspected, under the
type that it has. Anything else passes only as a media type that its entry in the tool lock lists, and only if its bytes
are of that type, or the type has no signature of its own.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

OCTETS = "application/octet-stream"


@dataclass(frozen=True, slots=True)
class ByteFormat:
    """A format by its signature. `names` are its media types, the first of them its own; one may end in ``*``. `shown`
    formats are what clients show as an image or play: they pass uninspected."""

    matches: Callable[[bytes], bool]
    names: tuple[str, ...]
    shown: bool = False

    def has(self, media_type: str) -> bool:
        return any(fnmatchcase(media_type, name) for name in self.names)


@dataclass(frozen=True, slots=True)
class JudgedBytes:
    """What is known of bytes: the texts in them, or the type under which they pass uninspected, or why they do not pass.
    `corrected` is the type that must stand in place of the claimed one."""

    texts: tuple[str, ...] = ()
    passes_as: str | None = None
    corrected: str | None = None
    problem: str | None = None


def _begins(*heads: bytes) -> Callable[[bytes], bool]:
    return lambda raw: raw.startswith(heads)


def _riff(mark: bytes) -> Callable[[bytes], bool]:
    return lambda raw: raw.startswith(b"RIFF") and raw[8:12] == mark


def _brands(*brands: bytes) -> Callable[[bytes], bool]:
    """ISO base media files (ISO/IEC 14496-12); without brands, any."""
    return lambda raw: raw[4:8] == b"ftyp" and (not brands or raw[8:12] in brands)


def _mp3(raw: bytes) -> bool:
    """An ID3 tag, or the header of an MPEG layer III frame with a bit rate and sampling rate that exist."""
    if raw.startswith(b"ID3"):
        return True
    if len(raw) < 4 or raw[0] != 0xFF or raw[1] & 0xE0 != 0xE0:
        return False
    version, layer = raw[1] >> 3 & 3, raw[1] >> 1 & 3
    return version != 1 and layer == 1 and raw[2] >> 4 not in (0, 15) and raw[2] >> 2 & 3 != 3


def _bitmap(raw: bytes) -> bool:
    """Many texts begin with these two letters: the four reserved bytes identify a bitmap."""
    return raw.startswith(b"BM") and raw[6:10] == b"\0\0\0\0"


def _icon(raw: bytes) -> bool:
    return raw.startswith(b"\0\0\1\0") and len(raw) > 22 and raw[4] > 0 and raw[5] == 0 and raw[9] == 0


_FORMATS = (
    ByteFormat(_begins(b"\x89PNG\r\n\x1a\n"), ("image/png", "image/apng", "image/vnd.mozilla.apng"), shown=True),
    ByteFormat(_begins(b"\xff\xd8\xff"), ("image/jpeg", "image/jpg", "image/pjpeg"), shown=True),
    ByteFormat(_begins(b"GIF87a", b"GIF89a"), ("image/gif",), shown=True),
    ByteFormat(_riff(b"WEBP"), ("image/webp",), shown=True),
    ByteFormat(_bitmap, ("image/bmp", "image/x-ms-bmp", "image/x-bmp"), shown=True),
    ByteFormat(_begins(b"II*\0", b"MM\0*"), ("image/tiff", "image/tif"), shown=True),
    ByteFormat(_icon, ("image/vnd.microsoft.icon", "image/x-icon", "image/ico"), shown=True),
    ByteFormat(_brands(b"avif", b"avis"), ("image/avif",), shown=True),
    ByteFormat(_brands(b"heic", b"heix", b"heim", b"heis", b"mif1", b"msf1"), ("image/heic", "image/heif"), shown=True),
    ByteFormat(_riff(b"WAVE"), ("audio/wav", "audio/x-wav", "audio/wave", "audio/vnd.wave"), shown=True),
    ByteFormat(_mp3, ("audio/mpeg", "audio/mp3", "audio/x-mp3", "audio/x-mpeg"), shown=True),
    ByteFormat(_begins(b"OggS"), ("audio/ogg", "audio/opus", "application/ogg", "video/ogg"), shown=True),
    ByteFormat(_begins(b"fLaC"), ("audio/flac", "audio/x-flac"), shown=True),
    ByteFormat(lambda raw: b"%PDF-" in raw[:1024], ("application/pdf", "application/x-pdf")),
    ByteFormat(
        _begins(b"PK\3\4", b"PK\5\6"),
        (
            "application/zip",
            "application/x-zip-compressed",
            "application/vnd.openxmlformats-officedocument.*",
            "application/vnd.oasis.opendocument.*",
            "application/vnd.ms-*.12",
            "application/java-archive",
            "application/vnd.android.package-archive",
            "application/*+zip",
        ),
    ),
    ByteFormat(_begins(b"\x1f\x8b"), ("application/gzip", "application/x-gzip", "application/x-compressed-tar")),
    ByteFormat(_begins(b"BZh"), ("application/x-bzip2", "application/bzip2")),
    ByteFormat(_begins(b"\xfd7zXZ\0"), ("application/x-xz",)),
    ByteFormat(_begins(b"\x28\xb5\x2f\xfd"), ("application/zstd",)),
    ByteFormat(_begins(b"7z\xbc\xaf\x27\x1c"), ("application/x-7z-compressed",)),
    ByteFormat(_begins(b"Rar!\x1a\7"), ("application/vnd.rar", "application/x-rar-compressed")),
    ByteFormat(lambda raw: raw[257:262] == b"ustar", ("application/x-tar",)),
    ByteFormat(
        _begins(b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"),
        ("application/x-ole-storage", "application/msword", "application/vnd.ms-*", "application/vnd.visio"),
    ),
    ByteFormat(_brands(), ("video/mp4", "audio/mp4", "audio/x-m4a", "audio/m4a", "video/quicktime", "video/3gpp")),
    ByteFormat(
        _begins(b"\x1aE\xdf\xa3"),
        ("video/webm", "audio/webm", "video/x-matroska", "audio/x-matroska", "video/matroska"),
    ),
    ByteFormat(_begins(b"\xff\xf1", b"\xff\xf9"), ("audio/aac", "audio/aacp", "audio/x-aac")),
    ByteFormat(lambda raw: raw.startswith(b"FORM") and raw[8:11] == b"AIF", ("audio/aiff", "audio/x-aiff")),
    ByteFormat(_riff(b"AVI "), ("video/x-msvideo", "video/avi")),
    ByteFormat(_begins(b"SQLite format 3\0"), ("application/vnd.sqlite3", "application/x-sqlite3")),
    ByteFormat(_begins(b"PAR1"), ("application/vnd.apache.parquet", "application/x-parquet")),
    ByteFormat(_begins(b"wOFF", b"wOF2"), ("font/woff", "font/woff2")),
    ByteFormat(_begins(b"OTTO", b"\0\1\0\0\0"), ("font/ttf", "font/otf")),
    ByteFormat(_begins(b"\0asm"), ("application/wasm",)),
    ByteFormat(_begins(b"\x7fELF"), ("application/x-executable", "application/x-elf", "application/x-sharedlib")),
    ByteFormat(_begins(b"MZ"), ("application/vnd.microsoft.portable-executable", "application/x-msdownload")),
)

#: Encodings a client may decode by (WHATWG Encoding), by Python's names for them. UTF-8 is tried first in any case.
_ENCODINGS = frozenset(
    (
        *("utf-16", "utf-16-le", "utf-16-be", "utf-32", "koi8-r", "koi8-u", "mac-roman", "cp866"),
        *(f"iso8859-{part}" for part in range(1, 17) if part != 12),
        *(f"cp{page}" for page in range(1250, 1259)),
        *("shift_jis", "cp932", "euc_jp", "iso2022_jp", "gbk", "gb2312", "gb18030", "big5", "euc_kr", "cp949"),
    )
)
_CONTROL = re.compile("[\0-\x08\x0b\x0e-\x1a\x1c-\x1f\x7f]")
_CONTROL_BYTES = bytes([*range(9), 0x0B, *range(0x0E, 0x1B), *range(0x1C, 0x20), 0x7F])
_CHARSET = re.compile(r"(?i);\s*charset\s*=\s*\"?([\w.:-]{1,40})")


def judge_bytes(raw: bytes, claimed: Any, listed: frozenset[str]) -> JudgedBytes:
    """Judge the bytes of one blob.

    Args:
        claimed: its `mimeType`; a label in other case or with parameters says the same.
        listed: the media types that may pass uninspected here; ``audio/*`` lists all of a kind.
    """
    label = claimed if isinstance(claimed, str) else ""
    media_type = label.partition(";")[0].strip().lower()
    known = next((candidate for candidate in _FORMATS if candidate.matches(raw)), None)
    # Bytes without control characters could be text in some encoding, but not those of a document that is known.
    any_text = known is None or known.shown or media_type.startswith("text/")
    if texts := tuple(dict.fromkeys(_readings(raw, label, any_text))):
        return JudgedBytes(texts)
    if known is not None and known.shown:
        own_type = known.names[0]
        corrected = None if claimed is None or known.has(media_type) else own_type
        return JudgedBytes(passes_as=own_type, corrected=corrected)
    if texts := tuple(_wide_readings(raw)):
        return JudgedBytes(texts)
    own_type = media_type
    if media_type in ("", OCTETS):
        own_type = known.names[0] if known is not None else OCTETS
    elif _has_signature(own_type) and not (known is not None and known.has(own_type)):
        return JudgedBytes(problem=f"it claims to be {own_type[:128]}, and its bytes are not")
    if not any(fnmatchcase(name, pattern) for name in {own_type, media_type or own_type} for pattern in listed):
        return JudgedBytes(
            problem=f"nothing can inspect {own_type[:128]}, and its media_types in the tool lock do not list it"
        )
    return JudgedBytes(passes_as=own_type)


def _has_signature(media_type: str) -> bool:
    return any(candidate.has(media_type) for candidate in _FORMATS)


def _readings(raw: bytes, label: str, any_text: bool) -> Iterator[str]:
    """The bytes as text in each encoding that a client may take them for; nothing for binary."""
    charset = _charset(label)
    if charset:
        yield from _decoded(raw, charset)
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError:
        if raw.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
            yield from _decoded(raw, "utf-16")
        if any_text and len(raw.translate(None, _CONTROL_BYTES)) == len(raw):
            yield raw.decode("cp1252", "replace")
        return
    yield text
    if "\0" in text:
        # UTF-16 without a mark is valid UTF-8 as well, in which no word stands.
        yield from (raw.decode(encoding, "replace") for encoding in ("utf-16-le", "utf-16-be"))


def _wide_readings(raw: bytes) -> Iterator[str]:
    """The bytes as UTF-16 without a mark, if zeros stand where those of Latin text do."""
    for encoding, places in (("utf-16-le", raw[1::2]), ("utf-16-be", raw[::2])):
        if places.count(0) * 2 >= len(places) > 0:
            yield from _decoded(raw, encoding)


def _charset(label: str) -> str | None:
    match = _CHARSET.search(label)
    if match is None:
        return None
    try:
        name = codecs.lookup(match[1]).name
    except (LookupError, ValueError):
        return None
    return name if name in _ENCODINGS else None


def _decoded(raw: bytes, encoding: str) -> Iterator[str]:
    try:
        text = raw.decode(encoding)
    except (UnicodeDecodeError, ValueError):
        return
    if not _CONTROL.search(text):
        yield text
