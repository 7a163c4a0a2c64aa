"""The Pulumi program: declares the resources of a stack by its kind (environment, server, model route, zone).

`plan.program` calls `declare` under the engine, the offline plan and the CLI with what they have loaded.
"""

from __future__ import annotations

import pulumi

from model.cross_checks import held_keys
from model.logpush import challenge_key, destination_key
from model.stacks import EnvironmentStack, ModelStack, ServerStack, Stack, ZoneStack


def declare(loaded: Stack) -> None:
    """Declare the resources of a loaded stack. Runs under the engine and under the offline recorder alike."""
    from components.providers import load_sdks

    load_sdks()
    if isinstance(loaded, EnvironmentStack):
        _environment(loaded)
    elif isinstance(loaded, ServerStack):
        _server(loaded)
    elif isinstance(loaded, ModelStack):
        _model(loaded)
    else:
        _zone(loaded)


def _environment(environment: EnvironmentStack) -> None:
    from components.environment import EnvironmentResources, EnvironmentResourcesArgs
    from components.providers import cloudflare_provider, kong_provider

    settings = environment.settings
    providers = [
        cloudflare_provider(settings.cloudflare.api),
        kong_provider(settings.gateway.admin_uri, settings.gateway.workspace),
    ]
    secrets, held = pulumi.Config("ringwall"), held_keys(environment)
    destinations: dict[str, pulumi.Input[str]] = {
        dataset: secrets.require_secret(_own_name(destination_key(dataset))) for dataset in settings.logpush
    }
    challenges: dict[str, pulumi.Input[str]] = {
        dataset: secrets.require_secret(_own_name(challenge_key(dataset)))
        for dataset in settings.logpush
        if challenge_key(dataset) in held
    }
    component = EnvironmentResources(
        environment.name,
        EnvironmentResourcesArgs(environment, destinations, challenges),
        pulumi.ResourceOptions(providers=providers),
    )
    pulumi.export("contract", component.contract)
    pulumi.export("agent_expires_at", component.agent_expires_at)
    pulumi.export("agent_credentials", component.agent_credentials)
    if component.portal_url is not None:
        pulumi.export("portal_url", component.portal_url)


def _own_name(key: str) -> str:
    """A key of this program's configuration without the namespace."""
    return key.removeprefix("ringwall:")


def _server(server: ServerStack) -> None:
    from components.contract import read_contract
    from components.providers import cloudflare_provider, kong_provider
    from components.server_perimeter import Perimeter, PerimeterArgs

    settings = server.settings
    contract = read_contract(server.environment)
    providers = [
        cloudflare_provider(contract.after(settings.cloudflare.api)),
        kong_provider(contract.after(settings.gateway.admin_uri), settings.gateway.workspace),
    ]
    local = settings.hosts[server.manifest.host].tunnel == "local"
    secret = pulumi.Config("ringwall").require_secret("tunnelSecret") if local else None
    component = Perimeter(
        server.name,
        PerimeterArgs(server, contract, secret),
        pulumi.ResourceOptions(providers=providers),
    )
    for key, value in component.exports.items():
        pulumi.export(key, value)


def _model(stack: ModelStack) -> None:
    from components.contract import read_contract
    from components.model_perimeter import ModelPerimeter, ModelPerimeterArgs
    from components.providers import cloudflare_provider, kong_provider

    settings = stack.settings
    contract = read_contract(stack.environment)
    providers = [
        cloudflare_provider(contract.after(settings.cloudflare.api)),
        kong_provider(contract.after(settings.gateway.admin_uri), settings.gateway.workspace),
    ]
    secrets = pulumi.Config("ringwall")
    local = settings.hosts[stack.manifest.host].tunnel == "local"
    component = ModelPerimeter(
        stack.name,
        ModelPerimeterArgs(
            stack,
            contract,
            secrets.require_secret("guardKey") if stack.manifest.guard is not None else None,
            secrets.require_secret("tunnelSecret") if local else None,
        ),
        pulumi.ResourceOptions(providers=providers),
    )
    for key, value in component.exports.items():
        pulumi.export(key, value)


def _zone(zone: ZoneStack) -> None:
    from components.edge.zone import ZoneFirewall, ZoneFirewallArgs
    from components.providers import cloudflare_provider

    ZoneFirewall(
        zone.name,
        ZoneFirewallArgs(zone=zone.name, manifest=zone.manifest),
        pulumi.ResourceOptions(providers=[cloudflare_provider(zone.manifest.cloudflare.api)]),
    )
