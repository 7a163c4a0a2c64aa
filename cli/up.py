from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from cli import console
from cli.options import AsJson, Debug, ProjectDir, Sandbox, Stack, Yes

if TYPE_CHECKING:
    from cli.deploy import Scope


def up(
    stack: Stack,
    target: Annotated[
        list[str], typer.Option("--target", help="Only this resource (URN); may be repeated.", show_default=False)
    ] = [],  # noqa: B006 - Typer copies it
    yes: Yes = False,
    sandbox: Sandbox = False,
    project: ProjectDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Bring a server up, or an environment and then all its servers."""
    from cli import deploy
    from cli.project import current_project
    from cli.report import fail_on_error, show_preview, show_results
    from cli.runs import target_of
    from engine.locate import require
    from model.errors import InputError

    found = current_project()
    require()
    scope = deploy.scope_of(found, stack)
    if target and scope.servers:
        raise InputError("--target goes with one stack", remedy="name a server, or leave --target out")
    with target_of(found, sandbox=sandbox) as where:
        previews = deploy.preview(where, scope, only=target)
        show_preview(previews)
        fail_on_error(previews)
        deploy.refuse_gaps(previews)
        what = f"{stack} and its {len(scope.servers)} servers" if scope.servers else stack
        if not console.ask(f"Apply this to {what}?", yes=yes):
            console.note("nothing was changed")
            raise typer.Exit(1)
        runs = deploy.up(where, scope, previews, only=target)
    if as_json:
        console.print_json({"version": 1, "runs": [run.as_json() for run in runs]})
    show_results(runs)
    fail_on_error(runs)
    if sandbox:
        console.note("the sandbox has no gateway: `keys sync` was not run")
    else:
        _sync_keys(scope)


def _sync_keys(scope: Scope) -> None:
    """A gateway without the issuer's keys refuses everyone, so they are brought up to date with every `up`."""
    from cli.keys import show, sync_keys
    from model.project import EnvironmentStack, ZoneStack

    if isinstance(scope.loaded, ZoneStack):
        return
    environment = scope.loaded if isinstance(scope.loaded, EnvironmentStack) else scope.loaded[0]
    with console.working(f"bringing the gateway's keys of {environment.name} up to date"):
        report = sync_keys(environment.settings, environment.name)
    show(report, quiet=True)
    report.check()
