"""Which clients that are known by name may register at a server, and the address that each is given."""

from __future__ import annotations

from dataclasses import dataclass

from components.edge.registration import Registration, registration
from model.cross_checks import BELOW
from model.errors import InputError
from model.known_clients import KNOWN_CLIENTS, KnownClient
from model.redirect_uris import loopback_host
from model.stacks import ServerStack


@dataclass(frozen=True)
class ClientAddress:
    """One known client at one server: the address it uses, or why it cannot register."""

    client: KnownClient
    url: str | None
    #: Why there is no address, or what is to be known about it.
    note: str = ""

    def as_json(self) -> dict[str, str | bool | None]:
        return {
            "client": self.client.name,
            "title": self.client.title,
            "may_register": self.url is not None,
            "url": self.url,
            "note": self.note,
        }


def client_addresses(server: ServerStack) -> tuple[ClientAddress, ...]:
    """Every known client, in the order of the table."""
    return tuple(_address(server, client) for client in KNOWN_CLIENTS.values())


def entry_name(server: ServerStack) -> str:
    """What a client calls the server: as its public name begins by default, so that dev and production do not share it."""
    return server.name if server.settings.production else f"{server.environment.name}-{server.name}"


def usable(server: ServerStack) -> tuple[tuple[str, str], ...]:
    """The clients that people can use, each with its address."""
    return tuple((item.client.name, item.url) for item in client_addresses(server) if item.url is not None)


def script_url(server: ServerStack) -> str | None:
    """The address for a person's own program, which returns to 127.0.0.1; None where it may not register."""
    manifest = server.manifest
    if manifest.access.people is None or not registration(server.settings, manifest, None).loopback:
        return None
    return f"https://{manifest.hostname}{manifest.path}"


def address_of(server: ServerStack, name: str) -> str:
    """The address for one client; raises InputError where it may not register."""
    if name not in KNOWN_CLIENTS:
        raise InputError(
            f"{name} is no client that is known by name", key="CLIENT", remedy=f"name one of {', '.join(KNOWN_CLIENTS)}"
        )
    item = _address(server, KNOWN_CLIENTS[name])
    if item.url is None:
        key = "hosted_clients" if item.client.is_hosted else "clients"
        remedy = f"add {name} to access.{key} there, and bring the server up again"
        raise server.document.error((*BELOW, "access", key), f"{item.client.title}: {item.note}", remedy)
    return item.url


def _address(server: ServerStack, client: KnownClient) -> ClientAddress:
    manifest, settings = server.manifest, server.settings
    for hostname, hosted_client in manifest.hostnames.items():
        if hosted_client is None and manifest.access.people is None:
            continue
        if manifest.oauth.mode == "external" and client.is_hosted:
            return ClientAddress(client, None, "its vendor's servers cannot pass Access before an external issuer")
        if manifest.oauth.mode == "external":
            note = f"registers at the issuer {manifest.oauth.issuer}, which must allow its redirect URIs"
            return ClientAddress(client, f"https://{hostname}{manifest.path}", note)
        if _allows(registration(settings, manifest, hosted_client), client):
            return ClientAddress(client, f"https://{hostname}{manifest.path}")
    if manifest.access.people is None:
        return ClientAddress(client, None, "no person may reach the server with it")
    return ClientAddress(client, None, "its redirect URIs are not allowed")


def _allows(registration: Registration, client: KnownClient) -> bool:
    """Whether one registration of the client would be accepted."""
    for uri in client.registers:
        host = loopback_host(uri)
        if host is not None:
            if not (registration.localhost if host == "localhost" else registration.loopback):
                return False
        elif not any(uri == form or (form.endswith("/*") and uri.startswith(form[:-1])) for form in registration.uris):
            return False
    return True
