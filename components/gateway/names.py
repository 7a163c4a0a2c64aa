"""Every name and tag that Ringwall gives at Kong; `keys sync`, `doctor`, `lockdown` and the stacks share them."""

from __future__ import annotations

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from model.model_route import ModelKind
    from model.stacks import ModelStack, PerimeterStack

#: Cloudflare Access among the issuers (the environment's own issuers may not take this name).
ACCESS = "access"

#: Headers of the identity chain. Client-sent ones are cleared before anything reads them.
HEADER_PREFIX = "x-ringwall-"
ASSERTION_HEADER = "x-ringwall-assertion"
PRINCIPAL_HEADER = "x-ringwall-principal"
REQUEST_ID_HEADER = "x-ringwall-request-id"
#: What the guard answers so that Kong can count tokens: `X-Kong-Limit: tokens=N`.
LIMIT_HEADER = "x-kong-limit"
#: The limit's name in that header.
TOKENS = "tokens"
#: What Kong tells the guard is left of the server's token budget. response-ratelimiting sets it on every request it lets
#: on (3.9.3, kong/plugins/response-ratelimiting/access.lua); the lowest of its periods, negative after an overshoot.
REMAINING_HEADER = f"x-ratelimit-remaining-{TOKENS}"

#: Where a model route's guard shows its key to the inner routes; public routes clear it with all of their prefix.
GUARD_KEY_HEADER = "x-ringwall-key"
#: No tunnel and no DNS zone has names below it: `internal` is for private use (ICANN resolution 2024.07.29.06).
INNER_DOMAIN = "ringwall.internal"

#: What a closed server answers; it says nothing about why.
CLOSED_MESSAGE = "This server is closed."

METADATA_PATH = "/.well-known/oauth-protected-resource"
HEALTH_PATH = "/healthz"


def issuer_group(issuer: str) -> str:
    """ACL group of the one consumer that holds an issuer's keys; `access` is Cloudflare Access."""
    return f"issuer-{issuer}"


def consumer_username(environment: str, issuer: str) -> str:
    """Kong username (and custom_id) of the consumer whose JWT credentials are the issuer's keys, one a `kid`."""
    return f"{environment}-issuer-{issuer}"


def entity_name(environment: str, server: str, part: str) -> str:
    """Name of a Kong entity. It holds the environment, as one gateway may carry the routes of several (hybrid topology)."""
    return f"{environment}-{server}-{part}"


def upstream_name(server: PerimeterStack) -> str:
    """Name of the upstream, and so the host of the service: Kong resolves it to the upstream's targets, never by DNS."""
    return entity_name(server.environment.name, server.name, "guard")


def tags(environment: str, server: str | None = None) -> list[str]:
    """Tags of an environment's entities, and with `server` of one server's.

    They never change in place: pulumi-kong cannot remove a tag, as its PATCH omits empty lists.
    """
    result = ["ringwall", f"ringwall-environment-{environment}"]
    if server is not None:
        result.append(f"ringwall-server-{server}")
    return result


def server_tags(server: PerimeterStack) -> list[str]:
    """The tags of everything that one server has at Kong."""
    return tags(server.environment.name, server.name)


def guard_username(stack: ModelStack) -> str:
    """Kong username (and custom_id) of the consumer that stands for a model route's guard."""
    return entity_name(stack.environment.name, stack.name, "guard-key")


def guard_group(stack: ModelStack) -> str:
    """ACL group of that consumer alone."""
    return f"guard-{stack.environment.name}-{stack.name}"


def _label(model: str) -> str:
    """A model in the names of hosts and entities, where its own characters may not stand."""
    return "m" + hashlib.sha256(model.encode()).hexdigest()[:16]


def inner_host(stack: ModelStack, model: str) -> str:
    """The Host by which Kong finds a model's inner route; each label at most 63 characters."""
    return f"{_label(model)}.{stack.name}.{stack.environment.name}.{INNER_DOMAIN}"


def inner_name(stack: ModelStack, model: str, kind: ModelKind = "chat") -> str:
    """Name of the inner service and route of a model's one kind of request."""
    return entity_name(stack.environment.name, stack.name, f"inner-{_label(model)}{kind_suffix(kind)}")


def kind_suffix(kind: ModelKind) -> str:
    """Ends the names of what carries another kind than chat completions."""
    return "" if kind == "chat" else f"-{kind}"


def direct_name(stack: ModelStack) -> str:
    """Name of the service that leads to the providers where a model route has no guard: another than that of the service
    which leads to a guard, so that both can stand while the public route moves from one to the other."""
    return entity_name(stack.environment.name, stack.name, "models")


def inner_upstream_name(stack: ModelStack, model: str) -> str:
    """Name of a model's upstream where it has several targets, and so the host that ai-proxy sends to."""
    return entity_name(stack.environment.name, stack.name, f"targets-{_label(model)}")


def metadata_url(hostname: str, path: str) -> str:
    """RFC 9728 section 3.1: the well-known part stands between host and path."""
    return f"https://{hostname}{metadata_paths(path)[0]}"


def metadata_paths(path: str) -> list[str]:
    """Both well-known paths a client tries, the server's own first (MCP authorization specification)."""
    return [METADATA_PATH] if path == "/" else [f"{METADATA_PATH}{path}", METADATA_PATH]
