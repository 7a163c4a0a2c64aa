"""The flags and the help of `ringwall guard identity`; what it does is `cli.guard_identity`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.options import AsJson, Debug


def identity(
    state: Annotated[
        Path, typer.Option("--state", help="The guard's own directory, as `guard run` has it.", metavar="DIR")
    ] = Path("/var/lib/ringwall"),
    rotate: Annotated[bool, typer.Option("--rotate", help="Let the next key sign, and make another next one.")] = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Print the public keys by which a guard tells its server who calls; run it on the host, as the guard's user.

    A server fetches them from the guard's admin port; one that pins them, or a stack file with origin.identity_keys, takes
    them from here. Keys that are not there yet are made. A running guard takes a rotation over within seconds.
    """
    from cli.guard_identity import identity as work  # noqa: PLC0415 - 0.2 s of imports that --help and completion do without

    work(state, rotate=rotate, as_json=as_json)
