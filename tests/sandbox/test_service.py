from __future__ import annotations

import base64
import json
import re
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc  # type: ignore[import-untyped]
import pytest
from pulumi.runtime.proto import provider_pb2

from sandbox import Sandbox
from sandbox.wire import UNKNOWN, Props, SecretValue, decode, encode
from tests.sandbox.conftest import Client, clients

ACCOUNT = "a" * 32
HEX = re.compile(r"[0-9a-f]+")
UUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}")


@contextmanager
def refused(words: str) -> Iterator[None]:
    with pytest.raises(grpc.RpcError) as caught:
        yield
    assert words in caught.value.details()


def test_preview_creates_nothing_and_leaves_computed_outputs_unknown(sandbox: Sandbox, cloudflare: Client) -> None:
    inputs: Props = {"accountId": ACCOUNT, "name": "n", "domain": "d", "type": "self_hosted"}
    id_, outputs = cloudflare.create("ZeroTrustAccessApplication", preview=True, **inputs)
    assert id_ == ""
    assert outputs["aud"] is UNKNOWN
    assert outputs["domain"] == "d"
    assert sandbox.resources() == []


def test_outputs_have_the_shapes_of_the_real_ones(cloudflare: Client) -> None:
    tunnel, outputs = cloudflare.create("ZeroTrustTunnelCloudflared", accountId=ACCOUNT, name="n")
    assert UUID.fullmatch(tunnel)
    assert {key: outputs[key] for key in ("accountTag", "status", "tunType", "configSrc", "remoteConfig")} == {
        "accountTag": ACCOUNT,
        "status": "inactive",
        "tunType": "cfd_tunnel",
        "configSrc": "local",
        "remoteConfig": False,
    }
    _, token = cloudflare.create("ZeroTrustAccessServiceToken", accountId=ACCOUNT, name="n")
    assert re.fullmatch(r"[0-9a-f]{32}\.access", token["clientId"])
    assert isinstance(token["clientSecret"], SecretValue)
    assert re.fullmatch(r"cfast_\w{48}", token["clientSecret"].value)
    _, application = cloudflare.create("ZeroTrustAccessApplication", accountId=ACCOUNT, domain="d", type="self_hosted")
    assert re.fullmatch(r"[0-9a-f]{64}", application["aud"])
    record, _ = cloudflare.create("DnsRecord", zoneId="z", name="n", type="A", ttl=1, content="192.0.2.1")
    assert re.fullmatch(r"[0-9a-f]{32}", record)


def test_kong_ids_have_the_shapes_of_the_real_ones(kong: Client) -> None:
    upstream, _ = kong.create("Upstream", name="u")
    consumer, _ = kong.create("Consumer", username="c")
    target, _ = kong.create("Target", target="h:1", weight=1, upstreamId=upstream)
    credential, _ = kong.create("ConsumerAcl", consumerId=consumer, group="g")
    assert UUID.fullmatch(upstream)
    assert re.fullmatch(rf"{upstream}/{UUID.pattern}", target)
    assert re.fullmatch(rf"{UUID.pattern}\|{consumer}", credential)


def test_computed_config_holds_the_secret_in_clear_as_the_real_provider_has_it(sandbox: Sandbox, kong: Client) -> None:
    _, outputs = kong.create("Plugin", name="http-log", configJson=SecretValue('{"key": "planted-value"}'))
    assert isinstance(outputs["configJson"], SecretValue)
    assert outputs["computedConfig"] == '{"key":"planted-value"}'


def test_no_secret_is_on_disk(sandbox: Sandbox, kong: Client, cloudflare: Client) -> None:
    consumer, _ = kong.create("Consumer", username="c")
    kong.create("Plugin", name="http-log", configJson=SecretValue('{"key": "planted-value"}'))
    kong.create(
        "ConsumerJwtAuth", consumerId=consumer, key="k", secret="planted-value", algorithm="HS256", rsaPublicKey="p"
    )
    secret = base64.b64encode(b"planted-value" * 4).decode()
    cloudflare.create("ZeroTrustTunnelCloudflared", accountId=ACCOUNT, name="n", tunnelSecret=secret)
    _, token = cloudflare.create("ZeroTrustAccessServiceToken", accountId=ACCOUNT, name="n")
    text = "".join(path.read_text() for path in sandbox.store.folder.iterdir())
    assert "http-log" in text
    for planted in ("planted-value", secret, token["clientSecret"].value):
        assert planted not in text


def test_client_secret_stays_until_it_is_rotated(cloudflare: Client) -> None:
    inputs: Props = {"accountId": ACCOUNT, "name": "n"}
    id_, outputs = cloudflare.create("ZeroTrustAccessServiceToken", **inputs)
    renamed = cloudflare.update("ZeroTrustAccessServiceToken", id_, outputs, **{**inputs, "name": "m"})
    assert renamed["clientSecret"] == outputs["clientSecret"]
    rotation: Props = {"clientSecretVersion": 2, "previousClientSecretExpiresAt": "2027-01-01T00:00:00Z"}
    rotated = cloudflare.update("ZeroTrustAccessServiceToken", id_, renamed, **inputs, **rotation)
    assert rotated["clientSecret"] != outputs["clientSecret"]
    assert rotated["clientId"] == outputs["clientId"]


@pytest.mark.parametrize(
    ("package", "name", "inputs", "words"),
    [
        ("cloudflare", "ZeroTrustTunnelCloudflared", {"accountId": ACCOUNT, "name": "n"}, "1013"),
        ("cloudflare", "ZeroTrustAccessServiceToken", {"accountId": ACCOUNT, "name": "n"}, "409 Conflict"),
        (
            "cloudflare",
            "DnsRecord",
            {"zoneId": "z", "name": "n", "type": "A", "ttl": 1, "content": "192.0.2.1"},
            "81053",
        ),
        ("kong", "Service", {"name": "n", "protocol": "http"}, "UNIQUE violation detected on '{name=\"n\"}'"),
        ("kong", "Plugin", {"name": "jwt", "configJson": "{}"}, "UNIQUE violation"),
        ("kong", "Consumer", {"username": "n"}, "UNIQUE violation"),
    ],
)
def test_name_that_is_taken_is_refused(
    request: pytest.FixtureRequest, package: str, name: str, inputs: Props, words: str
) -> None:
    client: Client = request.getfixturevalue(package)
    client.create(name, **inputs)
    with refused(words):
        client.create(name, **inputs)


RECORD: Props = {"zoneId": "z", "name": "n", "ttl": 1}


@pytest.mark.parametrize("held", ["A", "AAAA", "CNAME"])
def test_a_cname_takes_no_name_that_has_an_address_or_another_cname(cloudflare: Client, held: str) -> None:
    cloudflare.create("DnsRecord", **RECORD, type=held, content="held")
    with refused("81053"):
        cloudflare.create("DnsRecord", **RECORD, type="CNAME", content="wanted")
    id_, outputs = cloudflare.create("DnsRecord", **{**RECORD, "name": "m"}, type="CNAME", content="wanted")
    with refused("81053"):
        cloudflare.update("DnsRecord", id_, outputs, **RECORD, type="CNAME", content="wanted")


def test_a_name_may_have_several_addresses_and_a_text_beside_a_cname(cloudflare: Client) -> None:
    cloudflare.create("DnsRecord", **RECORD, type="A", content="192.0.2.1")
    cloudflare.create("DnsRecord", **RECORD, type="A", content="192.0.2.2")
    neighbour: Props = {**RECORD, "name": "m"}
    cloudflare.create("DnsRecord", **neighbour, type="CNAME", content="elsewhere")
    cloudflare.create("DnsRecord", **neighbour, type="TXT", content="text")


def test_watchers_see_the_state_after_every_change_and_only_then(sandbox: Sandbox, cloudflare: Client) -> None:
    watched: list[list[str]] = []
    sandbox.store.watchers.append(lambda records: watched.append([record.name for record in records]))
    id_, outputs = cloudflare.create("DnsRecord", **RECORD, type="A", content="192.0.2.1")
    sandbox.resources()
    with refused("81053"):
        cloudflare.create("DnsRecord", **RECORD, type="CNAME", content="wanted")
    cloudflare.update("DnsRecord", id_, outputs, **RECORD, type="A", content="192.0.2.2")
    cloudflare.delete("DnsRecord", id_)
    assert watched == [["one"], ["one"], []]


def test_a_tunnel_whose_connectors_run_is_not_deleted(sandbox: Sandbox, cloudflare: Client) -> None:
    id_, _ = cloudflare.create("ZeroTrustTunnelCloudflared", accountId=ACCOUNT, name="n")
    sandbox.change(id_, connections=[{"coloName": "arn01"}])
    with refused("1022"):
        cloudflare.delete("ZeroTrustTunnelCloudflared", id_)
    sandbox.change(id_, connections=[])
    cloudflare.delete("ZeroTrustTunnelCloudflared", id_)


def test_same_tunnel_name_is_free_in_another_account(cloudflare: Client) -> None:
    cloudflare.create("ZeroTrustTunnelCloudflared", accountId=ACCOUNT, name="n")
    cloudflare.create("ZeroTrustTunnelCloudflared", accountId="b" * 32, name="n")


def test_one_plugin_a_scope(kong: Client) -> None:
    service, _ = kong.create("Service", name="s", protocol="http")
    kong.create("Plugin", name="rate-limiting", serviceId=service)
    kong.create("Plugin", name="rate-limiting")
    with refused("UNIQUE violation"):
        kong.create("Plugin", name="rate-limiting", serviceId=service)


def test_update_to_a_name_that_is_taken_is_refused_and_to_its_own_is_not(kong: Client) -> None:
    kong.create("Service", name="a", protocol="http")
    id_, outputs = kong.create("Service", name="b", protocol="http")
    kong.update("Service", id_, outputs, name="b", protocol="https")
    with refused("UNIQUE violation"):
        kong.update("Service", id_, outputs, name="a", protocol="http")


@pytest.mark.parametrize(
    ("package", "name", "inputs", "words"),
    [
        ("kong", "Route", {"protocols": ["http"], "paths": ["/"], "serviceId": "gone"}, "'Service' entity"),
        ("kong", "Plugin", {"name": "jwt", "routeId": "gone", "configJson": "{}"}, "'Route' entity"),
        ("kong", "Target", {"target": "h:1", "weight": 1, "upstreamId": "gone"}, "'Upstream' entity"),
        ("kong", "ConsumerAcl", {"consumerId": "gone", "group": "g"}, "'Consumer' entity"),
        (
            "cloudflare",
            "DnsRecord",
            {"zoneId": "z", "name": "n", "type": "CNAME", "ttl": 1, "content": "gone.cfargotunnel.com"},
            "names tunnel gone, which does not exist",
        ),
        (
            "cloudflare",
            "ZeroTrustAccessApplication",
            {"accountId": ACCOUNT, "domain": "d", "policies": [{"id": "gone", "precedence": 1}]},
            "ZeroTrustAccessPolicy gone does not exist",
        ),
        (
            "cloudflare",
            "ZeroTrustTunnelCloudflaredConfig",
            {"accountId": ACCOUNT, "tunnelId": "gone"},
            "ZeroTrustTunnelCloudflared gone does not exist",
        ),
    ],
)
def test_reference_to_nothing_is_refused(
    request: pytest.FixtureRequest, package: str, name: str, inputs: Props, words: str
) -> None:
    with refused(words):
        request.getfixturevalue(package).create(name, **inputs)


def test_failed_plugin_create_prints_its_config_as_the_real_provider_does(kong: Client) -> None:
    with refused("planted-value"):
        kong.create("Plugin", name="http-log", routeId="gone", configJson=SecretValue('{"key": "planted-value"}'))


def test_service_stays_while_a_route_uses_it_and_takes_its_plugins_along(sandbox: Sandbox, kong: Client) -> None:
    service, _ = kong.create("Service", name="s", protocol="http")
    route, _ = kong.create("Route", name="r", protocols=["http"], paths=["/"], serviceId=service)
    kong.create("Plugin", name="jwt", serviceId=service)
    with refused("still uses this Service"):
        kong.delete("Service", service)
    kong.delete("Route", route)
    kong.delete("Service", service)
    assert sandbox.resources() == []


def test_policy_stays_while_an_application_uses_it(sandbox: Sandbox, cloudflare: Client) -> None:
    policy, _ = cloudflare.create("ZeroTrustAccessPolicy", accountId=ACCOUNT, name="p", decision="allow")
    application, _ = cloudflare.create(
        "ZeroTrustAccessApplication", accountId=ACCOUNT, domain="d", policies=[{"id": policy, "precedence": 1}]
    )
    with refused("still uses this ZeroTrustAccessPolicy"):
        cloudflare.delete("ZeroTrustAccessPolicy", policy)
    cloudflare.delete("ZeroTrustAccessApplication", application)
    cloudflare.delete("ZeroTrustAccessPolicy", policy)
    assert sandbox.resources() == []


def test_a_service_token_stays_while_a_policy_names_it(cloudflare: Client) -> None:
    token, _ = cloudflare.create("ZeroTrustAccessServiceToken", accountId=ACCOUNT, name="ci")
    policy, _ = cloudflare.create(
        "ZeroTrustAccessPolicy",
        accountId=ACCOUNT,
        name="p",
        decision="non_identity",
        includes=[{"serviceToken": {"tokenId": token}}],
    )
    with refused("still uses this ZeroTrustAccessServiceToken"):
        cloudflare.delete("ZeroTrustAccessServiceToken", token)
    cloudflare.delete("ZeroTrustAccessPolicy", policy)
    cloudflare.delete("ZeroTrustAccessServiceToken", token)


def test_fifty_first_service_token_is_refused(cloudflare: Client) -> None:
    for number in range(50):
        cloudflare.create("ZeroTrustAccessServiceToken", accountId=ACCOUNT, name=f"agent-{number}")
    with refused("at most 50 service tokens"):
        cloudflare.create("ZeroTrustAccessServiceToken", accountId=ACCOUNT, name="agent-50")


def test_deleting_what_is_gone_fails_but_for_kong_entities_of_their_own(kong: Client, cloudflare: Client) -> None:
    kong.delete("Service", "gone")
    with refused("404"):
        cloudflare.delete("DnsRecord", "gone")
    with refused("404"):
        kong.delete("Target", "u/gone")


def test_update_of_what_is_gone_is_refused(sandbox: Sandbox, kong: Client) -> None:
    id_, outputs = kong.create("Service", name="s", protocol="http")
    sandbox.remove(id_)
    with refused("refresh first"):
        kong.update("Service", id_, outputs, name="s", protocol="https")


def test_read_shows_drift_and_keeps_secrets_it_can_match(sandbox: Sandbox, kong: Client) -> None:
    inputs: Props = {"name": "http-log", "configJson": SecretValue('{"key":"planted-value"}'), "enabled": True}
    id_, created = kong.create("Plugin", **inputs)
    sandbox.change(id_, enabled=False)
    outputs, read_inputs = kong.read("Plugin", id_, created, inputs)
    assert outputs["computedConfig"] == '{"key":"planted-value"}'
    assert read_inputs == {**inputs, "enabled": False}


def test_config_drift_is_repaired_only_with_strict_match(sandbox: Sandbox, kong: Client) -> None:
    for strict, config in ((False, '{"allow":["a"]}'), (True, '{"allow":["b"]}')):
        inputs: Props = {"name": "acl", "configJson": '{"allow":["a"]}', "strictMatch": strict}
        id_, created = kong.create("Plugin", **inputs)
        sandbox.change(id_, computedConfig='{"allow":["b"]}')
        outputs, _ = kong.read("Plugin", id_, created, inputs)
        assert outputs["computedConfig"] == '{"allow":["b"]}'
        assert outputs["configJson"] == config
        kong.delete("Plugin", id_)


def test_deprecated_names_of_redis_are_answered_beside_the_new_ones(kong: Client) -> None:
    config = {"minute": 5, "redis": {"host": "r.example.com"}, "redis_host": "r.example.com"}
    inputs: Props = {"name": "rate-limiting", "configJson": json.dumps(config), "strictMatch": True}
    id_, created = kong.create("Plugin", **inputs)
    outputs, _ = kong.read("Plugin", id_, created, inputs)
    answer = json.loads(outputs["configJson"])
    assert (answer["redis"]["host"], answer["redis_host"]) == ("r.example.com", "r.example.com")
    assert (answer["redis"]["port"], answer["redis_port"], answer["redis_password"]) == (6379, 6379, None)


def test_a_deprecated_name_without_a_stated_replacement_is_taken_and_never_answered(kong: Client) -> None:
    for config in ({"endpoint": "http://o"}, {"endpoint": "http://old", "traces_endpoint": "http://o"}):
        id_, outputs = kong.create("Plugin", name="opentelemetry", configJson=json.dumps(config))
        assert json.loads(outputs["computedConfig"]) == {"traces_endpoint": "http://o"}
        kong.delete("Plugin", id_)


def test_a_deprecated_name_that_contradicts_the_new_one_is_refused(kong: Client) -> None:
    config = {"minute": 5, "redis": {"port": 6379}, "redis_port": 6380}
    with refused("both deprecated and new field are used but their values mismatch: redis_port = 6380"):
        kong.create("Plugin", name="rate-limiting", configJson=json.dumps(config))


def test_a_plugin_update_keeps_what_it_does_not_send_and_replaces_maps(kong: Client) -> None:
    config = {"timeout": 1, "queue": {"a": 1, "b": 2}, "headers": {"x": "1"}}
    inputs: Props = {"name": "http-log", "configJson": json.dumps(config)}
    id_, outputs = kong.create("Plugin", **inputs)
    sent = {"queue": {"a": 3}, "headers": {"y": "1"}}
    updated = kong.update("Plugin", id_, outputs, name="http-log", configJson=json.dumps(sent))
    assert json.loads(updated["computedConfig"]) == {"timeout": 1, "queue": {"a": 3, "b": 2}, "headers": {"y": "1"}}


def test_read_of_what_is_gone_drops_it(kong: Client) -> None:
    assert kong.read("Service", "gone", {"name": "s"}, {"name": "s"}) == ({}, {})


def test_import_takes_what_differs_from_the_defaults_and_loses_the_secret(cloudflare: Client) -> None:
    id_, created = cloudflare.create("ZeroTrustAccessServiceToken", accountId=ACCOUNT, name="n", duration="1h")
    outputs, inputs = cloudflare.read("ZeroTrustAccessServiceToken", f"accounts/{ACCOUNT}/{id_}")
    assert inputs == {"accountId": ACCOUNT, "name": "n", "duration": "1h"}
    assert outputs["clientId"] == created["clientId"]
    assert outputs["clientSecret"] != created["clientSecret"]


def test_import_takes_the_documented_form_of_the_id_alone(cloudflare: Client) -> None:
    id_, outputs = cloudflare.create("ZeroTrustAccessServiceToken", accountId=ACCOUNT, name="n", duration="1h")
    for wrong_id in (id_, f"{ACCOUNT}/{id_}", f"accounts/{'b' * 32}/{id_}"):
        with refused("expected accounts/{accountId}/<id>"):
            cloudflare.read("ZeroTrustAccessServiceToken", wrong_id)
    # What the engine knows already is read by its own id.
    assert cloudflare.read("ZeroTrustAccessServiceToken", id_, outputs)[0]["clientId"] == outputs["clientId"]


def test_what_was_made_survives_a_restart(tmp_path: Path) -> None:
    with Sandbox(tmp_path) as first:
        id_, _ = clients(first)["kong"].create("Service", name="s", protocol="http")
    with Sandbox(tmp_path) as second:
        assert [(record.id, record.name) for record in second.resources("kong:*")] == [(id_, "one")]
        with refused("UNIQUE violation"):
            clients(second)["kong"].create("Service", name="s", protocol="http")


def test_tunnel_token_names_account_and_tunnel(cloudflare: Client) -> None:
    tunnel, _ = cloudflare.create("ZeroTrustTunnelCloudflared", accountId=ACCOUNT, name="n")
    function = cloudflare.token("getZeroTrustTunnelCloudflaredToken")

    def call(**arguments: str) -> Props:
        answer = cloudflare.stub.Invoke(provider_pb2.InvokeRequest(tok=function, args=encode(arguments)))
        return decode(getattr(answer, "return"))

    token = json.loads(base64.b64decode(call(accountId=ACCOUNT, tunnelId=tunnel)["token"]))
    assert token.keys() == {"a", "t", "s"}
    assert (token["a"], token["t"]) == (ACCOUNT, tunnel)
    with refused("404 Not Found"):
        call(accountId=ACCOUNT, tunnelId="gone")


def test_function_the_sandbox_does_not_know_is_refused(cloudflare: Client) -> None:
    with refused("does not answer"):
        cloudflare.stub.Invoke(provider_pb2.InvokeRequest(tok=cloudflare.token("getZones")))


def test_resource_type_the_sdk_does_not_have_is_refused(kong: Client) -> None:
    with refused("pulumi_kong has no resource kong:index/gateway:Gateway"):
        kong.check("Gateway")


@pytest.mark.parametrize(
    ("news", "failures"),
    [({}, []), ({"apiToken": "a" * 40}, []), ({"apiToken": "short"}, ["apiToken"]), ({"apiTokn": "x"}, ["apiTokn"])],
)
def test_provider_takes_no_token_or_a_well_formed_one(cloudflare: Client, news: Props, failures: list[str]) -> None:
    answer = cloudflare.stub.CheckConfig(provider_pb2.CheckRequest(urn="u", news=encode(news)))
    assert [failure.property for failure in answer.failures] == failures


def test_configuring_leaves_nothing_behind(sandbox: Sandbox, kong: Client) -> None:
    kong.stub.Configure(
        provider_pb2.ConfigureRequest(
            variables={"kong:config:kongAdminToken": "planted-value"},
            args=encode({"kongAdminToken": SecretValue("planted-value")}),
        )
    )
    kong.create("Service", name="s", protocol="http")
    assert "planted-value" not in "".join(path.read_text() for path in sandbox.store.folder.iterdir())
