"""Which clients that are known by name may register at a server, and the address that each is given."""

from __future__ import annotations

from dataclasses import dataclass

from components.edge.registration import Registration, registration
from model.clients import OwnClient
from model.errors import InputError
from model.known_clients import KNOWN_CLIENTS, KnownClient
from model.redirect_uris import loopback_host
from model.stacks import ServerStack, manifest_path


@dataclass(frozen=True)
class ClientAddress:
    """One client at one server: the address it uses, None where it cannot register, and what is to be known about it."""

    name: str
    title: str
    url: str | None
    note: str = ""

    def as_json(self) -> dict[str, str | bool | None]:
        return {
            "client": self.name,
            "title": self.title,
            "may_register": self.url is not None,
            "url": self.url,
            "note": self.note,
        }


def client_addresses(server: ServerStack) -> tuple[ClientAddress, ...]:
    """Every known client, in the order of the table, and then the clients of the file's own."""
    addresses = [_address(server, client) for client in KNOWN_CLIENTS.values()]
    for client in server.manifest.access.clients or ():
        if isinstance(client, OwnClient):
            uris = f"returns to {', '.join(client.redirect_uris)}"
            addresses.append(ClientAddress(client.name, client.name, _url(server, server.manifest.hostname), uris))
    return tuple(addresses)


def entry_name(server: ServerStack) -> str:
    """What a client calls the server: as its public name begins by default, so that dev and production do not share it."""
    return server.name if server.settings.production else f"{server.environment.name}-{server.name}"


def usable(server: ServerStack) -> tuple[tuple[str, str], ...]:
    """The known clients that people can use, each with its address."""
    addresses = (_address(server, client) for client in KNOWN_CLIENTS.values())
    return tuple((item.name, item.url) for item in addresses if item.url is not None)


def script_url(server: ServerStack) -> str | None:
    """The address for a person's own program, which returns to 127.0.0.1; None where it may not register."""
    manifest = server.manifest
    if manifest.access.people is None or not registration(server.settings, manifest, None).loopback:
        return None
    return _url(server, manifest.hostname)


def address_of(server: ServerStack, name: str) -> str:
    """The address for one client; raises InputError where it may not register."""
    if name not in KNOWN_CLIENTS:
        raise InputError(
            f"{name} is no client that is known by name", key="CLIENT", remedy=f"name one of {', '.join(KNOWN_CLIENTS)}"
        )
    client = KNOWN_CLIENTS[name]
    item = _address(server, client)
    if item.url is not None:
        return item.url
    if client.is_hosted:
        key = "hosted_clients"
        remedy = (
            f"in {server.environment.name}'s file describe it below hosted_clients, with the vendor's addresses and the "
            f"redirect_uris {', '.join(client.redirect_uris)}; here admit it by a host name of its own"
        )
    else:
        key, remedy = "clients", f"add {name} to access.clients there, and bring the server up again"
    raise server.document.error(manifest_path(server, "access", key), f"{client.title}: {item.note}", remedy)


def _url(server: ServerStack, hostname: str) -> str:
    return f"https://{hostname}{server.manifest.path}"


def _address(server: ServerStack, client: KnownClient) -> ClientAddress:
    manifest, settings = server.manifest, server.settings

    def address(hostname: str | None, note: str = "") -> ClientAddress:
        return ClientAddress(client.name, client.title, _url(server, hostname) if hostname else None, note)

    if manifest.oauth.mode == "external":
        if client.is_hosted:
            return address(None, "its vendor's servers cannot pass Access before an external issuer")
        if manifest.access.people is None:
            return address(None, "no person may reach the server with it")
        return address(
            manifest.hostname, f"registers at the issuer {manifest.oauth.issuer}, which must allow its redirect URIs"
        )
    for hostname, hosted_client in manifest.hostnames.items():
        admitted = hosted_client is not None or manifest.access.people is not None
        if admitted and _allows(registration(settings, manifest, hosted_client), client):
            listed = hosted_client is not None or client.name in (manifest.access.clients or (client.name,))
            return address(hostname, "" if listed else "not listed: Access allows loopback by host, for any client")
    if client.is_hosted:
        return address(None, "needs a door of its own below hosted_clients, with its redirect URIs")
    if manifest.access.people is None:
        return address(None, "no person may reach the server with it")
    return address(None, "its redirect URIs are not allowed")


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
