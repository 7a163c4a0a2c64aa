"""openid-connect as it asks an issuer about each token, and rate-limiting-advanced, both of Kong's licensed editions.

Their source is not public, so this is written from Kong's schema and pages ("OpenID Connect": introspection, claims and
scopes required, caching; "Rate Limiting Advanced"), and strict where those are silent: any other value of an option than
the ones named here is refused. Every further option must have the default that the planned configuration writes out, which
`tests/components/gateway/test_licensed.py` holds to Kong's own schema.
"""

from __future__ import annotations

import http.client
import json
import re
import time
from base64 import b64encode
from dataclasses import dataclass
from typing import Any, ClassVar
from urllib.parse import quote_plus, urlencode, urlsplit

from components.gateway.licensed import openid_connect
from tests.support.kong_gateway.configuration import Configuration, Plugin, Unsupported
from tests.support.kong_gateway.counters import Counters
from tests.support.kong_gateway.exchange import Exchange, Exit, exit_with
from tests.support.kong_gateway.plugins.handler import Handler

#: The options whose value decides about a request here.
_READ = frozenset({
    "issuer", "issuers_allowed", "introspection_endpoint", "introspection_endpoint_auth_method", "client_id",
    "client_secret", "audience_required", "scopes_required", "cache_ttl", "cache_ttl_max", "cache_ttl_neg",
    "cache_ttl_resurrect", "bearer_token_header_name", "upstream_headers", "leeway",
})  # fmt: skip
_ONLY: dict[str, Any] = {
    "auth_methods": ["introspection"],
    "introspect_jwt_tokens": True,
    "introspection_check_active": True,
    "introspection_hint": "access_token",
    "bearer_token_param_type": ["header"],
    "using_pseudo_issuer": True,
    "cache_introspection": True,
    "verify_claims": True,
    "upstream_access_token_header": None,
    "credential_claim": ["iss"],
    "refresh_tokens": False,
    "ssl_verify": True,
}
_DEFAULTS = {**dict.fromkeys(openid_connect._UNSET.split()), **openid_connect._DEFAULTS}
_RECORDS = ("cluster_cache_redis", "redis")


@dataclass(frozen=True)
class _Verdict:
    """What the issuer said about a token, and until when that counts."""

    claims: dict[str, Any] | None
    until: float


class OpenidConnect(Handler):
    """One instance that introspects."""

    NAME = "openid-connect"
    PRIORITY = 1050
    OPTIONS: ClassVar[dict[str, Any]] = {**_DEFAULTS, **dict.fromkeys([*_READ, *_ONLY, *_RECORDS])}

    def __init__(self, plugin: Plugin, configuration: Configuration, counters: Counters) -> None:
        self._verdicts: dict[str, _Verdict] = {}
        super().__init__(plugin, configuration, counters)

    def check(self) -> None:
        for name in self.config:
            if name in _ONLY:
                self.require(name, _ONLY[name])
            elif name not in _READ and name not in _RECORDS:
                self.require(name, _DEFAULTS[name])
        self.require("introspection_endpoint_auth_method", "client_secret_basic", "client_secret_post")
        if len(self.config["client_id"]) != 1 or len(self.config["scopes_required"] or [""]) != 1:
            raise Unsupported(f"{self.NAME}: several clients, or scopes of which any would do")
        if self.config["issuers_allowed"] != [self.config["issuer"]]:
            raise Unsupported(f"{self.NAME}: issuers_allowed {self.config['issuers_allowed']}")

    def access(self, exchange: Exchange) -> None:
        header = exchange.request.all(self.config["bearer_token_header_name"])
        match = re.fullmatch(r"[Bb]earer (\S+)", header[0]) if len(header) == 1 else None
        claims = self._claims(match[1]) if match else None
        if claims is None or not self._is_valid(claims):
            raise self._refused(401, "Unauthorized", "invalid_token")
        audiences = claims.get("aud")
        listed = audiences if isinstance(audiences, list) else [audiences]
        if self.config["audience_required"] and not set(self.config["audience_required"]) & set(listed):
            raise self._refused(403, "Forbidden", "insufficient_scope")
        granted = str(claims.get("scope") or "").split()
        for wanted in self.config["scopes_required"] or ():
            if not set(wanted.split()) <= set(granted):
                raise self._refused(403, "Forbidden", "insufficient_scope")
        for item in self.config["upstream_headers"] or ():
            (claim,) = item["path"]
            exchange.request.set(item["header"], str(claims[claim]))

    def _claims(self, token: str) -> dict[str, Any] | None:
        """What the issuer says of an active token, asked again when the cached verdict has ended."""
        known = self._verdicts.get(token)
        if known is None or known.until <= time.monotonic():
            claims = self._ask(token)
            if claims is _UNANSWERED:
                return None
            positive = claims is not None
            lasts = float(self.config["cache_ttl" if positive else "cache_ttl_neg"])
            if positive and "exp" in claims:
                lasts = min(lasts, claims["exp"] - time.time())
            known = self._verdicts[token] = _Verdict(
                claims, time.monotonic() + min(lasts, self.config["cache_ttl_max"])
            )
        return known.claims

    def _ask(self, token: str) -> Any:
        """The issuer's word (RFC 7662), None for a token that is not active; `_UNANSWERED` where it says nothing."""
        where = urlsplit(self.config["introspection_endpoint"])
        client, secret = self.config["client_id"][0], self.configuration.resolved(self.config["client_secret"][0])
        form = {"token": token, "token_type_hint": "access_token"}
        headers = {"content-type": "application/x-www-form-urlencoded", "accept": "application/json"}
        if self.config["introspection_endpoint_auth_method"] == "client_secret_basic":
            credentials = f"{quote_plus(client)}:{quote_plus(secret)}"
            headers["authorization"] = f"Basic {b64encode(credentials.encode()).decode()}"
        else:
            form |= {"client_id": client, "client_secret": secret}
        connection = http.client.HTTPConnection(where.hostname or "", where.port, timeout=30)
        try:
            connection.request("POST", where.path, urlencode(form), headers)
            answer = connection.getresponse()
            document = json.loads(answer.read())
        except (OSError, ValueError):
            return _UNANSWERED
        finally:
            connection.close()
        if answer.status != 200 or not isinstance(document, dict):
            return _UNANSWERED
        return document if document.get("active") is True else None

    def _is_valid(self, claims: dict[str, Any]) -> bool:
        issuer, expires = claims.get("iss", self.config["issuer"]), claims.get("exp")
        return issuer == self.config["issuer"] and (expires is None or expires + self.config["leeway"] > time.time())

    def _refused(self, status: int, message: str, error: str) -> Exit:
        realm = urlsplit(self.config["issuer"]).hostname
        challenge = f'Bearer realm="{realm}", error="{error}"'
        return exit_with(status, {"message": message}, {"WWW-Authenticate": challenge})


_UNANSWERED = object()


class RateLimitingAdvanced(Handler):
    """Windows that slide, counted here in place of Redis: in each window as many requests as its limit."""

    NAME = "rate-limiting-advanced"
    PRIORITY = 910
    OPTIONS: ClassVar[dict[str, Any]] = dict.fromkeys((
        "compound_identifier", "consumer_groups", "counter_key", "dictionary_name", "disable_penalty",
        "enforce_consumer_groups", "error_code", "error_message", "header_name", "hide_client_headers", "identifier",
        "limit", "lock_dictionary_name", "namespace", "path", "redis", "retry_after_jitter_max", "strategy", "sync_rate",
        "throttling", "window_size", "window_type",
    ))  # fmt: skip

    def check(self) -> None:
        self.require("identifier", "header")
        self.require("window_type", "sliding")
        self.require("consumer_groups", None)
        self.require("disable_penalty", True)
        self._seen: dict[str, list[int]] = {}

    def access(self, exchange: Exchange) -> None:
        name = exchange.request.first(self.config["header_name"]) or exchange.client_ip
        seen = self._seen.setdefault(name, [])
        for limit, window in zip(self.config["limit"], self.config["window_size"], strict=True):
            if sum(moment > exchange.now - window for moment in seen) >= limit:
                raise exit_with(self.config["error_code"], {"message": self.config["error_message"]})
        seen.append(exchange.now)
