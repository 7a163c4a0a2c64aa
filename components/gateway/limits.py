"""Kong's limits for one server: request size, requests per principal, tokens per server.

A limit whose counters are out of reach refuses the request. Size and requests stand at a multiple of the stack file's
numbers (`components.gateway.flood`), at which the guard refuses inside the protocol (`guard.decide.limits`).
"""

from __future__ import annotations

import re
from itertools import pairwise
from typing import Any, Literal

from components.editions import Protection
from components.gateway.flood import refused_kilobytes, refused_requests
from components.gateway.licensed.rate_limit import rate_limit
from components.gateway.names import LIMIT_HEADER, PRINCIPAL_HEADER, TOKENS, entity_name
from components.gateway.spec import Config, PluginSpec, name_of, plugin
from model.environment import Redis
from model.errors import InputError
from model.model_route import ModelLimits
from model.stacks import PerimeterStack


def limits(server: PerimeterStack) -> list[PluginSpec]:
    """Body size, requests per principal, tokens per server; raises InputError where Kong would refuse a number.

    Tokens are counted from what the guard says; a model route without one has ai-rate-limiting-advanced instead.
    """
    counted = [] if server.manifest.guard is None else [_server_tokens(server)]
    return [_body_size(server), _principal_rate(server), *counted]


#: The periods that both manifests speak of, each in minutes.
_MINUTES = {"minute": 1, "hour": 60, "day": 24 * 60}


def _periods(server: PerimeterStack, unit: Literal["requests", "tokens"]) -> list[int | None]:
    """Each principal's requests, or everyone's tokens, a minute, hour and day; raises InputError where a longer period
    allows less than a shorter one, which Kong refuses."""
    limits = server.manifest.limits
    key = "limits"
    budget: Any = limits
    if isinstance(limits, ModelLimits):
        key, budget = ("limits.principal", limits.principal) if unit == "requests" else ("limits.all", limits.all)
    names = [f"{unit}_per_{period}" for period in _MINUTES]
    result: list[int | None] = [getattr(budget, name, None) for name in names]
    present = [(name, limit) for name, limit in zip(names, result, strict=True) if limit is not None]
    for (shorter, least), (longer, most) in pairwise(present):
        if most < least:
            raise InputError(
                f"{longer} {most} is lower than {shorter} {least}",
                key=f"{key}.{longer}",
                remedy="raise it, or lower the other",
            )
    return result


def _body_size(server: PerimeterStack) -> PluginSpec:
    return plugin(
        Protection.BODY_SIZE,
        server.settings,
        "body-size",
        {
            "allowed_payload_size": refused_kilobytes(server),
            "size_unit": "kilobytes",
            # True would refuse every GET and DELETE; the identity check asks it of POST (see `components.gateway.lua`).
            "require_content_length": False,
        },
        "limits a request's size",
    )


def _principal_rate(server: PerimeterStack) -> PluginSpec:
    periods = _periods(server, "requests")
    redis = server.settings.gateway.redis
    if name_of(Protection.PRINCIPAL_RATE, server.settings) == "rate-limiting-advanced":
        _check_certificate_name(redis)
        windows = {
            minutes * 60: refused_requests(server, limit, periods=minutes)
            for minutes, limit in zip(_MINUTES.values(), periods, strict=True)
            if limit is not None
        }
        return plugin(
            Protection.PRINCIPAL_RATE,
            server.settings,
            "principal-rate",
            rate_limit(windows, entity_name(server.environment.name, server.name, "principals"), redis),
            "a flood of one principal's, in sliding windows",
        )
    counters = _counters(server.settings.gateway.redis)
    return plugin(
        Protection.PRINCIPAL_RATE,
        server.settings,
        "principal-rate",
        {
            "second": None,
            **{
                period: limit and refused_requests(server, limit, periods=minutes)
                for (period, minutes), limit in zip(_MINUTES.items(), periods, strict=True)
            },
            "month": None,
            "year": None,
            # A missing header would count by address, and all clients share cloudflared's; the identity check always
            # sets it, and refuses requests with so many headers that Kong would not see it.
            "limit_by": "header",
            "header_name": PRINCIPAL_HEADER,
            "path": None,
            **counters,
            "fault_tolerant": False,
            "hide_client_headers": False,
            "error_code": 429,
            "error_message": "API rate limit exceeded",
            "sync_rate": -1,
        },
        "a flood of one principal's; closed when the counters are out of reach",
    )


def _server_tokens(server: PerimeterStack) -> PluginSpec:
    counters = _counters(server.settings.gateway.redis)
    return plugin(
        Protection.SERVER_TOKENS,
        server.settings,
        "server-tokens",
        {
            "header_name": LIMIT_HEADER,
            # One consumer an issuer: the budget is the server's. Each principal's is counted by the guard.
            "limit_by": "consumer",
            **counters,
            "fault_tolerant": False,
            # True refuses when the remainder is exactly 0 and nowhere else: past an overshoot it would let the call on all
            # the same and turn its answer into a 429 (3.9.3, access.lua and header_filter.lua). The guard refuses at or
            # under 0 before anything is executed, by the remainder that this plugin hands on, and says when to come again.
            "block_on_first_violation": False,
            "hide_client_headers": False,
            "limits": {
                TOKENS: {
                    "second": None,
                    **dict(zip(_MINUTES, _periods(server, "tokens"), strict=True)),
                    "month": None,
                    "year": None,
                }
            },
        },
        "the server's token budget, counted from the guard's X-Kong-Limit",
    )


def _counters(redis: Redis | None) -> Config:
    """Where the counters are: on this node, or shared ones whose certificate name is checked.

    Every member of the redis record is written a second time under its deprecated name (`redis_host`): Kong accepts both
    where they agree and answers both (kong/db/schema/init.lua, `shorthand_fields`), so only with both is its answer what
    was written, which `strict_match` needs to repair drift without differing for ever.
    """
    _check_certificate_name(redis)
    record: Config = {
        "host": redis.host if redis else None,
        "port": redis.port if redis else 6379,
        "timeout": 2000,
        "username": redis.username if redis else None,
        "password": redis.password if redis else None,
        "database": 0,
        "ssl": redis.tls if redis else False,
        "ssl_verify": redis.tls if redis else False,
        "server_name": redis.host if redis and redis.tls else None,
    }
    deprecated = {f"redis_{name}": value for name, value in record.items()}
    return {"policy": "redis" if redis else "local", "redis": record, **deprecated}


def _check_certificate_name(redis: Redis | None) -> None:
    """A certificate is checked by name; raises InputError for an address."""
    if redis and redis.tls and not re.fullmatch(r"[A-Za-z0-9.-]*[A-Za-z][A-Za-z0-9.-]*", redis.host):
        raise InputError(
            f"{redis.host} is an address, so its certificate's name could not be checked",
            key="gateway.redis.host",
            remedy="give the name in its certificate",
        )
