"""Asks an authorization server for a token in a caller's name: RFC 8693 token exchange, or RFC 7523's assertion grant.

What is asked and how an answer is read is here; for whom tokens are kept is in `guard.identity.exchanged_tokens`. No token
and no secret is ever logged, kept on disk or quoted in an error.
"""

from __future__ import annotations

import asyncio
import re
from dataclasses import dataclass, field
from typing import Any

import httpx

from model.origin_identity import TokenExchange
from wire.client_credentials import credentials
from wire.http import HttpPolicy, RefusedAnswer, read_body_async, reason_of, retry_after
from wire.json import Malformed, parse

MAX_ANSWER = 64 * 1024
#: As long as any header that servers take; larger tokens fail there one by one.
MAX_TOKEN = 16 * 1024
#: Seconds for one answer, from the connection to its last byte.
DEADLINE = 10.0
_ACCESS_TOKEN = "urn:ietf:params:oauth:token-type:access_token"  # noqa: S105 - a name of RFC 8693 section 3
_JWT = "urn:ietf:params:oauth:token-type:jwt"
_EXCHANGE = "urn:ietf:params:oauth:grant-type:token-exchange"
_ASSERTION = "urn:ietf:params:oauth:grant-type:jwt-bearer"
#: RFC 6750 section 2.1.
_TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*")
#: An error's code (RFC 6749 section 5.2) in the only form in which it is shown.
_CODE = re.compile(r"[a-z_]{1,40}")


class TokenRefused(Exception):
    """There is no token. `final`: the authorization server said no, else it could not be asked or did not say.

    `wait` is how many seconds it asks to be left alone.
    """

    def __init__(self, problem: str, *, final: bool, wait: float | None = None) -> None:
        super().__init__(problem)
        self.final = final
        self.wait = wait


@dataclass(frozen=True, slots=True)
class GivenToken:
    """A bearer token, and for how many seconds it counts; None where that was not said."""

    text: str = field(repr=False)
    seconds: float | None


class TokenEndpoint:
    """One token endpoint and the guard's own credentials there. Create and close it inside the event loop."""

    def __init__(self, settings: TokenExchange, secret: str) -> None:
        self._settings = settings
        self._secret = secret
        self._client = HttpPolicy(settings.token_endpoint, proxies=True).async_client(timeout=DEADLINE)

    async def in_callers_name(self, token: str) -> GivenToken:
        """A token for the server in the name of whom `token` belongs to. Raises TokenRefused."""
        if self._settings.grant == "jwt-bearer":
            use = {"requested_token_use": "on_behalf_of"} if self._settings.on_behalf_of else {}
            return await self._ask({"grant_type": _ASSERTION, "assertion": token, **use})
        request = {"grant_type": _EXCHANGE, "subject_token": token, "subject_token_type": _ACCESS_TOKEN}
        return await self._ask({**request, "requested_token_type": _ACCESS_TOKEN}, exchange=True)

    async def in_own_name(self) -> GivenToken:
        """A token for the server in the guard's own name (RFC 6749 section 4.4). Raises TokenRefused."""
        return await self._ask({"grant_type": "client_credentials"})

    async def close(self) -> None:
        await self._client.aclose()

    async def _ask(self, request: dict[str, str], *, exchange: bool = False) -> GivenToken:
        settings = self._settings
        form = dict(request)
        for name, value in (("audience", settings.audience), ("resource", settings.resource)):
            if value is not None:
                form[name] = value
        if settings.scopes:
            form["scope"] = " ".join(settings.scopes)
        shown = credentials(settings.client_authentication, settings.client_id, self._secret)
        headers = {"accept": "application/json", **shown.headers}
        form |= shown.form
        try:
            async with (
                asyncio.timeout(DEADLINE),
                self._client.stream("POST", settings.token_endpoint, data=form, headers=headers) as answer,
            ):
                body = await read_body_async(answer, MAX_ANSWER)
        except (httpx.HTTPError, RefusedAnswer, TimeoutError) as error:
            raise TokenRefused(f"the token endpoint: {reason_of(error)}", final=False) from None
        return _read(answer, body, exchange=exchange)


def _read(answer: httpx.Response, body: bytes, *, exchange: bool) -> GivenToken:
    try:
        value: Any = parse(body)
    except Malformed:
        value = None
    members: dict[str, Any] = value if isinstance(value, dict) else {}
    if answer.status_code != 200:
        raise _refused(answer, members)
    token, kind = members.get("access_token"), members.get("token_type")
    if not isinstance(token, str) or len(token) > MAX_TOKEN or not _TOKEN.fullmatch(token):
        raise TokenRefused("the token endpoint answered without a token that can be sent", final=False)
    if not isinstance(kind, str) or kind.lower() != "bearer":
        raise TokenRefused("the token endpoint gave a token that is no bearer token", final=False)
    if exchange and members.get("issued_token_type") not in (_ACCESS_TOKEN, _JWT):
        raise TokenRefused("the token endpoint gave another type of token than was asked for", final=False)
    return GivenToken(token, _seconds(members.get("expires_in")))


def _seconds(value: Any) -> float | None:
    """A number of seconds that a token can count for; some servers write it as text."""
    if isinstance(value, str) and value.isascii() and value.isdigit() and len(value) < 10:
        value = int(value)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return float(value) if is_number and 0 < value < 2**31 else None


def _refused(answer: httpx.Response, members: dict[str, Any]) -> TokenRefused:
    status, code = answer.status_code, members.get("error")
    shown = f" ({code})" if isinstance(code, str) and _CODE.fullmatch(code) else ""
    busy = status == 429 or status >= 500 or code in ("temporarily_unavailable", "slow_down")
    return TokenRefused(
        f"the token endpoint answered {status}{shown}",
        final=400 <= status < 500 and not busy,
        wait=retry_after(answer.headers) if busy else None,
    )
