"""openid-connect: verifies signature and issuer of the very token that the identity check read, by the issuer's own keys.

It takes the place of jwt and acl: the keys come from the issuer's pinned JWKS, so none is written at Kong and a rotation
needs no deployment. Of a token that is no JWT it asks the issuer. Pure.
"""

from __future__ import annotations

from typing import Any, Final

from components.gateway.licensed.redis import redis_record
from components.gateway.names import ASSERTION_HEADER, PRINCIPAL_HEADER
from model.base import seconds
from model.introspection import Introspection
from model.tokens import CLOCK_LEEWAY

#: Fields that stay unset.
_UNSET: Final = """
    anonymous audience audience_required authenticated_groups_claim authorization_cookie_domain
    authorization_cookie_secure authorization_endpoint authorization_query_args_client
    authorization_query_args_names authorization_query_args_values bearer_token_cookie_name
    bearer_token_header_name cache_tokens_salt cache_ttl_max cache_ttl_min cache_ttl_neg cache_ttl_resurrect
    claims_forbidden client_alg client_auth client_id client_jwk client_secret consumer_claims
    consumer_groups_claim disable_session discovery_headers_names discovery_headers_values domains
    downstream_access_token_header downstream_access_token_jwk_header downstream_headers downstream_headers_claims
    downstream_headers_names downstream_id_token_header downstream_id_token_jwk_header
    downstream_introspection_header downstream_introspection_jwt_header downstream_refresh_token_header
    downstream_session_id_header downstream_user_info_header downstream_user_info_jwt_header end_session_endpoint
    extra_jwks_uris forbidden_redirect_uri groups_required http_proxy http_proxy_authorization https_proxy
    https_proxy_authorization id_token_param_name introspection_endpoint introspection_endpoint_auth_method
    introspection_headers_client introspection_headers_names introspection_headers_values
    introspection_post_args_client introspection_post_args_client_headers introspection_post_args_names
    introspection_post_args_values issuer issuers_allowed jwks_endpoint jwt_session_cookie login_redirect_uri
    logout_post_arg logout_query_arg logout_redirect_uri logout_uri_suffix max_age mtls_introspection_endpoint
    mtls_revocation_endpoint mtls_token_endpoint no_proxy proof_of_possession_mtls_from_header
    pushed_authorization_request_endpoint pushed_authorization_request_endpoint_auth_method redirect_uri
    refresh_token_param_name require_proof_key_for_code_exchange require_pushed_authorization_requests
    require_signed_request_object revocation_endpoint revocation_endpoint_auth_method roles_required
    scopes_required session_bind session_cookie_domain session_cookie_secure session_memcached_prefix
    session_memcached_socket session_memcached_ssl session_request_headers session_response_headers session_secret
    tls_client_auth_cert_id token_endpoint token_endpoint_auth_method token_exchange token_exchange_endpoint
    token_headers_client token_headers_grants token_headers_names token_headers_prefix token_headers_replay
    token_headers_values token_post_args_client token_post_args_names token_post_args_values
    unauthorized_redirect_uri unexpected_redirect_uri upstream_access_token_jwk_header upstream_headers
    upstream_headers_claims upstream_headers_names upstream_id_token_header upstream_id_token_jwk_header
    upstream_introspection_header upstream_introspection_jwt_header upstream_refresh_token_header
    upstream_session_id_header upstream_user_info_header upstream_user_info_jwt_header userinfo_endpoint
    userinfo_headers_client userinfo_headers_names userinfo_headers_values userinfo_query_args_client
    userinfo_query_args_names userinfo_query_args_values
"""
#: Kong's own defaults (3.15). Sessions, sign-in and introspection stand here because the schema has them: `auth_methods`
#: turns all of them off.
_DEFAULTS: Final[dict[str, Any]] = {
    "audience_claim": ["aud"],
    "auth_methods": [
        "authorization_code",
        "bearer",
        "client_credentials",
        "introspection",
        "kong_oauth2",
        "password",
        "refresh_token",
        "session",
        "userinfo",
    ],
    "authorization_cookie_http_only": True,
    "authorization_cookie_name": "authorization",
    "authorization_cookie_path": "/",
    "authorization_cookie_same_site": "Default",
    "authorization_rolling_timeout": 600,
    "bearer_token_param_type": ["body", "header", "query"],
    "by_username_ignore_case": False,
    "cache_introspection": True,
    "cache_token_exchange": True,
    "cache_tokens": True,
    "cache_ttl": 3600,
    "cache_user_info": True,
    "client_arg": "client_id",
    "client_credentials_param_type": ["body", "header", "query"],
    "cluster_cache_items": ["introspection"],
    "cluster_cache_strategy": "off",
    "consumer_by": ["custom_id", "username"],
    "consumer_groups_optional": False,
    "consumer_optional": False,
    "credential_claim": ["sub"],
    "display_errors": False,
    "dpop_proof_lifetime": 300,
    "dpop_use_nonce": False,
    "enable_hs_signatures": False,
    "expose_error_code": True,
    "forbidden_destroy_session": True,
    "forbidden_error_message": "Forbidden",
    "groups_claim": ["groups"],
    "hide_credentials": True,
    "http_version": 1.1,
    "id_token_param_type": ["body", "header", "query"],
    "ignore_signature": [],
    "introspect_jwt_tokens": False,
    "introspection_accept": "application/json",
    "introspection_check_active": True,
    "introspection_hint": "access_token",
    "introspection_token_param_name": "token",
    "jwt_session_claim": "sid",
    "keepalive": True,
    "leeway": 0,
    "login_action": "upstream",
    "login_methods": ["authorization_code"],
    "login_redirect_mode": "fragment",
    "login_tokens": ["id_token"],
    "logout_methods": ["DELETE", "POST"],
    "logout_revoke": False,
    "logout_revoke_access_token": True,
    "logout_revoke_refresh_token": True,
    "password_param_type": ["body", "header", "query"],
    "preserve_query_args": False,
    "proof_of_possession_auth_methods_validation": True,
    "proof_of_possession_dpop": "off",
    "proof_of_possession_mtls": "off",
    "rediscovery_lifetime": 30,
    "refresh_token_param_type": ["body", "header", "query"],
    "refresh_tokens": True,
    "resolve_distributed_claims": False,
    "response_mode": "query",
    "response_type": ["code"],
    "reverify": False,
    "revocation_token_param_name": "token",
    "roles_claim": ["roles"],
    "run_on_preflight": True,
    "scopes": ["openid"],
    "scopes_claim": ["scope"],
    "search_user_info": False,
    "session_absolute_timeout": 86400,
    "session_audience": "default",
    "session_cookie_http_only": True,
    "session_cookie_name": "session",
    "session_cookie_path": "/",
    "session_cookie_same_site": "Lax",
    "session_enforce_same_subject": False,
    "session_hash_storage_key": False,
    "session_hash_subject": False,
    "session_idling_timeout": 900,
    "session_memcached_host": "127.0.0.1",
    "session_memcached_port": 11211,
    "session_memcached_ssl_verify": True,
    "session_remember": False,
    "session_remember_absolute_timeout": 2592000,
    "session_remember_cookie_name": "remember",
    "session_remember_rolling_timeout": 604800,
    "session_rolling_timeout": 3600,
    "session_storage": "cookie",
    "session_store_metadata": False,
    "ssl_verify": True,
    "timeout": 10000,
    "tls_client_auth_ssl_verify": True,
    "token_cache_key_include_scope": False,
    "unauthorized_destroy_session": True,
    "unauthorized_error_message": "Unauthorized",
    "upstream_access_token_header": "authorization:bearer",
    "userinfo_accept": "application/json",
    "using_pseudo_issuer": False,
    "verify_claims": True,
    "verify_nonce": True,
    "verify_parameters": False,
    "verify_signature": True,
    "principals": {
        "directory": "default",
        "enabled": False,
        "error_on_miss": True,
        "match_consumer": True,
        "match_consumer_groups": True,
        "principal_by": None,
        "principal_claim": None,
    },
}


def openid_connect(issuer: str, jwks_uri: str, audience: str | None) -> dict[str, Any]:
    """The whole config for one issuer's JWTs; `audience` where the token has one known before deployment."""
    return {
        **_one_issuer(issuer),
        "jwks_endpoint": jwks_uri,
        "audience_required": [audience] if audience is not None else None,
        # A token in each request; no session, no sign-in, no call to the issuer for a request.
        "auth_methods": ["bearer"],
    }


def introspecting(issuer: str, introspection: Introspection, audience: str, scopes: tuple[str, ...]) -> dict[str, Any]:
    """The whole config for one issuer that is asked about each token (RFC 7662)."""
    ttl = seconds(introspection.cache)
    return {
        **_one_issuer(issuer),
        "auth_methods": ["introspection"],
        # A token that looks like a JWT is asked about too: no key of the issuer's is known here.
        "introspect_jwt_tokens": True,
        "introspection_endpoint": introspection.endpoint,
        "introspection_endpoint_auth_method": f"client_secret_{introspection.client_authentication}",
        "client_id": [introspection.client_id],
        "client_secret": [introspection.gateway_secret],
        "audience_required": [audience],
        # One text with blanks asks for all of them; several texts would ask for any (Kong's page, "Claim requirements").
        "scopes_required": [" ".join(scopes)] if scopes else None,
        "cache_ttl": ttl,
        "cache_ttl_max": ttl,
        "cache_ttl_neg": ttl,
        # Unset, an answer that is over would count on while the issuer does not answer.
        "cache_ttl_resurrect": 1,
        # The identity check could not read whose token it is. Without a subject the limit would be everybody's together.
        "upstream_headers": [{"header": PRINCIPAL_HEADER, "path": ["sub"]}],
    }


def _one_issuer(issuer: str) -> dict[str, Any]:
    """What is the same for both kinds of tokens."""
    return {
        **dict.fromkeys(_UNSET.split()),
        **_DEFAULTS,
        "cluster_cache_redis": redis_record(None),
        "redis": {**redis_record(None), "prefix": None, "socket": None},
        # The issuer is matched and never asked: discovery could name other keys than those the stack file pins (Kong docs,
        # "Configure OpenID Connect with multiple IdPs").
        "issuer": issuer,
        "using_pseudo_issuer": True,
        "issuers_allowed": [issuer],
        "bearer_token_param_type": ["header"],
        "bearer_token_header_name": ASSERTION_HEADER,
        "leeway": CLOCK_LEEWAY,
        # The issuer stands for the credential, as its consumer does on OSS: the server's token budget is everybody's.
        "credential_claim": ["iss"],
        # Kong would write the token into Authorization, which is another's.
        "upstream_access_token_header": None,
        "refresh_tokens": False,
    }
