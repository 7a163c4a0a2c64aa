"""What every vendor engine shares: one HTTP request under a deadline, its one retry, and one verdict made of many pieces.

What is sent and how an answer is read differs by engine (the other modules here). Anything but HTTP 200 with one strict
JSON object is no answer. A request changes nothing at the vendor, so it is repeated once after a lost connection, a 429
or a 5xx. Errors hold statuses and types, never text that was sent or received.
"""

from __future__ import annotations

import asyncio
import time
from abc import ABC, abstractmethod
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

import httpx

from guard.engines.breaker import Breaker
from guard.inspect.verdict import EngineFinding, Leg, Outcome, ScanItem, Verdict
from model.errors import InputError
from model.loopback import is_loopback
from wire.http import HttpPolicy, RefusedAnswer, read_body_async, reason_of, retry_after
from wire.json import Malformed, parse

#: Bytes. A verdict on 20,000 characters takes a few KiB; with masked copies of the text, a few times the text.
MAX_ANSWER = 1024 * 1024
#: Pieces of one item at most: some 1.2 million characters, about what a deadline of seconds allows.
MAX_PIECES = 64
#: Pieces of one item that are sent at the same time.
PARALLEL = 8
#: Seconds before the retry after a 429 that names no time.
PAUSE = 0.5
#: After this many requests that were cancelled half way, the connections are replaced.
MAX_CANCELLED = 16
#: With fewer seconds than this left no request can be answered, which is not the vendor's fault.
LEAST = 0.02
MAX_ID = 100
_UNITS = {"millisecond": 0.001, "second": 1.0, "minute": 60.0, "hour": 3600.0}


class NoAnswer(Exception):
    """The vendor gave no usable answer. `healthy` is what that says about its service; None when it says nothing."""

    def __init__(self, reason: str, healthy: bool | None = False) -> None:
        super().__init__(reason)
        self.healthy = healthy


class _Transient(Exception):
    """A failure that may be over soon. `pause` is the wait before the retry, in seconds; None for one without a bound."""

    def __init__(self, reason: str, pause: float | None) -> None:
        super().__init__(reason)
        self.pause = pause


@dataclass(slots=True)
class _Pool:
    """A client with its connections, the number of its requests under way, and of those that were cancelled half way."""

    client: httpx.AsyncClient
    busy: int = 0
    cancelled: int = 0


class JsonService:
    """Posts JSON to one address of one vendor.

    The client takes no proxy from the environment and follows no redirect: the key and the text go to the configured
    host only. Certificates are verified against the usual roots, or those that SSL_CERT_FILE names; `ca_file` names the
    only authority trusted. `token` reads a bearer token that changes while the guard runs, for every request anew; it raises
    InputError when there is none.

    Raises:
        InputError: the authorities to trust cannot be read.
    """

    def __init__(
        self,
        url: str,
        headers: Mapping[str, str],
        *,
        ca_file: str | None = None,
        token: Callable[[], str] | None = None,
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        parts = urlsplit(url)
        if parts.scheme != "https" and not is_loopback(parts.hostname or ""):
            raise ValueError("an engine beyond loopback is asked by https only")
        self._url = url
        self._sleep = sleep
        self._token = token
        fixed = {"content-type": "application/json", "accept": "application/json"}
        self._headers = {**fixed, "user-agent": "ringwall-guard", **headers}
        self._policy = HttpPolicy(url, proxies=False, ca_file=ca_file)
        self._pool = self._new_pool()
        self._closing: set[asyncio.Task[None]] = set()

    def _new_pool(self) -> _Pool:
        limits = httpx.Limits(max_connections=128, max_keepalive_connections=32, keepalive_expiry=30.0)
        # Each request is sent with its own timeout instead.
        return _Pool(self._policy.async_client(headers=self._headers, limits=limits, timeout=5.0))

    async def ask(self, body: bytes, deadline: float, url: str | None = None) -> dict[str, Any]:
        """The vendor's answer before `deadline` (`time.monotonic` seconds), with one retry if there is time for it.

        `url` is another address of the same host.

        Raises:
            NoAnswer: there is none, or it is not HTTP 200 with a strict JSON object.
        """
        try:
            return await self._once(body, deadline, url)
        except _Transient as error:
            if error.pause is None or time.monotonic() + error.pause + LEAST >= deadline:
                raise NoAnswer(f"{error}; no time to ask again") from None
            pause = error.pause
        if pause:
            await self._sleep(pause)
        try:
            return await self._once(body, deadline, url)
        except _Transient as error:
            raise NoAnswer(f"{error}, twice") from None

    async def close(self) -> None:
        await asyncio.gather(*self._closing, return_exceptions=True)
        await self._pool.client.aclose()

    async def _once(self, body: bytes, deadline: float, url: str | None) -> dict[str, Any]:
        timeout = deadline - time.monotonic()
        if timeout < LEAST:
            raise NoAnswer("no time was left to ask", None)
        pool = self._pool
        pool.busy += 1
        try:
            return await self._post(pool, body, timeout, url or self._url)
        except asyncio.CancelledError:
            pool.cancelled += 1
            raise
        except NoAnswer as error:
            pool.cancelled += isinstance(error.__cause__, TimeoutError)
            raise
        finally:
            pool.busy -= 1
            self._renew(pool)

    def _renew(self, pool: _Pool) -> None:
        """Replace the pool once enough of its requests were cancelled, and close it after its last request.

        httpx's pool may count a connection as taken for ever when its request is cancelled (run: 128 of 2,000 cancelled
        at random moments), and no request can be sent through a full pool.
        """
        if pool is self._pool and pool.cancelled >= MAX_CANCELLED:
            self._pool = self._new_pool()
        if pool is not self._pool and pool.busy == 0:
            task = asyncio.get_running_loop().create_task(pool.client.aclose())
            self._closing.add(task)
            task.add_done_callback(self._closing.discard)

    def _authorization(self) -> dict[str, str]:
        if self._token is None:
            return {}
        try:
            return {"authorization": f"Bearer {self._token()}"}
        except InputError as error:
            raise NoAnswer(error.problem, None) from None

    async def _post(self, pool: _Pool, body: bytes, timeout: float, url: str) -> dict[str, Any]:
        headers = self._authorization()
        try:
            async with (
                asyncio.timeout(timeout),
                pool.client.stream("POST", url, content=body, headers=headers, timeout=timeout) as answer,
            ):
                return await self._read(answer)
        except (TimeoutError, httpx.TimeoutException) as error:
            raise NoAnswer("no answer before the deadline") from TimeoutError(type(error).__name__)
        except httpx.TransportError as error:
            raise _Transient(f"the connection failed ({reason_of(error)})", 0.0) from None
        except httpx.HTTPError as error:
            raise NoAnswer(f"the request failed ({type(error).__name__})") from None

    async def _read(self, answer: httpx.Response) -> dict[str, Any]:
        status = answer.status_code
        if status == 429:
            raise _Transient("it answered 429", await self._retry_after(answer))
        if status >= 500:
            raise _Transient(f"it answered {status}", 0.0)
        if 300 <= status < 400:
            raise NoAnswer(f"it answered {status}, a redirect, which is not followed")
        if status >= 400:
            # The service works and refuses this key or this text: that must not open the breaker for all callers.
            raise NoAnswer(f"it answered {status}", True)
        if status != 200:
            raise NoAnswer(f"it answered {status}")
        if answer.headers.get("content-type", "").partition(";")[0].strip().lower() != "application/json":
            raise NoAnswer("its answer is not application/json")
        try:
            value = parse(await self._body(answer))
        except Malformed as error:
            raise NoAnswer(f"its answer is not strict JSON: {error}") from None
        if not isinstance(value, dict):
            raise NoAnswer("its answer is no JSON object")
        return value

    async def _body(self, answer: httpx.Response) -> bytes:
        try:
            return await read_body_async(answer, MAX_ANSWER)
        except RefusedAnswer as error:
            raise NoAnswer(str(error)) from None

    async def _retry_after(self, answer: httpx.Response) -> float | None:
        """Seconds to wait: the header (RFC 9110), or Prisma AIRS's ``error.retry_after`` of interval and unit.

        None where a date or anything else stands there: no retry then.
        """
        if "retry-after" in answer.headers:
            return retry_after(answer.headers)
        try:
            value = parse(await self._body(answer))
        except (Malformed, NoAnswer):
            return PAUSE
        error = value.get("error") if isinstance(value, dict) else None
        delay = error.get("retry_after") if isinstance(error, dict) else None
        if delay is None:
            return PAUSE
        interval, unit = (delay.get("interval"), delay.get("unit")) if isinstance(delay, dict) else (None, None)
        seconds = _UNITS.get(unit.lower().removesuffix("s")) if isinstance(unit, str) else None
        if type(interval) is not int or interval < 0 or seconds is None:
            return None
        return interval * seconds


@dataclass(frozen=True, slots=True)
class Piece:
    """What a vendor answered about one piece."""

    outcome: Outcome
    findings: tuple[EngineFinding, ...] = ()
    reference: str | None = None
    error: str | None = None


def no_verdict(reason: str, scan: str | None = None, findings: tuple[EngineFinding, ...] = ()) -> Piece:
    """A piece without a verdict. `reason` must hold no text of the piece or of the answer."""
    return Piece(Outcome.NO_VERDICT, findings, scan, reason)


class _PieceBlocked(Exception):
    """One piece is blocked, so the other pieces need no answer."""


class HttpEngine(ABC):
    """An engine that sends each piece of an item to a vendor.

    ALLOW needs ALLOW for every piece. A blocked piece blocks the item at once, except on the legs in `thorough`: there
    policy may let a finding pass, so every piece needs its own verdict, and one piece without makes the item NO_VERDICT.
    """

    name: str

    def __init__(self, service: JsonService, thorough: frozenset[Leg], breaker: Breaker | None) -> None:
        self._service = service
        self._thorough = thorough
        self._breaker = breaker or Breaker(self.name, time.monotonic)

    @abstractmethod
    def _bodies(self, item: ScanItem) -> Sequence[tuple[bytes, str]]:
        """The request bodies, each with a request id (at most 100 characters). MAX_PIECES + 1 bodies mean that there would
        be too many. Raises ValueError when the item is not strict JSON."""

    @abstractmethod
    def _piece(self, item: ScanItem, answer: dict[str, Any], request: str) -> Piece:
        """Read the answer to the request of this id; no verdict where it is not as the vendor documents it."""

    def _url(self, item: ScanItem) -> str | None:
        """Where this item is sent; None for the service's one address."""
        return None

    async def scan(self, item: ScanItem, deadline: float) -> Verdict:
        """Judge `item` before `deadline` (`time.monotonic` seconds, retries included)."""
        started = time.monotonic()
        return self._verdict(item, await self._pieces(item, deadline), started)

    async def close(self) -> None:
        await self._service.close()

    async def _pieces(self, item: ScanItem, deadline: float) -> Sequence[Piece]:
        try:
            bodies = self._bodies(item)
        except ValueError:
            return (no_verdict("the item is not strict JSON"),)
        if len(bodies) > MAX_PIECES:
            return (no_verdict(f"the text is too long for {MAX_PIECES} requests"),)
        ticket = self._breaker.admit()
        if ticket is None:
            return (no_verdict("not asked: it failed several times in a row and rests"),)
        # An item counts as one success or failure, however many pieces it has: one long text must not open the breaker.
        health: list[bool | None] = []
        try:
            if len(bodies) == 1:
                return (await self._ask(item, bodies[0], deadline, health),)
            return await self._ask_all(item, bodies, deadline, health)
        finally:
            self._breaker.settle(ticket, True if True in health else False if False in health else None)

    async def _ask(self, item: ScanItem, body: tuple[bytes, str], deadline: float, health: list[bool | None]) -> Piece:
        try:
            answer = await self._service.ask(body[0], deadline, self._url(item))
        except NoAnswer as error:
            health.append(error.healthy)
            return no_verdict(str(error))
        health.append(True)
        return self._piece(item, answer, body[1])

    async def _ask_all(
        self, item: ScanItem, bodies: Sequence[tuple[bytes, str]], deadline: float, health: list[bool | None]
    ) -> Sequence[Piece]:
        pieces: dict[int, Piece] = {}
        queue = iter(enumerate(bodies))
        decisive = item.leg not in self._thorough

        async def work() -> None:
            for index, body in queue:
                piece = pieces[index] = await self._ask(item, body, deadline, health)
                if decisive and piece.outcome is Outcome.BLOCK:
                    raise _PieceBlocked
                if any(answered.outcome is Outcome.NO_VERDICT for answered in pieces.values()):
                    return  # the item cannot pass any more; requests under way may still give the reason

        try:
            async with asyncio.TaskGroup() as group:
                # While the breaker is open, its probe sends one request at a time.
                for _ in range(1 if self._breaker.is_open else min(PARALLEL, len(bodies))):
                    group.create_task(work())
        except* _PieceBlocked:
            pass
        return [pieces[index] for index in sorted(pieces)]

    def _verdict(self, item: ScanItem, pieces: Sequence[Piece], started: float) -> Verdict:
        outcomes = {piece.outcome for piece in pieces}
        silent = [piece.error or "no verdict" for piece in pieces if piece.outcome is Outcome.NO_VERDICT]
        if Outcome.BLOCK in outcomes and not (silent and item.leg in self._thorough):
            outcome = Outcome.BLOCK
        elif outcomes == {Outcome.ALLOW}:
            outcome = Outcome.ALLOW
        else:
            outcome = Outcome.NO_VERDICT
        error = None
        if silent:
            error = silent[0] if len(pieces) == 1 else f"{len(silent)} of {len(pieces)} pieces: {silent[0]}"
        return Verdict(
            outcome,
            self.name,
            tuple(dict.fromkeys(finding for piece in pieces for finding in piece.findings)),
            ",".join(piece.reference for piece in pieces if piece.reference) or None,
            (time.monotonic() - started) * 1000,
            error,
        )


def request_id(item: ScanItem, suffix: str) -> str:
    """An id for one request: the incident id and `suffix`, cut to at most 100 characters."""
    return f"{item.correlation_id[: MAX_ID - len(suffix) - 1]}-{suffix}"
