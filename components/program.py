"""The Pulumi program: picks by kind of stack, refuses before any resource, then declares.

`stacks/__main__.py` calls `main`; the offline plan and the CLI call `declare` with what they have loaded.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pulumi

from model.cross_checks import missing_tunnel_secret
from model.errors import InputError, RingwallError
from model.project import Project, config_of, load_environment, load_zone, open_project
from model.stacks import ENVIRONMENT_KEY, SERVER_KEY, ZONE_KEY, ZONE_PREFIX, EnvironmentStack, ServerStack, ZoneStack

Loaded = EnvironmentStack | ZoneStack | tuple[EnvironmentStack, ServerStack]


def main() -> None:
    """Entry of the plain `pulumi` CLI."""
    run_or_refuse(open_project(Path(pulumi.get_root_directory())), pulumi.get_stack())


def run_or_refuse(project: Project, stack: str) -> None:
    """Run under the engine. Everything `up` must refuse is refused here, before the first resource, in one line without a
    trace; then the stack is declared."""
    from plan.preflight import refuse_unsafe

    try:
        loaded = load(project, stack)
        refuse_other_reading(loaded)
        refuse_missing_secret(loaded)
        refuse_unsafe(project, loaded, organization=pulumi.get_organization())
    except RingwallError as error:
        raise pulumi.RunError(str(error)) from None
    if isinstance(loaded, tuple):
        from components.contract import refuse_undeployed

        refuse_undeployed(loaded[0])
    declare(loaded)


def load(project: Project, stack: str) -> Loaded:
    """Read a stack with all it belongs to; raises `model.errors.InputError`."""
    if stack.startswith(ZONE_PREFIX):
        return load_zone(project, stack.removeprefix(ZONE_PREFIX))
    name, _, server = stack.partition(".")
    environment = load_environment(project, name)
    if not server:
        return environment
    if server not in environment.servers:
        raise InputError(f"there is no server {server} in environment {name}", remedy="run `ringwall list`")
    return environment, environment.servers[server]


def refuse_missing_secret(loaded: Loaded) -> None:
    """A server's own stack file must hold what its tunnel needs; raises InputError."""
    if isinstance(loaded, tuple) and (problem := missing_tunnel_secret(loaded[1], loaded[0].settings)):
        raise problem


def refuse_other_reading(loaded: Loaded) -> None:
    """The engine hands the manifest over as configuration; it must equal what the one loader reads from the file."""
    document, key = _own(loaded)
    given = pulumi.Config("ringwall").get_object(key.split(":", 1)[1])
    if given != config_of(document).get(key):
        raise document.error(
            ("config", key),
            "Pulumi's configuration differs from this file",
            "put every setting in the file: --config and --config-file cannot override a manifest",
        )


def _own(loaded: Loaded) -> tuple[Any, str]:
    if isinstance(loaded, EnvironmentStack):
        return loaded.document, ENVIRONMENT_KEY
    if isinstance(loaded, ZoneStack):
        return loaded.document, ZONE_KEY
    return loaded[1].document, SERVER_KEY


def declare(loaded: Loaded) -> None:
    """Declare the resources of a loaded stack. Runs under the engine and under the offline recorder alike."""
    from components.providers import load_sdks

    load_sdks()
    if isinstance(loaded, EnvironmentStack):
        _environment(loaded)
    elif isinstance(loaded, ZoneStack):
        _zone(loaded)
    else:
        _server(*loaded)


def _environment(environment: EnvironmentStack) -> None:
    from components.environment import Environment, EnvironmentArgs
    from components.providers import cloudflare_provider, kong_provider

    settings = environment.settings
    providers = [
        cloudflare_provider(settings.cloudflare.api),
        kong_provider(settings.gateway.admin_uri, settings.gateway.workspace),
    ]
    component = Environment(environment.name, EnvironmentArgs(environment), pulumi.ResourceOptions(providers=providers))
    pulumi.export("contract", component.contract)
    pulumi.export("agent_expires_at", component.agent_expires_at)
    pulumi.export("agent_credentials", component.agent_credentials)


def _server(environment: EnvironmentStack, server: ServerStack) -> None:
    from components.contract import read_contract
    from components.providers import cloudflare_provider, kong_provider
    from components.server_perimeter import ServerPerimeter, ServerPerimeterArgs

    settings = environment.settings
    contract = read_contract(environment)
    providers = [
        cloudflare_provider(contract.after(settings.cloudflare.api)),
        kong_provider(contract.after(settings.gateway.admin_uri), settings.gateway.workspace),
    ]
    local = settings.hosts[server.manifest.host].tunnel == "local"
    secret = pulumi.Config("ringwall").require_secret("tunnelSecret") if local else None
    component = ServerPerimeter(
        server.name,
        ServerPerimeterArgs(environment, server, contract, secret),
        pulumi.ResourceOptions(providers=providers),
    )
    for key, value in component.outputs.items():
        pulumi.export(key, value)


def _zone(zone: ZoneStack) -> None:
    from components.edge.zone import ZoneFirewall, ZoneFirewallArgs
    from components.providers import cloudflare_provider

    ZoneFirewall(
        zone.name,
        ZoneFirewallArgs(zone=zone.name, manifest=zone.manifest),
        pulumi.ResourceOptions(providers=[cloudflare_provider(zone.manifest.cloudflare.api)]),
    )
