"""`ringwall preview`: shows what `up` would change."""

from __future__ import annotations

import time

from cli.project import current_project
from cli.reading import show_calls, show_reading
from cli.report import print_runs, show_preview
from cli.target import target_of
from engine.api_calls import Calls
from engine.deploy import preview as run_preview
from engine.deploy import scope_of
from engine.estimate import bounded, calls_to_read
from engine.locate import require
from engine.readiness import refuse_server_alone
from engine.repair import pending
from engine.run import fail_on_error
from operations.drift.gateway_look import look_at_gateway


def preview(
    stack: str,
    *,
    refresh: bool,
    sandbox: bool,
) -> None:
    """What `ringwall preview` does; its flags and help are in `cli.flags.preview`."""
    project = current_project()

    require()
    scope = scope_of(project, stack)
    with target_of(project, sandbox=sandbox) as target:
        refuse_server_alone(target, scope)
        pending.tell(target, scope.stacks)
        target = bounded(target, scope.loaded)
        reading = calls_to_read(target, scope) if refresh else {}
        show_calls(sum(reading.values(), Calls()), "reading what is real", sandbox=sandbox)
        began = time.monotonic()
        gateway = look_at_gateway(scope) if refresh and not sandbox else None
        runs = run_preview(target, scope, refresh=refresh, reading=reading)
    print_runs(runs)
    show_preview(runs)
    fail_on_error(runs)
    show_reading(scope, runs, gateway, time.monotonic() - began)
    show_calls(sum((run.calls_to_apply for run in runs), Calls()), "applying it", sandbox=sandbox)
