"""What an issuer says about a token that is no JWT (RFC 7662): the claims, by the same rules as those of a JWT.

An answer is kept by `guard.identity.verifier`, with what came of it; here only tokens that are not active are remembered.
One question is asked for all requests that wait for it, and a few questions at once: a token is a caller's to choose, and
the issuer is everybody's.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

import httpx

from guard.decide.reasons import TokenFault
from guard.identity.assertions import BadToken, check_times
from model.base import seconds
from model.errors import InputError
from model.introspection import IntrospectionClient
from wire.introspection import DEADLINE, NotAnswered, introspect
from wire.secrets import read_secret

MAX_TOKEN = 8 * 1024
#: Tokens that are remembered as not active.
MAX_REFUSED = 4096
AT_ONCE = 16
#: Longest pause that an issuer can ask for.
LONGEST_WAIT = 300.0
#: What issuers call an access token in `token_type` (RFC 6749 section 7.1), `token_use` and `typ`: a refresh token that a
#: client leaked is active too, and must open nothing.
_ACCESS_TOKEN = frozenset({"bearer", "access_token", "access", "at+jwt", "application/at+jwt"})


class IssuerUnavailable(Exception):
    """The issuer gave no answer that counts. Says why, without the answer's content."""


class IssuerAnswers:
    """The issuer at `settings.endpoint`. `clock` is monotonic, in seconds. Not for use by several event loops."""

    def __init__(self, settings: IntrospectionClient, client: httpx.AsyncClient, clock: Callable[[], float]) -> None:
        self.settings = settings
        self.cache_seconds = float(seconds(settings.cache))
        self._client = client
        self._clock = clock
        self._places = asyncio.Semaphore(AT_ONCE)
        self._running: dict[bytes, asyncio.Task[dict[str, Any]]] = {}
        self._refused: OrderedDict[bytes, float] = OrderedDict()
        self._resting_until = float("-inf")
        self._problem: str | None = "never asked"
        self._probe: asyncio.Task[None] | None = None

    async def claims(self, token: bytes, issuer: str, unix_time: float) -> dict[str, Any]:
        """What the issuer says about an access token that is active and within its time.

        Raises:
            BadToken: it is not active, over, or no access token of this issuer.
            IssuerUnavailable: the issuer does not say.
        """
        if len(token) > MAX_TOKEN:
            raise BadToken(TokenFault.TOO_LARGE)
        key = hashlib.sha256(token).digest()
        if self._refused.get(key, float("-inf")) > self._clock():
            raise BadToken(TokenFault.INACTIVE)
        answer = await self._answer(key, token.decode("ascii"))
        if not answer["active"]:
            self._refused[key] = self._clock() + self.cache_seconds
            if len(self._refused) > MAX_REFUSED:
                self._refused.popitem(last=False)
            raise BadToken(TokenFault.INACTIVE)
        # Optional in an answer (RFC 7662 section 2.2), which comes from this issuer's own address.
        if answer.get("iss", issuer) != issuer:
            raise BadToken(TokenFault.WRONG_ISSUER)
        for name in ("token_type", "token_use", "typ"):
            kind = answer.get(name)
            if kind is not None and not (isinstance(kind, str) and kind.lower() in _ACCESS_TOKEN):
                raise BadToken(TokenFault.WRONG_TYPE)
        check_times(answer, unix_time)
        return answer

    def problem(self) -> str | None:
        """Why the issuer never said anything yet; None once it has. Starts to ask it about a token that nobody has.

        A later failure refuses the requests that need an answer, each by itself.
        """
        if self._problem is not None and (self._probe is None or self._probe.done()):
            self._probe = asyncio.get_running_loop().create_task(self._ask_in_vain())
        return None if self._problem is None else f"{self.settings.endpoint}: {self._problem}"

    async def close(self) -> None:
        """Cancel the questions under way."""
        tasks: list[asyncio.Task[Any]] = list(self._running.values())
        if self._probe is not None:
            tasks.append(self._probe)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def _ask_in_vain(self) -> None:
        token = secrets.token_urlsafe(32)
        try:
            await self._answer(hashlib.sha256(token.encode()).digest(), token)
        except IssuerUnavailable:
            return  # `_problem` says so

    async def _answer(self, key: bytes, token: str) -> dict[str, Any]:
        task = self._running.get(key)
        if task is None:
            if self._clock() < self._resting_until:
                raise IssuerUnavailable("it asked to be left alone")
            task = asyncio.get_running_loop().create_task(self._ask(token))
            self._running[key] = task
            task.add_done_callback(lambda ended: self._ended(key, ended))
        try:
            # A caller that goes away must not cancel the question that others wait for.
            return await asyncio.shield(task)
        except asyncio.CancelledError:
            if task.cancelled():
                raise IssuerUnavailable("the guard ends") from None
            raise

    def _ended(self, key: bytes, task: asyncio.Task[dict[str, Any]]) -> None:
        self._running.pop(key, None)
        if not task.cancelled():
            task.exception()  # read here, as the callers that waited for it may be gone

    async def _ask(self, token: str) -> dict[str, Any]:
        try:
            async with asyncio.timeout(2 * DEADLINE), self._places:
                # Read anew each time, so that a rotated secret needs no restart.
                secret = read_secret(self.settings.client_secret)
                answer = await introspect(self._client, self.settings, secret, token)
        except TimeoutError:
            raise self._failed("too many tokens wait for an answer") from None
        except InputError as error:
            raise self._failed(str(error)) from None
        except NotAnswered as error:
            raise self._failed(str(error), error.wait) from None
        self._problem = None
        return answer

    def _failed(self, problem: str, wait: float | None = None) -> IssuerUnavailable:
        if wait is not None:
            self._resting_until = self._clock() + min(wait, LONGEST_WAIT)
        if self._problem is not None:
            self._problem = problem
        return IssuerUnavailable(problem)
