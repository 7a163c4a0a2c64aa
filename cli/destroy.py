"""`ringwall destroy`: takes a stack down, the servers of an environment first."""

from __future__ import annotations

from cli import console
from cli.project import current_project
from cli.report import show_results
from cli.target import target_of
from engine import deploy
from engine.locate import require
from engine.repair import pending
from engine.run import Run, fail_on_error
from engine.state import live_resources


def destroy(
    stack: str,
    *,
    servers: bool,
    yes: bool,
    sandbox: bool,
    as_json: bool,
) -> None:
    """What `ringwall destroy` does; its flags and help are in `cli.flags.destroy`."""
    project = current_project()
    require()
    if stack not in project.stacks():
        raise project.unknown(stack)
    with target_of(project, sandbox=sandbox) as target:
        names = [f"{stack}.{name}" for name in project.servers_of(stack)] if servers and "." not in stack else []
        repaired = pending.resolve_before(target, [*names, stack], yes=yes)
        names = [name for name in names if live_resources(project, name, target)]
        runs: list[Run] = []
        if not names:
            deploy.refuse_live_servers(target, stack)
            if live_resources(project, stack, target) is None:
                console.say(f"{stack} is not deployed: nothing to destroy")
                if as_json:
                    console.print_json({"version": 1, "runs": []})
                return
        console.consent(f"Destroy {', '.join([*names, stack])}?", yes=yes)
        for name in [*names, stack]:
            runs.append(deploy.destroy(target, name))
            if runs[-1].error:
                break
        for line in pending.delete_late_objects(target, repaired):
            console.note(line)
    if as_json:
        console.print_json({"version": 1, "runs": [run.as_json() for run in runs]})
    show_results(runs)
    fail_on_error(runs)
