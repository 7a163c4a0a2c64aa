"""Reads the files that `ringwall diff --output` wrote, and makes the comments of a pull request from them.

The files come from whoever opened the pull request, so they are data and never trusted: names, number, size, encoding,
marker and characters are checked. Publishing the comments is in `comment`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

from model.files import NoFile, open_file

#: GitHub refuses longer bodies; counted in bytes of UTF-8, which are never fewer than its characters.
MAX_BODY = 65_536
MAX_ENVIRONMENTS = 20
_ENVIRONMENT = r"[a-z0-9-]{1,60}(?:\.[a-z0-9-]{1,60})?"
_FILE = re.compile(rf"({_ENVIRONMENT})\.md")
_MARKER = re.compile(rf"<!-- ringwall-diff:({_ENVIRONMENT}) -->")
#: The other files that `ringwall diff` writes into the folder; they are never read here.
_REPORT_FILES = ("report.json", "report.html")


def environment_of(body: str) -> str | None:
    """The environment in a comment's marker, which is its complete first line; None where there is no marker."""
    match = _MARKER.fullmatch(body.partition("\n")[0].rstrip("\r"))
    return match[1] if match else None


def read_reports(folder: Path) -> dict[str, str]:
    """The comments in a folder: environment to text, marker included.

    Raises:
        InputError: the folder holds anything that `ringwall diff` does not write. Nothing is skipped in silence.
    """
    from model.errors import InputError

    try:
        names = sorted(os.listdir(folder))
    except OSError as error:
        raise InputError(
            f"cannot be read ({error.strerror})",
            file=folder,
            remedy="name the folder of `ringwall diff BASE --output DIR`",
        ) from None
    if not names:
        raise InputError("is empty", file=folder, remedy="see whether `ringwall diff BASE --output DIR` ran")
    if len(names) > MAX_ENVIRONMENTS + len(_REPORT_FILES):
        raise InputError(f"holds over {MAX_ENVIRONMENTS} environments", file=folder, remedy="compare fewer at once")
    reports = {}
    for name in names:
        match = _FILE.fullmatch(name)
        if match is None and name not in _REPORT_FILES:
            raise InputError(
                f"holds {ascii(name)[:100]}, which `ringwall diff` does not write", file=folder, remedy="remove it"
            )
        text = _read(folder / name, with_content=match is not None)
        if match is not None:
            reports[match[1]] = _checked(folder / name, match[1], text)
    if len(reports) > MAX_ENVIRONMENTS:
        raise InputError(f"holds over {MAX_ENVIRONMENTS} environments", file=folder, remedy="compare fewer at once")
    return reports


def _read(file: Path, *, with_content: bool) -> bytes:
    from model.errors import InputError

    try:
        # Not through a link, which could show any file of the runner.
        opened = open_file(file, os.O_NOFOLLOW)
    except NoFile as error:
        raise InputError(str(error.strerror), file=file, remedy="put the file itself there") from None
    except OSError:
        raise InputError("is a link, or cannot be read", file=file, remedy="put the file itself there") from None
    with opened:
        return opened.read(MAX_BODY + 1) if with_content else b""


def _checked(file: Path, environment: str, content: bytes) -> str:
    from model.errors import InputError
    from model.text import is_hidden

    if len(content) > MAX_BODY:
        raise InputError(f"is over {MAX_BODY} bytes, more than a comment takes", file=file, remedy="write it anew")
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
    for number, line in enumerate(text.split("\n"), 1):
        if hidden := next((char for char in line if is_hidden(char) or char == "\r"), None):
            raise InputError(
                f"holds the hidden character U+{ord(hidden):04X}",
                file=f"{file}:{number}",
                remedy="write it anew with `ringwall diff`",
            )
    return text


def body_of(environment: str, text: str, note: str) -> str:
    """A comment's text: our marker, then `note`, which is what we know ourselves, then `text` with any marker escaped.

    Raises:
        InputError: the comment is longer than a comment may be.
    """
    from model.errors import InputError

    content = text.partition("\n")[2]
    # Every comment, declaration and processing instruction of HTML begins with one of these (CommonMark 0.31, 6.6).
    content = re.sub(r"<(?=[!?])", "&lt;", content).strip("\n")
    # The note comes first, since a fence or tag that the text leaves open would swallow whatever follows.
    body = "\n".join([_marker(environment), *([note, ""] if note else []), content]) + "\n"
    if len(body.encode()) > MAX_BODY:
        raise InputError(
            f"the comment of {environment} is over {MAX_BODY} bytes, more than a comment takes",
            remedy="write it anew with `ringwall diff`, which leaves room",
        )
    return body


def unchanged_body(environment: str, note: str = "") -> str:
    """The comment of an environment that the pull request does not change any more. `note` is as in `body_of`: only the run
    says so, by writing no file for the environment."""
    text = "An earlier version of this change touched this environment; it no longer does."
    return body_of(environment, f"\n### Ringwall: <code>{environment}</code>: no changes\n\n{text}\n", note)


def _marker(environment: str) -> str:
    return f"<!-- ringwall-diff:{environment} -->"


def is_pipeline_file(name: str) -> bool:
    """Whether a changed file may belong to a pipeline: on GitLab and Azure DevOps any YAML file may, by an include."""
    last = name.rpartition("/")[2]
    if not last.endswith((".yml", ".yaml")):
        return False
    return not (last == "Pulumi.yaml" or re.fullmatch(r"Pulumi\..+\.yaml|.+\.(?:lock|access)\.yaml", last))


def provenance(sha: str, *, touched: bool | None, noun: str = "pull request", files: str) -> str:
    """The note that says which commit's run wrote the text. It warns unless `touched` is False, which means that the pull
    request is known not to change the `files` that control its own run; None means that this is not known."""
    line = f"<sub>Commit {sha}, from the {noun}'s own run.</sub>"
    if touched is False:
        return line
    reason = f"changes {files}" if touched else "could not be looked at whole"
    return (
        f"> [!WARNING]\n> This {noun} {reason}, so its own run may have written anything below. "
        f"Do not rely on it: run `ringwall diff BASE` yourself.\n\n{line}"
    )
