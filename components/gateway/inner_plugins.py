"""Kong's plugins of one inner route: the guard's key, what prompts must be like, and the provider behind it. Pure.

An inner route carries one model. Kong's ai-proxy refuses a request for another model than its own (run on 3.9.3), so each
model has a service and a route, found by a host name that no tunnel serves.
"""

from __future__ import annotations

from components.editions import Protection
from components.gateway.gateway_plugins import body_size, gateway_plugins
from components.gateway.inner_entities import has_upstream
from components.gateway.licensed.proxy_advanced import proxy_advanced
from components.gateway.model_support import OPTIONS, prompt_parts
from components.gateway.names import (
    ASSERTION_HEADER,
    GUARD_KEY_HEADER,
    LIMIT_HEADER,
    PRINCIPAL_HEADER,
    REMAINING_HEADER,
    REQUEST_ID_HEADER,
    guard_group,
    inner_upstream_name,
)
from components.gateway.spec import Config, PluginSpec, name_of, plugin, without_headers
from model.base import split_url
from model.model_route import ModelKind, ModelTarget, bound_name
from model.stacks import ModelStack

#: What a provider has no need of: who called, through what, and the gateway's own. request-transformer (801) runs before
#: ai-proxy (770), which then sets the provider's credential.
_NEVER_SENT = (
    ASSERTION_HEADER,
    GUARD_KEY_HEADER,
    LIMIT_HEADER,
    PRINCIPAL_HEADER,
    REMAINING_HEADER,
    REQUEST_ID_HEADER,
    "apikey",
    "authorization",
    "cf-access-client-id",
    "cf-access-client-secret",
    "cf-access-jwt-assertion",
    "cf-connecting-ip",
    "cf-ipcountry",
    "cf-ray",
    "cookie",
    "forwarded",
    "origin",
    "proxy-authorization",
    "referer",
    "traceparent",
    "tracestate",
    "via",
    "x-anonymous-consumer",
    "x-authenticated-groups",
    "x-consumer-custom-id",
    "x-consumer-groups",
    "x-consumer-id",
    "x-consumer-username",
    "x-credential-identifier",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-path",
    "x-forwarded-port",
    "x-forwarded-prefix",
    "x-forwarded-proto",
    "x-real-ip",
)


def inner_plugins(stack: ModelStack, model: str, kind: ModelKind = "chat") -> list[PluginSpec]:
    """Every plugin of a model's inner service, the key first; raises InputError where the edition has none."""
    specs = [_key(stack), _consumer(stack), clean_headers(stack), *gateway_plugins(stack, model, kind)]
    return [*specs, *policy_plugins(stack), _proxy(stack, model, kind)]


def policy_plugins(stack: ModelStack) -> list[PluginSpec]:
    """What holds every prompt to the route's policy."""
    policy, specs = stack.manifest.prompt_policy, []
    if policy.deny or policy.allow:
        specs.append(_patterns(stack))
    if policy.system is not None:
        specs.append(_decoration(stack, policy.system))
    return specs


def _key(stack: ModelStack) -> PluginSpec:
    return plugin(
        Protection.INNER_KEY,
        stack.settings,
        "key",
        {
            "key_names": [GUARD_KEY_HEADER],
            "hide_credentials": True,
            "anonymous": None,
            "key_in_header": True,
            "key_in_query": False,
            "key_in_body": False,
            "run_on_preflight": True,
            "realm": None,
        },
        "whoever has not the guard's key does not reach the provider's credential",
    )


def _consumer(stack: ModelStack) -> PluginSpec:
    return plugin(
        Protection.INNER_CONSUMER,
        stack.settings,
        "consumer",
        {
            "allow": [guard_group(stack)],
            "deny": None,
            "hide_groups_header": True,
            "always_use_authenticated_groups": False,
        },
        "any registered key satisfies key-auth; only this route's guard may ask this route's models",
    )


def clean_headers(stack: ModelStack) -> PluginSpec:
    """Takes off what says who called and over which road, before ai-proxy sets the provider's credential."""
    return plugin(
        Protection.CLEAN_HEADERS,
        stack.settings,
        "clean-headers",
        without_headers(_NEVER_SENT),
        "the provider learns nothing about the caller and the road",
    )


def _patterns(stack: ModelStack) -> PluginSpec:
    policy = stack.manifest.prompt_policy
    return plugin(
        Protection.PROMPT_PATTERNS,
        stack.settings,
        "prompt-patterns",
        {
            "allow_patterns": list(policy.allow) or None,
            "deny_patterns": list(policy.deny) or None,
            # False judges every user message of the conversation and not the last one alone.
            "allow_all_conversation_history": False,
            "match_all_roles": False,
            "max_request_body_size": body_size(stack),
            "llm_format": "openai",
        },
        "patterns that every conversation is held to",
    )


def _decoration(stack: ModelStack, system: str) -> PluginSpec:
    parts = prompt_parts(system)
    return plugin(
        Protection.PROMPT_DECORATION,
        stack.settings,
        "prompt-decoration",
        {
            "prompts": {"prepend": [{"role": "system", "content": part} for part in parts], "append": None},
            "max_request_body_size": body_size(stack),
            "llm_format": "openai",
        },
        "the system message before every conversation",
    )


def _proxy(stack: ModelStack, model: str, kind: ModelKind) -> PluginSpec:
    manifest = stack.manifest
    routed = manifest.models[model]
    purpose = "credential, format and address of the provider"
    configs = [proxy_config(stack, model, target, kind) for target in routed.targets]
    if name_of(Protection.MODEL_PROXY, stack.settings) == "ai-proxy":
        # Further targets differ in their host alone, which is the upstream's.
        return plugin(Protection.MODEL_PROXY, stack.settings, "proxy", configs[0], purpose)
    for config, target in zip(configs, routed.targets, strict=True):
        if kind == "chat" and bound_name(target) != bound_name(routed.targets[0]):
            # The guard bounds the answer under the first target's name for it.
            config["model"]["options"]["max_tokens"] = routed.max_output_tokens
    balanced = proxy_advanced(
        configs,
        [target.order for target in routed.targets],
        [target.weight for target in routed.targets],
        aliases=[routed.targets[0].model] * len(configs),
        timeouts=manifest.timeouts,
        breaker=manifest.circuit_breaker,
        category="text/embeddings" if kind == "embeddings" else "text/generation",
    )
    return plugin(Protection.MODEL_PROXY, stack.settings, "proxy", balanced, purpose)


def proxy_config(stack: ModelStack, model: str, target: ModelTarget, kind: ModelKind) -> Config:
    """One target's config of ai-proxy."""
    carries = target.credential is not None
    return {
        "route_type": f"llm/v1/{kind}",
        "auth": {
            "header_name": target.credential_header if carries else None,
            "header_value": target.credential,
            "param_name": None,
            "param_value": None,
            "param_location": None,
            "gcp_use_service_account": False,
            "gcp_service_account_json": None,
            "aws_access_key_id": None,
            "aws_secret_access_key": None,
            # A caller's header of that name never takes the credential's place.
            "allow_override": False,
        },
        "model": {
            "provider": target.provider,
            "name": target.model,
            "options": {
                "max_tokens": None,
                **_prices(stack, model),
                "temperature": None,
                "top_p": None,
                "top_k": None,
                **dict.fromkeys(OPTIONS),
                # Kong's own default, whoever the provider is.
                "azure_api_version": "2023-05-15",
                **target.options,
                "upstream_url": _address(stack, model, target),
                "upstream_path": None,
                "gemini": None,
                "bedrock": None,
                "huggingface": None,
            },
        },
        # Tokens and model in log lines; never what was said.
        "logging": {"log_statistics": True, "log_payloads": False},
        "response_streaming": "deny" if kind == "embeddings" else "allow",
        "max_request_body_size": body_size(stack),
        # The public name is the guard's to say.
        "model_name_header": False,
        "llm_format": "openai",
    }


def _prices(stack: ModelStack, model: str) -> Config:
    """What Kong counts cost by, where it does; its schema takes no 0, and what is not priced costs nothing."""
    manifest = stack.manifest
    limits, price = manifest.gateway.limits, manifest.models[model].price
    counted = manifest.limits.principal if manifest.guard is None else limits
    if counted is None or not counted.counts_cost or price is None:
        return {"input_cost": None, "output_cost": None}
    return {"input_cost": float(price.input) or None, "output_cost": float(price.output) or None}


def _address(stack: ModelStack, model: str, target: ModelTarget) -> str | None:
    """Where ai-proxy sends to. With several targets it is the upstream's name: the driver sets it as the request's host
    (`kong.service.set_target`), and a host that is an upstream's name goes to its targets, whose own names become Host and
    server name (kong/runloop/balancer, `execute` and `set_host_header`)."""
    if not has_upstream(stack, model) or target.url is None:
        return target.url
    parts = split_url(target.url)
    return f"{parts.scheme}://{inner_upstream_name(stack, model)}{parts.path}"
