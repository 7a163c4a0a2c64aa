from __future__ import annotations

from typing import Any

import pytest
from pulumi.runtime.proto import provider_pb2

from sandbox.wire import UNKNOWN, Props, SecretValue
from tests.sandbox.conftest import Client

SERVICE: Props = {"name": "s", "protocol": "http", "host": "h"}


def kinds(answer: provider_pb2.DiffResponse) -> dict[str, str]:
    return {path: provider_pb2.PropertyDiff.Kind.Name(item.kind) for path, item in answer.detailedDiff.items()}


def test_what_the_service_filled_in_is_no_difference(kong: Client) -> None:
    answer = kong.diff("Service", {**SERVICE, "port": 80, "retries": 5}, **SERVICE)
    assert answer.changes == provider_pb2.DiffResponse.DIFF_NONE


def test_each_changed_leaf_has_its_own_path(cloudflare: Client) -> None:
    def config(service: str, *names: str) -> dict[str, Any]:
        rules = [{"hostname": name, "service": service} for name in names]
        return {"accountId": "a", "tunnelId": "t", "config": {"ingresses": [*rules, {"service": "http_status:404"}]}}

    answer = cloudflare.diff(
        "ZeroTrustTunnelCloudflaredConfig", config("http://localhost:1", "a"), **config("http://localhost:2", "a", "b")
    )
    assert kinds(answer) == {
        "config.ingresses[0].service": "UPDATE",
        "config.ingresses[1].hostname": "ADD",
        "config.ingresses[1].service": "UPDATE",
        "config.ingresses[2]": "ADD",
    }
    assert list(answer.diffs) == ["config"]
    assert list(answer.replaces) == []


@pytest.mark.parametrize(
    ("package", "name", "old", "new", "replaces"),
    [
        ("kong", "Plugin", {"name": "jwt"}, {"name": "acl"}, ["name"]),
        ("kong", "Target", {"target": "h:1", "weight": 1, "upstreamId": "u"}, {"weight": 2}, ["weight"]),
        ("kong", "Route", {"protocols": ["http"], "serviceId": "s"}, {"serviceId": "t"}, []),
        ("kong", "ConsumerAcl", {"consumerId": "c", "group": "g"}, {"consumerId": "d"}, ["consumerId"]),
        (
            "cloudflare",
            "ZeroTrustTunnelCloudflared",
            {"accountId": "a", "name": "n"},
            {"configSrc": "cloudflare"},
            ["configSrc"],
        ),
        ("cloudflare", "ZeroTrustTunnelCloudflared", {"accountId": "a", "name": "n"}, {"name": "m"}, []),
        ("cloudflare", "ZeroTrustAccessPolicy", {"accountId": "a", "name": "n"}, {"decision": "deny"}, []),
        ("cloudflare", "Ruleset", {"name": "n"}, {"name": "m"}, ["name"]),
    ],
)
def test_replacement_keys_are_those_of_the_real_providers(
    request: pytest.FixtureRequest, package: str, name: str, old: Props, new: Props, replaces: list[str]
) -> None:
    client: Client = request.getfixturevalue(package)
    answer = client.diff(name, old, **{**old, **new})
    assert answer.changes == provider_pb2.DiffResponse.DIFF_SOME
    assert list(answer.replaces) == replaces
    [kind] = kinds(answer).values()
    assert kind.endswith("_REPLACE") == bool(replaces)


def test_plugin_config_is_compared_as_json(kong: Client) -> None:
    reordered = kong.diff(
        "Plugin", {"name": "p", "configJson": '{"a":1,"b":2}'}, name="p", configJson='{"b": 2, "a": 1}'
    )
    assert reordered.changes == provider_pb2.DiffResponse.DIFF_NONE
    changed = kong.diff("Plugin", {"name": "p", "configJson": '{"a":1}'}, name="p", configJson='{"a":2}')
    assert kinds(changed) == {"configJson": "UPDATE"}


def test_access_rules_are_sets_in_policies_and_lists_in_groups(cloudflare: Client) -> None:
    first, second = {"email": {"email": "a"}}, {"email": {"email": "b"}}
    policy: Props = {"accountId": "a", "name": "n", "decision": "allow"}
    assert not cloudflare.diff(
        "ZeroTrustAccessPolicy", {**policy, "includes": [first, second]}, **policy, includes=[second, first]
    ).diffs
    group: Props = {"accountId": "a", "name": "n"}
    assert cloudflare.diff(
        "ZeroTrustAccessGroup", {**group, "includes": [first, second]}, **group, includes=[second, first]
    ).diffs


def test_secrets_are_compared_by_value(kong: Client) -> None:
    held: Props = {"name": "p", "configJson": SecretValue('{"a":1}')}
    assert not kong.diff("Plugin", held, name="p", configJson=SecretValue('{"a":1}')).diffs
    assert kong.diff("Plugin", held, name="p", configJson=SecretValue('{"a":2}')).diffs


def test_unknown_new_value_is_a_difference(kong: Client) -> None:
    assert kinds(kong.diff("Service", SERVICE, **{**SERVICE, "host": UNKNOWN})) == {"host": "UPDATE"}


def test_kong_keeps_a_removed_property_so_the_difference_stays(kong: Client) -> None:
    id_, outputs = kong.create("Service", **SERVICE, tags=["x"])
    assert kinds(kong.diff("Service", outputs, **SERVICE)) == {"tags": "DELETE"}
    updated = kong.update("Service", id_, outputs, **SERVICE)
    assert updated["tags"] == ["x"]
    assert kinds(kong.diff("Service", updated, **SERVICE)) == {"tags": "DELETE"}


def test_cloudflare_drops_a_removed_property(cloudflare: Client) -> None:
    record: Props = {"zoneId": "z", "name": "n", "type": "A", "ttl": 1, "content": "192.0.2.1"}
    id_, outputs = cloudflare.create("DnsRecord", **record, comment="c")
    updated = cloudflare.update("DnsRecord", id_, outputs, **record)
    assert "comment" not in updated
    assert not cloudflare.diff("DnsRecord", updated, **record).diffs
