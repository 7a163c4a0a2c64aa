"""Compares `access.clients`: which clients may register at a server and sign people in.

Compared is what Access then allows: exact URIs, and loopback by host. So a client that could register before already, for
it returns to the person's own machine alone, changes nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from model.clients import client_name, client_title, redirect_uris
from model.known_clients import KNOWN_CLIENTS
from model.redirect_uris import loopback_host
from model.stacks import PerimeterManifest
from plan.diff.model import Change, Direction, change
from plan.diff.semantic.directions import Delegated, Table

TABLE: Table = {
    "access.clients": Delegated("clients"),
    "access.clients[].name": Delegated("clients"),
    "access.clients[].redirect_uris": Delegated("clients"),
}

#: Clients by name, each with the redirect URIs it is allowed.
Clients = Mapping[str, tuple[str, ...]]
#: What stands for a server without the key.
ANY = ""
LOOPBACK = ("http://localhost", "http://127.0.0.1")


def clients_of(manifest: PerimeterManifest) -> Clients:
    """The clients that may register at a server's own public name; none in mode external, where none register here."""
    if manifest.oauth.mode != "access":
        return {}
    if manifest.access.clients is None:
        return {ANY: LOOPBACK}
    return {client_name(client): redirect_uris(client) for client in manifest.access.clients}


def compare_clients(stack: str, base: Clients, head: Clients) -> Iterator[Change]:
    """Changes of which clients may register at one server that is there before and after."""
    base_allowed, head_allowed = _allowed(base.values()), _allowed(head.values())
    for name in sorted({*base, *head}):
        gained = [uri for uri in head.get(name, ()) if uri not in base.get(name, ())]
        lost = [uri for uri in base.get(name, ()) if uri not in head.get(name, ())]
        if gained:
            title = f"{_title(name)} may register and sign people in"
            title = title if name not in base else f"{_title(name)}: sign-in may return to {', '.join(gained)} too"
            if _allowed([gained]) <= base_allowed:
                lines: tuple[str, ...] = ("neutral: Access allowed all its redirect URIs before already",)
                yield change("client-gained", Direction.NEUTRAL, 20, stack, "edge", title, lines)
            else:
                yield change("client-gained", Direction.LOOSENS, 84, stack, "edge", title, _details(name, gained))
        if lost:
            title = f"{_title(name)} may no longer register"
            title = title if name not in head else f"{_title(name)}: sign-in no longer returns to {', '.join(lost)}"
            remaining = sorted(_allowed([lost]) & head_allowed)
            line = f"still allowed, for another client: {', '.join(remaining)}"
            if _allowed([lost]) <= head_allowed:
                yield change("client-lost", Direction.NEUTRAL, 20, stack, "edge", title, (f"neutral: {line}",))
            else:
                yield change("client-lost", Direction.TIGHTENS, 55, stack, "edge", title, (line,) if remaining else ())


def client_lines(clients: Clients) -> tuple[str, ...]:
    """What a reviewer of a new server reads; nothing where the file says nothing about clients."""
    if ANY in clients or not clients:
        return ()
    return (f"clients that may register: {', '.join(_title(name) for name in clients)}",)


def _title(name: str) -> str:
    if name == ANY:
        return "any client that returns to the person's own machine"
    return client_title(name) if name in KNOWN_CLIENTS else f"client {name}"


def _details(name: str, gained: Iterable[str]) -> tuple[str, ...]:
    lines = [f"redirect URIs: {', '.join(gained)}"]
    if name != ANY and any(map(loopback_host, gained)):
        lines.append("on loopback Access allows a host as a whole: any program on the person's machine may register so")
    if name in KNOWN_CLIENTS and KNOWN_CLIENTS[name].is_hosted:
        lines.append("its vendor's servers call, not the person's machine")
    return tuple(lines)


def _allowed(clients: Iterable[Iterable[str]]) -> set[str]:
    """What Access allows for these clients: loopback by host, everything else as written."""
    return {f"http://{host}" if (host := loopback_host(uri)) else uri for uris in clients for uri in uris}
