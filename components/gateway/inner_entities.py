"""Service, route, upstream and targets of one inner route: pure inputs in pulumi-kong's own names, every default written."""

from __future__ import annotations

from typing import Any

from components.editions import Protection
from components.gateway.entities import ENDPOINTS, FAILURES, SUCCESSES, exact_path, route_on
from components.gateway.names import inner_host, inner_name, inner_upstream_name, server_tags
from components.gateway.spec import name_of
from model.base import seconds, split_url
from model.model_route import ModelKind, ModelTarget
from model.model_target import ProviderModel
from model.stacks import ModelStack

Inputs = dict[str, Any]

#: Where the guard asks an inner route, whatever the provider's own path is; below it stands the kind of request.
INNER_BASE = "/v1"
#: The providers' own hosts (3.9.3, kong/llm/drivers/shared.lua, `upstream_url_format`). ai-proxy sets the address of each
#: request; the service's own decides only that it is a name, and shows in a review where prompts go.
PROVIDER_HOSTS = {
    "anthropic": "api.anthropic.com",
    "cohere": "api.cohere.com",
    "gemini": "generativelanguage.googleapis.com",
    "mistral": "api.mistral.ai",
    "openai": "api.openai.com",
}


def service_inputs(stack: ModelStack, model: str, kind: ModelKind = "chat") -> Inputs:
    """The provider's certificate is verified: prompts and the credential go there. A connection that fails before anything
    was sent is tried at the next target; nothing that was sent is sent twice (nginx, `proxy_next_upstream`)."""
    targets, timeouts = stack.manifest.models[model].targets, stack.manifest.timeouts
    scheme, host, port = address(targets[0])
    inputs: Inputs = {
        "name": inner_name(stack, model, kind),
        "protocol": scheme,
        "host": inner_upstream_name(stack, model) if has_upstream(stack, model) else host,
        "port": (443 if scheme == "https" else 80) if has_upstream(stack, model) else port,
        "retries": len(targets) - 1,
        "connect_timeout": seconds(timeouts.connect) * 1000,
        "write_timeout": seconds(timeouts.write) * 1000,
        "read_timeout": seconds(timeouts.read) * 1000,
        "tags": server_tags(stack),
    }
    return inputs | ({"tls_verify": True, "tls_verify_depth": 4} if scheme == "https" else {})


def has_upstream(stack: ModelStack, model: str) -> bool:
    """Whether an upstream chooses between the targets; ai-proxy-advanced has a balancer of its own."""
    several = len(stack.manifest.models[model].targets) > 1
    return several and name_of(Protection.MODEL_PROXY, stack.settings) == "ai-proxy"


def route_inputs(stack: ModelStack, model: str, kind: ModelKind = "chat") -> Inputs:
    """A host name that no tunnel serves, so that no request from outside meets this route: cloudflared sends public names
    alone, and answers 404 for every other."""
    return {
        "name": inner_name(stack, model, kind),
        **route_on([inner_host(stack, model)], stack, to_provider=True),
        "methods": ["POST"],
        "paths": [exact_path(INNER_BASE + ENDPOINTS[kind])],
    }


def upstream_inputs(stack: ModelStack, model: str) -> Inputs:
    """The targets of one model. What is out comes back when its port opens again: a provider has no health page that every
    account may read. Refusals a caller can provoke (400, 401, 429) take no target out."""
    breaker = stack.manifest.circuit_breaker
    interval = seconds(breaker.probe_every)
    return {
        "name": inner_upstream_name(stack, model),
        "slots": 10000,
        "hash_on": "none",
        "hash_fallback": "none",
        "hash_on_cookie_path": "/",
        "healthchecks": {
            "active": {
                "type": "tcp",
                "timeout": 2,
                "concurrency": 10,
                "http_path": "/",
                "https_verify_certificate": True,
                "healthy": {"interval": interval, "http_statuses": [200], "successes": breaker.recover_after},
                "unhealthy": {
                    "interval": interval,
                    "http_statuses": [500],
                    "http_failures": 0,
                    "tcp_failures": breaker.failures,
                    "timeouts": breaker.timeouts,
                },
            },
            "passive": {
                "type": "http",
                "healthy": {"http_statuses": SUCCESSES, "successes": breaker.recover_after},
                "unhealthy": {
                    "http_statuses": FAILURES,
                    "http_failures": breaker.failures,
                    "tcp_failures": breaker.failures,
                    "timeouts": 0,
                },
            },
        },
        "tags": server_tags(stack),
    }


def target_inputs(stack: ModelStack, target: ModelTarget) -> Inputs:
    _, host, port = address(target)
    return {"target": f"{host}:{port}", "weight": target.weight, "tags": server_tags(stack)}


def address(target: ProviderModel) -> tuple[str, str, int]:
    """Scheme, host and port that a target's prompts go to."""
    if target.url is None:
        host = (
            PROVIDER_HOSTS.get(target.provider)
            or f"{target.options.get('azure_instance', 'instance')}.openai.azure.com"
        )
        return "https", host, 443
    parts = split_url(target.url)
    return parts.scheme, parts.hostname or "", parts.port or (443 if parts.scheme == "https" else 80)
