"""`ringwall plan`: prints the offline plan of a stack."""

from __future__ import annotations

from cli import console
from cli.project import current_project
from model.project import load
from plan.offline import plan_stack
from plan.render import to_json, to_text
from plan.summary import to_summary


def plan(stack: str, *, full: bool, as_json: bool) -> None:
    """What `ringwall plan` does; its flags and help are in `cli.flags.plan`."""
    project = current_project()
    with console.working(f"planning {stack}"):
        graph = plan_stack(project, load(project, stack))
    if as_json:
        print(to_json(graph), end="")
    elif full:
        print(to_text(graph), end="")
    else:
        console.say(to_summary(graph, f"`ringwall plan {stack} --full`").rstrip())
