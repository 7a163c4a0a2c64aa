"""The table that says which plugin of a Kong edition enforces which protection.

A new edition is a new column. What an edition cannot enforce is the guard's work, and then the table says so, or it is an
error that names the edition needed: no protection is dropped without a word.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Literal

from model.errors import InputError

Edition = Literal["oss", "enterprise", "ai"]


class Protection(Enum):
    """What the gateway must do, in words that complete "nothing would …" in an error message."""

    IDENTITY = "check whom a token is for"
    SIGNATURE = "verify a token's signature"
    ISSUER = "admit one issuer's keys only"
    PRINCIPAL_RATE = "limit each principal's requests"
    SERVER_TOKENS = "limit a server's tokens"
    BODY_SIZE = "limit a request's size"
    CLEAN_HEADERS = "keep credentials from the next hop"
    CORS = "answer a browser's preflight"
    RESOURCE_METADATA = "publish protected-resource metadata"
    LOCKDOWN = "close a server"
    REQUEST_ID = "give each request an id"
    METRICS = "publish metrics"
    LOG_HTTP = "log to an HTTP collector"
    LOG_FILE = "log to a file"
    LOG_OTLP = "log to an OTLP collector"
    PRINCIPAL_TOKENS = "limit each principal's tokens"
    TOOL_RATE = "limit each tool"
    TOOL_ACCESS = "decide who may call which tool"
    INSPECTION = "inspect tool calls and results"
    MODEL_PROXY = "send prompts to a model"
    INNER_KEY = "ask for the guard's key before a model"
    INNER_CONSUMER = "admit the guard alone to a model"
    PROMPT_DECORATION = "put a system message before prompts"
    PROMPT_PATTERNS = "refuse prompts by pattern"
    MODEL_RESPONSES = "carry the Responses API"
    MODEL_EMBEDDINGS = "carry embeddings"
    MODEL_ORDER = "try a model's targets in order"
    LLM_SEMANTIC_CACHE = "cache LLM answers by meaning"
    LLM_TOKENS = "limit an LLM route's tokens"
    LLM_FAILOVER = "fail over between LLM providers"


@dataclass(frozen=True)
class ByPlugin:
    """A plugin that this edition bundles enforces it."""

    name: str


@dataclass(frozen=True)
class ByGuard:
    """The guard enforces it; `reason` is why the gateway cannot."""

    reason: str


Enforcer = ByPlugin | ByGuard

_BY_GUARD = {
    Protection.PRINCIPAL_TOKENS: ByGuard("response-ratelimiting counts by consumer, and an issuer is one consumer"),
    Protection.TOOL_RATE: ByGuard("one rate-limiting instance runs per request; the principal's limit has it"),
    Protection.TOOL_ACCESS: ByGuard("the tool's name is in the body, and the lock and grants are the guard's"),
    Protection.INSPECTION: ByGuard("Kong's guardrail plugins read LLM chats only; ai-prompt-guard refuses all MCP"),
}

TABLE: dict[Edition, dict[Protection, Enforcer]] = {
    "oss": {
        Protection.IDENTITY: ByPlugin("pre-function"),
        Protection.SIGNATURE: ByPlugin("jwt"),
        Protection.ISSUER: ByPlugin("acl"),
        Protection.PRINCIPAL_RATE: ByPlugin("rate-limiting"),
        Protection.SERVER_TOKENS: ByPlugin("response-ratelimiting"),
        Protection.BODY_SIZE: ByPlugin("request-size-limiting"),
        Protection.CLEAN_HEADERS: ByPlugin("request-transformer"),
        Protection.CORS: ByPlugin("cors"),
        Protection.RESOURCE_METADATA: ByPlugin("request-termination"),
        Protection.LOCKDOWN: ByPlugin("request-termination"),
        Protection.REQUEST_ID: ByPlugin("correlation-id"),
        Protection.METRICS: ByPlugin("prometheus"),
        Protection.LOG_HTTP: ByPlugin("http-log"),
        Protection.LOG_FILE: ByPlugin("file-log"),
        Protection.LOG_OTLP: ByPlugin("opentelemetry"),
        Protection.MODEL_PROXY: ByPlugin("ai-proxy"),
        Protection.INNER_KEY: ByPlugin("key-auth"),
        Protection.INNER_CONSUMER: ByPlugin("acl"),
        Protection.PROMPT_DECORATION: ByPlugin("ai-prompt-decorator"),
        Protection.PROMPT_PATTERNS: ByPlugin("ai-prompt-guard"),
        **_BY_GUARD,
    },
    # Licensed editions come later; the model refuses them until their column is complete and tested.
}

#: For protections that no column above has: the first edition and version that could enforce them.
_NEEDS = {
    Protection.MODEL_RESPONSES: "edition ai 3.11 (ai-proxy, route type llm/v1/responses)",
    Protection.MODEL_EMBEDDINGS: "edition ai 3.11 (ai-proxy, route type llm/v1/embeddings)",
    Protection.MODEL_ORDER: "edition ai 3.8 (ai-proxy-advanced, its balancer)",
    Protection.LLM_SEMANTIC_CACHE: "edition ai 3.8 (ai-semantic-cache), on an LLM route of its own",
    Protection.LLM_TOKENS: "edition ai 3.7 (ai-rate-limiting-advanced), on an LLM route of its own",
    Protection.LLM_FAILOVER: "edition ai 3.8 (ai-proxy-advanced), on an LLM route of its own",
}


def enforcer(protection: Protection, edition: Edition, version: str) -> Enforcer:
    """Who enforces `protection` with this edition and version of Kong.

    Raises:
        InputError: nobody does; the message names what would.
    """
    gateway = f"Kong {edition} {version}"
    column = TABLE.get(edition)
    if column is None:
        raise InputError(
            f"{gateway} is not supported yet", key="gateway.edition", remedy=f"use {' or '.join(sorted(TABLE))}"
        )
    entry = column.get(protection)
    if entry is None:
        raise InputError(
            f"{gateway} cannot {protection.value}", key="gateway.edition", remedy=f"it needs {_NEEDS[protection]}"
        )
    return entry


def plugin_name(protection: Protection, edition: Edition, version: str) -> str:
    """The plugin that enforces `protection`; raises InputError where the edition has none."""
    entry = enforcer(protection, edition, version)
    if isinstance(entry, ByGuard):
        raise InputError(
            f"Kong {edition} {version} cannot {protection.value}: {entry.reason}",
            key="gateway.edition",
            remedy="this is the guard's work",
        )
    return entry.name
