"""The flags and the help of `ringwall diff`; what it does is `cli.diff`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from cli.options import AsJson, Debug, ProjectDir


def diff(
    base: Annotated[str, typer.Argument(metavar="BASE", help="Git revision to compare with, such as origin/main.")],
    head: Annotated[
        Optional[str],  # noqa: UP045 - Typer reads it at run time
        typer.Argument(metavar="HEAD", help="Git revision to look at; else the working tree.", show_default=False),
    ] = None,
    merge_base: Annotated[
        bool,
        typer.Option("--merge-base", help="Compare with the commit where HEAD left BASE, as a pull request does."),
    ] = False,
    environment: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option("--env", metavar="ENV", help="Only this environment, or this zone stack.", show_default=False),
    ] = None,
    markdown: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--markdown",
            metavar="FILE",
            help="Write a comment for a pull request; - is standard output.",
            show_default=False,
        ),
    ] = None,
    html: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option("--html", metavar="FILE", help="Write a self-contained page.", show_default=False),
    ] = None,
    output: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(
            "--output",
            metavar="DIR",
            help="Write ENV.md for each environment that changes, report.json and report.html into an empty folder.",
            show_default=False,
        ),
    ] = None,
    artifact_url: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(
            "--artifact-url", metavar="URL", help="Where the whole report is, for the comment.", show_default=False
        ),
    ] = None,
    fail_on: Annotated[
        Optional[list[str]],  # noqa: UP045
        typer.Option(
            "--fail-on",
            metavar="WHAT",
            help="Exit with 3 when something loosens (loosens), or when the head breaks a rule (errors) that no waiver "
            "of both revisions excepts.",
            show_default=False,
        ),
    ] = None,
    every_resource: Annotated[
        bool,
        typer.Option(
            "--every-resource", help="Plan every changed server, where one would stand for many that changed alike."
        ),
    ] = False,
    program: Annotated[
        bool,
        typer.Option(
            "--program",
            help="Where code changed, plan each revision by its own copy of the program. It is run: only for code "
            "you trust.",
        ),
    ] = False,
    project: ProjectDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Show what a change of the stack files means: who gains which tool, what loosens, what is replaced.

    Offline and without secrets: the installed Ringwall reads both revisions' files as data and runs none of their code,
    unless --program says so.
    Every change loosens, tightens or is neutral; neutral only where that is proven. It compares files, not the cloud:
    `ringwall preview` asks the engine.

    Exit code 2 when files of a revision do not load (the rest is shown), 3 by --fail-on.
    """
    from cli.diff import diff as work  # noqa: PLC0415 - 0.6 s of imports that --help and completion do without

    work(
        base,
        head=head,
        merge_base=merge_base,
        environment=environment,
        markdown=markdown,
        html=html,
        output=output,
        artifact_url=artifact_url,
        fail_on=fail_on,
        every_resource=every_resource,
        program=program,
    )
