"""A server as a user of the official SDK 2.x writes it, of both protocol eras; the one argument is its port."""

import sys

from mcp.server.mcpserver import MCPServer

server = MCPServer("sdk", version="1.0.0")


@server.tool()
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


server.run("streamable-http", host="127.0.0.1", port=int(sys.argv[1]))
