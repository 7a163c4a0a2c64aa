"""Representative environments and servers for the gateway's tests."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from model.environment import Environment
from model.loader import Document
from model.server import Server
from model.stacks import EnvironmentStack, ServerStack
from model.tool_lock import LockedServer, ToolLock

ISSUER_KEY = "keycloak"
INTROSPECTION = {
    "endpoint": "https://idp.example.com/introspect",
    "client_id": "ringwall",
    "client_secret": {"file": "/etc/ringwall/idp-secret"},
    "gateway_secret": "{vault://env/idp-secret}",
}
#: An issuer of the same name whose tokens are no JWTs.
OPAQUE = {"issuers": {ISSUER_KEY: {"issuer": "https://idp.example.com/realms/x", "introspection": INTROSPECTION}}}
AUDIENCES = {"github.example.com": "a" * 64, "claude.example.com": "b" * 64}


def environment(**changes: Any) -> Environment:
    gateway = {"admin_uri": "http://127.0.0.1:8001"} | changes.pop("gateway", {})
    base: dict[str, Any] = {
        "version": 1,
        "cloudflare": {"account_id": "0" * 32, "zone": "example.com", "zone_id": "1" * 32, "team": "acme"},
        "hosts": {"h1": {}},
        "gateway": gateway,
        "countries": ["SE"],
        "hosted_clients": {
            "claude": {
                "addresses": ["203.0.113.0/24"],
                "source": "https://docs.example.com/ips",
                "redirect_uris": ["https://claude.example.com/callback"],
            }
        },
        "issuers": {
            ISSUER_KEY: {"issuer": "https://idp.example.com/realms/x", "jwks_uri": "https://idp.example.com/jwks"}
        },
    }
    return Environment.model_validate(base | changes)


def server(**changes: Any) -> Server:
    base: dict[str, Any] = {
        "version": 1,
        "host": "h1",
        "hostname": "github.example.com",
        "guard_port": 9010,
        "origin": {"url": "http://127.0.0.1:3000/mcp"},
        "access": {
            "people": {"emails": ["ann@example.com"]},
            "hosted_clients": {"claude": {"hostname": "claude.example.com", "people": {"emails": ["ann@example.com"]}}},
        },
    }
    return Server.model_validate(base | changes)


def external(**changes: Any) -> Server:
    oauth = {
        "mode": "external",
        "issuer": ISSUER_KEY,
        "audience": "https://github.example.com/mcp",
        "scopes": ["mcp:use"],
    }
    return server(**({"oauth": oauth, "access": {"people": {"emails": ["ann@example.com"]}}} | changes))


def environment_stack(settings: Environment | None = None, name: str = "dev") -> EnvironmentStack:
    return EnvironmentStack(name, Document(Path(f"Pulumi.{name}.yaml"), {}), settings or environment())


def stack(
    settings: Environment | None = None, manifest: Server | None = None, *, name: str = "github", within: str = "dev"
) -> ServerStack:
    """A server's stack as if read from files; its tool lock is empty."""
    return ServerStack(
        environment_stack(settings, within),
        name,
        Document(Path(f"Pulumi.{within}.{name}.yaml"), {}),
        manifest or server(),
        Path(f"{within}.{name}.lock.yaml"),
        ToolLock(server=LockedServer(name=name)),
    )


def central() -> Environment:
    return environment(
        topology="central",
        hosts={"h1": {"guard_address": "h1.internal.example.com"}},
        gateway={
            "mutual_tls": {
                "client_certificate_id": "11111111-1111-1111-1111-111111111111",
                "ca_certificate_ids": ["22222222-2222-2222-2222-222222222222"],
            }
        },
    )


ALL_SINKS: dict[str, Any] = {
    "http": {"url": "{vault://env/log-url}", "headers": {"Authorization": "{vault://env/log-token}"}},
    "file": {"path": "/var/log/kong/mcp.log"},
    "otlp": {
        "traces": "https://otel.example.com/v1/traces",
        "logs": "{vault://env/otel-logs}",
        "headers": {"x-api-key": "{vault://env/otel-key}"},
    },
}
REDIS: dict[str, Any] = {
    "host": "redis.example.com",
    "username": "{vault://env/redis-user}",
    "password": "{vault://env/redis-password}",
}
CORS = {"origins": ["https://app.example.com", "http://localhost:6274"]}


def audiences(manifest: Server) -> dict[str, str]:
    return {hostname: AUDIENCES[hostname] for hostname in manifest.hostnames}


#: Every kind of server and environment, for checks that hold of all.
CASES: dict[str, tuple[Environment, Server]] = {
    "access": (environment(), server()),
    "external": (environment(), external()),
    "external without scopes": (
        environment(),
        external(
            oauth={"mode": "external", "issuer": ISSUER_KEY, "audience": "https://github.example.com/mcp"},
        ),
    ),
    "cors": (environment(), server(cors=CORS)),
    "external cors": (environment(), external(cors=CORS)),
    "own sinks": (environment(), server(logs=ALL_SINKS)),
    "environment sinks": (environment(logs=ALL_SINKS), server()),
    "redis": (environment(gateway={"redis": REDIS}), server()),
    "plain redis": (environment(gateway={"redis": {"host": "10.0.0.5", "tls": False}}), server()),
    "central": (central(), server()),
    "no metrics": (environment(metrics={"prometheus": False}), server(path="/")),
}
