"""The proof that a gateway refuses a closed server's requests, by sending requests or by asking its data planes.

Kong's workers and data planes apply a change some time after the Admin API has answered (`worker_state_update_frequency`,
kong.conf.default), so that answer proves nothing about them. The closing itself is done in `lockdown`.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import httpx

from operations.incident.closing import CLOSED_HEADER
from wire.http import HttpPolicy
from wire.kong import DataPlane

#: Refusals in a row, each on a connection of its own, so that the system hands them to different workers.
CONSECUTIVE = 20
#: Seconds between two requests.
INTERVAL = 0.25
#: Seconds added to the longest time that Kong's workers may take.
MARGIN = 1.0
#: A data plane reports every 30 s (clustering/data_plane.lua: PING_INTERVAL); after twice that it is not to be relied on.
SILENT = 60.0


@dataclass(frozen=True)
class GatewayProof:
    """Whether the gateway was seen to be closed. `answered` is False where nothing answered, so that nothing was proven."""

    answered: bool
    closed: bool
    text: str


@dataclass(frozen=True)
class Clock:
    """The time, and a pause that returns True when the command was interrupted and the pause ended early."""

    pause: Callable[[float], bool]
    monotonic: Callable[[], float] = time.monotonic


def by_requests(
    url: str, hostname: str, operation: str, *, frequency: float, wait: float, clock: Clock
) -> GatewayProof:
    """Send requests to the proxy until this operation's closing has refused every one of them for as long as Kong's workers
    may take to apply it, or until `wait` seconds are over."""
    until, since, streak, answers = clock.monotonic() + wait, clock.monotonic(), 0, 0
    status = ""
    with _fresh_connections() as client:
        while True:
            try:
                refused, status = _ask(client, url, hostname, operation)
            except httpx.HTTPError as error:
                if not answers:
                    return GatewayProof(
                        False, False, f"nothing answers at {url} on this machine ({type(error).__name__})"
                    )
                refused, status = False, f"no answer ({type(error).__name__})"
            answers += 1
            streak = streak + 1 if refused else 0
            since = since if refused else clock.monotonic()
            lasted = clock.monotonic() - since
            if streak >= CONSECUTIVE and lasted >= frequency + MARGIN:
                return GatewayProof(
                    True, True, f"{url} refused {streak} requests in a row over {lasted:.0f} s with 503"
                )
            if clock.monotonic() >= until or clock.pause(INTERVAL):
                break
    few = f"refused the last {streak} requests in a row, which is too few to say so"
    return GatewayProof(True, False, f"{url} {few if streak else f'still answers {status}'}")


def _fresh_connections() -> httpx.Client:
    """A client that opens a connection for every request: the system hands each new connection to any of Kong's workers, and
    a connection that is kept alive always reaches the same one."""
    return HttpPolicy(None, proxies=False).client(
        timeout=httpx.Timeout(5, connect=2), limits=httpx.Limits(max_keepalive_connections=0)
    )


def _ask(client: httpx.Client, url: str, hostname: str, operation: str) -> tuple[bool, str]:
    headers = {"host": hostname, "accept": "application/json, text/event-stream", "connection": "close"}
    with client.stream("POST", url, headers=headers, json={}) as answer:
        closed = answer.status_code == 503 and answer.headers.get(CLOSED_HEADER) == operation
        return closed, f"HTTP {answer.status_code}"


def by_data_planes(
    ask: Callable[[], Sequence[DataPlane] | None],
    before: Sequence[DataPlane],
    *,
    frequency: float,
    wait: float,
    clock: Clock,
    today: Callable[[], float] = time.time,
) -> GatewayProof:
    """Ask the control plane until every data plane has another configuration than it had `before` the closing, then wait
    for as long as its workers may take to apply it."""
    until, old = clock.monotonic() + wait, {plane.id: plane.config_hash for plane in before}
    while True:
        planes = ask() or ()
        behind = [plane.name for plane in planes if old.get(plane.id) == plane.config_hash]
        silent = [plane.name for plane in planes if today() - plane.last_seen > SILENT]
        if planes and not behind and not silent and len({plane.config_hash for plane in planes}) == 1:
            clock.pause(frequency + MARGIN)
            names = ", ".join(sorted(plane.name for plane in planes))
            return GatewayProof(True, True, f"every data plane has a configuration newer than the closing ({names})")
        if clock.monotonic() >= until or clock.pause(INTERVAL):
            break
    if not planes:
        return GatewayProof(False, False, "the control plane has heard of no data plane")
    if silent:
        names = ", ".join(silent)
        return GatewayProof(
            True, False, f"data plane {names} was last heard of over {SILENT:.0f} s ago and may go on as before"
        )
    if behind:
        return GatewayProof(True, False, f"data plane {', '.join(behind)} has not taken the closing yet")
    return GatewayProof(True, False, "the data planes have different configurations")
