"""The tokens by which the server acts as its callers: exchanged for the caller's own, and kept in memory alone.

A token is kept per principal and per token of theirs, until shortly before it ends and never past the caller's own. Whoever
has no token is refused: nothing is ever sent without it, nor with another's.
"""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import TypeVar

from guard.identity.principal import Principal
from wire.token_endpoint import GivenToken, TokenEndpoint, TokenRefused

#: Tokens kept at once; beyond that the least recently used one is exchanged anew.
MAX_TOKENS = 4096
#: Seconds before its end at which a token is no longer used: it has to arrive, and clocks differ.
SKEW = 30.0
#: Seconds that a refusal counts for the same token, so that a client that repeats itself does not reach the issuer.
REFUSED_SECONDS = 5.0
#: Longest pause that an authorization server can ask for.
LONGEST_WAIT = 300.0
_GUARD = b"own"
V = TypeVar("V")


@dataclass(frozen=True, slots=True)
class ExchangedToken:
    """A token for the server. `reused`: it was exchanged for an earlier request, so the server may have ended it since."""

    key: bytes
    text: str = field(repr=False)
    reused: bool


class ExchangedTokens:
    """The tokens of one server's callers. `clock` gives Unix seconds. Create and close it inside the event loop."""

    def __init__(self, endpoint: TokenEndpoint, *, for_itself: bool, clock: Callable[[], float] = time.time) -> None:
        self._endpoint = endpoint
        self._for_itself = for_itself
        self._clock = clock
        self._tokens: OrderedDict[bytes, tuple[str, float]] = OrderedDict()
        self._refused: OrderedDict[bytes, tuple[str, float]] = OrderedDict()
        self._running: dict[bytes, asyncio.Task[str]] = {}
        self._resting_until = 0.0

    async def of_caller(self, principal: Principal, token: str) -> ExchangedToken:
        """The token in this caller's name; `token` is the caller's own, verified. Raises TokenRefused."""
        key = hashlib.sha256(f"{len(principal.id)}:{principal.id}:{token}".encode()).digest()
        return await self._token(key, lambda: self._endpoint.in_callers_name(token), principal.expires)

    async def of_guard(self) -> ExchangedToken | None:
        """The token in the guard's own name; None where it asks the server without. Raises TokenRefused."""
        if not self._for_itself:
            return None
        return await self._token(_GUARD, self._endpoint.in_own_name, float("inf"))

    def drop(self, token: ExchangedToken) -> None:
        """Use this token no more, as the server refused it."""
        entry = self._tokens.get(token.key)
        if entry is not None and entry[0] == token.text:
            del self._tokens[token.key]

    async def close(self) -> None:
        for task in self._running.values():
            task.cancel()
        await asyncio.gather(*self._running.values(), return_exceptions=True)
        self._tokens.clear()
        await self._endpoint.close()

    async def _token(self, key: bytes, ask: Callable[[], Awaitable[GivenToken]], until: float) -> ExchangedToken:
        moment = self._clock()
        entry = self._tokens.get(key)
        if entry is not None and entry[1] > moment:
            self._tokens.move_to_end(key)
            return ExchangedToken(key, entry[0], reused=True)
        refused = self._refused.get(key)
        if refused is not None and refused[1] > moment:
            raise TokenRefused(refused[0], final=True)
        if self._resting_until > moment:
            wait = self._resting_until - moment
            raise TokenRefused("the token endpoint asked to be left alone", final=False, wait=wait)
        # One exchange for all requests that wait for it; it goes on when the client that began it goes away.
        task = self._running.get(key)
        if task is None:
            task = asyncio.get_running_loop().create_task(self._exchange(key, ask, until))
            self._running[key] = task
            task.add_done_callback(lambda ended: self._ended(key, ended))
        return ExchangedToken(key, await asyncio.shield(task), reused=False)

    def _ended(self, key: bytes, task: asyncio.Task[str]) -> None:
        self._running.pop(key, None)
        if not task.cancelled():
            task.exception()  # read here, as the clients that waited for it may be gone

    async def _exchange(self, key: bytes, ask: Callable[[], Awaitable[GivenToken]], until: float) -> str:
        try:
            answer = await ask()
        except TokenRefused as refused:
            moment = self._clock()
            if refused.final:
                _keep(self._refused, key, (str(refused), moment + REFUSED_SECONDS))
            elif refused.wait is not None:
                self._resting_until = moment + min(refused.wait, LONGEST_WAIT)
            raise
        if answer.seconds is not None:
            end = min(self._clock() + answer.seconds, until) - SKEW
            if end > self._clock():
                _keep(self._tokens, key, (answer.text, end))
        return answer.text


def _keep(table: OrderedDict[bytes, V], key: bytes, value: V) -> None:
    table[key] = value
    table.move_to_end(key)
    if len(table) > MAX_TOKENS:
        table.popitem(last=False)
