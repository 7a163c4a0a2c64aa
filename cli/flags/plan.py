"""The flags and the help of `ringwall plan`; what it does is `cli.plan`."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from cli.options import AsJson, Debug, ProjectDir, Stack


class Format(StrEnum):
    text = "text"
    json = "json"


def plan(
    stack: Stack,
    full: Annotated[bool, typer.Option("--full", help="Every resource with all its inputs.")] = False,
    format: Annotated[Format, typer.Option("--format", help="json is --json.", hidden=True)] = Format.text,
    project: ProjectDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Show what a stack declares, ring by ring, offline: no engine, account, network or secret.

    It is the desired state, not a difference to what is deployed; `ringwall preview` asks the engine for that.
    """
    from cli.plan import plan as work  # noqa: PLC0415 - 0.5 s of imports that --help and completion do without

    work(stack, full=full, as_json=as_json or format is Format.json)
