"""One HTTP policy: which certificates are trusted, when a proxy may be used, how much of an answer is read, and how a
failure is described.

Every httpx client is made here. Code on another library (the guard's way to its server, scan, the probe) connects to this
machine or to pinned addresses and uses no proxy at all.

| Connection | Proxy of the environment |
|---|---|
| to loopback | never: it must not see a token on its way to this very machine |
| issuers' keys, token endpoints, Cloudflare, Kong's Admin API, GitHub, downloads, audit collector | HTTPS_PROXY, NO_PROXY |
| `verify` at a public name | HTTPS_PROXY, NO_PROXY; never with `--resolve`, which says where that name is |
| a verdict engine, a bundle's address, the guard's own server | never: pinned, key and text go there or nowhere |

Trust is the same for every connection: SSL_CERT_FILE and SSL_CERT_DIR where they are set (a company's own authority), as
OpenSSL reads them, else the authorities that come with certifi (`verify`: the system's). No redirect is followed, because
another address would give the answer; the one exception is a download without a credential that is checked by its digest.
No cookie is kept. Answers are asked for uncompressed, so that a limit counts the bytes that are kept, and every body is read
up to a limit.
"""

from __future__ import annotations

import os
import ssl
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from http.cookiejar import CookieJar, DefaultCookiePolicy
from typing import Any
from urllib.parse import urlsplit

import httpx

from model.errors import InputError
from model.loopback import is_loopback
from wire.json import parse

MAX_REDIRECTS = 5
#: What shows that a file or folder is another: its place on the disk, its size and when it was written.
_Stamp = tuple[int, int, int] | None
_DEFAULT_LIMITS = httpx.Limits(max_connections=100, max_keepalive_connections=20)


class RefusedAnswer(httpx.HTTPError):
    """An answer that is not read to its end: too long, or compressed although that was not offered."""


class HttpPolicy:
    """Makes the clients for one address. Policies that trust the same authorities share what was read of them.

    Args:
        url: the address the clients ask; None for several.
        proxies: whether a proxy of the environment may stand between; never on the way to loopback.
        ca_file: names the only authority trusted.
        redirects: follow them, from https to https alone. For downloads without a credential.
        system_roots: trust the system's authorities instead of certifi's, as a browser on this machine would.

    Raises:
        InputError: the authorities to trust cannot be read.
    """

    def __init__(
        self,
        url: str | None,
        *,
        proxies: bool,
        ca_file: str | None = None,
        redirects: bool = False,
        system_roots: bool = False,
    ) -> None:
        self._context = _shared_context(ca_file, system_roots)
        self._proxies = proxies and not (url is not None and is_loopback(urlsplit(url).hostname or ""))
        self._redirects = redirects

    def client(
        self,
        *,
        timeout: float | httpx.Timeout,
        headers: Mapping[str, str] | None = None,
        base_url: str = "",
        limits: httpx.Limits = _DEFAULT_LIMITS,
    ) -> httpx.Client:
        """A synchronous client, to be closed by its owner."""
        return httpx.Client(
            event_hooks={"request": [_without_downgrade]} if self._redirects else None,
            **self._options(timeout, headers, base_url, limits),
        )

    def async_client(
        self,
        *,
        timeout: float | httpx.Timeout,
        headers: Mapping[str, str] | None = None,
        limits: httpx.Limits = _DEFAULT_LIMITS,
    ) -> httpx.AsyncClient:
        """An asynchronous client, to be closed by its owner. It follows no redirect in any case."""
        return httpx.AsyncClient(**{**self._options(timeout, headers, "", limits), "follow_redirects": False})

    def _options(
        self, timeout: float | httpx.Timeout, headers: Mapping[str, str] | None, base_url: str, limits: httpx.Limits
    ) -> dict[str, Any]:
        return {
            "verify": self._context,
            # With a context given this decides about proxies alone.
            "trust_env": self._proxies,
            "follow_redirects": self._redirects,
            "max_redirects": MAX_REDIRECTS,
            # httpx looks at NO_PROXY only, which need not name this machine. None is the client's direct way.
            "mounts": {f"all://{name}": None for name in ("localhost", "127.0.0.1", "[::1]")},
            "cookies": CookieJar(DefaultCookiePolicy(allowed_domains=[])),
            "headers": {"accept-encoding": "identity", **(headers or {})},
            "timeout": timeout,
            "base_url": base_url,
            "limits": limits,
        }


def _without_downgrade(request: httpx.Request) -> None:
    if request.url.scheme != "https" and not is_loopback(request.url.host):
        raise RefusedAnswer("a redirect leads from https to plain HTTP")


@dataclass(frozen=True)
class HttpAnswer:
    """A whole answer within its limit; `url` is where it came from."""

    status: int
    headers: httpx.Headers = field(repr=False)
    body: bytes = field(repr=False)
    url: str

    def json(self) -> Any:
        """The body as strict JSON; raises ValueError."""
        return parse(self.body)

    def member(self, name: str) -> Any:
        """A member of the body where it is one JSON object, else None."""
        try:
            value = self.json()
        except ValueError:
            return None
        return value.get(name) if isinstance(value, dict) else None


def exchange(client: httpx.Client, method: str, url: str, *, limit: int, deadline: float, **request: Any) -> HttpAnswer:
    """Send one request and read its whole answer: at most `limit` bytes in `deadline` seconds.

    Raises:
        RefusedAnswer: it is longer, or compressed.
        httpx.HTTPError: no answer, or none in time.
    """
    until = time.monotonic() + deadline
    with client.stream(method, url, **request) as answer:
        return HttpAnswer(answer.status_code, answer.headers, read_body(answer, limit, until), str(answer.url))


def read_body(answer: httpx.Response, limit: int, until: float, write: Callable[[bytes], Any] | None = None) -> bytes:
    """The body of an answer that is being streamed, before `until` (`time.monotonic` seconds); raises as `exchange`.

    Given `write`, each piece goes there instead, and what is returned is empty.
    """
    body, size = bytearray(), 0
    _refuse_compressed(answer)
    for piece in answer.iter_raw():
        size += len(piece)
        _refuse_long(size, limit)
        if time.monotonic() > until:
            raise httpx.ReadTimeout("the whole answer took too long")
        if write is None:
            body += piece
        else:
            write(piece)
    return bytes(body)


async def read_body_async(answer: httpx.Response, limit: int) -> bytes:
    """As `read_body`; the caller sets the deadline with `asyncio.timeout`. Raises RefusedAnswer."""
    body = bytearray()
    _refuse_compressed(answer)
    async for piece in answer.aiter_raw():
        body += piece
        _refuse_long(len(body), limit)
    return bytes(body)


def _refuse_compressed(answer: httpx.Response) -> None:
    if answer.headers.get("content-encoding", "identity") != "identity":
        raise RefusedAnswer("its answer is compressed although that was not offered")


def _refuse_long(length: int, limit: int) -> None:
    if length > limit:
        units = (("MiB", 2**20, 4 * 2**20), ("KiB", 2**10, 2**10))
        shown = next((f"{limit // size} {unit}" for unit, size, least in units if limit >= least), f"{limit} bytes")
        raise RefusedAnswer(f"its answer is over {shown}")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds to wait as `Retry-After` says (RFC 9110 section 10.2.3); None without one, or where it names a date."""
    return whole_seconds(headers.get("retry-after"))


def whole_seconds(text: str | None) -> float | None:
    """A header's number of seconds; None for anything else."""
    text = text.strip() if text is not None else ""
    return float(text) if text.isascii() and text.isdigit() and len(text) <= 12 else None


def tls_context(ca_file: str | None = None, *, system_roots: bool = False) -> ssl.SSLContext:
    """The authorities that are trusted, in a context of the caller's own.

    Raises:
        InputError: a file or folder that is named does not hold certificates.
    """
    file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    if ca_file is not None:
        return _context("the file of authorities", ca_file, None)
    if file or folder:
        return _context("SSL_CERT_FILE" if file else "SSL_CERT_DIR", file or None, folder or None)
    return ssl.create_default_context() if system_roots else httpx.create_ssl_context(trust_env=False)


#: What was read of the authorities of a (file named, SSL_CERT_FILE, SSL_CERT_DIR, the system's), and how those were then.
_contexts: dict[tuple[str | None, str | None, str | None, bool], tuple[list[_Stamp], ssl.SSLContext]] = {}


def _shared_context(ca_file: str | None, system_roots: bool) -> ssl.SSLContext:
    """`tls_context`, read again where what is named has changed: a reading takes 25 ms and a megabyte, and a host of many
    guards makes some for each of them."""
    named = (ca_file, os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR"))
    stamps = [_stamp(path) for path in named]
    before, context = _contexts.get((*named, system_roots), (None, None))
    if context is None or before != stamps:
        context = tls_context(ca_file, system_roots=system_roots)
        _contexts[*named, system_roots] = (stamps, context)
    return context


def _stamp(path: str | None) -> _Stamp:
    if not path:
        return None
    try:
        status = os.stat(path)
    except OSError:
        return None
    return status.st_ino, status.st_size, status.st_mtime_ns


def _context(name: str, file: str | None, folder: str | None) -> ssl.SSLContext:
    shown = file or folder
    if folder and not os.path.isdir(folder):
        # OpenSSL takes a folder that is not there for one without certificates.
        raise InputError(f"SSL_CERT_DIR names {folder}, which is no folder", remedy="correct the variable, or unset it")
    try:
        return ssl.create_default_context(cafile=file, capath=folder)
    except OSError as error:
        reason = error.strerror if not isinstance(error, ssl.SSLError) else "it holds no certificate"
        raise InputError(
            f"{name} names {shown}, which cannot be used ({reason})", remedy="correct it, or unset the variable"
        ) from None


#: OpenSSL's codes for an issuer that is not known (x509_vfy.h: X509_V_ERR_UNABLE_TO_…, …_SELF_SIGNED_CERT…).
_UNKNOWN_ISSUER = frozenset({2, 18, 19, 20, 21})
#: And for what it refuses in its strict mode alone, which is Python's from 3.13 on (…_PATHLEN_INVALID_FOR_NON_CA to
#: …_EC_KEY_EXPLICIT_PARAMS).
_AGAINST_RFC_5280 = range(80, 95)


def _what_is_wrong(error: ssl.SSLCertVerificationError) -> str:
    """In OpenSSL's words, and what to do where they do not say it."""
    message = error.verify_message.removesuffix(".")
    if error.verify_code in _UNKNOWN_ISSUER:
        trusted = " or ".join(name for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if os.environ.get(name))
        remedy = (
            f"no authority in {trusted} signed it" if trusted else "name a company's own authority in SSL_CERT_FILE"
        )
        return f"{message}; {remedy}"
    if error.verify_code in _AGAINST_RFC_5280:
        rule = "Python 3.13 and later hold certificates to RFC 5280"
        return f"{message}; {rule}: it, or its authority's, has to be issued anew"
    return message


def reason_of(error: BaseException) -> str:
    """Why a request failed, in few words and without anything that was sent: an error of an HTTP library may quote it.

    A certificate is called one: httpx raises ConnectError for it as for a closed port.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            return f"its certificate is not trusted: {_what_is_wrong(cause)}"
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, RefusedAnswer):
        return str(error)
    if isinstance(error, httpx.ProxyError):
        return "the proxy of HTTPS_PROXY or HTTP_PROXY does not let it through"
    return "timeout" if isinstance(error, httpx.TimeoutException | TimeoutError) else type(error).__name__
