"""Checks that a resource URI has one meaning to every reader; which URIs are granted is in `guard.decide.grants`.

A grant's pattern is compared with the URI's text, while the server opens what the URI means. Where the two could differ (dot
segments, encoded separators, backslashes, user information: RFC 3986 sections 5.2.4, 6.2.2 and 7.6) the URI is refused
instead of normalised, since the server's own normalisation is unknown.
"""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import unquote_to_bytes

MAX_LENGTH = 2048
_ABSOLUTE = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[!-~]+")
#: An encoded dot, slash, backslash, percent sign or control character, or a percent sign that encodes nothing.
_ENCODED = re.compile(r"%(?:2[eEfF5]|5[cC]|[01][0-9A-Fa-f]|7[fF]|(?![0-9A-Fa-f]{2}))")
_SEPARATORS = re.compile(r"[/?#;&=:]")
_AUTHORITY = re.compile(r"[^:]*:(?://([^/?#]*))?([^?#]*)")


def is_plain_uri(uri: str) -> bool:
    """True for an absolute URI of at most 2048 printable ASCII characters that needs no normalisation."""
    return "{" not in uri and "}" not in uri and is_plain_template(uri)


def is_plain_template(template: str) -> bool:
    """As `is_plain_uri`, for a URI template (RFC 6570), which may hold braces."""
    if len(template) > MAX_LENGTH or not _ABSOLUTE.fullmatch(template) or "\\" in template or _ENCODED.search(template):
        return False
    if any(part in (".", "..") for part in _SEPARATORS.split(template)):
        return False
    if "%" in template and not _plain_text(template):
        return False
    match = _AUTHORITY.match(template)
    authority, path = (match[1] or "", match[2]) if match else ("", "")
    return "@" not in authority and "//" not in path


def _plain_text(uri: str) -> bool:
    """Whether the percent-encoded text is UTF-8 (overlong forms hide a slash) without look-alikes of a separator.

    Some readers fold a look-alike into the separator: U+FF0E is a full stop after NFKC.
    """
    try:
        decoded = unquote_to_bytes(uri).decode("utf-8")
    except UnicodeDecodeError:
        return False
    foreign = "".join(char for char in decoded if not char.isascii())
    return foreign.isprintable() and not set("./\\%:@?#") & set(unicodedata.normalize("NFKC", foreign))
