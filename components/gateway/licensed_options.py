"""Options of Kong's licensed plugins, and what 3.15 adds to the bundled ones; the rest is in `components.gateway.options`.

Their source is not published: the rows say what Kong's schemas and pages of 3.15 say, and none was run.
"""

from __future__ import annotations

from typing import Final

from components.gateway.licensed.openid_connect import openid_connect
from components.gateway.option_table import OptionTable
from components.gateway.options import options_of

_PAGES: Final = "Kong plugin hub, schema of 3.15"
_REDIS: Final = [
    "cluster_max_redirections",
    "connect_timeout",
    "connection_is_proxied",
    "database",
    "host",
    "keepalive_pool_size",
    "port",
    "read_timeout",
    "send_timeout",
    "ssl",
    "ssl_verify",
]
_REDIS_UNSET: Final = [
    "cloud_authentication",
    "cluster_nodes",
    "keepalive_backlog",
    "password",
    "sentinel_master",
    "sentinel_nodes",
    "sentinel_password",
    "sentinel_role",
    "sentinel_username",
    "server_name",
    "username",
]


def _joined(names: list[str], prefix: str = "") -> str:
    return ", ".join(prefix + name for name in sorted(names))


def _redis(prefix: str, further: tuple[str, ...] = ()) -> dict[str, str]:
    """The record of a plugin that may count or keep in Redis."""
    return {
        _joined(
            _REDIS, prefix
        ): "Kong's own defaults where nothing is shared. ssl_verify false: any certificate will do.",
        _joined(
            [*_REDIS_UNSET, *further], prefix
        ): "null: no cloud, cluster or sentinel; the others as with rate-limiting.",
    }


#: What Ringwall decides of openid-connect.
_OPENID_CONNECT: Final = {
    "issuer, using_pseudo_issuer, jwks_endpoint": "using_pseudo_issuer false: keys come from what the issuer's metadata "
    "names. true without jwks_endpoint: none.",
    "introspection_endpoint, introspection_endpoint_auth_method, client_id, client_secret": "Where the issuer of opaque "
    "tokens is asked, and as whom. The secret may be a vault reference.",
    "introspection_check_active, introspect_jwt_tokens": "introspection_check_active false: a withdrawn token passes. "
    "introspect_jwt_tokens false: a token that looks like a JWT is not asked about.",
    "cache_introspection, cache_ttl, cache_ttl_max, cache_ttl_neg, cache_ttl_resurrect": "Seconds for which an answer "
    "counts; a withdrawn token passes for as long. cache_ttl_resurrect: on top, while the issuer does not answer.",
    "scopes_required": "One text asks for all its words; several texts ask for any. null: the identity check asks.",
    "upstream_headers": "Writes the principal of an opaque token, for the limits. null: the identity check writes it.",
    "issuers_allowed": "null: every issuer whose keys are known.",
    "audience_required": "null: a token for anybody; the identity check holds each name to its audience then.",
    "auth_methods": "What else stands there lets other credentials in.",
    "bearer_token_header_name, bearer_token_param_type": "null: `Authorization`. query, body: a token in URLs and forms "
    "counts too.",
    "verify_signature, verify_claims, ignore_signature, enable_hs_signatures": "verify_signature false, or a name in "
    "ignore_signature: forged tokens pass. enable_hs_signatures true: so does what a shared secret signed.",
    "leeway": "Seconds that a clock may be wrong.",
    "ssl_verify": "false: keys are taken from whoever answers in the issuer's place.",
    "anonymous": "null: no token, or a wrong one, is 401. A consumer: every failure goes on as that consumer.",
    "run_on_preflight": "false: no OPTIONS request is asked for a token.",
    "credential_claim": "The issuer, so that all its tokens count as one credential.",
    "upstream_access_token_header": "A header: the token is written there too.",
}


def _openid_connect() -> OptionTable:
    """The plugin has more than 280 options; those of sign-in and sessions say nothing about a token in a header."""
    decided = {option.strip() for row in _OPENID_CONNECT for option in row.split(",")}
    config = openid_connect("https://issuer.example", "https://issuer.example/keys", "https://server.example")
    sessions = {f"{name}.{part}" for name in ("redis", "cluster_cache_redis") for part in options_of(config[name])}
    further = set(options_of(config)) - decided - sessions
    unset = {option for option in further if "." not in option and config[option] is None}
    return OptionTable(
        f"openid-connect: {_PAGES} (priority 1050)",
        {
            **_OPENID_CONNECT,
            _joined(sorted(further - unset)): "Kong's own defaults. Sign-in and sessions are off by auth_methods.",
            _joined(sorted(unset)): "null: nothing of it is used.",
            _joined(sorted(sessions)): "Where sessions and a shared cache would be; neither is used.",
        },
    )


def _vectors() -> dict[str, str]:
    auth = [
        "aws_access_key_id",
        "aws_secret_access_key",
        "azure_client_id",
        "azure_client_secret",
        "azure_tenant_id",
        "azure_use_managed_identity",
        "gcp_metadata_url",
        "gcp_oauth_token_url",
        "gcp_service_account_json",
        "gcp_use_service_account",
        "param_location",
        "param_name",
        "param_value",
    ]
    postgres = ["database", "host", "password", "port", "ssl_cert", "ssl_cert_key", "ssl_version", "timeout", "user"]
    return {
        "embeddings.auth.allow_override": "true: a caller's own header takes the credential's place.",
        "embeddings.auth.header_name, embeddings.auth.header_value": "Both or neither. The value may be a vault reference.",
        _joined(auth, "embeddings.auth."): "null or false: no other kind of credential.",
        "embeddings.model.provider, embeddings.model.name": "Whose model makes the vectors; it reads every prompt.",
        "embeddings.model.options.upstream_url": "null: the provider's own address.",
        _joined(
            ["api_version", "deployment_id", "instance"], "embeddings.model.options.azure."
        ): "Needed with azure alone.",
        _joined(["bedrock", "gemini", "huggingface"], "embeddings.model.options."): "null: none of their own settings.",
        "vectordb.strategy, vectordb.dimensions, vectordb.distance_metric": "All needed. dimensions must be the model's.",
        "vectordb.threshold": "Higher: more texts count as alike.",
        "vectordb.pgvector.ssl, vectordb.pgvector.ssl_required, vectordb.pgvector.ssl_verify": "ssl_required false: a store "
        "without TLS is spoken to in clear.",
        _joined(postgres, "vectordb.pgvector."): "Kong's own defaults with redis.",
        **_redis("vectordb.redis."),
    }


_STOP: Final = "false: a request that could not be checked goes on."
_MODE: Final = "INPUT: prompts. OUTPUT: answers. BOTH: each of them."
_TIMEOUT: Final = "Milliseconds. What happens then says stop_on_error."

LICENSED_PLUGINS: Final[dict[str, OptionTable]] = {
    "openid-connect": _openid_connect(),
    "ai-mcp-oauth2": OptionTable(
        f"ai-mcp-oauth2: {_PAGES} (priority 1015)",
        {
            "resource, authorization_servers": "Needed. A token's `aud` must hold resource.",
            "insecure_relaxed_audience_validation": "true: a token for another resource passes.",
            "jwks_endpoint": "null: keys come from what the issuer's metadata names.",
            "introspection_endpoint, mtls_introspection_endpoint, introspection_format": "An address takes the place of "
            "jwks_endpoint.",
            "metadata_endpoint": "null: the path of the resource with the well-known part behind it.",
            "passthrough_credentials": "false: the token ends here, and the guard could not verify it.",
            "scopes_supported": "Is advertised and not asked for.",
            "ssl_verify, tls_client_auth_ssl_verify": "false: keys are taken from whoever answers in the issuer's place.",
            "max_request_body_size": "Bytes; 0 is no limit of the plugin's.",
            "credential_claim, consumer_by, consumer_claim, consumer_groups_claim, consumer_groups_optional, "
            "consumer_optional": "By which claim a token is counted. consumer_claim null: no consumer is looked for.",
            "jwks_cache_ttl, jwt_claims_leeway, metadata_cache_ttl, metadata_discovery_retry, timeout, keepalive, "
            "http_version, cache_introspection": "Seconds, milliseconds and retries of asking the issuer.",
            "args, claim_to_header, client_alg, client_auth, client_id, client_jwk, client_secret, headers, http_proxy, "
            "http_proxy_authorization, https_proxy, https_proxy_authorization, metadata_discovery_endpoint, no_proxy, "
            "tls_client_auth_cert, tls_client_auth_key, token_exchange, upstream_headers": "null: not used.",
        },
    ),
    "ai-mcp-proxy": OptionTable(
        f"ai-mcp-proxy: {_PAGES} (priority 820)",
        {
            "mode": "passthrough-listener: the server answers. Each other mode makes tools of HTTP interfaces.",
            "acl_attribute_type, access_token_claim_field": "consumer: an issuer is one, so all callers are one.",
            "default_acl": "null: a tool that stands in no list is open to everyone.",
            "tools": "Each with its acl, which takes the place of default_acl. No list of allow: open to everyone.",
            "logging.log_payloads": "true: arguments and results stand in Kong's logs.",
            "logging.log_audits, logging.log_statistics": "What is logged about decisions and calls.",
            "max_request_body_size": "Bytes; 0 is no limit of the plugin's.",
            "consumer_identifier, include_consumer_groups": "Of lists by consumer.",
            "server.forward_client_headers, server.tag, server.timeout": "Of other modes.",
            "server.session.client.secrets, server.session.managed, server.session.session_ttl, "
            "server.session.strategy": "Of other modes.",
            **_redis("server.session.redis."),
        },
    ),
    "rate-limiting-advanced": OptionTable(
        f"rate-limiting-advanced: {_PAGES} (priority 910)",
        {
            "limit, window_size, window_type": "As many limits as windows. sliding: weighed with the window before.",
            "identifier, header_name": "consumer: an issuer is one, so all callers are counted together.",
            "namespace": "null: a random one, so that each deployment counts anew.",
            "strategy, sync_rate": "local takes no rate. 0: counted in Redis before each answer; above: seconds late.",
            "error_code, error_message, hide_client_headers, disable_penalty, retry_after_jitter_max": "What a refused "
            "request is told. disable_penalty false: it is counted too.",
            "throttling.enabled, throttling.interval, throttling.queue_limit, throttling.retry_times": "enabled true: "
            "requests wait instead of being refused.",
            "compound_identifier, consumer_groups, counter_key, enforce_consumer_groups, path": "null or false: not used.",
            "dictionary_name, lock_dictionary_name": "Shared memory of Kong's; one without that name: no count.",
            **_redis("redis.", ("redis_proxy_type",)),
        },
    ),
    "ai-proxy-advanced": OptionTable(
        f"ai-proxy-advanced: {_PAGES} (priority 770)",
        {
            "targets": "Each as with ai-proxy, with weight and model_alias. A request for no alias of a target is 400.",
            "balancer.algorithm": "priority: weights are an order. round-robin: shares.",
            "balancer.retries, balancer.failover_criteria": "retries 0: the first answer counts. non_idempotent: also "
            "what may have run is sent again.",
            "balancer.max_fails, balancer.fail_timeout": "max_fails 0: no target is left out. fail_timeout: milliseconds.",
            "balancer.connect_timeout, balancer.read_timeout, balancer.write_timeout": "Milliseconds.",
            "balancer.hash_on_header, balancer.latency_strategy, balancer.slots, balancer.tokens_count_strategy": "Of other "
            "algorithms.",
            "acls.allow, acls.deny": "null: every consumer; acl admits the guard alone.",
            "embeddings, vectordb": "null: no balancing by meaning.",
            "genai_category, llm_format": "What kind of request, in whose format; the guard reads OpenAI's alone.",
            "max_request_body_size": "Bytes; a larger body is 400.",
            "model_name_header": "true: answers say the provider's model.",
            "response_streaming": "deny: `stream: true` is 400.",
        },
    ),
    "ai-rate-limiting-advanced": OptionTable(
        f"ai-rate-limiting-advanced: {_PAGES} (priority 905)",
        {
            "policies": "The first that matches counts. One without match: whatever no other matches. Tokens are known with "
            "the answer, so that the next request is the first refused.",
            "llm_providers": "Not beside policies.",
            "decrease_by_fractions_in_redis": "false: a cost below 1 counts nothing.",
            "strategy, sync_rate": "As with rate-limiting-advanced.",
            "namespace": "null: a random one, so that each deployment counts anew.",
            "error_code, error_message, error_hide_providers, hide_client_headers, disable_penalty, "
            "retry_after_jitter_max": "What a refused request is told.",
            "header_name, identifier, path, llm_format, tokens_count_strategy, window_type": "Of llm_providers; policies "
            "have their own.",
            "custom_cost_count_function, request_prompt_count_function": "null: no Lua of one's own.",
            "dictionary_name": "Shared memory of Kong's.",
            **_redis("redis."),
        },
    ),
    "ai-semantic-cache": OptionTable(
        f"ai-semantic-cache: {_PAGES} (priority 765)",
        {
            "message_countback": "1: the last message alone is compared, whatever was said before it.",
            "cache_ttl": "Seconds; must be above 0.",
            "cache_control": "true: what providers answer (`no-cache`) is never kept.",
            "exact_caching": "true: equal requests are looked for first.",
            "ignore_assistant_prompts, ignore_system_prompts, ignore_tool_prompts": "true: these are not compared.",
            "stop_on_failure": "true: without its store no request passes.",
            "llm_format": "The guard reads OpenAI's alone.",
            **_vectors(),
        },
    ),
    "ai-semantic-prompt-guard": OptionTable(
        f"ai-semantic-prompt-guard: {_PAGES} (priority 775)",
        {
            "rules.allow_prompts, rules.deny_prompts": "Both null: nothing is compared.",
            "rules.match_all_conversation_history": "false: the last message alone is judged.",
            "rules.match_all_roles": "false: messages of users are judged.",
            "rules.max_request_body_size, max_request_body_size": "Bytes; 0 is no limit of the plugin's.",
            "search.threshold": "From which similarity on a prompt is like another.",
            "genai_category, llm_format": "The guard reads OpenAI's chat completions.",
            **_vectors(),
        },
    ),
    "ai-lakera-guard": OptionTable(
        f"ai-lakera-guard: {_PAGES} (priority 784)",
        {
            "api_key, project_id, lakera_service_url": "May be vault references. project_id null: the account's default.",
            "guarding_mode": _MODE,
            "stop_on_error": _STOP,
            "verify_ssl": "false: whoever answers in Lakera's place decides.",
            "log_blocked_content": "true: refused prompts stand in log lines, in clear.",
            "reveal_failure_categories": "true: the caller learns what was found.",
            "text_source": "last_message: what stands before it is not read.",
            "timeout": _TIMEOUT,
            "request_failure_message, response_failure_message, response_buffer_size": "What a refused caller is told, and "
            "bytes of a stream that are judged at once.",
        },
    ),
    "ai-custom-guardrail": OptionTable(
        f"ai-custom-guardrail: {_PAGES} (priority 785)",
        {
            "request.url, request.body.ai_profile, request.body.contents, request.headers.Content-Type": "What Prisma "
            "AIRS is asked. `$(…)` is an expression over source, content and conf.",
            "request.auth.location, request.auth.name, request.auth.value": "The value may be a vault reference.",
            "response.block, response.block_message": "Whatever is not `allow` is refused, an answer without an action too.",
            "guarding_mode": _MODE,
            "stop_on_error": _STOP,
            "ssl_verify": "false: whoever answers in its place decides.",
            "text_source": "last_message: what stands before it is not read.",
            "timeout": _TIMEOUT,
            "allow_masking": "true: no answer streams.",
            "custom_metrics, functions, metrics, params, request.queries": "null: not used.",
            "response_buffer_size": "Bytes of a stream that are judged at once.",
        },
    ),
    "ai-sanitizer": OptionTable(
        f"ai-sanitizer: {_PAGES} (priority 776)",
        {
            "scheme, host, port, keepalive_timeout": "Where the service is. It has no option for a certificate.",
            "anonymize, custom_patterns": "What is looked for.",
            "sanitization_mode": _MODE,
            "stop_on_error": _STOP,
            "block_if_detected": "true: such a request is refused.",
            "redact_type, recover_redacted": "recover_redacted true: the answer gets back what was taken out of the prompt.",
            "allow_all_conversation_history": "false: earlier messages stay as they are.",
            "skip_logging_sanitized_items": "false: what was taken out stands in log lines.",
            "timeout": _TIMEOUT,
        },
    ),
}

_NEW: Final = "What 3.15 adds to the plugin of OSS"
#: Options of bundled plugins that 3.9 does not know.
ADDED_OPTIONS: Final[dict[str, OptionTable]] = {
    "acl": OptionTable(_NEW, {"include_consumer_groups": "true: consumer groups count as groups."}),
    "ai-prompt-guard": OptionTable(_NEW, {"genai_category": "text/generation: chats."}),
    "ai-proxy": OptionTable(
        _NEW,
        {
            "auth.azure_client_id, auth.azure_client_secret, auth.azure_tenant_id, auth.azure_use_managed_identity, "
            "auth.gcp_metadata_url, auth.gcp_oauth_token_url": "null or false: no other kind of credential.",
            "genai_category": "text/generation: chats.",
            "model.model_alias": "null: the request's model must be the configured one.",
            "model.options.cache_read_cost, model.options.cache_write_cost, model.options.cache_write_cost_list, "
            "model.options.cohere, model.options.context_window_factor, model.options.dashscope, model.options.databricks, "
            "model.options.embeddings_dimensions, model.options.service_tier_factor": "null: not used.",
        },
    ),
    "cors": OptionTable(_NEW, {"allow_origin_absent": "false: a request without Origin is refused."}),
    "http-log": OptionTable(
        _NEW, {"ssl_verify": "false: logs go to whoever answers.", "client_certificate": "null: none is shown."}
    ),
    "key-auth": OptionTable(
        _NEW,
        {
            "identity_realms": "null: keys of this control plane alone.",
            "principals.directory, principals.enabled, principals.error_on_miss": "enabled false: consumers alone.",
        },
    ),
    "opentelemetry": OptionTable(
        _NEW,
        {
            "access_logs.custom_attributes_by_lua, access_logs.endpoint": "null: no access logs.",
            "metrics.enable_ai_metrics, metrics.enable_bandwidth_metrics, metrics.enable_consumer_attribute, "
            "metrics.enable_latency_metrics, metrics.enable_request_metrics, metrics.enable_upstream_health_metrics, "
            "metrics.endpoint, metrics.push_interval": "endpoint null: no metrics.",
            "sampling_strategy": "Whether a caller's own sampling decision counts.",
        },
    ),
    "pre-function": OptionTable(
        _NEW, {"ws_client_frame, ws_close, ws_handshake, ws_upstream_frame": "[]: no code on WebSockets."}
    ),
    "prometheus": OptionTable(_NEW, {"wasm_metrics": "true: metrics of filters too."}),
    "response-ratelimiting": OptionTable(_NEW, {"redis.cloud_authentication": "null: username and password count."}),
}
