"""A client made with the official Python SDK, 1.x or 2.x, whichever the interpreter that runs this file has.

    python sdk_client.py URL MODE STEPS

`MODE` is auto or legacy (1.x knows legacy only). `STEPS` is JSON: a list of ["tools"], ["prompts"], ["resources"],
["call", name, arguments], ["prompt", name, arguments] or ["resource", uri]; ["until", name, arguments] repeats a call
until no limit refuses it. Prints one JSON object: the SDK's version,
the protocol version, each step's result or error as it stands on the wire, and what the server sent in between.
It answers elicitations with the name Ada and sampling with "Paris".
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
import warnings
from importlib.metadata import version
from typing import Any

from mcp import ClientSession

try:  # 2.x
    import mcp_types as types
    from mcp import Client, MCPError
except ImportError:  # 1.x
    from mcp import types  # type: ignore[no-redef]
    from mcp.client.streamable_http import streamable_http_client
    from mcp.shared.exceptions import McpError as MCPError  # type: ignore[attr-defined, no-redef]

    Client = None  # type: ignore[assignment, misc]

seen: dict[str, list[Any]] = {"progress": [], "logs": [], "asked": []}


async def progress(done: float, total: float | None, message: str | None) -> None:
    seen["progress"].append([done, total])


async def log(params: Any) -> None:
    seen["logs"].append(params.data)


async def sample(_: Any, params: Any) -> Any:
    seen["asked"].append("sampling")
    content = {"type": "text", "text": "Paris"}
    return types.CreateMessageResult.model_validate({"role": "assistant", "content": content, "model": "none"})


async def elicit(_: Any, params: Any) -> Any:
    seen["asked"].append("elicitation")
    schema = params.model_dump(by_alias=True)["requestedSchema"]
    content = dict.fromkeys(schema["properties"], "Ada")
    return types.ElicitResult.model_validate({"action": "accept", "content": content})


@contextlib.asynccontextmanager
async def connected(url: str, mode: str) -> Any:
    """Something with the SDK's client methods, and the protocol version."""
    callbacks: dict[str, Any] = {
        "sampling_callback": sample,
        "elicitation_callback": elicit,
        "logging_callback": log,
    }
    if Client is not None:
        async with Client(url, mode=mode, log_level="info", cache=None, **callbacks) as client:
            yield client, client.protocol_version
        return
    async with streamable_http_client(url) as (read, write, _), ClientSession(read, write, **callbacks) as session:  # type: ignore[misc]
        started = await session.initialize()
        yield session, started.protocolVersion  # type: ignore[attr-defined]


async def unlimited(client: Any, name: str, arguments: Any) -> Any:
    """The first answer to a call that is not a limit's, waiting each time as long as the refusal says."""
    async with asyncio.timeout(120):
        while True:
            result = await client.call_tool(name, arguments)
            limit = (result.meta or {}).get("ringwall/limit")
            if limit is None:
                return result
            await asyncio.sleep(limit.get("retryAfterSeconds", 0))


async def step(client: Any, what: str, *given: Any) -> Any:
    if what == "tools":
        result = await client.list_tools()
    elif what == "prompts":
        result = await client.list_prompts()
    elif what == "resources":
        result = await client.list_resources()
    elif what == "call":
        result = await client.call_tool(*given, progress_callback=progress)
    elif what == "until":
        result = await unlimited(client, *given)
    elif what == "prompt":
        result = await client.get_prompt(*given)
    else:
        result = await client.read_resource(*given)
    return result.model_dump(by_alias=True, mode="json", exclude_none=True)


async def main() -> None:
    """Every step, in order."""
    url, mode, steps = sys.argv[1:]
    results = []
    async with connected(url, mode) as (client, protocol):
        for one in json.loads(steps):
            try:
                results.append(await step(client, *one))
            except MCPError as error:
                results.append({"error": {"code": error.error.code, "message": error.error.message}})
    print(json.dumps({"sdk": version("mcp"), "protocol": protocol, "results": results, **seen}))


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    asyncio.run(main())
