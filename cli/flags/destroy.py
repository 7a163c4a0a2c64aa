"""The flags and the help of `ringwall destroy`; what it does is `cli.destroy`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.options import AsJson, Debug, ProjectDir, Sandbox, Stack, Yes


def destroy(
    stack: Stack,
    servers: Annotated[bool, typer.Option("--servers", help="Destroy an environment's servers first.")] = False,
    unprotect: Annotated[
        bool,
        typer.Option(
            "--unprotect",
            help="Also what is protected: tunnels and Access applications in production, and a zone's rules, which "
            "Cloudflare keeps.",
        ),
    ] = False,
    yes: Yes = False,
    sandbox: Sandbox = False,
    project: ProjectDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Take a stack down: its public name first, its protection last. The stack file stays.

    Afterwards the providers' own lists are asked, by name and tag, whether anything is left. What is left is named with the
    command that removes it (exit code 3). Where they do not answer, the stack is down and that is not proven (exit code 6):
    the same command asks again.
    """
    from cli.destroy import destroy as work  # noqa: PLC0415 - 0.6 s of imports that --help and completion do without

    work(stack, servers=servers, unprotect=unprotect, yes=yes, sandbox=sandbox)
