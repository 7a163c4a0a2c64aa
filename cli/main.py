"""The `ringwall` application: its own options, and every error as one line and an exit code."""

from __future__ import annotations

import signal
import sys
from contextlib import suppress
from typing import Annotated, Any

import typer
from typer.exceptions import TyperException
from typer.main import get_command

from cli import console, failures, streams
from cli.exit_codes import INTERRUPTED, PIPE_CLOSED, sentence
from cli.invocation import Invocation
from cli.root_commands import RootCommands
from cli.spellings import in_use
from engine.termination import as_interrupt
from model import effects
from model.errors import InputError, RingwallError

# A command line of httpx's own, with rich and pygments: 0.05 s and 4 MB of every process that makes a request.
sys.modules.setdefault("httpx._main", None)  # type: ignore[arg-type]


class Interrupted(RingwallError):
    """Ctrl-C or SIGTERM ended the command."""

    exit_code = INTERRUPTED


app = typer.Typer(
    name="ringwall",
    cls=RootCommands,
    help="Put an MCP server behind four rings: edge, gateway, guard and origin.",
    no_args_is_help=True,
    add_completion=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog=f"{sentence()} Something was refused? `ringwall audit show STACK --incident ID` says why.",
)


def print_version(value: bool) -> None:
    """Print the version and end."""
    if value:
        from importlib.metadata import version  # noqa: PLC0415 - 0.01 s of the 0.07 that --help takes

        print(f"ringwall {version('ringwall')}")
        raise typer.Exit


@app.callback()
def _root(
    version: Annotated[
        bool, typer.Option("--version", help="Print the version.", callback=print_version, is_eager=True)
    ] = False,
) -> None:
    pass


def run(arguments: list[str] | None = None) -> None:
    """Entry point. Every known error is one line; --debug shows where it came from."""
    streams.prepare()
    effects.forget()
    command, options = get_command(app), Invocation()
    # The context is there also while an error is shown, after the command's own has ended.
    with as_interrupt(), typer.Context(command, obj=options):
        try:
            code = _run(command, sys.argv[1:] if arguments is None else arguments, options)
            sys.stdout.flush()
        except BrokenPipeError:  # `ringwall … | head`: its reader has what it wanted
            code = PIPE_CLOSED
        except OSError as error:
            if options.debug:
                raise
            console.note(f"error: the output cannot be written: {error.strerror}; make room, or write it elsewhere")
            code = 1
    streams.abandon()
    sys.exit(code)


def _run(command: Any, arguments: list[str], options: Invocation) -> int:
    try:
        ended = command.main(in_use(arguments), prog_name="ringwall", standalone_mode=False, obj=options)
    except (typer.Abort, KeyboardInterrupt):
        return _interrupted()
    except SystemExit as ending:
        if isinstance(ending.__context__, BrokenPipeError):  # Typer's own answer to it is exit code 1
            return PIPE_CLOSED
        raise
    except TyperException as error:
        return _wrong_usage(error, arguments, options)
    except Exception as error:
        return _failure(error, options)
    return _interrupted() if ended == INTERRUPTED else ended if isinstance(ended, int) else 0


def _interrupted() -> int:
    with suppress(ValueError):  # in a thread nobody presses Ctrl-C
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_DFL)  # one more ends the process without a trace
    changes = effects.descriptions()
    failures.show(Interrupted(f"interrupted; {'; '.join(changes) if changes else 'nothing was changed'}"))
    return INTERRUPTED


def _wrong_usage(error: Any, arguments: list[str], options: Invocation) -> int:
    options.json |= "--json" in arguments
    if type(error).__name__ == "NoArgsIsHelpError" and not options.json:
        error.show()
        return 2
    command = error.ctx.command_path if getattr(error, "ctx", None) is not None else "ringwall"
    problem = error.format_message().rstrip(".") if command != error.format_message() else "a command is missing"
    remedy = None if problem.endswith("?") else f"see `{command} --help`"
    if getattr(error, "option_name", None) == "--sandbox":
        remedy = f"leave it out: `{command}` has nothing that the sandbox stands in for"
    failures.show(InputError(f"{command}: {problem}", remedy=remedy))
    return 2


def _failure(error: Exception, options: Invocation) -> int:
    if options.debug or isinstance(error, BrokenPipeError):
        raise error
    if isinstance(error, RingwallError):
        failures.show(error)
        return error.exit_code
    if isinstance(error, OSError) and error.filename is None and error.errno in streams.FULL:
        raise error
    if isinstance(error, OSError) and error.filename is not None:  # a file or folder of the user's, somewhere
        remedy = "correct the path, or who may read and write it"
        problem = RingwallError(f"{error.filename}: {error.strerror}", remedy=remedy)
    else:
        problem = RingwallError(f"{type(error).__name__}: {error} (a defect; run again with --debug and report it)")
    failures.show(problem)
    return 1


if __name__ == "__main__":
    run()
