"""Where the guard gets its signed configuration: a file or a URL that is looked at again and again.

What was good last is kept in the state directory with its number, so that a guard whose source is gone starts with it,
and so that no restart makes it forget what it must not go back to. A bundle that is refused changes nothing: it is
reported, once in the log and in `/readyz` for as long as it is there.
"""

from __future__ import annotations

import asyncio
import json
import logging
import os
import random
import stat
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from guard.bundle.bundle import MOST_BYTES, MalformedBundle, Opened, OpenedBundle, open_bundle, read_demo_config
from guard.bundle.keys import write_atomically
from model.base import split_url
from model.canonical import digest
from model.errors import InputError, RingwallError, Unreachable
from model.json import parse_json
from model.loopback import is_loopback
from wire.http import HttpPolicy, RefusedAnswer, read_body_async, reason_of

log = logging.getLogger("ringwall.guard")

LAST_GOOD = "last-good.bundle.json"
FLOOR = "last-good.sequence.json"
#: For one look at a URL, from the connection to the last byte.
TIMEOUT = 20.0
#: File systems keep times no finer than a clock tick: a file this young may change again without showing it.
_SETTLED_NS = 2_000_000_000

Apply = Callable[[OpenedBundle], Awaitable[None]]


def open_demo_config(text: str | bytes, file: Path) -> Opened:
    """An unsigned configuration with a demo identity, as the guard's service takes it; raises InputError otherwise."""
    config = read_demo_config(text, file)
    return Opened(config, digest(config.dump()), 0, frozenset())


@dataclass(frozen=True)
class SourceStatus:
    """What is in force and how the source fares. `last_check` is UTC as RFC 3339 writes it."""

    applied: str | None
    sequence: int | None
    source: str
    last_check: str | None
    problem: str | None


@dataclass(frozen=True)
class _Floor:
    """What no later bundle may fall below, and whose bundles these are."""

    sequence: int = 0
    sha256: str | None = None
    server: tuple[str, str] | None = None


@dataclass(frozen=True)
class _Fetched:
    """Content, and the mark that tells at the next look whether it changed. Not `fresh` is what was there before."""

    content: bytes
    mark: Any
    fresh: bool = True


class BundleSource:
    """One guard's configuration source.

    Args:
        location: a path, or an https URL (http on loopback only). Redirects are refused, proxies of the environment
            ignored: the signature makes the content good, not the road, but a road can be pinned all the same.
        public_keys: trusted keys by key id (`guard.bundle.keys.load_public_keys`); none of them is no trust.
        state: directory that only the guard may write.
        expected_server: environment and server; None takes the first server that comes and none other ever after.
        token_file: where a bearer token for the URL is; read at each look.

    Raises:
        InputError: the location cannot be used, or no key is given.
    """

    def __init__(
        self,
        location: str,
        public_keys: Mapping[str, Ed25519PublicKey],
        state: Path,
        *,
        expected_server: tuple[str, str] | None = None,
        token_file: Path | None = None,
        timeout: float = TIMEOUT,
    ) -> None:
        if not public_keys:
            raise InputError("no public key to check bundles with", remedy="give --public-key")
        self._url = _url(location)
        if self._url is None and token_file:
            raise InputError("a token belongs to a URL", file=location, remedy="take it out")
        self._path = Path(location)
        self._keys = public_keys
        self._state = state
        self._expected = expected_server
        self._token_file = token_file
        self._timeout = timeout
        # Once: reading the trust store (or SSL_CERT_FILE, for a private one) takes longer than a call may.
        self._policy = None if self._url is None else HttpPolicy(self._url, proxies=False)
        self._floor = _Floor(server=expected_server)
        #: The very text of what is in force, for the way back.
        self._kept: bytes | None = None
        self._mark: Any = None
        self._said: str | None = None
        shown = location if self._url is None else urlsplit(location)._replace(query="").geturl()
        self._status = SourceStatus(None, None, shown, None, None)

    def status(self) -> SourceStatus:
        return self._status

    def members(self) -> dict[str, Any]:
        """What `/readyz` says of the source beside what is in force."""
        status = self._status
        return {"source": status.source, "last_check": status.last_check, "problem": status.problem}

    async def load_first(self) -> OpenedBundle:
        """What to start with: the source's bundle, or else the last good one, which `status` then says.

        Raises:
            RingwallError: there is neither, or the number that no bundle may fall below cannot be read.
        """
        self._floor = _read_floor(self._state / FLOOR, self._expected)
        last, trouble = self._last_good()
        if last is not None:
            # After a crash it may be newer than the number: that is what was in force.
            self._floor = _floor_of(last)
        try:
            fetched = await self._look()
            opened = self._open(fetched.content)
            self._keep(opened, fetched.content)
            self._mark = fetched.mark
        except RingwallError as error:
            if last is None:
                raise _same_kind(error, f"{error}; and {trouble or 'there is no last good bundle'}") from None
            opened = last
            self._write(self._kept or b"", self._floor)
            self._checked(f"{error}; the last good bundle is in force")
        else:
            self._checked(None)
            if trouble:
                log.warning("%s; the source's bundle is used", trouble)
        self._in_force(opened)
        return opened

    async def watch(self, apply: Apply, every: float) -> None:
        """Look again every `every` seconds and have what is new put in force; returns only by cancellation."""
        while True:
            # Spread out, so that many guards do not ask in the same second.
            await asyncio.sleep(every * random.uniform(0.9, 1.1))  # noqa: S311 - no secret depends on it
            await self.check(apply)

    async def check(self, apply: Apply) -> bool:
        """Look once; whether a new bundle was put in force. Never raises for what the source or `apply` do wrong."""
        try:
            fetched = await self._look()
            applied = False
            if fetched.fresh and fetched.content != self._kept:
                opened = self._open(fetched.content)
                if applied := opened.sha256 != self._status.applied:
                    await self._apply(opened, fetched.content, apply)
        except RingwallError as error:
            self._checked(str(error))
            return False
        except Exception as error:
            # A watcher that ends unseen would freeze the configuration; whatever it is, it is reported and tried again.
            self._checked(f"{type(error).__name__}: {error}")
            return False
        self._mark = fetched.mark
        self._checked(None)
        return applied

    async def _apply(self, opened: OpenedBundle, content: bytes, apply: Apply) -> None:
        """Kept first: a crash in between must not bring the older one back."""
        before, floor = self._kept, self._floor
        self._keep(opened, content)
        try:
            await apply(opened)
        except Exception as error:
            if before is not None:
                self._write(before, floor)
            what = str(error) if isinstance(error, RingwallError) else f"{type(error).__name__}: {error}"
            raise RingwallError(
                f"bundle {opened.bundle.sequence} is good but cannot be put in force: {what}"
            ) from error
        self._in_force(opened)

    # -- the last good one --------------------------------------------------------------------------------------------

    def _last_good(self) -> tuple[OpenedBundle | None, str | None]:
        """It, or what is wrong with it; neither where there never was one."""
        file = self._state / LAST_GOOD
        try:
            file.lstat()
            content = _read_file(file)
            opened = self._open(content)
        except FileNotFoundError:
            return None, None
        except RingwallError as error:
            return None, f"the last good bundle ({file}) is refused: {error}"
        self._kept = content
        return opened, None

    def _open(self, content: bytes) -> OpenedBundle:
        floor = self._floor
        return open_bundle(
            content, self._keys, expected_server=floor.server, after=floor.sequence, applied=floor.sha256
        )

    def _keep(self, opened: OpenedBundle, content: bytes) -> None:
        self._write(content, _floor_of(opened))

    def _write(self, content: bytes, floor: _Floor) -> None:
        """The bundle before its number: between the two, what is kept is newer than the number asks for, never older."""
        document = {"version": 1, "sequence": floor.sequence, "sha256": floor.sha256, "server": floor.server}
        try:
            self._state.mkdir(mode=0o700, parents=True, exist_ok=True)
            write_atomically(self._state / LAST_GOOD, content, 0o600)
            write_atomically(self._state / FLOOR, (json.dumps(document) + "\n").encode(), 0o600)
        except OSError as error:
            raise RingwallError(
                f"{error.filename or self._state}: cannot be written ({error.strerror}), and without it an older bundle "
                "could come back after a restart; make the state directory the guard's own"
            ) from None
        self._kept, self._floor = content, floor

    # -- the source ---------------------------------------------------------------------------------------------------

    async def _look(self) -> _Fetched:
        if self._url is None or self._policy is None:
            return self._look_at_file()
        try:
            async with asyncio.timeout(self._timeout):
                return await self._download(self._url, self._policy)
        except TimeoutError:
            raise Unreachable(f"{self._status.source}: no whole answer within {self._timeout:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unreachable(f"{self._status.source}: {reason_of(error)}") from None

    def _look_at_file(self) -> _Fetched:
        try:
            found = self._path.stat()
        except OSError as error:
            raise Unreachable(f"{self._path}: {error.strerror}") from None
        mark = (found.st_ino, found.st_dev, found.st_size, found.st_mtime_ns, found.st_ctime_ns)
        if mark == self._mark:
            return _Fetched(b"", mark, fresh=False)
        young = time.time_ns() - max(found.st_mtime_ns, found.st_ctime_ns) < _SETTLED_NS
        return _Fetched(_read_file(self._path), None if young else mark)

    async def _download(self, url: str, policy: HttpPolicy) -> _Fetched:
        headers = {"accept": "application/json"}
        if self._mark is not None:
            headers["if-none-match"] = self._mark
        if token := self._token():
            headers["authorization"] = f"Bearer {token}"
        async with (
            policy.async_client(timeout=self._timeout) as client,
            client.stream("GET", url, headers=headers) as answer,
        ):
            if answer.status_code == 304 and self._mark is not None:
                return _Fetched(b"", self._mark, fresh=False)
            if answer.has_redirect_location:
                raise Unreachable(
                    f"{self._status.source}: answers with a redirect, which is not followed; name the new URL"
                )
            if answer.status_code != 200:
                raise Unreachable(f"{self._status.source}: HTTP {answer.status_code}")
            try:
                content = await read_body_async(answer, MOST_BYTES)
            except RefusedAnswer as error:
                raise MalformedBundle(f"{self._status.source}: {error}", remedy="see what is served there") from None
            etag = answer.headers.get("etag", "")
            usable = 0 < len(etag) <= 256 and etag.isascii() and etag.isprintable()
            return _Fetched(content, etag if usable else None)

    def _token(self) -> str | None:
        if self._token_file is None:
            return None
        try:
            token = self._token_file.read_text(encoding="ascii").strip()
        except (OSError, UnicodeError):
            token = ""
        if not token or not token.isprintable():
            raise InputError("holds no bearer token", file=self._token_file, remedy="put it there, on one line")
        return token

    # -- status -------------------------------------------------------------------------------------------------------

    def _in_force(self, opened: OpenedBundle) -> None:
        self._status = replace(self._status, applied=opened.sha256, sequence=opened.bundle.sequence)

    def _checked(self, problem: str | None) -> None:
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self._status = replace(self._status, last_check=now, problem=problem)
        if problem != self._said:
            if problem is not None:
                log.warning("configuration source: %s", problem)
            else:
                log.info("configuration source: well again")
            self._said = problem


def _floor_of(opened: OpenedBundle) -> _Floor:
    return _Floor(opened.bundle.sequence, opened.sha256, opened.server)


def _same_kind(error: RingwallError, text: str) -> RingwallError:
    """An error of the same exit code that says more."""
    return Unreachable(text) if isinstance(error, Unreachable) else InputError(text)


def _url(location: str) -> str | None:
    """The URL, or None for a path."""
    if "://" not in location:
        return None
    try:
        parts = split_url(location)
    except ValueError as error:
        raise InputError(f"the bundle's URL {error}") from None
    plain = parts.scheme == "http" and parts.hostname and is_loopback(parts.hostname)
    if not parts.hostname or not (parts.scheme == "https" or plain):
        raise InputError("the bundle's URL must be https (http only on loopback)", remedy="name an https URL or a file")
    return location


def _read_file(path: Path) -> bytes:
    try:
        # A pipe would make the whole guard wait for its other end.
        descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NONBLOCK)
        with os.fdopen(descriptor, "rb") as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise MalformedBundle("is not a file", file=path, remedy="name the bundle")
            return file.read(MOST_BYTES + 1)
    except OSError as error:
        raise Unreachable(f"{path}: {error.strerror}") from None


def _read_floor(file: Path, expected: tuple[str, str] | None) -> _Floor:
    remedy = "see who wrote it; if a bundle that is in force elsewhere agrees with the source's, remove it"
    try:
        text = file.read_bytes()
    except FileNotFoundError:
        return _Floor(server=expected)
    except OSError as error:
        raise RingwallError(f"{file}: cannot be read ({error.strerror})") from None
    try:
        value = parse_json(text.decode("utf-8"))
        environment, name = value["server"]
        floor = _Floor(value["sequence"], value["sha256"], (environment, name))
        whole = type(floor.sequence) is int and floor.sequence > 0 and isinstance(floor.sha256, str)
        if not whole or not all(isinstance(part, str) for part in (environment, name)):
            raise ValueError
    except (ValueError, KeyError, TypeError):
        raise InputError(
            "no longer says which bundle was applied last, so an older one could pass", file=file, remedy=remedy
        ) from None
    if expected is not None and floor.server != expected:
        raise InputError(
            f"is of {environment}.{name}, another server", file=file, remedy="give each guard its own state"
        )
    return floor
