"""The probe of commands: connects to an origin as the guard does, reads its offer, or says in one line why it cannot."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import re
import tempfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import IO
from urllib.parse import urljoin, urlsplit

from guard.http.connection import upstream_of
from guard.http.upstream import Redirected, UpstreamDown
from guard.probe.conversation import ForeignAnswer, ProbeFailed, RefusedStatus
from guard.probe.lists import read_offer
from model.base import split_url
from model.errors import InputError, Unreachable
from model.server import Origin
from model.text import visible
from model.tool_lock import ClientCapability
from wire.mcp import ServerOffer

#: The last lines of a command's stderr that are read, and those of them that are shown.
_STDERR_BYTES = 64 * 1024
_STDERR_LINES = 3
_ERROR_LINE = re.compile(r"error|exception|fatal|panic|cannot|missing|required", re.IGNORECASE)
_COLOURS = re.compile(r"\x1b\[[0-9;]*m")
_TRACEBACK = re.compile(r"^[A-Za-z_][\w.]*(Error|Exception|Exit|Interrupt)\b")


class Moved(Unreachable):
    """The server answers at another path of the same address (`url`)."""

    def __init__(self, origin: str, url: str) -> None:
        super().__init__(
            "the server redirects, and the guard follows nothing", key=origin, remedy=f"give it as {visible(url)}"
        )
        self.url = url


def probe(
    origin: Origin, *, timeout: float = 10.0, client_capabilities: tuple[ClientCapability, ...] = ()
) -> ServerOffer:
    """Connect, list everything, disconnect; `timeout` in seconds bounds the conversation (ending a stubborn command may
    add some). A command is started for it as the guard starts it. Not to be called inside a running event loop.

    Raises:
        InputError: the origin itself is wrong (no socket, a secret that cannot be read).
        Moved: it redirects to another path of its own.
        Unreachable: refused, silent, not MCP, asking for authentication, over a limit, not startable, or it announces tools
            and cannot list them.
    """
    if origin.socket and not Path(origin.socket).is_socket():
        raise InputError("is no Unix socket", file=origin.socket, remedy="start the server, or correct the path")
    with tempfile.TemporaryFile("w+", encoding="utf-8", errors="replace") as stderr:
        try:
            with _noise() as noise:
                offer = asyncio.run(_offer(origin, timeout, client_capabilities, stderr))
        except (ProbeFailed, UpstreamDown, TimeoutError) as error:
            raise _diagnosis(origin, error, timeout, stderr, noise) from error
    if "tools" in offer.failed:
        raise Unreachable(f"{named(origin)}: {offer.failed['tools']}", remedy="look at the server's log")
    return replace(offer, notes=(*offer.notes, *noise)) if noise else offer


def named(origin: Origin) -> str:
    """The origin in an error's words."""
    if origin.command:
        return f"the command {origin.command[0]}"
    return f"{origin.socket} ({origin.path})" if origin.socket else str(origin.url)


async def _offer(
    origin: Origin, timeout: float, capabilities: tuple[ClientCapability, ...], stderr: IO[str]
) -> ServerOffer:
    upstream = upstream_of(origin, stderr=stderr)
    try:
        async with upstream.road("") as road:
            return await read_offer(road, timeout, capabilities, thorough=True)
    finally:
        await upstream.close()


class _Keeper(logging.Handler):
    """Keeps each warning once."""

    def __init__(self, warnings: list[str]) -> None:
        super().__init__(logging.WARNING)
        self._warnings = warnings

    def emit(self, record: logging.LogRecord) -> None:
        if (text := record.getMessage()) not in self._warnings and len(self._warnings) < 10:
            self._warnings.append(text)


@contextlib.contextmanager
def _noise() -> Iterator[list[str]]:
    """What the guard would log of the command, for the probe's own words: a command line has no log."""
    warnings: list[str] = []
    handler = _Keeper(warnings)
    logger = logging.getLogger("ringwall.guard")
    propagate, logger.propagate = logger.propagate, False
    logger.addHandler(handler)
    try:
        yield warnings
    finally:
        logger.removeHandler(handler)
        logger.propagate = propagate


def _diagnosis(origin: Origin, error: Exception, timeout: float, stderr: IO[str], noise: list[str]) -> Unreachable:
    place = named(origin)
    if isinstance(error, Redirected):
        moved = moved_url(origin, error)
        return Moved(place, moved) if moved else Unreachable(f"{place}: {error}", remedy="give the URL that answers")
    if origin.command:
        return _command_diagnosis(origin, error, timeout, stderr, noise)
    if isinstance(error, UpstreamDown) and not error.sent:
        return Unreachable(f"{place}: nothing listens there", remedy="start the server, or correct the address")
    if isinstance(error, TimeoutError):
        return Unreachable(f"{place}: did not answer within {timeout:g} s", remedy="look at the server's log")
    if isinstance(error, RefusedStatus) and error.status in (401, 403, 407, 421):
        return Unreachable(f"{place}: {error}")
    if isinstance(error, ForeignAnswer):
        return Unreachable(
            f"{place}: {error}", remedy="have the server answer under the id of the request, type and all"
        )
    return Unreachable(f"{place}: {error}", remedy="check that this is the MCP endpoint, often /mcp")


def _command_diagnosis(
    origin: Origin, error: Exception, timeout: float, stderr: IO[str], noise: list[str]
) -> Unreachable:
    place = named(origin)
    if origin.directory and not Path(origin.directory).is_dir():
        return Unreachable(f"{place}: its directory {origin.directory} does not exist", remedy="correct it")
    if isinstance(error, UpstreamDown) and not error.sent:
        cause = error.__cause__ or error.__context__
        if isinstance(cause, FileNotFoundError | NotADirectoryError):
            return Unreachable(f"{place}: there is no such program", remedy="install it, or give its full path")
        if isinstance(cause, PermissionError):
            return Unreachable(f"{place}: may not be run", remedy="make it executable")
    problem = str(error)
    if isinstance(error, TimeoutError):
        problem = f"it did not answer as an MCP server within {timeout:g} s (--timeout gives it more)"
    elif isinstance(error, UpstreamDown):
        problem = "it ended before it answered as an MCP server"
    return Unreachable(f"{place}: {problem}", remedy="; ".join([*noise[:1], _last_words(stderr)]))


def _last_words(stderr: IO[str]) -> str:
    """The lines of the command's stderr that say most: a traceback's last one, else those that speak of an error."""
    with contextlib.suppress(OSError):
        stderr.seek(max(0, stderr.seek(0, 2) - _STDERR_BYTES))
    plain = _COLOURS.sub("", stderr.read())
    lines = [shown[:300] for line in plain.splitlines() if (shown := visible(line.strip()))]
    if not lines:
        return "it wrote nothing to stderr"
    raised = [line for line in lines if _TRACEBACK.match(line)]
    telling = raised[-1:] or [line for line in lines if _ERROR_LINE.search(line)][-_STDERR_LINES:]
    return f"its stderr says: {' | '.join(telling or lines[-_STDERR_LINES:])}"


def moved_url(origin: Origin, redirect: Redirected) -> str | None:
    """The URL that a redirect names, where it is another path of the origin's own address and keeps the method."""
    if origin.url is None or redirect.status not in (307, 308):
        return None
    try:
        url = urljoin(origin.url, redirect.location)
        before, after = urlsplit(origin.url), urlsplit(url)
        is_local = (before.scheme, before.hostname, before.port) == (after.scheme, after.hostname, after.port)
        Origin(url=url)
    except ValueError:
        return None
    return url if is_local and split_url(url).username is None and url != origin.url else None
