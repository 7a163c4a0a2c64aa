"""rate-limiting and response-ratelimiting with the `local` policy."""

from __future__ import annotations

from typing import Any, ClassVar

from tests.support.kong_gateway.configuration import Unsupported
from tests.support.kong_gateway.counters import EXPIRATION, starts
from tests.support.kong_gateway.exchange import Exchange, Exit
from tests.support.kong_gateway.lua_values import to_number, to_text
from tests.support.kong_gateway.plugins.handler import Handler

#: Members of the redis record that the schemas know by a deprecated name, too (`redis_host`, in `shorthand_fields`).
_DEPRECATED = ("host", "port", "timeout", "username", "password", "database", "ssl", "ssl_verify", "server_name")
_REDIS: dict[str, Any] = {"redis": None, **{f"redis_{member}": None for member in _DEPRECATED}}


def _require_agreement(name: str, config: dict[str, Any]) -> None:
    """`validate_deprecation_exclusiveness` of kong/db/schema/init.lua: 400 where the two names say different things."""
    record = config["redis"] or {}
    for member in _DEPRECATED:
        old, new = config[f"redis_{member}"], record.get(member)
        if old is not None and new is not None and old != new:
            raise Unsupported(f"{name}: redis_{member} {old!r} and redis.{member} {new!r}, which Kong refuses")


def _identifier(exchange: Exchange, config: dict[str, Any]) -> str:
    """`get_identifier` of both: whatever is missing falls back to the address, and an empty header is a name."""
    found: str | None = None
    match config["limit_by"]:
        case "consumer":
            holder = exchange.consumer or exchange.credential
            found = holder.id if holder else None
        case "credential":
            found = exchange.credential.id if exchange.credential else None
        case "header":
            found = exchange.request.first(config["header_name"])
        case "service":
            found = exchange.service.id
    return exchange.client_ip if found is None else found


class RateLimiting(Handler):
    """kong/plugins/rate-limiting/handler.lua, policies/init.lua."""

    NAME = "rate-limiting"
    PRIORITY = 910
    OPTIONS: ClassVar[dict[str, Any]] = {
        **dict.fromkeys(EXPIRATION),
        "limit_by": "consumer",
        "header_name": None,
        "path": None,
        "policy": "local",
        "fault_tolerant": True,
        "hide_client_headers": False,
        "error_code": 429,
        "error_message": "API rate limit exceeded",
        "sync_rate": -1,
        **_REDIS,
    }

    def check(self) -> None:
        _require_agreement(self.NAME, self.config)
        self.require("policy", "local")
        self.require("limit_by", "consumer", "credential", "ip", "header", "service")
        self.limits = {period: self.config[period] for period in EXPIRATION if self.config[period] is not None}
        if not self.limits or any(limit <= 0 for limit in self.limits.values()):
            raise Unsupported(f"{self.NAME}: Kong's schema asks for at least one limit, each above 0")

    def access(self, exchange: Exchange) -> None:
        identifier, began = _identifier(exchange, self.config), starts(exchange.now)

        def key(period: str) -> tuple[str, ...]:
            return ("ratelimit", self.scope, identifier, str(began[period]), period)

        remaining = {period: limit - self.counters.get(key(period)) for period, limit in self.limits.items()}
        # `pairs` has no order; of two exhausted periods the longer tells a caller more of the truth.
        stop = next((period for period in reversed(EXPIRATION) if remaining.get(period, 1) <= 0), None)
        headers, reset = self._headers(exchange.now, began, remaining, stop)
        if stop is not None:
            refusal = exchange.error(self.config["error_code"], self.config["error_message"])
            if reset is not None:
                headers["Retry-After"] = str(reset)
            raise Exit(refusal.status, refusal.body, {**refusal.headers, **headers})
        for name, value in headers.items():
            exchange.early.set(name, value)
        for period in self.limits:
            self.counters.add(key(period), 1)

    def _headers(
        self, now: int, began: dict[str, int], remaining: dict[str, float], stop: str | None
    ) -> tuple[dict[str, str], int | None]:
        if self.config["hide_client_headers"]:
            return {}, None
        headers: dict[str, str] = {}
        chosen: tuple[float, int, int] | None = None  # remaining, window, limit
        reset = 0
        for period, limit in self.limits.items():
            left = max(0.0, remaining[period] - (1 if stop in (None, period) else 0))
            window = EXPIRATION[period]
            if chosen is None or left < chosen[0] or (left == chosen[0] and window > chosen[1]):
                chosen = (left, window, limit)
                reset = max(1, window - (now - began[period]))
            headers[f"X-RateLimit-Limit-{period.capitalize()}"] = to_text(limit)
            headers[f"X-RateLimit-Remaining-{period.capitalize()}"] = to_text(left)
        assert chosen is not None
        headers |= {"RateLimit-Limit": to_text(chosen[2]), "RateLimit-Remaining": to_text(chosen[0])}
        headers["RateLimit-Reset"] = str(reset)
        return headers, reset


class ResponseRateLimiting(Handler):
    """kong/plugins/response-ratelimiting: access.lua, header_filter.lua, log.lua, policies/init.lua."""

    NAME = "response-ratelimiting"
    PRIORITY = 900
    OPTIONS: ClassVar[dict[str, Any]] = {
        "header_name": "x-kong-limit",
        "limit_by": "consumer",
        "policy": "local",
        "fault_tolerant": True,
        "block_on_first_violation": False,
        "hide_client_headers": False,
        "limits": None,
        **_REDIS,
    }

    def check(self) -> None:
        _require_agreement(self.NAME, self.config)
        self.require("policy", "local")
        self.require("limit_by", "consumer", "credential", "ip")
        self.limits: dict[str, dict[str, float]] = {
            name: {period: periods[period] for period in EXPIRATION if periods.get(period) is not None}
            for name, periods in (self.config["limits"] or {}).items()
        }
        if not self.limits or any(not periods for periods in self.limits.values()):
            raise Unsupported(f"{self.NAME}: Kong's schema asks for a limit")
        if any(limit <= 0 for periods in self.limits.values() for limit in periods.values()):
            raise Unsupported(f"{self.NAME}: Kong's schema asks for limits above 0")

    def _key(self, exchange: Exchange, name: str, period: str) -> tuple[str, ...]:
        began = starts(exchange.now)[period]
        return ("response-ratelimit", self.scope, _identifier(exchange, self.config), str(began), name, period)

    def access(self, exchange: Exchange) -> None:
        usage = {
            name: {
                period: limit - self.counters.get(self._key(exchange, name, period)) for period, limit in one.items()
            }
            for name, one in self.limits.items()
        }
        for name, remaining in usage.items():
            # Exactly 0: a negative remainder lets the call on, and the header_filter phase says 429 afterwards.
            if self.config["block_on_first_violation"] and 0 in remaining.values():
                raise exchange.error(429, f"API rate limit exceeded for '{name}'")
            exchange.request.set(f"X-RateLimit-Remaining-{name}", to_text(min(remaining.values())))
        exchange.context[self.NAME] = {"usage": usage}

    def header_filter(self, exchange: Exchange) -> None:
        context = exchange.context.get(self.NAME)
        if context is None:
            return
        increments = self._increments(exchange)
        context["increments"] = increments
        stop = False
        for name, remaining in context["usage"].items():
            increment = increments.get(name, 0)
            for period, left in remaining.items():
                if not self.config["hide_client_headers"]:
                    exchange.response.set(f"X-RateLimit-Limit-{name}-{period}", to_text(self.limits[name][period]))
                    exchange.response.set(f"X-RateLimit-Remaining-{name}-{period}", to_text(max(0, left - increment)))
                stop = stop or (increment > 0 and left <= 0)
        exchange.response.clear(self.config["header_name"])
        if stop:
            context["stop"] = True
            # "Don't set a body": the upstream's goes on under the new status.
            exchange.status = 429

    def _increments(self, exchange: Exchange) -> dict[str, float]:
        """`parse_header`: the first header only, and of two values for one name the last."""
        found: dict[str, float] = {}
        for part in (exchange.response.first(self.config["header_name"]) or "").split(","):
            pieces = part.split("=")
            if len(pieces) == 2 and pieces[0].strip() in self.limits:
                number = to_number(pieces[1].strip())
                if number is None:
                    found.pop(pieces[0].strip(), None)
                else:
                    found[pieces[0].strip()] = number
        return found

    def log(self, exchange: Exchange) -> None:
        context = exchange.context.get(self.NAME)
        if context is None or context.get("stop"):
            return
        for name, increment in context.get("increments", {}).items():
            if increment != 0:
                for period in EXPIRATION:
                    self.counters.add(self._key(exchange, name, period), increment)
