"""What a running MCP server offers, how risky it is, and the tool lock and files made of it."""
