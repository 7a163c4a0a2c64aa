"""Where the guard gets its signed configuration: a file or a URL that is polled. The checks are in `guard.bundle.bundle`.

The last good bundle is kept in the state directory together with its sequence. So a guard starts with it when the source
is out of reach, and no restart makes the guard accept an older one. A refused bundle changes nothing: it is reported once
in the log, and in `/readyz` for as long as the source serves it.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from guard.bundle.bundle import MOST_BYTES, MalformedBundle, Opened, OpenedBundle, open_bundle, read_demo_config
from model.base import SecretRef, split_url
from model.canonical import digest
from model.errors import InputError, RingwallError, Unreachable
from model.files import NoFile, open_file, read_bytes, write_atomically
from model.json import parse_json
from model.loopback import is_loopback
from wire.http import HttpPolicy, RefusedAnswer, read_body_async, reason_of
from wire.secrets import read_secret

log = logging.getLogger("ringwall.guard")

LAST_GOOD = "last-good.bundle.json"
FLOOR = "last-good.sequence.json"
#: Seconds for one download, from the connection to the last byte.
TIMEOUT = 20.0
#: File systems keep times no finer than a clock tick: a file this young may change again without a new time.
_SETTLED_NS = 2_000_000_000


class NeedsRestart(InputError):
    """A sound bundle that a running guard cannot change over to."""


Apply = Callable[[OpenedBundle], Awaitable[None]]


def open_demo_config(text: str | bytes, file: Path) -> Opened:
    """Read an unsigned configuration with a demo identity, for the guard's service. Raises InputError for any other."""
    config = read_demo_config(text, file)
    return Opened(config, digest(config.dump()), 0, frozenset())


async def pause(every: float, nudge: asyncio.Event) -> None:
    """Wait until the next look, or until `nudge` is set. Spread out, so that many guards do not poll in the same second."""
    with contextlib.suppress(TimeoutError):
        async with asyncio.timeout(every * random.uniform(0.9, 1.1)):  # noqa: S311 - no secret depends on it
            await nudge.wait()
    nudge.clear()


@dataclass(frozen=True)
class SourceStatus:
    """Which bundle is in force, and how the last check of the source went. `last_check` is UTC (RFC 3339)."""

    applied: str | None
    sequence: int | None
    source: str
    last_check: str | None
    problem: str | None


@dataclass(frozen=True)
class _Floor:
    """The sequence that no later bundle may be below, its bundle's digest, and the server whose bundles are accepted."""

    sequence: int = 0
    sha256: str | None = None
    server: tuple[str, str] | None = None


@dataclass(frozen=True)
class _Fetched:
    """Content, and the mark that shows at the next check whether it changed: an ETag, or inode, size and times of a file.
    `fresh` is False where it did not change; then there is no content."""

    content: bytes
    mark: Any
    fresh: bool = True


class BundleSource:
    """One guard's configuration source.

    Args:
        location: a path, or an https URL (http on loopback only). Redirects are refused and proxies of the environment
            ignored: the signature protects the content, and the address is pinned all the same.
        public_keys: trusted keys by key id (`guard.bundle.keys.load_public_keys`), at least one.
        state: directory that only the guard may write.
        expected_server: environment and server; None takes the server of the first bundle, and no other after it.
        token_file: file with a bearer token for the URL, read anew for each download. Only its owner may write it and
            others may not read it, as for every secret (`wire.secrets`).

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
        self._token = SecretRef(file=str(token_file.absolute())) if token_file else None
        self._timeout = timeout
        # Once: reading the trust store (or SSL_CERT_FILE, for a private one) takes longer than a call may.
        self._policy = None if self._url is None else HttpPolicy(self._url, proxies=False)
        self._floor = _Floor(server=expected_server)
        #: The bundle in force as it was read, to be written back when a newer one cannot be put in force.
        self._content: bytes | None = None
        self._mark: Any = None
        self._logged_problem: str | None = None
        shown = location if self._url is None else urlsplit(location)._replace(query="").geturl()
        self._status = SourceStatus(None, None, shown, None, None)

    def status(self) -> SourceStatus:
        return self._status

    def members(self) -> dict[str, Any]:
        """What `/readyz` reports about the source."""
        status = self._status
        return {"source": status.source, "last_check": status.last_check, "problem": status.problem}

    async def load_first(self) -> OpenedBundle:
        """The bundle to start with: the source's, or else the last good one, which `status` then reports.

        Raises:
            RingwallError: there is neither, or the sequence that no bundle may be below cannot be read.
        """
        self._floor = _read_floor(self._state / FLOOR, self._expected)
        last, trouble = self._last_good()
        if last is not None:
            # After a crash the bundle may be newer than the recorded sequence: the bundle is what was in force.
            self._floor = _floor_of(last)
        try:
            fetched = await self._fetch()
            opened = self._open(fetched.content)
            self._keep_bundle(opened, fetched.content)
            self._mark = fetched.mark
        except RingwallError as error:
            if last is None:
                raise _same_kind(error, f"{error}; and {trouble or 'there is no last good bundle'}") from None
            opened = last
            self._write(self._content or b"", self._floor)
            self._checked(f"{error}; the last good bundle is in force")
        else:
            self._checked(None)
            if trouble:
                log.warning("%s; the source's bundle is used", trouble)
        self._in_force(opened)
        return opened

    async def watch(self, apply: Apply, every: float, nudge: asyncio.Event | None = None) -> None:
        """Check the source every `every` seconds, and at once when `nudge` is set, and put new bundles in force.

        Returns only by cancellation.
        """
        while True:
            await pause(every, nudge or asyncio.Event())
            await self.check(apply)

    async def check(self, apply: Apply) -> bool:
        """Check the source once. True if a new bundle was put in force; errors of the source or `apply` never raise."""
        try:
            fetched = await self._fetch()
            applied = False
            if fetched.fresh and fetched.content != self._content:
                opened = self._open(fetched.content)
                if applied := opened.sha256 != self._status.applied:
                    await self._apply(opened, fetched.content, apply)
        except RingwallError as error:
            self._checked(str(error))
            return False
        except Exception as error:
            # A watcher that ended unseen would freeze the configuration, so every error is reported and tried again.
            self._checked(f"{type(error).__name__}: {error}")
            return False
        self._mark = fetched.mark
        self._checked(None)
        return applied

    async def _apply(self, opened: OpenedBundle, content: bytes, apply: Apply) -> None:
        """Store the bundle, then put it in force: after a crash in between, the older one must not come back."""
        before, floor = self._content, self._floor
        self._keep_bundle(opened, content)
        try:
            await apply(opened)
        except Exception as error:
            if isinstance(error, NeedsRestart):
                # A restart takes it, with its deny list, also where the source is out of reach by then.
                self._content = before
            elif before is not None:
                self._write(before, floor)
            problem = str(error) if isinstance(error, RingwallError) else f"{type(error).__name__}: {error}"
            raise RingwallError(
                f"bundle {opened.bundle.sequence} is valid but cannot be put in force: {problem}"
            ) from error
        self._in_force(opened)

    # -- the last good one --------------------------------------------------------------------------------------------

    def _last_good(self) -> tuple[OpenedBundle | None, str | None]:
        """The last good bundle, or the reason why it is refused; neither where none was ever stored."""
        file = self._state / LAST_GOOD
        try:
            file.lstat()
            content = _read_file(file)
            opened = self._open(content)
        except FileNotFoundError:
            return None, None
        except RingwallError as error:
            return None, f"the last good bundle ({file}) is refused: {error}"
        self._content = content
        return opened, None

    def _open(self, content: bytes) -> OpenedBundle:
        floor = self._floor
        return open_bundle(
            content,
            self._keys,
            expected_server=floor.server,
            after=floor.sequence,
            applied=floor.sha256,
            clock=time.time(),
        )

    def _keep_bundle(self, opened: OpenedBundle, content: bytes) -> None:
        self._write(content, _floor_of(opened))

    def _write(self, content: bytes, floor: _Floor) -> None:
        """Write the bundle, then its sequence: after a crash in between, the bundle is newer than required, never older."""
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
        self._content, self._floor = content, floor

    # -- the source ---------------------------------------------------------------------------------------------------

    async def _fetch(self) -> _Fetched:
        if self._url is None or self._policy is None:
            return self._fetch_file()
        try:
            async with asyncio.timeout(self._timeout):
                return await self._download(self._url, self._policy)
        except TimeoutError:
            raise Unreachable(f"{self._status.source}: no whole answer within {self._timeout:g} s") from None
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise Unreachable(f"{self._status.source}: {reason_of(error)}") from None

    def _fetch_file(self) -> _Fetched:
        try:
            status = self._path.stat()
        except OSError as error:
            raise Unreachable(f"{self._path}: {error.strerror}") from None
        mark = (status.st_ino, status.st_dev, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
        if mark == self._mark:
            return _Fetched(b"", mark, fresh=False)
        young = time.time_ns() - max(status.st_mtime_ns, status.st_ctime_ns) < _SETTLED_NS
        return _Fetched(_read_file(self._path), None if young else mark)

    async def _download(self, url: str, policy: HttpPolicy) -> _Fetched:
        headers = {"accept": "application/json"}
        if self._mark is not None:
            headers["if-none-match"] = self._mark
        if self._token is not None:
            headers["authorization"] = f"Bearer {read_secret(self._token)}"
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

    # -- status -------------------------------------------------------------------------------------------------------

    def _in_force(self, opened: OpenedBundle) -> None:
        self._status = replace(self._status, applied=opened.sha256, sequence=opened.bundle.sequence)

    def _checked(self, problem: str | None) -> None:
        checked_at = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        self._status = replace(self._status, last_check=checked_at, problem=problem)
        if problem != self._logged_problem:
            if problem is not None:
                log.warning("configuration source: %s", problem)
            else:
                log.info("configuration source: its bundle is good again")
            self._logged_problem = problem


def _floor_of(opened: OpenedBundle) -> _Floor:
    return _Floor(opened.bundle.sequence, opened.sha256, opened.server)


def _same_kind(error: RingwallError, text: str) -> RingwallError:
    """An error of the same exit code with this text."""
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
        with open_file(path) as file:
            return file.read(MOST_BYTES + 1)
    except NoFile as error:
        raise MalformedBundle(str(error.strerror), file=path, remedy="name the bundle") from None
    except OSError as error:
        raise Unreachable(f"{path}: {error.strerror}") from None


def _read_floor(file: Path, expected: tuple[str, str] | None) -> _Floor:
    remedy = "find out what changed it; remove it only if the source is known to serve the newest bundle"
    try:
        text = read_bytes(file)
    except FileNotFoundError:
        return _Floor(server=expected)
    except OSError as error:
        raise RingwallError(f"{file}: cannot be read ({error.strerror})") from None
    try:
        value = parse_json(text.decode("utf-8"))
        environment, name = value["server"]
        floor = _Floor(value["sequence"], value["sha256"], (environment, name))
        valid = type(floor.sequence) is int and floor.sequence > 0 and isinstance(floor.sha256, str)
        if not valid or not all(isinstance(part, str) for part in (environment, name)):
            raise ValueError
    except (ValueError, KeyError, TypeError):
        raise InputError(
            "does not say which bundle was applied last, so an older bundle could be accepted", file=file, remedy=remedy
        ) from None
    if expected is not None and floor.server != expected:
        raise InputError(
            f"is of {environment}.{name}, another server", file=file, remedy="give each guard its own state"
        )
    return floor
