"""A folder of state as the URL that Pulumi opens it by; no path that Pulumi would take for another folder."""

from __future__ import annotations

from pathlib import Path

from model.errors import InputError

REMEDY = "a folder whose path is UTF-8, without ? # % and control characters"
#: What stands in a path for a byte that is no UTF-8 (PEP 383); Pulumi reads its settings as UTF-8.
_NO_TEXT = range(0xDC80, 0xDD00)


def unfit_character(folder: Path) -> str | None:
    """The first character of the path with which Pulumi does not open it, in words.

    Pulumi joins `file://` and the path, and reads that as a URL (pkg/backend/diy): a mark of the URL ends the path, and a
    control character makes it no URL, which Pulumi then takes for that of its service.
    """
    char = next(
        (char for char in str(folder) if char in "?#%" or ord(char) < 32 or ord(char) in (127, *_NO_TEXT)), None
    )
    if char is not None and ord(char) in _NO_TEXT:
        return f"the byte {ord(char) - 0xDC00:02X}, which is no UTF-8"
    return char if char is None or char.isprintable() else f"U+{ord(char):04X}"


def folder_url(folder: Path) -> str:
    """The folder's `file://` URL; raises InputError where Pulumi would not open that folder by it."""
    if (char := unfit_character(folder)) is not None:
        raise InputError(
            f"its path holds {char}, with which Pulumi opens no state",
            file=folder,
            remedy=f"move the project to {REMEDY}",
        )
    return f"file://{folder}"
