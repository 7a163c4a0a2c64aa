"""Rules over several environments: a gateway, a host's ports and a host name belong to one of them.

Each environment is valid by itself, and bringing up the second of two that share something fails half way or takes the first
one's place. What neither file shows (whether two hosts of one name are one machine) is decided for the worse case, and the
remedy says how to write it down otherwise.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from model.base import split_url
from model.cross_checks import perimeter_ports
from model.errors import InputError
from model.loader import Document, KeyPath
from model.loopback import is_loopback
from model.stacks import ENVIRONMENT_KEY, EnvironmentStack, manifest_path

_ENVIRONMENT: KeyPath = ("config", ENVIRONMENT_KEY)
#: Whose a thing is: the file and the key where it stands, and what to call it.
Holder = tuple[Document, KeyPath, str]


def shared_problems(environment: EnvironmentStack, siblings: Iterable[EnvironmentStack]) -> list[InputError]:
    """What `environment` shares with its siblings, at the keys of its own files; each line names the other's file."""
    foreign = sorted((item for item in siblings if item.name != environment.name), key=lambda item: item.name)
    problems: list[InputError] = []
    for sibling in foreign:
        problems += _gateways(environment, sibling)
    return [*problems, *_hostnames(environment, foreign), *_ports(environment, foreign)]


def _gateways(environment: EnvironmentStack, sibling: EnvironmentStack) -> Iterator[InputError]:
    """One Kong has a global plugin (correlation-id, prometheus) once, so it is one environment's, or one workspace is."""
    gateway, foreign = environment.settings.gateway, sibling.settings.gateway
    if gateway.workspace != foreign.workspace or _admin(environment) != _admin(sibling):
        return
    local = is_loopback(split_url(gateway.admin_uri).hostname or "")
    distinct_hosts = not set(environment.settings.hosts) & set(sibling.settings.hosts)
    if local and distinct_hosts and {environment.settings.topology, sibling.settings.topology} == {"colocated"}:
        return  # each on the loopback of its own hosts
    key: KeyPath = (*_ENVIRONMENT, "gateway", "admin_uri")
    yield environment.document.error(
        key,
        f"is the gateway of environment {sibling.name} too ({sibling.document.location(key)}), and Kong has a global plugin "
        "once",
        "give each environment a Kong with an Admin API address of its own",
    )


def _admin(environment: EnvironmentStack) -> tuple[str, int | None, str]:
    """The Admin API that an address names, whichever way loopback is spelled."""
    parts = split_url(environment.settings.gateway.admin_uri)
    host = (parts.hostname or "").lower().rstrip(".")
    port = parts.port or (443 if parts.scheme == "https" else 80)
    return "loopback" if is_loopback(host) else host, port, parts.path.rstrip("/")


def _hostnames(environment: EnvironmentStack, siblings: Sequence[EnvironmentStack]) -> Iterator[InputError]:
    owners = {
        hostname: server
        for sibling in siblings
        for server in sibling.perimeters
        for hostname in server.manifest.hostnames
    }
    for server in environment.perimeters:
        for hostname, client in server.manifest.hostnames.items():
            if (owner := owners.get(hostname)) is not None:
                key: KeyPath = ("hostname",) if client is None else ("access", "hosted_clients", client, "hostname")
                place = owner.document.location(manifest_path(owner, "hostname"))
                problem = f"{hostname} is {owner.stack}'s host name ({place})"
                yield server.document.error(manifest_path(server, *key), problem, "choose another")


def _ports(environment: EnvironmentStack, siblings: Sequence[EnvironmentStack]) -> Iterator[InputError]:
    owners: dict[tuple[str, int], Holder] = {}
    for sibling in siblings:
        for machine, holder in _claims(sibling):
            owners.setdefault(machine, holder)
    conflicting: set[str] = set()
    for (host, port), (document, path, name) in _claims(environment):
        follows = path[-1] == "guard_admin_port" and path not in document.lines
        if (owner := owners.get((host, port))) is not None and not (follows and name in conflicting):
            conflicting.add(name)
            yield document.error(
                path,
                f"port {port} on host {host} belongs to {owner[2]} ({owner[0].location(owner[1])})",
                f"choose another; if these are two machines, give one of the two another name than {host}",
            )


def _claims(environment: EnvironmentStack) -> Iterator[tuple[tuple[str, int], Holder]]:
    """Every loopback port that an environment takes on its hosts."""
    settings = environment.settings
    for name, host in settings.hosts.items() if settings.topology != "central" else ():
        path: KeyPath = (*_ENVIRONMENT, "hosts", name, "gateway_port")
        yield (name, host.gateway_port), (environment.document, path, f"the gateway of environment {environment.name}")
    for server in environment.perimeters:
        for key, port, _ in perimeter_ports(server):
            yield (server.manifest.host, port), (server.document, manifest_path(server, *key), server.stack)
