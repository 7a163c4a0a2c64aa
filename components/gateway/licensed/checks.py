"""Kong's own checks of prompts and answers in edition ai: each refuses when it fails. Pure."""

from __future__ import annotations

import json
from typing import Any

from components.gateway.licensed.vectors import vector_records
from model.base import seconds, split_url
from model.model_gateway import AirsCheck, LakeraCheck, Sanitizer, TopicCheck


def lakera(check: LakeraCheck) -> dict[str, Any]:
    """The whole config of ai-lakera-guard."""
    return {
        "api_key": check.api_key,
        "guarding_mode": _mode(check.legs),
        "lakera_service_url": check.url,
        # Blocked prompts stay out of Kong's logs; the guard keeps redacted ones where it is asked to.
        "log_blocked_content": False,
        "project_id": check.project_id,
        "request_failure_message": "Request was filtered by Lakera Guard",
        "response_buffer_size": 100,
        "response_failure_message": "Response was filtered by Lakera Guard",
        # What was found teaches an attacker what to change.
        "reveal_failure_categories": False,
        "stop_on_error": True,
        "text_source": "concatenate_all_content",
        "timeout": seconds(check.timeout) * 1000,
        "verify_ssl": True,
    }


def airs(check: AirsCheck) -> dict[str, Any]:
    """The whole config of ai-custom-guardrail for Prisma AIRS: whatever it does not call `allow` is refused."""
    return {
        "allow_masking": False,
        "custom_metrics": None,
        "functions": None,
        "guarding_mode": _mode(check.legs),
        "metrics": None,
        "params": None,
        "request": {
            "auth": {"location": "header", "name": "x-pan-token", "value": check.api_key},
            "body": {
                "ai_profile": json.dumps({"profile_name": check.profile}, separators=(",", ":")),
                "contents": '$(source == "INPUT" and {{prompt = content}} or {{response = content}})',
            },
            "headers": {"Content-Type": "application/json"},
            "queries": None,
            "url": check.url,
        },
        "response": {"block": '$(resp.action ~= "allow")', "block_message": "Request was refused by Prisma AIRS"},
        "response_buffer_size": 100,
        "ssl_verify": True,
        "stop_on_error": True,
        "text_source": "concatenate_all_content",
        "timeout": seconds(check.timeout) * 1000,
    }


def topics(check: TopicCheck, max_bytes: int) -> dict[str, Any]:
    """The whole config of ai-semantic-prompt-guard."""
    return {
        **vector_records(check, check.threshold),
        "genai_category": "text/generation",
        "llm_format": "openai",
        "max_request_body_size": max_bytes,
        "rules": {
            "allow_prompts": list(check.allow) or None,
            "deny_prompts": list(check.deny) or None,
            # Every message of the conversation, as with prompt_policy.
            "match_all_conversation_history": True,
            "match_all_roles": False,
            "max_request_body_size": None,
        },
        "search": {"threshold": float(check.threshold)},
    }


def sanitizer(check: Sanitizer) -> dict[str, Any]:
    """The whole config of ai-sanitizer. What it replaced in a prompt, it puts back into the answer to that prompt."""
    parts = split_url(check.url)
    return {
        # False would leave earlier messages as they are, which the provider reads too.
        "allow_all_conversation_history": True,
        "anonymize": list(check.anonymize),
        "block_if_detected": check.action == "block",
        "custom_patterns": None,
        "host": parts.hostname,
        "keepalive_timeout": 60000,
        "port": parts.port or (443 if parts.scheme == "https" else 80),
        "recover_redacted": True,
        "redact_type": "placeholder",
        "sanitization_mode": _mode(check.legs),
        "scheme": parts.scheme,
        # Else what was taken out of a prompt would stand in log lines.
        "skip_logging_sanitized_items": True,
        "stop_on_error": True,
        "timeout": seconds(check.timeout) * 1000,
    }


def _mode(legs: tuple[str, ...]) -> str:
    if len(set(legs)) == 2:
        return "BOTH"
    return "INPUT" if "prompts" in legs else "OUTPUT"
