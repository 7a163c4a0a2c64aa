"""Finding MCP servers on this machine and at named places: who listens, what answers, what it could do."""
