"""Rules for the second ring: every MCP route authenticates its callers, and leads to the guard and nowhere else.

The gateway's limits are judged in `plan.rules.limits`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final
from urllib.parse import urlsplit

from components.editions import TABLE, ByPlugin
from components.gateway.entities import FAILURES
from model.introspection import LONGEST_CACHE
from model.kong_versions import Edition
from model.loopback import is_loopback
from plan.exposure import AUTHENTICATING, linked
from plan.findings import Severity
from plan.graph import Resource
from plan.protectors import DNS_RECORD, KONG_PLUGIN, KONG_SERVICE, KONG_TARGET, KONG_UPSTREAM
from plan.rules.rule import Broken, Rule, rule
from plan.rules.subject import KONG_PROVIDER, Subject, host_of, items, mapping, plugin_config
from plan.values import is_marker

_RUN: Final = "run on Kong 3.9.3"
_HUB: Final = "Kong plugin hub"
#: Plugins that check by themselves for whom a token is; `jwt` checks signature and time only.
_IDENTITY: Final = frozenset({"pre-function", "openid-connect", "ai-mcp-oauth2", "jwt-signer"})
#: The identity check hands the token it read to `jwt` in the one header and the principal to the limits in the other.
_ASSERTION_HEADER: Final = "x-ringwall-assertion"
_PRINCIPAL_HEADER: Final = "x-ringwall-principal"
#: A path that Kong matches exactly: every character with a meaning in a pattern is escaped.
_EXACT_PATH: Final = re.compile(r"~/(?:[^\\.*+?()\[\]{}|^$]|\\[^A-Za-z0-9])*\$")
#: What Kong OSS 3.9 bundles: Kong's own plugin ordering test, and `redirect` by the 3.9 changelog.
OSS_BUNDLED: Final = frozenset(
    {
        "acl",
        "acme",
        "ai-prompt-decorator",
        "ai-prompt-guard",
        "ai-prompt-template",
        "ai-proxy",
        "ai-request-transformer",
        "ai-response-transformer",
        "aws-lambda",
        "azure-functions",
        "basic-auth",
        "bot-detection",
        "correlation-id",
        "cors",
        "datadog",
        "file-log",
        "grpc-gateway",
        "grpc-web",
        "hmac-auth",
        "http-log",
        "ip-restriction",
        "jwt",
        "key-auth",
        "ldap-auth",
        "loggly",
        "oauth2",
        "opentelemetry",
        "post-function",
        "pre-function",
        "prometheus",
        "proxy-cache",
        "rate-limiting",
        "redirect",
        "request-size-limiting",
        "request-termination",
        "request-transformer",
        "response-ratelimiting",
        "response-transformer",
        "session",
        "standard-webhooks",
        "statsd",
        "syslog",
        "tcp-log",
        "udp-log",
        "zipkin",
    }
)


@rule(
    id="gateway-identity-missing",
    severity=Severity.ERROR,
    reason="The jwt plugin checks signature and time only: without an issuer and audience check a sibling server's token"
    " opens this one.",
    remedy="keep the identity check (pre-function) on the service",
    source=_RUN,
)
def identity_missing(subject: Subject) -> Iterator[Broken]:
    for service in subject.mcp_services:
        active = subject.plugins_of(service)
        if not active.keys() & _IDENTITY or _checks_nothing(active):
            yield Broken("has no plugin that checks for whom a token is", service)


def _checks_nothing(active: dict[str, Resource]) -> bool:
    """Whether the identity check is a `pre-function` whose code reads no audience or names no principal.

    What its code does with them only a run can prove. A configuration that is not known yet is not judged.
    `openid-connect` without a required audience takes every token of its issuer.
    """
    checkers = active.keys() & (_IDENTITY - {"pre-function"})
    if "openid-connect" in checkers and not items(
        mapping(plugin_config(active["openid-connect"])).get("audience_required")
    ):
        checkers -= {"openid-connect"}
    if checkers:
        return False
    if "pre-function" not in active:
        return True
    config = plugin_config(active["pre-function"])
    code = "" if config is None else " ".join(map(str, [*items(config.get("rewrite")), *items(config.get("access"))]))
    return config is not None and not all(word in code for word in ("aud", _PRINCIPAL_HEADER))


@rule(
    id="gateway-issuer-open",
    severity=Severity.ERROR,
    reason="Any registered key satisfies jwt; without acl every issuer known to the gateway opens every server.",
    remedy="keep the acl plugin with the one issuer's group on the service, or issuers_allowed of openid-connect",
    source=_RUN,
)
def issuer_open(subject: Subject) -> Iterator[Broken]:
    for service in subject.mcp_services:
        active = subject.plugins_of(service)
        provider = active.get("openid-connect")
        if provider is not None and not items(mapping(plugin_config(provider)).get("issuers_allowed")):
            yield Broken("verifies tokens but admits every issuer's", provider)
        if "jwt" not in active:
            continue
        acl = active.get("acl")
        if acl is None or not items(mapping(plugin_config(acl)).get("allow")):
            yield Broken("verifies tokens but admits every issuer's", service)


@rule(
    id="gateway-auth-optional",
    severity=Severity.ERROR,
    reason="An authenticating plugin with an anonymous consumer, without expiry, off on preflight, or reading another"
    " token than the one whose audience was checked lets strangers in.",
    remedy="set anonymous to null, run_on_preflight to true, read x-ringwall-assertion alone, and verify exp",
    source=_RUN + ": a forged-token OPTIONS reached the upstream",
)
def auth_optional(subject: Subject) -> Iterator[Broken]:
    for service in subject.mcp_services:
        for name, plugin in sorted(subject.plugins_of(service).items()):
            if name not in AUTHENTICATING:
                continue
            config = plugin_config(plugin)
            if config is None:
                if not subject.engine:
                    yield Broken("has a configuration the plan cannot read", plugin)
                continue
            if config.get("anonymous"):
                yield Broken("lets requests without a credential pass as an anonymous consumer", plugin)
            if name in ("openid-connect", "ai-mcp-oauth2") and config.get("ssl_verify") is not True:
                yield Broken("takes the issuer's keys from whoever answers in its place", plugin)
            if name == "openid-connect":
                yield from _open_provider(config, plugin)
            if name == "ai-mcp-oauth2" and config.get("insecure_relaxed_audience_validation") is not False:
                yield Broken("takes tokens that are for another resource", plugin)
            if name != "jwt":
                continue
            if config.get("run_on_preflight") is not True:
                yield Broken("does not run on OPTIONS requests", plugin)
            if "exp" not in items(config.get("claims_to_verify")):
                yield Broken("takes tokens that never expire", plugin)
            if items(config.get("header_names", ["authorization"])) != [_ASSERTION_HEADER]:
                yield Broken("verifies another token than the one whose audience and principal were checked", plugin)
            if items(config.get("uri_param_names", ["jwt"])) or items(config.get("cookie_names")):
                yield Broken(
                    "reads tokens from URLs or cookies, which end up in logs and other sites' requests", plugin
                )


def _open_provider(config: dict[str, Any], plugin: Resource) -> Iterator[Broken]:
    """What openid-connect would take beside the token that the identity check read."""
    if config.get("run_on_preflight") is not True:
        yield Broken("does not run on OPTIONS requests", plugin)
    if config.get("verify_signature") is not True or config.get("verify_claims") is not True:
        yield Broken("takes tokens without their signature or time being verified", plugin)
    if items(config.get("ignore_signature")) or config.get("enable_hs_signatures"):
        yield Broken("takes tokens that the issuer's keys did not sign", plugin)
    methods = items(config.get("auth_methods"))
    introspects = methods == ["introspection"]
    pinned = "introspection_endpoint" if introspects else "jwks_endpoint"
    if config.get("using_pseudo_issuer") is not True or not config.get(pinned):
        source = "asks about tokens" if introspects else "takes the issuer's keys from"
        yield Broken(f"{source} where its metadata says, and not at the pinned address", plugin)
    if methods not in (["bearer"], ["introspection"]):
        yield Broken("takes other credentials than a token in each request", plugin)
    if introspects and (
        config.get("introspection_check_active") is not True or config.get("introspect_jwt_tokens") is not True
    ):
        yield Broken("takes tokens that the issuer did not call active", plugin)
    cache = config.get("cache_ttl_max")
    if introspects and not (isinstance(cache, int | float) and 0 < cache <= LONGEST_CACHE):
        yield Broken(f"takes a withdrawn token for more than {LONGEST_CACHE} s", plugin)
    if (
        items(config.get("bearer_token_param_type")) != ["header"]
        or config.get("bearer_token_header_name") != _ASSERTION_HEADER
    ):
        yield Broken("verifies another token than the one whose audience and principal were checked", plugin)


@rule(
    id="gateway-skips-guard",
    severity=Severity.ERROR,
    reason="Whatever the gateway reaches without the guard has no tool grants, no pins and no inspection.",
    remedy="let the service's host be the upstream, and its only target the guard's own port",
    source="Ringwall's order of rings: edge, gateway, guard, origin",
    waivable=False,
)
def skips_guard(subject: Subject) -> Iterator[Broken]:
    upstreams = {str(upstream.inputs.get("name")): upstream for upstream in subject.graph.by_type(KONG_UPSTREAM)}
    guard_address = _guard_address(subject)
    for target in subject.graph.by_type(KONG_TARGET):
        if not linked(subject.graph, target, "upstreamId", KONG_UPSTREAM):
            yield Broken(f"gives {target.inputs.get('target')} to an upstream that is not in this stack", target)
    for service in () if subject.lacks_guard else subject.mcp_services:
        upstream = upstreams.get(str(service.inputs.get("host")))
        if upstream is None:
            yield Broken(f"leads to {service.inputs.get('host')}, which is no upstream of this stack", service)
            continue
        targets = [
            target
            for target in subject.graph.by_type(KONG_TARGET)
            if upstream in linked(subject.graph, target, "upstreamId", KONG_UPSTREAM)
        ]
        if not targets:
            yield Broken("has no target", upstream)
        for target in targets:
            if guard_address is not None and target.inputs.get("target") != guard_address:
                yield Broken(
                    f"leads to {target.inputs.get('target')}, and the guard listens on {guard_address}",
                    target,
                    key=("guard_port",),
                )


def _guard_address(subject: Subject) -> str | None:
    listen = mapping((subject.guard or {}).get("listen"))
    return f"{listen['address']}:{listen['port']}" if "address" in listen and "port" in listen else None


@rule(
    id="gateway-breaker-counts-refusals",
    severity=Severity.ERROR,
    reason="Kong counts 429 and 500 as failures by default: what one principal can provoke a few times in a row (so can slow"
    " answers be) closes the server for all.",
    remedy="count 502 and 503 only in the passive health check, and no timeouts",
    source=_RUN,
)
def breaker_counts_refusals(subject: Subject) -> Iterator[Broken]:
    for upstream in subject.graph.by_type(KONG_UPSTREAM):
        checks = upstream.inputs.get("healthchecks")
        if checks is None or (isinstance(checks, Mapping) and not is_marker(checks) and checks.get("passive") is None):
            continue  # Without passive checks nothing is counted.
        unhealthy = mapping(mapping(mapping(checks).get("passive")).get("unhealthy"))
        statuses = unhealthy.get("httpStatuses")
        counted = [status for status in items(statuses) if status not in FAILURES]
        if counted or not isinstance(statuses, list):
            shown = (
                "Kong's default, 429 among them"
                if statuses is None
                else ", ".join(map(str, counted)) or "an unknown list"
            )
            yield Broken(f"counts {shown} as failures of the guard", upstream, key=("circuit_breaker",))
        if unhealthy.get("timeouts", 0) != 0:
            yield Broken("counts slow answers as failures of the guard", upstream, key=("circuit_breaker",))


@rule(
    id="gateway-retries",
    severity=Severity.ERROR,
    reason="A tool call may have run although its answer was lost: a retry runs it twice. Kong's default is five.",
    remedy="set retries to 0",
    source=_HUB + ", services: retries",
)
def retries(subject: Subject) -> Iterator[Broken]:
    for service in subject.mcp_services:
        if service.inputs.get("retries", 5) != 0:
            yield Broken("repeats calls whose answer was lost", service)


@rule(
    id="gateway-route-wide",
    severity=Severity.ERROR,
    reason="A plain Kong path also matches longer paths, and a pattern may match more than it seems to. A route without"
    " hosts, or with other hosts, receives requests for other servers.",
    remedy="give the host names this stack publishes, and paths as ~/path$ with every pattern character escaped",
    source=_RUN,
)
def route_wide(subject: Subject) -> Iterator[Broken]:
    published = {str(record.inputs.get("name")) for record in subject.graph.by_type(DNS_RECORD)}
    for route in subject.mcp_routes:
        hosts, paths = items(route.inputs.get("hosts")), items(route.inputs.get("paths"))
        if not hosts or any("*" in str(host) for host in hosts):
            yield Broken("takes requests for more than exact host names", route, key=("hostname",))
        elif published and (unpublished := sorted(str(host) for host in hosts if str(host) not in published)):
            yield Broken(f"takes requests for {', '.join(unpublished)}, not published here", route, key=("hostname",))
        if not paths or not all(_EXACT_PATH.fullmatch(str(path)) for path in paths):
            yield Broken("takes more than its exact path", route, key=("path",))


@rule(
    id="gateway-preflight-open",
    severity=Severity.ERROR,
    reason="An OPTIONS request that no cors plugin answers goes on to the guard, and costs somebody's limit.",
    remedy="take OPTIONS off the route, or configure cors",
    source=_RUN,
)
def preflight_open(subject: Subject) -> Iterator[Broken]:
    for route in subject.mcp_routes:
        methods = items(route.inputs.get("methods"))
        services = linked(subject.graph, route, "serviceId", KONG_SERVICE)
        cors = [plugin for service in services if (plugin := subject.plugins_of(service).get("cors"))]
        answered = any(mapping(plugin_config(plugin)).get("preflight_continue") is not True for plugin in cors)
        if (not methods or "OPTIONS" in methods) and not answered:
            yield Broken("passes OPTIONS requests on", route, key=("cors",))


@rule(
    id="gateway-cors-wide",
    severity=Severity.ERROR,
    reason="Kong reads an origin with pattern characters as a pattern, and * lets every web page call with the user's"
    " browser.",
    remedy="name each origin as scheme, host and port",
    source=_HUB + ", cors",
)
def cors_wide(subject: Subject) -> Iterator[Broken]:
    for service in subject.mcp_services:
        plugin = subject.plugins_of(service).get("cors")
        origins = items(mapping(plugin_config(plugin)).get("origins")) if plugin else ["-"]
        if plugin and (not origins or any(set("*^$()[]|\\?+") & set(str(origin)) for origin in origins)):
            yield Broken("answers every web page, or a pattern of them", plugin, key=("cors", "origins"))


@rule(
    id="gateway-buffering",
    severity=Severity.WARNING,
    reason="Buffering holds every event of a stream until its end, so progress and cancellation never arrive.",
    remedy="set request_buffering and response_buffering to false",
    source=_RUN,
)
def buffering(subject: Subject) -> Iterator[Broken]:
    for route in subject.mcp_routes:
        # Kong's checks read a request whole; what holds of answers holds there too.
        reads_whole = subject.lacks_guard or route.inputs.get("requestBuffering") is False
        if not (reads_whole and route.inputs.get("responseBuffering") is False):
            yield Broken("buffers requests or answers", route)


@rule(
    id="gateway-tls-unverified",
    severity=Severity.ERROR,
    reason="TLS whose certificate nobody checks protects from nobody. The provider reads TLS_SKIP_VERIFY from its"
    " environment unless it is given.",
    remedy="set tls_skip_verify to false on the provider and tls_verify to true on https services",
    source="pulumi-kong SDK; Kong docs, services: tls_verify",
)
def tls_unverified(subject: Subject) -> Iterator[Broken]:
    for provider in subject.graph.by_type(KONG_PROVIDER):
        if provider.inputs.get("tlsSkipVerify") not in (False, "false"):
            yield Broken("does not say that certificates are verified", provider)
        uri = str(provider.inputs.get("kongAdminUri", ""))
        if urlsplit(uri).scheme == "http" and not is_loopback(host_of(uri)):
            yield Broken("reaches the Admin API in clear", provider, "use https", key=("gateway", "admin_uri"))
    for service in subject.mcp_services:
        if service.inputs.get("protocol") in ("https", "tls", "grpcs") and service.inputs.get("tlsVerify") is not True:
            yield Broken("does not verify the certificate of what is behind it", service)
    for service in subject.inner_services:
        if service.inputs.get("protocol") != "http" and service.inputs.get("tlsVerify") is not True:
            yield Broken("does not verify the provider's certificate", service)


@rule(
    id="gateway-colocated",
    severity=Severity.ERROR,
    reason="In production an injected shell on the origin host could rewrite a gateway whose Admin API is there too.",
    remedy="use topology hybrid or central",
    source="Kong docs, hybrid mode; Ringwall's topologies",
)
def colocated(subject: Subject) -> Iterator[Broken]:
    if not subject.production:
        return
    kong = mapping((subject.host_bundle or {}).get("kong"))
    if kong.get("role") == "traditional":
        yield Broken("the origin host runs the gateway's Admin API", key=("host",))
    for provider in subject.graph.by_type(KONG_PROVIDER):
        # Behind mTLS the guards are on other hosts than a central gateway's Admin API.
        if kong.get("role") != "elsewhere" and is_loopback(host_of(str(provider.inputs.get("kongAdminUri", "")))):
            topology = subject.environment.settings.topology if subject.environment else ""
            if topology != "central":
                yield Broken("reaches an Admin API on loopback in production", provider, key=("gateway", "admin_uri"))


@rule(
    id="gateway-edition",
    severity=Severity.ERROR,
    reason="A plugin that the edition does not bundle is refused by Kong in mid-deployment, and enforces nothing.",
    remedy="use a plugin that the edition has; `ringwall check` names the edition that a protection of the manifest needs",
    source="Kong's own list of bundled plugins, 3.9",
)
def edition(subject: Subject) -> Iterator[Broken]:
    settings = subject.environment.settings if subject.environment else None
    level: Edition = "oss" if settings is None else settings.gateway.edition
    columns: list[Edition] = ["enterprise", "ai"] if level == "ai" else [level]
    bundled = OSS_BUNDLED | {
        entry.name for column in columns for entry in TABLE[column].values() if isinstance(entry, ByPlugin)
    }
    for plugin in subject.graph.by_type(KONG_PLUGIN):
        name = plugin.inputs.get("name")
        if isinstance(name, str) and name not in bundled:
            kong = "Kong OSS does not bundle" if level == "oss" else f"Ringwall does not know in edition {level}"
            yield Broken(f"is the plugin {name}, which {kong}", plugin, key=("gateway", "edition"))


RULES: Final[tuple[Rule, ...]] = (
    identity_missing,
    issuer_open,
    auth_optional,
    skips_guard,
    breaker_counts_refusals,
    retries,
    route_wide,
    preflight_open,
    cors_wide,
    buffering,
    tls_unverified,
    colocated,
    edition,
)
