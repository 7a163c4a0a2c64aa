"""How the data planes of the hybrid topology reach their control plane, and how each side proves itself to the other."""

from __future__ import annotations

import re
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, model_validator

from model.base import Hostname, Model
from model.problems import Wrong

_NODE = re.compile(r"(\[[0-9a-f:]+\]|[a-z0-9]([a-z0-9_.-]*[a-z0-9])?):([0-9]{1,5})")


def _node(value: str) -> str:
    match = _NODE.fullmatch(value)
    if match is None:
        raise Wrong("is not HOST:PORT", "write it such as kong-control.internal.example:8005")
    if not 1 <= int(match[3]) <= 65535:
        raise Wrong(f"{match[3]} is no port", "write one from 1 to 65535")
    return value


NodeAddress = Annotated[str, AfterValidator(_node)]


class Cluster(Model):
    """Hybrid topology: the control plane as the hosts' data planes reach it."""

    control_plane: NodeAddress = Field(description="Where a data plane fetches its configuration: HOST:PORT.")
    telemetry_endpoint: NodeAddress = Field(description="Where a data plane sends its telemetry: HOST:PORT.")
    mtls: Literal["pki", "shared"] = Field(
        "pki",
        description="pki: a certificate for each node, of one authority. shared: one for all nodes; not in production.",
    )
    server_name: Hostname | None = Field(
        None, description="pki: the name in the control plane's certificate, where it is not the host of control_plane."
    )

    @model_validator(mode="after")
    def _shared_has_one_name(self) -> Self:
        if self.mtls == "shared" and self.server_name is not None:
            # Kong then asks for kong_clustering, whatever the setting says (kong.conf.default, cluster_server_name).
            raise Wrong("is for mtls pki: Kong does not read it with shared", "remove it", ("server_name",))
        return self

    def require_fit(self, topology: str, *, production: bool) -> None:
        """Raise Wrong where the environment has no use for a cluster, or is too exposed for one shared key."""
        path = ("gateway", "cluster")
        if topology != "hybrid":
            raise Wrong(f"is for the hybrid topology, and this is {topology}", "remove it", path)
        if production and self.mtls == "shared":
            problem = "is shared in production: whoever takes one host's key can pose as every data plane"
            raise Wrong(problem, "give each node a certificate of its own, and write pki", (*path, "mtls"))
