"""A client of Kong's Admin API with the calls that `keys sync` and `lockdown` make. Reading any entity by its path stands in
wire/kong_reader.py. The token comes from KONG_ADMIN_TOKEN and goes nowhere else."""

from __future__ import annotations

import os
import secrets
from dataclasses import dataclass
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from model import effects
from model.environment import Gateway
from model.errors import Unreachable
from wire.http import HttpAnswer, HttpPolicy, exchange, reason_of

TOKEN_VARIABLE = "KONG_ADMIN_TOKEN"  # noqa: S105 - a variable's name
TIMEOUT = httpx.Timeout(10, connect=5)
#: For one whole answer: seconds, and bytes of at most 1,000 entities (Kong's largest page).
DEADLINE = 60.0
MAX_ANSWER = 64 * 1024 * 1024
MAX_PAGES = 100
#: What the issuers' keys verify: Kong keeps an algorithm beside each key (kong/plugins/jwt/daos.lua).
ALGORITHM = "RS256"
#: Kong's default of `worker_state_update_frequency` (kong.conf.default): by then every worker has taken a change over.
WORKER_FREQUENCY = 5.0


@dataclass(frozen=True)
class DataPlane:
    """A data plane as the control plane knows it: the configuration it has applied, and when it last reported (seconds since
    1970)."""

    id: str
    name: str
    config_hash: str
    last_seen: float


@dataclass(frozen=True)
class IssuerKey:
    """One RS256 verification key, as PEM (SubjectPublicKeyInfo)."""

    kid: str
    pem: str


@dataclass(frozen=True)
class Credential:
    """A JWT credential as Kong holds it; `created_at` in Unix seconds."""

    id: str
    kid: str
    pem: str | None
    algorithm: str
    tags: tuple[str, ...]
    created_at: int


class Conflict(Unreachable):
    """Kong already has an entity with that unique value."""


class KongAdmin:
    """A client of one gateway's Admin API; a context manager.

    Every method raises `Unreachable` when Kong does not answer, refuses the token, or gives an answer that is not Kong's.
    """

    def __init__(self, gateway: Gateway, token: str | None = None) -> None:
        self.uri = gateway.admin_uri.rstrip("/")
        self.version = gateway.version
        token = token or os.environ.get(TOKEN_VARIABLE)
        prefix = f"/{quote(gateway.workspace, safe='')}" if gateway.workspace else ""
        self._http = HttpPolicy(self.uri, proxies=True).client(
            base_url=self.uri + prefix,
            headers={"accept": "application/json", **({"kong-admin-token": token} if token else {})},
            timeout=TIMEOUT,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._http.close()

    def check_version(self) -> None:
        """Refuse a Kong of another line than the stack file's: its plugins differ."""
        body = self._call("GET", "/", 200)
        version = body.get("version") if isinstance(body, dict) else None
        if not isinstance(version, str) or _line(version) != _line(self.version):
            shown = (
                version if isinstance(version, str) and len(version) <= 40 and version.isprintable() else "no version"
            )
            raise Unreachable(
                f"{self.uri} answers as {shown}, the stack file says Kong {self.version}",
                remedy="correct gateway.version or gateway.admin_uri",
            )

    def worker_frequency(self) -> float:
        """Seconds within which every worker of a node takes a change over (`worker_state_update_frequency`)."""
        body = self._call("GET", "/", 200)
        settings = body.get("configuration") if isinstance(body, dict) else None
        value = settings.get("worker_state_update_frequency") if isinstance(settings, dict) else None
        return float(value) if isinstance(value, int | float) and value > 0 else WORKER_FREQUENCY

    def data_planes(self) -> list[DataPlane] | None:
        """Every data plane that the control plane has heard of; None where this is no control plane (Kong answers 400,
        kong/api/routes/clustering.lua; or 404)."""
        if self._call("GET", "/clustering/data-planes", 200, 400, 404, params={"size": "1"}, absent=(400, 404)) is None:
            return None
        return [
            DataPlane(
                str(entry.get("id")),
                str(entry.get("hostname")),
                str(entry.get("config_hash")),
                float(entry.get("last_seen") or 0),
            )
            for entry in self._list("/clustering/data-planes")
        ]

    def routes(self, tag: str) -> dict[str, str]:
        """Ids of all routes with that tag, by name."""
        entries = self._list("/routes", {"tags": tag})
        return {
            str(route["name"]): str(route["id"])
            for route in entries
            if isinstance(route.get("id"), str) and route.get("name")
        }

    def route_id(self, name: str) -> str | None:
        """Kong's id of a route; None when there is none of that name."""
        body = self._call("GET", f"/routes/{quote(name, safe='')}", 200, 404)
        return str(body["id"]) if body is not None and isinstance(body.get("id"), str) else None

    def put_plugin(self, id_: str, route: str, plugin: dict[str, Any]) -> None:
        """Create or replace a route's plugin under an id that Ringwall chose.

        Raises:
            Unreachable: Kong's answer does not say that exactly this plugin is enabled.
        """
        body = self._call("PUT", f"/plugins/{quote(id_, safe='')}", 200, body={**plugin, "route": {"id": route}})
        config = body.get("config") if isinstance(body, dict) else None
        settings = plugin["config"]
        if (
            not isinstance(body, dict)
            or not isinstance(config, dict)
            or body.get("enabled") is not True
            or body.get("route") != {"id": route}
            or any(config.get(name) != value for name, value in settings.items())
        ):
            raise Unreachable(f"{self.uri}: the answer does not say that plugin {plugin['name']} is on")

    def plugins(self, tag: str) -> list[str]:
        """Ids of all plugins with that tag."""
        return [
            str(plugin["id"]) for plugin in self._list("/plugins", {"tags": tag}) if isinstance(plugin.get("id"), str)
        ]

    def remove_plugin(self, id_: str) -> None:
        """Remove a plugin; one that is gone already is fine (Kong answers 204 for that, too)."""
        self._call("DELETE", f"/plugins/{quote(id_, safe='')}", 204, 404)

    def _list(self, path: str, query: dict[str, str] | None = None) -> list[dict[str, Any]]:
        result: list[dict[str, Any]] = []
        offset: str | None = None
        for _ in range(MAX_PAGES):
            params = {**(query or {}), "size": "1000", **({"offset": offset} if offset else {})}
            body = self._call("GET", path, 200, params=params)
            data = body.get("data") if isinstance(body, dict) else None
            if not isinstance(data, list) or not all(isinstance(entity, dict) for entity in data):
                raise Unreachable(f"{self.uri}{path}: the list is not Kong's")
            result += data
            following = body.get("offset") if isinstance(body, dict) else None
            if following is None:
                return result
            if not isinstance(following, str) or following == offset:
                break
            offset = following
        raise Unreachable(f"{self.uri}{path}: the list does not end")

    def consumer_id(self, username: str) -> str | None:
        """Kong's id of a consumer; None when there is none of that name."""
        body = self._call("GET", f"/consumers/{quote(username, safe='')}", 200, 404)
        if body is None:
            return None
        if not isinstance(body, dict) or body.get("username") != username or not isinstance(body.get("id"), str):
            raise Unreachable(f"{self.uri}: the answer about consumer {username} is not Kong's")
        return str(body["id"])

    def jwt_credentials(self, consumer: str) -> list[Credential]:
        """All JWT credentials of a consumer, page by page."""
        return [self._credential(item) for item in self._list(f"/consumers/{consumer}/jwt")]

    def add_jwt(self, consumer: str, key: IssuerKey, tags: list[str]) -> None:
        """Add a credential. Kong asks for a secret with every algorithm, so a random one is sent that nobody keeps.

        Raises:
            Conflict: some consumer has that `kid` already.
        """
        body = {
            "key": key.kid,
            "algorithm": ALGORITHM,
            "rsa_public_key": key.pem,
            "secret": secrets.token_urlsafe(32),
            "tags": tags,
        }
        self._call("POST", f"/consumers/{consumer}/jwt", 201, body=body)

    def replace_jwt(self, consumer: str, credential: Credential, key: IssuerKey) -> None:
        """Give a credential another key, in one step."""
        body = {"id": credential.id, "algorithm": ALGORITHM, "rsa_public_key": key.pem}
        self._call("PATCH", f"/consumers/{consumer}/jwt/{quote(credential.id, safe='')}", 200, body=body)

    def remove_jwt(self, consumer: str, credential: Credential) -> None:
        """Remove a credential; one that is gone already is fine."""
        self._call("DELETE", f"/consumers/{consumer}/jwt/{quote(credential.id, safe='')}", 204, 404)

    def _credential(self, item: object) -> Credential:
        if not isinstance(item, dict) or not isinstance(item.get("id"), str) or not isinstance(item.get("key"), str):
            raise Unreachable(f"{self.uri}: a credential in the list is not Kong's")
        pem, created = item.get("rsa_public_key"), item.get("created_at")
        return Credential(
            id=item["id"],
            kid=item["key"],
            pem=pem if isinstance(pem, str) else None,
            algorithm=str(item.get("algorithm")),
            tags=tuple(str(tag) for tag in item.get("tags") or ()),
            created_at=int(created) if isinstance(created, int | float) else 0,
        )

    def _call(
        self,
        method: str,
        path: str,
        *expected: int,
        body: Any = None,
        params: dict[str, str] | None = None,
        absent: tuple[int, ...] = (204, 404),
    ) -> dict[str, Any] | None:
        effects.request(method, "Kong")
        try:
            answer = exchange(self._http, method, path, limit=MAX_ANSWER, deadline=DEADLINE, json=body, params=params)
        except httpx.HTTPError as error:
            raise Unreachable(
                f"Kong's Admin API at {self.uri} does not answer ({reason_of(error)})",
                remedy="start it, or correct gateway.admin_uri",
            ) from None
        if answer.status in (401, 403):
            raise Unreachable(f"Kong's Admin API at {self.uri} refused the token", remedy=f"set {TOKEN_VARIABLE}")
        if answer.status == 409:
            raise Conflict(f"Kong's Admin API at {self.uri}: {method} {path}: a unique value is taken")
        if answer.status not in expected:
            raise Unreachable(
                f"Kong's Admin API at {self.uri} answered {method} {path} with {answer.status}{_message(answer)}"
            )
        if answer.status in absent:
            return None
        try:
            document = answer.json()
        except ValueError:
            raise Unreachable(f"{self.uri} does not answer in JSON: it is not Kong's Admin API") from None
        if not isinstance(document, dict):
            raise Unreachable(f"{self.uri} does not answer as Kong's Admin API does")
        return document


def _message(answer: HttpAnswer) -> str:
    """Kong's own `message`, which names fields and never their values."""
    message = answer.member("message")
    return f": {' '.join(message.split())[:300]}" if isinstance(message, str) else ""


def _line(version: str) -> tuple[str, ...]:
    return tuple(version.split(".")[:2])
