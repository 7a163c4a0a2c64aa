from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from cli import console
from cli.options import AsJson, Debug, ProjectDir, Stack
from cli.project import current_project
from model.project import load
from plan.offline import plan_stack
from plan.render import to_json, to_text


class Format(StrEnum):
    text = "text"
    json = "json"


def plan(
    stack: Stack,
    format: Annotated[Format, typer.Option("--format", help="For people, or for tools.")] = Format.text,
    project: ProjectDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Show every resource a stack declares, offline: no engine, account, network or secret.

    It is the desired state, not a difference to what is deployed; `ringwall preview` asks the engine for that.
    """
    found = current_project()
    with console.working(f"planning {stack}"):
        graph = plan_stack(found, load(found, stack))
    print(to_json(graph) if format is Format.json or as_json else to_text(graph), end="")
