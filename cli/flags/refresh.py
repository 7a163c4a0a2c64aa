"""The flags and the help of `ringwall refresh`; what it does is `cli.refresh`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.options import AsJson, Debug, ProjectDir, Sandbox, Stack, Yes


def refresh(
    stack: Stack,
    preview_only: Annotated[bool, typer.Option("--preview-only", help="Show what differs; record nothing.")] = False,
    yes: Yes = False,
    sandbox: Sandbox = False,
    project: ProjectDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Read what is real back into the recorded state of a server, or of an environment and all its servers."""
    from cli.refresh import refresh as work  # noqa: PLC0415 - 0.8 s of imports that --help and completion do without

    work(stack, preview_only=preview_only, yes=yes, sandbox=sandbox)
