"""A server of the official SDK 2.x that asks who calls, and lets nobody in whose token the guard did not sign.

introduced_server.py stdio JWKS_FILE     reads the token in `_meta`, by keys that it pins
introduced_server.py http PORT JWKS_URL  requires it on every request, by the SDK's own authentication
"""

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

import jwt
import uvicorn
from mcp.server.auth.provider import AccessToken
from mcp.server.auth.settings import AuthSettings
from mcp.server.mcpserver import Context, MCPServer

CLAIMS = ["iss", "aud", "sub", "iat", "exp", "jti"]


def verified(token: str, key: Any) -> dict[str, Any]:
    return jwt.decode(
        token, key, algorithms=["ES256"], audience="dev.raw", issuer="ringwall/dev.raw", options={"require": CLAIMS}
    )


class GuardsTokens:
    """The SDK's `TokenVerifier`."""

    def __init__(self, url: str) -> None:
        self._keys = jwt.PyJWKClient(url, timeout=5)

    async def verify_token(self, token: str) -> AccessToken | None:
        try:
            key = await asyncio.to_thread(self._keys.get_signing_key_from_jwt, token)
            claims = verified(token, key)
        except jwt.PyJWTError:
            return None
        return AccessToken(
            token=token,
            client_id=claims["sub"],
            scopes=[],
            expires_at=claims["exp"],
            subject=claims["sub"],
            claims=claims,
        )


def told(context: Context[Any, Any]) -> dict[str, Any]:
    """What the guard says of the caller of this very request."""
    if sys.argv[1] == "stdio":
        meta: Any = context.request_context.meta or {}
        keys = {key["kid"]: jwt.PyJWK(key) for key in json.loads(Path(sys.argv[2]).read_text())["keys"]}
        token = meta["io.ringwall/identity"]
        return verified(token, keys[jwt.get_unverified_header(token)["kid"]])
    request: Any = context.request_context.request
    return dict(request.user.access_token.claims)


def make(**auth: Any) -> "MCPServer[None]":
    server: MCPServer[None] = MCPServer("introduced", version="1", log_level="ERROR", **auth)

    @server.tool()
    def whoami(context: Context[Any, Any]) -> dict[str, Any]:
        """Say who calls."""
        return told(context)

    return server


if sys.argv[1] == "stdio":
    make().run("stdio")
else:
    settings = AuthSettings(issuer_url="https://unused.example.com", resource_server_url=None)
    app = make(auth=settings, token_verifier=GuardsTokens(sys.argv[3])).streamable_http_app()

    async def introduced(scope: Any, receive: Any, send: Any) -> None:
        """The SDK reads `Authorization` alone, so the guard's header is handed to it there."""
        if scope["type"] == "http":
            token = dict(scope["headers"]).get(b"ringwall-identity", b"")
            others = [(name, value) for name, value in scope["headers"] if name != b"authorization"]
            scope = {**scope, "headers": [*others, (b"authorization", b"Bearer " + token)]}
        await app(scope, receive, send)

    uvicorn.run(introduced, host="127.0.0.1", port=int(sys.argv[2]), log_level="error")
