"""The public service of a model route without a guard: Kong's plugins before the providers, and its entities. Pure.

The public route leads straight to ai-proxy-advanced. Identity, size and requests are those of every route; tokens, content
and prompts are held by edition ai's own plugins. What they cannot hold is refused in `guardless_support`.
"""

from __future__ import annotations

from typing import Any

from components.editions import Protection
from components.gateway.entities import ENDPOINTS, exact_path, route_on
from components.gateway.gateway_plugins import body_size, gateway_plugins
from components.gateway.guardless_lua import closed_check, model_check
from components.gateway.inner_entities import address
from components.gateway.inner_plugins import clean_headers, policy_plugins, proxy_config
from components.gateway.licensed.proxy_advanced import proxy_advanced
from components.gateway.licensed.token_limit import token_limit
from components.gateway.limits import limits
from components.gateway.names import CLOSED_MESSAGE, direct_name, entity_name, server_tags
from components.gateway.spec import PluginSpec, plugin
from model.base import seconds
from model.model_route import granted_models
from model.stacks import ModelStack

Inputs = dict[str, Any]
#: Checks of which Kong's page says that they read a stream piece by piece before each piece is sent ("AI Lakera Guard",
#: response phase per frame). An answer that another check must read is not streamed.
_READS_STREAMS = frozenset({"lakera"})


def offered(stack: ModelStack) -> list[str]:
    """The models that somebody is granted; no other has a target."""
    return sorted(granted_models(stack.manifest))


def request_check(stack: ModelStack) -> str:
    """Lua behind the identity check: what a request may be."""
    manifest = stack.manifest
    if manifest.lockdown:
        return closed_check(CLOSED_MESSAGE)
    return model_check(offered(stack), manifest.cors.origins if manifest.cors else (), body_size(stack))


def guardless_plugins(stack: ModelStack) -> list[PluginSpec]:
    """What stands beside identity, verification and sinks; raises InputError where the edition has none."""
    # Of Kong's own checks none is asked for a model or kind: a route without a guard has one service for all.
    checks = gateway_plugins(stack, "", "chat")
    return [*limits(stack), _tokens(stack), clean_headers(stack), *checks, *policy_plugins(stack), _proxy(stack)]


def _tokens(stack: ModelStack) -> PluginSpec:
    namespace = entity_name(stack.environment.name, stack.name, "tokens")
    config = token_limit(stack.manifest.limits.principal, namespace, stack.settings.gateway.redis)
    purpose = "tokens and cost of each principal, for all models together"
    return plugin(Protection.GATEWAY_TOKENS, stack.settings, "token-limit", config, purpose)


def _proxy(stack: ModelStack) -> PluginSpec:
    manifest = stack.manifest
    places = [(name, target) for name in offered(stack) for target in manifest.models[name].targets]
    configs = [proxy_config(stack, name, target, "chat") for name, target in places]
    for config in configs:
        config["response_streaming"] = "allow" if streams(stack) else "deny"
    balanced = proxy_advanced(
        configs,
        [target.order for _, target in places],
        [target.weight for _, target in places],
        aliases=[name for name, _ in places],
        timeouts=manifest.timeouts,
        breaker=manifest.circuit_breaker,
        category="text/generation",
    )
    purpose = "credential, format and address of each model's provider"
    return plugin(Protection.GUARDLESS, stack.settings, "proxy", balanced, purpose)


def streams(stack: ModelStack) -> bool:
    """Whether answers may stream: each check of answers reads a stream, as far as Kong's pages say."""
    gateway = stack.manifest.gateway
    checks = {"lakera": gateway.lakera, "prisma_airs": gateway.prisma_airs, "sanitizer": gateway.sanitizer}
    return all(name in _READS_STREAMS for name, check in checks.items() if check and "answers" in check.legs)


def service_inputs(stack: ModelStack) -> Inputs:
    """The provider's certificate is verified. ai-proxy-advanced sets the address of each request, and sends none again that
    its balancer does not; the service's own shows in a review where prompts go."""
    scheme, host, port = address(stack.manifest.models[offered(stack)[0]].targets[0])
    timeouts = stack.manifest.timeouts
    inputs: Inputs = {
        "name": direct_name(stack),
        "protocol": scheme,
        "host": host,
        "port": port,
        "retries": 0,
        "connect_timeout": seconds(timeouts.connect) * 1000,
        "write_timeout": seconds(timeouts.write) * 1000,
        "read_timeout": seconds(timeouts.read) * 1000,
        "tags": server_tags(stack),
    }
    return inputs | ({"tls_verify": True, "tls_verify_depth": 4} if scheme == "https" else {})


def route_inputs(stack: ModelStack) -> Inputs:
    """The public route under the name that it has before a guard, so that one update moves it between the two services."""
    manifest = stack.manifest
    return {
        "name": entity_name(stack.environment.name, stack.name, "mcp"),
        **route_on(manifest.hostnames, stack, to_provider=True),
        "methods": ["POST", *(["OPTIONS"] if manifest.cors else [])],
        "paths": [exact_path(manifest.path.rstrip("/") + ENDPOINTS["chat"])],
    }
