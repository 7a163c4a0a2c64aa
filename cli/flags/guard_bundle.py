"""The flags and the help of `ringwall guard`; what it does is `cli.guard_bundle`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from cli.options import AsJson, Debug, ProjectDir, Sandbox, Server


def keygen(
    out: Annotated[Path, typer.Option("--output", help="Folder for the two files.", metavar="DIR", show_default=False)],
    force: Annotated[
        bool, typer.Option("--force", help="Replace a pair that is there; its private key is gone then.")
    ] = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Make the key pair that guard configurations are signed with.

    The private key stays where stacks are deployed from and never comes to an origin host; guards get the public one.
    """
    from cli.guard_bundle import keygen as work  # noqa: PLC0415 - 0.2 s of imports that --help and completion do without

    work(out, force=force, as_json=as_json)


def bundle(
    stack: Server,
    key: Annotated[Path, typer.Option("--key", help="The private key file.", metavar="FILE", show_default=False)],
    deny: Annotated[
        list[str] | None,
        typer.Option(
            "--deny",
            metavar="PRINCIPAL",
            help="Refuse person:SUB or agent:NAME at once, open streams too. May be repeated.",
            show_default=False,
        ),
    ] = None,
    allow: Annotated[
        list[str] | None,
        typer.Option(
            "--allow",
            metavar="PRINCIPAL",
            help="Take one off the previous bundle's deny list, which is kept otherwise. May be repeated.",
            show_default=False,
        ),
    ] = None,
    sequence: Annotated[
        int | None,
        typer.Option("--sequence", min=1, help="Its number (default: Unix seconds, above the previous bundle's)."),
    ] = None,
    valid: Annotated[
        str | None,
        typer.Option(
            "--valid",
            metavar="DURATION",
            help="How long guards serve by it, such as 30d (default: 90d, or until the previous bundle ends).",
            show_default=False,
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            "--output",
            metavar="FILE",
            help="Where it goes (default: ENV.SERVER.guard.bundle.json here). What is there is the previous bundle.",
            show_default=False,
        ),
    ] = None,
    config: Annotated[
        Path | None,
        typer.Option(
            "--config",
            metavar="FILE",
            help="Sign this rendered configuration instead of what the stack exports.",
            show_default=False,
        ),
    ] = None,
    previous_key: Annotated[
        list[Path] | None,
        typer.Option(
            "--previous-public-key",
            metavar="FILE",
            help="Public key of the previous bundle, if another key signed it.",
            show_default=False,
        ),
    ] = None,
    sandbox: Sandbox = False,
    project: ProjectDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Sign the guard configuration of a deployed server, with its deny list, as the bundle its guard takes.

    The guard takes a bundle with a higher number only, and refuses every call once it has expired: sign it again before
    that. Whoever the previous bundle denies stays denied, unless --allow
    lifts it.
    """
    from cli.guard_bundle import bundle as work  # noqa: PLC0415 - 0.2 s of imports that --help and completion do without

    work(
        stack,
        key,
        deny=deny,
        allow=allow,
        sequence=sequence,
        valid=valid,
        out=out,
        config=config,
        previous_key=previous_key,
        sandbox=sandbox,
        as_json=as_json,
    )


def verify_bundle(
    file: Annotated[Path, typer.Argument(metavar="BUNDLE", help="The bundle's file.", show_default=False)],
    public_key: Annotated[
        list[Path],
        typer.Option(
            "--public-key",
            metavar="FILE",
            help="A key to trust. May be repeated.",
            show_default=False,
        ),
    ],
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Check a bundle's signature and format, and show its number, server, digest and deny list.

    The digest is what the guard's /readyz says once the bundle is in force.
    """
    from cli.guard_bundle import verify_bundle as work  # noqa: PLC0415 - 0.2 s of imports that --help and completion do without

    work(file, public_key, as_json=as_json)
