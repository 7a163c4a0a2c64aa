"""What Cloudflare and its provider refuse before anything is created: one function per resource type, inputs → problems."""

from __future__ import annotations

import base64
import binascii
import re
from collections.abc import Iterator
from typing import Final
from urllib.parse import urlsplit

from sandbox.behaviour import allowed_values, exactly_one, is_unknown, objects, text
from sandbox.schema import Problem
from sandbox.wire import Props, reveal

_HEX32: Final = re.compile(r"^[0-9a-f]{32}$")
_API_TOKEN: Final = re.compile(r"^[0-9A-Za-z_-]{40,80}$")


def tunnel(props: Props) -> Iterator[Problem]:
    yield from allowed_values(props, "configSrc", ("local", "cloudflare"))
    secret = reveal(props.get("tunnelSecret"))
    if isinstance(secret, str):
        try:
            size = len(base64.b64decode(secret, validate=True))
        except binascii.Error:
            size = 0
        if size < 32:
            yield Problem("tunnelSecret", "must be at least 32 bytes encoded as base64")


def tunnel_config(props: Props) -> Iterator[Problem]:
    """cloudflared's ingress validation (`ingress/ingress.go`): catch-all last and only last, origins without a path."""
    config = props.get("config")
    rules = config.get("ingresses") if isinstance(config, dict) else None
    if not isinstance(rules, list) or not rules:
        return
    for index, rule in enumerate(rules):
        if not isinstance(rule, dict):
            continue
        path, last = f"config.ingresses[{index}]", index == len(rules) - 1
        hostname, catches_all = rule.get("hostname"), rule.get("hostname") in (None, "", "*") and not rule.get("path")
        if last and not catches_all:
            yield Problem(path, "the last ingress rule must match all URLs (no hostname, no path)")
        if not last and catches_all:
            yield Problem(path, f"rule {index + 1} matches all URLs, so the rules after it would never run")
        if isinstance(hostname, str) and "*" in hostname[1:]:
            yield Problem(f"{path}.hostname", "a wildcard may only stand at the start")
        service = text(rule, "service")
        if service is not None:
            yield from _origin(service, f"{path}.service")


def _origin(service: str, path: str) -> Iterator[Problem]:
    if service in ("hello_world", "hello-world", "bastion", "socks-proxy") or service.startswith("unix:"):
        return
    if service.startswith("http_status:"):
        if not re.fullmatch(r"http_status:[1-9]\d\d", service):
            yield Problem(path, f"{service} is not a valid HTTP status code")
        return
    parts = urlsplit(service)
    if not parts.scheme or not parts.netloc:
        yield Problem(path, f"{service} is an invalid address, please make sure it has a scheme and a hostname")
    elif parts.path:
        yield Problem(
            path,
            f"{service} is an invalid address, ingress rules don't support proxying to a different path on the origin",
        )


def dns(props: Props) -> Iterator[Problem]:
    yield from allowed_values(
        props, "type", ("A", "AAAA", "CNAME", "MX", "NS", "PTR", "TXT", "CAA", "SRV", "HTTPS", "SVCB", "TLSA")
    )
    ttl = props.get("ttl")
    if props.get("proxied") is True and not is_unknown(ttl) and ttl != 1:
        yield Problem("ttl", "ttl must be set to 1 when `proxied` is true")
    if isinstance(ttl, (int, float)) and ttl != 1 and not 30 <= ttl <= 86400:
        yield Problem("ttl", "must be 1 (automatic) or between 30 and 86400")
    if props.get("proxied") is True and text(props, "type") not in (None, "A", "AAAA", "CNAME"):
        yield Problem("proxied", "this record type cannot be proxied")


_SELF_HOSTED_ONLY: Final = (
    "corsHeaders",
    "optionsPreflightBypass",
    "serviceAuth401Redirect",
    "readServiceTokensFromHeader",
    "sameSiteCookieAttribute",
    "enableBindingCookie",
    "httpOnlyCookieAttribute",
    "skipInterstitial",
)


def application(props: Props) -> Iterator[Problem]:
    yield from exactly_one(props, "accountId", "zoneId")
    kind = text(props, "type") or "self_hosted"
    if kind not in ("self_hosted", "mcp_portal"):
        for name in _SELF_HOSTED_ONLY:
            if props.get(name) is not None:
                yield Problem(name, f"is not allowed for an application of type {kind}")
    if kind in ("mcp", "mcp_portal"):
        for name in ("allowAuthenticateViaWarp", "appLauncherVisible", "mfaConfig"):
            if props.get(name) is not None:
                yield Problem(name, f"is not allowed for an application of type {kind}")
    if kind == "mcp" and props.get("domain") is not None:
        yield Problem("domain", "is not allowed for an application of type mcp")
    if props.get("selfHostedDomains") is not None and props.get("destinations") is not None:
        yield Problem("selfHostedDomains", "conflicts with destinations")
    if props.get("corsHeaders") is not None and props.get("optionsPreflightBypass") is True:
        yield Problem("corsHeaders", "conflicts with optionsPreflightBypass")
    if kind == "self_hosted" and not any(props.get(name) for name in ("domain", "destinations", "selfHostedDomains")):
        yield Problem("domain", "a self_hosted application needs domain or destinations")
    for path, destination in objects(props, "destinations"):
        portal = text(destination, "type") == "via_mcp_server_portal"
        if portal != (kind == "mcp") and not is_unknown(destination.get("type")):
            yield Problem(f"{path}.type", f"is not allowed for an application of type {kind}")
    if props.get("autoRedirectToIdentity") is True:
        idps = props.get("allowedIdps")
        if not isinstance(idps, list) or len(idps) != 1:
            yield Problem("autoRedirectToIdentity", "needs exactly one identity provider in allowedIdps")
    for path, policy in objects(props, "policies"):
        if policy.get("id") is None and policy.get("decision") is None:
            yield Problem(path, "needs either an id or an inline decision with includes")
        for name in ("includes", "requires", "excludes"):
            yield from _selectors(policy, name, path)


def _selectors(props: Props, name: str, path: str = "") -> Iterator[Problem]:
    prefix = f"{path}." if path else ""
    for rule_path, rule in objects(props, name):
        selectors = sorted(key for key, value in rule.items() if value is not None)
        if len(selectors) != 1:
            yield Problem(f"{prefix}{rule_path}", f"exactly one selector a rule, got {', '.join(selectors) or 'none'}")


def policy(props: Props) -> Iterator[Problem]:
    yield from allowed_values(props, "decision", ("allow", "deny", "non_identity", "bypass"))
    for name in ("includes", "requires", "excludes"):
        yield from _selectors(props, name)
    if text(props, "decision") == "allow":
        # An allow policy never matches a service token: Service Auth is its own decision (Cloudflare, Access policies).
        for rule_path, rule in objects(props, "includes"):
            for selector in ("serviceToken", "anyValidServiceToken", "linkedAppToken"):
                if rule.get(selector) is not None:
                    yield Problem(rule_path, f"{selector} rules need the decision non_identity")


def group(props: Props) -> Iterator[Problem]:
    yield from exactly_one(props, "accountId", "zoneId")
    for name in ("includes", "requires", "excludes"):
        yield from _selectors(props, name)


def service_token(props: Props) -> Iterator[Problem]:
    yield from exactly_one(props, "accountId", "zoneId")
    duration = text(props, "duration")
    if duration is not None and duration != "forever" and not re.fullmatch(r"(\d+(\.\d+)?(ns|us|ms|s|m|h))+", duration):
        yield Problem("duration", f"must be a duration such as 8760h, or forever, got {duration!r}")
    version = props.get("clientSecretVersion")
    if isinstance(version, int) and version > 1 and props.get("previousClientSecretExpiresAt") is None:
        yield Problem("previousClientSecretExpiresAt", "must be given together with clientSecretVersion")


def mcp_server(props: Props) -> Iterator[Problem]:
    yield from allowed_values(props, "authType", ("oauth", "bearer", "unauthenticated"))
    hostname, identifier = text(props, "hostname"), text(props, "zeroTrustAccessAiControlsMcpServerId")
    if hostname is not None and urlsplit(hostname).scheme != "https":
        yield Problem("hostname", "must be a full https URL")
    if identifier is not None and not re.fullmatch(r"[a-z0-9-]{1,32}", identifier):
        yield Problem("zeroTrustAccessAiControlsMcpServerId", "may hold lower case letters, digits and hyphens only")


def mcp_portal(props: Props) -> Iterator[Problem]:
    yield from allowed_values(props, "codeMode", ("off", "opt_in", "default_on", "enforced"))


def ruleset(props: Props) -> Iterator[Problem]:
    yield from exactly_one(props, "accountId", "zoneId")
    yield from allowed_values(props, "kind", ("managed", "custom", "root", "zone"))
    zone = text(props, "zoneId")
    if zone is not None and not _HEX32.match(zone):
        yield Problem("zoneId", "value length must be at most 32 hex digits")


def client_authority(props: Props) -> Iterator[Problem]:
    """The provider's schema, and host names as Cloudflare's API reference describes them (fully-qualified names)."""
    yield from exactly_one(props, "accountId", "zoneId")
    certificate, hostnames = text(props, "certificate"), props.get("associatedHostnames")
    if certificate is not None and "-----BEGIN CERTIFICATE-----" not in certificate:
        yield Problem("certificate", "must be a certificate in PEM")
    for hostname in hostnames if isinstance(hostnames, list) else ():
        if isinstance(hostname, str) and not re.fullmatch(r"(?:[a-z0-9_-]+\.)+[a-z]{2,}", hostname):
            yield Problem("associatedHostnames", f"{hostname} is no fully-qualified domain name")


def logpush(props: Props) -> Iterator[Problem]:
    """The provider's schema, and Cloudflare's API reference of the jobs (name, destination)."""
    yield from exactly_one(props, "accountId", "zoneId")
    name, destination = text(props, "name"), reveal(props.get("destinationConf"))
    if name is not None and not re.fullmatch(r"[A-Za-z0-9.-]{0,512}", name):
        yield Problem("name", "may hold letters, digits, dots and hyphens only")
    if isinstance(destination, str) and len(destination) > 4096:
        yield Problem("destinationConf", "must be at most 4096 characters")


def provider_config(props: Props) -> Iterator[Problem]:
    api_token = reveal(props.get("apiToken"))
    if isinstance(api_token, str) and not _API_TOKEN.match(api_token):
        yield Problem(
            "apiToken",
            "API tokens must only contain characters a-z, A-Z, 0-9, hyphens and underscores, 40 to 80 of them",
        )
