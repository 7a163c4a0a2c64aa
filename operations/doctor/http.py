"""One bounded question over HTTP for the doctor: status, JSON, and how far the other side's clock is from ours."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import httpx

from model.errors import Unreachable
from model.json import parse_json
from wire.http import HttpPolicy, RefusedAnswer, exchange, reason_of

MAX_BYTES = 1024 * 1024
TIMEOUT = httpx.Timeout(5, connect=5)
DEADLINE = 10.0


@dataclass(frozen=True)
class Answer:
    """`skew` in seconds is positive where the other clock is ahead of ours, None without a readable Date header (RFC 9110
    section 6.6.1; it counts whole seconds)."""

    status: int
    body: bytes = field(repr=False)
    skew: float | None
    host: str

    def object(self) -> dict[str, Any] | None:
        """The body as one JSON object, None for anything else."""
        try:
            found = parse_json(self.body)
        except (ValueError, RecursionError):
            return None
        return found if isinstance(found, dict) else None


def fetch(url: str, headers: Mapping[str, str] | None = None) -> Answer:
    """GET `url`: no redirect is followed, so no credential goes elsewhere; at most 1 MiB in 10 s.

    Raises:
        Unreachable: no answer, or too much of it; names neither headers nor bodies.
    """
    parts = urlsplit(url)
    shown = f"{parts.scheme}://{parts.netloc}"
    sent = {"accept": "application/json", **(headers or {})}
    try:
        with HttpPolicy(url, proxies=True).client(timeout=TIMEOUT, headers=sent) as client:
            answer = exchange(client, "GET", url, limit=MAX_BYTES, deadline=DEADLINE)
    except RefusedAnswer as error:
        raise Unreachable(f"{shown}: {error}") from None
    except httpx.TimeoutException:
        raise Unreachable(f"{shown} does not answer in time") from None
    except httpx.HTTPError as error:
        raise Unreachable(f"{shown} does not answer ({reason_of(error)})") from None
    return Answer(answer.status, answer.body, _skew(answer.headers.get("date"), time.time()), parts.netloc)


def _skew(date: str | None, now: float) -> float | None:
    if date is None:
        return None
    try:
        return parsedate_to_datetime(date).timestamp() - now
    except ValueError:
        return None
