"""The flags and the help of `ringwall agents`; what it does is `cli.agents`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.options import AsJson, Debug, Environment, ProjectDir, Sandbox, Yes

app = typer.Typer(help="Show agents, and rotate their service tokens.", no_args_is_help=True)


@app.command("show")
def show(
    environment: Environment,
    agent: Annotated[str | None, typer.Argument(help="One agent; else all.", show_default=False)] = None,
    reveal: Annotated[
        bool, typer.Option("--reveal", help="Print client secrets too; beyond a terminal only with --yes.")
    ] = False,
    yes: Yes = False,
    sandbox: Sandbox = False,
    project: ProjectDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Show each agent's client id and expiry, where it may call from and which servers admit it."""
    from cli.agents import show as work  # noqa: PLC0415 - 0.3 s of imports that --help and completion do without

    work(
        environment,
        agent=agent,
        reveal=reveal,
        yes=yes,
        sandbox=sandbox,
        as_json=as_json,
    )


@app.command("rotate")
def rotate(
    environment: Environment,
    agent: Annotated[str, typer.Argument(help="The agent.", show_default=False)],
    grace: Annotated[
        str, typer.Option("--grace", metavar="DURATION", help="How long the present secret still works.")
    ] = "24h",
    yes: Yes = False,
    project: ProjectDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Write the next secret version of an agent's service token into the stack file; `ringwall up` then makes it."""
    from cli.agents import rotate as work  # noqa: PLC0415 - 0.3 s of imports that --help and completion do without

    work(
        environment,
        agent,
        grace=grace,
        yes=yes,
        as_json=as_json,
    )
