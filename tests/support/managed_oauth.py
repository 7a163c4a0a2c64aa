"""A real MCP server behind a real authorization server, both of the official SDK, that registers clients as Access does.

The SDK serves discovery, registration, authorization with PKCE and tokens; who may register decides `AccessRegistration`.
Whoever opens the authorization page is signed in at once, as a browser with a session at the identity provider is.
"""

from __future__ import annotations

import asyncio
import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import uvicorn
from mcp.server.auth.provider import (
    AccessToken,
    AuthorizationCode,
    AuthorizationParams,
    OAuthAuthorizationServerProvider,
    RefreshToken,
    RegistrationError,
    construct_redirect_uri,
)
from mcp.server.auth.settings import AuthSettings, ClientRegistrationOptions
from mcp.server.mcpserver import MCPServer
from mcp.shared.auth import OAuthClientInformationFull, OAuthToken

from tests.support.access_registration import AccessRegistration
from tests.support.ports import free_port
from tests.support.waiting import eventually_sync


@dataclass
class ManagedOAuth(OAuthAuthorizationServerProvider[AuthorizationCode, RefreshToken, AccessToken]):
    """What was registered and handed out, in memory."""

    registration: AccessRegistration
    url: str = ""
    clients: dict[str, OAuthClientInformationFull] = field(default_factory=dict)
    codes: dict[str, AuthorizationCode] = field(default_factory=dict)
    tokens: dict[str, AccessToken] = field(default_factory=dict)

    async def get_client(self, client_id: str) -> OAuthClientInformationFull | None:
        return self.clients.get(client_id)

    async def register_client(self, client_info: OAuthClientInformationFull) -> None:
        document = client_info.model_dump(mode="json", exclude_none=True)
        status, answer = self.registration.register(document)
        if status != 201:
            raise RegistrationError("invalid_redirect_uri", answer.get("error_description"))
        self.clients[str(client_info.client_id)] = client_info

    async def authorize(self, client: OAuthClientInformationFull, params: AuthorizationParams) -> str:
        code = secrets.token_hex(20)
        self.codes[code] = AuthorizationCode(
            code=code,
            scopes=params.scopes or [],
            expires_at=time.time() + 60,
            client_id=str(client.client_id),
            code_challenge=params.code_challenge,
            redirect_uri=params.redirect_uri,
            redirect_uri_provided_explicitly=params.redirect_uri_provided_explicitly,
            resource=params.resource,
        )
        return construct_redirect_uri(str(params.redirect_uri), code=code, state=params.state)

    async def load_authorization_code(
        self, client: OAuthClientInformationFull, authorization_code: str
    ) -> AuthorizationCode | None:
        return self.codes.get(authorization_code)

    async def exchange_authorization_code(
        self, client: OAuthClientInformationFull, authorization_code: AuthorizationCode
    ) -> OAuthToken:
        del self.codes[authorization_code.code]
        token = f"oauth:{secrets.token_hex(20)}"
        self.tokens[token] = AccessToken(
            token=token, client_id=str(client.client_id), scopes=[], resource=authorization_code.resource
        )
        return OAuthToken(access_token=token, expires_in=900)

    async def load_refresh_token(self, client: OAuthClientInformationFull, refresh_token: str) -> RefreshToken | None:
        return None

    async def exchange_refresh_token(
        self, client: OAuthClientInformationFull, refresh_token: RefreshToken, scopes: list[str]
    ) -> OAuthToken:
        raise AssertionError("no refresh token was handed out")

    async def load_access_token(self, token: str) -> AccessToken | None:
        return self.tokens.get(token)

    async def revoke_token(self, token: Any) -> None:
        self.tokens.pop(token.token, None)


@contextmanager
def managed_oauth(settings: Mapping[str, Any]) -> Iterator[ManagedOAuth]:
    """Serve on loopback until the end of the block; `settings` are the plan's inputs of dynamicClientRegistration."""
    provider = ManagedOAuth(AccessRegistration(settings))
    port = free_port()
    provider.url = f"http://127.0.0.1:{port}/mcp"
    server: Any = MCPServer(
        "desk",
        log_level="ERROR",
        auth_server_provider=provider,
        auth=AuthSettings.model_validate(
            {
                "issuer_url": f"http://127.0.0.1:{port}",
                "resource_server_url": provider.url,
                "validate_token_resource": True,
                "client_registration_options": ClientRegistrationOptions(enabled=True),
            }
        ),
    )

    @server.tool()  # type: ignore[untyped-decorator]
    def list_tickets() -> str:
        """List tickets."""
        return "none"

    config = uvicorn.Config(server.streamable_http_app(), host="127.0.0.1", port=port, log_level="error")
    serving = uvicorn.Server(config)
    thread = threading.Thread(target=lambda: asyncio.run(serving.serve()))
    thread.start()
    try:
        eventually_sync(lambda: serving.started, "the server to listen")
        yield provider
    finally:
        serving.should_exit = True
        thread.join()
