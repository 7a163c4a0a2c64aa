"""What a command asks of the providers' APIs, said before it does: to read what is real, to apply what a preview found, to
destroy."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from engine.api_calls import Calls, total
from engine.budget import LIMIT, WINDOW, CallBudget, least_seconds
from engine.deploy import Scope
from engine.state import all_live_resources
from engine.workspace import Target
from model.stacks import Stack, ZoneStack


def calls_to_read(target: Target, scope: Scope) -> dict[str, Calls]:
    """The calls that read each stack's resources: as many as its plan declares, where the backend has the stack."""
    live = all_live_resources(target, list(scope.stacks))
    return {
        stack: total("refresh", (resource.type for resource in scope.planned[stack])) if live[stack] else Calls()
        for stack in scope.stacks
    }


def calls_to_destroy(state: Mapping[str, Any]) -> Calls:
    """The calls that delete what a stack's recorded state lists."""
    return total("delete", (resource["type"] for resource in state.get("resources") or () if resource.get("custom")))


def counted_calls(target: Target) -> Target:
    """The target with a bound on these runs' own calls of Cloudflare's API. It needs no file of the stack."""
    return target if target.sandbox_folder is not None else replace(target, budget=CallBudget(target.progress.note))


def bounded(target: Target, loaded: Stack) -> Target:
    """The target with a bound on the calls of Cloudflare's API; the sandbox makes none.

    What others use is asked with CLOUDFLARE_API_TOKEN; where that is not set, these runs alone are counted.
    """
    if target.sandbox_folder is not None:
        return target
    from wire.cloudflare import token_from_environment
    from wire.cloudflare_allowance import ask_allowance

    place = loaded.manifest.cloudflare if isinstance(loaded, ZoneStack) else loaded.environment.settings.cloudflare
    token = token_from_environment()
    if token is None:
        return counted_calls(target)
    return replace(
        target, budget=CallBudget(target.progress.note, ask=lambda: ask_allowance(place.api, place.zone_id, token))
    )


def words(calls: Calls, verb: str, *, sandbox: bool) -> str:
    """A sentence that says what `verb` takes, and for how long Cloudflare's limit draws it out."""
    wait = least_seconds(calls.cloudflare)
    bound = (
        f"; Cloudflare takes {LIMIT:,} calls in {WINDOW / 60:.0f} minutes, so at least {wait / 60:.0f} minutes"
        if wait
        else ""
    )
    return f"{verb} {'would take' if sandbox else 'takes'} {calls}{bound}"
