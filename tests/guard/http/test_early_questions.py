"""A real client is asked for its roots by a command that asks as soon as the session begins, before any stream is open."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from mcp.client.client import Client
from mcp_types import ListRootsResult

from tests.support.guard_service import Origin, guarded, lock_of, tool

#: Asks at once after `initialized`, and answers a call with what it was told.
ROOTED = """
import json, sys
roots = None
TOOLS = json.loads(sys.argv[1])
def write(**message):
    print(json.dumps({"jsonrpc": "2.0", **message}), flush=True)
for line in sys.stdin:
    message = json.loads(line)
    method, id_ = message.get("method"), message.get("id")
    if method == "initialize":
        write(id=id_, result={"protocolVersion": message["params"]["protocolVersion"], "capabilities": {"tools": {}},
                              "serverInfo": {"name": "rooted", "version": "1"}})
    elif method == "notifications/initialized":
        write(id="roots-1", method="roots/list", params=None)
    elif method == "tools/list":
        write(id=id_, result={"tools": TOOLS})
    elif method == "tools/call":
        write(id=id_, result={"content": [{"type": "text", "text": "roots: %s" % roots}]})
    elif method is None and id_ == "roots-1":
        roots = message.get("result", message.get("error"))
    elif id_ is not None:
        write(id=id_, error={"code": -32601, "message": "no"})
"""


async def test_a_client_is_asked_what_the_command_asked_before_it_listened(tmp_path: Path) -> None:
    tools = [tool("where")]
    origin = {"command": [sys.executable, "-c", ROOTED, json.dumps(tools)]}
    seen: list[str] = []

    async def roots(context: Any) -> ListRootsResult:
        seen.append("asked")
        return ListRootsResult(roots=[])

    grants = [{"to": {"all": True}, "tools": ["where"]}]
    async with guarded(Origin(), tmp_path, origin=origin, tool_lock=lock_of(tools), grants=grants) as guard:
        url = f"http://127.0.0.1:{guard.config.listen.port}/mcp"
        for number in range(1, 3):
            async with Client(url, mode="legacy", list_roots_callback=roots) as client:
                for _ in range(50):
                    text = str(await client.call_tool("where", {}))
                    if "None" not in text:
                        break
                assert "'roots': []" in text
                assert len(seen) == number
