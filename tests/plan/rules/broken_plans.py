"""What breaks a plan: each case breaks one rule of a good graph, named with the stack and the shape that it is for."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

from model.waivers import today_utc
from plan.graph import Graph, Resource

Break = Callable[[Graph], Graph]


def changed(name: str, make: Callable[[Resource], Resource]) -> Break:
    def apply(graph: Graph) -> Graph:
        (original,) = [resource for resource in graph.resources if resource.name == name]
        remaining = [resource for resource in graph.resources if resource is not original]
        return Graph.build(graph.project, graph.stack, [*remaining, make(original)], graph.outputs)

    return apply


def put(name: str, /, **inputs: Any) -> Break:
    return changed(name, lambda resource: replace(resource, inputs={**resource.inputs, **inputs}))


def option(name: str, /, **options: Any) -> Break:
    return changed(name, lambda resource: replace(resource, options={**resource.options, **options}))


def config(plugin: str, /, **values: Any) -> Break:
    """Other values in a plugin's configuration."""

    def make(resource: Resource) -> Resource:
        known = json.loads(str(resource.inputs["configJson"]))
        return replace(resource, inputs={**resource.inputs, "configJson": json.dumps({**known, **values})})

    return changed(plugin, make)


def output(key: str, edit: Callable[[dict[str, Any]], object]) -> Break:
    """A document that reaches the host, edited in place."""

    def apply(graph: Graph) -> Graph:
        document = json.loads(str(graph.outputs[key]))
        edit(document)
        return Graph.build(graph.project, graph.stack, graph.resources, {**graph.outputs, key: json.dumps(document)})

    return apply


def guard(edit: Callable[[dict[str, Any]], object]) -> Break:
    return output("guard_config", edit)


def host(edit: Callable[[dict[str, Any]], object]) -> Break:
    return output("host_bundle", edit)


def without(*types: str) -> Break:
    def apply(graph: Graph) -> Graph:
        remaining = [resource for resource in graph.resources if resource.type.rsplit(":", 1)[-1] not in types]
        return Graph.build(graph.project, graph.stack, remaining, graph.outputs)

    return apply


def ingress(**values: Any) -> Break:
    def make(resource: Resource) -> Resource:
        rules: list[Any] = json.loads(json.dumps(resource.inputs["config"]))["ingresses"]
        return replace(
            resource, inputs={**resource.inputs, "config": {"ingresses": [{**rules[0], **values}, *rules[1:]]}}
        )

    return changed("one-edge-ingress", make)


def passive(**values: Any) -> Break:
    def make(resource: Resource) -> Resource:
        checks: Any = json.loads(json.dumps(resource.inputs["healthchecks"]))
        checks["passive"]["unhealthy"].update(values)
        return replace(resource, inputs={**resource.inputs, "healthchecks": checks})

    return changed("one-gateway-upstream", make)


def narrower(graph: Graph) -> Graph:
    """A second rate limit, for the route alone."""
    (limit,) = [resource for resource in graph.resources if resource.name == "one-gateway-principal-rate"]
    (route,) = [resource for resource in graph.resources if resource.name == "one-gateway-route"]
    narrow_limit = replace(
        limit,
        urn=f"{limit.urn}-own",
        name="own",
        inputs={**{key: value for key, value in limit.inputs.items() if key != "serviceId"}, "routeId": "${r.id}"},
        property_dependencies={},
    )
    (record,) = graph.by_type("cloudflare:index/dnsRecord:DnsRecord")
    later = replace(record, dependencies=tuple(sorted((*record.dependencies, narrow_limit.urn))))
    remaining = [resource for resource in graph.resources if resource not in (record, route)]
    return Graph.build(graph.project, graph.stack, [*remaining, route, later, narrow_limit], graph.outputs)


def additional(type: str, inputs: dict[str, Any], **options: Any) -> Break:
    """One more resource of a program's own, which the public name waits for as it should."""

    def apply(graph: Graph) -> Graph:
        urn = f"urn:pulumi:{graph.stack}::{graph.project}::{type}::own"
        provider = next(resource.urn for resource in graph.resources if resource.type.startswith("pulumi:providers:"))
        extra = Resource(urn, type, "own", True, inputs, provider=provider, protect=True, **options)
        waiting = [
            replace(resource, dependencies=(*resource.dependencies, urn))
            if resource.type.endswith(":DnsRecord")
            else resource
            for resource in graph.resources
        ]
        return Graph.build(graph.project, graph.stack, [*waiting, extra], graph.outputs)

    return apply


def access(**values: Any) -> Break:
    """Other values in what cloudflared asks of a token."""

    def apply(graph: Graph) -> Graph:
        (config,) = [resource for resource in graph.resources if resource.name == "one-edge-ingress"]
        request: Any = json.loads(json.dumps(config.inputs["config"]))["ingresses"][0]["originRequest"]
        return ingress(originRequest={**request, "access": {**request["access"], **values}})(graph)

    return apply


def combined(*breaks: Break) -> Break:
    def apply(graph: Graph) -> Graph:
        for apply_break in breaks:
            graph = apply_break(graph)
        return graph

    return apply


FORMER = "cloudflare:index/"
GROUP = "cloudflare:index/zeroTrustAccessGroup:ZeroTrustAccessGroup"
TUNNEL_IN = "one-edge-tunnel"
POLICY = "dev-edge-policy-agent-ci"
PEOPLE = "dev-edge-policy-people-f1fa18a5"
COUNTRIES = "dev-edge-group-countries-NO-SE"
ALL: dict[str, Any] = {"all": True}
#: A budget of something that the guard never counts.
CALLS = {"calls": {"minute": 1}}
#: Every address, though no range is.
HALVES = [{"ip": {"ip": "0.0.0.0/1"}}, {"ip": {"ip": "128.0.0.0/1"}}]
POSTURE = {"devicePosture": {"integrationUid": "${dev-edge-posture-encrypted.id}"}}
GATEWAY = "one-gateway-"


#: Rule, stack, what breaks it. In production where the third is "hybrid"; the finding must be that rule's and no other's.
def redirects(uri: str) -> Break:
    settings = {"enabled": True, "allowAnyOnLocalhost": True, "allowAnyOnLoopback": True, "allowedUris": [uri]}
    return put("one-edge-application", oauthConfiguration={"enabled": True, "dynamicClientRegistration": settings})


BROKEN: list[tuple[str, str, str, Break]] = [
    ("edge-policy-bypass", "dev", "colocated", put(POLICY, decision="bypass")),
    ("edge-policy-bypass", "dev", "colocated", put(POLICY, decision={"$unknown": True})),
    ("edge-policy-bypass", "dev.one", "colocated", put("one-edge-application", optionsPreflightBypass=True)),
    (
        "edge-policy-bypass",
        "dev.one",
        "colocated",
        put("one-edge-application", policies=[{"decision": "bypass", "includes": [{"email": {"email": "a@b.se"}}]}]),
    ),
    ("edge-policy-everyone", "dev", "colocated", put(PEOPLE, includes=[{"everyone": {}}])),
    ("edge-policy-everyone", "dev", "colocated", put(POLICY, includes=[{"anyValidServiceToken": {}}])),
    ("edge-policy-everyone", "dev", "colocated", put(POLICY, includes=[])),
    ("edge-policy-everyone", "dev", "colocated", put("dev-edge-group-engineers", includes=[{"everyone": {}}])),
    ("edge-policy-everyone", "dev", "colocated", put(PEOPLE, includes=[{"geo": {"countryCode": "SE"}}])),
    ("edge-policy-everyone", "dev", "colocated", put(PEOPLE, includes=[{"loginMethod": {"id": "google"}}])),
    ("edge-policy-everyone", "dev", "colocated", put(PEOPLE, includes=[{"group": {"id": f"${{{COUNTRIES}.id}}"}}])),
    ("edge-policy-everyone", "dev", "colocated", additional(GROUP, {"includes": HALVES})),
    ("edge-policy-everyone", "dev", "colocated", additional(GROUP, {"includes": [{"ip": {"ip": "::/0"}}]})),
    *(
        ("edge-policy-everyone", "dev", "colocated", put(PEOPLE, includes=[{selector: {"id": "x"}}]))
        for selector in ("ip", "ipList", "devicePosture", "userRiskScore", "authMethod", "certificate")
    ),
    # Beside a token an address admits whoever calls from there without any.
    (
        "edge-policy-everyone",
        "dev",
        "colocated",
        put(POLICY, includes=[{"serviceToken": {"tokenId": "t"}}, {"ip": {"ip": "198.51.100.0/24"}}]),
    ),
    (
        "edge-policy-everyone",
        "dev",
        "colocated",
        combined(
            additional(GROUP, {"includes": [{"group": {"id": f"${{{COUNTRIES}.id}}"}}]}),
            put(PEOPLE, includes=[{"group": {"id": "${own.id}"}}]),
        ),
    ),
    # The provider still makes the same resources under the names of its earlier versions.
    (
        "edge-policy-bypass",
        "dev",
        "colocated",
        additional(
            FORMER + "accessPolicy:AccessPolicy", {"decision": "bypass", "includes": [{"email": {"email": "a@b.se"}}]}
        ),
    ),
    (
        "edge-policy-everyone",
        "dev",
        "colocated",
        additional(FORMER + "accessGroup:AccessGroup", {"includes": [{"everyone": {}}]}),
    ),
    ("edge-agent-unbound", "dev", "colocated", put(POLICY, requires=[])),
    ("edge-policy-country", "dev", "colocated", put(PEOPLE, requires=[POSTURE])),
    ("edge-policy-country", "dev", "colocated", put(POLICY, requires=[POSTURE])),
    # A group of countries or an address domain is no place: the domain alone is enough.
    (
        "edge-policy-country",
        "dev",
        "colocated",
        put(
            "dev-edge-group-countries-NO",
            includes=[{"geo": {"countryCode": "NO"}}, {"emailDomain": {"domain": "b.se"}}],
        ),
    ),
    (
        "edge-policy-unmatchable",
        "dev",
        "colocated",
        put(PEOPLE, requires=[{"geo": {"countryCode": "NO"}}, {"geo": {"countryCode": "SE"}}]),
    ),
    ("edge-application-open", "dev.one", "colocated", put("one-edge-application", policies=[])),
    ("edge-application-open", "dev.one", "colocated", put("one-edge-application", type="bookmark")),
    ("edge-ingress-audience", "dev.one", "colocated", access(audTags=["${other-edge-application.aud}"])),
    ("edge-ingress-audience", "dev.one", "colocated", access(teamName="somebody-else")),
    ("edge-ingress-target", "dev.one", "colocated", ingress(service="http://127.0.0.1:9010")),
    ("edge-ingress-target", "dev.one", "colocated", ingress(service="http://192.0.2.7:8000")),
    ("edge-application-moved", "dev.one", "colocated", option("one-edge-application", replace_on_changes=[])),
    ("edge-application-moved", "dev.one", "colocated", option("one-edge-application", delete_before_replace=None)),
    ("edge-application-moved", "dev.one", "colocated", option("one-edge-application", delete_before_replace=True)),
    (
        "edge-tunnel-unprotected",
        "dev.one",
        "hybrid",
        changed(TUNNEL_IN, lambda resource: replace(resource, protect=False)),
    ),
    (
        "edge-tunnel-unprotected",
        "dev.one",
        "hybrid",
        changed("one-edge-application", lambda resource: replace(resource, protect=False)),
    ),
    ("edge-zone-unprotected", "zone.example", "colocated", without()),
    ("exposure-ingress-access", "dev.one", "colocated", ingress(originRequest={})),
    ("exposure-dns-proxied", "dev.one", "colocated", put("one-public-name-record", proxied=False)),
    ("gateway-identity-missing", "dev.one", "colocated", put(GATEWAY + "identity", enabled=False)),
    ("gateway-identity-missing", "dev.one", "colocated", config(GATEWAY + "identity", access=[])),
    ("gateway-identity-missing", "dev.one", "colocated", config(GATEWAY + "identity", access=["return"])),
    ("gateway-issuer-open", "dev.one", "colocated", put(GATEWAY + "issuer", enabled=False)),
    ("gateway-issuer-open", "dev.one", "colocated", config(GATEWAY + "issuer", allow=None)),
    ("gateway-auth-optional", "dev.one", "colocated", config(GATEWAY + "signature", anonymous="guest")),
    ("gateway-auth-optional", "dev.one", "colocated", config(GATEWAY + "signature", run_on_preflight=False)),
    ("gateway-auth-optional", "dev.one", "colocated", config(GATEWAY + "signature", claims_to_verify=["nbf"])),
    ("gateway-auth-optional", "dev.one", "colocated", config(GATEWAY + "signature", uri_param_names=["jwt"])),
    ("gateway-auth-optional", "dev.one", "colocated", config(GATEWAY + "signature", header_names=["authorization"])),
    (
        "gateway-auth-optional",
        "dev.one",
        "colocated",
        config(GATEWAY + "signature", header_names=["x-ringwall-assertion", "authorization"]),
    ),
    ("gateway-auth-optional", "dev.one", "colocated", put(GATEWAY + "signature", configJson={"$secret": True})),
    ("exposure-route-unauthenticated", "dev.one", "colocated", put(GATEWAY + "signature", enabled=False)),
    ("gateway-rate-missing", "dev.one", "colocated", put(GATEWAY + "principal-rate", enabled=False)),
    ("gateway-rate-missing", "dev.one", "colocated", config(GATEWAY + "principal-rate", minute=0, hour=None)),
    ("gateway-rate-missing", "dev.one", "colocated", config(GATEWAY + "principal-rate", minute=10**9, hour=None)),
    ("gateway-rate-missing", "dev.one", "colocated", config(GATEWAY + "principal-rate", minute=None, hour=10**9)),
    ("gateway-tokens-missing", "dev.one", "colocated", config(GATEWAY + "server-tokens", limits=CALLS)),
    ("gateway-tokens-missing", "dev.one", "colocated", config(GATEWAY + "server-tokens", header_name="x-other")),
    (
        "gateway-tokens-missing",
        "dev.one",
        "colocated",
        config(GATEWAY + "server-tokens", limits={"tokens": {"minute": 10**9}}),
    ),
    ("gateway-tokens-missing", "dev.one", "colocated", put(GATEWAY + "server-tokens", enabled=False)),
    ("gateway-tokens-missing", "dev.one", "colocated", config(GATEWAY + "server-tokens", limits={})),
    ("gateway-size-missing", "dev.one", "colocated", put(GATEWAY + "body-size", enabled=False)),
    ("gateway-size-missing", "dev.one", "colocated", config(GATEWAY + "body-size", size_unit="megabytes")),
    ("gateway-size-missing", "dev.one", "colocated", config(GATEWAY + "body-size", allowed_payload_size=0)),
    ("gateway-limit-fails-open", "dev.one", "colocated", config(GATEWAY + "principal-rate", fault_tolerant=True)),
    ("gateway-limit-fails-open", "dev.one", "colocated", config(GATEWAY + "server-tokens", fault_tolerant=True)),
    ("gateway-rate-shared", "dev.one", "colocated", config(GATEWAY + "principal-rate", limit_by="ip")),
    ("gateway-plugin-overridden", "dev.one", "colocated", narrower),
    ("gateway-skips-guard", "dev.one", "colocated", put(GATEWAY + "target", target="127.0.0.1:3000")),
    ("gateway-skips-guard", "dev.one", "colocated", put(GATEWAY + "service", host="127.0.0.1")),
    ("gateway-skips-guard", "dev.one", "colocated", without("Target")),
    (
        "gateway-skips-guard",
        "dev.one",
        "colocated",
        additional("kong:index/target:Target", {"target": "127.0.0.1:3000", "upstreamId": "0d3f", "weight": 100}),
    ),
    ("gateway-breaker-counts-refusals", "dev.one", "colocated", passive(httpStatuses=[429, 502])),
    ("gateway-breaker-counts-refusals", "dev.one", "colocated", passive(httpStatuses=[500, 502, 503])),
    ("gateway-breaker-counts-refusals", "dev.one", "colocated", passive(timeouts=3)),
    ("gateway-breaker-counts-refusals", "dev.one", "colocated", passive(httpStatuses=None)),
    ("gateway-breaker-counts-refusals", "dev.one", "colocated", passive(httpStatuses={"$unknown": True})),
    (
        "gateway-breaker-counts-refusals",
        "dev.one",
        "colocated",
        put(GATEWAY + "upstream", healthchecks={"$unknown": True}),
    ),
    ("gateway-retries", "dev.one", "colocated", put(GATEWAY + "service", retries=5)),
    ("gateway-route-wide", "dev.one", "colocated", put(GATEWAY + "route", paths=["/mcp"])),
    *(
        ("gateway-route-wide", "dev.one", "colocated", put(GATEWAY + "route", paths=["~/mcp$", path]))
        for path in ("~/.*$", "~/mcp|/admin$", "~/mcp.*$", "~/mcp(/x)?$", "~/mcp\\w$", "~$", "~/mcp")
    ),
    ("gateway-route-wide", "dev.one", "colocated", put(GATEWAY + "route", hosts=["*.example.com"])),
    (
        "gateway-route-wide",
        "dev.one",
        "colocated",
        put(GATEWAY + "route", hosts=["one.example.com", "two.example.com"]),
    ),
    ("gateway-preflight-open", "dev.one", "colocated", put(GATEWAY + "route", methods=["POST", "OPTIONS"])),
    ("gateway-preflight-open", "dev.hosted", "colocated", config("hosted-gateway-cors", preflight_continue=True)),
    ("gateway-cors-wide", "dev.hosted", "colocated", config("hosted-gateway-cors", origins=["*"])),
    ("gateway-buffering", "dev.one", "colocated", put(GATEWAY + "route", responseBuffering=True)),
    ("gateway-tls-unverified", "dev.one", "colocated", put("kong", tlsSkipVerify="true")),
    ("gateway-tls-unverified", "dev.one", "colocated", put("kong", kongAdminUri="http://kong.example.com:8001")),
    ("gateway-tls-unverified", "dev.one", "colocated", put("kong", kongAdminUri="HTTP://kong.example.com:8001")),
    ("gateway-tls-unverified", "dev.one", "central", put(GATEWAY + "service", tlsVerify=False)),
    ("gateway-colocated", "dev.one", "hybrid", put("kong", kongAdminUri="http://127.0.0.1:8001")),
    ("gateway-colocated", "dev.one", "hybrid", host(lambda bundle: bundle["kong"].update(role="traditional"))),
    ("gateway-edition", "dev.one", "colocated", put(GATEWAY + "clean-headers", name="request-transformer-advanced")),
    (
        "guard-missing",
        "dev.one",
        "colocated",
        lambda graph: Graph.build(graph.project, graph.stack, graph.resources, {}),
    ),
    (
        "guard-unauthenticated",
        "dev.one",
        "colocated",
        guard(lambda c: c["identity"].update(demo={"principal": "person:a"})),
    ),
    ("guard-audience", "dev.one", "colocated", guard(lambda c: front_door(c).update(audience="${other.aud}"))),
    ("guard-audience", "dev.one", "colocated", guard(lambda c: front_door(c).update(audience=""))),
    (
        "guard-audience",
        "dev.hosted",
        "colocated",
        guard(lambda c: front_door(c).update(audience=front_door(c, 1)["audience"])),
    ),
    *(
        ("guard-fails-open", "dev.one", "hybrid", guard(lambda c, leg=leg: c["guard"]["legs"].update({leg: "flag"})))  # type: ignore[misc]
        for leg in ("definitions", "arguments", "results", "prompts", "resources", "server_requests")
    ),
    ("guard-fails-open", "dev.one", "hybrid", guard(lambda c: c["guard"].update(engines={"embedded": None}))),
    ("guard-exception-expired", "dev.one", "hybrid", guard(lambda c: excepted(c, expires="2020-01-01"))),
    (
        "guard-exception-ending",
        "dev.one",
        "hybrid",
        guard(lambda c: excepted(c, expires=(today_utc() + timedelta(days=3)).isoformat())),
    ),
    ("guard-exception-unused", "dev.one", "hybrid", guard(lambda c: excepted(c, tool="no_such_tool"))),
    ("guard-taint-ignored", "dev.one", "hybrid", guard(lambda c: c["guard"]["taint"].update(outbound_call="allow"))),
    ("guard-write-for-all", "dev.one", "colocated", guard(lambda c: c["grants"][1].update(to=ALL))),
    ("guard-beyond-loopback", "dev.one", "central", guard(lambda c: c["listen"].update(client_ca=None))),
    (
        "origin-beyond-loopback",
        "dev.one",
        "colocated",
        guard(lambda c: c["origin"].update(url="http://0.0.0.0:3000/mcp")),
    ),
    ("origin-beyond-loopback", "dev.one", "colocated", put("one-origin", origin={"url": "http://192.0.2.1:3000/"})),
    (
        "origin-beyond-loopback",
        "dev.one",
        "colocated",
        host(lambda b: b["listeners"].append({"process": "server", "address": "0.0.0.0:3000"})),
    ),
    ("origin-gateway-exposed", "dev.one", "colocated", host(lambda b: node(b).update(admin_listen="0.0.0.0:8001"))),
    (
        "origin-gateway-exposed",
        "dev.one",
        "colocated",
        host(lambda b: node(b).update(status_listen="127.0.0.1:1, [::]:2")),
    ),
    ("origin-gateway-exposed", "dev.one", "hybrid", host(lambda b: node(b).pop("proxy_listen"))),
    ("origin-gateway-exposed", "dev.one", "colocated", host(lambda b: node(b).pop("admin_gui_listen"))),
    ("origin-gateway-exposed", "dev.one", "hybrid", host(lambda b: node(b).update(admin_listen="127.0.0.1:8001"))),
    ("edge-client-dangerous", "dev.one", "colocated", redirects("https://*.example.com/cb")),
    ("edge-client-dangerous", "dev.one", "colocated", redirects("http://desk.example.com/cb")),
    ("edge-client-dangerous", "dev.one", "colocated", redirects("https://desk.example.com/*")),
    ("edge-client-wide", "dev.one", "colocated", redirects("https://desk.example.com/oauth/*")),
    (
        "origin-egress-inward",
        "dev.one",
        "colocated",
        host(
            lambda b: b["egress"].append(
                {"process": "server", "destination": "metadata.google.internal:80", "purpose": "the server's own calls"}
            )
        ),
    ),
    ("origin-lua-sandbox", "dev.one", "colocated", host(lambda b: node(b).update(untrusted_lua_sandbox_requires="os"))),
    ("secret-in-clear", "dev.one", "colocated", put("kong", kongAdminToken="hunter2")),
    ("secret-in-clear", "dev", "colocated", config("dev-gateway-log-http", headers={"Authorization": "abc"})),
    ("secret-in-clear", "dev.one", "colocated", put("one-edge-tunnel", tunnelSecret="c2VjcmV0")),
    ("secret-in-clear", "dev.one", "colocated", put("kong", kongAdminToken="${a.id}hunter2")),
    *(
        ("secret-in-clear", "dev.one", "colocated", config(GATEWAY + "clean-headers", add={"headers": [pair]}))
        for pair in ("x-api-key:abc", "authorization: abc", "x-token:$abc")
    ),
    (
        "secret-in-clear",
        "dev.one",
        "colocated",
        host(lambda b: b["cloudflared"].update(arguments=["--token=eyJhIjoiYiJ9"])),
    ),
    ("secret-in-clear", "dev.one", "colocated", host(lambda b: b.update(note="ghp_" + "a" * 36))),
    ("secret-computed-config", "dev.one", "colocated", option(GATEWAY + "issuer", additional_secret_outputs=[])),
    (
        "provider-implicit",
        "dev.one",
        "colocated",
        changed(TUNNEL_IN, lambda resource: replace(resource, provider=None)),
    ),
    (
        "provider-implicit",
        "dev.one",
        "colocated",
        changed(
            TUNNEL_IN,
            lambda resource: replace(resource, provider="urn:pulumi:d::r::pulumi:providers:cf::default_6_23_1"),
        ),
    ),
    ("lock-missing", "dev.one", "colocated", guard(lambda c: c.update(tool_lock_sha256=""))),
    ("lock-stale", "dev.one", "colocated", guard(lambda c: c.update(tool_lock_sha256="sha256:" + "0" * 64))),
    ("lock-grant-unknown", "dev.one", "colocated", guard(lambda c: c["grants"][1]["tools"].append("drop_database"))),
]


def excepted(guard_config: dict[str, Any], **changes: str) -> None:
    """An exception from a rule of the guard's engine, without an end that is near."""
    values = {"tool": "get_ticket", "leg": "results", "rule": "pii.card", "action": "flag", "expires": "2999-01-01"}
    guard_config["guard"]["exceptions"] = [{**values, **changes}]


def front_door(guard_config: dict[str, Any], index: int = 0) -> dict[str, Any]:
    door: dict[str, Any] = guard_config["identity"]["access"]["front_doors"][index]
    return door


def node(bundle: dict[str, Any]) -> dict[str, Any]:
    settings: dict[str, Any] = bundle["kong"]["settings"]
    return settings
