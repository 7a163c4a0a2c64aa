"""Every resource that protects a public name, and what each of its properties protects.

One table: `PROTECTORS`. A change of a property that stands in it is judged by what it protects; an update that touches a
property nobody has classified is refused while a name resolves (`plan.step_order`), and a test holds the table to what
the program really declares.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Final


class Protects(StrEnum):
    """What a property of a protecting resource decides."""

    NAME = "name"  # which host name, or which of the tunnel's or gateway's requests, the resource stands for
    PORT = "port"  # where requests go on to
    AUDIENCE = "audience"  # for whom an assertion must have been issued
    POLICY = "policy"  # who may pass, and what is asked of them
    NOTHING = "nothing"  # its change cannot open anything


@dataclass(frozen=True)
class ProtectedProperty:
    """What one property protects; for one that protects nothing, why its change cannot open anything."""

    protects: Protects
    reason: str = ""


NAME: Final = ProtectedProperty(Protects.NAME)
PORT: Final = ProtectedProperty(Protects.PORT)
AUDIENCE: Final = ProtectedProperty(Protects.AUDIENCE)
POLICY: Final = ProtectedProperty(Protects.POLICY)


def _nothing(reason: str) -> ProtectedProperty:
    return ProtectedProperty(Protects.NOTHING, reason)


_LABEL: Final = _nothing("what people read; nothing is found or admitted by it")
_PLACE: Final = _nothing(
    "which account or zone holds it; another one is another resource, made before the old one goes"
)
_COOKIE: Final = _nothing("how a browser keeps its session; who gets one is the policies'")
_SPEED: Final = _nothing("how long or how often; the same requests reach the same place")

DNS_RECORD: Final = "cloudflare:index/dnsRecord:DnsRecord"
ACCESS_APPLICATION: Final = "cloudflare:index/zeroTrustAccessApplication:ZeroTrustAccessApplication"
ACCESS_POLICY: Final = "cloudflare:index/zeroTrustAccessPolicy:ZeroTrustAccessPolicy"
ACCESS_GROUP: Final = "cloudflare:index/zeroTrustAccessGroup:ZeroTrustAccessGroup"
POSTURE_RULE: Final = "cloudflare:index/zeroTrustDevicePostureRule:ZeroTrustDevicePostureRule"
AUTHORITY: Final = "cloudflare:index/zeroTrustAccessMtlsCertificate:ZeroTrustAccessMtlsCertificate"
MCP_SERVER: Final = "cloudflare:index/zeroTrustAccessAiControlsMcpServer:ZeroTrustAccessAiControlsMcpServer"
MCP_PORTAL: Final = "cloudflare:index/zeroTrustAccessAiControlsMcpPortal:ZeroTrustAccessAiControlsMcpPortal"
RULESET: Final = "cloudflare:index/ruleset:Ruleset"
TUNNEL: Final = "cloudflare:index/zeroTrustTunnelCloudflared:ZeroTrustTunnelCloudflared"
TUNNEL_CONFIG: Final = "cloudflare:index/zeroTrustTunnelCloudflaredConfig:ZeroTrustTunnelCloudflaredConfig"
KONG_SERVICE: Final = "kong:index/service:Service"
KONG_ROUTE: Final = "kong:index/route:Route"
KONG_PLUGIN: Final = "kong:index/plugin:Plugin"
KONG_UPSTREAM: Final = "kong:index/upstream:Upstream"
KONG_TARGET: Final = "kong:index/target:Target"
KONG_CONSUMER: Final = "kong:index/consumer:Consumer"
KONG_ACL: Final = "kong:index/consumerAcl:ConsumerAcl"

PROTECTORS: Final[Mapping[str, Mapping[str, ProtectedProperty]]] = {
    ACCESS_APPLICATION: {
        "accountId": _PLACE,
        "allowAuthenticateViaWarp": POLICY,
        "allowedIdps": POLICY,
        "appLauncherVisible": _LABEL,
        "autoRedirectToIdentity": _nothing("whether a choice of one provider is shown first"),
        "destinations": NAME,
        "enableBindingCookie": _COOKIE,
        "httpOnlyCookieAttribute": _COOKIE,
        "name": _LABEL,
        "oauthConfiguration": POLICY,
        "optionsPreflightBypass": POLICY,
        "pathCookieAttribute": _COOKIE,
        "policies": POLICY,
        "sameSiteCookieAttribute": _COOKIE,
        "serviceAuth401Redirect": _nothing("how a caller without a session is told, not whether"),
        "sessionDuration": POLICY,
        "skipInterstitial": _COOKIE,
        "type": POLICY,
    },
    ACCESS_POLICY: {
        "accountId": _PLACE,
        "decision": POLICY,
        "includes": POLICY,
        "name": _LABEL,
        "requires": POLICY,
        "sessionDuration": POLICY,
    },
    ACCESS_GROUP: {"accountId": _PLACE, "includes": POLICY, "isDefault": POLICY, "name": _LABEL},
    POSTURE_RULE: {
        "accountId": _PLACE,
        "input": POLICY,
        "matches": POLICY,
        "name": _LABEL,
        "schedule": POLICY,
        "type": POLICY,
    },
    RULESET: {
        "kind": _nothing("always a zone's; another one is another resource"),
        "name": _LABEL,
        "phase": POLICY,
        "rules": POLICY,
        "zoneId": _PLACE,
    },
    MCP_SERVER: {
        "accountId": _PLACE,
        "authCredentials": POLICY,
        "authType": POLICY,
        "hostname": PORT,
        "name": _LABEL,
        "zeroTrustAccessAiControlsMcpServerId": NAME,
    },
    MCP_PORTAL: {
        "accountId": _PLACE,
        "codeMode": POLICY,
        "hostname": NAME,
        "name": _LABEL,
        "secureWebGateway": _nothing("whether Cloudflare's own gateway looks at what the portal sends"),
        # The servers, who is who at each, and the tools and prompts that are on.
        "servers": POLICY,
        "zeroTrustAccessAiControlsMcpPortalId": NAME,
    },
    TUNNEL: {
        "accountId": _PLACE,
        "configSrc": PORT,
        "name": _LABEL,
        "tunnelSecret": POLICY,
    },
    TUNNEL_CONFIG: {
        "accountId": _PLACE,
        # Host name, listener, audience and whether Access is required, rule by rule.
        "config": AUDIENCE,
        "source": PORT,
        "tunnelId": NAME,
    },
    KONG_SERVICE: {
        "caCertificateIds": POLICY,
        "clientCertificateId": POLICY,
        "connectTimeout": _SPEED,
        "host": PORT,
        "name": _LABEL,
        "port": PORT,
        "protocol": PORT,
        "readTimeout": _SPEED,
        "retries": _SPEED,
        "tags": _LABEL,
        "tlsVerify": POLICY,
        "tlsVerifyDepth": POLICY,
        "writeTimeout": _SPEED,
    },
    KONG_ROUTE: {
        "hosts": NAME,
        "httpsRedirectStatusCode": _nothing("answers a protocol that the route does not speak"),
        "methods": NAME,
        "name": _LABEL,
        "pathHandling": NAME,
        "paths": NAME,
        "preserveHost": AUDIENCE,
        "protocols": NAME,
        "regexPriority": NAME,
        "requestBuffering": _SPEED,
        "responseBuffering": _SPEED,
        "serviceId": PORT,
        "stripPath": PORT,
        "tags": _LABEL,
    },
    KONG_PLUGIN: {
        # Issuer, audience, anonymous consumer, allowed group, limits: by kind of plugin.
        "configJson": POLICY,
        "enabled": POLICY,
        "name": POLICY,
        "serviceId": POLICY,
        "strictMatch": _nothing("how the provider compares, not what Kong does"),
        "tags": _LABEL,
    },
    KONG_UPSTREAM: {
        "clientCertificateId": POLICY,
        "hashFallback": _SPEED,
        "hashOn": _SPEED,
        "hashOnCookiePath": _SPEED,
        "hashOnHeader": _SPEED,
        "healthchecks": _SPEED,
        "name": PORT,
        "slots": _SPEED,
        "tags": _LABEL,
    },
    KONG_TARGET: {"tags": _LABEL, "target": PORT, "upstreamId": PORT, "weight": _SPEED},
    KONG_CONSUMER: {"customId": POLICY, "tags": _LABEL, "username": POLICY},
    KONG_ACL: {"consumerId": POLICY, "group": POLICY, "tags": _LABEL},
}

#: Types that must stand before a public name appears.
PROTECTING: Final = frozenset(PROTECTORS)

#: The other types that a stack declares, and why they protect nothing.
UNPROTECTIVE: Final[Mapping[str, str]] = {
    DNS_RECORD: "the public name itself",
    "cloudflare:index/zeroTrustAccessServiceToken:ZeroTrustAccessServiceToken": "a key: it opens what policies let it open",
    AUTHORITY: "whose certificates are read: without it Access asks for none, and a policy that wants one admits nobody",
    "kong:index/consumerKeyAuth:ConsumerKeyAuth": "a key: it opens the inner routes whose acl names its consumer's group",
    "pulumi:pulumi:StackReference": "reads the environment's contract",
    "pulumi:providers:cloudflare": "how Cloudflare is spoken to",
    "pulumi:providers:kong": "how Kong is spoken to",
}
