"""A stdio MCP server of both eras that starts in 0.02 s of processor time (the official SDK's takes 1 s).

    python shelf_server.py OFFER [STARTS] [OPTIONS that say nothing]

It offers the tools of the JSON file OFFER, a list of `{"name", "description"}`, each with the one optional argument and the
result that the SDK derives of `def answer(query: str = "") -> str`, and appends a line to the file STARTS at each start. A
description may hold `{pid}`, the number of its own process. Tests that are about what servers do use the SDK's.
"""

import json
import os
import sys
from typing import Any

MODERN = "2026-07-28"
INPUT = {
    "type": "object",
    "properties": {"query": {"default": "", "title": "Query", "type": "string"}},
    "title": "answerArguments",
}
OUTPUT = {
    "type": "object",
    "properties": {"result": {"title": "Result", "type": "string"}},
    "required": ["result"],
    "title": "answerOutput",
}
NAME = {"name": "shelf", "version": "1.0"}


def answer(method: str, params: dict[str, Any], tools: list[dict[str, Any]]) -> dict[str, Any] | None:
    """The result of one request, or None for a method it does not know."""
    match method:
        case "initialize":
            return {"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": NAME}
        case "server/discover":
            return {
                "resultType": "complete",
                "supportedVersions": [MODERN],
                "capabilities": {"tools": {}},
                "ttlMs": 0,
                "cacheScope": "private",
                "_meta": {"io.modelcontextprotocol/serverInfo": NAME},
            }
        case "tools/list":
            modern = "io.modelcontextprotocol/protocolVersion" in params.get("_meta", {})
            times = {"resultType": "complete", "ttlMs": 0, "cacheScope": "private"} if modern else {}
            return {"tools": tools, **times}
        case "ping":
            return {}
    return None


def main() -> None:
    """Answer one request a line until standard input ends."""
    if len(sys.argv) > 2 and not sys.argv[2].startswith("-"):
        with open(sys.argv[2], "a", encoding="utf-8") as starts:
            starts.write("start\n")
    with open(sys.argv[1], encoding="utf-8") as file:
        offer = json.load(file)
    tools = [
        {
            "name": tool["name"],
            "description": tool["description"].replace("{pid}", str(os.getpid())),
            "inputSchema": INPUT,
            "outputSchema": OUTPUT,
        }
        for tool in offer
    ]
    for line in sys.stdin:
        message = json.loads(line)
        if "id" not in message or "method" not in message:
            continue
        result = answer(message["method"], message.get("params") or {}, tools)
        body = {"result": result} if result is not None else {"error": {"code": -32601, "message": "Method not found"}}
        print(json.dumps({"jsonrpc": "2.0", "id": message["id"], **body}), flush=True)


if __name__ == "__main__":
    main()
