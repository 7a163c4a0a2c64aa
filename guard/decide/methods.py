"""The methods the guard carries, by era; every other is refused. The lists are those of the official schema types.

Tasks (2025-11-25, experimental) are left out: they would let a result be fetched apart from the call that was granted.
"""

from __future__ import annotations

from collections.abc import Mapping

from mcp_types import methods as schema
from mcp_types.version import MODERN_PROTOCOL_VERSIONS


def _of(table: Mapping[tuple[str, str], object], *, modern: bool) -> frozenset[str]:
    return frozenset(method for method, version in table if (version in MODERN_PROTOCOL_VERSIONS) is modern)


#: Era (is it modern?) to methods.
CLIENT_REQUESTS = {modern: _of(schema.CLIENT_REQUESTS, modern=modern) for modern in (False, True)}
CLIENT_NOTIFICATIONS = {modern: _of(schema.CLIENT_NOTIFICATIONS, modern=modern) for modern in (False, True)}
SERVER_REQUESTS = {modern: _of(schema.SERVER_REQUESTS, modern=modern) for modern in (False, True)}
SERVER_NOTIFICATIONS = frozenset(method for method, _ in schema.SERVER_NOTIFICATIONS)

#: Methods whose messages carry no prose: their short words need no verdict, and no rate beyond the gateway's.
STRUCTURAL = frozenset(
    (
        "initialize",
        "ping",
        "server/discover",
        "tools/list",
        "prompts/list",
        "resources/list",
        "resources/templates/list",
        "logging/setLevel",
        "subscriptions/listen",
        "notifications/initialized",
        "notifications/cancelled",
        "notifications/progress",
        "notifications/roots/list_changed",
        "notifications/tools/list_changed",
        "notifications/prompts/list_changed",
        "notifications/resources/list_changed",
        "notifications/resources/updated",
        "notifications/subscriptions/acknowledged",
        "roots/list",
    )
)
