"""Where the sign-in of a client may return to: which redirect URIs may be written into Access's list, and which never.

Forms: Cloudflare One docs, "Managed OAuth settings" (read 2026-11-26): exact URIs, http and https paths that end in `/*`,
and private-use schemes, which match exactly and hold no wildcard, credentials or fragment. Loopback is allowed by two
settings of its own, for localhost and for 127.0.0.1, each for every port and path. Whoever can receive a redirect of a
listed form receives the code of whoever signs in, so what many can receive is refused here.
"""

from __future__ import annotations

import re
from typing import Annotated, Literal

from pydantic import AfterValidator

from model.base import split_url
from model.loopback import is_loopback
from model.problems import Wrong

MAX_LENGTH = 2048
_HOST = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_SCHEME = re.compile(r"[a-z][a-z0-9+.-]{0,62}")
#: Schemes that a browser or the system runs, reads or hands to a service of many: none returns to one program.
_SHARED_SCHEMES = frozenset(
    ("about", "blob", "chrome", "data", "edge", "feed", "file", "filesystem", "ftp", "intent", "jar", "javascript", "mailto",
     "market", "ms-settings", "resource", "sms", "smsto", "steam", "tel", "urn", "vbscript", "view-source", "wasm", "ws",
     "wss")
)  # fmt: skip
_DOTS = re.compile(r"/(\.|%2e){1,2}(/|$)", re.IGNORECASE)

LoopbackHost = Literal["localhost", "127.0.0.1"]


def check_redirect_uri(uri: str) -> str:
    """The URI itself where it may be written into Access's list; raises Wrong."""
    if len(uri) > MAX_LENGTH:
        raise Wrong(f"is longer than {MAX_LENGTH} characters", "write the URI that the client registers")
    scheme = uri.partition(":")[0]
    if scheme.lower() in _SHARED_SCHEMES:
        raise Wrong(
            f"returns by {scheme.lower()}:, which no client alone receives", "write the client's own redirect URI"
        )
    if not _SCHEME.fullmatch(scheme):
        raise Wrong("must begin with a scheme in lower case", "write it such as https://app.example.com/oauth/callback")
    parts = split_url(uri)
    if "*" in parts.query or "*" in parts.path.removesuffix("/*"):
        raise Wrong("holds * elsewhere than as its last path segment", "end it in /*, or write it exactly")
    if scheme in ("http", "https"):
        return _web(uri)
    if "*" in uri:
        raise Wrong("holds *, and Access takes a private scheme exactly or not at all", "write each URI exactly")
    # RFC 8252 section 7.1: a private scheme is a domain turned round (com.example.app:/callback). Shorter ones, which any
    # program may claim, name the program they belong to: cursor://anysphere.cursor-mcp/…
    if not parts.netloc and not ("." in scheme and parts.path.startswith("/")):
        raise Wrong(
            "names no program: anything on the machine may claim the scheme",
            "write the authority too, such as cursor://anysphere.cursor-mcp/oauth/callback",
        )
    return uri


def _web(uri: str) -> str:
    parts = split_url(uri)
    authority, host = parts.netloc, parts.hostname or ""
    if "*" in authority:
        raise Wrong("holds * in its host: anyone with such a name receives sign-ins", "write each host by name")
    if authority != authority.lower():
        raise Wrong("holds capitals in its host, which Access compares as written", "write it in lower case")
    if parts.scheme == "http" and loopback_host(uri) is None:
        if is_loopback(host):
            raise Wrong(
                f"names {host}, and Access allows loopback as localhost or 127.0.0.1 only",
                "write http://127.0.0.1 with the client's path",
            )
        raise Wrong("is http beyond loopback: whoever is on the way reads the code", "use https")
    if not (_HOST.fullmatch(host) or ":" in host):
        raise Wrong("names no host", "write it such as https://app.example.com/oauth/callback")
    if _DOTS.search(parts.path):
        raise Wrong("holds a . or .. in its path", "write the path that is meant")
    if parts.path == "/*" and loopback_host(uri) is None:
        raise Wrong(
            f"lets every page of {host} receive sign-ins",
            f"name the client's path, such as https://{authority}/oauth/callback or https://{authority}/oauth/*",
        )
    return uri


def loopback_host(uri: str) -> LoopbackHost | None:
    """The host of a URI that Access allows by its setting for that host; None for every other URI."""
    if not uri.startswith("http://"):
        return None
    host = split_url(uri).hostname
    return "localhost" if host == "localhost" else "127.0.0.1" if host == "127.0.0.1" else None


def is_wide(uri: str) -> bool:
    """Whether a URI stands for every page below a path."""
    return uri.endswith("/*")


def _hosted(uri: str) -> str:
    if not uri.startswith("https://"):
        raise Wrong(
            "must be https: a hosted client runs in its vendor's cloud", "write the vendor's own https redirect URI"
        )
    return check_redirect_uri(uri)


RedirectUri = Annotated[str, AfterValidator(check_redirect_uri)]
#: Of a client that runs in its vendor's cloud.
HostedRedirectUri = Annotated[str, AfterValidator(_hosted)]
