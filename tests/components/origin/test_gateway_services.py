"""What Kong asks by itself stands in the host bundle: where it is, for a firewall, and the secret that it wants."""

from __future__ import annotations

from typing import Any

import pytest

from components.origin.host import build_host_bundle
from tests.components.gateway.test_gateway_checks import EVERYTHING, STORE, subject
from tests.support.kong_manifests import environment, external, server, stack


def test_every_service_of_kongs_own_is_a_destination_and_its_secrets_are_listed() -> None:
    route = subject(gateway=EVERYTHING, cache={"semantic": {**STORE, "shared": True}})
    bundle = built(route)
    destinations = {way["destination"] for way in bundle["egress"] if way["process"] == "kong"}
    assert destinations >= {
        "https://api.lakera.ai/v2/guard",
        "https://service.api.aisecurity.paloaltonetworks.com/v1/scan/sync/request",
        "https://sanitizer.example.com",
        "store.example.com:5432",
        "https://acme.openai.azure.com:443",
        "store.example.com:6379",
        "https://api.openai.com:443",
        "https://acme.cloudflareaccess.com/cdn-cgi/access/certs",
    }
    variables = {secret["reference"]["env"] for secret in bundle["secrets"] if secret["reader"] == "kong"}
    assert variables >= {"AIRS", "LAKERA", "OPENAI_KEY", "STORE"}


@pytest.mark.parametrize(
    ("manifest", "keys"),
    [
        (server(), "https://acme.cloudflareaccess.com/cdn-cgi/access/certs"),
        (external(), "https://idp.example.com/jwks"),
    ],
)
def test_a_licensed_kong_fetches_the_issuers_keys_and_oss_does_not(manifest: Any, keys: str) -> None:
    for edition, version, expected in (("enterprise", "3.15.0.4", [keys]), ("oss", "3.9.3", [])):
        subject = stack(environment(gateway={"edition": edition, "version": version}), manifest)
        ways = [way["destination"] for way in built(subject)["egress"] if way["process"] == "kong"]
        assert ways == expected


def built(stack: Any) -> dict[str, Any]:
    return build_host_bundle(stack, "tunnel-1", "{}\n", None).dump()
