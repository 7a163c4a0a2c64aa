"""What `ringwall diff --output` wrote, read as data from whoever opened the pull request, and the comments made of it.

Names, number, size, encoding, marker and characters are checked; what a file says about itself is believed nowhere.
"""

from __future__ import annotations

import os
import re
import stat
from pathlib import Path

#: GitHub refuses longer bodies; counted in bytes of UTF-8, which are never fewer than its characters.
MAX_BODY = 65_536
MAX_ENVIRONMENTS = 20
_ENVIRONMENT = r"[a-z0-9-]{1,60}(?:\.[a-z0-9-]{1,60})?"
_FILE = re.compile(rf"({_ENVIRONMENT})\.md")
_MARKER = re.compile(rf"<!-- ringwall-diff:({_ENVIRONMENT}) -->")
#: What else `ringwall diff` puts beside the comments; never read here.
_BESIDE = ("report.json", "report.html")


def environment_of(body: str) -> str | None:
    """The environment in the marker that is a comment's whole first line; None where there is no such line."""
    match = _MARKER.fullmatch(body.partition("\n")[0].rstrip("\r"))
    return match[1] if match else None


def read_reports(folder: Path) -> dict[str, str]:
    """The comments in a folder: environment to text, marker included.

    Raises:
        InputError: anything there is not what `ringwall diff` writes. Nothing is skipped in silence.
    """
    from model.errors import InputError

    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise InputError(
            f"cannot be read ({error.strerror})", file=folder, remedy="name the folder of `ringwall diff --output`"
        ) from None
    if not names:
        raise InputError("is empty", file=folder, remedy="see whether `ringwall diff --output` ran")
    if len(names) > MAX_ENVIRONMENTS + len(_BESIDE):
        raise InputError(f"holds over {MAX_ENVIRONMENTS} environments", file=folder, remedy="compare fewer at once")
    found = {}
    for name in names:
        match = _FILE.fullmatch(name)
        if match is None and name not in _BESIDE:
            raise InputError(
                f"holds {ascii(name)[:100]}, which `ringwall diff` does not write", file=folder, remedy="remove it"
            )
        text = _read(folder / name, wanted=match is not None)
        if match is not None:
            found[match[1]] = _checked(folder / name, match[1], text)
    if len(found) > MAX_ENVIRONMENTS:
        raise InputError(f"holds over {MAX_ENVIRONMENTS} environments", file=folder, remedy="compare fewer at once")
    return found


def _read(file: Path, *, wanted: bool) -> bytes:
    from model.errors import InputError

    try:
        # Not through a link, which could show any file of the runner; not waiting for a pipe either.
        handle = os.open(file, os.O_RDONLY | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0))
    except OSError:
        raise InputError("is a link, or cannot be read", file=file, remedy="put the file itself there") from None
    if not stat.S_ISREG(os.fstat(handle).st_mode):
        os.close(handle)
        raise InputError("is no regular file", file=file, remedy="put the file itself there")
    with os.fdopen(handle, "rb") as opened:
        return opened.read(MAX_BODY + 1) if wanted else b""


def _checked(file: Path, environment: str, content: bytes) -> str:
    from model.errors import InputError
    from model.text import is_hidden

    if len(content) > MAX_BODY:
        raise InputError(f"is over {MAX_BODY} bytes, more than GitHub takes", file=file, remedy="write it anew")
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise InputError("is not UTF-8", file=file, remedy="write it anew with `ringwall diff`") from None
    if environment_of(text) != environment:
        raise InputError(
            f"does not begin with <!-- ringwall-diff:{environment} -->",
            file=file,
            remedy="write it with `ringwall diff`, under its environment's name",
        )
    # `ringwall diff` spells hidden characters out, so one that is here was put here to mislead.
    if any(is_hidden(char) or char == "\r" for char in text):
        raise InputError("holds hidden characters", file=file, remedy="write it anew with `ringwall diff`")
    return text


def body_of(environment: str, text: str, note: str) -> str:
    """The comment: our marker, what we know ourselves, then the text, in which no second marker can stand.

    Raises:
        InputError: it came out longer than GitHub takes.
    """
    from model.errors import InputError

    rest = text.partition("\n")[2]
    # Every comment, declaration and processing instruction of HTML begins with one of these (CommonMark 0.31, 6.6).
    rest = re.sub(r"<(?=[!?])", "&lt;", rest).strip("\n")
    # First of all, since a fence or tag that the text leaves open would swallow what comes after it.
    body = "\n".join([_marker(environment), *([note, ""] if note else []), rest]) + "\n"
    if len(body.encode()) > MAX_BODY:
        raise InputError(
            f"the comment of {environment} is over {MAX_BODY} bytes, more than GitHub takes",
            remedy="write it anew with `ringwall diff`, which leaves room",
        )
    return body


def unchanged_body(environment: str, note: str = "") -> str:
    """What an environment's comment becomes when the pull request does not change it any more; `note` as in `body_of`,
    since it is the run that says so, by bringing no file."""
    text = "What this pull request once changed here it does not change any more."
    return body_of(environment, f"\n### Ringwall: <code>{environment}</code>: no changes\n\n{text}\n", note)


def _marker(environment: str) -> str:
    return f"<!-- ringwall-diff:{environment} -->"


def provenance(sha: str, *, touched: bool | None) -> str:
    """Where the text comes from, and whether it can be believed; `touched` is None when that could not be told."""
    line = f"<sub>Commit {sha}, from the pull request's own run.</sub>"
    if touched is False:
        return line
    why = "changes files below `.github/`" if touched else "could not be looked at whole"
    return (
        f"> [!WARNING]\n> This pull request {why}, so its own run may have written anything below. "
        f"Do not rely on it: run `ringwall diff` yourself.\n\n{line}"
    )
