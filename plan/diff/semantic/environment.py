"""The tables for the keys of environments and zones: account, gateway, hosts, agents, posture rules, issuers and country
blocks. They are applied in `keys`.
"""

from __future__ import annotations

from typing import Any

from model.client_authority import in_words
from plan.diff.model import Direction
from plan.diff.semantic.directions import (
    LOOSENS,
    TIGHTENS,
    Delegated,
    KeyRule,
    Table,
    allow_list,
    any_change,
    appearing_loosens,
    appearing_tightens,
    false_loosens,
    grows_loosens,
    later_loosens,
    longer_loosens,
    more_loosens,
    no_effect,
    shrinks_loosens,
)
from plan.diff.semantic.exposure import LOGS

_UNUSED = "nothing is made or let in until a server names it, and that is shown at the server"


def _topology(base: Any, head: Any) -> Direction:
    # Only the way out of colocated is proven to tighten: the origin host can then no longer reach Kong's Admin API.
    return TIGHTENS if base == "colocated" else LOOSENS


def _cluster_mtls(_base: Any, head: Any) -> Direction:
    return LOOSENS if head == "shared" else TIGHTENS


WAIVERS: Table = {
    "waivers": Delegated("waivers"),
    "waivers[].rule": Delegated("waivers"),
    "waivers[].resource": Delegated("waivers"),
    "waivers[].reason": Delegated("waivers"),
    "waivers[].expires": Delegated("waivers"),
}

ENVIRONMENT: Table = {
    "version": KeyRule(
        no_effect, "format of the manifest", "", 5, proof="says how the file is read; both sides were read"
    ),
    "production": KeyRule(false_loosens, "production", "", 90),
    "cloudflare.account_id": KeyRule(any_change, "Cloudflare account", "edge", 95),
    "cloudflare.zone": KeyRule(any_change, "zone", "edge", 95),
    "cloudflare.zone_id": KeyRule(any_change, "zone id", "edge", 95),
    "cloudflare.team": KeyRule(any_change, "Zero Trust team, whose tokens count", "edge", 95),
    "cloudflare.api": KeyRule(any_change, "Cloudflare API that is given the token", "edge", 95),
    "topology": KeyRule(_topology, "topology", "gateway", 80),
    "hosts.*": KeyRule(appearing_loosens, "host {0}", "origin", 40),
    "hosts.*.tunnel": KeyRule(any_change, "kind of tunnel of host {0}", "edge", 60),
    "hosts.*.gateway_port": KeyRule(
        no_effect, "gateway port of host {0}", "gateway", 10, proof="a loopback port; the tunnel's ingress follows it"
    ),
    "hosts.*.guard_address": KeyRule(any_change, "address beyond loopback of host {0}'s guards", "guard", 80),
    "gateway.admin_uri": KeyRule(any_change, "Kong Admin API that is given the token", "gateway", 90),
    "gateway.edition": KeyRule(any_change, "Kong edition", "gateway", 60),
    "gateway.version": KeyRule(any_change, "Kong version", "gateway", 50),
    "gateway.workspace": KeyRule(any_change, "Kong workspace", "gateway", 70),
    "gateway.redis": KeyRule(any_change, "who keeps the gateway's counters", "gateway", 55),
    "gateway.redis.host": KeyRule(any_change, "who keeps the gateway's counters", "gateway", 55),
    "gateway.redis.port": KeyRule(any_change, "port of the gateway's Redis", "gateway", 45),
    "gateway.redis.username": KeyRule(any_change, "user of the gateway's Redis", "gateway", 40),
    "gateway.redis.password": KeyRule(any_change, "password reference of the gateway's Redis", "gateway", 40),
    "gateway.redis.tls": KeyRule(false_loosens, "verified TLS to the gateway's Redis", "gateway", 80),
    "gateway.mutual_tls": KeyRule(appearing_tightens, "mutual TLS between gateway and guards", "gateway", 90),
    "gateway.mutual_tls.client_certificate_id": KeyRule(any_change, "certificate the gateway presents", "gateway", 80),
    "gateway.mutual_tls.ca_certificate_ids": KeyRule(grows_loosens, "who vouches for guards", "gateway", 85),
    "gateway.cluster": KeyRule(any_change, "control plane of the hosts' data planes", "gateway", 60),
    "gateway.cluster.control_plane": KeyRule(any_change, "control plane of the hosts' data planes", "gateway", 85),
    "gateway.cluster.telemetry_endpoint": KeyRule(any_change, "where data planes send telemetry", "gateway", 45),
    "gateway.cluster.mtls": KeyRule(_cluster_mtls, "how data planes and control plane prove themselves", "gateway", 80),
    "gateway.cluster.server_name": KeyRule(any_change, "name in the control plane's certificate", "gateway", 80),
    "countries": KeyRule(grows_loosens, "countries people may come from by default", "edge", 60),
    # Without any, every provider of the account may sign people in (components.edge.server).
    "identity_providers": Delegated("access"),
    "identity_providers.*": Delegated("access"),
    "identity_providers.*.id": KeyRule(any_change, "identity provider {0}", "edge", 90),
    "identity_providers.*.type": KeyRule(any_change, "kind of identity provider {0}", "edge", 80),
    "groups.*": KeyRule(no_effect, "group {0}", "edge", 10, proof=_UNUSED),
    "groups.*.emails": KeyRule(grows_loosens, "addresses in group {0}", "edge", 60),
    "groups.*.domains": KeyRule(grows_loosens, "domains in group {0}", "edge", 70),
    "groups.*.idp_groups": KeyRule(grows_loosens, "identity provider's groups in group {0}", "edge", 65),
    "groups.*.idp_groups[].provider": Delegated("access"),
    "groups.*.idp_groups[].group": Delegated("access"),
    "groups.*.idp_groups[].claim": Delegated("access"),
    # A rule no longer kept here may still be named by a policy made by hand; a new one demands nothing by itself.
    "posture.*": KeyRule(appearing_tightens, "posture rule {0}", "edge", 40),
    "posture.*.existing": KeyRule(any_change, "posture rule {0}: rule that is used", "edge", 75),
    "posture.*.type": KeyRule(any_change, "posture rule {0}: kind", "edge", 75),
    "posture.*.platforms": KeyRule(any_change, "posture rule {0}: platforms", "edge", 65),
    "posture.*.check_every": KeyRule(longer_loosens, "posture rule {0}: how often it is asked", "edge", 45),
    "posture.*.require_all": KeyRule(false_loosens, "posture rule {0}: every disk", "edge", 70),
    "posture.*.check_disks": KeyRule(shrinks_loosens, "posture rule {0}: volumes", "edge", 65),
    "posture.*.enabled": KeyRule(false_loosens, "posture rule {0}: firewall must be on", "edge", 75),
    "posture.*.version": KeyRule(any_change, "posture rule {0}: version", "edge", 60),
    "posture.*.operator": KeyRule(any_change, "posture rule {0}: how versions compare", "edge", 70),
    "posture.*.path": KeyRule(any_change, "posture rule {0}: path", "edge", 65),
    "posture.*.exists": KeyRule(any_change, "posture rule {0}: whether it must be there", "edge", 75),
    "posture.*.sha256": KeyRule(appearing_tightens, "posture rule {0}: digest", "edge", 70),
    "posture.*.domain": KeyRule(any_change, "posture rule {0}: domain", "edge", 75),
    "posture.*.certificate_id": KeyRule(any_change, "posture rule {0}: signing certificate", "edge", 80),
    "posture.*.common_name": KeyRule(appearing_tightens, "posture rule {0}: common name", "edge", 70),
    "agents.*": KeyRule(appearing_loosens, "agent {0} with a service token", "edge", 70),
    "agents.*.countries": KeyRule(allow_list, "countries agent {0} may call from", "edge", 70),
    "agents.*.addresses": KeyRule(allow_list, "addresses agent {0} may call from", "edge", 75),
    "agents.*.posture": KeyRule(shrinks_loosens, "posture rules agent {0} must pass", "edge", 75),
    "client_authorities.*": KeyRule(
        appearing_loosens,
        "authority {0}, which may sign any agent's certificate",
        "edge",
        85,
        words=lambda authority: in_words(authority["certificate"]),
    ),
    "client_authorities.*.certificate": KeyRule(any_change, "certificate of authority {0}", "edge", 90, words=in_words),
    "agents.*.common_name": KeyRule(appearing_tightens, "client certificate that agent {0} must show", "edge", 80),
    "agents.*.token_duration": KeyRule(longer_loosens, "life of agent {0}'s token", "edge", 60),
    "agents.*.secret_version": KeyRule(
        lambda base, head: TIGHTENS if head > base else LOOSENS, "secret version of agent {0}", "edge", 40
    ),
    "agents.*.previous_secret_expires_at": KeyRule(later_loosens, "end of agent {0}'s previous secret", "edge", 60),
    "hosted_clients.*": KeyRule(no_effect, "hosted client {0}", "edge", 10, proof=_UNUSED),
    "hosted_clients.*.addresses": KeyRule(grows_loosens, "addresses hosted client {0} calls from", "edge", 75),
    "hosted_clients.*.source": KeyRule(
        no_effect,
        "source of hosted client {0}'s addresses",
        "edge",
        15,
        proof="shown to the reviewer, enforced nowhere",
    ),
    "hosted_clients.*.redirect_uris": KeyRule(
        grows_loosens, "where hosted client {0}'s sign-in may return", "edge", 85
    ),
    "issuers.*": KeyRule(appearing_loosens, "issuer {0} of tokens", "gateway", 60),
    "issuers.*.issuer": KeyRule(any_change, "exact iss of issuer {0}", "gateway", 95),
    "issuers.*.jwks_uri": KeyRule(any_change, "where issuer {0}'s keys are", "gateway", 95),
    "issuers.*.introspection": KeyRule(any_change, "issuer {0} is asked about each token", "gateway", 95),
    "issuers.*.introspection.endpoint": KeyRule(any_change, "where issuer {0} is asked about tokens", "gateway", 95),
    "issuers.*.introspection.cache": KeyRule(
        longer_loosens, "how long issuer {0}'s word about a token counts", "gateway", 60
    ),
    **{
        f"issuers.*.introspection.{name}": KeyRule(any_change, f"{words} for issuer {{0}}", "gateway", 60)
        for name, words in (
            ("client_id", "client that asks about tokens"),
            ("client_authentication", "how the secret of that client is sent"),
            ("client_secret.env", "where the guard finds the secret of that client"),
            ("client_secret.file", "where the guard finds the secret of that client"),
            ("gateway_secret", "where Kong finds the secret of that client"),
        )
    },
    **LOGS,
    # Either way: who reads the sign-ins of a whole account, or that nobody does.
    "logpush.*": KeyRule(any_change, "log {0} that Cloudflare pushes to your store", "edge", 50),
    "logpush.*.fields": KeyRule(any_change, "fields of the pushed log {0}", "edge", 45),
    # Either way: on, another endpoint on the status port; off, nobody sees an attack.
    "metrics.prometheus": KeyRule(any_change, "Prometheus metrics of the gateway", "gateway", 35),
    "quotas.access_applications": KeyRule(more_loosens, "quota of Access applications", "edge", 10),
    "quotas.access_policies": KeyRule(more_loosens, "quota of Access policies", "edge", 10),
    "quotas.access_groups": KeyRule(more_loosens, "quota of Access groups", "edge", 10),
    "quotas.service_tokens": KeyRule(more_loosens, "quota of service tokens", "edge", 10),
    "quotas.tunnels": KeyRule(more_loosens, "quota of tunnels", "edge", 10),
    "quotas.mcp_portals": KeyRule(more_loosens, "quota of MCP portals", "edge", 10),
    "quotas.portal_servers": KeyRule(more_loosens, "servers that one MCP portal holds", "edge", 10),
}

_CLIENTS = KeyRule(
    no_effect, "clients that may register", "edge", 10, proof="it is shown at each server that inherits it"
)
#: `defaults` with what a server has when neither says anything (`model.server`), so that writing a default changes nothing.
DEFAULTS: Table = {
    "countries": KeyRule(allow_list, "countries people may come from", "edge", 60),
    "posture": KeyRule(shrinks_loosens, "posture rules people's devices must pass", "edge", 75),
    "session": KeyRule(longer_loosens, "how long a sign-in lasts", "edge", 65),
    "access": _CLIENTS,
    "access.clients": _CLIENTS,
    "access.clients[].name": _CLIENTS,
    "access.clients[].redirect_uris": _CLIENTS,
}

ZONE: Table = {
    "version": ENVIRONMENT["version"],
    "cloudflare.zone": KeyRule(any_change, "zone", "edge", 95),
    "cloudflare.zone_id": KeyRule(any_change, "zone id", "edge", 95),
    "cloudflare.api": KeyRule(any_change, "Cloudflare API that is given the token", "edge", 95),
    "existing_ruleset": KeyRule(any_change, "entry point that is taken over", "edge", 85),
    "ruleset_name": KeyRule(any_change, "name of the ruleset; another one replaces all of it", "edge", 80),
    "keep": KeyRule(any_change, "rules that were there before", "edge", 80, ordered=True),
    **{
        f"keep[].{key}": Delegated("zone")
        for key in ("ref", "description", "expression", "action", "enabled", "logging")
    },
    **{f"keep[].skip.{key}": Delegated("zone") for key in ("ruleset", "phases", "products")},
    **{f"keep[].response.{key}": Delegated("zone") for key in ("status_code", "content", "content_type")},
    "rules": Delegated("zone"),
    "rules[].hostnames": Delegated("zone"),
    "rules[].countries": Delegated("zone"),
}
