"""ai-mcp-oauth2: Kong as the resource server of an MCP route, for access tokens of an issuer of one's own. Pure."""

from __future__ import annotations

from typing import Any

from model.tokens import CLOCK_LEEWAY


def mcp_oauth2(
    *, issuer: str, jwks_uri: str, audience: str, scopes: tuple[str, ...], metadata_endpoint: str, max_bytes: int
) -> dict[str, Any]:
    """The whole config for one server."""
    return {
        "args": None,
        "authorization_servers": [issuer],
        "cache_introspection": True,
        "claim_to_header": None,
        "client_alg": None,
        "client_auth": None,
        "client_id": None,
        "client_jwk": None,
        "client_secret": None,
        "consumer_by": ["custom_id", "username"],
        "consumer_claim": None,
        "consumer_groups_claim": None,
        "consumer_groups_optional": False,
        "consumer_optional": False,
        # The issuer stands for the credential, as its consumer does on OSS: the server's token budget is everybody's.
        "credential_claim": ["iss"],
        "headers": None,
        "http_proxy": None,
        "http_proxy_authorization": None,
        "http_version": 1.1,
        "https_proxy": None,
        "https_proxy_authorization": None,
        # The token's `aud` must hold `resource`; Kong's own recipes turn this off.
        "insecure_relaxed_audience_validation": False,
        "introspection_endpoint": None,
        "introspection_format": None,
        "jwks_cache_ttl": 3600,
        # Pinned in the stack file, so that no metadata can name other keys.
        "jwks_endpoint": jwks_uri,
        "jwt_claims_leeway": CLOCK_LEEWAY,
        "keepalive": True,
        "max_request_body_size": max_bytes,
        "metadata_cache_ttl": 3600,
        "metadata_discovery_endpoint": None,
        "metadata_discovery_retry": 3,
        # Its challenges point there; the metadata service answers both well-known paths, as requests without a token end at
        # the identity check and never reach this plugin.
        "metadata_endpoint": metadata_endpoint,
        "mtls_introspection_endpoint": None,
        "no_proxy": None,
        # The guard verifies the token once more, and takes it off before the server.
        "passthrough_credentials": True,
        "resource": audience,
        "scopes_supported": list(scopes) or None,
        "ssl_verify": True,
        "timeout": 10000,
        "tls_client_auth_cert": None,
        "tls_client_auth_key": None,
        "tls_client_auth_ssl_verify": True,
        "token_exchange": None,
        "upstream_headers": None,
    }
