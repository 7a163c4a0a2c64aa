"""One HTTP policy: whose certificates are trusted, when a proxy may stand between, and how a failure is told.

| Road | Proxy of the environment |
|---|---|
| to loopback, wherever it leads | never: it must not see a token on its way to this very machine |
| issuers' keys, Cloudflare, Kong's Admin API, GitHub, downloads, the audit log's collector | HTTPS_PROXY, NO_PROXY |
| a verdict engine, a bundle's address, the guard's own server | never: pinned, key and text go there or nowhere |

Trust is the same on every road: SSL_CERT_FILE and SSL_CERT_DIR where they are set (a company's own authority), as OpenSSL
reads them, else the authorities that come with certifi. No redirect is followed: another address would give the answer.
"""

from __future__ import annotations

import os
import ssl
from typing import TypedDict
from urllib.parse import urlsplit

import httpx

from model.base import is_loopback
from model.errors import InputError


class ClientOptions(TypedDict):
    """Keyword arguments of `httpx.Client` and `httpx.AsyncClient`."""

    verify: ssl.SSLContext
    trust_env: bool
    follow_redirects: bool
    mounts: dict[str, None]


def client_options(url: str | None, *, proxies: bool, ca_file: str | None = None) -> ClientOptions:
    """How a client for `url` is made (None: for several addresses). `ca_file` names the only authority trusted.

    Raises:
        InputError: the authorities to trust cannot be read.
    """
    here = url is not None and is_loopback(urlsplit(url).hostname or "")
    return {
        "verify": tls_context(ca_file),
        # With a context given this decides about proxies alone.
        "trust_env": proxies and not here,
        "follow_redirects": False,
        # httpx looks at NO_PROXY only, which need not name this machine. None is the client's direct way.
        "mounts": {f"all://{name}": None for name in ("localhost", "127.0.0.1", "[::1]")},
    }


def tls_context(ca_file: str | None = None) -> ssl.SSLContext:
    """Who is trusted. Reading it takes long enough to keep it where many clients are made.

    Raises:
        InputError: a file or folder that is named does not hold certificates.
    """
    file, folder = os.environ.get("SSL_CERT_FILE"), os.environ.get("SSL_CERT_DIR")
    if ca_file is not None:
        return _context("the file of authorities", ca_file, None)
    if file or folder:
        return _context("SSL_CERT_FILE" if file else "SSL_CERT_DIR", file or None, folder or None)
    return httpx.create_ssl_context(trust_env=False)


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


def reason_of(error: BaseException) -> str:
    """Why a request failed, in few words and without anything that was sent: an error of an HTTP library may quote it.

    A certificate is called one: httpx raises ConnectError for it as for a closed port.
    """
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, ssl.SSLCertVerificationError):
            trusted = " or ".join(name for name in ("SSL_CERT_FILE", "SSL_CERT_DIR") if os.environ.get(name))
            where = f"not by {trusted}" if trusted else "a company's own authority is named by SSL_CERT_FILE"
            return f"its certificate is not trusted: {cause.verify_message}; {where}"
        cause = cause.__cause__ or cause.__context__
    if isinstance(error, httpx.ProxyError):
        return "the proxy of HTTPS_PROXY or HTTP_PROXY does not let it through"
    return "timeout" if isinstance(error, httpx.TimeoutException | TimeoutError) else type(error).__name__
