"""`ringwall import`: takes over an object that exists at Cloudflare or Kong."""

from __future__ import annotations

from cli import console
from cli.project import current_project
from cli.reading import show_calls
from cli.report import print_runs, show_preview, show_results
from cli.target import target_of
from engine.deploy import refuse_gaps
from engine.locate import require
from engine.repair.kinds import Kind
from engine.run import Run, fail_on_error
from engine.runs import execute
from model.project import load
from operations.project.imports import import_plan, importing_program
from plan.preflight import refuse_unsafe


def import_existing(
    stack: str,
    kind: Kind,
    id: str,
    *,
    name: str | None,
    hostname: str | None,
    yes: bool,
    sandbox: bool,
) -> None:
    """What `ringwall import` does; its flags and help are in `cli.flags.import_existing`."""
    project = current_project()
    require()
    loaded = load(project, stack)
    plan = import_plan(refuse_unsafe(project, loaded), kind, id, name=name, hostname=hostname)
    program = importing_program(project, stack, plan)
    before, run = Run(stack, "preview"), Run(stack, "up")
    with target_of(project, sandbox=sandbox) as target:
        with target.progress.running([before]):
            execute(target, before, only=plan.targets, program=program)
        show_preview([before])
        fail_on_error([before])
        refuse_gaps([before])
        show_calls(before.calls_to_apply, "importing it", sandbox=sandbox)
        console.consent(f"Import {kind.value} {id} as {plan.name} of {stack}?", yes=yes)
        with target.progress.running([run]):
            execute(target, run, only=plan.targets, program=program)
    print_runs([run])
    show_results([run])
    fail_on_error([run])
