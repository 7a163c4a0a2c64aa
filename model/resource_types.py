"""Says what counts as a resource, so that plan, preview, up, status and doctor give the same numbers."""

from __future__ import annotations


def is_resource(type_token: str) -> bool:
    """True for all but what Pulumi itself is made of: the stack, its providers and references to other stacks."""
    return not type_token.startswith("pulumi:")
