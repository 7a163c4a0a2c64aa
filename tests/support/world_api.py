"""The sandbox's world as Cloudflare's API and Kong's Admin API list it and delete from it, over real HTTP on loopback.
Strict: another account, zone, path, token or method is refused, lists come in pages, what is still in use is kept.

Envelopes and paths: developers.cloudflare.com/api, Kong 3.9 Admin API ("List all …": `data`, `next`, `offset`; "Delete …":
204).
"""

from __future__ import annotations

import json
import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler
from typing import Any
from urllib.parse import parse_qsl, unquote, urlsplit

from engine.repair.kinds import own_id
from sandbox import Sandbox
from sandbox.behaviour import Refused
from sandbox.cloudflare import token as cloudflare_type
from sandbox.kong import token as kong_type
from sandbox.readings import items
from sandbox.server import PACKAGES
from sandbox.service import Service
from tests.support.kong_admin import serving
from tests.support.projects import ACCOUNT, ZONE

TOKEN = "cfut_planted-0123456789-0123456789-0123456789"
ADMIN_TOKEN = "planted-admin-token"
_CLOUDFLARE = {
    f"/accounts/{ACCOUNT}/cfd_tunnel": "ZeroTrustTunnelCloudflared",
    f"/accounts/{ACCOUNT}/access/apps": "ZeroTrustAccessApplication",
    f"/accounts/{ACCOUNT}/access/policies": "ZeroTrustAccessPolicy",
    f"/accounts/{ACCOUNT}/access/groups": "ZeroTrustAccessGroup",
    f"/accounts/{ACCOUNT}/access/service_tokens": "ZeroTrustAccessServiceToken",
    f"/accounts/{ACCOUNT}/access/certificates": "ZeroTrustAccessMtlsCertificate",
    f"/accounts/{ACCOUNT}/access/ai-controls/mcp/portals": "ZeroTrustAccessAiControlsMcpPortal",
    f"/accounts/{ACCOUNT}/access/ai-controls/mcp/servers": "ZeroTrustAccessAiControlsMcpServer",
    f"/accounts/{ACCOUNT}/devices/posture": "ZeroTrustDevicePostureRule",
    f"/accounts/{ACCOUNT}/logpush/jobs": "LogpushJob",
    f"/zones/{ZONE}/dns_records": "DnsRecord",
    f"/zones/{ZONE}/rulesets": "Ruleset",
}
_ENTITIES = {"services": "Service", "routes": "Route", "upstreams": "Upstream", "consumers": "Consumer"}
_NESTED = {
    ("services", "plugins"): ("Plugin", "service"),
    ("upstreams", "targets"): ("Target", "upstream"),
    ("consumers", "acls"): ("ConsumerAcl", "consumer"),
    ("consumers", "key-auth"): ("ConsumerKeyAuth", "consumer"),
}


@dataclass
class WorldApi:
    sandbox: Sandbox
    #: Of one list; small, so that a test's few objects need several.
    page: int = 2
    log: list[str] = field(default_factory=list)
    cloudflare: str = ""
    kong: str = ""

    def answer(self, target: str, headers: Any) -> tuple[int, Any]:
        split = urlsplit(target)
        query = dict(parse_qsl(split.query))
        self.log.append(split.path)
        if split.path.startswith("/client/v4/"):
            if headers["authorization"] != f"Bearer {TOKEN}":
                return 403, _error(10000, "Authentication error")
            return self._cloudflare(split.path.removeprefix("/client/v4"), query)
        if headers["kong-admin-token"] != ADMIN_TOKEN:
            return 401, {"message": "Unauthorized"}
        return self._kong([unquote(part) for part in split.path.strip("/").split("/")], query)

    def delete(self, target: str, headers: Any) -> tuple[int, Any]:
        """Delete the object of an address, as it is listed there."""
        place, _, id_ = target.rpartition("/")
        status, listed = self.answer(place, headers)
        if status != 200:
            return status, listed
        if place.startswith("/client/v4/"):
            type_ = cloudflare_type(_CLOUDFLARE[place.removeprefix("/client/v4")])
        else:
            parts = place.strip("/").split("/")
            nested = _NESTED[(parts[0], parts[2])][0] if len(parts) == 3 else _ENTITIES.get(parts[0], "Plugin")
            type_ = kong_type(nested)
        (package,) = [package for package in PACKAGES if type_.startswith(f"{package.name}:")]
        try:
            with self.sandbox.store.transaction() as world:
                held = [record.id for record in world.records_of(type_) if own_id(record.id) == id_]
                if not held:
                    return 404, _error(7003, "not found")
                Service(package, PACKAGES).delete(world, type_, held[0])
        except Refused as refusal:
            return 400, _error(1000, str(refusal))
        return (
            (200, {"success": True, "errors": [], "messages": [], "result": {"id": id_}})
            if package.name != "kong"
            else (204, None)
        )

    def _items(self, type_: str) -> list[dict[str, Any]]:
        with self.sandbox.store.transaction() as world:
            return items(world, type_)

    def _cloudflare(self, path: str, query: dict[str, str]) -> tuple[int, Any]:
        if path not in _CLOUDFLARE:
            return 404, _error(7003, "Could not route")
        found = self._items(cloudflare_type(_CLOUDFLARE[path]))
        page = int(query.get("page", "1"))
        pages = max(1, -(-len(found) // self.page))
        info = {"page": page, "per_page": self.page, "total_pages": pages, "total_count": len(found)}
        shown = found[(page - 1) * self.page : page * self.page]
        return 200, {"success": True, "errors": [], "messages": [], "result": shown, "result_info": info}

    def _kong(self, path: list[str], query: dict[str, str]) -> tuple[int, Any]:
        if path == ["plugins"]:
            return self._list(self._items(kong_type("Plugin")), query)
        if path[0] not in _ENTITIES:
            return 404, {"message": "Not found"}
        if len(path) == 1:
            return self._list(self._items(kong_type(_ENTITIES[path[0]])), query)
        key = "username" if path[0] == "consumers" else "name"
        found = [one for one in self._items(kong_type(_ENTITIES[path[0]])) if path[1] in (one["id"], one.get(key))]
        if not found:
            return 404, {"message": "Not found"}
        if len(path) == 2:
            return 200, found[0]
        if (path[0], path[2]) not in _NESTED or len(path) > 3:
            return 404, {"message": "Not found"}
        type_, reference = _NESTED[(path[0], path[2])]
        inside = [
            one for one in self._items(kong_type(type_)) if (one.get(reference) or {}).get("id") == found[0]["id"]
        ]
        return self._list(inside, query)

    def _list(self, found: list[dict[str, Any]], query: dict[str, str]) -> tuple[int, Any]:
        start = int(query.get("offset", "0"))
        body: dict[str, Any] = {"data": found[start : start + self.page], "next": None}
        if start + self.page < len(found):
            body |= {"next": "/next", "offset": str(start + self.page)}
        return 200, body


def _error(code: int, message: str) -> dict[str, Any]:
    return {"success": False, "errors": [{"code": code, "message": message}], "messages": [], "result": None}


@contextmanager
def world_api(sandbox: Sandbox, tls: ssl.SSLContext | None = None) -> Iterator[WorldApi]:
    api = WorldApi(sandbox)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self._send(*api.answer(self.path, self.headers))

        def do_DELETE(self) -> None:
            self._send(*api.delete(self.path, self.headers))

        def _send(self, status: int, body: Any) -> None:
            payload = b"" if body is None else json.dumps(body).encode()
            self.send_response(status)
            self.send_header("content-type", "application/json")
            self.send_header("content-length", str(len(payload)))
            self.end_headers()
            self.wfile.write(payload)

        def log_message(self, format: str, *args: object) -> None:
            return

    with serving(Handler, tls) as url:
        api.cloudflare, api.kong = f"{url}/client/v4", url
        yield api
