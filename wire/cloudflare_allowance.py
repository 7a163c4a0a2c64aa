"""How many more calls Cloudflare's API takes from a token, as its answers say (Cloudflare docs, "Rate limits": `Ratelimit`
holds what remains and the seconds until more is there, a refusal with 429 holds `Retry-After`)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote

import httpx

from wire.cloudflare import DEADLINE, TIMEOUT
from wire.http import HttpPolicy, RefusedAnswer, exchange, retry_after

#: An answer about one zone; its text is not used.
_MAX_ANSWER = 256 * 1024
#: Seconds for which a caller over the limit is refused (Cloudflare docs, "Rate limits").
REFUSED_FOR = 300.0
_MEMBER = re.compile(r";\s*(?P<name>[rt])=(?P<value>\d{1,9})(?=\s*(?:;|$))")


@dataclass(frozen=True)
class Allowance:
    """Calls that remain, and the seconds until more are there."""

    remaining: int
    seconds: float


def allowance_of(status: int, headers: Mapping[str, str]) -> Allowance | None:
    """What an answer says; None where it says nothing. Of several limits it is the one that leaves the least."""
    if status == 429:
        return Allowance(0, retry_after(headers) or REFUSED_FOR)
    limits = []
    for item in headers.get("ratelimit", "").split(","):
        members = {match["name"]: int(match["value"]) for match in _MEMBER.finditer(item)}
        if "r" in members:
            limits.append(Allowance(members["r"], float(members.get("t", REFUSED_FOR))))
    return min(limits, key=lambda limit: limit.remaining) if limits else None


def ask_allowance(api: str, zone_id: str, token: str) -> Allowance | None:
    """Ask with one call about the zone; None where the API does not answer or says nothing of it."""
    uri = api.rstrip("/")
    headers = {"accept": "application/json", "authorization": f"Bearer {token}"}
    try:
        with HttpPolicy(uri, proxies=True).client(base_url=uri, headers=headers, timeout=TIMEOUT) as client:
            path = f"/zones/{quote(zone_id, safe='')}"
            answer = exchange(client, "GET", path, limit=_MAX_ANSWER, deadline=DEADLINE)
    except (httpx.HTTPError, RefusedAnswer):
        return None
    return allowance_of(answer.status, answer.headers)
