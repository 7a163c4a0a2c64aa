"""Dynamic client registration of Cloudflare Access (managed OAuth), as far as its page says, and strict where it is silent.

Sources: the provider's schema (`ZeroTrustAccessApplication`, `oauthConfiguration.dynamicClientRegistration`); Cloudflare One
docs, "Managed OAuth settings", read 2026-11-26; RFC 7591 for bodies and errors. Silent there, hence strict here: a
registration with a single URI that is not allowed is refused whole; `localhost` and `127.0.0.1` each need their own setting;
`/*` never matches a path with dot segments or encoded dots and slashes; a host, a port and a scheme are compared as
written.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

_METHODS = ("none", "client_secret_basic", "client_secret_post")
_KEYS = {"enabled", "allowAnyOnLocalhost", "allowAnyOnLoopback", "allowedUris"}


@dataclass
class AccessRegistration:
    """`settings` are the inputs of `dynamicClientRegistration` as a plan holds them; raises ValueError where Access would
    refuse them."""

    settings: Mapping[str, Any]
    registered: dict[str, dict[str, Any]] = field(default_factory=dict)
    _numbers: Any = field(default_factory=lambda: itertools.count(1))

    def __post_init__(self) -> None:
        if set(self.settings) - _KEYS:
            raise ValueError(f"unknown settings {sorted(set(self.settings) - _KEYS)}")
        for uri in self.settings.get("allowedUris") or ():
            parts = urlsplit(uri)
            web = parts.scheme in ("http", "https")
            wildcard = "*" in (uri[:-2] if web and uri.endswith("/*") else uri)
            if not parts.scheme or wildcard or parts.fragment or "@" in parts.netloc or (web and not parts.hostname):
                raise ValueError(f"no form of a redirect URI that Access takes: {uri}")

    def register(self, document: Any) -> tuple[int, dict[str, Any]]:
        """Status and body of the answer to one `POST` of a registration."""
        if not self.settings.get("enabled"):
            return 404, {"error": "not_found"}
        if not isinstance(document, dict):
            return 400, {"error": "invalid_client_metadata", "error_description": "not a JSON object"}
        uris = document.get("redirect_uris")
        if not isinstance(uris, list) or not uris or not all(isinstance(uri, str) for uri in uris):
            return 400, {"error": "invalid_redirect_uri", "error_description": "redirect_uris is missing or empty"}
        if document.get("token_endpoint_auth_method", "client_secret_basic") not in _METHODS:
            return 400, {"error": "invalid_client_metadata", "error_description": "token_endpoint_auth_method"}
        for uri in uris:
            if not self.allows(uri):
                return 400, {"error": "invalid_redirect_uri", "error_description": f"not allowed: {uri}"}
        client_id = f"client-{next(self._numbers)}"
        self.registered[client_id] = document
        return 201, {"client_id": client_id, **document}

    def allows(self, uri: str) -> bool:
        """Whether one redirect URI may be registered."""
        try:
            parts = urlsplit(uri)
            port = parts.port
        except ValueError:
            return False
        if not parts.scheme or parts.fragment or "@" in parts.netloc or port == 0:
            return False
        loopback = {"localhost": "allowAnyOnLocalhost", "127.0.0.1": "allowAnyOnLoopback"}.get(parts.hostname or "")
        if parts.scheme == "http" and loopback and self.settings.get(loopback):
            return True
        return any(_matches(uri, form) for form in self.settings.get("allowedUris") or ())


def _matches(uri: str, form: str) -> bool:
    if not form.endswith("/*"):
        return uri == form
    parts, listed = urlsplit(uri), urlsplit(form)
    encoded = parts.path.lower()
    crooked = {".", ".."} & set(parts.path.split("/")) or any(code in encoded for code in ("%2e", "%2f", "%5c", "\\"))
    return (
        (parts.scheme, parts.netloc) == (listed.scheme, listed.netloc)
        and not crooked
        and parts.path.startswith(listed.path[:-1])
        and len(parts.path) > len(listed.path) - 1
    )
