"""The sandbox's account and gateway, by the protocols of `operations.incident.closing_services` that `lockdown` calls."""

from __future__ import annotations

from typing import Any

from sandbox.closing import SandboxServices
from sandbox.cloudflare import APPLICATION, DNS_RECORD, POLICY
from sandbox.kong import PLUGIN, ROUTE
from wire.cloudflare import AccessApplication
from wire.kong import WORKER_FREQUENCY


class SandboxEdge:
    """The sandbox's account. It has no sessions."""

    def __init__(self, services: SandboxServices, account: str) -> None:
        self._services, self._account = services, account

    def applications(self) -> list[AccessApplication]:
        policies = {record.id: record.outputs for record in self._services.of_type(POLICY)}
        return [
            AccessApplication.from_body({"id": record.id, **_with_policies(record.outputs, policies)})
            for record in self._services.of_type(APPLICATION)
        ]

    def closing_policy(self, name: str) -> str:
        return self._services.make_deny_policy(name, self._account)

    def deny_everyone(self, application: AccessApplication, policy: str) -> None:
        self._services.set_policies(application.id, [{"id": policy, "precedence": 1}])

    def remove_closing_policy(self, name: str) -> None:
        self._services.remove_policy(name)

    def resolves(self, hostname: str) -> bool:
        return any(record.outputs.get("name") == hostname for record in self._services.of_type(DNS_RECORD))

    def revoke_sessions(self, application: str) -> None:
        return


def _with_policies(outputs: dict[str, Any], policies: dict[str, dict[str, Any]]) -> dict[str, Any]:
    """An application as the API shows it, each policy with its own members."""
    shown = []
    for link in outputs.get("policies") or ():
        policy = policies.get(link["id"], {})
        shown.append({**link, "decision": policy.get("decision"), "include": policy.get("includes")})
    return {**outputs, "policies": shown}


class SandboxGateway:
    """The sandbox's Admin API. Nothing serves behind it, so nothing can be proven."""

    def __init__(self, services: SandboxServices) -> None:
        self._services = services

    def routes(self, tag: str) -> dict[str, str]:
        records = self._services.of_type(ROUTE)
        return {record.outputs["name"]: record.id for record in records if tag in (record.outputs.get("tags") or ())}

    def route_id(self, name: str) -> str | None:
        return next((record.id for record in self._services.of_type(ROUTE) if record.outputs["name"] == name), None)

    def put_plugin(self, id_: str, route: str, plugin: dict[str, Any]) -> None:
        self._services.put_plugin(id_, route, plugin)

    def remove_plugin(self, id_: str) -> None:
        self._services.remove_plugin(id_)

    def plugins(self, tag: str) -> list[str]:
        return [record.id for record in self._services.of_type(PLUGIN) if tag in (record.outputs.get("tags") or ())]

    def worker_frequency(self) -> float:
        return WORKER_FREQUENCY

    def data_planes(self) -> None:
        return None
