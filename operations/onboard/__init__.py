"""Onboarding of one MCP server: its offer, the risk of each tool, its tool lock and its first stack file.

The MCP client that asks the server stands in `guard.probe`; the questions to a person stand in `cli.onboard`.
"""
