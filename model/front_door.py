"""What must hold of the public side of a server and of a model route alike. A rule of one of them alone stands with its
model."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

from model.problems import Wrong


class PublicManifest(Protocol):
    """What both manifests have, as far as these rules read it."""

    @property
    def hostname(self) -> str: ...
    @property
    def guard_port(self) -> int | None: ...
    @property
    def admin_port(self) -> int | None: ...
    @property
    def countries(self) -> tuple[str, ...] | None: ...
    @property
    def hostnames(self) -> Mapping[str, str | None]: ...

    #: Sign-in and who may pass, as `model.server` has them; it imports this module, so their types are not named here.
    @property
    def oauth(self) -> Any: ...
    @property
    def access(self) -> Any: ...


#: What is added to a guard's port where its file does not name `guard_admin_port`.
ADMIN_PORT_OFFSET = 1000


def check_front_door(manifest: PublicManifest) -> None:
    """Raise Wrong where ports, countries, sign-in and host names do not go together."""
    if manifest.admin_port is not None and manifest.admin_port > 65535:
        raise Wrong(
            f"is {manifest.admin_port} unless given (guard_port + {ADMIN_PORT_OFFSET}), and no port is over 65535",
            "add it",
            ("guard_admin_port",),
        )
    if manifest.admin_port is not None and manifest.admin_port == manifest.guard_port:
        raise Wrong(
            f"port {manifest.admin_port} is the guard's port for traffic", "choose another", ("guard_admin_port",)
        )
    if manifest.countries == ():
        raise Wrong("is empty", "name at least one, or remove the key to use the environment's", ("countries",))
    if manifest.oauth.mode == "external" and manifest.access.hosted_clients:
        raise Wrong(
            "hosted clients cannot pass Access before an external authorization server",
            "use oauth mode access, or remove them",
            ("access", "hosted_clients"),
        )
    if manifest.oauth.mode == "external" and manifest.access.clients is not None:
        raise Wrong(
            "clients register at the external authorization server, which Access does not keep",
            "allow their redirect URIs there, and remove the key",
            ("access", "clients"),
        )
    hostnames = {manifest.hostname}
    for client, hosted in sorted(manifest.access.hosted_clients.items()):
        if hosted.hostname in hostnames:
            raise Wrong(
                f"{hosted.hostname} is in this file already: a hosted client has a name, an audience and grants of its own",
                "choose another",
                ("access", "hosted_clients", client, "hostname"),
            )
        hostnames.add(hosted.hostname)
