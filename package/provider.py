"""Ringwall's components for other Pulumi programs, in any language (Pulumi's component packages).

The host infers the package's schema from the classes below: their class annotations are the outputs, the TypedDicts the
inputs. It reads annotations as they stand, so this module must not postpone them (no `from __future__`), and arguments
are TypedDicts because a hosted constructor is handed a dictionary whatever it declares (pulumi/pulumi#18526).

A hosted component refuses what `ringwall up` refuses: it reads the same files with the same loader and plans them first.
"""

import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NotRequired, TypedDict

import pulumi
from pulumi.errors import InputPropertiesError
from pulumi.provider import main as serve
from pulumi.provider.experimental.component import ComponentProvider
from pulumi.provider.experimental.util import camel_case
from pulumi.provider.provider import ConstructResult
from pulumi.provider.server import ComponentInitError

from model.errors import InputError, RingwallError
from model.project import Project, load_environment, open_project
from model.stacks import EnvironmentStack

NAME = "ringwall"
_FULL_STACK_NAME = re.compile(r"[\w.-]+/[\w.-]+/[\w.-]+")


class EnvironmentArgs(TypedDict):
    """The inputs of `Environment`: the project's folder and the environment's name."""

    project: str
    """Absolute path of the folder that holds Pulumi.yaml and, as it says, the stack files."""
    environment: str
    """Name of the environment: its file is Pulumi.ENVIRONMENT.yaml."""


class ServerPerimeterArgs(TypedDict):
    """The inputs of `ServerPerimeter`: the server, and the stack its environment is deployed as."""

    project: str
    """Absolute path of the folder that holds Pulumi.yaml and, as it says, the stack files."""
    environment: str
    """Name of the environment: its file is Pulumi.ENVIRONMENT.yaml."""
    server: str
    """Name of the server: its file is Pulumi.ENVIRONMENT.SERVER.yaml."""
    environment_stack: NotRequired[str]
    """Stack that exports the environment's contract, as organization/project/stack; default: the one `ringwall up` made."""
    tunnel_secret: NotRequired[pulumi.Input[str]]
    """Locally managed tunnels only: base64 of at least 32 bytes. Always treated as a secret."""


class ServerPerimeter(pulumi.ComponentResource):
    """One MCP server behind four rings: edge, gateway, guard and origin, and last of all its public name."""

    hostname: pulumi.Output[str]
    """The first public host name."""
    urls: pulumi.Output[list[str]]
    """Where clients connect."""
    tunnel_id: pulumi.Output[str]
    """The Cloudflare tunnel."""
    audiences: pulumi.Output[dict[str, str]]
    """Each public host name to the audience tag of its Access application."""
    guard_config: pulumi.Output[str]
    """The guard's configuration, JSON text without secrets."""
    guard_config_sha256: pulumi.Output[str]
    """What the guard reports as applied."""
    host_bundle: pulumi.Output[str]
    """What the origin host runs, JSON text; secrets by reference."""

    def __init__(self, name: str, args: ServerPerimeterArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        from components.contract import read_contract
        from components.server_perimeter import Perimeter as Perimeter
        from components.server_perimeter import PerimeterArgs as PerimeterArgs
        from plan.preflight import refuse_unsafe

        project, environment = _read(args)
        server = environment.servers.get(args["server"])
        if server is None:
            raise project.unknown(f"{environment.name}.{args['server']}")
        secret = args.get("tunnel_secret")
        local = environment.settings.hosts[server.manifest.host].tunnel == "local"
        if local != (secret is not None):
            raise InputError(
                f"host {server.manifest.host} has a {'locally' if local else 'remotely'} managed tunnel",
                key="tunnelSecret",
                remedy="hand in its secret" if local else "leave it out",
            )
        stack = args.get("environment_stack")
        if stack is None:
            stack = f"{pulumi.get_organization()}/{project.name}/{environment.stack}"
        elif not _FULL_STACK_NAME.fullmatch(stack):
            raise InputError(
                f"{stack} is no full stack name", key="environmentStack", remedy="write organization/project/stack"
            )
        refuse_unsafe(project, server, organization=pulumi.get_organization())

        # The folder is not among the recorded inputs: another machine's checkout is no change.
        super().__init__(
            f"{NAME}:index:ServerPerimeter",
            name,
            {"environment": environment.name, "server": server.name, "environmentStack": stack},
            opts,
        )
        child = pulumi.ResourceOptions(parent=self)
        # Not named after the stack: two perimeters of one program refer to the same environment.
        contract = read_contract(environment, pulumi.StackReference(f"{name}-environment", stack, child))
        settings = environment.settings
        perimeter = Perimeter(
            name,
            PerimeterArgs(server, contract, None if secret is None else pulumi.Output.secret(secret)),
            pulumi.ResourceOptions(
                parent=self,
                providers=_providers(
                    name,
                    opts,
                    child,
                    cloudflare_api=contract.after(settings.cloudflare.api),
                    kong_admin=contract.after(settings.gateway.admin_uri),
                    workspace=settings.gateway.workspace,
                ),
            ),
        )
        known: dict[str, Any] = dict(perimeter.outputs)
        self.hostname = pulumi.Output.from_input(known["hostname"])
        self.urls = pulumi.Output.from_input(known["urls"])
        self.tunnel_id = known["tunnel_id"]
        self.audiences = pulumi.Output.from_input(known["audiences"])
        self.guard_config = known["guard_config"]
        self.guard_config_sha256 = known["guard_config_sha256"]
        self.host_bundle = known["host_bundle"]
        self.register_outputs(
            {
                "hostname": self.hostname,
                "urls": self.urls,
                "tunnelId": self.tunnel_id,
                "audiences": self.audiences,
                "guardConfig": self.guard_config,
                "guardConfigSha256": self.guard_config_sha256,
                "hostBundle": self.host_bundle,
            }
        )


class Environment(pulumi.ComponentResource):
    """What exists once per environment: agents, groups, posture rules, reusable policies, issuers, global plugins."""

    contract: pulumi.Output[dict[str, Any]]
    """Export it as `contract`: servers read it from there. No secret is in it."""
    agent_expires_at: pulumi.Output[dict[str, str]]
    """When each agent's token ends (RFC 3339)."""
    agent_credentials: pulumi.Output[dict[str, dict[str, str]]]
    """client_id and client_secret of each agent's service token. A secret."""

    def __init__(self, name: str, args: EnvironmentArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        from components.environment import EnvironmentResources as Inner
        from components.environment import EnvironmentResourcesArgs as InnerArgs
        from plan.preflight import refuse_unsafe

        project, environment = _read(args)
        if environment.settings.logpush:
            raise InputError(
                "has its destinations in a stack's encrypted configuration, which this component does not read",
                key="logpush",
                remedy="leave it out, and declare a LogpushJob in your program",
            )
        refuse_unsafe(project, environment, organization=pulumi.get_organization())
        super().__init__(f"{NAME}:index:Environment", name, {"environment": environment.name}, opts)
        settings = environment.settings
        inner = Inner(
            name,
            InnerArgs(environment),
            pulumi.ResourceOptions(
                parent=self,
                providers=_providers(
                    name,
                    opts,
                    pulumi.ResourceOptions(parent=self),
                    cloudflare_api=settings.cloudflare.api,
                    kong_admin=settings.gateway.admin_uri,
                    workspace=settings.gateway.workspace,
                ),
            ),
        )
        self.contract = pulumi.Output.from_input(inner.contract)
        self.agent_expires_at = pulumi.Output.from_input(inner.agent_expires_at)
        self.agent_credentials = inner.agent_credentials
        self.register_outputs(
            {
                "contract": self.contract,
                "agentExpiresAt": self.agent_expires_at,
                "agentCredentials": self.agent_credentials,
            }
        )


def _read(args: EnvironmentArgs | ServerPerimeterArgs) -> tuple[Project, EnvironmentStack]:
    """The named environment with all its servers, checked; raises `model.errors.InputError`."""
    for key, value in args.items():
        # Plain inputs: which files are read must be known before anything is deployed.
        if key != "tunnel_secret" and not isinstance(value, str):
            raise InputError(
                "must be plain text, not an output of another resource", key=camel_case(key), remedy="write it out"
            )
    root = Path(args["project"])
    if not root.is_absolute():
        # The host's current folder is the engine's choice, not the program's.
        raise InputError(f"{root} is a relative path", key="project", remedy="hand in an absolute one")
    project = open_project(root)
    return project, load_environment(project, args["environment"])


def _providers(
    name: str,
    opts: pulumi.ResourceOptions | None,
    child: pulumi.ResourceOptions,
    *,
    cloudflare_api: pulumi.Input[str],
    kong_admin: pulumi.Input[str],
    workspace: str | None,
) -> list[pulumi.ProviderResource]:
    """Explicit providers, as `components.providers` makes them, for each package for which the caller handed in none."""
    from components.providers import cloudflare_provider, kong_provider

    handed = opts.providers if opts is not None and opts.providers is not None else {}
    packages = set(handed) if isinstance(handed, Mapping) else {provider.package for provider in handed}
    providers: list[pulumi.ProviderResource] = []
    if "cloudflare" not in packages:
        providers.append(cloudflare_provider(cloudflare_api, f"{name}-cloudflare", child))
    if "kong" not in packages:
        providers.append(kong_provider(kong_admin, workspace, f"{name}-kong", child))
    return providers


class ComponentHost(ComponentProvider):
    """The component provider, with a refusal as one line where the SDK's own host answers with a Python trace."""

    def construct(
        self,
        name: str,
        resource_type: str,
        inputs: Mapping[str, Any],
        options: pulumi.ResourceOptions | None = None,
    ) -> ConstructResult:
        try:
            return super().construct(name, resource_type, inputs, options)
        except ComponentInitError as error:
            if isinstance(error.inner, RingwallError):
                # The SDK's own answer fails without a list of properties.
                raise InputPropertiesError(str(error.inner), []) from None
            raise


def main() -> None:
    """Serve the package until the engine ends this process; the engine's address is the first argument."""
    from importlib.metadata import version

    from components.providers import load_sdks

    # Before the first call: how the SDK hands providers in depends on whether theirs is imported.
    load_sdks()
    serve(ComponentHost([ServerPerimeter, Environment], NAME, version=version("ringwall")), sys.argv[1:])
