"""The preparation of a verification: the server as files and backend describe it, identities, tokens and ports.

No request is sent to the server here.
"""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from components.edge.offered import offered_tools
from components.edge.registration import registration
from components.guard.settings import OUTPUT, build_guard_config
from engine.state import outputs
from engine.workspace import Target
from model.base import split_url, validate
from model.clients import client_name, redirect_uris
from model.environment import KONG_STATUS_PORT
from model.errors import EngineFailed, EngineMissing, InputError
from model.files import read_bytes
from model.guard_config import GuardConfig
from model.json import parse_json
from model.loader import Document
from model.logpush import job_name, pushed_fields
from model.loopback import is_loopback
from model.portal_checks import portal_server_id
from model.project import Project
from model.stacks import EnvironmentStack, ServerStack
from operations.clients.snippets import (
    CLIENT_ID_HEADER,
    CLIENT_ID_VARIABLE,
    CLIENT_SECRET_HEADER,
    CLIENT_SECRET_VARIABLE,
)
from operations.verify.subject import (
    CallerIdentity,
    ExpectedClient,
    InnerRing,
    Listening,
    OfferingPortal,
    PlantedCall,
    PublicHostname,
    PushedLogs,
    VerifySubject,
)
from operations.verify.tokens import claims_of

#: The default port of Kong Manager, which listens on every address unless it is configured otherwise.
_MANAGER_PORT = 8002


def subject_of(environment: EnvironmentStack, server: ServerStack, deployed: GuardConfig | None) -> VerifySubject:
    """Describe the server as its files do, with audiences, client ids and issuer as deployed where that is known."""
    manifest = server.manifest
    names = manifest.hostnames
    unknown = "0" * 64
    promised = build_guard_config(
        server,
        dict.fromkeys(names, unknown),
        {agent: f"{agent}.not-known-here" for agent in manifest.access.agents},
    )
    access = (deployed or promised).identity.access
    audiences = {door.hostname: door.audience for door in access.front_doors} if deployed and access is not None else {}
    external = manifest.oauth.mode == "external"
    issuer = environment.settings.issuers.get(manifest.oauth.issuer or "") if external else None
    canonical_url = f"https://{manifest.hostname}{manifest.path}"
    return VerifySubject(
        stack=server.stack,
        doors=tuple(
            PublicHostname(
                name,
                audiences.get(name),
                _clients_at(environment, server, hosted),
                registration(environment.settings, manifest, hosted) if manifest.oauth.mode == "access" else None,
                hosted=hosted is not None,
            )
            for name, hosted in names.items()
        ),
        path=manifest.path,
        mode=manifest.oauth.mode,
        issuer=access.issuer if access is not None else environment.settings.cloudflare.issuer,
        jwks_uri=access.jwks_uri if access is not None else environment.settings.cloudflare.jwks_uri,
        resource=manifest.oauth.audience or canonical_url,
        lock=server.lock,
        grants=promised.grants,
        agents=dict(deployed.identity.agents) if deployed else {},
        external_issuer=issuer.issuer if issuer else None,
        external_jwks_uri=issuer.jwks_uri if issuer else None,
        scopes=tuple(manifest.oauth.scopes) if issuer else (),
        siblings=tuple(
            sibling.manifest.hostname for name, sibling in sorted(environment.servers.items()) if name != server.name
        ),
        ports=tuple(_ports(environment, server)),
        rings=tuple(_rings(environment, server)),
        portal=_portal(environment, server),
        logs=_logs(environment),
    )


def _logs(environment: EnvironmentStack) -> PushedLogs | None:
    settings = environment.settings
    jobs: dict[str, tuple[str, tuple[str, ...]]] = {
        name: (job_name(environment.name, name), pushed_fields(name, log)) for name, log in settings.logpush.items()
    }
    return PushedLogs(environment.name, settings.cloudflare, jobs) if jobs else None


def _portal(environment: EnvironmentStack, server: ServerStack) -> OfferingPortal | None:
    portal = environment.settings.portal
    if portal is None or not portal.publishes(server.name):
        return None
    offered = offered_tools(server, portal)
    return OfferingPortal(
        PublicHostname(portal.hostname, path=urlsplit(portal.url).path),
        f"{portal_server_id(server, environment.settings)}_",
        frozenset(name for name, on in offered.items() if on),
        portal.agents,
    )


def _clients_at(
    environment: EnvironmentStack, server: ServerStack, hosted: str | None
) -> tuple[ExpectedClient, ...] | None:
    """The clients that the stack files let register at a public name; None where they name none."""
    if hosted is not None:
        return (ExpectedClient(hosted, environment.settings.hosted_clients[hosted].redirect_uris),)
    clients = server.manifest.access.clients
    return None if clients is None else tuple(ExpectedClient(client_name(c), redirect_uris(c)) for c in clients)


def _rings(environment: EnvironmentStack, server: ServerStack) -> list[InnerRing]:
    """The rings on the server's own host.

    A central gateway is on another host, and a guard behind it accepts only the gateway's client certificate, so neither is
    probed.
    """
    host = environment.settings.hosts[server.manifest.host]
    rings = []
    if environment.settings.topology != "central":
        rings.append(InnerRing("gateway", host.gateway_port, "run `ringwall drift`, then `ringwall keys sync`"))
    if host.guard_address is None:
        rings.append(
            InnerRing(
                "guard", server.manifest.guard_port, f"sign `ringwall guard bundle {server.stack} --key FILE` again"
            )
        )
    return rings


def _ports(environment: EnvironmentStack, server: ServerStack) -> list[Listening]:
    settings, manifest = environment.settings, server.manifest
    host = settings.hosts[manifest.host]
    loopback = "bind it to 127.0.0.1 and start it again; `ringwall drift` shows what else differs"
    ports = []
    if manifest.origin.port is not None:
        ports.append(Listening("origin", manifest.origin.port, f"the MCP server: {loopback}"))
    if host.guard_address is None:
        ports.append(Listening("guard", manifest.guard_port, f"the guard: {loopback}"))
    ports.append(Listening("guard-admin", manifest.admin_port, f"the guard's /readyz and /metrics: {loopback}"))
    ports.append(Listening("gateway", host.gateway_port, f"Kong's proxy_listen: {loopback}"))
    admin = split_url(settings.gateway.admin_uri)
    if is_loopback(admin.hostname or ""):
        ports.append(Listening("gateway-admin", admin.port or 8001, f"Kong's admin_listen: {loopback}"))
    ports.append(Listening("gateway-status", KONG_STATUS_PORT, f"Kong's status_listen: {loopback}"))
    ports.append(
        Listening("gateway-manager", _MANAGER_PORT, "Kong's admin_gui_listen: turn it off, as the host bundle has it")
    )
    return ports


def callers(
    subject: VerifySubject, bearer: str | None, principal: str | None
) -> tuple[CallerIdentity | None, CallerIdentity | None]:
    """The identity to verify with, and a second one where two were given. Secrets come from environment variables only."""
    if principal is not None and not principal.startswith("agent:") and "@" not in principal:
        raise InputError(f"{principal} names no principal", key="--as", remedy="write agent:NAME or an e-mail address")
    client_id, secret = os.environ.get(CLIENT_ID_VARIABLE), os.environ.get(CLIENT_SECRET_VARIABLE)
    if bool(client_id) != bool(secret):
        raise InputError(
            f"one of {CLIENT_ID_VARIABLE} and {CLIENT_SECRET_VARIABLE} is not set", remedy="set both, or neither"
        )
    agent = person = None
    if client_id and secret:
        name = subject.agents.get(client_id)
        agent_principal = f"agent:{name}" if name else None
        agent = CallerIdentity(
            f"{agent_principal or 'a service token'}",
            access=((CLIENT_ID_HEADER.lower(), client_id), (CLIENT_SECRET_HEADER.lower(), secret)),
            principal=agent_principal,
        )
    if bearer is not None:
        token = os.environ.get(bearer)
        if not token:
            raise InputError(f"the variable {bearer} is not set", key="--bearer-token-env", remedy="set it")
        email = (claims_of(token) or {}).get("email")
        person = CallerIdentity(
            "a bearer token",
            bearer=(("authorization", f"Bearer {token}"),),
            principal=email if isinstance(email, str) else None,
        )
    if agent and person and subject.mode == "external":
        # Both belong to one caller: the service token gets it past Access, the bearer token says who it is.
        agent, person = CallerIdentity(person.label, agent.access, person.bearer, person.principal), None
    caller, second_caller = (agent, person) if agent else (person, None)
    if caller is not None and principal is not None:
        caller = CallerIdentity(caller.label, caller.access, caller.bearer, principal)
    return caller, second_caller


def deployed_config(project: Project, stack: str, file: Path | None, target: Target) -> GuardConfig | None:
    """Read the deployed guard configuration; None, with a note to the user, where the backend has none or cannot be read."""
    source, text = Path(stack), ""
    if file is not None:
        source = file
        try:
            text = read_bytes(file, streams=True).decode()
        except OSError as error:
            raise InputError(f"cannot be read ({error.strerror})", file=file, remedy="name another file") from None
        except UnicodeDecodeError as error:
            raise InputError(f"is not UTF-8 (byte {error.start})", file=file, remedy="name another file") from None
    else:
        try:
            text = str(outputs(project, stack, target=target).get(OUTPUT, ""))
        except (EngineFailed, EngineMissing) as error:
            reason = str(error).splitlines()[0]
            target.progress.note(
                f"note: the deployed configuration cannot be read ({reason}); verifying against the files"
            )
            return None
    try:
        value: Any = parse_json(text)
    except ValueError as error:
        if file is None:
            target.progress.note("note: the stack exports no guard configuration; verifying against the files")
            return None
        raise InputError(
            f"is no rendered guard configuration: {error}",
            file=file,
            remedy=f"render it with `ringwall outputs {stack} {OUTPUT}`",
        ) from None
    config = validate(GuardConfig, value, Document(source, value, {}), ())
    if f"{config.server.environment}.{config.server.name}" != stack:
        raise InputError(f"is not the configuration of {stack}", file=source, remedy="name that server's")
    return config


def token_in(file: Path | None, option: str) -> str | None:
    if file is None:
        return None
    try:
        token = read_bytes(file, streams=True).decode("ascii").strip()
    except (OSError, ValueError):
        raise InputError(
            "cannot be read as a token", file=file, key=option, remedy="name a file that holds one"
        ) from None
    if not token or len(token.split()) != 1:
        raise InputError("holds no single token", file=file, key=option, remedy="write the token alone into it")
    return token


def planted_call(text: str | None) -> PlantedCall | None:
    if text is None:
        return None
    tool, _, arguments_text = text.partition("=")
    try:
        arguments = json.loads(arguments_text or "{}")
    except ValueError:
        arguments = None
    if not tool or not isinstance(arguments, dict):
        raise InputError("is not TOOL=JSON", key="--planted", remedy="write it such as 'get_ticket={\"ticket_id\": 7}'")
    return PlantedCall(tool, arguments)
