"""What is deployed beside what is planned: the engine's state, Kong, the guard and the MCP server."""
