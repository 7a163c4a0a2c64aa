"""Has the server behind each guard make every attempt, and prints what came of it; it stays until a line comes in.

python client.py PORT…
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from mcp import Client

from tests.containment.attempts import ATTEMPTS

#: What a server shall be able to do, by the tool and its arguments.
WORK: dict[str, tuple[str, dict[str, Any]]] = {
    "keep a note in its own folder": ("keep", {"note": "remember"}),
    "call a host that its `origin.egress` names": ("call_by_name", {"name": "api.example.net", "port": 443}),
    "call another port of that host": ("call_by_name", {"name": "api.example.net", "port": 80}),
}


async def main(ports: list[int]) -> None:
    async with contextlib.AsyncExitStack() as stack:
        answers = []
        for port in ports:
            client = await stack.enter_async_context(Client(f"http://127.0.0.1:{port}/mcp"))
            calls = {name: ("attempt", {"name": name}) for name in ATTEMPTS} | WORK
            answers.append({name: _text(await client.call_tool(*call)) for name, call in calls.items()})
        print(json.dumps(answers), flush=True)
        await asyncio.to_thread(sys.stdin.readline)


def _text(result: Any) -> str:
    return str(result.content[0].text)


if __name__ == "__main__":
    asyncio.run(main([int(port) for port in sys.argv[1:]]))
