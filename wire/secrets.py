"""Reads a secret of this host from the environment variable or file that its reference names.

Errors name the reference and never quote what was read.
"""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping

from model.base import SecretRef
from model.errors import InputError
from model.files import NoFile, open_file
from model.origin_headers import OriginHeader
from model.server import Origin

MAX_BYTES = 64 * 1024
_VISIBLE = re.compile(r"[\x21-\x7e]+")


def read_secret(ref: SecretRef, environ: Mapping[str, str] = os.environ) -> str:
    """The secret without its one trailing newline.

    A file must be a regular one of at most 64 KiB that its group may not write and others may not touch (0640 at the
    most); links are followed, as service managers mount credentials through them. A secret is visible ASCII without
    blanks: that is what a header or a command takes as it stands, and a stray blank would be a wrong key with no visible
    reason.

    Raises:
        InputError: it is not there, not safe, empty or not visible ASCII.
    """
    if ref.env is not None:
        value = environ.get(ref.env)
        if value is None:
            raise _wrong(ref, "is not set", "set it for the process that reads it")
    else:
        value = _file(ref, str(ref.file))
    value = value.removesuffix("\n").removesuffix("\r")
    if not value:
        raise _wrong(ref, "is empty", "put the secret there")
    if not _VISIBLE.fullmatch(value):
        raise _wrong(
            ref, "holds blanks, line breaks or other than visible ASCII characters", "put the bare secret there"
        )
    return value


def command_variables(origin: Origin) -> dict[str, str]:
    """The environment of a stdio origin's command, read where the stack file says each value is; raises InputError."""
    return {name: read_secret(reference) for name, reference in origin.environment.items()}


def origin_headers(origin: Origin) -> dict[str, str]:
    """The fixed headers of an HTTP origin by lower-case name, read where the stack file says; raises InputError."""
    return header_values(origin.headers)


def header_values(headers: Mapping[str, OriginHeader]) -> dict[str, str]:
    """Headers by lower-case name, each value read where the stack file says it is; raises InputError."""
    return {
        name.lower(): f"{header.scheme} {read_secret(header)}" if header.scheme else read_secret(header)
        for name, header in headers.items()
    }


def _file(ref: SecretRef, path: str) -> str:
    try:
        file = open_file(path)
    except NoFile:
        raise _wrong(ref, "is not a regular file", "name a file") from None
    except OSError as error:
        reason = (error.strerror or "unknown error").lower()
        raise _wrong(ref, f"cannot be opened ({reason})", "put it there, readable for this user") from None
    with file:
        try:
            status, content = os.fstat(file.fileno()), file.read(MAX_BYTES + 1)
        except OSError as error:
            reason = (error.strerror or "unknown error").lower()
            raise _wrong(ref, f"cannot be read ({reason})", "put it on a healthy disk") from None
    if status.st_mode & 0o027:
        mode = stat.S_IMODE(status.st_mode)
        raise _wrong(ref, f"is open to others (mode {mode:04o})", "set its mode to 0640 or stricter")
    if len(content) > MAX_BYTES:
        raise _wrong(ref, f"is over {MAX_BYTES // 1024} KiB", "name the file that holds the secret alone")
    # Every byte keeps its own character, so that what is not ASCII is refused below and not here with its bytes shown.
    return content.decode("latin-1")


def _wrong(ref: SecretRef, problem: str, remedy: str) -> InputError:
    place = f"environment variable {ref.env}" if ref.env is not None else f"file {ref.file}"
    return InputError(f"the secret in {place} {problem}", remedy=remedy)
