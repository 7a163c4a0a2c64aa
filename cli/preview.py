from __future__ import annotations

from cli import console
from cli.options import AsJson, Debug, ProjectDir, Sandbox, Stack


def preview(
    stack: Stack, sandbox: Sandbox = False, project: ProjectDir = None, as_json: AsJson = False, debug: Debug = False
) -> None:
    """Ask the engine what `up` would change. Nothing is touched."""
    from cli.deploy import preview as run_preview
    from cli.deploy import scope_of
    from cli.project import current_project
    from cli.report import fail_on_error, show_preview
    from cli.runs import target_of
    from engine.locate import require

    found = current_project()

    require()
    scope = scope_of(found, stack)
    with target_of(found, sandbox=sandbox) as target:
        runs = run_preview(target, scope)
    if as_json:
        console.print_json({"version": 1, "runs": [run.as_json() for run in runs]})
    show_preview(runs)
    fail_on_error(runs)
