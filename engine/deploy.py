"""The order in which an environment and its servers are previewed, brought up and destroyed.

One run on one stack is in `engine.runs`.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from components.contract import OUTPUT, difference
from engine.api_calls import Calls
from engine.checkpoint import recorded_stacks
from engine.repair.unanswered import reconcile
from engine.run import Run
from engine.runs import execute_all, program_for
from engine.state import live_resources, outputs
from engine.workspace import Target
from model.cross_checks import missing_secrets, refuse_missing_secret
from model.errors import InputError, InputErrors, NoSuchStack, PlanRefused
from model.project import Project, load
from model.resource_types import is_resource
from model.stacks import EnvironmentStack, PerimeterStack, Stack, environment_of, server_of
from model.text import counted
from plan.graph import Graph, Resource
from plan.offline import plan_stack, planned_contract
from plan.preflight import refuse_unsafe
from plan.step_order import judge_steps


@dataclass(frozen=True)
class Scope:
    """The stacks that a command works on."""

    project: Project
    loaded: Stack
    #: The stack named, then the servers and model routes that follow it when it is an environment.
    first: str
    members: tuple[str, ...] = ()
    #: What a stack declares, where it was planned offline.
    planned: Mapping[str, tuple[Resource, ...]] = field(default_factory=dict)
    #: What the environment is planned to export.
    contract: Mapping[str, Any] | None = field(default=None, repr=False)

    @property
    def stacks(self) -> tuple[str, ...]:
        return (self.first, *self.members)

    @property
    def subject(self) -> str:
        """The stacks in words: ``dev and its 3 servers``."""
        if not self.members:
            return self.first
        counts = [
            counted(len(stacks), noun)
            for noun, stacks in (("server", self.loaded.reach), ("model route", self._models))
            if stacks
        ]
        return f"{self.first} and its {' and '.join(counts)}"

    def program_of(self, stack: str) -> Callable[[], None]:
        """The program of one of the stacks, by the files as they were read for all of them."""
        return program_for(self.project, stack, self.loaded_stack(stack), self.contract)

    def loaded_stack(self, stack: str) -> Stack:
        """One of the stacks as it was read."""
        if isinstance(self.loaded, EnvironmentStack) and stack != self.first:
            return self.loaded.member(server_of(stack))
        return self.loaded

    @property
    def _models(self) -> tuple[PerimeterStack, ...]:
        return tuple(stack for stack in self.loaded.perimeters if stack not in self.loaded.reach)


def scope_of(project: Project, stack: str, *, to_change: bool = True) -> Scope:
    """Load the stack and what follows it and, with `to_change`, refuse what must never run.

    Nothing has been started when this raises.
    """
    loaded = load(project, stack)
    members: tuple[str, ...] = ()
    if isinstance(loaded, EnvironmentStack):
        members = tuple(member.stack for member in loaded.perimeters)
        if to_change and (problems := missing_secrets([loaded, *loaded.perimeters])):
            raise InputErrors(problems)
    planned: dict[str, tuple[Resource, ...]] = {}
    contract: Mapping[str, Any] | None = None
    if to_change:
        contract = None if loaded.environment is None else planned_contract(project, loaded.environment)
        for member in loaded.perimeters if isinstance(loaded, EnvironmentStack) else ():
            planned[member.stack] = _resources(refuse_unsafe(project, member, contract=contract))
        refuse_missing_secret(loaded)
        planned[stack] = _resources(refuse_unsafe(project, loaded, contract=contract))
    return Scope(project, loaded, stack, members, planned, contract)


def preview(
    target: Target,
    scope: Scope,
    only: Sequence[str] = (),
    *,
    refresh: bool = False,
    reading: Mapping[str, Calls] | None = None,
    selection: Callable[[], Collection[str]] | None = None,
) -> list[Run]:
    """Engine previews of the whole scope.

    With `refresh` each one compares with what is real instead of what was recorded last, so that drift is a change too.

    Servers of an environment that is not deployed as its file says have no contract to read yet, so the engine cannot
    preview them; they are planned offline and labelled so. `reading` are the calls that read what is real, by stack.
    `selection` tells which members must be asked at all, once the deployed environment is the one that they will meet.
    """
    calls = reading if refresh and reading is not None else {}
    first, *members = (
        Run(stack, "preview", refresh=refresh, expected=_count(scope, stack), calls=calls.get(stack, Calls()))
        for stack in scope.stacks
    )
    with target.progress.running([first]):
        execute_all(target, [first], program_of=scope.program_of, only=only)
    if first.error is None and members:
        if contract_is_current(target, scope.loaded) and not _changes_contract(first):
            due = scope.members if selection is None else selection()
            members = [run for run in members if run.stack in due]
            with target.progress.running(members):
                execute_all(target, members, program_of=scope.program_of)
        else:
            for run in members:
                _plan_offline(scope, run, is_new=not live_resources(scope.project, run.stack, target))
    return [first, *members]


def contract_is_current(target: Target, loaded: Stack) -> bool:
    """Whether the deployed environment is the one in the file."""
    return contract_difference(target, loaded) is None


def contract_difference(target: Target, loaded: Stack) -> str | None:
    """How the environment as deployed differs from the file; None where it does not."""
    if not isinstance(loaded, EnvironmentStack):
        return None
    try:
        contract = outputs(target.project, loaded.stack, target=target).get(OUTPUT)
    except NoSuchStack:
        return "is not there"
    return difference(contract, loaded) if isinstance(contract, dict) else "exports no contract"


def _changes_contract(run: Run) -> bool:
    return any(change.operation in ("create", "replace") for change in run.steps.changed)


def _count(scope: Scope, stack: str) -> int | None:
    return len(scope.planned[stack]) if stack in scope.planned else None


def _plan_offline(scope: Scope, run: Run, *, is_new: bool) -> None:
    if not isinstance(scope.loaded, EnvironmentStack):
        raise TypeError("only what belongs to an environment is planned in its place")
    run.offline, run.state = True, "done"
    declared = _planned(scope, run.stack)
    run.planned = declared if is_new else ()
    run.steps.counts = {"create": len(declared)}


def _planned(scope: Scope, stack: str) -> tuple[Resource, ...]:
    if stack in scope.planned:
        return scope.planned[stack]
    return _resources(plan_stack(scope.project, scope.loaded_stack(stack)))


def _resources(graph: Graph) -> tuple[Resource, ...]:
    """What a plan declares, Pulumi's own things left out."""
    return tuple(resource for resource in graph.resources if is_resource(resource.type))


def refuse_gaps(previews: Sequence[Run]) -> None:
    """Refuse what the engine would do in an order that leaves a public name unprotected; raises `PlanRefused`."""
    lines = [
        f"{run.stack}: {finding.rule_id}: {finding.message}; {finding.remedy}"
        for run in previews
        for finding in judge_steps([change.step for change in run.steps.changes.values() if change.step is not None])
    ]
    if lines:
        raise PlanRefused("\n".join(lines))


def bring_up(
    target: Target,
    scope: Scope,
    previews: Sequence[Run],
    only: Sequence[str] = (),
    *,
    refresh: bool = False,
    selection: Callable[[], Collection[str]] | None = None,
    ended: Callable[[Run], None] = lambda run: None,
) -> list[Run]:
    """Create and update the environment first, then its servers side by side, and last what the environment drops.

    A policy or token that the environment no longer wants may still be attached to a server that has not moved on; it is
    deleted only after every server has. A stack whose preview found nothing to do is not run again.

    Args:
        refresh: a stack that drifted, or that the engine could not preview, is read anew before it is changed.
        selection: tells which members must be asked, now that the environment is up; the others are left out.
        ended: is called with each member's run that has ended.
    """
    previewed = {run.stack: run for run in previews}
    first = _run_of(previewed[scope.first], refresh)
    dropped = (
        [change.urn for change in previews[0].steps.changed if change.operation == "delete"] if scope.members else []
    )
    _execute(target, scope, [first], only=only, exclude=dropped)
    runs = [first]
    if first.error is not None:
        return [
            *runs,
            *(
                Run(stack, "up", state="skipped", error=f"{scope.first} failed")
                for stack in scope.members
                if stack in previewed
            ),
        ]
    due = scope.members if selection is None else selection()
    servers = [_run_of(previewed[stack], refresh) for stack in scope.members if stack in previewed and stack in due]
    for run in servers:
        if run.state == "done":
            ended(run)
    _execute(target, scope, servers, ended=ended)
    runs += servers
    if dropped and all(run.error is None for run in servers):
        last = Run(scope.first, "up")
        _execute(target, scope, [last])
        runs.append(last)
    elif dropped:
        target.progress.note(
            f"staying until every server is up: {counted(len(dropped), 'resource')} that {scope.first} no longer wants"
        )
    return runs


def _run_of(previewed: Run, refresh: bool) -> Run:
    """The run that follows a preview.

    It counts as done where the preview found nothing to do. It reads the real resources only where the preview found drift
    or was made offline.
    """
    if not previewed.offline and not previewed.steps.differs:
        return Run(previewed.stack, "up", previewed.steps, "done")
    anew = refresh and (previewed.offline or bool(previewed.steps.drifted))
    calls = previewed.calls_to_apply + (previewed.calls if anew else Calls())
    return Run(previewed.stack, "up", refresh=anew, expected=sum(previewed.steps.counts.values()), calls=calls)


def _execute(target: Target, scope: Scope, runs: Sequence[Run], **options: Any) -> None:
    due = [run for run in runs if run.state == "waiting"]
    if due:
        with target.progress.running(due):
            execute_all(target, due, program_of=scope.program_of, **options)
    reconcile(target, due)


def refuse_live_servers(target: Target, stack: str) -> None:
    """Refuse to destroy an environment while one of its servers is live, as that would take the server's policies away."""
    if "." in stack:
        return
    for server, count in live_servers(target, stack).items():
        raise InputError(
            f"environment {stack} has a live stack: {server} ({counted(count, 'resource')})",
            remedy=f"run `ringwall destroy {server}` first, or `ringwall destroy {stack} --servers`",
        )


def live_servers(target: Target, environment: str) -> dict[str, int]:
    """The servers and model routes of an environment that have resources in the backend, also where their files are gone."""
    stacks = {f"{environment}.{server}" for server in target.project.members_of(environment)}
    stacks |= {stack for stack in recorded_stacks(target) if server_of(stack) and environment_of(stack) == environment}
    counts = {stack: live_resources(target.project, stack, target) for stack in sorted(stacks)}
    return {stack: count for stack, count in counts.items() if count}


def destroy(target: Target, stack: str, calls: Calls | None = None) -> Run:
    """Destroy one stack; `calls` of the providers' APIs are what it takes."""
    refuse_live_servers(target, stack)
    run = Run(stack, "destroy", calls=calls or Calls())
    with target.progress.running([run]):
        execute_all(target, [run])
    reconcile(target, [run])
    return run
