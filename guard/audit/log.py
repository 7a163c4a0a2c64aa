"""The writer of the audit log: each decision is one line, written at once; when that fails, the guard closes.

What a line holds is in `guard.audit.record`, how lines are chained and signed in `guard.audit.chain`.

A write is one `os.write` of a whole line, on the event loop, by the task that decides: no queue stands between a
decision and its record, so a killed process loses no record that was written. fsync protects against power loss: a
thread calls it, once for all tasks that wait (`durable`). A failed fsync is never tried again: Linux drops the pages it
could not write, and the second attempt reports success (fsync(2); PostgreSQL's "fsyncgate", 2018).
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import logging
import os
import threading
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from guard.audit.chain import HEAD_RECORDS, MAX_LINE, ZERO, SignedHead, seal
from guard.audit.files import AuditUnwritable, chain_end, lock_log, open_log, read_tail, removals, shift
from guard.audit.record import VERSION, AuditRecord, timestamp
from guard.audit.waiters import Waiter, wake
from model.base import seconds
from model.errors import InputError
from model.guard_config import Audit

if TYPE_CHECKING:
    from guard.audit.anchor import AnchorSender, AnchorState

_log = logging.getLogger("ringwall.guard")

#: With fsync batch: how long a written record waits for fsync at most, in seconds, and how many records wait at most. While
#: a sync runs, each write takes 9 µs in place of 1.5 (run): with 256 records one ran nearly always under load.
BATCH_SECONDS = 1.0
BATCH_RECORDS = 1024
#: Seconds between two signed heads at most while records are written, unless the anchor's settings say less.
HEAD_SECONDS = 60.0
#: Seconds that a closing guard waits for the collector.
ANCHOR_GRACE = 5.0


class AuditLog:
    """One server's audit log, open for writing. `write` and `durable` may be called from several event loops."""

    def __init__(
        self,
        settings: Audit,
        server: str,
        key: Ed25519PrivateKey,
        anchor: AnchorSender | None,
        clock: Callable[[], float],
    ) -> None:
        self._path = Path(settings.path)
        self._limit = settings.rotate_megabytes * 1_000_000
        self._keep = settings.keep_files
        self._always = settings.fsync == "always"
        self._server = server
        self._key = key
        self._anchor = anchor
        self._clock = clock
        every = seconds(settings.anchor.every) if settings.anchor else HEAD_SECONDS
        self._head_seconds = min(HEAD_SECONDS, float(every))
        self._lock_fd = self._fd = -1
        self._size = 0
        self._sequence = self._synced = 0
        self._hash = ZERO
        self._unsigned = 0
        self._unsigned_since = 0.0
        self._unsynced_since = 0.0
        self._reason: str | None = None
        self._stop = False
        self._waiters: list[Waiter] = []
        # Heads that are sent to the collector once the records they cover are on disk. After a power cut the log goes on
        # from what is on disk, and an anchored head of a lost record would look like tampering for ever.
        self._unsent: list[SignedHead] = []
        # Reentrant: the thread signs heads through the same `_append` as the event loop.
        self._lock = threading.RLock()
        self._wake = threading.Condition(self._lock)
        self._thread = threading.Thread(target=self._run, name="audit-sync", daemon=True)

    @classmethod
    def open(
        cls,
        settings: Audit,
        *,
        server: str,
        key: Ed25519PrivateKey,
        anchor_token: str | None = None,
        anchor_ca_file: str | None = None,
        clock: Callable[[], float] = time.time,
    ) -> Self:
        """Open the log at `settings.path`, or begin a new one; blocks briefly. The caller writes an `open` event next.

        `anchor_token` is the secret that `settings.anchor.token` names, `anchor_ca_file` a PEM file trusted for the
        collector instead of the system's certificates.

        Raises:
            InputError: the anchor's settings do not go together.
            AuditUnwritable: the file cannot be written, another guard writes this log, its last record is broken, or
                one of its files is gone.
        """
        anchor = None
        if settings.anchor is not None:
            from guard.audit.anchor import AnchorSender  # with OpenTelemetry's messages: 0.06 s and 5 MB

            if settings.anchor.token is not None and anchor_token is None:
                raise InputError("audit.anchor has a token, and it was not read", remedy="a defect: report it")
            anchor = AnchorSender.from_settings(settings.anchor, token=anchor_token, ca_file=anchor_ca_file)
        log = cls(settings, server, key, anchor, clock)
        try:
            log._begin()
        except BaseException as error:
            log._release()
            if anchor:
                anchor.close(0)
            if isinstance(error, OSError):
                raise AuditUnwritable(f"{settings.path}: the audit log cannot be written: {_plain(error)}") from None
            raise
        log._thread.start()
        return log

    @property
    def healthy(self) -> bool:
        return self._reason is None

    @property
    def reason(self) -> str | None:
        """Why the log cannot be written any more; None while it can."""
        return self._reason

    @property
    def sequence(self) -> int:
        """Number of the last record written."""
        return self._sequence

    @property
    def synced(self) -> int:
        """Number of the last record known to be on disk."""
        return self._synced

    @property
    def anchor(self) -> AnchorState | None:
        return self._anchor.state if self._anchor else None

    @property
    def anchor_lag_records(self) -> int | None:
        """How many records no head at the collector covers yet; None without an anchor."""
        return max(0, self._sequence - self._anchor.state.anchored) if self._anchor else None

    def write(self, record: AuditRecord) -> int:
        """Write a decision and return the record's number.

        Raises AuditUnwritable: then, and from then on, nothing may pass.
        """
        return self._write("decision", record.as_json)

    def event(self, kind: Literal["open", "config", "deny"], details: Mapping[str, Any]) -> int:
        """Write that the guard opened (identity mode, bundle), put another configuration in force, or of one that it could
        not put in force the deny list alone. Raises as `write`."""
        return self._write(kind, lambda: {"details": dict(details)})

    async def durable(self, sequence: int) -> None:
        """Wait until the record may be relied on: with fsync `always` until it is on disk, with `batch` not at all.

        Raises AuditUnwritable if the log was or is closed by a failure.
        """
        if self._synced >= sequence:
            return
        loop = asyncio.get_running_loop()
        future = loop.create_future()
        with self._lock:
            if self._reason is not None:
                raise AuditUnwritable(self._reason)
            if not self._always:
                return
            self._waiters.append((sequence, loop, future))
            self._wake.notify()
        await future

    async def close(self) -> None:
        """Sign the last record, write everything to disk, give the collector a moment, and close the files."""
        await asyncio.to_thread(self._close)

    # Opening

    def _begin(self) -> None:
        self._lock_fd = lock_log(self._path)
        end = chain_end(self._path, self._server, self._keep)
        self._sequence = self._synced = end.sequence
        self._hash = end.hash
        with self._lock:
            self._fd, self._size = open_log(self._path)
            if self._size == 0:
                self._append("start", {"details": {"reason": end.reason}})
            if end.remainder:
                lost = {"bytes": len(end.remainder), "sha256": hashlib.sha256(end.remainder).hexdigest()}
                self._append("recovered", {"details": lost})
            # The collector hears of every start, and no run without a signature grows over restarts.
            self._sign()
            self._fsync_now()

    # Writing. The caller of each of these methods holds the lock, except of `_write`, which takes it.

    def _write(self, kind: str, members: Callable[[], dict[str, Any]]) -> int:
        with self._lock:
            if self._reason is not None:
                raise AuditUnwritable(self._reason)
            try:
                if self._size >= self._limit:
                    self._rotate()
                self._append(kind, members())
                number = self._sequence
                if self._unsigned >= HEAD_RECORDS:
                    self._sign()
            except (OSError, ValueError, TypeError, AuditUnwritable) as error:
                self._fail(error)
            return number

    def _append(self, kind: str, members: dict[str, Any]) -> None:
        moment = self._clock()
        members["version"] = VERSION
        members["kind"] = kind
        members["sequence"] = self._sequence + 1
        members["time"] = timestamp(moment)
        members["server"] = self._server
        members["previous"] = self._hash
        line, digest = seal(members)
        if len(line) > MAX_LINE:
            raise ValueError(f"a record of {len(line)} bytes is too long")
        written = os.write(self._fd, line)
        if written != len(line):
            raise OSError(None, f"only {written} of {len(line)} bytes were written")
        self._size += written
        self._sequence += 1
        self._hash = digest
        if not self._unsigned:
            self._unsigned_since = time.monotonic()
        self._unsigned += 1
        pending = self._sequence - self._synced
        if pending == 1:
            self._unsynced_since = time.monotonic()
        if pending == 1 or pending == BATCH_RECORDS:
            self._wake.notify()
        if self._anchor and self._anchor.records:
            self._anchor.record(line)

    def _sign(self) -> None:
        head = SignedHead.sign(
            self._key, server=self._server, sequence=self._sequence, hash=self._hash, time=timestamp(self._clock())
        )
        self._append("head", {"details": head.as_json()})
        self._unsigned = 0
        if self._anchor:
            self._unsent.append(head)

    def _rotate(self) -> None:
        """Write into the log which records go with the oldest file, sync it, then move the files and begin the next one."""
        removed = removals(self._path, self._keep)
        removes = None
        if removed:
            tail = read_tail(removed[-1])
            if tail.record is None:
                raise AuditUnwritable(
                    f"{removed[-1]}: holds no audit record; look at the log with `ringwall audit verify`"
                )
            removes = {"last_sequence": tail.record["sequence"], "last_hash": tail.hash}
        self._append("rotate", {"details": {"removes": removes}})
        self._fsync_now()
        os.close(self._fd)
        self._fd = -1
        shift(self._path, self._keep)
        self._fd, self._size = open_log(self._path)
        self._append("start", {"details": {"reason": "rotation"}})

    def _fsync_now(self) -> None:
        os.fsync(self._fd)
        self._on_disk(self._sequence)

    def _on_disk(self, upto: int) -> None:
        self._synced = upto
        while self._anchor and self._unsent and self._unsent[0].sequence <= upto:
            self._anchor.head(self._unsent.pop(0))

    def _fail(self, error: BaseException) -> None:
        """Close the log for good and raise AuditUnwritable, to the caller and to all who wait."""
        text = str(error) if isinstance(error, AuditUnwritable) else f"{self._path}: {_plain(error)}"
        self._reason = f"{text}: the audit log cannot be written, so the guard refuses everything until it is restarted"
        _log.error("%s", self._reason)
        waiters, self._waiters = self._waiters, []
        wake(waiters, AuditUnwritable(self._reason))
        self._wake.notify()
        raise AuditUnwritable(self._reason) from None

    # The thread: calls fsync, and signs heads that fall due while nothing is written

    def _run(self) -> None:
        try:
            while (due := self._due()) is not None:
                self._sync(*due)
        except Exception as error:  # of any kind: without this thread nothing would reach the disk
            with self._lock, contextlib.suppress(AuditUnwritable):  # kept in `reason`, and the waiters are told
                self._fail(error)

    def _due(self) -> tuple[int, int] | None:
        """Wait until a sync is due, and sign a head if one is due.

        Returns a descriptor to sync and the number of the last record in it; None once the thread must end.
        """
        with self._lock:
            while not self._stop and self._reason is None and (pause := self._pause()) != 0:
                self._wake.wait(pause)
            if self._stop or self._reason is not None:
                return None
            if self._unsigned and time.monotonic() - self._unsigned_since >= self._head_seconds:
                self._sign()
            return os.dup(self._fd), self._sequence

    def _pause(self) -> float | None:
        """Seconds until the thread has something to do: 0 for at once, None for nothing until it is notified."""
        if self._waiters:
            return 0
        moment, due = time.monotonic(), []
        pending = self._sequence - self._synced
        if pending >= BATCH_RECORDS:
            return 0
        if pending:
            due.append(self._unsynced_since + BATCH_SECONDS)
        if self._unsigned:
            due.append(self._unsigned_since + self._head_seconds)
        return max(0.0, min(due) - moment) if due else None

    def _sync(self, fd: int, upto: int) -> None:
        try:
            os.fsync(fd)
        finally:
            os.close(fd)
        with self._lock:
            problem = self._displaced()
            if problem is not None:
                raise AuditUnwritable(f"{self._path}: {problem}")
            if upto > self._synced:
                self._on_disk(upto)
                self._unsynced_since = time.monotonic()
            synced_waiters = [waiter for waiter in self._waiters if waiter[0] <= self._synced]
            self._waiters = [waiter for waiter in self._waiters if waiter[0] > self._synced]
        wake(synced_waiters, None)

    def _displaced(self) -> str | None:
        """What happened to the file under the path while it was written (logrotate, an attacker); None if nothing did."""
        try:
            path_status = os.stat(self._path, follow_symlinks=False)
        except FileNotFoundError:
            return "the file was removed while the guard wrote it"
        file_status = os.fstat(self._fd)
        if (path_status.st_dev, path_status.st_ino) != (file_status.st_dev, file_status.st_ino):
            return "the file was moved away or replaced while the guard wrote it"
        return "the file was cut while the guard wrote it" if file_status.st_size < self._size else None

    def _close(self) -> None:
        with self._lock:
            if self._stop:
                return
            self._stop = True
            self._wake.notify()
        self._thread.join()
        failure: AuditUnwritable | None = None
        with self._lock:
            if self._reason is None:
                try:
                    self._append("close", {"details": {}})
                    self._sign()
                    self._fsync_now()
                except (OSError, ValueError) as error:
                    try:
                        self._fail(error)
                    except AuditUnwritable as raised:
                        failure = raised
                else:
                    self._reason = f"{self._path}: the audit log was closed"
            waiters, self._waiters = self._waiters, []
        wake(waiters, failure)
        if self._anchor:
            self._anchor.close(ANCHOR_GRACE)
        self._release()
        if failure is not None:
            raise failure

    def _release(self) -> None:
        for fd in (self._fd, self._lock_fd):
            if fd >= 0:
                os.close(fd)
        self._fd = self._lock_fd = -1


def _plain(error: BaseException) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
