from __future__ import annotations

from typing import Any

import pytest

from sandbox.wire import UNKNOWN, SecretValue
from tests.sandbox.conftest import Client

ACCOUNT = "a" * 32


def ingress(*rules: dict[str, Any]) -> dict[str, Any]:
    return {"accountId": ACCOUNT, "tunnelId": "t", "config": {"ingresses": list(rules)}}


def test_property_the_sdk_does_not_have_is_refused(kong: Client) -> None:
    assert kong.check("Service", protocol="http", hostt="h") == [("hostt", "unknown property")]


def test_nested_property_the_sdk_does_not_have_is_refused_with_its_path(cloudflare: Client) -> None:
    problems = cloudflare.check(
        "ZeroTrustTunnelCloudflaredConfig", **ingress({"service": "http_status:404", "originRequest": {"acces": {}}})
    )
    assert problems == [("config.ingresses[0].originRequest.acces", "unknown property")]


def test_missing_required_property_is_refused(kong: Client) -> None:
    assert kong.check("Route", name="r", serviceId="s") == [("protocols", "missing required property")]


@pytest.mark.parametrize(
    ("news", "failure"),
    [
        ({"protocol": 5}, ("protocol", "wrong type: expected string, got integer")),
        ({"protocol": "http", "port": "80"}, ("port", "wrong type: expected integer, got string")),
        ({"protocol": "http", "port": 80.5}, ("port", "wrong type: expected integer, got number")),
        ({"protocol": "http", "retries": True}, ("retries", "wrong type: expected integer, got boolean")),
        ({"protocol": "http", "tags": "x"}, ("tags", "wrong type: expected list, got string")),
        ({"protocol": "http", "tags": ["x", 1]}, ("tags[1]", "wrong type: expected string, got integer")),
        ({"protocol": SecretValue(5)}, ("protocol", "wrong type: expected string, got integer")),
    ],
)
def test_wrong_type_is_refused(kong: Client, news: dict[str, Any], failure: tuple[str, str]) -> None:
    assert kong.check("Service", **news) == [failure]


def test_unknown_values_pass_everywhere(cloudflare: Client, kong: Client) -> None:
    assert kong.check("Route", name=UNKNOWN, protocols=UNKNOWN, serviceId=UNKNOWN) == []
    assert kong.check("Plugin", name="jwt", routeId=UNKNOWN, configJson=UNKNOWN) == []
    assert cloudflare.check("DnsRecord", zoneId="z", name="n", type="CNAME", ttl=1, proxied=True, content=UNKNOWN) == []
    rule = {"hostname": UNKNOWN, "service": UNKNOWN}
    assert cloudflare.check("ZeroTrustTunnelCloudflaredConfig", **ingress(rule, {"service": "http_status:404"})) == []


@pytest.mark.parametrize(
    ("rules", "refused", "words"),
    [
        ([{"hostname": "a.example.com", "service": "http://localhost:1"}], "config.ingresses[0]", "last ingress rule"),
        (
            [{"service": "http://localhost:1"}, {"service": "http_status:404"}],
            "config.ingresses[0]",
            "rule 1 matches all URLs",
        ),
        (
            [{"hostname": "a", "service": "http://localhost:1/"}, {"service": "http_status:404"}],
            "config.ingresses[0].service",
            "different path on the origin",
        ),
        (
            [{"hostname": "a", "service": "localhost:1"}, {"service": "http_status:404"}],
            "config.ingresses[0].service",
            "has a scheme and a hostname",
        ),
        ([{"service": "http_status:4040"}], "config.ingresses[0].service", "not a valid HTTP status code"),
    ],
)
def test_ingress_that_cloudflared_refuses_is_refused(
    cloudflare: Client, rules: list[dict[str, Any]], refused: str, words: str
) -> None:
    [(path, reason)] = cloudflare.check("ZeroTrustTunnelCloudflaredConfig", **ingress(*rules))
    assert path == refused
    assert words in reason


@pytest.mark.parametrize(
    ("name", "news", "refused", "words"),
    [
        (
            "DnsRecord",
            {"zoneId": "z", "name": "n", "type": "A", "ttl": 300, "proxied": True},
            "ttl",
            "ttl must be set to 1",
        ),
        (
            "DnsRecord",
            {"zoneId": "z", "name": "n", "type": "TXT", "ttl": 1, "proxied": True},
            "proxied",
            "cannot be proxied",
        ),
        ("ZeroTrustTunnelCloudflared", {"accountId": "a", "name": "n", "configSrc": "remote"}, "configSrc", "one of"),
        (
            "ZeroTrustTunnelCloudflared",
            {"accountId": "a", "name": "n", "tunnelSecret": SecretValue("c2hvcnQ=")},
            "tunnelSecret",
            "at least 32 bytes",
        ),
        ("ZeroTrustAccessApplication", {"domain": "d", "type": "self_hosted"}, "accountId", "exactly one of"),
        (
            "ZeroTrustAccessApplication",
            {"accountId": "a", "zoneId": "z", "domain": "d", "type": "self_hosted"},
            "accountId",
            "exactly one of",
        ),
        (
            "ZeroTrustAccessApplication",
            {"accountId": "a", "selfHostedDomains": ["d"], "destinations": [{"type": "public", "uri": "d"}]},
            "selfHostedDomains",
            "conflicts with destinations",
        ),
        ("ZeroTrustAccessApplication", {"accountId": "a", "type": "mcp", "domain": "d"}, "domain", "type mcp"),
        (
            "ZeroTrustAccessApplication",
            {"accountId": "a", "type": "self_hosted"},
            "domain",
            "needs domain or destinations",
        ),
        (
            "ZeroTrustAccessApplication",
            {"accountId": "a", "domain": "d", "corsHeaders": {"maxAge": 1}, "optionsPreflightBypass": True},
            "corsHeaders",
            "conflicts",
        ),
        (
            "ZeroTrustAccessApplication",
            {"accountId": "a", "domain": "d", "autoRedirectToIdentity": True, "allowedIdps": ["1", "2"]},
            "autoRedirectToIdentity",
            "exactly one identity provider",
        ),
        ("ZeroTrustAccessPolicy", {"accountId": "a", "name": "n", "decision": "permit"}, "decision", "one of"),
        (
            "ZeroTrustAccessPolicy",
            {
                "accountId": "a",
                "name": "n",
                "decision": "deny",
                "includes": [{"email": {"email": "e"}, "geo": {"countryCode": "SE"}}],
            },
            "includes[0]",
            "exactly one selector a rule, got email, geo",
        ),
        (
            "ZeroTrustAccessPolicy",
            {"accountId": "a", "name": "n", "decision": "allow", "includes": [{"serviceToken": {"tokenId": "t"}}]},
            "includes[0]",
            "non_identity",
        ),
        (
            "ZeroTrustAccessServiceToken",
            {"accountId": "a", "name": "n", "clientSecretVersion": 2},
            "previousClientSecretExpiresAt",
            "together with clientSecretVersion",
        ),
        ("ZeroTrustAccessServiceToken", {"accountId": "a", "name": "n", "duration": "1 year"}, "duration", "8760h"),
        (
            "Ruleset",
            {"zoneId": "zone", "name": "n", "kind": "zone", "phase": "http_request_firewall_custom"},
            "zoneId",
            "32 hex digits",
        ),
    ],
)
def test_what_cloudflare_refuses_is_refused(
    cloudflare: Client, name: str, news: dict[str, Any], refused: str, words: str
) -> None:
    [(path, reason)] = cloudflare.check(name, **news)
    assert path == refused
    assert words in reason


@pytest.mark.parametrize(
    ("name", "news", "refused", "words"),
    [
        ("Service", {"protocol": "http", "name": "a b"}, "name", "only accepted ascii characters"),
        ("Service", {"protocol": "smtp"}, "protocol", "must be one of"),
        ("Service", {"protocol": "http", "tlsVerify": True}, "tlsVerify", "only https and tls"),
        ("Service", {"protocol": "http", "path": "mcp"}, "path", "should start with: /"),
        ("Route", {"protocols": ["https"], "serviceId": "s"}, "protocols", "must set one of"),
        ("Route", {"protocols": ["https"], "serviceId": "s", "paths": ["mcp"]}, "paths[0]", "should start with: /"),
        ("Plugin", {"configJson": "{}"}, "name", "missing required property"),
        ("Plugin", {"name": "jwt", "configJson": "{"}, "configJson", "line 1 column 2"),
        ("Plugin", {"name": "jwt", "configJson": "[]"}, "configJson", "not an object"),
        ("Upstream", {"name": "a_b/c"}, "name", "valid hostname"),
        ("Upstream", {"name": "u", "hashOn": "header"}, "hashOnHeader", "when hashOn is header"),
        ("Target", {"target": "h:1", "weight": 70000, "upstreamId": "u"}, "weight", "65535"),
        ("Consumer", {"tags": ["x"]}, "username", "at least one"),
        (
            "ConsumerJwtAuth",
            {"consumerId": "c", "rsaPublicKey": "p", "key": "k", "algorithm": "RS256"},
            "secret",
            "length must be at least 1",
        ),
    ],
)
def test_what_kong_refuses_is_refused(kong: Client, name: str, news: dict[str, Any], refused: str, words: str) -> None:
    [(path, reason)] = kong.check(name, **news)
    assert path == refused
    assert words in reason


def test_refused_secret_config_is_not_quoted(kong: Client) -> None:
    [(_, reason)] = kong.check("Plugin", name="http-log", configJson=SecretValue('{"api_key": "hunter2-hunter2"'))
    assert "hunter2" not in reason


def test_kong_resource_without_a_name_gets_one_and_keeps_it(kong: Client) -> None:
    first = kong.checked("Service", protocol="http").inputs["name"]
    assert first.startswith("one-")
    assert len(first) == len("one-") + 7
    assert kong.checked("Service", {"protocol": "http", "name": "one-0000000"}, protocol="http").inputs["name"] == (
        "one-0000000"
    )
