"""Probes of the MCP portal that offers the server: it refuses strangers, tells clients where to sign in, and has no tool of
the server on but those that are granted there."""

from __future__ import annotations

from collections.abc import Iterator

from model.text import counted, visible
from operations.verify import edge
from operations.verify.challenges import challenge_of
from operations.verify.client import NoResponse
from operations.verify.context import Probe, VerifyContext
from operations.verify.conversation import Conversation
from operations.verify.report import ProbeResult, failed, passed, skipped
from operations.verify.subject import OfferingPortal, PublicHostname, attempt, described

_APPLICATION = "the portal's Access application does not protect this name: run `ringwall drift` and `ringwall up`"


async def challenge(context: VerifyContext, door: PublicHostname) -> ProbeResult:
    """Whether a client without a token learns where to sign in, as Cloudflare says of portals."""
    answer = await attempt(context.send_initialize(door))
    if isinstance(answer, NoResponse):
        return failed(str(answer))
    reply = challenge_of(context.subject, answer)
    return passed(reply.text) if reply.pointer else failed(f"{described(context.subject, answer)}: {reply.text}")


async def tools(context: VerifyContext, door: PublicHostname) -> ProbeResult:
    """List the portal's tools as an agent that may call through it."""
    offer, caller = context.subject.portal, context.caller
    agent = (caller.principal or "").removeprefix("agent:") if caller is not None else ""
    if offer is None or caller is None or agent not in offer.agents:
        agents = ", ".join(offer.agents) if offer and offer.agents else ""
        needed = f"give the service token of {agents}" if agents else "the portal admits no agent, and people sign in"
        return skipped(f"nobody was given who may call through the portal ({needed})")
    conversation = Conversation(context.subject, context.client, context.url(door), caller)
    await conversation.open()
    names = [str(tool.get("name")) for tool in await conversation.list_tools()]
    tool_names = [name.removeprefix(offer.prefix) for name in names if name.startswith(offer.prefix)]
    problems = [f"{name} is on, and is not granted there" for name in tool_names if name not in offer.tools]
    # A portal shows nobody a server that it cannot call as them, so a missing one proves nothing.
    if problems:
        return failed("; ".join(visible(problem) for problem in problems))
    return passed(f"{counted(len(tool_names), 'tool')} of the server, each granted there")


PROBES = (
    Probe("portal.no-token", "initialize without any token", "401, 403 or the login", _APPLICATION, edge.no_token),
    Probe(
        "portal.identity-headers",
        "x-ringwall-* and Cf-Access-* headers set by the client, without a token",
        "401, 403 or the login",
        _APPLICATION,
        edge.identity_headers,
    ),
    Probe(
        "portal.challenge",
        "what a client without a token is told",
        "401 with the place of the portal's metadata",
        "clients of people cannot sign in: run `ringwall drift`, and look at the portal in the Cloudflare dashboard",
        challenge,
    ),
    Probe(
        "portal.tools",
        "tools/list through the portal",
        "of this server, tools of the lock alone that are granted there",
        "the portal has more on than the files say: run `ringwall up` for the environment",
        tools,
    ),
)
REACHABLE = Probe(
    edge.REACHABLE.id,
    edge.REACHABLE.tried,
    "an answer of the portal",
    "run `ringwall up` for the environment; a new portal's certificate may take some minutes",
    edge.reachable,
)


def planned(offer: OfferingPortal | None) -> Iterator[tuple[Probe, PublicHostname]]:
    """The probes of the portal; none where no portal offers the server."""
    if offer is not None:
        for probe in (REACHABLE, *PROBES):
            yield probe, offer.door
