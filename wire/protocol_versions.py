"""The released revisions of MCP, and the members of `_meta` by which a request of the 2026 era says what it speaks.

The official SDK's constants (`mcp_types.version`), repeated because its package costs the guard 0.4 s and 17 MB to import;
tests/wire compares the two.
"""

from __future__ import annotations

from typing import Final

#: Revisions that begin with the `initialize` handshake, oldest first.
HANDSHAKE_VERSIONS: Final = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
LATEST_HANDSHAKE_VERSION: Final = HANDSHAKE_VERSIONS[-1]
#: Revisions whose requests each bring their own envelope, oldest first.
MODERN_VERSIONS: Final = ("2026-07-28",)

VERSION_KEY: Final = "io.modelcontextprotocol/protocolVersion"
CAPABILITIES_KEY: Final = "io.modelcontextprotocol/clientCapabilities"
#: Every member of `_meta` that the protocol itself names.
META_KEYS: Final = frozenset(
    (
        VERSION_KEY,
        CAPABILITIES_KEY,
        "io.modelcontextprotocol/clientInfo",
        "io.modelcontextprotocol/logLevel",
        "io.modelcontextprotocol/serverInfo",
        "io.modelcontextprotocol/subscriptionId",
    )
)
