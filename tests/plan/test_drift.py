"""The one table: who moved, reality or the files, and what is never shown."""

from __future__ import annotations

from typing import Any

import pytest

from model.difference import differences
from operations.drift.gateway import Listing, PlannedEntity, in_kongs_names, planned_entities
from plan.drift import DriftRow, DriftTable, ResourceDifference, engine_rows, entity_rows, resolved, shown, shown_pair
from plan.graph import Resource

SECRET = {"4dabf18193072939515e22adb298388d": "1b47061264138c4ac30d75fd1eb44270", "ciphertext": "[secret]"}


def row(*cells: str) -> DriftRow:
    return DriftRow("engine dev.one", *cells)  # type: ignore[arg-type]


def test_refresh_and_preview_meet_in_one_row() -> None:
    refreshed = [
        ResourceDifference("u1", "a", "update", (("port", "80", "81"),)),
        ResourceDifference("u2", "b", "delete"),
    ]
    previewed = [
        ResourceDifference("u1", "a", "update", (("port", "80", "90"), ("host", "x", "y"))),
        ResourceDifference("u3", "c", "create"),
        ResourceDifference("u4", "d", "delete"),
    ]
    assert engine_rows("engine dev.one", refreshed, previewed) == [
        row("a port", "80", "81", "90", "drift"),
        row("b", "there", "absent", "there", "missing"),
        row("a host", "x", "x", "y", "ahead"),
        row("c", "absent", "not known", "there", "ahead"),
        row("d", "there", "there", "absent", "ahead"),
    ]


def test_drift_wins_over_what_could_not_be_looked_at() -> None:
    drifted, blind = row("a", "1", "2", "1", "drift"), row("x", "", "no answer", "", "unreachable")
    codes = [DriftTable("s", rows).exit_code(allow_unreachable=False) for rows in [(), (blind,), (blind, drifted)]]
    assert codes == [0, 6, 3]
    codes = [DriftTable("s", rows).exit_code(allow_unreachable=True) for rows in [(), (blind,), (blind, drifted)]]
    assert codes == [0, 0, 3]


def test_one_and_one_point_nought_are_one_number() -> None:
    assert list(differences({"a": 1}, {"a": 1.0})) == []


def test_what_is_too_long_to_show_is_shown_where_it_differs() -> None:
    many = [f"{number}.example.com" for number in range(40)]
    assert shown_pair(many, [*many, "new.example.com"]) == (
        "40 entries",
        '41 entries, among them ["new.example.com"]',
    )
    assert shown_pair(many[1:], many[:-1]) == ("39.example.com", "0.example.com")
    assert shown_pair(many[2:], many[:-2]) == (
        '38 entries, among them ["38.example.com", "39.example.com"]',
        '38 entries, among them ["0.example.com", "1.example.com"]',
    )
    assert shown_pair(many, many[::-1]) == ("40 entries", "40 entries in another order")
    long = "x" * 300
    assert shown_pair(f"{long}one", f"{long}two") == (f"…{'x' * 20}one", f"…{'x' * 20}two")
    assert shown_pair(["a"], ["a", "b"]) == ('["a"]', '["a", "b"]')


@pytest.mark.parametrize(
    ("value", "path", "text"),
    [
        ("cfast_secret", "headers.authorization", "[secret]"),
        ("{vault://env/x}", "redis.password", "{vault://env/x}"),
        ({"a": SECRET}, "config", "[secret]"),
        (5, "limits.token", "5"),
        ("a\x1b[31mb", "name", "a<U+001B>[31mb"),
        (None, "name", "absent"),
    ],
)
def test_what_is_shown(value: Any, path: str, text: str) -> None:
    assert shown(value, path) == text


def test_symbols_are_replaced_by_what_was_recorded_and_others_stay() -> None:
    known = {"one-edge-application": {"aud": "abc"}}
    assert resolved({"x": ['"${one-edge-application.aud}"', "${other.id}"]}, known) == {"x": ['"abc"', "${other.id}"]}


DESIRED = {"name": "dev-one-mcp", "read_timeout": 300000, "tags": ["a", "b"], "methods": []}


def gateway(recorded: Any, real: Any, desired: Any = DESIRED) -> list[tuple[str, ...]]:
    rows = entity_rows("gateway dev.one", "service", recorded, real, desired)
    return [(r.what, r.recorded, r.real, r.desired, r.kind) for r in rows]


def test_only_what_the_plan_sets_is_compared_at_the_gateway() -> None:
    real = {
        **DESIRED,
        "tags": ["b", "a"],
        "methods": None,
        "id": "x",
        "ca_certificates": None,
        "read_timeout": 300000.0,
    }
    assert gateway(DESIRED, real) == []


def test_at_the_gateway_reality_that_moved_is_drift_and_a_file_that_moved_is_ahead() -> None:
    moved, newer = {**DESIRED, "read_timeout": 1}, {**DESIRED, "read_timeout": 5}
    assert gateway(DESIRED, moved) == [("service read_timeout", "300000", "1", "300000", "drift")]
    assert gateway(DESIRED, DESIRED, newer) == [("service read_timeout", "300000", "300000", "5", "ahead")]
    assert gateway(DESIRED, None) == [("service", "there", "absent", "there", "missing")]
    assert gateway(None, None) == [("service", "absent", "absent", "there", "ahead")]
    assert gateway(DESIRED, DESIRED, {"config": "${a.b}"})[0][4] == "unreachable"


def test_the_plan_is_read_in_kongs_own_names() -> None:
    inputs = {"connectTimeout": 5, "clientCertificateId": "c", "serviceId": "${x.id}", "strictMatch": True}
    assert in_kongs_names("Service", inputs) == {"connect_timeout": 5, "client_certificate": {"id": "c"}}
    noted = {
        "name": "u",
        "healthchecks": {"__defaults": ["threshold"], "active": {"__defaults": ["timeout"], "timeout": 1}},
    }
    assert in_kongs_names("Upstream", {**noted, "__defaults": ["slots"]}) == {
        "name": "u",
        "healthchecks": {"active": {"timeout": 1}},
    }
    plugin = {"name": "acl", "configJson": '{"allow":["a"],"hide_groups_header":true}', "enabled": True}
    config = {"allow": ["a"], "hide_groups_header": True}
    assert in_kongs_names("Plugin", plugin) == {"name": "acl", "enabled": True, "config": config}


def test_entities_are_looked_for_where_they_hang_and_strangers_beside_them() -> None:
    def entity(kind: str, tags: str, **inputs: Any) -> Resource:
        return Resource(f"urn::{tags}", f"kong:index/{kind[0].lower()}{kind[1:]}:{kind}", tags, True, inputs)

    resources = [
        entity("Service", "svc", name="dev-one-mcp", port=80),
        entity("Route", "rt", name="dev-one-mcp", serviceId="${svc.id}"),
        entity("Plugin", "acl", name="acl", serviceId="${svc.id}", configJson="{}"),
    ]
    entities, listings = planned_entities(resources, {"urn::svc": {"name": "dev-one-mcp", "port": 81}}, {})
    assert [(e.label, e.path, e.match, e.recorded) for e in entities] == [
        ("acl", "/services/dev-one-mcp/plugins", {"name": "acl"}, None),
        ("rt", "/routes/dev-one-mcp", {}, None),
        ("svc", "/services/dev-one-mcp", {}, {"name": "dev-one-mcp", "port": 81}),
    ]
    assert [(listing.label, listing.path, set(listing.declared)) for listing in listings] == [
        ("plugin of route", "/routes/dev-one-mcp/plugins", set()),
        ("plugin of service", "/services/dev-one-mcp/plugins", {"acl"}),
        ("route of service", "/services/dev-one-mcp/routes", {"dev-one-mcp"}),
        ("route for public names of", "/routes", {"dev-one-mcp"}),
    ]


def test_an_environment_without_a_global_plugin_still_looks_for_a_strangers() -> None:
    tags = ["ringwall", "ringwall-environment-dev"]
    consumer = Resource("urn::c", "kong:index/consumer:Consumer", "c", True, {"username": "dev-issuer", "tags": tags})
    _, listings = planned_entities([consumer], {}, {})
    assert listings == [
        Listing("plugin of consumer", "/consumers/dev-issuer/plugins", "name", frozenset()),
        Listing("global plugin", "/plugins", "name", frozenset(), frozenset(tags)),
    ]


ROUTES = Listing(
    "route", "/routes", "name", frozenset({"dev-one-mcp"}), takes=((frozenset({"one.example.com"}), "/mcp"),)
)


@pytest.mark.parametrize(
    ("route", "extra"),
    [
        ({"name": "dev-one-mcp", "hosts": ["one.example.com"]}, False),
        ({"name": "x", "hosts": ["ONE.example.com:443"], "paths": ["/other"]}, True),
        ({"name": "x", "hosts": ["*.example.com"]}, True),
        ({"name": "x", "hosts": ["one.*"]}, True),
        ({"name": "x", "hosts": ["two.example.com"]}, False),
        ({"name": "x", "hosts": ["two.example.com"], "paths": ["/mcp"]}, False),
        ({"name": "x", "hosts": None, "paths": None}, True),
        ({"name": "x", "paths": ["/m"]}, True),
        ({"name": "x", "paths": ["~/.*$"]}, True),
        ({"name": "x", "paths": ["/api"]}, False),
        ({"name": "x", "protocols": ["tcp"]}, False),
    ],
)
def test_a_route_of_anybodys_that_could_take_this_stacks_requests_is_a_stranger(
    route: dict[str, Any], extra: bool
) -> None:
    assert ROUTES.stranger(route) is extra


def test_a_plugin_narrowed_to_a_consumer_is_not_the_declared_one() -> None:
    narrowed = {"name": "rate-limiting", "service": {"id": "s"}, "consumer": {"id": "c"}}
    unnarrowed = {**narrowed, "consumer": None}
    desired = PlannedEntity("rate", "/services/dev-one-mcp/plugins", {}, None, {"name": "rate-limiting"})
    listing = Listing("plugin of service", desired.path, "name", frozenset({"rate-limiting"}))
    assert (desired.fits(narrowed), desired.fits(unnarrowed)) == (False, True)
    assert (listing.stranger(narrowed), listing.stranger(unnarrowed)) == (True, False)


@pytest.mark.parametrize(
    ("plugin", "extra"),
    [
        ({"name": "pre-function", "tags": None}, True),
        ({"name": "pre-function", "tags": ["ringwall", "ringwall-environment-prod"]}, False),
        ({"name": "pre-function", "tags": ["ringwall", "ringwall-environment-dev"]}, True),
        ({"name": "prometheus", "tags": ["ringwall", "ringwall-environment-dev"]}, False),
        ({"name": "pre-function", "service": {"id": "s"}}, False),
    ],
)
def test_a_global_plugin_that_no_environment_declares_is_a_stranger(plugin: dict[str, Any], extra: bool) -> None:
    tags = frozenset({"ringwall", "ringwall-environment-dev"})
    assert Listing("global plugin", "/plugins", "name", frozenset({"prometheus"}), tags).stranger(plugin) is extra


@pytest.mark.parametrize(
    ("value", "path", "expected"),
    [
        ({"authorization": "hunter2", "x-team": "a"}, "config.headers", '{"authorization": "[secret]", "x-team": "a"}'),
        (["Authorization: hunter2", "X-Team: a"], "config.add.headers", '["Authorization: [secret]", "X-Team: a"]'),
        (["X-Any: Bearer abcdefghijklmnopqrst"], "config.add.headers", '["[secret]"]'),
        ({"in": '{"api_key": "hunter2"}'}, "config", '{"in": {"api_key": "[secret]"}}'),
        ("https://u:hunter2@logs.example.com/", "config.http_endpoint", "[secret]"),
        ({"authorization": "{vault://env/LOGS}"}, "config.headers", '{"authorization": "{vault://env/LOGS}"}'),
    ],
)
def test_a_secret_inside_a_value_is_masked_without_its_neighbours(value: Any, path: str, expected: str) -> None:
    assert shown(value, path) == expected
