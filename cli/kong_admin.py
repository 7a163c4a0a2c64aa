"""Kong's Admin API, as much of it as `keys sync` needs. The token comes from KONG_ADMIN_TOKEN and goes nowhere else."""

from __future__ import annotations

import os
import secrets
from types import TracebackType
from typing import Any, Self
from urllib.parse import quote

import httpx

from components.key_sync import ALGORITHM, Credential, IssuerKey
from model.environment import Gateway
from model.errors import Unreachable
from wire.http import client_options, reason_of

TOKEN_VARIABLE = "KONG_ADMIN_TOKEN"  # noqa: S105 - a variable's name
TIMEOUT = httpx.Timeout(10, connect=5)
MAX_PAGES = 100


class Conflict(Unreachable):
    """Kong already has an entity with that unique value."""


class KongAdmin:
    """A client of one gateway's Admin API; a context manager.

    Every method raises `Unreachable` when Kong does not answer, refuses the token, or answers with what it must not.
    """

    def __init__(self, gateway: Gateway, token: str | None = None) -> None:
        self.uri = gateway.admin_uri.rstrip("/")
        self.version = gateway.version
        token = token or os.environ.get(TOKEN_VARIABLE)
        prefix = f"/{quote(gateway.workspace, safe='')}" if gateway.workspace else ""
        self._http = httpx.Client(
            base_url=self.uri + prefix,
            headers={"accept": "application/json", **({"kong-admin-token": token} if token else {})},
            timeout=TIMEOUT,
            **client_options(self.uri, proxies=True),
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
        found = body.get("version") if isinstance(body, dict) else None
        if not isinstance(found, str) or _line(found) != _line(self.version):
            shown = found if isinstance(found, str) and len(found) <= 40 and found.isprintable() else "no version"
            raise Unreachable(
                f"{self.uri} answers as {shown}, the stack file says Kong {self.version}; correct gateway.version or "
                "gateway.admin_uri"
            )

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
        result: list[Credential] = []
        offset: str | None = None
        for _ in range(MAX_PAGES):
            body = self._call("GET", f"/consumers/{consumer}/jwt", 200, params={"offset": offset} if offset else {})
            data = body.get("data") if isinstance(body, dict) else None
            if not isinstance(data, list):
                raise Unreachable(f"{self.uri}: the list of credentials is not Kong's")
            result += [self._credential(item) for item in data]
            following = body.get("offset") if isinstance(body, dict) else None
            if following is None:
                return result
            if not isinstance(following, str) or following == offset:
                break
            offset = following
        raise Unreachable(f"{self.uri}: the list of credentials does not end")

    def add_jwt(self, consumer: str, key: IssuerKey, tags: list[str]) -> None:
        """Add a credential. Kong asks for a secret with every algorithm: a random one that nobody knows.

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
        self, method: str, path: str, *expected: int, body: Any = None, params: dict[str, str] | None = None
    ) -> dict[str, Any] | None:
        try:
            answer = self._http.request(method, path, json=body, params=params)
        except httpx.HTTPError as error:
            raise Unreachable(
                f"Kong's Admin API at {self.uri} does not answer ({reason_of(error)}); start it, or correct "
                "gateway.admin_uri"
            ) from None
        if answer.status_code in (401, 403):
            raise Unreachable(f"Kong's Admin API at {self.uri} refused the token; set {TOKEN_VARIABLE}")
        if answer.status_code == 409:
            raise Conflict(f"Kong's Admin API at {self.uri}: {method} {path}: a unique value is taken")
        if answer.status_code not in expected:
            raise Unreachable(
                f"Kong's Admin API at {self.uri} answered {method} {path} with {answer.status_code}{_message(answer)}"
            )
        if answer.status_code in (204, 404):
            return None
        try:
            found = answer.json()
        except ValueError:
            raise Unreachable(f"{self.uri} does not answer in JSON: it is not Kong's Admin API") from None
        if not isinstance(found, dict):
            raise Unreachable(f"{self.uri} does not answer as Kong's Admin API does")
        return found


def _message(answer: httpx.Response) -> str:
    """Kong's own `message`, which names fields and never their values."""
    try:
        message = answer.json()["message"]
    except (ValueError, KeyError, TypeError):
        return ""
    return f": {' '.join(message.split())[:300]}" if isinstance(message, str) else ""


def _line(version: str) -> tuple[str, ...]:
    return tuple(version.split(".")[:2])
