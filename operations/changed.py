"""`ringwall up --changed`: which stacks of an environment must be asked, as something in their plan changed.

A stack is passed over when three things hold: the last `up` from this folder succeeded, nothing has been recorded in the
backend since, and the plan with the ids of the deployed environment is the one that was applied, by the same versions.
Whatever is not known for certain is asked.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import asdict
from importlib.metadata import version
from typing import Any

import pulumi

from components.contract import OUTPUT
from engine.deploy import Scope
from engine.state import outputs
from engine.workspace import Target
from model.errors import NoSuchStack
from model.project import Project, config_of
from model.stacks import PerimeterStack
from operations.approval import recorded_plan
from plan.offline import plan_stack

#: What turns the files into resources.
_PROGRAM = ("ringwall", "pulumi", "pulumi-cloudflare", "pulumi-kong")


def plans_of(target: Target, scope: Scope) -> dict[str, str]:
    """The digest of each server's plan with the ids of the deployed environment; empty where it is not deployed."""
    members = [loaded for stack in scope.stacks if isinstance(loaded := scope.loaded_stack(stack), PerimeterStack)]
    if not members:
        return {}
    try:
        contract = outputs(scope.project, members[0].environment.stack, target=target).get(OUTPUT)
    except NoSuchStack:
        return {}
    if not isinstance(contract, dict):
        return {}
    plans = {}
    for member in members:
        # A policy or agent that the environment does not have yet, or no more: the plan is not the one that was applied.
        with suppress(pulumi.RunError):
            plans[member.stack] = plan_digest(scope.project, member, contract)
    return plans


def changed_members(target: Target, scope: Scope) -> frozenset[str]:
    """The members that must be asked."""
    plans = plans_of(target, scope)
    return frozenset(
        stack for stack in scope.members if stack not in plans or recorded_plan(target, stack) != plans[stack]
    )


def plan_digest(project: Project, member: PerimeterStack, contract: Mapping[str, Any]) -> str:
    """SHA-256 of all that an `up` of the stack would declare, the encrypted values of its file, and the versions."""
    graph = plan_stack(project, member, contract=contract)
    resources = [{**asdict(resource), "source": None} for resource in graph.resources]
    encrypted = {key: value for key, value in config_of(member.document).items() if key != member.config_key}
    versions = {name: version(name) for name in _PROGRAM}
    text = json.dumps([resources, graph.outputs, encrypted, versions], sort_keys=True, default=str)
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()
