"""Clients and message formats for other machines: HTTP, JSON-RPC, MCP, JWKS, Cloudflare and Kong, under one HTTP policy.

Nothing here decides what a caller may do. Imports `model` alone.
"""
