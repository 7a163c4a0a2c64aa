"""The Cloudflare and Kong providers, explicit ones: no ambient configuration makes two machines' plans differ.

Credentials come from the provider plugin's own environment (`CLOUDFLARE_API_TOKEN`, `KONG_ADMIN_TOKEN`) or from the
stack's encrypted keys `cloudflare:apiToken` and `kong:kongAdminToken`; neither is ever part of a plan in clear.
"""

from __future__ import annotations

import gc
from functools import cache

import pulumi

from components.sdk_in_part import import_in_part


@cache
def load_sdks() -> None:
    """Import the provider SDKs once, the modules in use only, and without the garbage collector.

    pulumi-cloudflare makes hundreds of thousands of objects that never go: collecting while they are made takes a quarter
    of the import, and walking them again takes a third of every plan that follows (measured with `make bench`).
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        cloudflare = import_in_part("pulumi_cloudflare")
        _ = cloudflare.DnsRecord  # brings along the input types that all its resources share
        import pulumi_kong

        del pulumi_kong
        gc.freeze()
    finally:
        if collecting:
            gc.enable()


def cloudflare_provider(
    api: pulumi.Input[str], name: str = "cloudflare", opts: pulumi.ResourceOptions | None = None
) -> pulumi.ProviderResource:
    import pulumi_cloudflare

    token = pulumi.Config("cloudflare").get_secret("apiToken")
    provider: pulumi.ProviderResource = pulumi_cloudflare.Provider(name, api_token=token, base_url=api, opts=opts)
    return provider


def kong_provider(
    admin_uri: pulumi.Input[str],
    workspace: str | None,
    name: str = "kong",
    opts: pulumi.ResourceOptions | None = None,
) -> pulumi.ProviderResource:
    import pulumi_kong

    token = pulumi.Config("kong").get_secret("kongAdminToken")
    provider: pulumi.ProviderResource = pulumi_kong.Provider(
        name,
        kong_admin_uri=admin_uri,
        # The SDK reads the two switches below from unprefixed environment variables unless they are given. It does not
        # mark the token secret either: `get_secret` has done so.
        kong_admin_token=token,
        kong_workspace=workspace,
        tls_skip_verify=False,
        strict_plugins_match=False,
        opts=opts,
    )
    return provider
