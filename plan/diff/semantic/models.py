"""The table for a model route's keys, and who may use which model of it for how much.

What it has in common with a server (names, sign-in, logs, the guard's engines) is judged by the tables of servers.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from components.guard.model_settings import model_rights_of
from model.base import Model
from model.finding_exceptions import ModelFindingException
from model.model_gateway import AirsCheck, GatewayLimits, LakeraCheck, Sanitizer, SemanticCache, TopicCheck
from model.model_route import ModelBudget, ModelTarget
from model.model_target import ProviderModel
from model.server import Grantees
from model.stacks import ModelStack
from plan.diff.semantic import exposure, guard_settings, limits
from plan.diff.semantic.directions import (
    Delegated,
    KeyRule,
    Table,
    allow_list,
    any_change,
    appearing_loosens,
    appearing_tightens,
    grows_loosens,
    ladder,
    less_loosens,
    longer_loosens,
    more_loosens,
    shrinks_loosens,
    true_loosens,
)
from plan.diff.semantic.grants import Rights, principal_classes

_LEG = ladder("flag", "redact", "block")
_LEGS = {
    "prompts": "what people and agents say",
    "tool_results": "a tool result in the messages",
    "definitions": "a tool definition that is offered to the model",
    "answers": "what the model answers",
    "tool_calls": "arguments of a tool call that the model asks for",
}


def _shared(table: Table, *parts: str) -> Table:
    return {key: entry for key, entry in table.items() if key.split(".")[0].split("[")[0] in parts}


def _budget(prefix: str, whose: str) -> Table:
    return {
        f"{prefix}.{name}": KeyRule(more_loosens, f"{name.replace('_', ' ')} {whose}", "guard", 60)
        for name in ModelBudget.model_fields
    }


def _embeddings(prefix: str, whose: str) -> Table:
    """Whoever stands there reads every prompt."""
    return {
        f"{prefix}.embeddings.{name}": KeyRule(
            any_change, f"{name} of the model that {whose} asks for vectors", "gateway", 80
        )
        for name in ProviderModel.model_fields
    }


def _check(part: str, label: str, model: type[Model]) -> Table:
    """A check of Kong's own: without it less is read, and another address or key may be somebody else's."""
    return {
        f"gateway.{part}": KeyRule(appearing_tightens, label, "gateway", 75),
        **{
            f"gateway.{part}.{name}": KeyRule(any_change, f"{name} of {label}", "gateway", 70)
            for name in model.model_fields
        },
    }


_GATEWAY: Table = {
    "gateway.limits": KeyRule(appearing_tightens, "tokens and cost that the gateway counts too", "gateway", 60),
    **{
        f"gateway.limits.{name}": KeyRule(
            more_loosens, f"{name.replace('_', ' ')} of each principal and model, by the gateway", "gateway", 60
        )
        for name in GatewayLimits.model_fields
    },
    **_check("lakera", "Lakera at the gateway", LakeraCheck),
    **_check("prisma_airs", "Prisma AIRS at the gateway", AirsCheck),
    **_check("topics", "what prompts may be about", TopicCheck),
    **_check("sanitizer", "personal data in prompts, at the gateway", Sanitizer),
    **{
        f"gateway.{part}.legs": KeyRule(shrinks_loosens, f"what {label} reads", "gateway", 75)
        for part, label in (("lakera", "Lakera"), ("prisma_airs", "Prisma AIRS"), ("sanitizer", "the sanitizer"))
    },
    "gateway.topics.deny": KeyRule(shrinks_loosens, "topics that prompts may not have", "gateway", 70),
    "gateway.topics.allow": KeyRule(allow_list, "topics that prompts must have", "gateway", 70),
    "gateway.sanitizer.action": KeyRule(
        ladder("replace", "block"), "personal data in a prompt leads to", "gateway", 65
    ),
    **_embeddings("gateway.topics", "the check of topics"),
}


def _target_words(target: Mapping[str, Any]) -> str:
    """A target in a line: what it is and where, then whatever of it is not as by default."""
    members = dict(target)
    name = f"{members.pop('provider')}/{members.pop('model')}"
    place = f" at {url}" if (url := members.pop("url", None)) else ""
    usual = {key: field.default for key, field in ModelTarget.model_fields.items()}
    further = [f"{key} {json.dumps(value, sort_keys=True)}" for key, value in members.items() if value != usual[key]]
    return f"{name}{place}" + (f" ({', '.join(further)})" if further else "")


TABLE: Table = {
    **_shared(
        exposure.RULES,
        *(
            "version",
            "host",
            "hostname",
            "path",
            "guard_port",
            "guard_admin_port",
            "oauth",
            "session",
            "cors",
            "lockdown",
        ),
        *("logs", "posture", "countries", "access"),
    ),
    **_shared(limits.RULES, "timeouts", "circuit_breaker"),
    **{
        key: entry
        for key, entry in guard_settings.RULES.items()
        if not key.startswith(("guard.legs.", "guard.taint.", "guard.questions."))
    },
    # Whether there is one; its settings are judged below.
    "guard": Delegated("models"),
    "guard.taint.tool_calls": KeyRule(
        ladder("allow", "block"), "a tool call after a tool result that tries to steer the model meets", "guard", 85
    ),
    **{
        f"guard.legs.{leg}": KeyRule(_LEG, f"a finding in {text} leads to", "guard", 85)
        for leg, text in sorted(_LEGS.items())
    },
    # A longer part waits for its verdict with more of what follows in sight.
    "guard.hold_back": KeyRule(less_loosens, "characters of a stream that wait for their verdict", "guard", 60),
    "guard.extra_parameters": KeyRule(grows_loosens, "parameters of a request that go on to the provider", "guard", 65),
    "guard.exceptions": Delegated("finding_exceptions"),
    **{f"guard.exceptions[].{key}": Delegated("finding_exceptions") for key in ModelFindingException.model_fields},
    "guard_key": KeyRule(any_change, "where the host finds the key of the inner routes", "guard", 40),
    "guard_key.env": KeyRule(any_change, "variable that holds the key of the inner routes", "guard", 40),
    "guard_key.file": KeyRule(any_change, "file that holds the key of the inner routes", "guard", 40),
    "models.*": KeyRule(appearing_loosens, "model {0}", "gateway", 75),
    "models.*.kinds": KeyRule(grows_loosens, "what the model {0} answers", "gateway", 60),
    # Whoever stands there reads every prompt, and gets the credential.
    "models.*.targets": KeyRule(
        any_change, "where prompts for {0} go, and with which credential", "gateway", 90, words=_target_words
    ),
    **{f"models.*.targets[].{key}": Delegated("models") for key in ModelTarget.model_fields},
    # Cheaper on paper, a budget of cost lasts longer.
    "models.*.price": KeyRule(appearing_tightens, "price of the model {0}", "guard", 55),
    "models.*.price.input": KeyRule(less_loosens, "price of a million input tokens of {0}", "guard", 55),
    "models.*.price.output": KeyRule(less_loosens, "price of a million output tokens of {0}", "guard", 55),
    "models.*.max_output_tokens": KeyRule(more_loosens, "longest answer of {0} in tokens", "guard", 50),
    **_budget("limits.principal", "of each principal"),
    **_budget("limits.all", "of all principals together"),
    "limits.body_kilobytes": KeyRule(more_loosens, "largest request in KiB", "guard", 50),
    "limits.concurrency": KeyRule(more_loosens, "requests in flight per principal", "guard", 50),
    "prompt_policy.system": KeyRule(any_change, "system message before every conversation", "gateway", 70),
    "prompt_policy.deny": KeyRule(any_change, "patterns that no prompt may match", "gateway", 70),
    "prompt_policy.allow": KeyRule(any_change, "patterns of which every prompt must match one", "gateway", 70),
    "cache.exact": KeyRule(appearing_loosens, "answers that the guard keeps", "guard", 45),
    "cache.exact.lifetime": KeyRule(longer_loosens, "how long the guard keeps an answer", "guard", 35),
    "cache.exact.shared": KeyRule(true_loosens, "one principal is answered from another's cache", "guard", 80),
    **_GATEWAY,
    "cache.semantic": KeyRule(any_change, "answers that the gateway keeps by meaning", "gateway", 80),
    **{
        f"cache.semantic.{name}": KeyRule(any_change, f"{name} of the gateway's cache by meaning", "gateway", 70)
        for name in SemanticCache.model_fields
    },
    **_embeddings("cache.semantic", "the cache"),
    "cache.semantic.lifetime": KeyRule(longer_loosens, "how long the gateway keeps an answer", "gateway", 35),
    "cache.semantic.shared": KeyRule(true_loosens, "one principal is answered from what another asked", "gateway", 85),
    "grants": Delegated("models"),
    **{f"grants[].to.{name}": Delegated("models") for name in Grantees.model_fields},
    "grants[].models": Delegated("models"),
    **{f"grants[].budget.{name}": Delegated("models") for name in ModelBudget.model_fields},
}


def model_rights(stack: ModelStack) -> Rights:
    """Every model that every class of principals may use, with the budgets of the grants that give it.

    Compared is what is granted without a lockdown, as with a server's tools (`plan.diff.semantic.grants`).
    """
    resolved: Rights = {}
    for grant in model_rights_of(stack):
        budget = {key: value for key, value in grant.budget.dump().items() if value is not None}
        condition = json.dumps({"arguments": None, "limits": budget}, sort_keys=True)
        for principal in principal_classes(grant.to):
            primitives = resolved.setdefault(principal, {})
            for name in grant.models:
                primitives[("model", name)] = primitives.get(("model", name), frozenset()) | {condition}
    return resolved


def providers_of(stack: ModelStack) -> dict[str, str]:
    """Each public name with the provider's own model behind it, as a reviewer reads it in the table."""
    return {
        name: ", ".join(dict.fromkeys(f"{target.provider}/{target.model}" for target in model.targets))
        for name, model in stack.manifest.models.items()
    }
