"""The `ringwall` application: its own options, and every error as one line and an exit code."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from cli import console, state
from cli.commands import RootCommands
from model.errors import RingwallError

#: Exit code after Ctrl-C: 128 and the number of SIGINT, as shells have it.
INTERRUPTED = 130

app = typer.Typer(
    name="ringwall",
    cls=RootCommands,
    help="Put an MCP server behind four rings: edge, gateway, guard and origin.",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=(
        "Exit codes: 0 done, 1 failed, 2 wrong input (nothing written), 3 a rule is broken or something was found, "
        "4 no engine or plugin, 5 the engine failed, 6 something did not answer, 130 interrupted."
    ),
)


def _version(value: bool) -> None:
    if value:
        from importlib.metadata import version  # noqa: PLC0415 - 0.01 s of the 0.07 that --help takes

        print(f"ringwall {version('ringwall')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=_version, is_eager=True)
    ] = False,
) -> None:
    pass


def run(arguments: list[str] | None = None) -> None:
    """Entry point. Every known error is one line; --debug shows where it came from."""
    try:
        app(arguments)
    except SystemExit as ended:
        if ended.code == INTERRUPTED:  # Typer turns Ctrl-C into this, without a word
            console.note("interrupted; what was finished is recorded, so the same command goes on from there")
        raise
    except Exception as error:
        if state.debug:
            raise
        if isinstance(error, RingwallError):
            console.show_error(error)
            sys.exit(error.exit_code)
        if isinstance(error, OSError) and error.filename is not None:  # a file or folder of the user's, somewhere
            console.note(f"error: {error.filename}: {error.strerror}; correct the path, or who may read and write it")
            sys.exit(1)
        console.note(f"error: {type(error).__name__}: {error} (a defect; run again with --debug and report it)")
        sys.exit(1)


if __name__ == "__main__":
    run()
