"""ai-mcp-proxy: Kong too holds the calls of a server's tools to its grants, by one claim of the caller's token. Pure.

It is beside the guard and never in its place. It knows neither prompts nor resources nor arguments, and Kong 3.15's speaks
MCP 2025-06-18 and to servers also 2025-11-25 (Kong's page, "Which MCP protocol version").
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from components.gateway.licensed.redis import redis_record

#: Who stands in a list of nobody. Without a list everyone may (Kong's page, "ACL evaluation logic"), and what an empty one
#: means is not said. No address and no group of an identity provider is written so.
NOBODY = "(nobody)"


def mcp_proxy(claim: str, tools: Mapping[str, tuple[str, ...]], max_bytes: int) -> dict[str, Any]:
    """The whole config; `tools` is each locked tool with the values of `claim` that may call it."""
    anyone = sorted({subject for subjects in tools.values() for subject in subjects})
    return {
        "access_token_claim_field": claim,
        "acl_attribute_type": "oauth_access_token",
        "consumer_identifier": "username",
        # Kong lists tools by this one alone (its page, "ACL tool control request flow"); the guard lists exactly.
        "default_acl": [{"scope": "tools", **_allowing(anyone)}],
        "include_consumer_groups": False,
        # Arguments and results stay out of Kong's logs; the guard's audit log has who called what.
        "logging": {"log_audits": False, "log_payloads": False, "log_statistics": False},
        "max_request_body_size": max_bytes,
        "mode": "passthrough-listener",
        # Of the other modes: in this one the server keeps its own sessions.
        "server": {
            "forward_client_headers": True,
            "session": {
                "client": {"secrets": None},
                "managed": True,
                "redis": redis_record(None),
                "session_ttl": 86400,
                "strategy": None,
            },
            "tag": None,
            "timeout": 10000,
        },
        "tools": [_tool(name, subjects) for name, subjects in sorted(tools.items())],
    }


def _tool(name: str, subjects: tuple[str, ...]) -> dict[str, Any]:
    return {
        "acl": _allowing(sorted(subjects)),
        "annotations": None,
        # Needed, and shown to nobody: the list is the server's own.
        "description": name,
        "headers": None,
        "host": None,
        "method": None,
        "name": name,
        "parameters": None,
        "path": None,
        "query": None,
        "request_body": None,
        "responses": None,
        "scheme": None,
    }


def _allowing(subjects: list[str]) -> dict[str, Any]:
    return {"allow": subjects or [NOBODY], "deny": None}
