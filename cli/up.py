"""`ringwall up`: previews a stack, asks, applies, and brings the gateway up to date."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from threading import Lock

from cli import console
from cli.approval import ask_about, refuse_unclear_approval
from cli.keys import sync_environment
from cli.project import current_project
from cli.reading import show_calls, show_passed, show_reading
from cli.report import next_steps, print_runs, show_preview, show_results
from cli.target import target_of
from engine import deploy
from engine.api_calls import Calls
from engine.deploy import Scope
from engine.estimate import bounded, calls_to_read
from engine.locate import require
from engine.readiness import refuse_server_alone, refuse_shared
from engine.repair import pending
from engine.repair.name_clashes import refuse_clashes
from engine.run import Run, fail_on_error
from model.errors import InputError, RingwallError
from model.stacks import has_guard
from operations.approval import files_of, reasons_to_ask, record
from operations.changed import changed_members, plans_of
from operations.drift.gateway_look import look_at_gateway
from operations.incident.lift import open_gateway
from wire.kong import KongAdmin


def up(
    stack: str,
    *,
    target: list[str],
    refresh: bool,
    changed: bool,
    approve: str | None,
    yes: bool,
    sandbox: bool,
) -> None:
    """What `ringwall up` does; its flags and help are in `cli.flags.up`."""
    refuse_unclear_approval(approve, yes=yes)
    project = current_project()
    require()
    scope = deploy.scope_of(project, stack)
    if target and scope.members:
        raise InputError("--target goes with one stack", remedy="name a server, or leave --target out")
    if changed and not scope.members:
        raise InputError(
            f"{stack} is one stack", key="--changed", remedy="name an environment with servers, or leave it out"
        )
    with target_of(project, sandbox=sandbox) as destination:
        refuse_server_alone(destination, scope)
        refuse_shared(destination, scope)
        repaired = pending.resolve_before(destination, scope.stacks, yes=yes)
        destination = bounded(destination, scope.loaded)
        selection = (lambda: changed_members(destination, scope)) if changed else None
        due = scope if selection is None else replace(scope, members=tuple(sorted(selection())))
        reading = calls_to_read(destination, due) if refresh else {}
        show_calls(sum(reading.values(), Calls()), "reading what is real", sandbox=sandbox)
        began, deployed = time.monotonic(), {name: files_of(project, name) for name in scope.stacks}
        # The sandbox's Kong is a provider and no Admin API.
        gateway = look_at_gateway(due) if refresh and not sandbox else None
        previews = deploy.preview(
            destination, scope, only=target, refresh=refresh, reading=reading, selection=selection
        )
        show_preview(previews)
        fail_on_error(previews)
        deploy.refuse_gaps(previews)
        refuse_clashes(destination, previews)
        show_reading(scope, previews, gateway, time.monotonic() - began)
        show_passed(len(scope.stacks) - len(previews))
        applying = sum((run.calls_to_apply for run in previews), Calls())
        show_calls(applying, "applying it", sandbox=sandbox)
        subject = scope.subject
        differs = gateway is not None and bool(gateway.differences)
        if approve is None or ask_about(reasons_to_ask(destination, scope, previews, differs_at_gateway=differs)):
            console.consent(f"Apply this to {subject}?", yes=yes)
        if gateway is not None and not target:
            gateway.put_back()
        plans, one_by_one = cache(lambda: plans_of(destination, scope)), Lock()

        def ended(run: Run) -> None:
            try:
                with one_by_one:
                    record(destination, [deployed[run.stack]], [run], plans())
            except (RingwallError, OSError) as error:  # the others go on; the next `up` asks this one
                console.note(f"{run.stack}: what was applied could not be noted ({error})")

        runs = deploy.bring_up(
            destination, scope, previews, only=target, refresh=refresh, selection=selection, ended=ended
        )
        if not target:
            first = [run for run in runs if run.stack == scope.first]
            record(destination, [deployed[scope.first]], first, plans())
        for line in pending.delete_late_objects(destination, repaired):
            console.note(line)
    reading_calls = sum(reading.values(), Calls())
    print_runs(runs, calls={"reading": reading_calls.as_json(), "applying": applying.as_json()})
    show_results(runs)
    fail_on_error(runs)
    if sandbox:
        console.note("the sandbox has no gateway: `keys sync` was not run")
    else:
        _follow_at_gateway(scope)
    for line in _next_steps(scope, runs):
        console.say(line)


def _next_steps(scope: Scope, runs: Sequence[Run]) -> list[str]:
    servers = [server.stack for server in scope.loaded.reach]
    routes = [stack for stack in scope.loaded.perimeters if stack.stack not in servers]
    guarded = [stack.stack for stack in routes if has_guard(stack)]
    return next_steps(servers, runs, guarded, [stack.stack for stack in routes if not has_guard(stack)])


def _follow_at_gateway(scope: Scope) -> None:
    """Bring up to date what the engine does not manage at the gateway: the issuers' keys, and the closing of a server.

    A server whose file no longer says that it is closed answers again, also where `lockdown --lift` was never run.
    """
    environment = scope.loaded.environment
    if environment is None:
        return
    open_ = [stack.stack for stack in scope.loaded.perimeters if stack.manifest.lockdown is None]
    with KongAdmin(environment.settings.gateway) as gateway:
        for stack in open_gateway(gateway, open_):
            console.say(
                f"{stack}: the gateway's closing of `ringwall lockdown` is taken away: its file does not close it"
            )
    sync_environment(scope.project, environment)
