"""What `lockdown` reads and changes at Cloudflare and Kong, done in the store of the stand-in services.

The protocols that `lockdown` calls are in `sandbox.closing_services`.
"""

from __future__ import annotations

import json
from typing import Any

from sandbox import cloudflare, kong
from sandbox.behaviour import Package
from sandbox.service import Service
from sandbox.state import Record, Store, World

_PACKAGES = [cloudflare.PACKAGE, kong.PACKAGE]


class SandboxServices:
    """Applications, policies, routes and plugins as the services hold them, changed without the engine."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def of_type(self, type_: str) -> list[Record]:
        """What the services hold of one type."""
        with self._store.transaction() as world:
            return list(world.records_of(type_))

    def set_policies(self, application: str, policies: list[dict[str, Any]]) -> None:
        """Replace the policies of an application."""
        with self._store.transaction() as world:
            record = world.find(cloudflare.APPLICATION, application)
            if record is not None:
                record.outputs = {**record.outputs, "policies": policies}

    def make_deny_policy(self, name: str, account: str) -> str:
        """Id of the policy of that name, which is created if there is none."""
        with self._store.transaction() as world:
            for record in world.records_of(cloudflare.POLICY):
                if record.outputs.get("name") == name:
                    return record.id
            inputs = {"accountId": account, "name": name, "decision": "deny", "includes": [{"everyone": {}}]}
            return _create(world, cloudflare.PACKAGE, cloudflare.POLICY, name, inputs)

    def remove_policy(self, name: str) -> None:
        """Delete the policies of that name that no application uses."""
        with self._store.transaction() as world:
            used = {
                policy["id"]
                for app in world.records_of(cloudflare.APPLICATION)
                for policy in app.outputs.get("policies") or ()
            }
            world.records = [
                record
                for record in world.records
                if record.type != cloudflare.POLICY or record.outputs.get("name") != name or record.id in used
            ]

    def put_plugin(self, id_: str, route: str, plugin: dict[str, Any]) -> None:
        """Create or replace the plugin of a route under that id."""
        with self._store.transaction() as world:
            stale = world.find(kong.PLUGIN, id_)
            if stale is not None:
                world.records.remove(stale)
            inputs = {
                "name": plugin["name"],
                "routeId": route,
                "configJson": json.dumps(plugin["config"]),
                "enabled": plugin["enabled"],
                "tags": plugin["tags"],
            }
            plugin_id = _create(world, kong.PACKAGE, kong.PLUGIN, id_, inputs)
            record = world.find(kong.PLUGIN, plugin_id)
            if record is not None:
                record.id = id_

    def remove_plugin(self, id_: str) -> None:
        """Delete a plugin; one that is gone already is fine."""
        with self._store.transaction() as world:
            world.records = [record for record in world.records if (record.type, record.id) != (kong.PLUGIN, id_)]


def _create(world: World, package: Package, type_: str, name: str, inputs: dict[str, Any]) -> str:
    id_, _ = Service(package, _PACKAGES).create(world, type_, name, inputs)
    return id_
