"""Who may call which tool, as Kong can hold it: a server's grants by one claim of the callers' tokens. Pure."""

from __future__ import annotations

from collections.abc import Iterator

from components.editions import Protection, enforcer
from components.gateway.flood import flood_kilobytes
from components.gateway.licensed.mcp_proxy import mcp_proxy
from components.gateway.spec import PluginSpec, plugin
from model.environment import Environment
from model.errors import InputError
from model.server import Grantees
from model.stacks import PerimeterStack, ServerStack

_EMAIL = "email"
_KEY = "oauth.tool_claim"


def tool_access(server: PerimeterStack) -> list[PluginSpec]:
    """The plugin that holds tool calls to the grants, if the stack file asks for it.

    Raises:
        InputError: the edition has none, the stack has no tools, its tokens have no claims that Kong can read, or the claim
            does not say to whom a grant is.
    """
    claim = server.manifest.oauth.tool_claim
    if claim is None:
        return []
    settings = server.settings
    try:
        enforcer(Protection.GATEWAY_TOOLS, settings.gateway.edition, settings.gateway.version)
    except InputError as error:
        raise InputError(error.problem, key=_KEY, remedy=error.remedy) from None
    issuer = server.manifest.oauth.issuer
    if not isinstance(server, ServerStack):
        raise InputError("a model route has no tools", key=_KEY, remedy="remove it")
    if issuer is not None and settings.issuers[issuer].introspection is not None:
        raise InputError(
            f"Kong reads the claim from a JWT, and the tokens of {issuer} are none",
            key=_KEY,
            remedy="remove it: the guard decides who may call which tool",
        )
    config = mcp_proxy(
        claim, tool_subjects(server, claim), flood_kilobytes(server.manifest.limits.body_kilobytes) * 1024
    )
    purpose = "tool calls by the grants' people, who are known by a claim; the guard decides the rest"
    return [plugin(Protection.GATEWAY_TOOLS, settings, "tools", config, purpose)]


def tool_subjects(server: ServerStack, claim: str) -> dict[str, tuple[str, ...]]:
    """Each locked tool with the values of `claim` that a grant opens it to; raises InputError as `tool_access`."""
    subjects: dict[str, set[str]] = {tool.name: set() for tool in server.lock.tools}
    # A closed server grants nothing.
    for index, grant in enumerate(() if server.manifest.lockdown else server.manifest.grants):
        if not grant.tools:
            continue
        named = tuple(_values(grant.to, claim, server.settings, f"grants[{index}].to"))
        for tool in server.lock.tools:
            if grant.opens(tool.name, tool.risk):
                subjects[tool.name].update(named)
    return {name: tuple(sorted(values)) for name, values in subjects.items()}


def _values(to: Grantees, claim: str, settings: Environment, key: str) -> Iterator[str]:
    for kind in ("all", "domains", "agents", "hosted_clients"):
        if getattr(to, kind):
            raise _inexpressible(f"{kind} of a grant", claim, key)
    if to.emails and claim != _EMAIL:
        raise _inexpressible("emails of a grant", claim, key)
    yield from to.emails
    for name in to.groups:
        group = settings.groups[name]
        strangers = [member.claim or "groups" for member in group.idp_groups if (member.claim or "groups") != claim]
        if group.domains or strangers or (group.emails and claim != _EMAIL):
            raise _inexpressible(f"the group {name}", claim, key)
        yield from group.emails
        yield from (member.group for member in group.idp_groups)


def _inexpressible(grantees: str, claim: str, key: str) -> InputError:
    return InputError(
        f"the claim {claim} does not say whom {grantees} means, so Kong would refuse them",
        key=key,
        remedy=f"name people as the claim {claim} does, or remove {_KEY}: the guard decides by every kind of grant",
    )
