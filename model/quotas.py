"""The limits of a Cloudflare account that a plan must fit."""

from __future__ import annotations

from pydantic import Field

from model.base import Model, Positive


class Quotas(Model):
    """Account limits that a plan must fit; Cloudflare's published defaults, raise them when your contract does."""

    access_applications: Positive = Field(500, description="Access applications.")
    access_policies: Positive = Field(500, description="Reusable Access policies.")
    access_groups: Positive = Field(300, description="Access groups.")
    service_tokens: Positive = Field(50, description="Service tokens: one an agent.")
    tunnels: Positive = Field(1000, description="Tunnels: one a server.")
    # Left out of the digest where nobody raised them, so that environments without a portal stay as they are.
    mcp_portals: Positive = Field(20, exclude_if=lambda value: value == 20, description="MCP portals.")
    portal_servers: Positive = Field(
        10,
        exclude_if=lambda value: value == 10,
        description="Servers of one MCP portal: 10 by one page, 40 by another.",
    )
