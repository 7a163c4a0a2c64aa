from __future__ import annotations

import json
from typing import Annotated

import typer

from cli import console
from cli.options import AsJson, Debug, ProjectDir, Sandbox, Stack
from cli.project import current_project
from cli.target import target_of
from engine.state import outputs as read_outputs
from model.errors import InputError


def outputs(
    stack: Stack,
    name: Annotated[str | None, typer.Argument(help="One output, printed as it is.", show_default=False)] = None,
    sandbox: Sandbox = False,
    project: ProjectDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Show what a deployed stack exports; secrets stay masked (see `ringwall agents show --reveal`)."""
    found = current_project()
    with target_of(found, sandbox=sandbox, plugins=False) as target:
        values = read_outputs(found, stack, target=target)
    if name is not None:
        if name not in values:
            raise InputError(f"{stack} exports no {name}", remedy=f"use one of {', '.join(values) or 'none'}")
        value = values[name]
        print(value.rstrip("\n") if isinstance(value, str) else json.dumps(value, indent=2, sort_keys=True))
    elif as_json:
        console.print_json({"version": 1, "stack": stack, "outputs": values})
    else:
        for key, value in values.items():
            text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
            first, _, more = text.rstrip("\n").partition("\n")
            console.say(f"{key}: {first}{f' … (ringwall outputs {stack} {key} prints all)' if more else ''}")
