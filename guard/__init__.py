"""The runtime guard: an MCP-aware proxy on the origin host that decides every list, call and result."""
