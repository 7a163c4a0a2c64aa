"""The MCP clients that are known by name: what each registers at an authorization server, and from where it calls.

One table. A client registers all its redirect URIs at once, and a server that knows only some of them refuses them all, so
each list is whole. Read 2026-11-26; `source` says where.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final


@dataclass(frozen=True)
class KnownClient:
    """One client. Ports on loopback are the client's usual ones; Access allows every port there."""

    name: str
    title: str
    #: `client_name` of its registration.
    client_name: str
    #: The redirect URIs of one registration, as the client sends them.
    registers: tuple[str, ...]
    source: str
    #: What must be allowed for it where that is more than one registration holds: other versions, an id in the path.
    forms: tuple[str, ...] = ()
    #: Its vendor's servers call, not the person's machine, also where the person uses an app of the same name.
    is_hosted: bool = False

    @property
    def redirect_uris(self) -> tuple[str, ...]:
        """The forms of its redirect URIs that Access must allow."""
        return self.forms or self.registers


_CLIENTS: Final = (
    KnownClient(
        "claude-code",
        "Claude Code",
        "Claude Code",
        ("http://localhost:3118/callback",),
        "claude.ai/oauth/claude-code-client-metadata; anthropics/claude-code#37747, #44429",
        # Its client metadata document names both; each sign-in uses a free port.
        forms=("http://localhost/callback", "http://127.0.0.1/callback"),
    ),
    KnownClient(
        "cursor",
        "Cursor",
        "Cursor",
        (
            "cursor://anysphere.cursor-mcp/oauth/callback",
            "https://www.cursor.com/agents/mcp/oauth/callback",
            "http://localhost:8787/callback",
        ),
        "cursor.com/docs/mcp; erp-mafia/accounted#2225, cloudflare/workers-oauth-provider 1.2.1",
    ),
    KnownClient(
        "vscode",
        "VS Code",
        "Visual Studio Code",
        (
            "https://insiders.vscode.dev/redirect",
            "https://vscode.dev/redirect",
            "http://127.0.0.1/",
            "http://127.0.0.1:33418/",
        ),
        "microsoft/vscode src/vs/base/common/oauth.ts, fetchDynamicRegistration",
        # Earlier versions register http://localhost/ too.
        forms=(
            "https://insiders.vscode.dev/redirect",
            "https://vscode.dev/redirect",
            "http://127.0.0.1/",
            "http://localhost/",
        ),
    ),
    KnownClient(
        "claude",
        "Claude (web, desktop, mobile)",
        "Claude",
        ("https://claude.ai/api/mcp/auth_callback",),
        "claude.com/docs/connectors/building: authentication",
        forms=("https://claude.ai/api/mcp/auth_callback", "https://claude.com/api/mcp/auth_callback"),
        is_hosted=True,
    ),
    KnownClient(
        "chatgpt",
        "ChatGPT",
        "ChatGPT",
        ("https://chatgpt.com/connector/oauth/Ab3dE5gH7jK9",),
        "developers.openai.com/apps-sdk/build/auth",
        # The last segment is the connector's id, which exists once somebody adds the server.
        forms=("https://chatgpt.com/connector/oauth/*", "https://chatgpt.com/connector_platform_oauth_redirect"),
        is_hosted=True,
    ),
    KnownClient(
        "inspector",
        "MCP Inspector",
        "MCP Inspector",
        ("http://localhost:6274/oauth/callback", "http://localhost:6274/oauth/callback/debug"),
        "modelcontextprotocol/inspector client/src/lib/auth.ts",
        # It registers the address in the browser's own address bar.
        forms=("http://localhost:6274/oauth/callback", "http://127.0.0.1:6274/oauth/callback"),
    ),
    KnownClient(
        "gemini-cli",
        "Gemini CLI",
        "Gemini CLI MCP Client",
        ("http://localhost:7777/oauth/callback",),
        "google-gemini/gemini-cli packages/core/src/mcp/oauth-provider.ts",
    ),
)

KNOWN_CLIENTS: Final[dict[str, KnownClient]] = {client.name: client for client in _CLIENTS}
