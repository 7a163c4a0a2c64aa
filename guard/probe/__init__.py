"""Asks an MCP server what it offers, over the connections and by the rules of the guard's own traffic."""
