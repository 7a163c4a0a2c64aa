"""pre-function: the configured Lua itself, run on LuaJIT in Kong's sandbox."""

from __future__ import annotations

from typing import Any, ClassVar

from tests.support.kong_gateway.configuration import Unsupported
from tests.support.kong_gateway.exchange import Exchange, exit_with
from tests.support.kong_gateway.plugins.handler import Handler
from tests.support.kong_lua_runtime import Kong, Outcome

_PHASES = ("certificate", "rewrite", "access", "header_filter", "body_filter", "log")


class PreFunction(Handler):
    """kong/plugins/pre-function/handler.lua. A chunk that raises is a 500: what it guards stays closed."""

    NAME = "pre-function"
    PRIORITY = 1000000
    OPTIONS: ClassVar[dict[str, Any]] = {phase: [] for phase in _PHASES}
    ADDED: ClassVar[dict[str, Any]] = {
        f"ws_{phase}": [] for phase in ("client_frame", "close", "handshake", "upstream_frame")
    }

    def check(self) -> None:
        for phase in _PHASES:
            if self.config[phase] and phase not in ("access", "header_filter"):
                raise Unsupported(f"{self.NAME}: {phase}")

    def _run(self, source: str, exchange: Exchange) -> Outcome:
        request = exchange.request.table()
        kong = Kong(
            headers=request,
            method=exchange.method,
            host=exchange.host,
            path=exchange.path,
            query=exchange.query,
            now=exchange.now,
            status=exchange.status,
            response_headers=exchange.response.table(),
            authenticated=exchange.credential is not None,
            body=exchange.body.decode("latin-1"),
        )
        outcome = kong.run(source)
        for name in request.keys() - outcome.request_headers.keys():
            exchange.request.clear(name)
        for name, value in outcome.request_headers.items():
            if request.get(name) != value:
                exchange.request.set(name, value)
        return outcome

    def access(self, exchange: Exchange) -> None:
        for source in self.config["access"]:
            outcome = self._run(source, exchange)
            if outcome.status is not None:
                raise exit_with(outcome.status, {"message": outcome.message}, outcome.response_headers)

    def header_filter(self, exchange: Exchange) -> None:
        for source in self.config["header_filter"]:
            before = exchange.response.table()
            for name, value in self._run(source, exchange).response_headers.items():
                if before.get(name) != value:
                    exchange.response.set(name, value)
