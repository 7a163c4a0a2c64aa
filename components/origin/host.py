"""Builds the host bundle: every process, listener, file, secret and destination of the host of one server or model route."""

from __future__ import annotations

import hashlib
import json
from urllib.parse import urlsplit

from components.editions import Protection
from components.gateway.spec import name_of
from components.guard.settings import ETC, audit_file, bundle_file, public_key_file, state_directory
from components.origin.gateway_secrets import gateway_secrets
from components.origin.gateway_services import gateway_services, model_address
from model.base import SecretRef
from model.cluster import Cluster
from model.environment import KONG_STATUS_PORT
from model.host_bundle import (
    GATEWAY_METRICS,
    Cloudflared,
    Egress,
    File,
    GuardProcess,
    HostBundle,
    Kong,
    Listener,
    ProvidedFile,
    Secret,
)
from model.model_route import ModelRoute
from model.stacks import ModelStack, PerimeterStack


def build_host_bundle(
    server: PerimeterStack, tunnel_id: str, guard_config: str | None, cloudflared_config: str | None
) -> HostBundle:
    """What the host must run.

    Args:
        guard_config: the rendered guard configuration; None where there is no guard. Only its digest is in the result:
            the guard takes it signed, and the signing key is not here.
        cloudflared_config: the rendered config.yml of a locally managed tunnel.
    """
    manifest = server.manifest
    local = cloudflared_config is not None
    return HostBundle(
        version=1,
        environment=server.environment.name,
        server=server.name,
        host=manifest.host,
        hostnames=tuple(manifest.hostnames),
        listeners=_listeners(server),
        cloudflared=_cloudflared(server, tunnel_id, local=local),
        kong=_kong(server),
        guard=_guard(server.stack, guard_config) if guard_config is not None else None,
        origin=None if isinstance(manifest, ModelRoute) else manifest.origin,
        files=(_file(_folder(server) + "/cloudflared.yml", cloudflared_config),)
        if cloudflared_config is not None
        else (),
        provided=_provided(server.stack) if guard_config is not None else (),
        secrets=_secrets(server, local=local),
        egress=_egress(server),
        gateway_logs=_gateway_logs(server),
    )


def render(bundle: HostBundle) -> str:
    """Deterministic JSON text."""
    return json.dumps(bundle.dump(), sort_keys=True, indent=2, ensure_ascii=False) + "\n"


def _folder(server: PerimeterStack) -> str:
    return f"{ETC}/{server.stack}"


def _file(path: str, content: str) -> File:
    return File(path=path, mode="0640", sha256=_sha256(content), content=content)


def _sha256(text: str) -> str:
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()


def _provided(stack: str) -> tuple[ProvidedFile, ...]:
    """What a guard starts from, and the operator puts there."""
    purpose = f"the guard's signed configuration: made off this host by `ringwall guard bundle {stack} --key FILE`"
    key = "the public key it is checked with: made by `ringwall guard keygen`"
    return (
        ProvidedFile(path=bundle_file(stack), purpose=purpose),
        ProvidedFile(path=public_key_file(stack), purpose=key),
    )


def _guard(stack: str, text: str) -> GuardProcess:
    config, key, state = bundle_file(stack), public_key_file(stack), state_directory(stack)
    return GuardProcess(
        arguments=(
            *("ringwall", "guard", "run", "--config", config, "--public-key", key),
            *("--server", stack, "--state", state),
        ),
        config_file=config,
        config_sha256=_sha256(text),
        public_key_file=key,
        state_directory=state,
        audit_log=audit_file(stack),
    )


def _cloudflared(server: PerimeterStack, tunnel_id: str, *, local: bool) -> Cloudflared:
    base = ("cloudflared", "tunnel", "--no-autoupdate")
    if local:
        config = _folder(server) + "/cloudflared.yml"
        return Cloudflared(
            mode="local",
            tunnel_id=tunnel_id,
            arguments=(*base, "--config", config, "run"),
            config_file=config,
            credentials_file=_folder(server) + "/tunnel-credentials.json",
        )
    token = _folder(server) + "/tunnel-token"
    return Cloudflared(
        mode="remote", tunnel_id=tunnel_id, arguments=(*base, "run", "--token-file", token), token_file=token
    )


def _kong(server: PerimeterStack) -> Kong:
    settings = server.settings
    if settings.topology == "central":
        return Kong(version=settings.gateway.version, role="elsewhere", settings={})
    port = settings.hosts[server.manifest.host].gateway_port
    common = {
        "proxy_listen": f"127.0.0.1:{port}",
        "status_listen": f"127.0.0.1:{KONG_STATUS_PORT}",
        # Kong Manager, which a node with a database serves on 0.0.0.0:8002 where nothing is said.
        "admin_gui_listen": "off",
        # The identity chain parses the assertion; string matching was fooled by nested claims (run on 3.9.3).
        "untrusted_lua_sandbox_requires": "cjson.safe",
        "trusted_ips": "",
        "anonymous_reports": "off",
        # nginx's own log writes whole request lines, query strings too (Kong's nginx template: `access_log` in the
        # default format), of requests that the identity check refuses as well. What is logged goes by logs.* alone.
        "proxy_access_log": "off",
    }
    models = server.environment.models.values()
    if any(route.manifest.host == server.manifest.host for route in models) or isinstance(server, ModelStack):
        # The authorities by which Kong verifies providers: nginx has none of its own, and then every call would fail.
        common["nginx_proxy_proxy_ssl_trusted_certificate"] = "/etc/ssl/certs/ca-certificates.crt"
    if settings.topology == "hybrid":
        role = {"role": "data_plane", "database": "off", "admin_listen": "off", **_cluster(settings.gateway.cluster)}
        return Kong(version=settings.gateway.version, role="data_plane", settings={**common, **role})
    admin = urlsplit(settings.gateway.admin_uri)
    return Kong(
        version=settings.gateway.version,
        role="traditional",
        settings={**common, "admin_listen": f"127.0.0.1:{admin.port or 8001}"},
    )


def _cluster(cluster: Cluster | None) -> dict[str, str]:
    """kong.conf of a data plane, as far as the environment says where its control plane is."""
    if cluster is None:
        return {"cluster_mtls": "pki"}
    settings = {
        "cluster_mtls": cluster.mtls,
        "cluster_control_plane": cluster.control_plane,
        "cluster_telemetry_endpoint": cluster.telemetry_endpoint,
    }
    return {**settings, "cluster_server_name": cluster.server_name} if cluster.server_name else settings


def _listeners(server: PerimeterStack) -> tuple[Listener, ...]:
    settings = server.settings
    manifest, host = server.manifest, settings.hosts[server.manifest.host]
    address = host.guard_address or "127.0.0.1"
    result = []
    if manifest.guard is not None:
        result += [
            Listener(process="guard", address=f"{address}:{manifest.guard_port}", purpose="traffic from the gateway"),
            Listener(process="guard", address=f"127.0.0.1:{manifest.admin_port}", purpose="readiness and metrics"),
        ]
    if settings.topology != "central":
        result.append(
            Listener(process="kong", address=f"127.0.0.1:{host.gateway_port}", purpose="traffic from cloudflared")
        )
        purpose = GATEWAY_METRICS if settings.metrics.prometheus else "health of the gateway"
        result.append(Listener(process="kong", address=f"127.0.0.1:{KONG_STATUS_PORT}", purpose=purpose))
    if isinstance(manifest, ModelRoute):
        return _in_order(result)
    if manifest.origin.url:
        result.append(
            Listener(process="server", address=f"127.0.0.1:{manifest.origin.port}", purpose="MCP from the guard")
        )
    if manifest.origin.socket:
        result.append(Listener(process="server", address=manifest.origin.socket, purpose="MCP from the guard"))
    return _in_order(result)


def _in_order(listeners: list[Listener]) -> tuple[Listener, ...]:
    return tuple(sorted(listeners, key=lambda item: (item.process, item.address)))


def _secrets(server: PerimeterStack, *, local: bool) -> tuple[Secret, ...]:
    settings = server.settings
    manifest, folder = server.manifest, _folder(server)
    tunnel = SecretRef(file=folder + ("/tunnel-credentials.json" if local else "/tunnel-token"))
    result = [Secret(reader="cloudflared", reference=tunnel, purpose="proves the connector to Cloudflare")]
    if manifest.guard is None:
        return tuple(result + gateway_secrets(server))
    for service in manifest.guard.engines.services:
        if service.secret:
            purpose = f"{service.title} {service.secret_title}"
            result.append(Secret(reader="guard", reference=service.secret, purpose=purpose))
    anchor, redis = manifest.guard.audit_anchor, manifest.guard.redis
    if anchor and anchor.token:
        result.append(Secret(reader="guard", reference=anchor.token, purpose="token for the audit log's anchor"))
    traces = manifest.guard.traces
    for name, header in sorted(traces.headers.items() if traces else ()):
        reference = SecretRef(env=header.env, file=header.file)
        result.append(Secret(reader="guard", reference=reference, purpose=f"header {name} for the collector of traces"))
    if redis and redis.password:
        result.append(Secret(reader="guard", reference=redis.password, purpose="Redis password"))
    if settings.topology == "central":
        for name, purpose in (("guard.crt", "certificate"), ("guard.key", "key"), ("gateway-ca.crt", "gateway's CA")):
            result.append(
                Secret(reader="guard", reference=SecretRef(file=f"{folder}/{name}"), purpose=f"mutual TLS: {purpose}")
            )
    issuer = settings.issuers[manifest.oauth.issuer] if manifest.oauth.issuer else None
    if issuer and issuer.introspection:
        reference, purpose = issuer.introspection.client_secret, f"the client's secret at {issuer.issuer}"
        result.append(Secret(reader="guard", reference=reference, purpose=purpose))
    if isinstance(manifest, ModelRoute):
        if leg := manifest.leg:
            result.append(Secret(reader="guard", reference=leg.key, purpose="key of the gateway's inner routes"))
        return tuple(result + gateway_secrets(server))
    for name, header in sorted(manifest.origin.headers.items()):
        reference = SecretRef(env=header.env, file=header.file)
        result.append(Secret(reader="guard", reference=reference, purpose=f"header {name} that the server is sent"))
    if manifest.origin.token_exchange:
        reference = manifest.origin.token_exchange.client_secret
        result.append(Secret(reader="guard", reference=reference, purpose="the guard's secret at the token endpoint"))
    for variable, reference in sorted(manifest.origin.environment.items()):
        result.append(Secret(reader="server", reference=reference, purpose=f"the server's {variable}"))
    return tuple(result + gateway_secrets(server))


def _gateway_logs(server: PerimeterStack) -> tuple[str, ...]:
    if server.settings.topology == "central":
        return ()
    return tuple(sorted({logs.file.path for logs in (server.settings.logs, server.manifest.logs) if logs.file}))


def _egress(server: PerimeterStack) -> tuple[Egress, ...]:
    settings = server.settings
    result = [
        Egress(process="cloudflared", destination="region1.v2.argotunnel.com:7844", purpose="tunnel"),
        Egress(process="cloudflared", destination="region2.v2.argotunnel.com:7844", purpose="tunnel"),
    ]
    guard = server.manifest.guard
    if guard is not None:
        result.append(Egress(process="guard", destination=settings.cloudflare.jwks_uri, purpose="Access signing keys"))
    if guard is not None and server.manifest.oauth.issuer:
        external = settings.issuers[server.manifest.oauth.issuer]
        purpose = "issuer asked about tokens" if external.introspection else "issuer's signing keys"
        result.append(Egress(process="guard", destination=external.address, purpose=purpose))
    for service in guard.engines.services if guard else ():
        result.append(Egress(process="guard", destination=service.address, purpose="verdicts"))
    if isinstance(server, ModelStack):
        for name, model in sorted(server.manifest.models.items()):
            result += [
                Egress(process="kong", destination=model_address(target), purpose=f"prompts for {name}")
                for target in model.targets
            ]
        result += [
            Egress(process="kong", destination=service.destination, purpose=service.purpose)
            for service in gateway_services(server.manifest)
        ]
    else:
        origin = server.manifest.origin
        if origin.token_exchange:
            place = origin.token_exchange.token_endpoint
            result.append(Egress(process="guard", destination=place, purpose="tokens in callers' names"))
        result += [
            Egress(process="server", destination=place, purpose="the server's own calls") for place in origin.egress
        ]
    if guard and guard.audit_anchor:
        result.append(
            Egress(process="guard", destination=guard.audit_anchor.url, purpose="the audit log's signed head")
        )
    if guard and guard.traces:
        result.append(Egress(process="guard", destination=guard.traces.endpoint, purpose="spans of calls"))
    if guard and guard.redis:
        result.append(Egress(process="guard", destination=guard.redis.url, purpose="shared counters"))
    if settings.topology != "central":
        if name_of(Protection.SIGNATURE, settings) != "jwt":
            # The licensed plugins fetch the keys by themselves; for jwt `ringwall keys sync` brings them.
            issuer = settings.issuers[server.manifest.oauth.issuer] if server.manifest.oauth.issuer else None
            address = issuer.address if issuer else settings.cloudflare.jwks_uri
            purpose = "issuer asked about tokens" if issuer and issuer.introspection else "signing keys"
            result.append(Egress(process="kong", destination=address, purpose=purpose))
        cluster, shared = settings.gateway.cluster, settings.gateway.redis
        if cluster:
            result += [
                Egress(process="kong", destination=cluster.control_plane, purpose="the gateway's configuration"),
                Egress(process="kong", destination=cluster.telemetry_endpoint, purpose="the gateway's telemetry"),
            ]
        if shared:
            result.append(Egress(process="kong", destination=f"{shared.host}:{shared.port}", purpose="shared counters"))
        for logs in (settings.logs, server.manifest.logs):
            if logs.http:
                result.append(Egress(process="kong", destination=logs.http.url, purpose="request log"))
            if logs.otlp:
                for endpoint in (logs.otlp.traces, logs.otlp.logs):
                    if endpoint:
                        result.append(Egress(process="kong", destination=endpoint, purpose="OTLP"))
    return tuple(dict.fromkeys(result))
