"""The flags and the help of `ringwall keys`; what it does is `cli.keys`."""

from __future__ import annotations

from typing import Annotated

import typer

from cli.options import AsJson, Debug, Environment, NoSandbox, ProjectDir

app = typer.Typer(help="Keep the issuers' signing keys at the gateway.", no_args_is_help=True)


@app.command("sync")
def sync(
    environment: Environment,
    watch_it: Annotated[bool, typer.Option("--watch", help="Keep running and sync again and again.")] = False,
    interval: Annotated[str, typer.Option("--interval", metavar="DURATION", help="With --watch: how often.")] = "5m",
    issuer: Annotated[
        list[str] | None,
        typer.Option("--issuer", help="Only this issuer; access is Cloudflare Access. May be repeated."),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would change and change nothing.")] = False,
    replace: Annotated[
        bool, typer.Option("--replace", help="Accept another key under a known kid, once you verified it.")
    ] = False,
    remove_strangers: Annotated[
        bool,
        typer.Option(
            "--remove-strangers",
            help="Delete keys that Ringwall did not put on an issuer's consumer, and take other consumers out of its group.",
        ),
    ] = False,
    sandbox: NoSandbox = False,
    project: ProjectDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Put every issuer's current signing keys at Kong, and take retired ones out.

    Names every other consumer in an issuer's group and every key of it by its kid, as Kong accepts those, too: exit code
    3 until they are gone.
    """
    from cli.keys import sync as work  # noqa: PLC0415 - 0.4 s of imports that --help and completion do without

    work(
        environment,
        watch_it=watch_it,
        interval=interval,
        issuer=issuer,
        dry_run=dry_run,
        replace=replace,
        remove_strangers=remove_strangers,
        as_json=as_json,
    )
