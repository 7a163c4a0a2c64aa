"""`ringwall schema`: prints the JSON Schema of a format."""

from __future__ import annotations

from cli import console
from model.errors import InputError
from model.schema import FORMATS, json_schema, stack_file_schema
from model.suggestions import did_you_mean


def schema(*, name: str) -> None:
    """What `ringwall schema` does; its flags and help are in `cli.flags.schema`."""
    if name == "stack":
        console.print_json(stack_file_schema())
    elif name in FORMATS:
        console.print_json(json_schema(name))
    else:
        raise InputError(f"there is no format {name}", remedy=did_you_mean(name, ["stack", *FORMATS]))
