"""Reads a server's introduction and its lists over one road, each list by itself: one that fails costs no other.

Definitions are taken whole, as the server sent them: a member that nobody looked at is where a rug pull would hide. What
comes back is untrusted and bounded (pages, entries, bytes, time). A probe lists; it calls no tool and reads no resource.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass
from typing import Any

from guard.decide.answers import METHOD_NOT_FOUND
from guard.decide.methods import Section
from guard.http.upstream import HttpRoad, Redirected, Road, UpstreamDown
from guard.memory import Rooms, unbounded
from guard.probe.conversation import (
    AnsweredError,
    ProbeConversation,
    ProbeFailed,
    RefusedStatus,
    Unreadable,
)
from model.canonical import digest
from model.text import visible
from model.tool_lock import ClientCapability, EntryKind
from wire.mcp import ServerOffer
from wire.mcp_client import HANDSHAKE_VERSION, STATELESS_VERSION, server_info, stateless_versions, versions_in
from wire.protocol_versions import HANDSHAKE_VERSIONS, MODERN_VERSIONS

MAX_PAGES = 100
MAX_ENTRIES = 5000
#: Per kind: the method, the member of its result, and the server's capability.
LISTS: Mapping[EntryKind, tuple[str, str, str]] = {
    "tools": ("tools/list", Section.TOOLS.member, "tools"),
    "prompts": ("prompts/list", Section.PROMPTS.member, "prompts"),
    "resources": ("resources/list", Section.RESOURCES.member, "resources"),
    "resource_templates": ("resources/templates/list", Section.RESOURCE_TEMPLATES.member, "resources"),
}
#: An id as a few clients choose it; python-sdk's issue 961: a server gave it back as a number.
_TEXT_ID = "77"


@dataclass(frozen=True)
class ServerIntroduction:
    """What a server says of itself, in the words of either era."""

    name: str
    version: str
    versions: tuple[str, ...]
    instructions: str | None
    capabilities: Mapping[str, Any]


async def read_offer(
    road: Road,
    timeout: float,
    capabilities: tuple[ClientCapability, ...] = (),
    *,
    thorough: bool = False,
    rooms: Rooms = unbounded,
) -> ServerOffer:
    """Everything that the server offers, within `timeout` seconds. `thorough` also tries what clients differ in; `rooms` has
    the memory for what it answers.

    Over a road with a conversation under way the lists alone are read.

    Raises:
        ProbeFailed: the server cannot be understood, or its list of tools cannot be read in time.
        UpstreamDown: it does not answer, or ended.
        TimeoutError: it said nothing that ends the introduction.
    """
    deadline = asyncio.get_running_loop().time() + timeout
    conversation = ProbeConversation(road, capabilities, rooms)
    try:
        async with asyncio.timeout_at(deadline):
            introduction = await _introduced(conversation, timeout)
        async with _listening(conversation):
            entries, failed, notes = await _lists(conversation, introduction.capabilities, deadline)
            if thorough:
                notes += await _odd_ids(conversation, deadline)
    finally:
        await conversation.end()
    return ServerOffer(
        name=introduction.name,
        version=introduction.version,
        protocol_version=conversation.side.version or "",
        protocol_versions=introduction.versions,
        instructions=introduction.instructions,
        tools=entries["tools"],
        prompts=entries["prompts"],
        resources=entries["resources"],
        resource_templates=entries["resource_templates"],
        failed=failed,
        notes=tuple(notes),
        client_capabilities=capabilities,
    )


async def _introduced(conversation: ProbeConversation, timeout: float) -> ServerIntroduction:
    """Both eras: discovery first; what ends or falls silent on it is begun anew for `initialize`."""
    under_way, side = conversation.road.introduced, conversation.side
    if under_way is not None:
        side.stateless = under_way.modern
        side.version = STATELESS_VERSION if under_way.modern else HANDSHAKE_VERSION
        capabilities = under_way.capabilities
        if capabilities is None:
            capabilities = {capability: {} for _, _, capability in LISTS.values()}
        return ServerIntroduction("", "", (side.version,), None, capabilities)
    try:
        async with asyncio.timeout(timeout / 2):
            result = await conversation.ask("server/discover", version=STATELESS_VERSION)
        versions = stateless_versions(result) or []
        if any(version in MODERN_VERSIONS for version in versions):
            side.stateless, side.version = True, STATELESS_VERSION
            return _introduction(result, [version for version in versions if isinstance(version, str)])
    except Redirected:
        raise
    except TimeoutError:
        await conversation.road.restart()
    except UpstreamDown as down:
        if not down.sent:
            raise
        await conversation.road.restart()
    except RefusedStatus as refused:
        if refused.status in (401, 403, 407, 421):
            raise
    except AnsweredError as error:
        _refuse_strange_versions(error)
    except Unreadable:
        pass  # an old server may answer anything to what it does not know
    return await _initialized(conversation)


async def _initialized(conversation: ProbeConversation) -> ServerIntroduction:
    result = await conversation.initialize()
    version = result.get("protocolVersion")
    if version not in HANDSHAKE_VERSIONS:
        raise Unreadable(f"it speaks protocol version {visible(str(version))[:40]}, which the guard does not know")
    await conversation.notify("notifications/initialized")
    return _introduction(result, [str(version)])


def _introduction(result: Mapping[str, Any], versions: list[str]) -> ServerIntroduction:
    named = server_info(result)
    name, version = (value if isinstance(value := named.get(key), str) else "" for key in ("name", "version"))
    instructions = result.get("instructions")
    if instructions is not None and not isinstance(instructions, str):
        raise Unreadable("its instructions are no text")
    capabilities = result.get("capabilities")
    return ServerIntroduction(
        name,
        version,
        tuple(dict.fromkeys(versions)),
        instructions,
        capabilities if isinstance(capabilities, dict) else {},
    )


def _refuse_strange_versions(error: AnsweredError) -> None:
    """Raise for a server that knows 2026 versions only, and none that the guard knows."""
    supported = versions_in(error.code, error.data)
    known = {*HANDSHAKE_VERSIONS, *MODERN_VERSIONS}
    if supported is not None and not any(version in known for version in supported):
        shown = visible(", ".join(map(str, supported)))[:100]
        raise Unreadable(f"it speaks protocol version {shown}, which the guard does not know")


@contextlib.asynccontextmanager
async def _listening(conversation: ProbeConversation) -> AsyncIterator[None]:
    """Keep the session's own stream open where the client announced that it can be asked something."""
    if conversation.side.stateless or not conversation.side.capabilities or conversation.road.introduced is not None:
        yield
        return
    listening = asyncio.get_running_loop().create_task(conversation.listen())
    try:
        yield
    finally:
        listening.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await listening


async def _lists(
    conversation: ProbeConversation, capabilities: Mapping[str, Any], deadline: float
) -> tuple[dict[EntryKind, tuple[Any, ...]], dict[EntryKind, str], list[str]]:
    """The entries of each list, why the others failed, and slips that cost nothing."""
    entries: dict[EntryKind, tuple[Any, ...]] = dict.fromkeys(LISTS, ())
    failed: dict[EntryKind, str] = {}
    notes: list[str] = []
    loop = asyncio.get_running_loop()
    for kind, (method, member, capability) in LISTS.items():
        if capabilities.get(capability) is None:
            continue
        # A list that never answers leaves the next ones half of the time that it had.
        patience = max(0.0, deadline - loop.time()) / (1 if kind == "tools" else 2)
        try:
            async with asyncio.timeout(patience):
                entries[kind] = await _entries(conversation, method, member, notes)
        except ProbeFailed as error:
            failed[kind] = f"{method}: {error}"
        except TimeoutError:
            failed[kind] = f"{method}: it did not answer within {patience:.3g} s"
        except UpstreamDown as down:
            # A command that ended answers nothing any more; of a server that listens, one answer was unusable.
            if kind == "tools" and not (down.sent and isinstance(conversation.road, HttpRoad)):
                raise
            failed[kind] = f"{method}: {down}"
    return entries, failed, notes


async def _entries(conversation: ProbeConversation, method: str, member: str, notes: list[str]) -> tuple[Any, ...]:
    """Every entry of one list over all its pages, as the server sent it."""
    entries: list[Any] = []
    pages: set[str] = set()
    cursor: str | None = None
    for _ in range(MAX_PAGES):
        try:
            result = await conversation.ask(method, None if cursor is None else {"cursor": cursor})
        except AnsweredError as error:
            if error.code == METHOD_NOT_FOUND and cursor is None:
                return ()
            raise
        page, following = result.get(member), result.get("nextCursor")
        if not isinstance(page, list):
            raise Unreadable(f"its answer holds no list {member}")
        if following is not None and not isinstance(following, str):
            raise Unreadable("its nextCursor is no text")
        if following is not None or cursor is not None:
            # A page that came before, under the cursor that came before, says nothing new: the server ignores cursors.
            fingerprint = _fingerprint(page, following)
            if fingerprint in pages:
                notes.append(f"{method}: it repeats a page instead of ending its list")
                return tuple(entries)
            pages.add(fingerprint)
        entries += page
        if len(entries) > MAX_ENTRIES:
            raise Unreadable(f"it offers over {MAX_ENTRIES} entries, which nobody can review")
        if following is None:
            return tuple(entries)
        cursor = following
    raise Unreadable(f"its list has over {MAX_PAGES} pages")


def _fingerprint(page: list[Any], cursor: str | None) -> str:
    try:
        return digest([page, cursor])
    except ValueError:
        return ""  # a page without a digest (too deep): the next such page ends the list


async def _odd_ids(conversation: ProbeConversation, deadline: float) -> list[str]:
    """A note where a request with a text as its id is not answered under it; most clients count, so it is no more."""
    method = "server/discover" if conversation.side.stateless else "ping"
    try:
        async with asyncio.timeout_at(min(deadline, asyncio.get_running_loop().time() + 2)):
            await conversation.ask(method, id_=_TEXT_ID)
    except Unreadable as error:
        return [f"a request whose id is a text: {error}; clients with such ids will fail"]
    except (ProbeFailed, UpstreamDown, TimeoutError):
        pass  # that the method fails or is unknown says nothing about ids
    return []
