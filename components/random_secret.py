"""Secrets of a stack's own configuration that must be random: a tunnel's, and the key of a model route's guard."""

from __future__ import annotations

import pulumi

from components.edge.tunnel import is_tunnel_secret
from model.cross_checks import set_secret


def random_secret(value: pulumi.Input[str], key: str, stack: str) -> pulumi.Output[str]:
    """The secret, refused at deployment where it is not base64 of at least 32 bytes."""
    return pulumi.Output.secret(value).apply(lambda text: _checked(text, key, stack))


def _checked(value: str, key: str, stack: str) -> str:
    # An offline plan never opens encrypted configuration and has ${ringwall:tunnelSecret} here; $ is not in base64.
    if not value.startswith("${") and not is_tunnel_secret(value):
        raise pulumi.RunError(f"{key} is not base64 of at least 32 bytes; run `{set_secret(key, stack)}`")
    return value
