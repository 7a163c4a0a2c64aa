"""A folder of state as the URL that Pulumi opens it by; no path that Pulumi would take for another folder."""

from __future__ import annotations

from pathlib import Path

from model.errors import InputError

REMEDY = "a folder without ? # % and control characters"


def unfit_character(folder: Path) -> str | None:
    """The first character of the path with which Pulumi does not open it, in words.

    Pulumi joins `file://` and the path, and reads that as a URL (pkg/backend/diy): a mark of the URL ends the path, and a
    control character makes it no URL, which Pulumi then takes for that of its service.
    """
    char = next((char for char in str(folder) if char in "?#%" or ord(char) < 32 or ord(char) == 127), None)
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
