"""No hostname answers before everything that protects it stands: every missing edge is a finding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pulumi
import pytest

from plan.exposure import check_exposure
from plan.findings import Severity
from plan.graph import Graph, Resource
from plan.protectors import ACCESS_APPLICATION, DNS_RECORD, MCP_PORTAL, MCP_SERVER, PROTECTING, TUNNEL, TUNNEL_CONFIG
from plan.recorder import record

HOST = "github.mcp.example.com"


def ingress(**changes: object) -> dict[str, object]:
    access = {"required": True, "teamName": "acme", "audTags": ["${app.aud}"]}
    return {"hostname": HOST, "service": "http://127.0.0.1:8000", "originRequest": {"access": access}, **changes}


def server() -> dict[str, Resource]:
    """A server stack in which nothing is missing, by name; every protecting type is there."""
    resources: dict[str, Resource] = {}

    def add(token: str, name: str, links: dict[str, str], depends: list[str], /, **inputs: object) -> None:
        linked = {key: f"${{{target}.id}}" for key, target in links.items()}
        resources[name] = Resource(
            urn=f"urn:{name}",
            type=token,
            name=name,
            custom=True,
            inputs={**linked, **inputs},
            dependencies=tuple(sorted(f"urn:{target}" for target in {*links.values(), *depends})),
            property_dependencies={key: (f"urn:{target}",) for key, target in links.items()},
        )

    cloudflare, gateway = "cloudflare:index/", "kong:index/"
    add(f"{cloudflare}zeroTrustDevicePostureRule:ZeroTrustDevicePostureRule", "posture", {}, [])
    add(f"{cloudflare}zeroTrustAccessGroup:ZeroTrustAccessGroup", "group", {}, ["posture"])
    add(f"{cloudflare}zeroTrustAccessPolicy:ZeroTrustAccessPolicy", "policy", {}, ["group"])
    add(f"{cloudflare}ruleset:Ruleset", "ruleset", {}, [])
    add(ACCESS_APPLICATION, "app", {}, ["policy"], domain=HOST)
    add(TUNNEL, "tunnel", {}, [], configSrc="cloudflare")
    rules = [ingress(), {"service": "http_status:404"}]
    add(TUNNEL_CONFIG, "ingress", {"tunnelId": "tunnel"}, ["app"], config={"ingresses": rules})
    add(f"{gateway}upstream:Upstream", "upstream", {}, [])
    add(f"{gateway}target:Target", "target", {"upstreamId": "upstream"}, [])
    add(f"{gateway}service:Service", "service", {}, ["upstream", "target"])
    add(f"{gateway}consumer:Consumer", "consumer", {}, [])
    add(f"{gateway}consumerAcl:ConsumerAcl", "grant", {"consumerId": "consumer"}, [])
    add(f"{gateway}plugin:Plugin", "jwt", {"serviceId": "service"}, ["grant"], name="jwt")
    add(f"{gateway}plugin:Plugin", "limit", {"serviceId": "service"}, [], name="rate-limiting")
    add(f"{gateway}route:Route", "route", {"serviceId": "service"}, ["jwt", "limit"])
    needed = ["ruleset", "ingress", "route"]
    content = "${tunnel.id}.cfargotunnel.com"
    add(DNS_RECORD, "dns", {"content": "tunnel"}, needed, content=content, type="CNAME", proxied=True, name=HOST)
    return resources


def findings(resources: dict[str, Resource]) -> list[tuple[str, str]]:
    graph = Graph.build("ringwall", "dev.github", resources.values())
    return [
        (finding.rule_id.removeprefix("exposure-"), finding.urn.removeprefix("urn:"))
        for finding in check_exposure(graph)
    ]


def cut(resources: dict[str, Resource], name: str, *, without: str) -> None:
    urn = f"urn:{without}"
    old = resources[name]
    assert urn in old.direct_dependencies
    resources[name] = replace(
        old,
        dependencies=tuple(target for target in old.dependencies if target != urn),
        property_dependencies={
            key: tuple(target for target in targets if target != urn)
            for key, targets in old.property_dependencies.items()
        },
    )


def change(resources: dict[str, Resource], name: str, /, **inputs: object) -> None:
    old = resources[name]
    merged = {**old.inputs, **inputs}
    resources[name] = replace(old, inputs={key: value for key, value in merged.items() if value is not ...})


def test_a_complete_server_has_no_finding() -> None:
    resources = server()
    assert findings(resources) == []
    # A portal has a stack of its own kind: tests/plan/test_portal_exposure.py.
    assert {resource.type for resource in resources.values()} == {*PROTECTING, DNS_RECORD} - {MCP_PORTAL, MCP_SERVER}


@pytest.mark.parametrize(
    ("name", "without"),
    [
        ("dns", "ruleset"),
        ("dns", "ingress"),
        ("dns", "route"),
        ("ingress", "app"),
        ("app", "policy"),
        ("policy", "group"),
        ("group", "posture"),
        ("service", "target"),
        ("jwt", "grant"),
    ],
)
def test_each_missing_edge_to_the_record_is_a_finding(name: str, without: str) -> None:
    resources = server()
    cut(resources, name, without=without)
    reported = findings(resources)
    assert ("order", "dns") in reported
    assert all(rule == "order" for rule, _ in reported)


@pytest.mark.parametrize("plugin", ["jwt", "limit"])
def test_a_route_that_does_not_wait_for_its_services_plugins_is_a_finding(plugin: str) -> None:
    resources = server()
    cut(resources, "route", without=plugin)
    assert ("route-order", "route") in findings(resources)


def test_a_plugin_outside_the_stacks_order_is_named_in_the_finding() -> None:
    resources = server()
    cut(resources, "route", without="limit")
    graph = Graph.build("ringwall", "dev.github", resources.values())
    (order,) = [finding for finding in check_exposure(graph) if finding.rule_id == "exposure-route-order"]
    assert order.severity is Severity.ERROR
    assert order.message == "Route route can answer before the plugin limit of its service service stands"
    assert order.remedy == "add limit to the route's depends_on"


@pytest.mark.parametrize(
    "changes",
    [{"name": "pre-function"}, {"enabled": False}, {"name": "request-termination"}, {"consumerId": "ada"}],
    ids=["no auth plugin", "disabled auth plugin", "termination beside others", "auth plugin of one consumer"],
)
def test_a_service_without_working_authentication_is_a_finding(changes: dict[str, object]) -> None:
    resources = server()
    change(resources, "jwt", **changes)
    assert findings(resources) == [("route-unauthenticated", "route")]


def metadata(resources: dict[str, Resource], *, waits: bool) -> None:
    """An open service of its own, answered by Kong itself."""
    resources["open"] = replace(resources["service"], urn="urn:open", name="open")
    links = {"serviceId": "${open.id}"}
    resources["stop"] = Resource(
        "urn:stop",
        "kong:index/plugin:Plugin",
        "stop",
        True,
        {**links, "name": "request-termination"},
        dependencies=("urn:open",),
        property_dependencies={"serviceId": ("urn:open",)},
    )
    resources["open-route"] = Resource(
        "urn:open-route",
        "kong:index/route:Route",
        "open-route",
        True,
        dict(links),
        dependencies=("urn:open", *(["urn:stop"] if waits else [])),
        property_dependencies={"serviceId": ("urn:open",)},
    )
    record = resources["dns"]
    resources["dns"] = replace(record, dependencies=(*record.dependencies, "urn:open-route", "urn:stop"))


def test_an_open_route_may_lead_to_a_service_that_only_answers_itself() -> None:
    resources = server()
    metadata(resources, waits=True)
    assert findings(resources) == []


def test_an_open_route_waits_for_the_plugin_that_stops_it() -> None:
    resources = server()
    metadata(resources, waits=False)
    assert findings(resources) == [("route-order", "open-route")]


@pytest.mark.parametrize("config", ['{"trigger": "x-stop"}', "{", {"$secret": True}])
def test_a_termination_that_may_let_requests_through_opens_nothing(config: object) -> None:
    resources = server()
    metadata(resources, waits=True)
    change(resources, "stop", configJson=config)
    assert findings(resources) == [("route-unauthenticated", "open-route")]


@pytest.mark.parametrize(
    ("companion", "expected"), [("cors", []), ("file-log", [("route-unauthenticated", "open-route")])]
)
def test_only_cors_may_stand_beside_a_termination(companion: str, expected: list[tuple[str, str]]) -> None:
    resources = server()
    metadata(resources, waits=True)
    resources["beside"] = replace(resources["stop"], urn="urn:beside", name="beside")
    change(resources, "beside", name=companion)
    route = resources["open-route"]
    resources["open-route"] = replace(route, dependencies=(*route.dependencies, "urn:beside"))
    assert findings(resources) == expected


def test_a_narrower_termination_in_the_place_of_the_services_own_opens_it_again() -> None:
    resources = server()
    metadata(resources, waits=True)
    resources["beside"] = replace(resources["stop"], urn="urn:beside", name="beside")
    change(resources, "beside", routeId="${open-route.id}", configJson='{"trigger": "x-stop"}')
    route = resources["open-route"]
    resources["open-route"] = replace(route, dependencies=(*route.dependencies, "urn:beside"))
    assert findings(resources) == [("route-unauthenticated", "open-route")]


@pytest.mark.parametrize("name", ["route", "jwt"])
def test_a_service_outside_the_stack_cannot_be_judged(name: str) -> None:
    resources = server()
    cut(resources, name, without="service")
    change(resources, name, serviceId="3fa85f64")
    assert ("unlinked", name) in findings(resources)


@pytest.mark.parametrize(
    ("token", "names"),
    [
        (ACCESS_APPLICATION, ["app"]),
        (TUNNEL_CONFIG, ["ingress"]),
        ("kong:index/route:Route", ["route"]),
        ("kong:index/plugin:Plugin", ["jwt", "limit"]),
    ],
)
def test_a_missing_ring_is_a_finding(token: str, names: list[str]) -> None:
    resources = {name: resource for name, resource in server().items() if name not in names}
    assert ("ring-missing", "dns") in findings(resources)
    assert all(resource.type != token for resource in resources.values())


@pytest.mark.parametrize(
    "changes",
    [{"content": "203.0.113.7"}, {"content": "other.cfargotunnel.com"}, {"content": ...}, {"type": "A"}],
    ids=["address", "other tunnel", "none", "no CNAME"],
)
def test_a_record_that_points_elsewhere_is_a_finding(changes: dict[str, object]) -> None:
    resources = server()
    change(resources, "dns", **changes)
    assert findings(resources) == [("dns-target", "dns")]


def test_a_record_whose_tunnel_is_not_in_the_stack_is_a_finding() -> None:
    resources = server()
    del resources["tunnel"]
    assert findings(resources) == [("dns-target", "dns")]


def test_an_unknown_target_is_judged_by_its_dependency() -> None:
    resources = server()
    change(resources, "dns", content={"$unknown": True})
    assert findings(resources) == []
    cut(resources, "dns", without="tunnel")
    assert findings(resources) == [("dns-target", "dns")]


def test_an_unproxied_record_is_a_finding() -> None:
    resources = server()
    change(resources, "dns", proxied=...)
    assert findings(resources) == [("dns-proxied", "dns")]


@pytest.mark.parametrize(
    "changes",
    [
        {"domain": "other.example.com"},
        {"domain": f"{HOST}/mcp"},
        {"domain": {"$unknown": True}},
        {"domain": ..., "destinations": [{"type": "private", "uri": HOST}]},
    ],
    ids=["other host", "path only", "unknown", "private destination"],
)
def test_a_name_that_no_application_covers_is_a_finding(changes: dict[str, object]) -> None:
    resources = server()
    change(resources, "app", **changes)
    assert findings(resources) == [("dns-name", "dns")]


@pytest.mark.parametrize(
    "changes",
    [{"domain": "*.mcp.example.com"}, {"domain": ..., "destinations": [{"type": "public", "uri": HOST}]}],
    ids=["wildcard", "public destination"],
)
def test_a_name_may_be_covered_by_wildcard_or_destination(changes: dict[str, object]) -> None:
    resources = server()
    change(resources, "app", **changes)
    assert findings(resources) == []


def test_a_name_without_ingress_rule_is_a_finding() -> None:
    resources = server()
    change(resources, "ingress", config={"ingresses": [{"service": "http_status:404"}]})
    assert findings(resources) == [("dns-name", "dns")]


def test_the_ingress_rule_must_be_on_the_tunnel_the_name_points_at() -> None:
    resources = server()
    resources["other"] = replace(resources["tunnel"], urn="urn:other", name="other")
    resources["ingress"] = replace(resources["ingress"], property_dependencies={"tunnelId": ("urn:other",)})
    change(resources, "ingress", tunnelId="${other.id}")
    assert ("dns-name", "dns") in findings(resources)


@pytest.mark.parametrize("source", ["local", ...])
def test_a_remote_ingress_of_a_tunnel_managed_on_its_host_is_a_finding(source: object) -> None:
    """Unset means local: the provider's default."""
    resources = server()
    change(resources, "tunnel", configSrc=source)
    assert findings(resources) == [("ingress-ignored", "ingress"), ("ingress-on-host", "tunnel")]


def test_a_tunnel_managed_on_its_host_is_a_warning_and_not_proven() -> None:
    resources = server()
    change(resources, "tunnel", configSrc="local")
    del resources["ingress"]
    record = resources["dns"]
    resources["dns"] = replace(record, dependencies=(*record.dependencies, "urn:app"))
    (finding,) = check_exposure(Graph.build("ringwall", "dev.github", resources.values()))
    assert (finding.rule_id, finding.severity) == ("exposure-ingress-on-host", Severity.WARNING)


def test_a_name_the_plan_cannot_read_is_a_finding() -> None:
    resources = server()
    change(resources, "dns", name={"$unknown": True})
    assert findings(resources) == [("dns-name", "dns")]


@pytest.mark.parametrize(
    "request_settings",
    [
        ...,
        {},
        {"access": {"required": False, "audTags": ["aud"]}},
        {"access": {"audTags": ["aud"]}},
        {"access": {"required": True, "audTags": []}},
        {"access": {"required": True, "audTags": [""]}},
        {"access": {"required": True}},
        {"access": {"required": {"$unknown": True}, "audTags": ["aud"]}},
    ],
)
def test_an_ingress_rule_that_does_not_require_access_is_a_finding(request_settings: object) -> None:
    rule = ingress(originRequest=request_settings)
    if request_settings is ...:
        del rule["originRequest"]
    resources = server()
    config = {"ingresses": [rule, {"service": "http_status:404"}], "originRequest": ingress()["originRequest"]}
    change(resources, "ingress", config=config)
    assert findings(resources) == [("ingress-access", "ingress")]


def test_an_unknown_audience_is_an_audience() -> None:
    access = {"access": {"required": True, "audTags": [{"$unknown": True}]}}
    resources = server()
    change(resources, "ingress", config={"ingresses": [ingress(originRequest=access), {"service": "http_status:404"}]})
    assert findings(resources) == []


@pytest.mark.parametrize(
    ("rules", "expected"),
    [
        ([ingress()], [("ingress-catch-all", "ingress")]),
        (
            [ingress(), {"service": "http://127.0.0.1:8000"}],
            [("ingress-access", "ingress"), ("ingress-catch-all", "ingress")],
        ),
        (
            [ingress(), {"service": "http_status:404", "path": "/x"}],
            [("ingress-access", "ingress"), ("ingress-catch-all", "ingress")],
        ),
    ],
)
def test_the_last_ingress_rule_refuses_everything_else(rules: list[object], expected: list[tuple[str, str]]) -> None:
    resources = server()
    change(resources, "ingress", config={"ingresses": rules})
    assert findings(resources) == expected


@pytest.mark.parametrize(
    "config",
    [{"$unknown": True}, {"$secret": True}, ..., {"ingresses": {"$unknown": True}}, {"ingresses": [{"$secret": True}]}],
)
def test_an_ingress_the_plan_cannot_read_is_a_finding(config: object) -> None:
    resources = server()
    change(resources, "ingress", config=config)
    assert ("ingress-unreadable", "ingress") in findings(resources)


def test_a_stack_that_publishes_nothing_has_no_finding() -> None:
    resources = server()
    del resources["dns"]
    assert findings(resources) == []


class Declared(pulumi.CustomResource):
    """A resource by type token: importing the Cloudflare SDK takes seconds."""

    def __init__(self, token: str, name: str, props: dict[str, object], opts: pulumi.ResourceOptions | None = None):
        super().__init__(token, name, props, opts)


def program(*, order: Callable[[list[pulumi.Resource]], list[pulumi.Resource]]) -> Callable[[], None]:
    def declare() -> None:
        app = Declared(ACCESS_APPLICATION, "app", {"domain": HOST})
        tunnel = Declared(TUNNEL, "tunnel", {"name": "github", "configSrc": "cloudflare"})
        access = {"required": True, "teamName": "acme", "audTags": [app.id]}
        rule = {"hostname": HOST, "service": "http://127.0.0.1:8000", "originRequest": {"access": access}}
        config = {"ingresses": [rule, {"service": "http_status:404"}]}
        ingress_rules = Declared(TUNNEL_CONFIG, "ingress", {"tunnelId": tunnel.id, "config": config})
        service = Declared("kong:index/service:Service", "service", {"host": "127.0.0.1", "port": 9010})
        jwt = Declared("kong:index/plugin:Plugin", "jwt", {"name": "jwt", "serviceId": service.id})
        waits = pulumi.ResourceOptions(depends_on=order([jwt]))
        route = Declared("kong:index/route:Route", "route", {"serviceId": service.id}, waits)
        props: dict[str, object] = {"name": HOST, "type": "CNAME", "proxied": True}
        props["content"] = pulumi.Output.concat(tunnel.id, ".cfargotunnel.com")
        Declared(DNS_RECORD, "dns", props, pulumi.ResourceOptions(depends_on=order([ingress_rules, route, jwt])))

    return declare


@pytest.mark.parametrize("symbolic", [True, False])
def test_a_recorded_program_with_its_order_is_proven(symbolic: bool) -> None:
    graph = record(program(order=list), project="p", stack="s", symbolic=symbolic)
    assert check_exposure(graph) == ()


@pytest.mark.parametrize("symbolic", [True, False])
def test_the_same_program_without_its_order_is_not(symbolic: bool) -> None:
    graph = record(program(order=lambda _: []), project="p", stack="s", symbolic=symbolic)
    reported = {(finding.rule_id, finding.message.split(" can ")[0]) for finding in check_exposure(graph)}
    assert reported == {("exposure-order", "DnsRecord dns"), ("exposure-route-order", "Route route")}
