"""`ringwall refresh`: reads what is real into the recorded state."""

from __future__ import annotations

from cli import console
from cli.project import current_project
from cli.report import print_runs, show_preview, show_results
from cli.target import target_of
from engine import deploy
from engine.estimate import bounded
from engine.locate import require
from engine.repair import pending
from engine.run import Run, fail_on_error
from engine.runs import execute_all
from operations.drift.gateway_look import look_at_gateway


def refresh(
    stack: str,
    *,
    preview_only: bool,
    yes: bool,
    sandbox: bool,
) -> None:
    """What `ringwall refresh` does; its flags and help are in `cli.flags.refresh`."""
    project = current_project()
    require()
    scope = deploy.scope_of(project, stack, to_change=False)
    subject = scope.subject
    if not preview_only:
        console.consent(f"Replace the recorded state of {subject} by what is read?", yes=yes)
    runs = [Run(name, "preview_refresh" if preview_only else "refresh") for name in scope.stacks]
    with target_of(project, sandbox=sandbox) as target:
        if preview_only:
            pending.tell(target, scope.stacks)
        else:
            # A refresh of the engine's drops what was being changed or deleted without a word, and keeps creates for ever.
            pending.resolve_before(target, scope.stacks, yes=True)
        if not sandbox:
            look_at_gateway(scope)
        with target.progress.running(runs):
            execute_all(bounded(target, scope.loaded), runs)
    for run in runs[1:]:
        if run.missing:
            run.state, run.error = "skipped", None
    print_runs(runs)
    show_preview(runs)
    if not preview_only:
        show_results(runs)
    fail_on_error(runs)
