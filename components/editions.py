"""The table that says which plugin of a Kong edition enforces which protection, and from which version on.

What an edition cannot enforce is the guard's work, and then the table says so, or it is an error that names the edition
needed: no protection is dropped without a word.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum
from typing import Final

from model.errors import InputError
from model.kong_versions import Edition


class Protection(Enum):
    """What the gateway must do, in words that complete "nothing would …" in an error message."""

    IDENTITY = "check whom a token is for"
    SIGNATURE = "verify a token's signature"
    EXTERNAL_SIGNATURE = "verify an access token of an issuer of one's own"
    OPAQUE_TOKENS = "verify tokens that are no JWTs"
    CLIENT_CERTIFICATE = "check a caller's client certificate"
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
    GATEWAY_TOOLS = "hold tool calls to the grants at the gateway"
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
    MODEL_TOKENS = "limit tokens and cost of models"
    PROMPT_INSPECTION = "inspect prompts and answers"
    LLM_FAILOVER = "fail over between LLM providers"
    GATEWAY_TOKENS = "count a model's tokens and cost at the gateway"
    GATEWAY_LAKERA = "ask Lakera at the gateway"
    GATEWAY_AIRS = "ask Prisma AIRS at the gateway"
    PROMPT_TOPICS = "refuse prompts by meaning"
    PROMPT_SANITIZER = "take personal data out of prompts at the gateway"
    GUARDLESS = "stand before models without a guard"


@dataclass(frozen=True)
class ByPlugin:
    """A plugin that this edition bundles enforces it, from a version on."""

    name: str
    since: str
    #: Why this plugin and not another that one would expect here.
    reason: str = ""


@dataclass(frozen=True)
class ByGuard:
    """The guard enforces it; `reason` is why the gateway does not."""

    reason: str


@dataclass(frozen=True)
class Lacking:
    """Nobody enforces it in this edition; `remedy` is what would."""

    remedy: str


Entry = ByPlugin | ByGuard | Lacking
Enforcer = ByPlugin | ByGuard

_CHAT_ALONE: Final = Lacking("use edition ai 3.15 (ai-proxy-advanced), or chat completions")

_BUNDLED: Final[dict[Protection, Entry]] = {
    Protection.IDENTITY: ByPlugin("pre-function", "3.0", "no plugin holds each public name to an audience of its own"),
    Protection.BODY_SIZE: ByPlugin("request-size-limiting", "3.0"),
    Protection.SERVER_TOKENS: ByPlugin(
        "response-ratelimiting", "3.0", "counts what the guard says in X-Kong-Limit; no AI plugin counts MCP traffic"
    ),
    Protection.CLEAN_HEADERS: ByPlugin("request-transformer", "3.0"),
    Protection.CORS: ByPlugin("cors", "3.0"),
    Protection.RESOURCE_METADATA: ByPlugin(
        "request-termination", "3.0", "a service of its own, as the server's asks for a token"
    ),
    Protection.LOCKDOWN: ByPlugin("request-termination", "3.0"),
    Protection.REQUEST_ID: ByPlugin("correlation-id", "3.0"),
    Protection.METRICS: ByPlugin("prometheus", "3.0"),
    Protection.LOG_HTTP: ByPlugin("http-log", "3.0"),
    Protection.LOG_FILE: ByPlugin("file-log", "3.0"),
    Protection.LOG_OTLP: ByPlugin("opentelemetry", "3.8"),
    Protection.PRINCIPAL_TOKENS: ByGuard("Kong counts tokens of LLM answers alone, and by consumer: an issuer is one"),
    Protection.TOOL_RATE: ByGuard("one rate limit runs per request; the principal's has it"),
    Protection.TOOL_ACCESS: ByGuard("the tool's name is in the body, and the lock and grants are the guard's"),
    Protection.INSPECTION: ByGuard("Kong's guardrail plugins read LLM chats alone; ai-prompt-guard refuses all MCP"),
    Protection.INNER_KEY: ByPlugin("key-auth", "3.0"),
    Protection.INNER_CONSUMER: ByPlugin("acl", "3.0"),
    Protection.PROMPT_DECORATION: ByPlugin("ai-prompt-decorator", "3.6"),
    Protection.PROMPT_PATTERNS: ByPlugin("ai-prompt-guard", "3.6"),
    Protection.MODEL_TOKENS: ByGuard(
        "it reserves before a request and settles after, so that parallel calls cannot overshoot"
    ),
    Protection.PROMPT_INSPECTION: ByGuard("the same engines, exceptions and audit chain as before a server"),
    Protection.CLIENT_CERTIFICATE: Lacking(
        "a caller's TLS ends at Cloudflare, before mtls-auth: write common_name of an agent, which Access then asks for"
    ),
}
_UNLICENSED: Final[dict[Protection, Entry]] = {
    Protection.GATEWAY_TOOLS: Lacking(
        "use edition ai 3.15 (ai-mcp-proxy), or leave oauth.tool_claim out: the guard decides who may call which tool"
    ),
    Protection.MODEL_PROXY: ByPlugin("ai-proxy", "3.6"),
    Protection.MODEL_RESPONSES: _CHAT_ALONE,
    Protection.MODEL_EMBEDDINGS: _CHAT_ALONE,
    Protection.MODEL_ORDER: Lacking("use edition ai 3.15 (ai-proxy-advanced, its balancer)"),
    Protection.LLM_FAILOVER: Lacking("use edition ai 3.15 (ai-proxy-advanced)"),
    Protection.LLM_SEMANTIC_CACHE: Lacking(
        "use edition ai 3.15 (ai-semantic-cache, shared by all), or cache.exact, which keeps each principal's own"
    ),
    Protection.GATEWAY_TOKENS: Lacking(
        "use edition ai 3.15 (ai-rate-limiting-advanced), or limits, which the guard counts"
    ),
    Protection.GATEWAY_LAKERA: Lacking("use edition ai 3.15 (ai-lakera-guard), or guard.engines.lakera"),
    Protection.GATEWAY_AIRS: Lacking("use edition ai 3.15 (ai-custom-guardrail), or guard.engines.prisma_airs"),
    Protection.PROMPT_TOPICS: Lacking("use edition ai 3.15 (ai-semantic-prompt-guard), or prompt_policy"),
    Protection.PROMPT_SANITIZER: Lacking("use edition ai 3.15 (ai-sanitizer), or guard.legs.prompts: redact"),
    Protection.GUARDLESS: Lacking("use edition ai 3.15, or take guard: none out"),
}

#: Its `jwks_endpoint` is of 3.14.
_OPENID_CONNECT: Final = ByPlugin("openid-connect", "3.14", "it reads the issuer's JWKS; jwt needs each key at Kong")
_LICENSED: Final[dict[Protection, Entry]] = {
    Protection.SIGNATURE: ByPlugin("openid-connect", "3.14", "it reads the issuer's JWKS; jwt needs each key at Kong"),
    Protection.EXTERNAL_SIGNATURE: ByPlugin(
        "openid-connect", "3.14", "it reads the issuer's JWKS; jwt needs each key at Kong"
    ),
    Protection.OPAQUE_TOKENS: ByPlugin(
        "openid-connect",
        "3.14",
        "it holds audience and scopes, and forgets in time; oauth2-introspection asks for active alone",
    ),
    Protection.ISSUER: ByPlugin("openid-connect", "3.14", "issuers_allowed"),
    Protection.PRINCIPAL_RATE: ByPlugin("rate-limiting-advanced", "3.0", "sliding windows"),
}

TABLE: Final[dict[Edition, dict[Protection, Entry]]] = {
    "oss": {
        **_BUNDLED,
        **_UNLICENSED,
        Protection.SIGNATURE: ByPlugin("jwt", "3.0"),
        Protection.OPAQUE_TOKENS: Lacking(
            "use edition enterprise or ai 3.15 (openid-connect), or an issuer that signs its access tokens as JWTs"
        ),
        Protection.EXTERNAL_SIGNATURE: ByPlugin("jwt", "3.0"),
        Protection.ISSUER: ByPlugin("acl", "3.0"),
        Protection.PRINCIPAL_RATE: ByPlugin("rate-limiting", "3.0"),
    },
    "enterprise": {**_BUNDLED, **_UNLICENSED, **_LICENSED},
    "ai": {
        **_BUNDLED,
        **_LICENSED,
        Protection.EXTERNAL_SIGNATURE: ByPlugin(
            "ai-mcp-oauth2", "3.12", "strict audience; a technical preview of Kong's"
        ),
        Protection.TOOL_ACCESS: ByGuard(
            "ai-mcp-proxy decides by consumer or one claim of a token; grants name people, groups and agents"
        ),
        # 3.14: `acl_attribute_type`.
        Protection.GATEWAY_TOOLS: ByPlugin(
            "ai-mcp-proxy", "3.14", "beside the guard, by one claim of a JWT; it speaks MCP up to 2025-11-25"
        ),
        Protection.MODEL_PROXY: ByPlugin("ai-proxy-advanced", "3.8"),
        Protection.MODEL_RESPONSES: ByPlugin("ai-proxy-advanced", "3.11", "a route of its own, llm/v1/responses"),
        Protection.MODEL_EMBEDDINGS: ByPlugin("ai-proxy-advanced", "3.11", "a route of its own, llm/v1/embeddings"),
        Protection.MODEL_ORDER: ByPlugin("ai-proxy-advanced", "3.8", "its balancer, by priority"),
        Protection.LLM_FAILOVER: ByPlugin("ai-proxy-advanced", "3.8", "its balancer, max_fails and fail_timeout"),
        # 3.15: neither its schema nor its page has a key by consumer or header.
        Protection.LLM_SEMANTIC_CACHE: ByPlugin(
            "ai-semantic-cache", "3.8", "shared by name alone: nothing keeps one principal's answers from another's"
        ),
        Protection.GATEWAY_TOKENS: ByPlugin(
            "ai-rate-limiting-advanced",
            "3.14",
            "beside the guard, or with guard: none in its place; it learns of an answer's tokens with the next request",
        ),
        Protection.GATEWAY_LAKERA: ByPlugin("ai-lakera-guard", "3.13", "beside the guard's engines, or in their place"),
        Protection.GATEWAY_AIRS: ByPlugin(
            "ai-custom-guardrail", "3.14", "Kong's own way to a service without a plugin"
        ),
        Protection.PROMPT_TOPICS: ByPlugin("ai-semantic-prompt-guard", "3.8"),
        Protection.PROMPT_SANITIZER: ByPlugin("ai-sanitizer", "3.10", "a service of Kong's that you run"),
        # 3.14: routing by `model_alias` (Kong docs, "Route requests to different models using model aliases").
        Protection.GUARDLESS: ByPlugin(
            "ai-proxy-advanced", "3.14", "guard: none; what nobody does then is an error where a file asks for it"
        ),
    },
}


def enforcer(protection: Protection, edition: Edition, version: str) -> Enforcer:
    """Who enforces `protection` with this edition and version of Kong.

    Raises:
        InputError: nobody does; the message names what would.
    """
    gateway = f"Kong {edition} {version}"
    entry = TABLE[edition][protection]
    if isinstance(entry, Lacking):
        raise InputError(f"{gateway} cannot {protection.value}", key="gateway.edition", remedy=entry.remedy)
    if isinstance(entry, ByPlugin) and _numbers(version) < _numbers(entry.since):
        raise InputError(
            f"{gateway} cannot {protection.value}",
            key="gateway.version",
            remedy=f"it needs version {entry.since} ({entry.name})",
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


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))
