"""One request on its way through the plugins, and the answer it gets: what Kong's PDK gives a handler."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from uuid import uuid4

from tests.support.kong_gateway.configuration import Consumer, JwtCredential, KeyCredential, Service, Unsupported

#: `lua_max_req_headers`: Kong and its plugins see so many request headers.
MAX_HEADERS = 100
JSON = "application/json; charset=utf-8"


class Headers:
    """Headers in order, repeats included, names without regard to case."""

    def __init__(self, items: list[tuple[str, str]]) -> None:
        self._items = list(items)

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self._items)

    def all(self, name: str) -> list[str]:
        return [value for key, value in self._items if key.lower() == name.lower()]

    def first(self, name: str) -> str | None:
        """`get_header` of the PDK."""
        return next(iter(self.all(name)), None)

    def clear(self, name: str) -> None:
        self._items = [item for item in self._items if item[0].lower() != name.lower()]

    def set(self, name: str, value: str | list[str]) -> None:
        self.clear(name)
        self._items += [(name, one) for one in ([value] if isinstance(value, str) else value)]

    def add(self, name: str, value: str) -> None:
        self._items.append((name, value))

    def table(self, limit: int | None = None) -> dict[str, Any]:
        """`get_headers` of the PDK: small names, a repeated header is a list, the first `limit` headers only."""
        result: dict[str, Any] = {}
        for key, value in self._items[:limit]:
            held = result.get(key.lower())
            result[key.lower()] = value if held is None else [*([held] if isinstance(held, str) else held), value]
        return result


class Exit(Exception):
    """`kong.response.exit`: the access phase ends, the header_filter phase comes next."""

    def __init__(self, status: int, body: bytes = b"", headers: dict[str, str] | None = None) -> None:
        self.status, self.body, self.headers = status, body, headers or {}
        super().__init__(status)


def exit_with(status: int, document: Any, headers: dict[str, str] | None = None) -> Exit:
    """`kong.response.exit(status, table, headers)`: cjson writes the table without spaces."""
    body = json.dumps(document, separators=(",", ":")).encode()
    return Exit(status, body, {"Content-Type": JSON, **(headers or {})})


@dataclass
class Exchange:
    """`now` is ngx.time(); `original` are the client's headers, `request` those for the upstream."""

    service: Service
    method: str
    host: str
    path: str
    query: str
    request: Headers
    body: bytes
    client_ip: str
    now: int
    request_id: str = field(default_factory=lambda: uuid4().hex)
    consumer: Consumer | None = None
    credential: JwtCredential | KeyCredential | None = None
    #: Answer headers set before there is an answer (`kong.response.set_header` in the access phase).
    early: Headers = field(default_factory=lambda: Headers([]))
    status: int = 0
    response: Headers = field(default_factory=lambda: Headers([]))
    #: `kong.ctx.plugin`, by plugin.
    context: dict[str, dict[str, Any]] = field(default_factory=dict)
    #: `kong.service.set_target` and `kong.service.request.set_path`: in place of the service's target and the routed path.
    address: tuple[str, int] | None = None
    upstream_path: str | None = None
    preserve_host: bool = True

    def error(self, status: int, message: str, headers: dict[str, str] | None = None) -> Exit:
        """`kong.response.error` (kong/pdk/response.lua): the format follows Accept; only JSON is written here."""
        accept = self.request.first("accept") or "*/*"
        kinds = [part.partition(";")[0].strip().lower() for part in accept.split(",")]
        if not {"application/json", "*/*", "application/*"} & set(kinds):
            raise Unsupported(f"an error page for Accept: {accept}")
        body = f'{{\n  "message":{json.dumps(message)},\n  "request_id":"{self.request_id}"\n}}'
        return Exit(status, body.encode(), {"Content-Type": JSON, **(headers or {})})

    def failure(self) -> Exit:
        """What a handler that raises ends in."""
        return exit_with(500, {"message": "An unexpected error occurred"})

    def authenticate(self, consumer: Consumer, credential: JwtCredential | KeyCredential, identifier: str) -> None:
        """`set_consumer` of the authentication plugins."""
        self.consumer, self.credential = consumer, credential
        told = {
            "X-Consumer-ID": consumer.id,
            "X-Consumer-Custom-ID": consumer.custom_id,
            "X-Consumer-Username": consumer.username,
            "X-Credential-Identifier": identifier,
            "X-Anonymous-Consumer": None,
        }
        for name, value in told.items():
            if value is None:
                self.request.clear(name)
            else:
                self.request.set(name, value)
