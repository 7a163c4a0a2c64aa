"""Rules for the second ring's limits: every MCP route limits requests, tokens and bytes, for each caller alone, and
refuses calls that it cannot count. What else the gateway must do is in `plan.rules.gateway`.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from components.gateway.flood import MAX_REQUESTS_PER_MINUTE
from plan.exposure import is_narrow, linked
from plan.findings import Severity
from plan.graph import Resource
from plan.protectors import KONG_PLUGIN, KONG_SERVICE
from plan.rules.rule import Broken, Rule, rule
from plan.rules.subject import Subject, items, mapping, plugin_config

_RUN: Final = "run on Kong 3.9.3"
_HUB: Final = "Kong plugin hub"
_RATES: Final = frozenset({"rate-limiting", "rate-limiting-advanced"})
#: Minutes of each of Kong's units.
_UNITS: Final = {"second": 1 / 60, "minute": 1, "hour": 60, "day": 1440, "month": 43_200, "year": 525_600}
#: The most requests of a principal and tokens of a server in a minute; a higher number limits nobody.
_MAX_REQUESTS: Final = MAX_REQUESTS_PER_MINUTE
_MAX_TOKENS: Final = 100_000_000
#: The header by which the guard tells Kong what to count (`X-Kong-Limit: tokens=N`), and the one limit it names.
_LIMIT_HEADER: Final = "x-kong-limit"
_TOKENS: Final = "tokens"
_PRINCIPAL_HEADER: Final = "x-ringwall-principal"
#: The most that the guard and the model allow, too.
_MAX_BODY: Final = 64 * 1024 * 1024
_SIZES: Final = {"bytes": 1, "kilobytes": 1024, "megabytes": 1024 * 1024}


@rule(
    id="gateway-rate-missing",
    severity=Severity.ERROR,
    reason="Without a request limit one stolen token or one looping agent uses the server up.",
    remedy=f"keep rate-limiting on the service with a limit above 0 and at most {_MAX_REQUESTS} a minute",
    source=_HUB + ", rate-limiting",
)
def rate_missing(subject: Subject) -> Iterator[Broken]:
    for service in subject.mcp_services:
        rates = [rate for plugin in _rates(subject, service) if (rate := _a_minute(plugin_config(plugin))) is not None]
        if not rates:
            yield Broken("has no limit on requests", service, key=("limits",))
        elif min(rates) > _MAX_REQUESTS:
            text = f"lets each principal send {min(rates):.0f} requests a minute, which is no limit"
            yield Broken(text, service, key=("limits", "requests_per_minute"))


@rule(
    id="gateway-tokens-missing",
    severity=Severity.ERROR,
    reason="A few requests can carry a model's whole budget; the count of requests alone does not hold it.",
    remedy="keep response-ratelimiting on the service with the limit tokens, counted by x-kong-limit, at most"
    f" {_MAX_TOKENS} a minute",
    source=_HUB + ", response-ratelimiting; " + _RUN,
)
def tokens_missing(subject: Subject) -> Iterator[Broken]:
    for service in subject.mcp_services:
        active = subject.plugins_of(service)
        if service in subject.direct_services:
            yield from _provider_tokens(service, active.get("ai-rate-limiting-advanced"))
            continue
        plugin = active.get("response-ratelimiting")
        config = mapping(plugin_config(plugin)) if plugin else {}
        budget = _a_minute(mapping(config.get("limits")).get(_TOKENS))
        if budget is None or str(config.get("header_name", _LIMIT_HEADER)).lower() != _LIMIT_HEADER:
            yield Broken("has no budget of tokens", service, key=("limits", "tokens_per_minute"))
        elif budget > _MAX_TOKENS:
            text = f"has a budget of {budget:.0f} tokens a minute, which is no limit"
            yield Broken(text, service, key=("limits", "tokens_per_minute"))


def _provider_tokens(service: Resource, plugin: Resource | None) -> Iterator[Broken]:
    """Whether what providers report is held for each principal, where no guard counts."""
    config = mapping(plugin_config(plugin)) if plugin else {}
    for policy in items(config.get("policies")):
        match = [mapping(condition) for condition in items(mapping(policy).get("match"))]
        counted = [(m.get("type"), m.get("key"), m.get("partition_by")) for m in match]
        if counted == [("header", _PRINCIPAL_HEADER, True)] and items(mapping(policy).get("limits")):
            return
    yield Broken("has no budget of tokens for each principal", service, key=("limits", "principal"))


@rule(
    id="gateway-size-missing",
    severity=Severity.ERROR,
    reason="Without a size cap one request fills the gateway's and the guard's memory.",
    remedy="keep request-size-limiting on the service, at most 64 MiB",
    source=_HUB + ", request-size-limiting",
)
def size_missing(subject: Subject) -> Iterator[Broken]:
    for service in subject.mcp_services:
        plugin = subject.plugins_of(service).get("request-size-limiting")
        config = mapping(plugin_config(plugin)) if plugin else {}
        size: Any = config.get("allowed_payload_size")
        unit = _SIZES.get(str(config.get("size_unit", "megabytes")), 0)
        if not _positive(size) or not 0 < float(size) * unit <= _MAX_BODY:
            yield Broken("has no cap on a request's size", service, key=("limits", "body_kilobytes"))


@rule(
    id="gateway-limit-fails-open",
    severity=Severity.ERROR,
    reason="With fault_tolerant a limiter whose counters are out of reach lets every request pass.",
    remedy="set fault_tolerant to false",
    source=_HUB + ", fault_tolerant; " + _RUN,
)
def limit_fails_open(subject: Subject) -> Iterator[Broken]:
    for service in subject.mcp_services:
        for name, plugin in sorted(subject.plugins_of(service).items()):
            # Kong's default is true. rate-limiting-advanced has no such option.
            if name in ("rate-limiting", "response-ratelimiting") and _limit_is_open(plugin_config(plugin)):
                yield Broken("lets everything pass while its counters are out of reach", plugin)


def _limit_is_open(config: dict[str, Any] | None) -> bool:
    return config is not None and config.get("fault_tolerant", True) is not False


@rule(
    id="gateway-rate-shared",
    severity=Severity.ERROR,
    reason="All clients reach Kong from cloudflared's address and an issuer is one consumer: by either, one caller uses"
    " up everybody's limit.",
    remedy=f"limit by the header {_PRINCIPAL_HEADER}, which the identity check sets",
    source=_RUN,
)
def rate_shared(subject: Subject) -> Iterator[Broken]:
    for service in subject.mcp_services:
        for plugin in _rates(subject, service):
            config = mapping(plugin_config(plugin))
            counted_by = (config.get("limit_by", config.get("identifier")), config.get("header_name"))
            if _a_minute(config) is not None and counted_by != ("header", _PRINCIPAL_HEADER):
                yield Broken("counts all callers together", plugin)


@rule(
    id="gateway-plugin-overridden",
    severity=Severity.ERROR,
    reason="Kong runs one instance of a plugin per request, the most specific: one on a route or consumer replaces the"
    " service's, limits and checks included.",
    remedy="configure the service's plugin, or use another kind",
    source=_HUB + ", plugin precedence",
)
def plugin_overridden(subject: Subject) -> Iterator[Broken]:
    kinds = {name for service in subject.mcp_services for name in subject.plugins_of(service)}
    for plugin in filter(is_narrow, subject.graph.by_type(KONG_PLUGIN)):
        name = plugin.inputs.get("name")
        if name in kinds:
            yield Broken(f"replaces the service's own {name}", plugin)
        elif any(
            service in subject.mcp_services for service in linked(subject.graph, plugin, "serviceId", KONG_SERVICE)
        ):
            yield Broken(
                f"gives {name} to one route or consumer of its service alone", plugin, "give the service alone"
            )


def _rates(subject: Subject, service: Resource) -> list[Resource]:
    return [plugin for name, plugin in sorted(subject.plugins_of(service).items()) if name in _RATES]


def _a_minute(config: Any) -> float | None:
    """How much the strictest limit of a plugin lets through in a minute; None where it has no limit.

    `rate-limiting-advanced` has lists of limits and of window sizes in seconds instead of units.
    """
    limiter = mapping(config)
    rates = [limiter[unit] / minutes for unit, minutes in _UNITS.items() if _positive(limiter.get(unit))]
    for limit, seconds in zip(items(limiter.get("limit")), items(limiter.get("window_size")), strict=False):
        if _positive(limit) and _positive(seconds):
            rates.append(limit * 60 / seconds)
    return min(rates, default=None)


def _positive(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool) and value > 0


RULES: Final[tuple[Rule, ...]] = (
    rate_missing,
    tokens_missing,
    size_missing,
    limit_fails_open,
    rate_shared,
    plugin_overridden,
)
