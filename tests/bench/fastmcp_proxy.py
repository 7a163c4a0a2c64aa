"""The fastmcp proxy as its documentation starts one; runs in its own virtual environment.

    python fastmcp_proxy.py UPSTREAM_URL PORT [shared]

`shared`: one connected client for all requests, its documentation's other form; all callers then share one session.
"""

import asyncio
import sys
from typing import Any

from fastmcp import Client  # type: ignore[import-not-found]
from fastmcp.server import create_proxy  # type: ignore[import-not-found]


async def serve(target: Any, port: int) -> None:
    proxy = create_proxy(target, name="proxy")
    await proxy.run_http_async(host="127.0.0.1", port=port, path="/mcp", log_level="error", show_banner=False)


async def main(url: str, port: str, *shared: str) -> None:
    """Serve until ended."""
    if not shared:
        await serve(url, int(port))
        return
    async with Client(url) as client:
        await serve(client, int(port))


if __name__ == "__main__":
    asyncio.run(main(*sys.argv[1:]))
