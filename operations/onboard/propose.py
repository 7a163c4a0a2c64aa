"""The proposal for a new server: its first stack file and tool lock, validated before a person is asked to accept them.

Nothing is written here; `operations.project.write` does that after a person agreed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from model.environment import Environment
from model.errors import InputError
from model.known_clients import KNOWN_CLIENTS
from model.project import Project
from model.server import Origin
from model.stacks import EnvironmentStack, ServerStack
from model.tool_lock import ToolLock, to_yaml
from operations.onboard.conflicts import free_guard_port, refuse_taken, siblings_of
from operations.onboard.offer import default_grants, lock_of, pinned_offer
from operations.onboard.parameters import page_command
from operations.onboard.risk import Concern, examine
from operations.onboard.stability import Acquaintance
from operations.project.server_files import foreign_tools
from operations.project.staging import load_staged
from operations.project.templates import ServerAnswers, server_file
from operations.project.write import FileChange
from wire.mcp import ServerOffer

#: What people are most often at a desk with; each can be taken out of the file, and `--client` names others.
USUAL_CLIENTS = ("claude-code", "cursor", "vscode")


@dataclass(frozen=True)
class Proposal:
    """A server's first stack file and lock, already checked together with its environment."""

    stack: ServerStack
    settings: Environment
    acquaintance: Acquaintance
    lock: ToolLock
    granted: tuple[str, ...]
    withheld: dict[str, str]
    concerns: tuple[Concern, ...]
    changes: tuple[FileChange, ...]

    @property
    def offer(self) -> ServerOffer:
        return self.acquaintance.offer

    @property
    def url(self) -> str:
        return f"https://{self.stack.manifest.hostname}{self.stack.manifest.path}"


def refuse_existing(project: Project, stack: str) -> None:
    """Refuse a stack whose tool lock exists without a stack file: somebody approved that lock, so it is not overwritten."""
    lock_file = project.lock_file(stack)
    if lock_file.exists():
        raise InputError(
            "there is a tool lock and no stack file for it",
            file=lock_file,
            remedy="restore the stack file, or remove the lock",
        )


def default_host(settings: Environment) -> str | None:
    """Return the environment's only host, None where there are several."""
    return next(iter(settings.hosts)) if len(settings.hosts) == 1 else None


def default_hostname(environment: EnvironmentStack, server: str) -> str:
    """Return a name one label below the zone, as Cloudflare's Universal SSL certificate covers no deeper name
    (Cloudflare docs, "Universal SSL: limitations"). Outside production the environment's name is put in front of it."""
    label = server if environment.settings.production else f"{environment.name}-{server}"
    return f"{label}.{environment.settings.cloudflare.zone}"


def propose(
    project: Project,
    environment: EnvironmentStack,
    server: str,
    acquaintance: Acquaintance,
    *,
    origin: dict[str, Any],
    access: dict[str, Any],
    host: str,
    hostname: str | None,
    guard_port: int | None,
    review: Callable[[ToolLock], ToolLock],
) -> Proposal:
    """Prepare both files of a new server. `review` lets a person accept findings of the guard in the lock.

    Without `hostname` and `guard_port` the server gets its default name and the first port that nothing uses.

    Raises:
        InputErrors: another server has its name or one of its ports, or the environment would refuse the files; nothing is
            written.
    """
    siblings, checked = siblings_of(project, environment), Origin.model_validate(origin)
    hostname = hostname or default_hostname(environment, server)
    guard_port = free_guard_port(environment, siblings, checked) if guard_port is None else guard_port
    refuse_taken(environment, siblings, host=host, hostname=hostname, guard_port=guard_port, origin=checked)
    offer = acquaintance.offer
    lock = review(lock_of(offer))
    stack = f"{environment.name}.{server}"
    concerns = examine(pinned_offer(offer, lock), foreign_tools(project, stack))
    granted, withheld = default_grants(lock, concerns, acquaintance.unstable_tools)
    provider = (
        environment.document.value.get("secretsprovider") if isinstance(environment.document.value, dict) else None
    )
    text = server_file(
        ServerAnswers(
            environment=environment.name,
            name=server,
            host=host,
            hostname=hostname,
            guard_port=guard_port,
            origin=origin,
            access=access,
            tools=granted,
            left_out=_left_out(lock, withheld, concerns),
            page_command=page_command(lock, stack),
            secrets_provider=provider if isinstance(provider, str) else None,
        )
    )
    files = {project.stack_file(stack): text, project.lock_file(stack): to_yaml(lock)}
    staged = load_staged(project, environment.name, files, newcomer=server)
    changes = tuple(FileChange.new(path, content) for path, content in files.items())
    return Proposal(staged.servers[server], staged.settings, acquaintance, lock, granted, withheld, concerns, changes)


def _left_out(lock: ToolLock, withheld: dict[str, str], concerns: tuple[Concern, ...]) -> dict[str, str]:
    """Why each tool that is not granted is not: in full where its risk alone does not say it."""
    warned = {concern.name: concern.problem for concern in concerns if concern.part == "tool"}
    reasons: dict[str, str] = {}
    for tool in lock.tools:
        if tool.name in withheld:
            detail = "; ".join(tool.reasons) if tool.risk == "unknown" else ""
            detail = detail or (warned.get(tool.name, "") if tool.risk == "read" else "")
            reasons[tool.name] = withheld[tool.name] + (f" ({detail})" if detail else "")
    for item in lock.left_out:
        reasons[f"{item.kind} {item.key}".strip()] = f"cannot be used ({item.reason})"
    return reasons


def access_value(people: list[str], domains: list[str], groups: list[str], agents: list[str]) -> dict[str, Any]:
    """Build the manifest's `access` value; empty when nobody is named."""
    named = {"emails": people, "domains": domains, "groups": groups}
    admitted = {key: list(dict.fromkeys(values)) for key, values in named.items() if values}
    value: dict[str, Any] = {"people": admitted} if admitted else {}
    return {**value, "agents": list(dict.fromkeys(agents))} if agents else value


def with_clients(
    access: dict[str, Any], clients: Sequence[str], linked: Sequence[str], *, inherits: bool
) -> dict[str, Any]:
    """`access` with the clients that may register: those that were named, else the environment's (`inherits`), else the
    usual ones where people may come.

    Raises:
        InputError: a client is not known by name.
    """
    for flag, names in (("--client", clients), ("--link", linked)):
        for name in names:
            if name not in KNOWN_CLIENTS:
                raise InputError(
                    f"{name} is no client that is known by name",
                    key=flag,
                    remedy=f"name one of {', '.join(KNOWN_CLIENTS)}, or write your own into access.clients afterwards",
                )
    if inherits and not clients:
        return access
    named = clients or (USUAL_CLIENTS if "people" in access else ())
    admitted = list(dict.fromkeys([*named, *linked]))
    return {**access, "clients": admitted} if admitted else access
