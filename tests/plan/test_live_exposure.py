"""One state of the providers, judged: what of a running server may be missing, and what may not."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest

from plan.graph import Resource
from plan.live_exposure import HeldResource, exposures
from plan.protectors import (
    ACCESS_APPLICATION,
    ACCESS_POLICY,
    DNS_RECORD,
    KONG_PLUGIN,
    KONG_ROUTE,
    KONG_SERVICE,
    TUNNEL,
    TUNNEL_CONFIG,
)

HOST = "one.example.com"
State = dict[str, HeldResource]


def put(state: State, name: str, token: str, /, **inputs: Any) -> None:
    state[name] = HeldResource(f"{name}-id", Resource(f"urn:{name}", token, name, custom=True, inputs=inputs))


def rule(**access: Any) -> dict[str, Any]:
    request = {"access": {"required": True, "teamName": "acme", "audTags": ["aud"], **access}}
    return {"hostname": HOST, "service": "http://127.0.0.1:8000", "originRequest": request}


def running() -> State:
    state: State = {}
    put(state, "policy", ACCESS_POLICY, decision="allow")
    destinations = [{"type": "public", "uri": HOST}]
    put(state, "app", ACCESS_APPLICATION, destinations=destinations, policies=[{"id": "policy-id"}], aud="aud")
    put(state, "tunnel", TUNNEL, configSrc="cloudflare")
    rules = [rule(), {"service": "http_status:404"}]
    put(state, "ingress", TUNNEL_CONFIG, tunnelId="tunnel-id", config={"ingresses": rules})
    put(state, "service", KONG_SERVICE)
    put(state, "jwt", KONG_PLUGIN, name="jwt", serviceId="service-id")
    put(state, "route", KONG_ROUTE, hosts=[HOST], serviceId="service-id")
    put(state, "record", DNS_RECORD, type="CNAME", name=HOST, content="tunnel-id.cfargotunnel.com", proxied=True)
    return state


def changed(name: str, **inputs: Any) -> Callable[[State], None]:
    def apply(state: State) -> None:
        entry = state[name]
        state[name] = replace(entry, resource=replace(entry.resource, inputs={**entry.resource.inputs, **inputs}))

    return apply


def without(*names: str) -> Callable[[State], None]:
    def apply(state: State) -> None:
        for name in names:
            del state[name]

    return apply


def served(*rules: dict[str, Any]) -> Callable[[State], None]:
    return changed("ingress", config={"ingresses": list(rules)})


def second_application(**inputs: Any) -> Callable[[State], None]:
    def apply(state: State) -> None:
        put(state, "second", ACCESS_APPLICATION, **{**state["app"].resource.inputs, **inputs})

    return apply


def proxied_to_a_provider(*checks: str) -> Callable[[State], None]:
    """The public route of a model route without a guard, with these checks of content."""

    def apply(state: State) -> None:
        for name in ("ai-proxy-advanced", *checks):
            put(state, name, KONG_PLUGIN, name=name, serviceId="service-id")

    return apply


BARE = f"{HOST} resolves, and no Access application covers it"
OPEN_INGRESS = f"{HOST} is served by ingress without required Access"
OPEN_ROUTE = f"{HOST} is routed by route, whose service authenticates nobody"
UNREAD = f"{HOST} is routed by route to a provider, and nothing inspects what is said"
CATCH_ALL = {"service": "http_status:404"}


@pytest.mark.parametrize(
    "change",
    [
        without(),
        without("record", "app"),
        without("ingress"),
        without("route", "jwt"),
        without("tunnel"),
        served(CATCH_ALL),
        changed("route", hosts=["elsewhere.example.com"], serviceId="x"),
        changed("tunnel", configSrc="local"),
        second_application(aud="another"),
        changed("app", destinations=[{"type": "public", "uri": "*.example.com"}]),
        proxied_to_a_provider("ai-lakera-guard"),
    ],
)
def test_a_running_server_and_what_is_closed_expose_nothing(change: Callable[[State], None]) -> None:
    state = running()
    change(state)
    assert exposures(state.values()) == ()


@pytest.mark.parametrize(
    ("change", "line"),
    [
        (without("app"), BARE),
        (without("app", "tunnel", "ingress", "route"), BARE),
        (changed("app", destinations=[{"type": "public", "uri": "two.example.com"}]), BARE),
        (changed("app", destinations=[{"type": "public", "uri": f"{HOST}/mcp"}]), BARE),
        (changed("app", policies=[]), f"{HOST} resolves, and its Access application app has no policy"),
        (second_application(policies=None), f"{HOST} resolves, and its Access application second has no policy"),
        (without("policy"), f"{HOST} resolves, and its Access application app names a policy that is not there"),
        (changed("policy", decision="bypass"), f"{HOST} resolves, and the policy policy asks nobody who calls"),
        (served(rule(required=False), CATCH_ALL), OPEN_INGRESS),
        (served(rule(audTags=[]), CATCH_ALL), OPEN_INGRESS),
        (served({"service": "http://127.0.0.1:8000"}), OPEN_INGRESS),
        (
            served(rule(audTags=["other"]), CATCH_ALL),
            f"{HOST} is served by ingress for the audience of another application",
        ),
        (without("jwt"), OPEN_ROUTE),
        (changed("jwt", enabled=False), OPEN_ROUTE),
        (changed("jwt", routeId="x"), OPEN_ROUTE),
        (changed("route", hosts=None, serviceId="x"), OPEN_ROUTE),
        (proxied_to_a_provider(), UNREAD),
        (changed("record", proxied=False), f"{HOST} resolves without Cloudflare's proxy, and so without Access"),
    ],
)
def test_whatever_protects_a_name_that_resolves_must_stand(change: Callable[[State], None], line: str) -> None:
    state = running()
    change(state)
    assert exposures(state.values()) == (line,)


def test_a_policy_of_another_stack_is_taken_for_there() -> None:
    state = running()
    without("policy")(state)
    assert exposures(state.values(), complete=False) == ()


def test_a_record_that_leads_elsewhere_is_nobodys_here() -> None:
    state = running()
    without("app")(state)
    changed("record", content="elsewhere.example.net")(state)
    assert exposures(state.values()) == ()


def test_rules_after_the_one_that_matches_serve_nothing() -> None:
    state = running()
    served(rule(), rule(required=False), CATCH_ALL)(state)
    assert exposures(state.values()) == ()
    served({**rule(), "path": "^/mcp$"}, rule(required=False), CATCH_ALL)(state)
    assert exposures(state.values()) == (OPEN_INGRESS,)
