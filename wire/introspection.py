"""Asks an issuer about a token (RFC 7662). What an answer means is in `guard.identity.introspection`.

No token and no secret is ever logged, kept on disk or quoted in an error.
"""

from __future__ import annotations

import asyncio
from typing import Any

import httpx

from model.introspection import IntrospectionClient
from wire.client_credentials import credentials
from wire.http import RefusedAnswer, read_body_async, reason_of, retry_after
from wire.json import Malformed, parse

MAX_ANSWER = 64 * 1024
#: Seconds for one answer, from the connection to its last byte: a request waits for it.
DEADLINE = 5.0


class NotAnswered(Exception):
    """The issuer did not say what the token is. `wait` is how many seconds it asks to be left alone."""

    def __init__(self, problem: str, wait: float | None = None) -> None:
        super().__init__(problem)
        self.wait = wait


async def introspect(
    client: httpx.AsyncClient, settings: IntrospectionClient, secret: str, token: str
) -> dict[str, Any]:
    """The issuer's answer about `token`, of which `active` is true or false; raises NotAnswered."""
    shown = credentials(settings.client_authentication, settings.client_id, secret)
    form = {"token": token, "token_type_hint": "access_token", **shown.form}
    headers = {"accept": "application/json", **shown.headers}
    try:
        async with (
            asyncio.timeout(DEADLINE),
            client.stream(
                "POST", settings.endpoint, data=form, headers=headers, timeout=DEADLINE, follow_redirects=False
            ) as answer,
        ):
            body = await read_body_async(answer, MAX_ANSWER)
    except (httpx.HTTPError, RefusedAnswer, TimeoutError) as error:
        raise NotAnswered(reason_of(error)) from None
    if answer.status_code != 200:
        refused = answer.status_code in (400, 401, 403)
        ending = ", so it does not take the client that asks" if refused else ""
        raise NotAnswered(f"answered {answer.status_code}{ending}", retry_after(answer.headers))
    try:
        value: Any = parse(body)
    except Malformed:
        value = None
    if not isinstance(value, dict) or not isinstance(value.get("active"), bool):
        raise NotAnswered("answered with something that does not say whether a token is active")
    return value
