"""cors and request-termination: what answers without the upstream."""

from __future__ import annotations

from typing import Any, ClassVar
from urllib.parse import urlsplit

from tests.support.kong_gateway.configuration import Unsupported
from tests.support.kong_gateway.exchange import Exchange, Exit, Headers, exit_with
from tests.support.kong_gateway.plugins.handler import Handler

_PORTS = {"http": "80", "https": "443"}


def _normalized(origin: str) -> str:
    """`normalize_origin`: without the scheme's own port."""
    parts = urlsplit(origin)
    if not parts.hostname:
        return origin
    port = parts.netloc.rpartition(":")[2] if ":" in parts.netloc else ""
    shown = f":{port}" if port and _PORTS.get(parts.scheme) != port else ""
    return f"{parts.scheme}://{parts.hostname}{shown}"


class Cors(Handler):
    """kong/plugins/cors/handler.lua. With one origin every answer names it, to strangers too: the browser refuses."""

    NAME = "cors"
    PRIORITY = 2000
    OPTIONS: ClassVar[dict[str, Any]] = {
        "origins": None,
        "headers": None,
        "exposed_headers": None,
        "methods": ["GET", "HEAD", "PUT", "PATCH", "POST", "DELETE", "OPTIONS", "TRACE", "CONNECT"],
        "max_age": None,
        "credentials": False,
        "private_network": False,
        "preflight_continue": False,
    }

    def check(self) -> None:
        self.require("credentials", False)
        self.require("private_network", False)
        self.require("preflight_continue", False)
        origins = self.config["origins"]
        if not origins or any(set(one) & set("*^$()[]\\|+?") for one in origins):
            raise Unsupported(f"{self.NAME}: origins {origins}")
        if not self.config["headers"]:
            raise Unsupported(f"{self.NAME}: no headers")

    def _allow(self, answer: Headers, origin: str | None) -> None:
        origins = self.config["origins"]
        if len(origins) == 1:
            return answer.set("Access-Control-Allow-Origin", origins[0])
        if origin is not None and _normalized(origin) in {_normalized(one) for one in origins}:
            return answer.set("Access-Control-Allow-Origin", _normalized(origin))
        return answer.clear("Access-Control-Allow-Origin")

    def access(self, exchange: Exchange) -> None:
        origin = exchange.request.first("origin")
        if exchange.method != "OPTIONS" or not origin or not exchange.request.first("access-control-request-method"):
            return
        exchange.context[self.NAME] = {"skip": True}
        exchange.early.set("Vary", "Origin")
        self._allow(exchange.early, origin)
        exchange.early.set("Access-Control-Allow-Headers", ",".join(self.config["headers"]))
        exchange.early.set("Access-Control-Allow-Methods", ",".join(self.config["methods"]))
        if self.config["max_age"] is not None:
            exchange.early.set("Access-Control-Max-Age", str(self.config["max_age"]))
        raise Exit(200)

    def header_filter(self, exchange: Exchange) -> None:
        if self.NAME in exchange.context:
            return
        exchange.response.add("Vary", "Origin")
        self._allow(exchange.response, exchange.request.first("origin"))
        if self.config["exposed_headers"]:
            exchange.response.set("Access-Control-Expose-Headers", ",".join(self.config["exposed_headers"]))


class RequestTermination(Handler):
    """kong/plugins/request-termination/handler.lua."""

    NAME = "request-termination"
    PRIORITY = 2
    OPTIONS: ClassVar[dict[str, Any]] = {
        "status_code": 503,
        "message": None,
        "content_type": None,
        "body": None,
        "echo": False,
        "trigger": None,
    }

    def check(self) -> None:
        self.require("echo", False)
        self.require("trigger", None)

    def access(self, exchange: Exchange) -> None:
        status, body = self.config["status_code"], self.config["body"]
        if body:
            raise Exit(
                status,
                body.encode(),
                {"Content-Type": self.config["content_type"] or "application/json; charset=utf-8"},
            )
        message = self.config["message"] or ("Service unavailable" if status == 503 else None)
        raise exit_with(status, {"message": message}) if message else Exit(status)
