"""The HTTP client of `verify`: single requests to a public name, at the address that `--resolve` gives for it.

TLS is verified against the public name in every case. No redirect is followed, no connection is reused (two names may
have one address), at most 1 MiB is read, and a request ends with its deadline whatever the peer does. MCP is spoken in
`conversation`.
"""

from __future__ import annotations

import asyncio
import ipaddress
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit

import httpx

from model.errors import InputError
from model.loopback import is_loopback
from wire.http import HttpPolicy, reason_of
from wire.json import parse
from wire.mcp_client import read_message, reply_in
from wire.sse import Event, Reader

MOST_BYTES = 1024 * 1024
USER_AGENT = "ringwall-verify"
_NO_CONNECTION = "no connection"
Headers = Sequence[tuple[str, str]]


class NoResponse(Exception):
    """Nobody answered; the text says how that looked."""


class NoConnection(NoResponse):
    """The connection itself was refused or could not be made: nothing listens there for us."""


@dataclass(frozen=True)
class Address:
    """The address of a public name; `port` None means the default port of the scheme."""

    host: str
    port: int | None = None


def parse_resolve(values: Iterable[str]) -> dict[str, Address]:
    """Parse values of the form ``name=addr[:port]``; raises InputError."""
    addresses: dict[str, Address] = {}
    for value in values:
        name, _, address = value.partition("=")
        name = name.strip().lower()
        host, port = _split(address)
        try:
            ipaddress.ip_address(host)
            number = None if port is None else int(port)
        except ValueError:
            number = 0
        if not name or (number is not None and not 0 < number < 65536) or name in addresses:
            problem = "names one host twice" if name in addresses else "is not NAME=ADDRESS[:PORT]"
            raise InputError(
                f"{value} {problem}", key="--resolve", remedy="write it such as mcp.example.com=127.0.0.1:8443"
            )
        addresses[name] = Address(host, number)
    return addresses


def _split(text: str) -> tuple[str, str | None]:
    if text.startswith("["):
        host, _, port = text[1:].partition("]")
        return host, port.removeprefix(":") or None
    if text.count(":") == 1:
        host, _, port = text.partition(":")
        return host, port
    return text, None


@dataclass(frozen=True)
class HttpResponse:
    """A response. `headers` have lower-case names; the values of a repeated header are joined by a comma."""

    status: int
    headers: Mapping[str, str] = field(repr=False)
    body: bytes = field(repr=False)
    #: ``Set-Cookie`` by name; values are secrets.
    cookies: Mapping[str, str] = field(default_factory=dict, repr=False)

    def json(self) -> Any:
        """The body as strict JSON; None when it is not."""
        try:
            return parse(self.body)
        except ValueError:
            return None

    def message(self, id_: int) -> dict[str, Any] | None:
        """The JSON-RPC answer to `id_`, from a JSON body or a stream of events; None when there is none."""
        if self.headers.get("content-type", "").startswith("text/event-stream"):
            return _answer_in(Reader(MOST_BYTES, forgiving=True).feed(self.body, last=True), id_)
        return read_message(self.body)


def _answer_in(events: Iterable[Event], id_: int) -> dict[str, Any] | None:
    return next((reply for event in events if (reply := reply_in(event.data or "", id_)) is not None), None)


class Client:
    """Sends requests to public names; an asynchronous context manager.

    Args:
        insecure_http: plain HTTP to resolved names. Loopback addresses only: raises InputError otherwise.
        timeout: seconds for one whole request.
    """

    def __init__(self, resolve: Mapping[str, Address], *, insecure_http: bool = False, timeout: float = 10.0) -> None:
        beyond = sorted(name for name, address in resolve.items() if not is_loopback(address.host))
        if insecure_http and (beyond or not resolve):
            raise InputError(
                f"plain HTTP to {beyond[0]} would show the tokens on the way"
                if beyond
                else "plain HTTP needs a loopback address",
                key="--insecure-http",
                remedy="give --resolve NAME=127.0.0.1:PORT for every public name, or leave it out",
            )
        self.resolve = dict(resolve)
        self.insecure_http = insecure_http
        self.timeout = timeout
        # A proxy of the environment would resolve the name itself and ignore --resolve.
        self._http = HttpPolicy(None, proxies=not resolve, system_roots=True).async_client(
            timeout=timeout, limits=httpx.Limits(max_keepalive_connections=0)
        )

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._http.aclose()

    def allows(self, url: str) -> str | None:
        """Say why a URL from a metadata document is not requested; None when it may be.

        Allowed are https URLs with a public host (MCP security best practices, on SSRF through metadata) and, when the whole
        run is on loopback, loopback URLs.
        """
        try:
            parts = urlsplit(url)
            host = parts.hostname or ""
            _ = parts.port
        except ValueError:
            return "is not a URL"
        if parts.username or parts.password or not host:
            return "holds credentials, or no host"
        if self.insecure_http and parts.scheme in ("http", "https") and (is_loopback(host) or host in self.resolve):
            return None
        if parts.scheme != "https":
            return "is not https"
        try:
            address = ipaddress.ip_address(host)
        except ValueError:
            return "is a loopback name" if host == "localhost" or host.endswith(".localhost") else None
        return None if address.is_global else "is an address that is not public"

    async def send(
        self,
        method: str,
        url: str,
        *,
        headers: Headers = (),
        body: bytes | None = None,
        answer_id: int | None = None,
    ) -> HttpResponse:
        """Send one request.

        Args:
            answer_id: stop reading a stream of events at the answer to this JSON-RPC id. Without an id a stream is not
                read at all, as it need not end.

        Raises:
            NoResponse: no connection, no verified TLS, no answer in time, or an answer of over 1 MiB.
        """
        parts = urlsplit(url)
        name = (parts.hostname or "").lower()
        address = self.resolve.get(name)
        extensions: dict[str, Any] = {}
        sent = list(headers)
        if all(name.lower() != "user-agent" for name, _ in headers):
            sent.insert(0, ("user-agent", USER_AGENT))
        if address is not None:
            plain = parts.scheme == "http" or self.insecure_http
            host = f"[{address.host}]" if ":" in address.host else address.host
            # A port that was given for https says nothing about the port of plain HTTP.
            fixed = address.port if parts.scheme == "https" else None
            port = parts.port or fixed
            url = f"{'http' if plain else 'https'}://{host}{f':{port}' if port else ''}{parts.path or '/'}"
            url += f"?{parts.query}" if parts.query else ""
            sent.insert(0, ("host", parts.netloc))
            extensions["sni_hostname"] = name
        request = self._http.build_request(method, url, headers=sent, content=body, extensions=extensions)
        try:
            async with asyncio.timeout(self.timeout):
                return await self._exchange(request, answer_id)
        except TimeoutError:
            raise NoResponse(f"no answer within {self.timeout:g} s") from None
        except httpx.HTTPError as error:
            reason = _reason(error)
            raise (NoConnection if reason == _NO_CONNECTION else NoResponse)(reason) from None

    async def _exchange(self, request: httpx.Request, answer_id: int | None) -> HttpResponse:
        response = await self._http.send(request, stream=True)
        try:
            body, reader = b"", Reader(MOST_BYTES, forgiving=True)
            streamed = response.headers.get("content-type", "").startswith("text/event-stream")
            if response.status_code != 101 and not (streamed and answer_id is None):
                async for chunk in response.aiter_bytes():
                    body += chunk
                    if len(body) > MOST_BYTES:
                        raise NoResponse("an answer of over 1 MiB")
                    if answer_id is not None and streamed and _answer_in(reader.feed(chunk), answer_id) is not None:
                        break
            return HttpResponse(response.status_code, dict(response.headers.items()), body, _cookies(response))
        finally:
            await response.aclose()


def _cookies(response: httpx.Response) -> dict[str, str]:
    cookies = {}
    for line in response.headers.get_list("set-cookie"):
        name, _, value = line.partition(";")[0].partition("=")
        cookies[name.strip()] = value.strip()
    return cookies


def _reason(error: httpx.HTTPError) -> str:
    text = str(error)
    if "CERTIFICATE_VERIFY_FAILED" in text:
        return reason_of(error)
    if isinstance(error, httpx.ConnectError):
        return _NO_CONNECTION
    return "no answer" if isinstance(error, httpx.TimeoutException) else f"no readable answer ({type(error).__name__})"
