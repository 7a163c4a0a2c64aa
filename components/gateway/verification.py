"""Who verifies a token's signature and issuer at Kong: jwt and acl, or a licensed edition's own plugin. Pure."""

from __future__ import annotations

from components.editions import Protection, enforcer
from components.gateway import lua as kong_lua
from components.gateway.flood import flood_kilobytes
from components.gateway.licensed.mcp_oauth2 import mcp_oauth2
from components.gateway.licensed.openid_connect import introspecting, openid_connect
from components.gateway.names import ACCESS, ASSERTION_HEADER, issuer_group, metadata_paths, metadata_url
from components.gateway.spec import PluginSpec, name_of, plugin
from model.base import seconds
from model.errors import InputError
from model.stacks import ModelStack, PerimeterManifest, PerimeterStack
from model.tokens import CLOCK_LEEWAY


def issuer_of(manifest: PerimeterManifest) -> str:
    """Name of the issuer whose token Kong verifies for this server."""
    return manifest.oauth.issuer or ACCESS


def bearer_check(server: PerimeterStack) -> kong_lua.BearerCheck | None:
    """What `oauth: external` asks of the access token; None in mode access."""
    manifest, settings = server.manifest, server.settings
    oauth = manifest.oauth
    if oauth.mode == "access":
        return None
    if oauth.issuer not in settings.issuers or oauth.audience is None:
        raise InputError(
            f"oauth.issuer {oauth.issuer} is not an issuer of the environment",
            key="oauth.issuer",
            remedy="add it to the environment's issuers",
        )
    opaque = settings.issuers[oauth.issuer].introspection is not None
    if opaque:
        try:
            enforcer(Protection.OPAQUE_TOKENS, settings.gateway.edition, settings.gateway.version)
        except InputError as error:
            raise InputError(error.problem, key=f"issuers.{oauth.issuer}.introspection", remedy=error.remedy) from None
    return kong_lua.BearerCheck(
        issuer=settings.issuers[oauth.issuer].issuer,
        audience=oauth.audience,
        scopes=oauth.scopes,
        metadata_url=metadata_url(manifest.hostname, manifest.path),
        opaque=opaque,
    )


def verifying(server: PerimeterStack) -> Protection:
    """What verifies a token: an MCP server's own issuer may have a plugin of its own, and opaque tokens have theirs."""
    bearer = bearer_check(server)
    if bearer is not None and bearer.opaque:
        return Protection.OPAQUE_TOKENS
    if bearer is None or isinstance(server, ModelStack):
        return Protection.SIGNATURE
    return Protection.EXTERNAL_SIGNATURE


def verification(server: PerimeterStack) -> list[PluginSpec]:
    """The plugins that verify the token which the identity check read, and admit one issuer's alone."""
    protection, settings = verifying(server), server.settings
    name = name_of(protection, settings)
    if name == "jwt":
        return [_jwt(server), _acl(server)]
    bearer = bearer_check(server)
    issuer = settings.issuers[issuer_of(server.manifest)] if bearer else None
    if bearer is not None and issuer is not None and issuer.introspection is not None:
        config = introspecting(bearer.issuer, issuer.introspection, bearer.audience, bearer.scopes)
        purpose = "the issuer's word about the very token that was read: active, for this server, with its scopes"
        return [plugin(protection, settings, "signature", config, purpose)]
    if name == "ai-mcp-oauth2" and bearer is not None and issuer is not None:
        config = mcp_oauth2(
            issuer=bearer.issuer,
            jwks_uri=issuer.address,
            audience=bearer.audience,
            scopes=bearer.scopes,
            metadata_endpoint=metadata_paths(server.manifest.path)[0],
            max_bytes=flood_kilobytes(server.manifest.limits.body_kilobytes) * 1024,
        )
    elif bearer is not None and issuer is not None:
        config = openid_connect(bearer.issuer, issuer.address, bearer.audience)
    else:
        # Each public name has an audience of its own, known when deployed: the identity check holds it.
        config = openid_connect(settings.cloudflare.issuer, settings.cloudflare.jwks_uri, None)
    return [
        plugin(protection, settings, "signature", config, "signature, time and issuer of the very token that was read")
    ]


def _jwt(server: PerimeterStack) -> PluginSpec:
    return plugin(
        verifying(server),
        server.settings,
        "signature",
        {
            "uri_param_names": [],
            "cookie_names": [],
            # One credential per key of the issuer's JWKS; the identity check refused a payload `kid`.
            "key_claim_name": "kid",
            "secret_is_base64": False,
            # The plugin refuses a token without a listed claim, and service tokens carry no nbf (Cloudflare One docs,
            # "Application token"): the identity check judges nbf where it is present.
            "claims_to_verify": ["exp"],
            "anonymous": None,
            # With false a forged-token OPTIONS reached the upstream and used up its victim's limit (run).
            "run_on_preflight": True,
            # No token outlives the sign-in that the manifest promises; the rest is for clocks.
            "maximum_expiration": _longest_token(server.manifest) + CLOCK_LEEWAY,
            "header_names": [ASSERTION_HEADER],
            "realm": None,
        },
        "signature and time of the very token that the identity check read",
    )


def _longest_token(manifest: PerimeterManifest) -> int:
    longest = seconds(manifest.session)
    if manifest.oauth.mode == "access":
        longest = max(longest, seconds(manifest.oauth.access_token_lifetime))
    return min(longest, 365 * 86400 - CLOCK_LEEWAY)


def _acl(server: PerimeterStack) -> PluginSpec:
    return plugin(
        Protection.ISSUER,
        server.settings,
        "issuer",
        {
            "allow": [issuer_group(issuer_of(server.manifest))],
            "deny": None,
            "hide_groups_header": True,
            "always_use_authenticated_groups": False,
        },
        "any registered key satisfies jwt; only this issuer's may open this server",
    )
