"""Fetch an issuer's JWKS from the address pinned in the stack file, and from nowhere else."""

from __future__ import annotations

import asyncio

import httpx

from model.base import is_loopback, split_url
from model.errors import Unreachable
from wire.http import client_options, reason_of

MAX_BYTES = 256 * 1024
TIMEOUT = httpx.Timeout(5, connect=5)
#: For the whole answer, so that one byte a second does not hold the sync up.
DEADLINE = 15.0


def fetch_jwks(url: str, *, timeout: httpx.Timeout = TIMEOUT, deadline: float = DEADLINE) -> bytes:
    """The document at `url`, at most 256 KiB.

    https only, except on loopback; a redirect is an error, since it would let another address name the keys.

    Raises:
        Unreachable: anything else than a complete 200 answer of that size in time.
    """
    try:
        parts = split_url(url)
    except ValueError as error:
        raise Unreachable(f"the JWKS address {error}; correct jwks_uri") from None
    loopback = is_loopback(parts.hostname or "")
    if parts.scheme != "https" and not (parts.scheme == "http" and loopback):
        raise Unreachable(f"{url} is not https: whoever sits between could name the keys; correct jwks_uri")
    # Not asyncio.run, which leaves the thread without the loop that Pulumi's SDK looks for afterwards.
    loop = asyncio.new_event_loop()
    try:
        return loop.run_until_complete(_fetch(url, timeout, deadline))
    except TimeoutError:
        raise Unreachable(f"{url} took over {deadline:g} s; try again later") from None
    except httpx.HTTPError as error:
        raise Unreachable(f"{url} does not answer ({reason_of(error)}); check the address and the network") from None
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()


async def _fetch(url: str, timeout: httpx.Timeout, deadline: float) -> bytes:
    # Uncompressed, so that the cap counts what is read and not what it unpacks to.
    headers = {"accept": "application/json", "accept-encoding": "identity"}
    async with (
        asyncio.timeout(deadline),
        httpx.AsyncClient(timeout=timeout, headers=headers, **client_options(url, proxies=True)) as client,
        client.stream("GET", url) as answer,
    ):
        if answer.is_redirect:
            raise Unreachable(f"{url} redirects elsewhere; write the address of the keys themselves as jwks_uri")
        if answer.status_code != 200:
            raise Unreachable(f"{url} answered {answer.status_code}; correct jwks_uri or ask the issuer")
        if answer.headers.get("content-encoding", "identity") != "identity":
            raise Unreachable(f"{url} answered compressed although it was asked not to; ask the issuer")
        body = bytearray()
        async for chunk in answer.aiter_raw():
            body += chunk
            if len(body) > MAX_BYTES:
                raise Unreachable(f"{url} answered with over {MAX_BYTES // 1024} KiB; that is no JWKS")
        return bytes(body)
