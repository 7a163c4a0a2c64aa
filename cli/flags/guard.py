"""The flags and the help of `ringwall guard`; what it does is `cli.guard`."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from cli.flags.guard_bundle import bundle, keygen, verify_bundle
from cli.flags.guard_identity import identity
from cli.options import AsJson, Debug, NoSandbox

app = typer.Typer(help="Run the guard, and sign the configuration it runs by.", no_args_is_help=True)
app.command()(keygen)
app.command()(bundle)
app.command("verify")(verify_bundle)
app.command()(identity)


@app.command()
def run(
    config: Annotated[
        str | None,
        typer.Option(
            help="Signed bundle: a file, or an https URL that is polled.", metavar="FILE|URL", show_default=False
        ),
    ] = None,
    host: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Every server of a host in one process: a folder ENV.SERVER for each.",
            show_default=False,
        ),
    ] = None,
    public_key: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="FILE", help="Public key that bundles are signed with; twice while keys change.", show_default=False
        ),
    ] = None,
    server: Annotated[
        str | None,
        typer.Option(
            help="The only server whose bundles count; else the first one's.", metavar="ENV.SERVER", show_default=False
        ),
    ] = None,
    state: Annotated[
        Path, typer.Option(metavar="DIR", help="Directory only the guard may write: last good bundle, its keys.")
    ] = Path("/var/lib/ringwall"),
    poll: Annotated[str, typer.Option(help="How often to look for a new bundle.", metavar="DURATION")] = "30s",
    token_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", help="File with a bearer token for the bundle's URL.", show_default=False),
    ] = None,
    admin_port: Annotated[
        int | None,
        typer.Option(
            min=1, max=65535, metavar="PORT", help="With --host: a loopback port that tells of all.", show_default=False
        ),
    ] = None,
    command_sockets: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR",
            help="Reach commands through DIR/ENV.SERVER/stdio, and start none.",
            show_default=False,
        ),
    ] = None,
    workers: Annotated[
        int,
        typer.Option(
            min=1, max=32, metavar="N", help="Processes that serve the guard's port together: one for each core."
        ),
    ] = 1,
    memory: Annotated[
        int | None,
        typer.Option(
            min=16,
            metavar="MIB",
            help="Memory for messages under way, of all servers together; else half of what there is.",
            show_default=False,
        ),
    ] = None,
    sandbox: NoSandbox = False,
    as_json: AsJson = False,
    debug: Debug = False,
) -> None:
    """Run the guard of one server, or of every server of a host, until SIGTERM, which lets calls under way end. SIGHUP has
    it look for new bundles at once.

    A bundle that is older, badly signed or another server's is refused, and the last good one stays in force. Without
    a public key only an unsigned configuration with a demo identity is taken, on loopback.

    With --host each folder DIR/ENV.SERVER holds the bundle and the public key of a server. A server that cannot be served
    is refused by name, its ports stay closed, and the others are served.

    With --workers several processes share the port, the limits, taint and the deny list; each writes an audit log of its
    own. It is for a server that is reached over HTTP, and not for --host.
    """
    # httpx brings a command line of its own, with rich: 0.05 s and 5 MB. None makes that import fail, which httpx allows for
    # (its __init__.py).
    sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]
    # pydantic loads what other packages registered as plugins of its own: nothing that a guard should run, and to look for
    # them takes 0.05 s (pydantic/plugin/_loader.py).
    os.environ.setdefault("PYDANTIC_DISABLE_PLUGINS", "__all__")
    from cli.guard import run as work  # noqa: PLC0415 - 0.4 s of imports that --help and completion do without

    work(
        config,
        host=host,
        public_key=public_key,
        server=server,
        state=state,
        poll=poll,
        token_file=token_file,
        admin_port=admin_port,
        command_sockets=command_sockets,
        workers=workers,
        memory=memory,
        debug=debug,
    )
