"""Which tools and prompts an MCP portal offers of a server. Pure.

They come from the server's tool lock, so that a tool nobody approved is never on: of the lock, those are on that a grant
opens to somebody who comes through the portal. The others are named too, as off.
"""

from __future__ import annotations

from model.portal import Portal
from model.server import Grant
from model.stacks import ServerStack


def offered_tools(server: ServerStack, portal: Portal) -> dict[str, bool]:
    """Every tool of the lock, and whether it is on."""
    grants = _grants(server, portal)
    return {tool.name: any(grant.opens(tool.name, tool.risk) for grant in grants) for tool in server.lock.tools}


def offered_prompts(server: ServerStack, portal: Portal) -> dict[str, bool]:
    """Every prompt of the lock, and whether it is on."""
    grants = _grants(server, portal)
    return {prompt.name: any(grant.opens_prompt(prompt.name) for grant in grants) for prompt in server.lock.prompts}


def _grants(server: ServerStack, portal: Portal) -> list[Grant]:
    """The grants that can apply to a call through the portal: those of the agent as which it calls, else of people."""
    agent = portal.shared.get(server.name)
    return [
        grant
        for grant in server.manifest.grants
        if grant.to.all
        or (agent in grant.to.agents if agent else bool(grant.to.emails or grant.to.domains or grant.to.groups))
    ]
