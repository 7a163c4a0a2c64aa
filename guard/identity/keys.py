"""An issuer's public signing keys, fetched from one pinned address and kept for as long as they may be trusted.

How a key set is read is in `wire.jwks`. The token names its key, so an attacker chooses the key id: unknown key ids lead
to at most one request to the issuer per `REFETCH_AFTER` seconds, however many arrive. Cloudflare publishes the current
and the previous key and rotates every six weeks (Cloudflare One docs, "Validate JWTs"), so that one request finds a key
that was just made.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import httpx
import jwt

from wire.http import reason_of
from wire.jwks import ALGORITHMS, VerificationKey, download_key_set, read_key_set

DEADLINE = 10.0
#: Older keys are still used, and refreshed in the background.
FRESH_FOR = 600.0
#: Keys that could not be refreshed for this long are no longer trusted: the issuer may have withdrawn them meanwhile.
TRUSTED_FOR = 24 * 3600.0
REFETCH_AFTER = 30.0
#: Without any key every call is refused, so the next attempt comes sooner.
RETRY_AFTER = 2.0


class KeysUnavailable(Exception):
    """There are no trusted keys, as the issuer gave no valid answer. Says why, without the answer's content."""


class UnknownKey(Exception):
    """The issuer has no such key for this algorithm."""


class IssuerKeys:
    """The keys at `uri`. `clock` is monotonic, in seconds. Not for use by several event loops."""

    def __init__(self, uri: str, client: httpx.AsyncClient, clock: Callable[[], float]) -> None:
        self._uri = uri
        self._client = client
        self._clock = clock
        self._keys: dict[str, VerificationKey] = {}
        self._prepared: dict[tuple[str, str], jwt.PyJWK] = {}
        self._fetched = float("-inf")
        self._last_request = float("-inf")
        self._flight: asyncio.Task[None] | None = None
        self._reason = "never fetched"

    async def key(self, kid: str, algorithm: str) -> jwt.PyJWK:
        """The public key `kid`, bound to `algorithm`.

        Keys younger than 10 minutes are used at once. Older ones are used too, and refreshed in the background. After 24
        hours without a successful refresh they are dropped.

        Raises:
            UnknownKey: the issuer does not publish it, or not for this algorithm.
            KeysUnavailable: all keys are too old, and the issuer gives none.
        """
        age = self._clock() - self._fetched
        if age >= TRUSTED_FOR:
            self._keys, self._prepared = {}, {}
            await self._refresh(RETRY_AFTER)
            if not self._keys:
                raise KeysUnavailable(self._reason)
        elif age >= FRESH_FOR:
            self._start(REFETCH_AFTER)
        if kid not in self._keys:
            await self._refresh(REFETCH_AFTER)
        return self._find(kid, algorithm)

    async def warm(self) -> None:
        """Fetch the keys now, so that the first call need not wait. Raises KeysUnavailable."""
        await self._refresh(0)
        if not self._keys:
            raise KeysUnavailable(self._reason)

    def problem(self) -> str | None:
        """Why there are no trusted keys; None if there are some.

        Starts to fetch old or missing keys, so that a guard without calls keeps its keys and notices a failing issuer.
        """
        age = self._clock() - self._fetched
        if age >= FRESH_FOR:
            self._start(REFETCH_AFTER if age < TRUSTED_FOR else RETRY_AFTER)
        return None if age < TRUSTED_FOR else f"{self._uri}: {self._reason}"

    @property
    def uri(self) -> str:
        """The address that the keys are fetched from."""
        return self._uri

    @property
    def age(self) -> float:
        """Seconds since the last successful fetch; infinite before the first."""
        return self._clock() - self._fetched

    async def close(self) -> None:
        """Cancel a fetch that is under way."""
        if self._flight is not None:
            self._flight.cancel()
            await asyncio.gather(self._flight, return_exceptions=True)

    def _find(self, kid: str, algorithm: str) -> jwt.PyJWK:
        prepared = self._prepared.get((kid, algorithm))
        if prepared is not None:
            return prepared
        key = self._keys.get(kid)
        if key is None or algorithm not in key.algorithms:
            raise UnknownKey(f"no key of this id for {algorithm if algorithm in ALGORITHMS else 'this algorithm'}")
        prepared = self._prepared[kid, algorithm] = jwt.PyJWK(key.jwk, algorithm)
        return prepared

    async def _refresh(self, interval: float) -> None:
        flight = self._start(interval)
        if flight is not None:
            try:
                # A caller that is cancelled must not cancel the fetch that other callers wait for.
                await asyncio.shield(flight)
            except asyncio.CancelledError:
                # Cancelled by `close`: for callers that still wait this is a failed fetch.
                if not flight.cancelled():
                    raise

    def _start(self, interval: float) -> asyncio.Task[None] | None:
        """The fetch under way, or a new one unless the last began less than `interval` seconds ago."""
        if self._flight is not None and not self._flight.done():
            return self._flight
        moment = self._clock()
        if moment - self._last_request < interval:
            return None
        self._last_request = moment
        self._flight = asyncio.get_running_loop().create_task(self._fetch())
        return self._flight

    async def _fetch(self) -> None:
        """Replace the keys, or keep the last good ones and the reason of the failure."""
        try:
            async with asyncio.timeout(DEADLINE):
                keys = read_key_set(await download_key_set(self._client, self._uri)).keys
        except TimeoutError:
            self._reason = f"the issuer took over {DEADLINE:g} s"
        except httpx.HTTPError as error:
            self._reason = f"the issuer does not answer ({reason_of(error)})"
        except ValueError as error:
            self._reason = str(error)
        else:
            self._keys = {key.kid: key for key in keys}
            self._prepared, self._fetched = {}, self._clock()
