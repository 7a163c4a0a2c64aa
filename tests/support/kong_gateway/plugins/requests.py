"""correlation-id, request-size-limiting and request-transformer."""

from __future__ import annotations

from typing import Any, ClassVar
from uuid import uuid4

from tests.support.kong_gateway.configuration import Unsupported
from tests.support.kong_gateway.exchange import MAX_HEADERS, Exchange
from tests.support.kong_gateway.lua_values import to_number
from tests.support.kong_gateway.plugins.handler import Handler


class CorrelationId(Handler):
    """kong/plugins/correlation-id/handler.lua: a client's id is kept, the first of two."""

    NAME = "correlation-id"
    PRIORITY = 100001
    OPTIONS: ClassVar[dict[str, Any]] = {
        "header_name": "Kong-Request-ID",
        "generator": "uuid#counter",
        "echo_downstream": False,
    }

    def check(self) -> None:
        self.require("generator", "uuid")

    def access(self, exchange: Exchange) -> None:
        name = self.config["header_name"]
        made = exchange.request.first(name)
        if not made:
            made = str(uuid4())
            exchange.request.set(name, made)
        exchange.context[self.NAME] = {"id": made}

    def header_filter(self, exchange: Exchange) -> None:
        if self.config["echo_downstream"]:
            made = exchange.context.get(self.NAME, {}).get("id") or exchange.request.first(self.config["header_name"])
            exchange.response.set(self.config["header_name"], made or str(uuid4()))


class RequestSizeLimiting(Handler):
    """kong/plugins/request-size-limiting/handler.lua."""

    NAME = "request-size-limiting"
    PRIORITY = 951
    OPTIONS: ClassVar[dict[str, Any]] = {
        "allowed_payload_size": 128,
        "size_unit": "megabytes",
        "require_content_length": False,
    }
    _FACTORS: ClassVar[dict[str, int]] = {"megabytes": 2**20, "kilobytes": 2**10, "bytes": 1}

    def access(self, exchange: Exchange) -> None:
        headers = exchange.request.table(MAX_HEADERS)
        length = headers.get("content-length")
        declared = to_number(length) if isinstance(length, str) else None
        if declared is None:
            if self.config["require_content_length"] and headers.get("transfer-encoding") != "chunked":
                raise exchange.error(411, "A valid Content-Length header is required")
            declared = len(exchange.body)
        if declared > self.config["allowed_payload_size"] * self._FACTORS[self.config["size_unit"]]:
            expects = str(headers.get("expect", "")).strip().lower() == "100-continue"
            raise exchange.error(417 if expects else 413, "Request size limit exceeded")


class RequestTransformer(Handler):
    """kong/plugins/request-transformer/access.lua, `transform_headers`; headers are taken off and nothing else."""

    NAME = "request-transformer"
    PRIORITY = 801
    OPTIONS: ClassVar[dict[str, Any]] = {
        "http_method": None,
        **dict.fromkeys(("remove", "rename", "replace", "add", "append"), None),
    }

    def check(self) -> None:
        self.require("http_method", None)
        for option in ("rename", "replace", "add", "append"):
            if any((self.config[option] or {}).values()):
                raise Unsupported(f"{self.NAME}: {option}")
        self.removed: list[str] = list((self.config["remove"] or {}).get("headers") or [])
        if any(value for name, value in (self.config["remove"] or {}).items() if name != "headers"):
            raise Unsupported(f"{self.NAME}: remove of more than headers")

    def access(self, exchange: Exchange) -> None:
        # `headers.host = nil` first: Host cannot be taken off.
        seen = set(exchange.request.table(MAX_HEADERS)) - {"host"}
        for name in self.removed:
            if name.lower() in seen:
                exchange.request.clear(name)
