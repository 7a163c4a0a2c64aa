from __future__ import annotations

from typing import Annotated

import typer

from cli import console
from cli.options import Debug
from model.errors import InputError
from model.schema import FORMATS, json_schema, stack_file_schema


def schema(
    name: Annotated[
        str,
        typer.Argument(
            help="stack, environment, server, zone, tool-lock, guard-config, guard-bundle or host-bundle.",
            autocompletion=lambda: [
                "stack",
                "environment",
                "server",
                "zone",
                "tool-lock",
                "guard-config",
                "guard-bundle",
                "host-bundle",
            ],
        ),
    ] = "stack",
    debug: Debug = False,
) -> None:
    """Print the JSON Schema of a file format, for editors."""
    if name == "stack":
        console.print_json(stack_file_schema())
    elif name in FORMATS:
        console.print_json(json_schema(name))
    else:
        raise InputError(f"there is no format {name}", remedy=f"use stack, {', '.join(FORMATS)}")
