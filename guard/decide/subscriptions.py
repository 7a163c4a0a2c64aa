"""Which resources a caller asked to be told of: only of those, and of what lies below them, a server may report changes.

MCP has a server report to subscribers alone. A report of anything else makes a client read what nobody asked it to.
In sessions each subscription is a request of its own (`resources/subscribe`); a stream of 2026-07-28 begins with all of its.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from guard.decide.exchange import Exchange

_SEPARATORS = "/?#"


def note_subscription(exchange: Exchange, method: str, uri: str) -> bool:
    """Keep what a judged request of this session subscribes to, or ends. False where the session has no room for it."""
    caller, sessions = exchange.caller, exchange.runtime.sessions
    if method == "resources/unsubscribe":
        sessions.unsubscribe(caller.channel, uri)
        return True
    if caller.session is None and not sessions.bind(caller.channel, caller.principal):
        return False
    return sessions.subscribe(caller.channel, uri)


def subscribed_by(notifications: Any) -> frozenset[str]:
    """The URIs that a stream's first request subscribes to."""
    uris = notifications.get("resourceSubscriptions") if isinstance(notifications, dict) else None
    return frozenset(uri for uri in uris if isinstance(uri, str)) if isinstance(uris, list) else frozenset()


def is_subscribed(exchange: Exchange, uri: str) -> bool:
    """Whether the caller asked to be told of this resource, or of one that it is a part of (MCP, `resources/updated`)."""
    caller = exchange.caller
    if caller.modern:
        return is_within(uri, exchange.subscriptions)
    return is_within(uri, exchange.runtime.sessions.subscriptions(caller.channel))


def is_within(uri: str, subscriptions: Collection[str]) -> bool:
    """Whether a URI is one of these, or lies below one."""
    return uri in subscriptions or any(
        uri.startswith(subscribed) and (subscribed[-1:] == "/" or uri[len(subscribed)] in _SEPARATORS)
        for subscribed in subscriptions
    )
