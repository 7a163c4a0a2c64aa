"""The calls of Cloudflare's API that `doctor` and `verify` make, on loopback: token, policies, tunnels, zone, bots, logs,
organization."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler
from time import time
from typing import Any

from tests.support.kong_admin import serving

TOKEN_ID = "0ce3" * 8


@dataclass
class CloudflareStandIn:
    """What the account is like; `log` holds each path asked and whether the token came along."""

    account_id: str
    zone_id: str
    zone: str = "example.com"
    auth_domain: str = "example.cloudflareaccess.com"
    token: str = "planted-cloudflare-token-0123456789abcdef"
    token_status: str = "active"
    expires_on: str | None = "2099-01-01T00:00:00Z"
    #: A token of the account, not of a user.
    account_owned: bool = False
    policies: list[dict[str, Any]] | None = field(default_factory=list)
    zone_readable: bool = True
    #: The zone's bot settings (provider schema, `getBotManagement`); None: the token may not read them.
    bots: dict[str, Any] | None = field(
        default_factory=lambda: {"fight_mode": False, "ai_bots_protection": "disabled", "enable_js": False}
    )
    #: By dataset of Logpush, the fields that the account may have; none without an Enterprise plan.
    datasets: dict[str, tuple[str, ...]] = field(default_factory=dict)
    #: Jobs of Logpush as their list has them.
    jobs: list[dict[str, Any]] = field(default_factory=list)
    #: Seconds that its clock is ahead.
    ahead: float = 0
    log: list[str] = field(default_factory=list)
    url: str = ""

    def allow(self, *names: str, zone: bool = False, effect: str = "allow", resource: str | None = None) -> None:
        below = f"zone.{self.zone_id}" if zone else self.account_id
        groups = [{"id": f"{number:032x}", "name": name} for number, name in enumerate(names)]
        resources = {resource or f"com.cloudflare.api.account.{below}": "*"}
        assert self.policies is not None
        self.policies.append({"id": "p", "effect": effect, "permission_groups": groups, "resources": resources})

    def answer(self, path: str, token: str | None) -> tuple[int, Any]:
        self.log.append(path)
        if token != f"Bearer {self.token}":
            return 401, _error(1000, "Invalid API Token")
        owner = f"/accounts/{self.account_id}" if self.account_owned else "/user"
        if path == f"{owner}/tokens/verify":
            end = {"expires_on": self.expires_on} if self.expires_on else {}
            return 200, _success({"id": TOKEN_ID, "status": self.token_status, **end})
        if path.endswith("/tokens/verify"):
            return 401, _error(1000, "Invalid API Token")
        if path == f"{owner}/tokens/{TOKEN_ID}":
            if self.policies is None:
                return 403, _error(9109, "Unauthorized to access requested resource")
            return 200, _success({"id": TOKEN_ID, "status": self.token_status, "policies": self.policies})
        if path == f"/accounts/{self.account_id}/cfd_tunnel":
            return 200, _success([])
        if path == f"/zones/{self.zone_id}" and self.zone_readable:
            return 200, _success({"id": self.zone_id, "name": self.zone, "status": "active"})
        if path == f"/zones/{self.zone_id}/bot_management" and self.bots is not None:
            return 200, _success(self.bots)
        for dataset, fields in self.datasets.items():
            if path == f"/accounts/{self.account_id}/logpush/datasets/{dataset}/fields":
                return 200, _success(dict.fromkeys(fields, "what it is"))
        if path == f"/accounts/{self.account_id}/logpush/jobs":
            return 200, _success(self.jobs)
        if path == f"/accounts/{self.account_id}/access/organizations":
            return 200, _success({"name": "Example", "auth_domain": self.auth_domain})
        return 403, _error(9109, "Unauthorized to access requested resource")


def _success(result: Any) -> dict[str, Any]:
    return {"success": True, "errors": [], "messages": [], "result": result}


def _error(code: int, message: str) -> dict[str, Any]:
    return {"success": False, "errors": [{"code": code, "message": message}], "messages": [], "result": None}


@contextmanager
def cloudflare_api(stand_in: CloudflareStandIn) -> Iterator[CloudflareStandIn]:
    """Serve on loopback until the context ends; its base URL ends in /client/v4 as the real one does."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            path = self.path.partition("?")[0].removeprefix("/client/v4")
            status, document = stand_in.answer(path, self.headers.get("authorization"))
            body = json.dumps(document).encode()
            self.send_response_only(status)
            self.send_header("date", formatdate(time() + stand_in.ahead, usegmt=True))
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return

    with serving(Handler) as uri:
        stand_in.url = f"{uri}/client/v4"
        yield stand_in
