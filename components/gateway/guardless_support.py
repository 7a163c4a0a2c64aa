"""What nobody does for a model route without a guard: each an error at the key that asks for it, which names what would.

What a route loses that no key asks for (an audit chain, taint, a reservation before a call) is in the rule
`model-without-guard`, which somebody must accept in writing.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from components.editions import Protection
from components.gateway.unsupported import lacking
from model.base import Model
from model.errors import InputError
from model.model_route import granted_models
from model.stacks import ModelStack, manifest_path

_KEEP: Final = "keep the guard (take guard: none out)"
_LEGS: Final = ("prompts", "answers")


def guardless_problems(stack: ModelStack) -> list[InputError]:
    """What this route asks for and nobody would do; where the edition has no such route, that alone."""
    if edition := list(lacking(stack, Protection.GUARDLESS, "guard")):
        return edition
    return [*_place(stack), *_checks(stack), *_callers(stack), *_limits(stack), *_models(stack)]


def _place(stack: ModelStack) -> Iterator[InputError]:
    if stack.settings.topology == "central":
        yield _error(
            stack,
            "in topology central a host runs guards and no gateway, so there is nothing for this one to run",
            "use topology hybrid, or keep the guard",
            "guard",
        )
    if stack.manifest.oauth.mode == "external":
        yield _error(
            stack,
            "nobody would verify the Access token a second time, and by it that an access token is its bearer's own: "
            "Kong verifies one token of a request",
            f"write mode: access, or {_KEEP}",
            *("oauth", "mode"),
        )


def _checks(stack: ModelStack) -> Iterator[InputError]:
    """No verdict is never a pass: something must read prompts and answers, and nothing but these two reads both."""
    gateway = stack.manifest.gateway
    read = {leg for check in (gateway.lakera, gateway.prisma_airs) if check for leg in check.legs}
    for leg in _LEGS:
        if leg not in read:
            yield _error(
                stack,
                f"nothing would inspect {leg}",
                f"give gateway.lakera or gateway.prisma_airs with legs: [prompts, answers], or {_KEEP}",
                "gateway",
            )


def _callers(stack: ModelStack) -> Iterator[InputError]:
    manifest = stack.manifest
    for index, grant in enumerate(manifest.grants):
        if grant.to.all is not True:
            yield _error(
                stack,
                "Kong cannot tell apart whom Access admits: an issuer's callers are one consumer there",
                "write to: {all: true}, and let access admit these alone, on a route of their own; or keep the guard",
                *("grants", index, "to"),
            )
        if _asks(grant.budget):
            yield _error(
                stack, "nobody counts a grant's budget", f"give limits.principal, or {_KEEP}", "grants", index, "budget"
            )
    if not granted_models(manifest):
        yield _error(stack, "nobody may use any model", "grant one with to: {all: true}", "grants")


def _limits(stack: ModelStack) -> Iterator[InputError]:
    limits = stack.manifest.limits
    if not (limits.principal.counts_tokens or limits.principal.counts_cost):
        yield _error(
            stack, "nothing would end a caller's use", "add tokens or a cost: Kong counts them", "limits", "principal"
        )
    if _asks(limits.all):
        yield _error(
            stack,
            "nobody counts all callers together: ai-rate-limiting-advanced counts a request by one policy, and that is "
            "its principal's",
            f"write all: {{}}, and end the bill by a quota at the provider; or {_KEEP}",
            *("limits", "all"),
        )
    if "concurrency" in limits.model_fields_set:
        yield _error(stack, "nobody counts requests in flight", f"remove it, or {_KEEP}", "limits", "concurrency")
    if stack.manifest.gateway.limits is not None:
        yield _error(
            stack,
            "beside a guard Kong counts by it; without one limits.principal is what Kong counts",
            "move it to limits.principal",
            *("gateway", "limits"),
        )
    if stack.manifest.cache.exact is not None:
        yield _error(stack, "the guard keeps it", f"remove it, or {_KEEP}", "cache", "exact")


def _models(stack: ModelStack) -> Iterator[InputError]:
    manifest, granted = stack.manifest, granted_models(stack.manifest)
    for name, model in sorted(manifest.models.items()):
        if tuple(model.kinds) != ("chat",):
            yield _error(
                stack,
                "without a guard chat completions are carried alone: others keep conversations for the account that all "
                "callers share, or hold what no check reads",
                f"write kinds: [chat], or {_KEEP}",
                *("models", name, "kinds"),
            )
        if model.max_output_tokens is not None:
            yield _error(
                stack,
                "a request's own bound would count: ai-proxy-advanced only fills one in",
                f"remove it, or {_KEEP}",
                *("models", name, "max_output_tokens"),
            )
        if len(model.targets) > 1 and len(granted) > 1:
            yield _error(
                stack,
                "its balancer has the targets of every model, and Kong's pages do not say that failover keeps to one",
                f"make {name} the one model of a route of its own",
                *("models", name, "targets"),
            )
    if manifest.cache.semantic is not None and len(granted) > 1:
        yield _error(
            stack,
            "Kong's pages do not say that a kept answer is given for the same model alone",
            "make each model a route of its own",
            *("cache", "semantic"),
        )


def _asks(budget: Model) -> bool:
    return any(value is not None for _, value in budget)


def _error(stack: ModelStack, problem: str, remedy: str, *key: str | int) -> InputError:
    return stack.document.error(manifest_path(stack, *key), problem, remedy)
