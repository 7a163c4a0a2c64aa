from __future__ import annotations

from typing import Annotated

import typer

from cli import console, live
from cli.options import AsJson, Debug, ProjectDir, Sandbox, Stack, Yes
from cli.project import current_project
from cli.report import show_preview, show_results
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
    stack: Stack,
    kind: Annotated[Kind, typer.Argument(help="What exists already.")],
    id: Annotated[
        str,
        typer.Argument(
            help="Its id, as Cloudflare's dashboard or Kong's Admin API shows it; of a target UPSTREAM/TARGET, "
            "of an acl ACL|CONSUMER."
        ),
    ],
    name: Annotated[
        str | None,
        typer.Option(
            help="Which one, where a stack has several of the kind: its name in the plan, or at the provider.",
            show_default=False,
        ),
    ] = None,
    hostname: Annotated[
        str | None, typer.Option(help="Which one: that of this public host name.", show_default=False)
    ] = None,
    yes: Yes = False,
    sandbox: Sandbox = False,
    project: ProjectDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Take over an object that exists at Cloudflare or Kong instead of making a second one.

    The engine reads it and compares it with the stack file. Where they differ the difference is shown and nothing is
    imported, so that taking over never changes what is running.
    """
    found = current_project()
    require()
    loaded = load(found, stack)
    wanted = import_plan(refuse_unsafe(found, loaded), kind, id, name=name, hostname=hostname)
    program = importing_program(found, stack, wanted)
    before, run = Run(stack, "preview"), Run(stack, "up")
    with target_of(found, sandbox=sandbox) as target:
        with live.progress([before]):
            execute(target, before, only=wanted.targets, program=program)
        show_preview([before])
        fail_on_error([before])
        refuse_gaps([before])
        console.consent(f"Import {kind.value} {id} as {wanted.name} of {stack}?", yes=yes)
        with live.progress([run]):
            execute(target, run, only=wanted.targets, program=program)
    if as_json:
        console.print_json({"version": 1, "runs": [run.as_json()]})
    show_results([run])
    fail_on_error([run])
