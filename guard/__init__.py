"""The runtime guard: an MCP-aware proxy on the origin host that decides on every list, call and result."""
