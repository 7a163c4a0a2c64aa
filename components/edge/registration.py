"""Access's managed OAuth of one application, and which clients may register there. Pure.

A registration holds all redirect URIs of a client at once. Those on the person's own machine are allowed by host, on every
port, as native clients need it (RFC 8252 section 7.3); all others by the list.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from model.clients import OwnClient, redirect_uris
from model.environment import Environment
from model.portal import Portal
from model.redirect_uris import loopback_host
from model.stacks import PerimeterManifest


@dataclass(frozen=True)
class Registration:
    """What may be registered. Nobody may where nothing is allowed."""

    localhost: bool
    loopback: bool
    uris: tuple[str, ...]

    @property
    def enabled(self) -> bool:
        return self.localhost or self.loopback or bool(self.uris)


#: Nobody registers.
CLOSED = Registration(False, False, ())


def registration(
    settings: Environment, manifest: PerimeterManifest, hosted_client: str | None, portal_callback: str | None = None
) -> Registration:
    """The registration of a server's own public name, or of a hosted client's.

    Args:
        portal_callback: where the environment's portal is taken back to, at a server that it signs people in to.
    """
    if manifest.oauth.mode != "access":
        return CLOSED
    if hosted_client is not None:
        return Registration(False, False, settings.hosted_clients[hosted_client].redirect_uris)
    return _of(manifest.access.clients, portal_callback)


def portal_registration(portal: Portal) -> Registration:
    """The registration of the portal's own name; agents sign in without one."""
    return _of(portal.clients) if portal.people is not None else CLOSED


def managed_oauth(
    clients: Registration, *, enabled: bool, lifetimes: tuple[str, str] = ("15m", "168h")
) -> dict[str, Any]:
    """What an application says of managed OAuth, in the provider's spelling. It is always written out: what is left out is
    the account's default, and `enabled` is true then (the provider's schema).

    Args:
        lifetimes: of an access token and of the grant that renews it.
    """
    return {
        "enabled": enabled,
        "dynamic_client_registration": {
            "enabled": clients.enabled,
            "allow_any_on_localhost": clients.localhost,
            "allow_any_on_loopback": clients.loopback,
            "allowed_uris": list(clients.uris),
        },
        "grant": {"access_token_lifetime": lifetimes[0], "session_duration": lifetimes[1]},
    }


def _of(clients: tuple[str | OwnClient, ...] | None, also: str | None = None) -> Registration:
    extra = () if also is None else (also,)
    if clients is None:
        return Registration(True, True, extra)
    uris = [*extra, *(uri for client in clients for uri in redirect_uris(client))]
    hosts = {loopback_host(uri) for uri in uris}
    return Registration(
        "localhost" in hosts,
        "127.0.0.1" in hosts,
        tuple(dict.fromkeys(sorted(uri for uri in uris if loopback_host(uri) is None))),
    )
