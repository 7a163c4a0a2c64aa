"""Service, route, upstream and target of one server: pure inputs in pulumi-kong's own names, every default written."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any
from urllib.parse import quote

from components.gateway.names import (
    HEALTH_PATH,
    PRINCIPAL_HEADER,
    entity_name,
    metadata_paths,
    server_tags,
    upstream_name,
)
from model.base import seconds
from model.environment import Environment, MutualTls
from model.errors import InputError
from model.model_route import ModelKind, ModelRoute
from model.stacks import PerimeterManifest, PerimeterStack

Inputs = dict[str, Any]

#: Answers that say the guard is broken, and that no caller can bring about: 502 is Kong's own word for a guard that it could
#: not connect to or that broke off (retries 0: kong/init.lua reports the final status), 503 is the guard's for being closed.
#: The guard turns every failure of its server into an answer on 200. 429 and verdicts (401, 403) are not among them: three
#: 429s from the target gave everyone 503 (run on 3.9.3, whose default counts 429). Nor is 500: a request that meets a defect
#: of the guard fails alone.
FAILURES = [502, 503]
#: Kong's own default, written out.
SUCCESSES = [200, 201, 202, 203, 204, 205, 206, 207, 208, 226, 300, 301, 302, 303, 304, 305, 306, 307, 308]


def upstream_inputs(server: PerimeterStack) -> Inputs:
    """The upstream, which is the circuit breaker: Kong probes the guard at `/healthz` on its traffic port, for any Host.

    Affinity is by principal, not by `Mcp-Session-Id`: the server names the session in its answer, so the request that
    opens it could not be hashed by it, and the next one would meet another target.
    """
    manifest, settings = server.manifest, server.settings
    breaker, central = manifest.circuit_breaker, settings.topology == "central"
    kind = "https" if central else "http"
    interval = seconds(breaker.probe_every)
    active: Inputs = {
        "type": kind,
        "timeout": 2,
        "concurrency": 10,
        "http_path": HEALTH_PATH,
        "https_verify_certificate": True,
        "healthy": {"interval": interval, "http_statuses": [200], "successes": breaker.recover_after},
        "unhealthy": {
            "interval": interval,
            # 404 counts: whatever answers it on this port is not the guard.
            "http_statuses": [404, 500, 501, 502, 503, 504, 505],
            "http_failures": breaker.failures,
            "tcp_failures": breaker.failures,
            "timeouts": breaker.timeouts,
        },
    }
    if central:
        active["https_sni"] = manifest.hostname
    inputs: Inputs = {
        "name": upstream_name(server),
        "slots": 10000,
        "hash_on": "header",
        "hash_on_header": PRINCIPAL_HEADER,
        "hash_fallback": "none",
        "hash_on_cookie_path": "/",
        "healthchecks": {
            "active": active,
            "passive": {
                "type": kind,
                # Not 0: a counted success is what sets the failures back, and only failures in a row count.
                "healthy": {"http_statuses": SUCCESSES, "successes": breaker.recover_after},
                "unhealthy": {
                    "http_statuses": FAILURES,
                    "http_failures": breaker.failures,
                    "tcp_failures": breaker.failures,
                    # 0 is off: a caller whose client takes no stream can make an answer silent for longer than
                    # timeouts.read. A guard that hangs is found by the active probe.
                    "timeouts": 0,
                },
            },
        },
        "tags": server_tags(server),
    }
    if central:
        inputs["client_certificate_id"] = _mutual_tls(settings).client_certificate_id
    return inputs


def target_inputs(server: PerimeterStack) -> Inputs:
    """Where the guard listens: this data plane's own loopback, or in the central topology the host's mTLS name."""
    manifest, settings = server.manifest, server.settings
    if manifest.host not in settings.hosts:
        raise InputError(f"host {manifest.host} is not in the environment", key="host", remedy="add it to its hosts")
    address = settings.hosts[manifest.host].guard_address or "127.0.0.1"
    return {"target": f"{address}:{manifest.guard_port}", "weight": 100, "tags": server_tags(server)}


def service_inputs(server: PerimeterStack) -> Inputs:
    """No retries: a tool call may have run although its answer was lost. TLS fields on an http service are a 400, so
    they exist in the central topology only, where the guard's certificate must carry the public host names (Kong
    verifies it against the Host it forwards)."""
    timeouts, settings = server.manifest.timeouts, server.settings
    inputs: Inputs = {
        # A model route's is called so too: incident commands find whatever is closed by this one name.
        "name": _name(server, "mcp"),
        "protocol": "http",
        "host": upstream_name(server),
        "port": 80,
        "retries": 0,
        "connect_timeout": seconds(timeouts.connect) * 1000,
        "write_timeout": seconds(timeouts.write) * 1000,
        "read_timeout": seconds(timeouts.read) * 1000,
        "tags": server_tags(server),
    }
    if settings.topology == "central":
        mutual_tls = _mutual_tls(settings)
        inputs |= {
            "protocol": "https",
            "port": 443,
            "client_certificate_id": mutual_tls.client_certificate_id,
            "ca_certificate_ids": list(mutual_tls.ca_certificate_ids),
            "tls_verify": True,
            "tls_verify_depth": 2,
        }
    return inputs


def route_inputs(server: PerimeterStack) -> Inputs:
    """Exactly the endpoint's paths on exactly its names. The Host is preserved: by it the guard knows which audience a
    hosted client's token must have, and refuses names that are not its own.

    cloudflared and Kong share a host in every topology (the guard may be elsewhere), so the hop is plain http on loopback.
    """
    return {
        "name": _name(server, "mcp"),
        **route_on(server.manifest.hostnames, server),
        "methods": [*methods(server.manifest), *(["OPTIONS"] if server.manifest.cors else [])],
        "paths": [exact_path(path) for path in endpoint_paths(server.manifest)],
    }


def methods(manifest: PerimeterManifest) -> list[str]:
    """What an endpoint takes beside preflights: DELETE ends an MCP session, and a model's endpoint has none."""
    return ["GET", "POST"] if isinstance(manifest, ModelRoute) else ["GET", "POST", "DELETE"]


#: Where a model's answer of each kind is asked for, below the route's path (OpenAI API reference).
ENDPOINTS: dict[ModelKind, str] = {
    "chat": "/chat/completions",
    "responses": "/responses",
    "embeddings": "/embeddings",
}


def endpoint_paths(manifest: PerimeterManifest) -> list[str]:
    """The public paths: an MCP server's own one; a model route's endpoints, its list of models and each model's entry.

    A model's name may hold a slash, which the official clients send escaped.
    """
    if not isinstance(manifest, ModelRoute):
        return [manifest.path]
    base = manifest.path.rstrip("/")
    kinds = {kind for model in manifest.models.values() for kind in model.kinds}
    names = {spelling for name in manifest.models for spelling in (name, quote(name, safe=":"))}
    return [
        *(base + path for kind, path in ENDPOINTS.items() if kind in kinds),
        f"{base}/models",
        *(f"{base}/models/{name}" for name in sorted(names)),
    ]


def metadata_service_inputs(server: PerimeterStack) -> Inputs:
    """A service of its own, since the server's has authentication. Its host can never resolve (RFC 6761 section 6.4):
    without its request-termination plugin the route answers an error, not somebody."""
    return {
        "name": _name(server, "metadata"),
        "protocol": "http",
        "host": "metadata.invalid",
        "port": 80,
        "retries": 0,
        "connect_timeout": 1000,
        "write_timeout": 1000,
        "read_timeout": 1000,
        "tags": server_tags(server),
    }


def metadata_route_inputs(server: PerimeterStack) -> Inputs:
    return {
        "name": _name(server, "metadata"),
        **route_on(server.manifest.hostnames, server),
        "methods": ["GET", *(["OPTIONS"] if server.manifest.cors else [])],
        "paths": [exact_path(path) for path in metadata_paths(server.manifest.path)],
    }


def _name(server: PerimeterStack, part: str) -> str:
    return entity_name(server.environment.name, server.name, part)


def route_on(hosts: Iterable[str], server: PerimeterStack, *, to_provider: bool = False) -> Inputs:
    """What every route has. One `to_provider` goes on under the provider's own name, and its plugins read the body whole."""
    return {
        "protocols": ["http"],
        "hosts": sorted(hosts),
        "strip_path": False,
        "preserve_host": not to_provider,
        "regex_priority": 0,
        "path_handling": "v0",
        "https_redirect_status_code": 426,
        # Buffering would hold every event of a stream until its end (run).
        "request_buffering": to_provider,
        "response_buffering": False,
        "tags": server_tags(server),
    }


def exact_path(path: str) -> str:
    """`~/mcp$`: a plain Kong path is a prefix, and everything below it would be reachable."""
    return "~" + re.sub(r"([^A-Za-z0-9/_~-])", r"\\\1", path) + "$"


def _mutual_tls(settings: Environment) -> MutualTls:
    if settings.gateway.mutual_tls is None:
        raise InputError(
            "the central topology needs mutual TLS to the guards", key="gateway.mutual_tls", remedy="add it"
        )
    return settings.gateway.mutual_tls
