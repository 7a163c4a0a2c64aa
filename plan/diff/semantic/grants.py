"""Who gains or loses which tool, prompt or resource: grants resolved as the guard resolves them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
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

    A named class has what everyone has besides its own: losing a grant that everyone still holds is no loss. A lockdown
    grants nothing while it lasts; what is compared is what holds again when it is lifted, which nobody reviews then.
    """
    manifest = server.manifest.model_copy(update={"lockdown": None})
    config = build_guard_config(
        replace(server, manifest=manifest),
        {name: name for name in manifest.hostnames},
        {agent: agent for agent in manifest.access.agents},
    )
    found: Rights = {}
    for grant in config.grants:
        for principal in _classes(grant.to):
            own = found.setdefault(principal, {})
            for thing, condition in _things(grant):
                own[thing] = own.get(thing, frozenset()) | {condition}
    return found


def _effective(found: Rights, principal: str) -> dict[tuple[str, str], frozenset[str]]:
    shared = found.get(EVERYONE, {})
    own = found.get(principal, {})
    return {thing: own.get(thing, frozenset()) | shared.get(thing, frozenset()) for thing in {*own, *shared}}


def _classes(to: Principals) -> list[str]:
    names = [EVERYONE] if to.all else []
    names += [f"person {email}" for email in to.emails]
    names += [f"everyone at {domain}" for domain in to.domains]
    names += [f"group {g.group} of {g.provider}" + (f" ({g.claim})" if g.claim else "") for g in to.idp_groups]
    names += [f"agent {agent}" for agent in to.agents]
    return names + [f"everyone through {client}" for client in to.hosted_clients]


def _things(grant: ResolvedGrant) -> list[tuple[tuple[str, str], str]]:
    found = [(("tool", name), _condition(grant.arguments.get(name), grant.limits.dump())) for name in grant.tools]
    found += [(("prompt", name), _condition(None, {})) for name in grant.prompts]
    return found + [(("resource", pattern), _condition(None, {})) for pattern in grant.resources]


def _condition(arguments: Any, limits: dict[str, Any]) -> str:
    return json.dumps({"arguments": arguments, "limits": limits}, sort_keys=True, ensure_ascii=False)


def compare_grants(
    stack: str, before: Rights, after: Rights, risks_before: Mapping[str, str], risks_after: Mapping[str, str]
) -> list[Change]:
    """Changes for every class of principals: what it gains, what it loses, and under which conditions."""
    changes: list[Change] = []
    for principal in sorted({*before, *after}):
        was, now = _effective(before, principal), _effective(after, principal)
        gained, lost = sorted(now.keys() - was.keys()), sorted(was.keys() - now.keys())
        if gained:
            changes.append(_moved("gained", "gains", stack, principal, gained, risks_after))
        if lost:
            changes.append(_moved("lost", "loses", stack, principal, lost, risks_before))
        for kind, name in sorted(now.keys() & was.keys()):
            one, other = was[(kind, name)], now[(kind, name)]
            if one != other:
                changes.append(_conditions(stack, principal, kind, name, one, other, risks_after))
    return changes


def _moved(
    what: str, verb: str, stack: str, principal: str, things: list[tuple[str, str]], risks: Mapping[str, str]
) -> Change:
    weights = [RISK_WEIGHT.get(risks.get(name, "unknown"), 90) if kind == "tool" else 60 for kind, name in things]
    ranked = [thing for _, thing in sorted(zip(weights, things, strict=True), key=lambda pair: (-pair[0], pair[1]))]
    words = [f"{kind} {name}" + (f" [{risks.get(name, 'unknown')}]" if kind == "tool" else "") for kind, name in ranked]
    more = f" and {len(words) - _SHOWN} more" if len(words) > _SHOWN else ""
    direction = Direction.LOOSENS if what == "gained" else Direction.TIGHTENS
    title = f"{principal} {verb} {', '.join(words[:_SHOWN])}{more}"
    return change(f"grant-{what}", direction, max(weights), stack, "guard", title, words if more else ())


def _conditions(
    stack: str,
    principal: str,
    kind: str,
    name: str,
    one: frozenset[str],
    other: frozenset[str],
    risks: Mapping[str, str],
) -> Change:
    direction, details = Direction.LOOSENS, []
    if len(one) == len(other) == 1:
        was, now = (json.loads(next(iter(side))) for side in (one, other))
        tightens = True
        if was["arguments"] != now["arguments"]:
            # A rule where there was none demands more; any other pair of schemas proves nothing.
            tightens = was["arguments"] is None
            details.append(f"argument rule: {_json(was['arguments'])} → {_json(now['arguments'])}")
        for key in sorted({*was["limits"], *now["limits"]}):
            mine, theirs = was["limits"].get(key), now["limits"].get(key)
            if mine != theirs:
                tightens = tightens and more_loosens(mine, theirs) is Direction.TIGHTENS
                details.append(f"{key}: {_json(mine)} → {_json(theirs)}")
        direction = Direction.TIGHTENS if tightens else Direction.LOOSENS
    else:
        details += [f"no longer: {text}" for text in sorted(one - other)]
        details += [f"now also: {text}" for text in sorted(other - one)]
    weight = min(RISK_WEIGHT.get(risks.get(name, "unknown"), 90), 80)
    title = f"{principal}: conditions of {kind} {name} changed"
    return change("grant-conditions", direction, weight, stack, "guard", title, details)


def _json(value: Any) -> str:
    return "none" if value is None else json.dumps(value, ensure_ascii=False, sort_keys=True)


def matrix(before: Rights, after: Rights, risks_before: Mapping[str, str], risks_after: Mapping[str, str]) -> Matrix:
    """Principals by tools, both sides in one picture."""
    principals = sorted({*before, *after}, key=lambda name: (name != EVERYONE, name))
    was = {principal: _tools(_effective(before, principal)) for principal in principals}
    now = {principal: _tools(_effective(after, principal)) for principal in principals}
    names = sorted({name for side in (was, now) for tools in side.values() for name in tools})
    cells = tuple(
        tuple(_cell(was[principal].get(name), now[principal].get(name)) for name in names) for principal in principals
    )
    tools = tuple((name, risks_after.get(name) or risks_before.get(name) or "unknown") for name in names)
    return Matrix(tuple(principals), tools, cells)


def _tools(things: Mapping[tuple[str, str], frozenset[str]]) -> dict[str, frozenset[str]]:
    return {name: conditions for (kind, name), conditions in things.items() if kind == "tool"}


def _cell(was: frozenset[str] | None, now: frozenset[str] | None) -> str:
    if was is None:
        return "no" if now is None else "gained"
    if now is None:
        return "lost"
    return "yes" if was == now else "changed"
