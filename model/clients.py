"""The clients that may register at a server's public name: those that are known by name, and clients of one's own."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AfterValidator, Discriminator, Field, Tag

from model.base import Many, Model, Name
from model.known_clients import KNOWN_CLIENTS
from model.problems import Wrong
from model.redirect_uris import RedirectUri
from model.suggestions import nearest


def _known(name: str) -> str:
    if name not in KNOWN_CLIENTS:
        close = nearest(name.replace("_", "-"), KNOWN_CLIENTS)
        advice = f"write {close}" if close else f"write one of {', '.join(KNOWN_CLIENTS)}"
        raise Wrong(
            f"{name} is no client that is known by name",
            f"{advice}, or give its redirect URIs: {{name: {name}, redirect_uris: [https://…]}}",
        )
    return name


def _unknown(name: str) -> str:
    if name in KNOWN_CLIENTS:
        raise Wrong(f"{name} is a client that is known by name", f"write {name} alone, or choose another name")
    return name


class OwnClient(Model):
    """A client of your own, by the redirect URIs that it registers."""

    name: Annotated[Name, AfterValidator(_unknown)] = Field(description="What reviewers read.")
    redirect_uris: Many[RedirectUri] = Field(
        min_length=1,
        description="All that it registers at once: https or a private scheme, exactly or https with a last /*; "
        "http://localhost or http://127.0.0.1 allows that host on every port.",
    )


def _kind(value: Any) -> str:
    return "own" if isinstance(value, dict | OwnClient) else "known"


def _distinct(clients: tuple[str | OwnClient, ...]) -> tuple[str | OwnClient, ...]:
    names = [client if isinstance(client, str) else client.name for client in clients]
    for name in names:
        if names.count(name) > 1:
            raise Wrong(f"names {name} twice", "remove one of the two")
    return clients


#: The schema lists the names, so that editors complete them.
KnownName = Annotated[str, AfterValidator(_known), Field(json_schema_extra={"enum": list(KNOWN_CLIENTS)})]
Client = Annotated[
    Annotated[KnownName, Tag("known")] | Annotated[OwnClient, Tag("own")],
    Discriminator(_kind),
]
Clients = Annotated[Many[Client], AfterValidator(_distinct)]


def client_name(client: str | OwnClient) -> str:
    return client if isinstance(client, str) else client.name


def client_title(client: str | OwnClient) -> str:
    """What a client is called in words."""
    return KNOWN_CLIENTS[client].title if isinstance(client, str) else client.name


def redirect_uris(client: str | OwnClient) -> tuple[str, ...]:
    """The forms of redirect URI that Access must allow for a client to register."""
    return KNOWN_CLIENTS[client].redirect_uris if isinstance(client, str) else client.redirect_uris
