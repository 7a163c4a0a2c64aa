"""Options of the plugins of inner routes, and what Kong's source does with each at its edges; a part of the tables in
`components.gateway.options`."""

from __future__ import annotations

from typing import Final

from components.gateway.option_table import OptionTable

_SIZE = "Bytes; a larger body that nginx wrote to disk is 400. 0 and below: refused by the schema."
_FORMAT = "absent: openai. bedrock, gemini: bodies of those APIs, which the guard does not read."

INNER_PLUGINS: Final[dict[str, OptionTable]] = {
    "key-auth": OptionTable(
        "kong/plugins/key-auth: handler.lua, schema.lua (priority 1250)",
        {
            "key_names": "absent: `[apikey]`. []: refused by the schema.",
            "hide_credentials": "false: the key goes on to the provider.",
            "anonymous": "null: no key or an unknown one is 401. A consumer: every failure goes on as that consumer.",
            "key_in_header": "false: the header is not read.",
            "key_in_query, key_in_body": "true: a key in a query string or a form counts too, and stands in logs.",
            "run_on_preflight": "false: no OPTIONS request is asked for a key.",
            "realm": "null: `WWW-Authenticate` has none.",
        },
    ),
    "ai-prompt-guard": OptionTable(
        "kong/plugins/ai-prompt-guard: filters/guard-prompt.lua, schema.lua (priority 771)",
        {
            "allow_patterns, deny_patterns": "Both null or []: refused by the schema, as are more than 10, and one of more "
            "than 500 characters. deny goes first. A pattern that PCRE does not read is 500.",
            "allow_all_conversation_history": "true: the last user message alone is judged.",
            "match_all_roles": "false: messages of users are judged, and 400 for one whose content is no text.",
            "max_request_body_size": _SIZE,
            "llm_format": _FORMAT,
        },
    ),
    "ai-prompt-decorator": OptionTable(
        "kong/plugins/ai-prompt-decorator: filters/decorate-prompt.lua, schema.lua (priority 772)",
        {
            "prompts.prepend, prompts.append": "Both null or []: refused by the schema, as are more than 15, and a text of "
            "more than 500 characters.",
            "max_request_body_size": _SIZE,
            "llm_format": _FORMAT,
        },
    ),
    "ai-proxy": OptionTable(
        "kong/llm/proxy/handler.lua, kong/llm/drivers, kong/plugins/ai-proxy/schema.lua (priority 770)",
        {
            "route_type": "llm/v1/chat: a body without `messages` is 400. preserve: the body is passed on unread.",
            "auth.header_name, auth.header_value": "Both or neither, else refused by the schema. The value may be a vault "
            "reference; one that does not resolve is sent as it is written.",
            "auth.param_name, auth.param_value, auth.param_location": "All or none. null: no credential in query or body.",
            "auth.gcp_use_service_account, auth.gcp_service_account_json": "false: no token of Google's is asked for.",
            "auth.aws_access_key_id, auth.aws_secret_access_key": "null: no request is signed.",
            "auth.allow_override": "true: a caller's own header takes the credential's place.",
            "model.provider": "Decides the driver, and by it formats and addresses.",
            "model.name": "null: the request's counts. Another name in the request: 400 `cannot use own model` (run).",
            "model.options.max_tokens, model.options.temperature, model.options.top_p, model.options.top_k": "null: the "
            "request's counts. A value takes the request's place.",
            "model.options.input_cost, model.options.output_cost": "null: log lines hold no cost. 0: refused by the schema.",
            "model.options.anthropic_version": "null with anthropic: refused by the schema.",
            "model.options.azure_instance, model.options.azure_deployment_id": "null with azure: refused by the schema.",
            "model.options.azure_api_version": "absent: 2023-05-15.",
            "model.options.llama2_format": "null with llama2: refused by the schema.",
            "model.options.mistral_format": "null with mistral: refused by the schema.",
            "model.options.upstream_url": "null: the provider's own address. Without a port 443; a query string is dropped. "
            "A host that is the name of an upstream: its targets.",
            "model.options.upstream_path": "null: the provider's own path.",
            "model.options.gemini, model.options.bedrock, model.options.huggingface": "null: none of their own settings.",
            "logging.log_statistics": "false: no tokens in log lines.",
            "logging.log_payloads": "true: prompts and answers in log lines, in clear.",
            "response_streaming": "deny: `stream: true` is 400. always: every answer is a stream.",
            "max_request_body_size": _SIZE,
            "model_name_header": "true: answers say the provider's model in `X-Kong-LLM-Model`.",
            "llm_format": _FORMAT,
        },
    ),
}
