"""Writes a server into a client's own settings file, with a copy of what was there.

Places: cursor.com/docs/mcp (`~/.cursor/mcp.json`), code.visualstudio.com "MCP configuration" (the user profile's mcp.json),
geminicli.com/docs/tools/mcp-server (`~/.gemini/settings.json`), code.claude.com/docs/mcp (`.mcp.json` in the project's
folder; what Claude Code keeps for a user lies among its running state, which `claude mcp add` writes).
"""

from __future__ import annotations

import os
import shlex
import sys
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from model.errors import InputError, RingwallError
from model.json import NotJson
from model.known_clients import KNOWN_CLIENTS
from operations.clients.jsonc import read_object, set_member
from operations.clients.snippets import FORMATS, person
from operations.project.write import FileChange, apply

#: A settings file is read whole.
MAX_BYTES = 2**20


@dataclass(frozen=True)
class Link:
    """The change of one client's settings file. `previous` is the entry that stands there under the name."""

    client: str
    name: str
    change: FileChange
    previous: Any = None

    @property
    def is_unchanged(self) -> bool:
        return self.change.before == self.change.after


def settings_file(client: str, environment: Mapping[str, str], platform: str = sys.platform) -> Path:
    """The file in which a client looks for servers; raises InputError where it has none, or was never started here."""
    title = KNOWN_CLIENTS[client].title
    if client not in FORMATS:
        snippet = person(client, "NAME", "the address")
        advice = snippet.note if snippet.text == "the address" else f"run `{snippet.text}`; {snippet.note}"
        raise InputError(f"{title} has no settings file for servers", key="--link", remedy=advice)
    if client == "claude-code":
        return Path(".mcp.json").absolute()
    home = Path(environment.get("USERPROFILE" if platform == "win32" else "HOME") or Path.home())
    if client == "cursor":
        file = home / ".cursor" / "mcp.json"
    elif client == "gemini-cli":
        file = home / ".gemini" / "settings.json"
    else:
        file = _configuration_folder(home, environment, platform) / "Code" / "User" / "mcp.json"
    if not file.parent.is_dir():
        raise InputError(
            f"{file.parent} is not there: {title} was never started here",
            key="--link",
            remedy="start it once, or name its settings file with --link-file",
        )
    return file


def _configuration_folder(home: Path, environment: Mapping[str, str], platform: str) -> Path:
    """The folder of applications' settings, as Electron takes it (its docs, app.getPath: appData)."""
    if platform == "win32":
        return Path(environment.get("APPDATA") or home / "AppData" / "Roaming")
    if platform == "darwin":
        return home / "Library" / "Application Support"
    return Path(environment.get("XDG_CONFIG_HOME") or home / ".config")


def prepare(client: str, name: str, url: str, file: Path) -> Link:
    """The change that lets a client find the server; raises InputError where the file cannot be read or edited."""
    # A link to a file is followed at once, so that the copy lies beside the file and its undo leaves the link alone.
    file = file.resolve()
    before = _content(file)
    text = "" if before is None else _text(before, file)
    settings = FORMATS[client]
    try:
        section = read_object(text).get(settings.section, {})
        previous = section.get(name) if isinstance(section, dict) else None
        after = (
            text if previous == settings.entry(url) else set_member(text, (settings.section, name), settings.entry(url))
        )
    except NotJson as error:
        remedy = (
            f'put {{"{settings.section}": {{"{name}": …}}}} there by hand as `ringwall clients` shows it, or correct it'
        )
        raise InputError(f"cannot be edited: {error}", file=file, remedy=remedy) from None
    encoded = after.encode()
    if before is not None and before.startswith(b"\xef\xbb\xbf"):
        encoded = b"\xef\xbb\xbf" + encoded
    return Link(client, name, FileChange(file, before, encoded), previous)


def write(link: Link, moment: str) -> Path | None:
    """Write the file; the copy of what was there, None where there was nothing. `moment` makes the copy's name."""
    if link.is_unchanged:
        return None
    copy = None
    if link.change.before is not None:
        copy = link.change.path.with_name(f"{link.change.path.name}.{moment}.bak")
        _copy(link.change.path, link.change.before, copy)
    try:
        apply([link.change])
    except RingwallError:
        if copy is not None:
            copy.unlink(missing_ok=True)
        raise
    return copy


def undo(link: Link, copy: Path | None) -> str:
    """The command that takes a link back."""
    file = shlex.quote(str(link.change.path))
    return f"rm {file}" if copy is None else f"mv {shlex.quote(str(copy))} {file}"


def _content(file: Path) -> bytes | None:
    try:
        if not file.exists():
            return None
        if not file.is_file():
            raise InputError("is no file", file=file, remedy="name the settings file with --link-file")
        with file.open("rb") as source:
            content = source.read(MAX_BYTES + 1)
    except OSError as error:
        raise InputError(
            f"cannot be read ({error.strerror})", file=file, remedy="make it readable, or name another with --link-file"
        ) from None
    if len(content) > MAX_BYTES:
        raise InputError("is over 1 MiB: no settings file", file=file, remedy="name the settings file with --link-file")
    return content


def _text(content: bytes, file: Path) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeError:
        raise InputError("is not UTF-8", file=file, remedy="save it as UTF-8, then run this again") from None


def _copy(file: Path, content: bytes, copy: Path) -> None:
    """The copy has the rights of the file, which may hold secrets, from its first byte on."""
    try:
        descriptor = os.open(copy, os.O_WRONLY | os.O_CREAT | os.O_EXCL, file.stat().st_mode & 0o777)
    except OSError as error:
        raise InputError(
            f"cannot be written ({error.strerror})", file=copy, remedy="nothing was changed; make its folder writable"
        ) from None
    try:
        with os.fdopen(descriptor, "wb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
    except OSError as error:
        with suppress(OSError):
            copy.unlink()
        raise RingwallError(f"{copy}: cannot be written ({error.strerror}); nothing was changed") from None
