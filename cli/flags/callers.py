"""The flags and the help of `ringwall who`; what it does is `cli.callers`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.flags.explain import Prompt, Resource, Server
from cli.options import AsJson, Debug, ProjectDir


def callers(
    stack: Server,
    tool: Annotated[
        str | None,
        typer.Argument(metavar="TOOL|MODEL", help="The tool, or the model of a model route.", show_default=False),
    ] = None,
    prompt: Prompt = None,
    resource: Resource = None,
    project: ProjectDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Show who may use one tool or model, by which grant, and who may not.

    Offline, from the files. Who is admitted at the edge and has no grant is named, and so is who has a grant and is not
    admitted. Each row is everybody whom one entry of the files names: an address, a domain, a group, an agent. What the
    engines and the limits say to a call is not among it: see `ringwall explain`.
    """
    from cli.callers import callers as work  # noqa: PLC0415 - 0.6 s of imports that --help and completion do without

    work(stack, tool=tool, prompt=prompt, resource=resource, as_json=as_json)
