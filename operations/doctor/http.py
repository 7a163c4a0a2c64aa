"""One bounded request for the doctor's checks, and the skew of the peer's clock."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import httpx

from model.errors import Unreachable
from model.json import parse_json
from model.loopback import is_loopback
from wire.http import HttpPolicy, RefusedAnswer, exchange, reason_of

MAX_BYTES = 1024 * 1024
TIMEOUT = httpx.Timeout(5, connect=5)
DEADLINE = 10.0


@dataclass(frozen=True)
class ServiceResponse:
    """A response.

    `skew` is in seconds and positive when the peer's clock is ahead of this machine's; None without a readable Date header
    (RFC 9110 section 6.6.1; it counts whole seconds).
    """

    status: int
    body: bytes = field(repr=False)
    skew: float | None
    host: str

    def object(self) -> dict[str, Any] | None:
        """The body as one JSON object, None for anything else."""
        try:
            value = parse_json(self.body)
        except (ValueError, RecursionError):
            return None
        return value if isinstance(value, dict) else None


def fetch(
    url: str, headers: Mapping[str, str] | None = None, *, form: Mapping[str, str] | None = None
) -> ServiceResponse:
    """GET `url`, or POST a `form` to it; at most 1 MiB in 10 s. No redirect is followed, so no credential reaches another
    host.

    Raises:
        Unreachable: no answer, or a body that is too large. The text holds neither headers nor bodies.
    """
    parts = urlsplit(url)
    shown = f"{parts.scheme}://{parts.netloc}"
    sent = {"accept": "application/json", **(headers or {})}
    try:
        with HttpPolicy(url, proxies=True).client(timeout=TIMEOUT, headers=sent) as client:
            method = "GET" if form is None else "POST"
            answer = exchange(client, method, url, limit=MAX_BYTES, deadline=DEADLINE, data=form)
    except RefusedAnswer as error:
        raise Unreachable(f"{shown}: {error}") from None
    except httpx.TimeoutException:
        raise Unreachable(f"{shown} does not answer in time", remedy=_remedy(url)) from None
    except httpx.HTTPError as error:
        raise Unreachable(f"{shown} does not answer ({reason_of(error)})", remedy=_remedy(url)) from None
    return ServiceResponse(answer.status, answer.body, _skew(answer.headers.get("date"), time.time()), parts.netloc)


def _remedy(url: str) -> str:
    parts = urlsplit(url)
    proxies = {} if is_loopback(parts.hostname or "") or proxy_bypass(parts.netloc) else getproxies()
    variable = next((f"{scheme.upper()}_PROXY" for scheme in (parts.scheme, "all") if proxies.get(scheme)), None)
    places = f"the address, the network and the proxy of {variable}" if variable else "the address and the network"
    return f"check {places}, then run this again"


def _skew(date: str | None, local_time: float) -> float | None:
    if date is None:
        return None
    try:
        return parsedate_to_datetime(date).timestamp() - local_time
    except ValueError:
        return None
