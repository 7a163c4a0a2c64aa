"""Rules for model routes: who enters an inner route, where prompts go, and how much of a model anybody may use.

An inner route is one whose every host name is below `ringwall.internal`, which no tunnel serves.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from components.gateway.inner_entities import PROVIDER_HOSTS
from components.gateway.names import GUARD_KEY_HEADER, INNER_DOMAIN
from model.loopback import is_loopback
from model.model_route import granted_models
from plan.exposure import linked
from plan.findings import Severity
from plan.graph import Resource
from plan.protectors import DNS_RECORD, KONG_ROUTE, KONG_SERVICE, KONG_TARGET, KONG_UPSTREAM, TUNNEL_CONFIG
from plan.rules.rule import Broken, Rule, rule
from plan.rules.subject import Subject, host_of, items, mapping, plugin_config

_ROAD: Final = "Ringwall's road to a model: public route, guard, inner route"


@rule(
    id="model-inner-open",
    severity=Severity.ERROR,
    reason="Behind an inner route is the provider's credential. Whoever enters it without the guard's key spends it, and"
    " nothing inspects or counts what is said.",
    remedy=f"keep key-auth on the inner service, with {GUARD_KEY_HEADER} in a header alone, and acl with the guard's group",
    source=_ROAD + "; key-auth and acl run on Kong 3.9.3",
    waivable=False,
)
def inner_open(subject: Subject) -> Iterator[Broken]:
    for service in subject.inner_services:
        active = subject.plugins_of(service)
        key, group = (active.get(name) for name in ("key-auth", "acl"))
        config = mapping(plugin_config(key)) if key else {}
        if not config or config.get("anonymous") or items(config.get("key_names")) != [GUARD_KEY_HEADER]:
            yield Broken("does not ask for the guard's key", service)
        elif any(config.get(place) is not False for place in ("key_in_query", "key_in_body")):
            yield Broken("takes the guard's key from queries or bodies, which end up in logs", service)
        elif config.get("hide_credentials") is not True:
            yield Broken("hands the guard's key on to the provider", service)
        if group is None or len(items(mapping(plugin_config(group)).get("allow"))) != 1:
            yield Broken("admits every consumer that has a key", service)


@rule(
    id="model-inner-published",
    severity=Severity.ERROR,
    reason="The inner route is for the guard on the same machine. A name of it that the tunnel or DNS has leads past the"
    " guard.",
    remedy=f"give inner routes host names below {INNER_DOMAIN} alone, and no tunnel or DNS record one of these",
    source=_ROAD,
    waivable=False,
)
def inner_published(subject: Subject) -> Iterator[Broken]:
    for record in subject.graph.by_type(DNS_RECORD):
        if _is_inner(str(record.inputs.get("name"))):
            yield Broken(f"publishes {record.inputs.get('name')}, a name of an inner route", record)
    for tunnel in subject.graph.by_type(TUNNEL_CONFIG):
        for ingress in items(mapping(tunnel.inputs.get("config")).get("ingresses")):
            if _is_inner(str(mapping(ingress).get("hostname"))):
                yield Broken(f"serves {ingress['hostname']}, a name of an inner route", tunnel)
    for route in subject.graph.by_type(KONG_ROUTE):
        hosts = [str(host) for host in items(route.inputs.get("hosts"))]
        inner = [host for host in hosts if _is_inner(host)]
        if inner and (len(inner) < len(hosts) or any("*" in host for host in hosts)):
            yield Broken("takes public and inner names at once", route)
        elif not inner and not subject.lacks_guard and any(_proxies(subject, route)):
            yield Broken("leads to a provider on a name that is not an inner one", route)


def _is_inner(host: str) -> bool:
    return host.lower().endswith(f".{INNER_DOMAIN}")


def _proxies(subject: Subject, route: Resource) -> Iterator[bool]:
    yield from (_proxy(subject, service)[0] is not None for service in _services(subject, route))


def _services(subject: Subject, route: Resource) -> list[Resource]:
    return linked(subject.graph, route, "serviceId", KONG_SERVICE)


@rule(
    id="model-prompts-logged",
    severity=Severity.ERROR,
    reason="Kong would write every prompt and answer to its logs, unredacted and for whoever reads logs.",
    remedy="set logging.log_payloads of ai-proxy to false; `guard.audit_payloads` keeps them redacted",
    source="Kong plugin hub, ai-proxy: logging",
)
def prompts_logged(subject: Subject) -> Iterator[Broken]:
    for service in subject.provider_services:
        proxy, targets = _proxy(subject, service)
        if proxy and any(mapping(target.get("logging")).get("log_payloads") is not False for target in targets):
            yield Broken("logs prompts and answers", proxy)


@rule(
    id="model-provider-elsewhere",
    severity=Severity.INFO,
    reason="An address of one's own may be a model of one's own, or somebody else who reads every prompt and gets the"
    " credential.",
    remedy="see that it is whom you mean",
    source="Kong plugin hub, ai-proxy: upstream_url",
)
def provider_elsewhere(subject: Subject) -> Iterator[Broken]:
    pools: dict[str, list[str]] = {}
    for target in subject.graph.by_type(KONG_TARGET):
        for upstream in linked(subject.graph, target, "upstreamId", KONG_UPSTREAM):
            pools.setdefault(str(upstream.inputs.get("name")), []).append(host_of(str(target.inputs.get("target"))))
    for service in subject.provider_services:
        proxy, targets = _proxy(subject, service)
        for config in targets:
            model = mapping(config.get("model"))
            host = host_of(str(mapping(model.get("options")).get("upstream_url") or ""))
            provider = str(model.get("provider"))
            credential = " with a credential" if mapping(config.get("auth")).get("header_value") else ""
            for address in pools.get(host, [host]):
                if address and not is_loopback(address) and address != PROVIDER_HOSTS.get(provider):
                    text = f"sends prompts to {address}{credential}, which is not {provider}'s own address"
                    yield Broken(text, proxy, key=("models", *_model_of(subject, service), "targets"))


def _proxy(subject: Subject, service: Resource) -> tuple[Resource | None, list[Mapping[str, Any]]]:
    """The plugin that sends prompts of an inner service, and the config of each target; of ai-proxy, its one."""
    active = subject.plugins_of(service)
    proxy = active.get("ai-proxy-advanced", active.get("ai-proxy"))
    config = mapping(plugin_config(proxy)) if proxy else {}
    if proxy and proxy.inputs.get("name") == "ai-proxy-advanced":
        return proxy, [mapping(target) for target in items(config.get("targets"))]
    return proxy, [config]


def _model_of(subject: Subject, service: Resource) -> tuple[str, ...]:
    """The public name of the model behind an inner service; nothing where the guard's configuration is not known yet."""
    hosts = {
        str(host)
        for route in subject.graph.by_type(KONG_ROUTE)
        if service in _services(subject, route)
        for host in items(route.inputs.get("hosts"))
    }
    models = [mapping(model) for model in items((subject.guard or {}).get("models"))]
    return tuple(str(model.get("name")) for model in models if model.get("inner_host") in hosts)


@rule(
    id="model-budget-missing",
    severity=Severity.ERROR,
    outside_production=Severity.WARNING,
    reason="Requests alone bound nobody's bill: one request may carry a model's whole context, and a runaway agent sends"
    " many.",
    remedy="give limits.principal tokens_per_day or cost_per_day, or the grant a budget of its own",
    source="OWASP Top 10 for LLM Applications, unbounded consumption",
)
def budget_missing(subject: Subject) -> Iterator[Broken]:
    if subject.lacks_guard and subject.model is not None:
        if not _is_bounded(subject.model.manifest.limits.principal.dump()):
            text = "lets each caller use its models without an end"
            yield Broken(text, subject.direct_services[0], key=("limits", "principal"))
        return
    guard = subject.guard if subject.is_model else None
    if guard is None or _is_bounded(mapping(mapping(guard.get("limits")).get("principal"))):
        return
    for index, grant in enumerate(items(guard.get("grants"))):
        if not _is_bounded(mapping(mapping(grant).get("budget"))):
            models = ", ".join(map(str, items(mapping(grant).get("models"))))
            yield Broken(f"lets each caller use {models} without an end", subject.guard_resource, key=("grants", index))


def _is_bounded(budget: Mapping[str, Any]) -> bool:
    return any(
        budget.get(key) is not None for key in ("tokens_per_hour", "tokens_per_day", "cost_per_hour", "cost_per_day")
    )


@rule(
    id="model-cache-shared",
    severity=Severity.WARNING,
    reason="A shared cache answers one principal with what another was answered; who asks the same may learn that it was"
    " asked.",
    remedy="leave shared out, or keep it where answers hold nothing of a person's own",
    source="Ringwall's guard: the cache's key holds the principal unless it is shared; Kong plugin hub, ai-semantic-cache",
)
def cache_shared(subject: Subject) -> Iterator[Broken]:
    for service in subject.provider_services:
        if cache := subject.plugins_of(service).get("ai-semantic-cache"):
            text = "answers everybody from one cache, by meaning"
            yield Broken(text, cache, key=("cache", "semantic", "shared"))
    if subject.is_model and mapping((subject.guard or {}).get("cache")).get("shared") is True:
        yield Broken(
            "answers one principal from another's cache", subject.guard_resource, key=("cache", "exact", "shared")
        )


@rule(
    id="model-embedded-only",
    severity=Severity.WARNING,
    reason="The embedded rules find known forms of injection and secrets; most paraphrases pass them. Prompts and answers"
    " are free text.",
    remedy="add lakera or prisma_airs to guard.engines, or waive it where the models see nothing that is worth stealing",
    source="docs/explain/detection.md",
)
def embedded_only(subject: Subject) -> Iterator[Broken]:
    if not subject.is_model or not subject.production:
        return
    engines = mapping(mapping((subject.guard or {}).get("guard")).get("engines"))
    if [name for name, value in engines.items() if value is not None] == ["embedded"]:
        yield Broken(
            "has the embedded rules alone between people and models", subject.guard_resource, key=("guard", "engines")
        )


@rule(
    id="model-grant-useless",
    severity=Severity.WARNING,
    reason="A model that nobody is granted exists for no one, while its credential and its road stand.",
    remedy="grant it to somebody, or remove it",
    source="default deny",
)
def grant_useless(subject: Subject) -> Iterator[Broken]:
    if subject.lacks_guard and subject.model is not None:
        manifest = subject.model.manifest
        for unused in sorted(manifest.models.keys() - granted_models(manifest)):
            yield Broken(f"has the model {unused}, which nobody may use", key=("models", unused))
        return
    guard = subject.guard if subject.is_model else None
    if guard is None or (subject.model is not None and subject.model.manifest.lockdown is not None):
        return
    granted = {name for grant in items(guard.get("grants")) for name in items(mapping(grant).get("models"))}
    for model in items(guard.get("models")):
        if (name := mapping(model).get("name")) not in granted:
            yield Broken(
                f"has the model {name}, which nobody may use", subject.guard_resource, key=("models", str(name))
            )


#: Kong's own checks of prompts in edition ai, with the options by which one would fail open, and what each must be.
_CHECKS: Final[dict[str, tuple[tuple[str, bool, str], ...]]] = {
    "ai-lakera-guard": (
        ("stop_on_error", True, "lets prompts pass when it fails"),
        ("verify_ssl", True, "asks whoever answers in Lakera's place"),
        ("log_blocked_content", False, "logs the prompts that it refuses"),
    ),
    "ai-custom-guardrail": (
        ("stop_on_error", True, "lets prompts pass when it fails"),
        ("ssl_verify", True, "asks whoever answers in the service's place"),
    ),
    "ai-sanitizer": (
        ("stop_on_error", True, "lets prompts pass when it fails"),
        ("skip_logging_sanitized_items", True, "logs what it took out of prompts"),
    ),
}
#: The part of the stack file's `gateway` that asks for a plugin.
_DEMANDED: Final = {
    "ai-rate-limiting-advanced": "limits",
    "ai-lakera-guard": "lakera",
    "ai-custom-guardrail": "prisma_airs",
    "ai-semantic-prompt-guard": "topics",
    "ai-sanitizer": "sanitizer",
}


@rule(
    id="model-gateway-check-open",
    severity=Severity.ERROR,
    reason="A check that lets a prompt pass when it cannot judge it holds nobody back: whoever overloads it gets past.",
    remedy="keep stop_on_error, and the certificate and logging options as Ringwall writes them",
    source="Kong plugin hub: ai-lakera-guard, ai-custom-guardrail, ai-sanitizer",
)
def gateway_check_open(subject: Subject) -> Iterator[Broken]:
    for service in subject.provider_services:
        for name, plugin in sorted(subject.plugins_of(service).items()):
            config = mapping(plugin_config(plugin))
            for option, value, text in _CHECKS.get(name, ()):
                if config.get(option) is not value:
                    yield Broken(text, plugin)
            if name == "ai-rate-limiting-advanced" and not any(
                mapping(policy).get("match") is None for policy in items(config.get("policies"))
            ):
                yield Broken("counts nothing of a request without a principal", plugin)


@rule(
    id="model-gateway-check-missing",
    severity=Severity.ERROR,
    reason="The stack file says that Kong limits or checks what goes to this model, and nothing does.",
    remedy="keep the plugin on each inner service, or take it out of the stack file's gateway",
    source="Ringwall's keys: gateway of a model route",
)
def gateway_check_missing(subject: Subject) -> Iterator[Broken]:
    if subject.model is None:
        return
    for service in subject.provider_services:
        active = subject.plugins_of(service)
        for name, part in _DEMANDED.items():
            if getattr(subject.model.manifest.gateway, part) is not None and name not in active:
                yield Broken(f"has no {name}, which the stack file asks for", service, key=("gateway", part))


@rule(
    id="model-credential-replaceable",
    severity=Severity.ERROR,
    reason="A caller's own header would take the place of the provider's credential, or reach the provider beside it.",
    remedy="set auth.allow_override of the proxy plugin to false for every target",
    source="Kong plugin hub, ai-proxy and ai-proxy-advanced: auth.allow_override",
)
def credential_replaceable(subject: Subject) -> Iterator[Broken]:
    for service in subject.provider_services:
        proxy, targets = _proxy(subject, service)
        if proxy and any(mapping(target.get("auth")).get("allow_override") is not False for target in targets):
            yield Broken("lets a caller's header take the credential's place", proxy)


RULES: Final[tuple[Rule, ...]] = (
    gateway_check_open,
    gateway_check_missing,
    credential_replaceable,
    inner_open,
    inner_published,
    prompts_logged,
    provider_elsewhere,
    budget_missing,
    cache_shared,
    embedded_only,
    grant_useless,
)
