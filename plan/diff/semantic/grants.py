"""Compares who gains or loses which tool, prompt or resource, with grants resolved as the guard resolves them.

Tools, prompts and resources together are called primitives, as MCP does. Who reaches the server is compared in `access`.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from decimal import Decimal
from typing import Any

from components.guard.settings import build_guard_config
from model.guard_config import Principals, ResolvedGrant
from model.stacks import ServerStack
from plan.diff.model import Change, Direction, Matrix, change
from plan.diff.semantic.directions import more_loosens

EVERYONE = "everyone admitted"
RISK_WEIGHT = {"read": 70, "write": 85, "unknown": 90, "execute": 95}
#: Principal to what it may use, (kind, name), each with the conditions of the grants that give it (canonical JSON).
Rights = dict[str, dict[tuple[str, str], frozenset[str]]]
_SHOWN = 5


def rights(server: ServerStack) -> Rights:
    """Everything every class of principals may use of one server.

    A named class also has what everyone has, so losing a grant that everyone still holds is no loss. A lockdown grants
    nothing while it lasts. Compared is what is granted without it, as nobody reviews the grants when it is lifted.
    """
    manifest = server.manifest.model_copy(update={"lockdown": None})
    config = build_guard_config(
        replace(server, manifest=manifest),
        {name: name for name in manifest.hostnames},
        {agent: agent for agent in manifest.access.agents},
    )
    resolved: Rights = {}
    for grant in config.grants:
        for principal in principal_classes(grant.to):
            primitives = resolved.setdefault(principal, {})
            for primitive, condition in _primitives(grant):
                primitives[primitive] = primitives.get(primitive, frozenset()) | {condition}
    return resolved


def _effective(all_rights: Rights, principal: str) -> dict[tuple[str, str], frozenset[str]]:
    shared = all_rights.get(EVERYONE, {})
    named = all_rights.get(principal, {})
    rights = {
        primitive: named.get(primitive, frozenset()) | shared.get(primitive, frozenset())
        for primitive in {*named, *shared}
    }
    return {
        (kind, name): frozenset({_most_generous(conditions)}) if kind == "model" else conditions
        for (kind, name), conditions in rights.items()
    }


def _most_generous(conditions: frozenset[str]) -> str:
    """The one budget that several grants of a model give, figure by figure, as the guard counts it
    (`guard.models.budgets`)."""
    budgets: list[dict[str, Any]] = [json.loads(text)["limits"] for text in conditions]
    bounded = set.intersection(*(set(budget) for budget in budgets))
    return _condition(
        None, {name: max((budget[name] for budget in budgets), key=lambda value: Decimal(value)) for name in bounded}
    )


def principal_classes(principals: Principals) -> list[str]:
    names = [EVERYONE] if principals.all else []
    names += [f"person {email}" for email in principals.emails]
    names += [f"everyone at {domain}" for domain in principals.domains]
    names += [f"group {g.group} of {g.provider}" + (f" ({g.claim})" if g.claim else "") for g in principals.idp_groups]
    names += [f"agent {agent}" for agent in principals.agents]
    return names + [f"everyone through {client}" for client in principals.hosted_clients]


def _primitives(grant: ResolvedGrant) -> list[tuple[tuple[str, str], str]]:
    conditions = [(("tool", name), _condition(grant.arguments.get(name), grant.limits.dump())) for name in grant.tools]
    conditions += [(("prompt", name), _condition(None, {})) for name in grant.prompts]
    return conditions + [(("resource", pattern), _condition(None, {})) for pattern in grant.resources]


def _condition(arguments: Any, limits: dict[str, Any]) -> str:
    return json.dumps({"arguments": arguments, "limits": limits}, sort_keys=True, ensure_ascii=False)


def compare_grants(
    stack: str, base: Rights, head: Rights, base_risks: Mapping[str, str], head_risks: Mapping[str, str]
) -> list[Change]:
    """Changes for every class of principals: what it gains and loses, and which conditions change."""
    changes: list[Change] = []
    for principal in sorted({*base, *head}):
        base_rights, head_rights = _effective(base, principal), _effective(head, principal)
        gained, lost = sorted(head_rights.keys() - base_rights.keys()), sorted(base_rights.keys() - head_rights.keys())
        if gained:
            changes.append(_moved("gained", "gains", stack, principal, gained, head_risks))
        if lost:
            changes.append(_moved("lost", "loses", stack, principal, lost, base_risks))
        for kind, name in sorted(head_rights.keys() & base_rights.keys()):
            base_conditions, head_conditions = base_rights[(kind, name)], head_rights[(kind, name)]
            if base_conditions != head_conditions:
                changes.append(_conditions(stack, principal, kind, name, base_conditions, head_conditions, head_risks))
    return changes


def _weight(kind: str, risk: str | None) -> int:
    """How much of a change a reviewer must see: a tool's by its risk; a model spends money and reads what it is told."""
    return RISK_WEIGHT.get(risk or "unknown", 90) if kind == "tool" else 80 if kind == "model" else 60


def _moved(
    effect: str, verb: str, stack: str, principal: str, primitives: list[tuple[str, str]], risks: Mapping[str, str]
) -> Change:
    weights = [_weight(kind, risks.get(name)) for kind, name in primitives]
    ranked = [
        primitive
        for _, primitive in sorted(zip(weights, primitives, strict=True), key=lambda pair: (-pair[0], pair[1]))
    ]
    words = [
        f"{kind} {name}" + (f" [{risks.get(name, 'unknown')}]" if kind in ("tool", "model") else "")
        for kind, name in ranked
    ]
    remainder = f" and {len(words) - _SHOWN} more" if len(words) > _SHOWN else ""
    direction = Direction.LOOSENS if effect == "gained" else Direction.TIGHTENS
    title = f"{principal} {verb} {', '.join(words[:_SHOWN])}{remainder}"
    return change(f"grant-{effect}", direction, max(weights), stack, "guard", title, words if remainder else ())


def _conditions(
    stack: str,
    principal: str,
    kind: str,
    name: str,
    base: frozenset[str],
    head: frozenset[str],
    risks: Mapping[str, str],
) -> Change:
    direction, details = Direction.LOOSENS, []
    if len(base) == len(head) == 1:
        base_condition, head_condition = (json.loads(next(iter(side))) for side in (base, head))
        tightens = True
        if base_condition["arguments"] != head_condition["arguments"]:
            # A first rule demands more than none did; two different rules prove nothing.
            tightens = base_condition["arguments"] is None
            details.append(
                f"argument rule: {_json(base_condition['arguments'])} → {_json(head_condition['arguments'])}"
            )
        for key in sorted({*base_condition["limits"], *head_condition["limits"]}):
            base_limit, head_limit = base_condition["limits"].get(key), head_condition["limits"].get(key)
            if base_limit != head_limit:
                tightens = tightens and more_loosens(base_limit, head_limit) is Direction.TIGHTENS
                details.append(f"{key}: {_json(base_limit)} → {_json(head_limit)}")
        direction = Direction.TIGHTENS if tightens else Direction.LOOSENS
    else:
        details += [f"no longer: {text}" for text in sorted(base - head)]
        details += [f"now also: {text}" for text in sorted(head - base)]
    weight = min(_weight(kind, risks.get(name)), 80)
    title = f"{principal}: conditions of {kind} {name} changed"
    return change("grant-conditions", direction, weight, stack, "guard", title, details)


def _json(value: Any) -> str:
    return "none" if value is None else json.dumps(value, ensure_ascii=False, sort_keys=True)


def matrix(base: Rights, head: Rights, base_risks: Mapping[str, str], head_risks: Mapping[str, str]) -> Matrix:
    """The table of principals and tools, base and head in one."""
    principals = sorted({*base, *head}, key=lambda name: (name != EVERYONE, name))
    base_tools = {principal: _tools(_effective(base, principal)) for principal in principals}
    head_tools = {principal: _tools(_effective(head, principal)) for principal in principals}
    names = sorted({name for side in (base_tools, head_tools) for tools in side.values() for name in tools})
    cells = tuple(
        tuple(_cell(base_tools[principal].get(name), head_tools[principal].get(name)) for name in names)
        for principal in principals
    )
    tools = tuple((name, head_risks.get(name) or base_risks.get(name) or "unknown") for name in names)
    return Matrix(tuple(principals), tools, cells)


def _tools(primitives: Mapping[tuple[str, str], frozenset[str]]) -> dict[str, frozenset[str]]:
    return {name: conditions for (kind, name), conditions in primitives.items() if kind in ("tool", "model")}


def _cell(base: frozenset[str] | None, head: frozenset[str] | None) -> str:
    if base is None:
        return "no" if head is None else "gained"
    if head is None:
        return "lost"
    return "yes" if base == head else "changed"
