"""The MCP dialog of a scan, independent of the transport: initialize, list the tools, and note what went wrong.

What a client writes stands in `wire.mcp_client`, the transports beside this file: `event_stream` (HTTP+SSE of
2024-11-05), `streamable` (streamable HTTP of 2025 and of 2026-07-28) and `websocket`. They are written by hand and not with
the official SDK's clients, which are made for servers that one trusts: a scan does not know what answers, so everything is
bounded in bytes, no redirect to another server is followed, no cookie is kept, no proxy of the environment is used, and
nothing beyond `tools/list` is ever requested. `guard.probe` reads as strictly as the guard does; a server that breaks the
protocol, and that the guard would pass on to nobody, can still be called by an attacker, so a scan has to find it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, Protocol

import aiohttp

from model.text import visible
from operations.scan.wire import (
    CredentialsRequired,
    InitializeRefused,
    NotMcp,
    ScanLimitExceeded,
)
from wire.jsonrpc import METHOD_NOT_FOUND
from wire.mcp_client import HANDSHAKE_VERSION, ClientSide, server_info

Transport = Literal["streamable-http", "http+sse", "websocket"]

FIRST = "2024-11-05"
MAX_PAGES = 20
MAX_TOOLS = 2000
#: Messages and events that are skipped while the reply to a request is awaited.
MAX_SKIPPED = 20

#: How a server sees the scan.
CLIENT = "ringwall-scan"


@dataclass(frozen=True)
class Introduction:
    """What an MCP server that answered at `path` says about itself.

    `demands` names the credentials that it asks for before it lists anything, None when it asks for none. `tools` are the
    definitions as sent, None where they could not be listed; `problem` says why, or that the list is not complete.
    """

    transport: Transport
    path: str
    protocol_version: str = ""
    name: str = ""
    version: str = ""
    instructions: str = ""
    tools: tuple[dict[str, Any], ...] | None = None
    demands: str | None = None
    problem: str | None = None


class Dialog(Protocol):
    """A transport over which JSON-RPC messages are exchanged with a server of the 2024 and 2025 revisions."""

    side: ClientSide

    async def call(self, message: Mapping[str, Any]) -> dict[str, Any]: ...

    async def notify(self, method: str) -> None: ...


async def converse(dialog: Dialog, introduction: Introduction, version: str = HANDSHAKE_VERSION) -> Introduction:
    """Initialize, then list the tools.

    Raises:
        NotMcp, CredentialsRequired, TooMuch: before the server has proved to speak MCP.
    """
    answer = await dialog.call(dialog.side.initialize(version))
    error = answer.get("error")
    if isinstance(error, dict) and error.get("code") != METHOD_NOT_FOUND:
        raise InitializeRefused(visible(str(error.get("message", "no reason")))[:100])
    result = _result(answer)
    if not isinstance(result.get("protocolVersion"), str) or not isinstance(result.get("capabilities"), dict):
        raise NotMcp
    introduction = with_server_info(introduction, result, str(result["protocolVersion"]))
    await dialog.notify("notifications/initialized")
    return await list_tools(dialog, introduction)


def with_server_info(introduction: Introduction, result: Mapping[str, Any], version: str) -> Introduction:
    info = server_info(result)
    instructions = result.get("instructions")
    return replace(
        introduction,
        protocol_version=visible(version)[:40],
        name=visible(str(info.get("name", "")))[:100],
        version=visible(str(info.get("version", "")))[:40],
        instructions=instructions if isinstance(instructions, str) else "",
    )


def _result(message: Mapping[str, Any]) -> dict[str, Any]:
    result = message.get("result")
    if message.get("jsonrpc") != "2.0" or not isinstance(result, dict):
        raise NotMcp
    return result


async def list_tools(dialog: Dialog, introduction: Introduction) -> Introduction:
    """List the tools over all pages.

    The server has proved to speak MCP here, so a failure becomes the `problem` of its introduction and raises nothing.
    """
    tools: list[dict[str, Any]] = []
    cursor: str | None = None
    problem: str | None = None
    has_list = False
    try:
        for _ in range(MAX_PAGES):
            answer = await dialog.call(dialog.side.request("tools/list", {} if cursor is None else {"cursor": cursor}))
            error = answer.get("error")
            if isinstance(error, dict):
                if error.get("code") == METHOD_NOT_FOUND and not tools:
                    has_list = True  # the server has no tools, only prompts or resources
                    break
                text = visible(str(error.get("message", "no reason")))[:100]
                return replace(
                    introduction, tools=tuple(tools) if tools else None, problem=f"refused tools/list: {text}"
                )
            definitions = _result(answer).get("tools")
            if not isinstance(definitions, list) or not all(isinstance(tool, dict) for tool in definitions):
                raise NotMcp
            tools += definitions
            has_list = True
            next_cursor = answer["result"].get("nextCursor")
            if len(tools) > MAX_TOOLS:
                problem = f"over {MAX_TOOLS} tools: not all were looked at"
                break
            if not isinstance(next_cursor, str) or next_cursor == cursor:
                break
            cursor = next_cursor
        else:
            problem = f"over {MAX_PAGES} pages of tools: not all were looked at"
    except CredentialsRequired as demand:
        return replace(introduction, demands=demand.requirement)
    except NotMcp:
        problem = "its answer to tools/list is not MCP"
    except (ScanLimitExceeded, ValueError) as error:
        problem = f"its tools could not be read: {error}"
    except (TimeoutError, aiohttp.ClientError, OSError) as error:
        problem = f"broke off while listing its tools ({type(error).__name__})"
    return replace(introduction, tools=tuple(tools) if has_list else None, problem=problem)
