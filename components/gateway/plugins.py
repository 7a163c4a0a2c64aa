"""Kong's plugins for one server and for an environment, as `PluginSpec`s. Pure: nothing is declared here."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from components.editions import Protection
from components.gateway import lua as kong_lua
from components.gateway.entities import methods
from components.gateway.guardless_plugins import guardless_plugins, request_check
from components.gateway.limits import limits
from components.gateway.names import (
    ASSERTION_HEADER,
    CLOSED_MESSAGE,
    REQUEST_ID_HEADER,
)
from components.gateway.sinks import sinks
from components.gateway.spec import Config, PluginSpec, name_of, plugin, without_headers
from components.gateway.tool_access import tool_access
from components.gateway.verification import bearer_check, verification, verifying
from model.environment import Environment
from model.errors import InputError
from model.stacks import EnvironmentStack, ModelStack, PerimeterManifest, PerimeterStack

#: Beside `x-ringwall-assertion`: what Kong tells the next hop about the consumer (an issuer here, so it says nothing
#: about the principal), and credentials that are the edge's and Kong's alone.
_NEVER_FORWARDED = (
    ASSERTION_HEADER,
    "apikey",
    "cf-access-client-id",
    "cf-access-client-secret",
    "proxy-authorization",
    "x-anonymous-consumer",
    "x-authenticated-groups",
    "x-consumer-custom-id",
    "x-consumer-groups",
    "x-consumer-id",
    "x-consumer-username",
    "x-credential-identifier",
)


def identity_plugin(server: PerimeterStack, audiences: Mapping[str, str]) -> PluginSpec:
    """The check that runs before every other plugin; `audiences` is host name to `aud` of its Access application.

    Raises:
        InputError: a host name of the server has no audience, or an audience belongs to no host name of it.
    """
    manifest, settings = server.manifest, server.settings
    check_audiences(manifest, audiences)
    for hostname, audience in sorted(audiences.items()):
        if not audience:
            raise InputError(
                f"the Access audience of {hostname} is empty",
                key="hostname",
                remedy=f"run `ringwall up {server.stack}` again",
            )
    bearer = bearer_check(server)
    lua = kong_lua.identity_check(
        access_issuer=settings.cloudflare.issuer,
        audiences=audiences,
        bearer=bearer,
        preflight=manifest.cors is not None,
    )
    if isinstance(server, ModelStack) and server.manifest.guard is None:
        # In the same chunk: a request that the identity check refuses comes no further.
        lua += request_check(server)
    return plugin(
        Protection.IDENTITY,
        settings,
        "identity",
        {
            "certificate": [],
            "rewrite": [],
            "access": [lua],
            "header_filter": [kong_lua.challenge_on_401(bearer)] if bearer else [],
            "body_filter": [],
            "log": [],
        },
        "issuer, audience and principal, which the jwt plugin does not check",
    )


#: What browsers may send: MCP's own headers (specification, "Transports"), and those of OpenAI's JavaScript client, which
#: says in `x-stainless-*` what it runs on (openai-node, src/client.ts and src/internal/detect-platform.ts).
_MCP_HEADERS = (
    "accept",
    "authorization",
    "content-type",
    "last-event-id",
    "mcp-method",
    "mcp-name",
    "mcp-protocol-version",
    "mcp-session-id",
)
_MODEL_HEADERS = (
    "accept",
    "authorization",
    "content-type",
    "openai-organization",
    "openai-project",
    "x-stainless-arch",
    "x-stainless-helper-method",
    "x-stainless-lang",
    "x-stainless-os",
    "x-stainless-package-version",
    "x-stainless-retry-count",
    "x-stainless-runtime",
    "x-stainless-runtime-version",
    "x-stainless-timeout",
)


def check_audiences(manifest: PerimeterManifest, audiences: Mapping[str, object]) -> None:
    """Every public name has its Access application's audience and no other name has one; raises InputError."""
    missing = sorted(set(manifest.hostnames) - set(audiences))
    if missing:
        raise InputError(
            f"{missing[0]} has no Access audience, so nothing could tell its tokens from another server's",
            key="hostname",
            remedy="give every public host name an Access application",
        )
    if extra := sorted(set(audiences) - set(manifest.hostnames)):
        raise InputError(f"{extra[0]} is not a host name of this server", key="hostname", remedy="remove its audience")


def server_plugins(server: PerimeterStack) -> list[PluginSpec]:
    """Every plugin of a server's service but the identity check, whose audiences are known at deployment only.

    Raises:
        InputError: the edition cannot enforce something, or a setting means something else to Kong.
    """
    manifest, settings = server.manifest, server.settings
    specs = verification(server)
    if isinstance(server, ModelStack) and server.manifest.guard is None:
        specs += guardless_plugins(server)
    else:
        specs += [*limits(server), *tool_access(server)]
        specs.append(_clean_headers(settings, keep_authorization=bearer_check(server) is not None))
    if manifest.cors:
        specs.append(cors_plugin(server))
    if manifest.lockdown:
        specs.append(_lockdown(settings))
    shared = sorted(set(manifest.logs.kinds) & set(settings.logs.kinds))
    if shared:
        raise InputError(
            f"logs.{shared[0]} would silence the environment's {shared[0]} sink for this server: Kong runs one instance "
            "of a plugin per request, the most specific",
            key=f"logs.{shared[0]}",
            remedy="use a kind of sink that the environment does not",
        )
    return [*specs, *sinks(settings, manifest.logs)]


def environment_plugins(environment: EnvironmentStack) -> list[PluginSpec]:
    """Plugins that run for every request of the gateway unless a service has its own of that kind."""
    settings = environment.settings
    specs = [
        plugin(
            Protection.REQUEST_ID,
            settings,
            "request-id",
            {"header_name": REQUEST_ID_HEADER, "generator": "uuid", "echo_downstream": True},
            "one id joins edge, gateway and guard logs; the identity check cleared a client-sent one",
        )
    ]
    if settings.metrics.prometheus:
        specs.append(
            plugin(
                Protection.METRICS,
                settings,
                "metrics",
                {
                    "per_consumer": False,
                    "status_code_metrics": True,
                    "ai_metrics": False,
                    "latency_metrics": True,
                    "bandwidth_metrics": True,
                    "upstream_health_metrics": True,
                },
                "refusals, latency and open circuits as numbers; per consumer says nothing, an issuer is one",
            )
        )
    return [*specs, *sinks(settings, settings.logs, service_name=f"ringwall-{environment.name}")]


def metadata_plugins(server: PerimeterStack) -> list[PluginSpec]:
    """Plugins of the protected-resource metadata service (RFC 9728); none in mode access, where Access serves it."""
    bearer = bearer_check(server)
    if bearer is None:
        return []
    document: Config = {
        "authorization_servers": [bearer.issuer],
        "bearer_methods_supported": ["header"],
        "resource": bearer.audience,
    }
    if bearer.scopes:
        document["scopes_supported"] = list(bearer.scopes)
    specs = [
        plugin(
            Protection.RESOURCE_METADATA,
            server.settings,
            "document",
            {
                "status_code": 200,
                "message": None,
                "content_type": "application/json",
                "body": json.dumps(document, sort_keys=True, separators=(",", ":")),
                "echo": False,
                "trigger": None,
            },
            "clients discover the authorization server here",
        )
    ]
    if server.manifest.cors:
        specs.append(cors_plugin(server))
    return specs


def require_protection(server: PerimeterStack, specs: list[PluginSpec]) -> None:
    """Refuse a route whose service lacks part of the identity chain or a limit; raises InputError naming it."""
    settings, verified = server.settings, verifying(server)
    present = {spec.name for spec in specs}
    for protection in (
        Protection.IDENTITY,
        verified,
        *([Protection.ISSUER] if verified is Protection.SIGNATURE else []),
        Protection.PRINCIPAL_RATE,
        Protection.GATEWAY_TOKENS if server.manifest.guard is None else Protection.SERVER_TOKENS,
        Protection.BODY_SIZE,
        Protection.CLEAN_HEADERS,
        *([Protection.GATEWAY_TOOLS] if server.manifest.oauth.tool_claim else []),
    ):
        name = name_of(protection, settings)
        if name not in present:
            raise InputError(
                f"a route without {name} would be open: nothing would {protection.value}",
                key="gateway",
                remedy="keep the plugin",
            )


def _clean_headers(settings: Environment, *, keep_authorization: bool) -> PluginSpec:
    """What the guard must not see. `Cf-Access-Jwt-Assertion` stays, and in mode external `Authorization` too: the guard
    verifies them itself and takes them off before the server. `x-ringwall-principal` stays because the upstream's
    session affinity reads it after this plugin; the guard trusts no such header and takes it off as well."""
    removed = [*_NEVER_FORWARDED] if keep_authorization else [*_NEVER_FORWARDED, "authorization"]
    return plugin(
        Protection.CLEAN_HEADERS,
        settings,
        "clean-headers",
        without_headers(removed),
        "credentials of this ring end here",
    )


def _lockdown(settings: Environment) -> PluginSpec:
    """503 for whoever comes this far. It runs last of all (priority 2), so the whole identity chain stays before it and a
    forged token is still 401; nothing of the request reaches the guard. The body says nothing about why."""
    return plugin(
        Protection.LOCKDOWN,
        settings,
        "lockdown",
        {
            "status_code": 503,
            "message": None,
            "content_type": "application/json",
            "body": f'{{"message":"{CLOSED_MESSAGE}"}}',
            "echo": False,
            "trigger": None,
        },
        "the stack file closes this server",
    )


def cors_plugin(server: PerimeterStack) -> PluginSpec:
    """CORS for the manifest's origins, literal ones only.

    Raises:
        InputError: an origin is more than scheme, host and port; Kong would read it as a pattern.
    """
    is_model = isinstance(server, ModelStack)
    origins = list(server.manifest.cors.origins) if server.manifest.cors else []
    for origin in origins:
        if not re.fullmatch(r"https?://[a-z0-9]([a-z0-9.-]*[a-z0-9])?(:[0-9]{1,5})?", origin):
            raise InputError(
                f"{origin} is not an origin: Kong would read it as a pattern",
                key="cors.origins",
                remedy="write scheme, lower-case host and port only, as in https://app.example.com",
            )
    headers, exposed = (_MODEL_HEADERS, ("retry-after",)) if is_model else (_MCP_HEADERS, ("mcp-session-id",))
    return plugin(
        Protection.CORS,
        server.settings,
        "cors",
        {
            "origins": origins,
            "headers": list(headers),
            "exposed_headers": [*exposed, "www-authenticate", REQUEST_ID_HEADER],
            "methods": methods(server.manifest),
            "max_age": 600,
            # Tokens travel in headers; a cookie would let any page of an allowed origin act for the signed-in person.
            "credentials": False,
            "private_network": False,
            # A preflight never travels on.
            "preflight_continue": False,
        },
        "browser clients of the named origins; preflights end here",
    )
