"""A model route as `ringwall model list` shows it: where prompts go, who may use what, and for how much."""

from __future__ import annotations

from typing import Any

from components.gateway.inner_entities import address
from model.name_patterns import matches_any
from model.stacks import ModelStack
from operations.model_route.snippets import base_url
from plan.grant_words import budget_words, grantees_words


def overview(stack: ModelStack) -> dict[str, Any]:
    """The route, its limits and each of its models."""
    manifest = stack.manifest
    return {
        "stack": stack.stack,
        "base_url": base_url(stack),
        "closed": manifest.lockdown is not None,
        "guard": manifest.guard is not None,
        "limits": {
            "each_principal": budget_words(manifest.limits.principal.dump()),
            "all_together": budget_words(manifest.limits.all.dump()) or "no budget",
        },
        "models": [
            {
                "name": name,
                "kinds": list(model.kinds),
                "providers": list(dict.fromkeys(f"{target.provider}/{target.model}" for target in model.targets)),
                "addresses": [f"{scheme}://{host}:{port}" for scheme, host, port in map(address, model.targets)],
                "grants": [
                    {"to": grantees_words(grant.to.dump()), "budget": budget_words(grant.budget.dump())}
                    for grant in manifest.grants
                    if matches_any(grant.models, name)
                ],
            }
            for name, model in sorted(manifest.models.items())
        ],
    }
