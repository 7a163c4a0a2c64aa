"""Every kind of object that Ringwall makes: its name on the command line, where the provider's API lists it, how one object
is recognised, and the id by which the provider plugin imports it.

Import ids are the provider documentation's ("Import" of each resource, pulumi-cloudflare 6.23 and pulumi-kong 4.6). Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Literal
from urllib.parse import quote

Inputs = Mapping[str, Any]
Item = Mapping[str, Any]


class Kind(StrEnum):
    """A kind of object, by the name that `ringwall import` takes."""

    tunnel = "tunnel"
    ingress = "ingress"
    application = "application"
    policy = "policy"
    group = "group"
    service_token = "service-token"  # noqa: S105 - a kind's name
    posture = "posture"
    authority = "authority"
    record = "record"
    ruleset = "ruleset"
    portal = "portal"
    portal_server = "portal-server"
    logpush_job = "logpush-job"
    service = "service"
    route = "route"
    plugin = "plugin"
    upstream = "upstream"
    target = "target"
    consumer = "consumer"
    acl = "acl"
    key = "key"


@dataclass(frozen=True)
class Shape:
    """How objects of one kind are listed, recognised and imported.

    Inputs are the resource's in Pulumi's spelling, items are what the provider's API lists.

    `label`: the input that holds the name people see. `path`: where the API lists them, or None where creating is
    a PUT that may be repeated. `fits`: whether an item is the object that these inputs make. `import_id`: the plugin's
    import form, over inputs and the item's `id`. `alone`: the path answers with the one object, not with a list.
    `twins`: the service takes a second object of the same name; otherwise `taken_by` says which item of the list keeps it
    from taking these inputs, where that is not one of the same label. `answered_once`: the answer to the create holds what
    can never be read again, so an object whose answer was lost is of no use.
    """

    token: str
    label: str
    path: Callable[[Inputs], str] | None
    fits: Callable[[Inputs, Item], bool]
    import_id: str
    permission: str = ""
    alone: bool = False
    twins: bool = False
    taken_by: Callable[[Inputs, Item], bool] | None = None
    answered_once: bool = False

    @property
    def provider(self) -> Literal["cloudflare", "kong"]:
        return "kong" if self.token.startswith("kong:") else "cloudflare"

    @property
    def service(self) -> str:
        """The provider's name in a sentence."""
        return "Kong" if self.provider == "kong" else "Cloudflare"

    def clashes(self, inputs: Inputs, item: Item) -> bool:
        """Whether an item stands where the object that these inputs make would be."""
        if self.twins:
            return self.fits(inputs, item)
        if self.taken_by is not None:
            return self.taken_by(inputs, item)
        return item.get(self.label) == inputs.get(self.label)

    def place(self, inputs: Inputs) -> str:
        """The path of the list that the object is in; empty where there is none."""
        path = self.path(inputs) if self.path is not None else ""
        return path.rpartition("/")[0] if self.alone else path

    def imported(self, inputs: Inputs, id: str) -> str:
        """The import form of an object's own id; an id in that form already stays as it is."""
        if "/" in id or "|" in id:
            return id
        return self.import_id.format_map({**inputs, "id": id})


def own_id(id: str) -> str:
    """An object's id without the account, zone, upstream or consumer that the plugin keeps with it."""
    return id.rpartition("/")[2].partition("|")[0]


def _equal(*keys: str) -> Callable[[Inputs, Item], bool]:
    return lambda inputs, item: all(item.get(key) == inputs.get(key) for key in keys)


def _tunnel(inputs: Inputs, item: Item) -> bool:
    # A deleted tunnel stays in the list, with the time of its end.
    return item.get("name") == inputs.get("name") and not item.get("deleted_at")


def _application(inputs: Inputs, item: Item) -> bool:
    places = {*_destinations(item, "mcp_server_id"), item.get("domain")}
    destinations = set(_destinations(inputs, "mcpServerId"))
    # A plan does not know a portal's server; what stands before one has that type.
    unknown = any("${" in place for place in destinations) and item.get("type") == inputs.get("type")
    return item.get("name") == inputs.get("name") and (unknown or not places.isdisjoint(destinations))


def _destinations(properties: Mapping[str, Any], server_key: str) -> Iterator[str]:
    """What an application stands before: host names with paths, or servers of a portal."""
    for destination in properties.get("destinations") or ():
        if isinstance(destination, Mapping) and (place := destination.get("uri") or destination.get(server_key)):
            yield str(place)


def _same_references(inputs: Inputs, item: Item, references: Mapping[str, str]) -> bool:
    """Whether the item refers to the same entities; Kong nests a reference as ``{"id": …}``."""
    return all((item.get(key) or {}).get("id") == inputs.get(value) for key, value in references.items())


def _tagged(inputs: Inputs, item: Item, **references: str) -> bool:
    """Whether the item has this stack's tags and refers to the same entities, as far as a plan knows their ids."""
    tags = set(inputs.get("tags") or ())
    known = {key: value for key, value in references.items() if "${" not in str(inputs.get(value))}
    return _same_references(inputs, item, known) and tags <= set(item.get("tags") or ())


def _entity(key: str, **references: str) -> Callable[[Inputs, Item], bool]:
    return lambda inputs, item: item.get(key) == inputs.get(key) and _tagged(inputs, item, **references)


def _record(inputs: Inputs, item: Item) -> bool:
    content = str(inputs.get("content"))
    # A plan does not know the tunnel's id; the comment is this stack's.
    same_content = "${" in content or item.get("content") == content
    return same_content and _equal("name", "type", "comment")(inputs, item)


def _same_address(inputs: Inputs, item: Item) -> bool:
    """A name has one of these records, or none of them beside the one (Cloudflare, 81053)."""
    addresses = ("A", "AAAA", "CNAME")
    return item.get("name") == inputs.get("name") and item.get("type") in addresses and inputs.get("type") in addresses


def _same_plugin(inputs: Inputs, item: Item) -> bool:
    return item.get("name") == inputs.get("name") and _same_references(inputs, item, _PLUGIN_REFERENCES)


def _named_id(key: str) -> Callable[[Inputs, Item], bool]:
    """Objects whose id the creator chooses."""
    return lambda inputs, item: item.get("id") == inputs.get(key)


def _account(path: str) -> Callable[[Inputs], str]:
    return lambda inputs: f"/accounts/{_part(inputs, 'accountId')}/{path}"


def _zone(path: str) -> Callable[[Inputs], str]:
    return lambda inputs: f"/zones/{_part(inputs, 'zoneId')}/{path}"


def _part(inputs: Inputs, key: str) -> str:
    return quote(str(inputs.get(key)), safe="")


def _plugins(inputs: Inputs) -> str:
    return f"/services/{_part(inputs, 'serviceId')}/plugins" if inputs.get("serviceId") else "/plugins"


_PLUGIN_REFERENCES = {"service": "serviceId", "route": "routeId", "consumer": "consumerId"}
_APPS = "Access: Apps and Policies Read"
_GROUPS = "Access: Organizations, Identity Providers, and Groups Read"
_IN_ACCOUNT = "{accountId}/{id}"
_IN_ACCOUNTS = "accounts/{accountId}/{id}"

SHAPES: dict[Kind, Shape] = {
    Kind.tunnel: Shape(
        "cloudflare:index/zeroTrustTunnelCloudflared:ZeroTrustTunnelCloudflared",
        "name",
        _account("cfd_tunnel"),
        _tunnel,
        _IN_ACCOUNT,
        "Cloudflare Tunnel Read",
        taken_by=_tunnel,
    ),
    Kind.ingress: Shape(
        "cloudflare:index/zeroTrustTunnelCloudflaredConfig:ZeroTrustTunnelCloudflaredConfig",
        "tunnelId",
        None,
        lambda inputs, item: False,
        _IN_ACCOUNT,
    ),
    Kind.application: Shape(
        "cloudflare:index/zeroTrustAccessApplication:ZeroTrustAccessApplication",
        "name",
        _account("access/apps"),
        _application,
        _IN_ACCOUNTS,
        _APPS,
        twins=True,
    ),
    Kind.policy: Shape(
        "cloudflare:index/zeroTrustAccessPolicy:ZeroTrustAccessPolicy",
        "name",
        _account("access/policies"),
        _equal("name", "decision"),
        _IN_ACCOUNT,
        _APPS,
        twins=True,
    ),
    Kind.group: Shape(
        "cloudflare:index/zeroTrustAccessGroup:ZeroTrustAccessGroup",
        "name",
        _account("access/groups"),
        _equal("name"),
        _IN_ACCOUNTS,
        _GROUPS,
        twins=True,
    ),
    Kind.service_token: Shape(
        "cloudflare:index/zeroTrustAccessServiceToken:ZeroTrustAccessServiceToken",
        "name",
        _account("access/service_tokens"),
        _equal("name"),
        _IN_ACCOUNTS,
        "Access: Service Tokens Read",
        twins=True,
        answered_once=True,
    ),
    Kind.authority: Shape(
        "cloudflare:index/zeroTrustAccessMtlsCertificate:ZeroTrustAccessMtlsCertificate",
        "name",
        _account("access/certificates"),
        _equal("name"),
        _IN_ACCOUNTS,
        "Access: Mutual TLS Certificates Read",
        twins=True,
    ),
    Kind.posture: Shape(
        "cloudflare:index/zeroTrustDevicePostureRule:ZeroTrustDevicePostureRule",
        "name",
        _account("devices/posture"),
        _equal("name", "type"),
        _IN_ACCOUNT,
        "Zero Trust Read",
        twins=True,
    ),
    Kind.record: Shape(
        "cloudflare:index/dnsRecord:DnsRecord",
        "name",
        _zone("dns_records"),
        _record,
        "{zoneId}/{id}",
        "DNS Read",
        taken_by=_same_address,
    ),
    Kind.ruleset: Shape(
        "cloudflare:index/ruleset:Ruleset",
        "name",
        _zone("rulesets"),
        _equal("kind", "phase"),
        "zones/{zoneId}/{id}",
        "Zone WAF Read",
        taken_by=_equal("kind", "phase"),
    ),
    Kind.portal: Shape(
        "cloudflare:index/zeroTrustAccessAiControlsMcpPortal:ZeroTrustAccessAiControlsMcpPortal",
        "name",
        _account("access/ai-controls/mcp/portals"),
        _named_id("zeroTrustAccessAiControlsMcpPortalId"),
        _IN_ACCOUNT,
        "MCP Portals Read",
        taken_by=_named_id("zeroTrustAccessAiControlsMcpPortalId"),
    ),
    Kind.portal_server: Shape(
        "cloudflare:index/zeroTrustAccessAiControlsMcpServer:ZeroTrustAccessAiControlsMcpServer",
        "name",
        _account("access/ai-controls/mcp/servers"),
        _named_id("zeroTrustAccessAiControlsMcpServerId"),
        _IN_ACCOUNT,
        "MCP Portals Read",
        taken_by=_named_id("zeroTrustAccessAiControlsMcpServerId"),
    ),
    # The whole account's log of a kind; the destination is a secret, and is compared with nothing.
    Kind.logpush_job: Shape(
        "cloudflare:index/logpushJob:LogpushJob",
        "name",
        _account("logpush/jobs"),
        _equal("name", "dataset"),
        _IN_ACCOUNTS,
        "Logs Read",
        twins=True,
    ),
    Kind.service: Shape(
        "kong:index/service:Service",
        "name",
        lambda inputs: f"/services/{_part(inputs, 'name')}",
        _entity("name"),
        "{id}",
        alone=True,
    ),
    Kind.route: Shape(
        "kong:index/route:Route",
        "name",
        lambda inputs: f"/routes/{_part(inputs, 'name')}",
        _entity("name", service="serviceId"),
        "{id}",
        alone=True,
    ),
    Kind.plugin: Shape(
        "kong:index/plugin:Plugin",
        "name",
        _plugins,
        _entity("name", **_PLUGIN_REFERENCES),
        "{id}",
        taken_by=_same_plugin,
    ),
    Kind.upstream: Shape(
        "kong:index/upstream:Upstream",
        "name",
        lambda inputs: f"/upstreams/{_part(inputs, 'name')}",
        _entity("name"),
        "{id}",
        alone=True,
    ),
    Kind.target: Shape(
        "kong:index/target:Target",
        "target",
        lambda inputs: f"/upstreams/{_part(inputs, 'upstreamId')}/targets",
        _entity("target", upstream="upstreamId"),
        "{upstreamId}/{id}",
    ),
    Kind.consumer: Shape(
        "kong:index/consumer:Consumer",
        "username",
        lambda inputs: f"/consumers/{_part(inputs, 'username')}",
        _entity("username"),
        "{id}",
        alone=True,
    ),
    Kind.acl: Shape(
        "kong:index/consumerAcl:ConsumerAcl",
        "group",
        lambda inputs: f"/consumers/{_part(inputs, 'consumerId')}/acls",
        _entity("group", consumer="consumerId"),
        "{id}|{consumerId}",
    ),
    # Named by its consumer, which has one: the key itself is a secret, and is compared with nothing.
    Kind.key: Shape(
        "kong:index/consumerKeyAuth:ConsumerKeyAuth",
        "consumerId",
        lambda inputs: f"/consumers/{_part(inputs, 'consumerId')}/key-auth",
        lambda inputs, item: _tagged(inputs, item, consumer="consumerId"),
        "{id}|{consumerId}",
        taken_by=lambda inputs, item: False,  # a consumer may have any number of keys
    ),
}

_KINDS = {shape.token: kind for kind, shape in SHAPES.items()}


def kind_of(token: str) -> Kind | None:
    """The kind of a Pulumi type; None for types that exist at no provider, such as components and providers themselves."""
    return _KINDS.get(token)


def named(kind: Kind, inputs: Inputs) -> str:
    """``application dev-github``, as errors and results name an object."""
    return f"{kind.value} {inputs.get(SHAPES[kind].label)}"
