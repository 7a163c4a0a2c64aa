"""`gateway.cluster`: for the hybrid topology alone, and in production with a certificate for each node."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from model.environment import Environment
from tests.support.kong_manifests import environment

CLUSTER = {"control_plane": "kong.internal.example:8005", "telemetry_endpoint": "kong.internal.example:8006"}


def hybrid(cluster: dict[str, Any], **changes: Any) -> Environment:
    gateway = {"admin_uri": "https://kong.internal.example:8444", "cluster": cluster}
    return environment(gateway=gateway, **{"topology": "hybrid", **changes})


def test_a_cluster_has_a_certificate_for_each_node_unless_it_says_otherwise() -> None:
    cluster = hybrid(CLUSTER, production=True).gateway.cluster
    assert cluster is not None
    assert (cluster.mtls, cluster.server_name) == ("pki", None)
    shared = hybrid({**CLUSTER, "mtls": "shared"}).gateway.cluster
    assert shared is not None
    assert shared.mtls == "shared"


@pytest.mark.parametrize(
    "address", ["kong.internal.example", "https://kong.example:8005", "kong:0", "kong:65536", ":8005"]
)
def test_an_address_that_is_not_host_and_port_is_refused(address: str) -> None:
    with pytest.raises(ValidationError, match=r"is not HOST:PORT|is no port"):
        hybrid({**CLUSTER, "control_plane": address})


@pytest.mark.parametrize("address", ["10.0.0.5:8005", "[fd00::5]:8005", "kong:1"])
def test_an_address_may_be_a_number(address: str) -> None:
    assert hybrid({**CLUSTER, "control_plane": address}).gateway.cluster


def test_one_key_for_all_nodes_is_refused_in_production() -> None:
    with pytest.raises(ValidationError, match="is shared in production"):
        hybrid({**CLUSTER, "mtls": "shared"}, production=True)


def test_a_server_name_that_kong_would_not_read_is_refused() -> None:
    with pytest.raises(ValidationError, match="Kong does not read it with shared"):
        hybrid({**CLUSTER, "mtls": "shared", "server_name": "control.internal.example"})


def test_another_topology_takes_no_cluster() -> None:
    with pytest.raises(ValidationError, match="is for the hybrid topology, and this is colocated"):
        hybrid(CLUSTER, topology="colocated")
