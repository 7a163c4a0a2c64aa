"""The flags and the help of `ringwall model`; what it does is `cli.model`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.options import AsJson, Debug, ProjectDir, Yes, complete_stack

app = typer.Typer(help="Model routes: language models behind the same four rings.", no_args_is_help=True)


@app.command("add")
def add(
    route: Annotated[str, typer.Argument(metavar="ENV.NAME", help="Its name, such as dev.models.", show_default=False)],
    model: Annotated[
        list[str],
        typer.Option(
            "--model",
            metavar="PUBLIC=PROVIDER/MODEL",
            help="A model: its public name, and what it is called where; repeatable.",
            show_default=False,
        ),
    ],
    credential: Annotated[
        list[str] | None,
        typer.Option(
            "--credential",
            metavar="[PUBLIC=]REFERENCE",
            help='Where Kong finds the whole header value with the provider\'s key: "{vault://env/openai-key}". For every '
            "model, or with PUBLIC= for one; repeatable.",
            show_default=False,
        ),
    ] = None,
    url: Annotated[
        list[str] | None,
        typer.Option(
            "--url",
            metavar="[PUBLIC=]URL",
            help="Full address of the endpoint, instead of the provider's own. For every model, or with PUBLIC= for one; "
            "repeatable.",
            show_default=False,
        ),
    ] = None,
    grant: Annotated[
        list[str] | None,
        typer.Option(
            "--grant",
            metavar="MODEL",
            help="A public name, or a pattern with * and ?, that everyone admitted may use; repeatable. Without it nobody "
            "may use anything until the file says who.",
            show_default=False,
        ),
    ] = None,
    hostname: Annotated[
        str | None, typer.Option("--hostname", help="Public name, inside the zone.", show_default=False)
    ] = None,
    host: Annotated[
        str | None, typer.Option("--host", help="Host its guard runs on (default: the only one).", show_default=False)
    ] = None,
    guard_port: Annotated[
        int | None,
        typer.Option("--guard-port", help="Loopback port of its guard (default: a free port).", show_default=False),
    ] = None,
    people: Annotated[
        list[str] | None,
        typer.Option("--people", metavar="EMAIL", help="Who may reach it; repeatable.", show_default=False),
    ] = None,
    domain: Annotated[
        list[str] | None,
        typer.Option("--domain", help="Everyone with an address in it; repeatable.", show_default=False),
    ] = None,
    group: Annotated[
        list[str] | None,
        typer.Option("--group", help="A group of the environment; repeatable.", show_default=False),
    ] = None,
    agent: Annotated[
        list[str] | None,
        typer.Option("--agent", help="An agent of the environment; repeatable.", show_default=False),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Show the file and write nothing.")] = False,
    yes: Yes = False,
    project: ProjectDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Write the stack file of a new model route, and say what its guard and Kong need. Nothing is deployed."""
    from cli.model import add as work  # noqa: PLC0415 - 0.3 s of imports that --help and completion do without

    work(
        route,
        model,
        credential=credential or (),
        url=url or (),
        grant=grant or (),
        hostname=hostname,
        host=host,
        guard_port=guard_port,
        people=people or (),
        domain=domain or (),
        group=group or (),
        agent=agent or (),
        dry_run=dry_run,
        yes=yes,
        as_json=as_json,
    )


@app.command("list")
def list_routes(
    environment: Annotated[
        str | None,
        typer.Argument(
            metavar="ENV",
            help="One environment; else all.",
            show_default=False,
            autocompletion=complete_stack,
        ),
    ] = None,
    project: ProjectDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Show every model of every model route: where its prompts go, who may use it, and for how much."""
    from cli.model import list_routes as work  # noqa: PLC0415 - 0.3 s of imports that --help and completion do without

    work(environment, as_json=as_json)
