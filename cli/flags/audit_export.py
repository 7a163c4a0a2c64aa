"""The flags and the help of `ringwall audit export`; what it does is `cli.audit_export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Optional

import typer

from cli.flags.durations import duration
from cli.options import AsJson, Debug, ProjectDir, complete_stack


def export(
    log: Annotated[
        str,
        typer.Argument(
            metavar="SERVER|PATH",
            help="A server such as dev.github, whose log is on this machine, or a log file; rotated files are read too.",
            autocompletion=complete_stack,
            show_default=False,
        ),
    ],
    to: Annotated[
        str,
        typer.Option(
            "--to",
            metavar="ADDRESS",
            help="syslog+tls://HOST:PORT, s3://BUCKET/PREFIX, or on this machine syslog+tcp://127.0.0.1:PORT.",
            show_default=False,
        ),
    ],
    position: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            help="Where the last record that was exported is kept; one file for each log and address.",
            show_default=False,
        ),
    ],
    watch: Annotated[bool, typer.Option("--follow", "-f", help="Go on with new records, over rotations.")] = False,
    ca: Annotated[
        Optional[Path],  # noqa: UP045 - Typer reads it at run time
        typer.Option(metavar="FILE", help="syslog: PEM file of the only authority trusted.", show_default=False),
    ] = None,
    certificate: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(metavar="FILE", help="syslog: your own certificate (PEM), with --key.", show_default=False),
    ] = None,
    key: Annotated[
        Optional[Path],  # noqa: UP045
        typer.Option(metavar="FILE", help="syslog: the certificate's key (PEM).", show_default=False),
    ] = None,
    endpoint: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(metavar="URL", help="s3: a store that is not AWS's.", show_default=False),
    ] = None,
    region: Annotated[
        Optional[str],  # noqa: UP045
        typer.Option(metavar="NAME", help="s3: the bucket's region.", show_default=False),
    ] = None,
    every: Annotated[
        float,
        duration(
            "--every",
            "60s",
            help="s3, with --follow: how long records are collected for one object.",
            least="1s",
            most="1h",
        ),
    ] = 60.0,
    metrics_port: Annotated[
        Optional[int],  # noqa: UP045
        typer.Option(
            "--metrics-port", metavar="PORT", help="Serve /metrics on loopback.", min=1, max=65535, show_default=False
        ),
    ] = None,
    project: ProjectDir = None,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Send the records as OCSF events to syslog over TLS or to an S3-compatible store, each at least once.

    Every record is verified on its way and goes along whole, so that the chain can be verified from what arrived. While the
    destination is out of reach nothing is lost: the export goes on where it was.
    """
    from cli.audit_export import export as work  # noqa: PLC0415 - 0.2 s of imports that --help and completion do without

    work(
        log,
        to=to,
        position=position,
        watch=watch,
        ca=ca,
        certificate=certificate,
        key=key,
        endpoint=endpoint,
        region=region,
        every=every,
        metrics_port=metrics_port,
    )
