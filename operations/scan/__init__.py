"""Finding MCP servers on this machine and at named hosts: which ports answer, and what their tools could do.

A scan lists tools and calls none. Onboarding a server that was found is in `operations.onboard`.
"""
