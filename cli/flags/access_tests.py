"""The flags and the help of `ringwall test`; what it does is `cli.access_tests`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.options import AsJson, Debug, ProjectDir, complete_stack


def access_tests(
    stacks: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="STACK",
            help="Only tests about these environments, servers and model routes; else all.",
            show_default=False,
            autocompletion=complete_stack,
        ),
    ] = None,
    project: ProjectDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Test who may and may never do what, by tests/NAME.access.yaml.

    Each assertion is put to the rings as `ringwall explain` does, offline and without the engine. Exit code 3 when one does
    not hold; 2 when a file is wrong, or names a tool, model, server or person that there is not: a typo must not pass as
    "may never". The format: `ringwall schema access-test`.
    """
    from cli.access_tests import access_tests as work  # noqa: PLC0415 - 0.6 s of imports that --help does without

    work(stacks=stacks or [], as_json=as_json)
