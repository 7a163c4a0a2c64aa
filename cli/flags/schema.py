"""The flags and the help of `ringwall schema`; what it does is `cli.schema`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.options import AsJson, Debug


def schema(
    name: Annotated[
        str,
        typer.Argument(
            help="stack, environment, server, model, zone, tool-lock, guard-config, model-guard-config, guard-bundle, "
            "host-bundle or access-test.",
            autocompletion=lambda: [
                "stack",
                "environment",
                "server",
                "model",
                "zone",
                "tool-lock",
                "guard-config",
                "model-guard-config",
                "guard-bundle",
                "host-bundle",
                "access-test",
            ],
        ),
    ] = "stack",
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Print the JSON Schema of a file format, for editors."""
    from cli.schema import schema as work  # noqa: PLC0415 - 0.3 s of imports that --help and completion do without

    work(name=name)
