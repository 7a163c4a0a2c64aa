"""The identity check that Kong runs, over tokens as their issuers document them."""

from __future__ import annotations

from typing import Any

from components.gateway.lua import BearerCheck, identity_check
from tests.support import issued_tokens
from tests.support.kong_lua_runtime import Kong, jwt

TEAM = "https://acme.cloudflareaccess.com"

IDP = "https://idp.example.com/"

CLOCK = 1_800_000_000

AUDIENCES = {"github.example.com": "aud-github", "claude.example.com": "aud-claude"}

ACCESS = identity_check(access_issuer=TEAM, audiences=AUDIENCES)

BEARER = BearerCheck(
    issuer=IDP,
    audience="https://github.example.com/mcp",
    scopes=("mcp:use", "repo"),
    metadata_url="https://github.example.com/.well-known/oauth-protected-resource/mcp",
)

EXTERNAL = identity_check(access_issuer=TEAM, audiences={"github.example.com": "aud-github"}, bearer=BEARER)

CORS = identity_check(access_issuer=TEAM, audiences=AUDIENCES, preflight=True)

METADATA = 'resource_metadata="https://github.example.com/.well-known/oauth-protected-resource/mcp"'

PERSON = issued_tokens.PERSON.claims(TEAM, "aud-github", CLOCK, sub="7335d417", email="ann@example.com")

AGENT = issued_tokens.SERVICE_TOKEN.claims(TEAM, "aud-github", CLOCK, common_name="e367.access")

TOKEN = issued_tokens.EXTERNAL_PERSON.claims(
    IDP, "https://github.example.com/mcp", CLOCK, sub="auth0|ann", email="Ann@example.com", scope="openid mcp:use repo"
)


def access(claims: Any = PERSON, *, header: Any = None, source: str = ACCESS, **request: Any) -> Any:
    headers = {"cf-access-jwt-assertion": jwt(claims, header), **request.pop("headers", {})}
    return Kong(headers=headers, **request).run(source)


def external(claims: Any = TOKEN, *, assertion: Any = AGENT, header: Any = None, **request: Any) -> Any:
    headers = {"authorization": f"Bearer {jwt(claims, header)}", "cf-access-jwt-assertion": jwt(assertion)}
    headers |= request.pop("headers", {})
    return Kong(headers=headers, **request).run(EXTERNAL)


def without(claims: dict[str, Any], *names: str) -> dict[str, Any]:
    return {name: value for name, value in claims.items() if name not in names}
