"""How Cloudflare's API behaves towards pulumi-cloudflare 6.23 (sources: provider v5 validators, developers.cloudflare.com).

Deleting what is not there is an error: the provider takes Cloudflare's 404 for one (v5, `dns_record/resource.go`, Delete).
"""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Callable, Iterable
from typing import Any, Final

from sandbox import cloudflare_rules as rules
from sandbox.behaviour import (
    Behaviour,
    Package,
    Reference,
    Refused,
    by_name,
    objects,
    text,
)
from sandbox.state import World
from sandbox.wire import Props, SecretValue


def token(name: str) -> str:
    """The type token of a cloudflare resource class or function."""
    return f"cloudflare:index/{name[0].lower()}{name[1:]}:{name}"


TUNNEL, TUNNEL_CONFIG = token("ZeroTrustTunnelCloudflared"), token("ZeroTrustTunnelCloudflaredConfig")
APPLICATION, POLICY, GROUP = (token(f"ZeroTrustAccess{name}") for name in ("Application", "Policy", "Group"))
SERVICE_TOKEN, IDENTITY_PROVIDER = token("ZeroTrustAccessServiceToken"), token("ZeroTrustAccessIdentityProvider")
MCP_SERVER, MCP_PORTAL = (token(f"ZeroTrustAccessAiControlsMcp{name}") for name in ("Server", "Portal"))
DNS_RECORD, POSTURE_RULE, RULESET, LOGPUSH = (
    token(name) for name in ("DnsRecord", "ZeroTrustDevicePostureRule", "Ruleset", "LogpushJob")
)
ORGANIZATION, AUTHORITY = token("ZeroTrustOrganization"), token("ZeroTrustAccessMtlsCertificate")

TIMESTAMP: Final = "2026-01-01T00:00:00Z"  # the sandbox has no clock: equal runs give equal state
_SCOPE: Final = frozenset({"accountId", "zoneId"})


def _hex_id(world: World, props: Props) -> str:
    return world.mint("hex", str(props.get("name")))[:32]


def _service_token_outputs(world: World, _id: str, props: Props, old: Props) -> Props:
    outputs: Props = {
        "clientId": old.get("clientId") or f"{world.mint('client-id')[:32]}.access",
        "expiresAt": "2027-01-01T00:00:00Z",
    }
    rotated = old.get("clientSecretVersion", 1) != props.get("clientSecretVersion", 1)
    if rotated or old.get("clientSecret") is None:
        outputs["clientSecret"] = SecretValue(f"cfast_{world.mint('client-secret', world.salt)[:48]}")
    return outputs


def _tunnel_of(props: Props) -> Iterable[str]:
    content = text(props, "content")
    if content is not None and content.endswith(".cfargotunnel.com"):
        yield content.removesuffix(".cfargotunnel.com")


#: Record types beside which a CNAME of the same name cannot stand (code 81053); several addresses share a name.
_HOST_RECORDS: Final = frozenset({"A", "AAAA", "CNAME"})


def _same_host(record: Props, neighbour: Props) -> bool:
    types = {record.get("type"), neighbour.get("type")}
    same_name = all(record.get(key) == neighbour.get(key) for key in ("zoneId", "name"))
    identical = len(types) == 1 and record.get("content") == neighbour.get("content")
    return same_name and (identical or ("CNAME" in types and types <= _HOST_RECORDS))


def _connected(props: Props) -> str | None:
    """A tunnel whose connectors run is not deleted (terraform-provider-cloudflare #5255)."""
    if not props.get("connections"):
        return None
    return "failed to make http request: 400 Bad Request: 1022: Cannot delete tunnel because it has active connections"


def _policies_of(props: Props) -> Iterable[str]:
    return [policy["id"] for _, policy in objects(props, "policies") if isinstance(policy.get("id"), str)]


def _servers_of(list_name: str, key: str) -> Callable[[Props], Iterable[str]]:
    return lambda props: [item[key] for _, item in objects(props, list_name) if isinstance(item.get(key), str)]


def _selected(selector: str, key: str) -> Callable[[Props], Iterable[str]]:
    def extract(props: Props) -> Iterable[str]:
        for name in ("includes", "requires", "excludes"):
            for _, rule in objects(props, name):
                value = rule.get(selector)
                if isinstance(value, dict) and isinstance(value.get(key), str):
                    yield value[key]

    return extract


def _counted(*extra: str) -> Callable[[World, str, Props, Props], Props]:
    def computed(_world: World, _id: str, _props: Props, old: Props) -> Props:
        version = old.get("version")
        plain = dict.fromkeys(extra, TIMESTAMP)
        return {**plain, "version": (version if isinstance(version, int) else 0) + 1}

    return computed


def _ruleset_outputs(world: World, id_: str, props: Props, old: Props) -> Props:
    return {"version": str(int(old.get("version") or 0) + 1), "lastUpdated": TIMESTAMP}


BEHAVIOURS: Final = {
    TUNNEL: Behaviour(
        computed=lambda _w, _id, props, _old: {
            "accountTag": props.get("accountId"),
            "status": "inactive",
            "tunType": "cfd_tunnel",
            "remoteConfig": props.get("configSrc") == "cloudflare",
            "createdAt": TIMESTAMP,
            "connections": [],
        },
        check=rules.tunnel,
        defaults={"configSrc": "local"},
        replaces=frozenset({"accountId", "configSrc"}),
        unique=(("accountId", "name"),),
        sensitive=frozenset({"tunnelSecret"}),
        secret_outputs=frozenset({"tunnelSecret"}),
        unrefreshed=frozenset({"configSrc", "tunnelSecret"}),
        import_scope="{accountId}/",
        busy=_connected,
        missing_on_delete="error",
    ),
    TUNNEL_CONFIG: Behaviour(
        identity=lambda _, props: str(props["tunnelId"]),
        computed=_counted("createdAt"),
        check=rules.tunnel_config,
        defaults={"source": "cloudflare"},
        replaces=frozenset({"accountId", "tunnelId"}),
        references=(by_name("tunnelId", TUNNEL, "cascade"),),
        import_scope="{accountId}/",
    ),
    DNS_RECORD: Behaviour(
        identity=_hex_id,
        computed=lambda _w, _id, _p, _old: {"createdOn": TIMESTAMP, "modifiedOn": TIMESTAMP, "proxiable": True},
        check=rules.dns,
        defaults={"proxied": False},
        replaces=frozenset({"zoneId"}),
        excludes=_same_host,
        missing_on_delete="error",
        references=(Reference(TUNNEL, _tunnel_of, "ignore", "the CNAME names tunnel {id}, which does not exist"),),
        import_scope="{zoneId}/",
    ),
    APPLICATION: Behaviour(
        computed=lambda _w, id_, _p, old: {"aud": old.get("aud") or hashlib.sha256(f"aud {id_}".encode()).hexdigest()},
        check=rules.application,
        defaults={"sessionDuration": "24h"},
        replaces=_SCOPE,
        references=(
            Reference(POLICY, _policies_of, "refuse"),
            Reference(MCP_SERVER, _servers_of("destinations", "mcpServerId"), "refuse"),
        ),
        quota=(500, "Access applications"),
        import_scope="accounts/{accountId}/",
        missing_on_delete="error",
    ),
    POLICY: Behaviour(
        computed=lambda _w, _id, _p, _old: {
            "reusable": True,
            "appCount": 0,
            "createdAt": TIMESTAMP,
            "updatedAt": TIMESTAMP,
        },
        check=rules.policy,
        defaults={"sessionDuration": "24h"},
        replaces=frozenset({"accountId"}),
        references=(
            Reference(GROUP, _selected("group", "id"), "refuse", must_exist=False),
            # access.api.error.service_token_in_use, code 12139.
            Reference(SERVICE_TOKEN, _selected("serviceToken", "tokenId"), "refuse", must_exist=False),
        ),
        sets=frozenset({"includes", "requires", "excludes"}),
        quota=(500, "reusable Access policies"),
        import_scope="{accountId}/",
        missing_on_delete="error",
    ),
    GROUP: Behaviour(
        check=rules.group,
        replaces=_SCOPE,
        unique=(("accountId", "zoneId", "name"),),
        quota=(300, "Access groups"),
        import_scope="accounts/{accountId}/",
        missing_on_delete="error",
    ),
    SERVICE_TOKEN: Behaviour(
        computed=_service_token_outputs,
        check=rules.service_token,
        defaults={"duration": "8760h", "enabled": True, "clientSecretVersion": 1},
        replaces=_SCOPE,
        unique=(("accountId", "zoneId", "name"),),
        sensitive=frozenset({"clientSecret"}),
        secret_outputs=frozenset({"clientSecret"}),
        quota=(50, "service tokens"),
        import_scope="accounts/{accountId}/",
        missing_on_delete="error",
    ),
    IDENTITY_PROVIDER: Behaviour(replaces=_SCOPE | {"type"}, quota=(50, "identity providers")),
    POSTURE_RULE: Behaviour(
        missing_on_delete="error",
        computed=lambda _w, _id, _p, _old: {"enabled": True},
        defaults={"schedule": "5m"},
        replaces=frozenset({"accountId"}),
        import_scope="{accountId}/",
    ),
    # The provider takes its host names away before it deletes one (terraform-provider-cloudflare PR #5941), and the API
    # never answers the certificate (v5, `normalizations.go`).
    AUTHORITY: Behaviour(
        computed=lambda _w, _id, props, _old: {
            "expiresOn": TIMESTAMP,
            "fingerprint": hashlib.md5(str(props.get("certificate")).encode(), usedforsecurity=False).hexdigest(),
        },
        check=rules.client_authority,
        replaces=_SCOPE | {"certificate"},
        unrefreshed=frozenset({"certificate"}),
        import_scope="accounts/{accountId}/",
        missing_on_delete="error",
    ),
    MCP_SERVER: Behaviour(
        identity=lambda _, props: str(props["zeroTrustAccessAiControlsMcpServerId"]),
        computed=lambda _w, _id, _p, _old: {
            "status": "waiting",
            "tools": [],
            "createdAt": TIMESTAMP,
            "modifiedAt": TIMESTAMP,
        },
        check=rules.mcp_server,
        replaces=frozenset({"accountId", "zeroTrustAccessAiControlsMcpServerId", "hostname", "authType"}),
        unique=(("accountId", "zeroTrustAccessAiControlsMcpServerId"),),
        sensitive=frozenset({"authCredentials", "clientSecret"}),
        secret_outputs=frozenset({"authCredentials", "clientSecret"}),
        unrefreshed=frozenset({"authCredentials", "clientSecret"}),
    ),
    MCP_PORTAL: Behaviour(
        identity=lambda _, props: str(props["zeroTrustAccessAiControlsMcpPortalId"]),
        computed=lambda _w, _id, _p, _old: {"createdAt": TIMESTAMP, "modifiedAt": TIMESTAMP},
        check=rules.mcp_portal,
        defaults={"codeMode": "opt_in"},
        replaces=frozenset({"accountId", "zeroTrustAccessAiControlsMcpPortalId"}),
        unique=(("accountId", "zeroTrustAccessAiControlsMcpPortalId"),),
        references=(Reference(MCP_SERVER, _servers_of("servers", "serverId"), "refuse"),),
        quota=(20, "MCP portals"),
    ),
    RULESET: Behaviour(
        identity=_hex_id,
        computed=_ruleset_outputs,
        check=rules.ruleset,
        replaces=_SCOPE | {"name", "kind", "phase"},
        unique=(("accountId", "zoneId", "phase"),),
        import_scope="zones/{zoneId}/",
    ),
    LOGPUSH: Behaviour(
        identity=lambda world, _: str(int(world.mint("logpush")[:6], 16)),
        check=rules.logpush,
        defaults={"enabled": False},
        replaces=_SCOPE,
        sensitive=frozenset({"destinationConf", "ownershipChallenge"}),
        secret_outputs=frozenset({"destinationConf", "ownershipChallenge"}),
        import_scope="accounts/{accountId}/",
    ),
    ORGANIZATION: Behaviour(
        identity=lambda _, props: str(props.get("accountId") or props.get("zoneId")), replaces=_SCOPE
    ),
}

_CODES: Final = {
    TUNNEL: "1013: You already have a tunnel with this name",
    DNS_RECORD: "81053: An A, AAAA, or CNAME record with that host already exists",
}


def _conflict(type_: str, name: str, group: tuple[str, ...], props: Props) -> str:
    reason = _CODES.get(type_, f"12132: {'/'.join(group)} already in use")
    return f"failed to make http request: 409 Conflict {json.dumps({'success': False, 'errors': [reason]})} ({name})"


def _tunnel_token(world: World, arguments: Props) -> Props:
    """The connector token: base64 of account, tunnel and a made-up secret (cloudflared `connection.TunnelToken`)."""
    tunnel = world.find(TUNNEL, str(arguments.get("tunnelId")))
    if tunnel is None or tunnel.outputs.get("accountId") != arguments.get("accountId"):
        raise Refused(f"failed to make http request: 404 Not Found: tunnel {arguments.get('tunnelId')} not found")
    secret = base64.b64encode(hashlib.sha256((world.salt + tunnel.id).encode()).digest()).decode()
    body = json.dumps({"a": arguments["accountId"], "t": tunnel.id, "s": secret}, separators=(",", ":"))
    return {**arguments, "id": tunnel.id, "token": base64.b64encode(body.encode()).decode()}


def _organization(world: World, arguments: Props) -> Props:
    held = world.records_of(ORGANIZATION)
    outputs: dict[str, Any] = (
        held[0].outputs if held else {"name": "Sandbox", "authDomain": "sandbox.cloudflareaccess.com"}
    )
    return {**outputs, **arguments}


FUNCTIONS: Final = {
    token("getZeroTrustTunnelCloudflaredToken"): _tunnel_token,
    token("getZeroTrustOrganization"): _organization,
}

PACKAGE: Final = Package("cloudflare", BEHAVIOURS, _conflict, check_config=rules.provider_config, functions=FUNCTIONS)
