"""The commands by name, in the order `--help` shows them.

A command's module is imported when the command is called: help, completion and a mistyped name import none of them.
"""

from __future__ import annotations

import importlib
from collections.abc import Mapping
from typing import Any, NamedTuple

import typer
from typer.core import TyperCommand, TyperGroup
from typer.main import get_group


class Entry(NamedTuple):
    """Where a command is, and its line in `ringwall --help`: the first sentence of its own help."""

    module: str
    help: str
    #: Whether its first argument is a stack: the shell completes that without the module, which takes up to 0.9 s.
    stack: bool = False


#: A module holds the command as the function of its own name, or a group of commands as `app`.
COMMANDS: Mapping[str, Entry] = {
    "init": Entry("cli.init", "Make an environment, and a project around it where there is none."),
    "onboard": Entry(
        "cli.onboard",
        "Connect to a running server, look at its socket and tools, and write its stack file and tool lock.",
    ),
    "offboard": Entry("cli.offboard", "Remove a server's stack file and tool lock.", stack=True),
    "scan": Entry(
        "cli.scan",
        "Find MCP servers that are bound beyond loopback or answer without authentication, and say how to onboard each.",
    ),
    "list": Entry("cli.list_stacks", "Show environments, servers and zones as the files declare them."),
    "plan": Entry(
        "cli.plan", "Show every resource a stack declares, offline: no engine, account, network or secret.", stack=True
    ),
    "check": Entry("cli.check", "Check stack files, account quotas and every policy rule, offline.", stack=True),
    "doctor": Entry(
        "cli.doctor", "Check what a deployment needs, and name the remedy of whatever is missing.", stack=True
    ),
    "diff": Entry(
        "cli.diff", "Show what a change of the stack files means: who gains which tool, what loosens, what is replaced."
    ),
    "comment": Entry(
        "cli.comment", "Put what `ringwall diff` wrote on a pull request: exactly one comment for each environment."
    ),
    "preview": Entry(
        "cli.preview",
        "Ask the engine what `up` would change, compared with what was recorded (`--refresh`: with what is real).",
        stack=True,
    ),
    "up": Entry("cli.up", "Bring a server up, or an environment and then all its servers.", stack=True),
    "status": Entry(
        "cli.status",
        "Show what of the files is deployed: resources in the backend, and whether an environment is the one in its file.",
    ),
    "outputs": Entry(
        "cli.outputs",
        "Show what a deployed stack exports; secrets stay masked (see `ringwall agents show --reveal`).",
        stack=True,
    ),
    "drift": Entry("cli.drift", "Compare what is recorded, what is real and what the files say.", stack=True),
    "verify": Entry("cli.verify", "Try on a deployed server what an attacker and a client would.", stack=True),
    "lockdown": Entry(
        "cli.lockdown",
        "Close a server, or all servers of an environment, to everyone: edge, gateway and guard.",
        stack=True,
    ),
    "revoke": Entry(
        "cli.revoke", "Put one person or agent out of every server of an environment at once, open streams too."
    ),
    "refresh": Entry(
        "cli.refresh",
        "Read what is real back into the recorded state of a server, or of an environment and all its servers.",
        stack=True,
    ),
    "destroy": Entry("cli.destroy", "Take a stack down: its public name first, its protection last.", stack=True),
    "cancel": Entry(
        "cli.cancel", "Release the lock of an update that was interrupted, after saying who holds it.", stack=True
    ),
    "import": Entry(
        "cli.import_existing",
        "Take over an object that exists at Cloudflare or Kong instead of making a second one.",
        stack=True,
    ),
    "repair": Entry(
        "cli.repair",
        "Mend what an interrupted run left: objects that were being made, changed or deleted when it ended.",
        stack=True,
    ),
    "schema": Entry("cli.schema", "Print the JSON Schema of a file format, for editors."),
    "migrate": Entry(
        "cli.migrate", "Bring stack files and tool locks to the current version; comments and blank lines stay."
    ),
    "local": Entry(
        "cli.local", "Run the guard of one server on this machine, and the server behind it, until Ctrl-C.", stack=True
    ),
    "demo": Entry(
        "cli.demo",
        "Put four rings around real MCP servers on this machine: onboard, plan, preview, up, up again, destroy.",
    ),
    "lock": Entry("cli.lock", "Tool locks: what servers may offer, pinned in Git."),
    "guard": Entry("cli.guard", "Run the guard, and sign the configuration it runs by."),
    "audit": Entry("cli.audit", "Prove, search and watch a guard's audit log."),
    "keys": Entry("cli.keys", "Keep the issuers' signing keys at the gateway."),
    "agents": Entry("cli.agents", "Show agents, and rotate their service tokens."),
    "engine": Entry("cli.engine", "The Pulumi engine that previews and applies."),
}


class Commands(TyperGroup):
    """Shows the first sentence of each command whole, on two lines where it must be."""

    def format_commands(self, ctx: Any, formatter: Any) -> None:
        shown = [(name, command) for name in self.list_commands(ctx) if (command := self.get_command(ctx, name))]
        with formatter.section("Commands"):
            formatter.write_dl([(name, one.get_short_help_str(limit=1000)) for name, one in shown if not one.hidden])


class RootCommands(Commands):
    """Holds each command's name and help until it is called."""

    def __init__(self, **settings: Any) -> None:
        super().__init__(**settings)
        self.commands = {name: TyperCommand(name, help=entry.help) for name, entry in COMMANDS.items()}

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args[0] in COMMANDS:
            only_asked = ctx.resilient_parsing and len(args) == 1 and COMMANDS[args[0]].stack
            self.commands[args[0]] = _for_the_shell(args[0]) if only_asked else load(args[0])
        return super().resolve_command(ctx, args)


def _for_the_shell(name: str) -> Any:
    from cli.completion import stack_command  # noqa: PLC0415 - only the shell asks for it

    return stack_command(name, load)


def load(name: str) -> Any:
    """Import a command, options and all."""
    module = importlib.import_module(COMMANDS[name].module)
    one = typer.Typer(rich_markup_mode=None)
    group = getattr(module, "app", None)
    if group is None:
        one.command(name)(getattr(module, module.__name__.rpartition(".")[2]))
    else:
        one.add_typer(group, name=name, cls=Commands)
    return get_group(one).commands[name]
