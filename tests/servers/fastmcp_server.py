"""A server as a user of FastMCP writes it; the one argument is its port."""

# Runs in an environment of its own, which has fastmcp.
# mypy: ignore-errors

import sys

from fastmcp import FastMCP

mcp = FastMCP("fastmcp")


@mcp.tool
def add(a: int, b: int) -> int:
    """Add two numbers."""
    return a + b


@mcp.tool
def greet(name: str) -> dict[str, str]:
    """Say hello."""
    return {"greeting": f"Hello, {name}"}


mcp.run(transport="http", host="127.0.0.1", port=int(sys.argv[1]))
