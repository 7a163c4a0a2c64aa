"""The commands by name, in the order `--help` shows them; `cli/root_commands.py` loads them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import NamedTuple


class CommandEntry(NamedTuple):
    """The module of a command's flags, and its line in `ringwall --help`: the first sentence of its own help."""

    module: str
    help: str


#: A module holds the command as the function of its own name, or a group of commands as `app`.
COMMANDS: Mapping[str, CommandEntry] = {
    "init": CommandEntry("cli.flags.init", "Make an environment, and a project around it where there is none."),
    "onboard": CommandEntry(
        "cli.flags.onboard",
        "Connect to a running server, look at its socket and tools, and write its stack file and tool lock.",
    ),
    "model": CommandEntry("cli.flags.model", "Model routes: language models behind the same four rings."),
    "clients": CommandEntry(
        "cli.flags.clients",
        "Show which clients may sign people in at a server, and the settings of each, ready to be pasted.",
    ),
    "offboard": CommandEntry("cli.flags.offboard", "Remove a server's stack file and tool lock."),
    "scan": CommandEntry(
        "cli.flags.scan",
        "Find MCP servers that are bound beyond loopback or answer without authentication, and say how to onboard each.",
    ),
    "list": CommandEntry("cli.flags.list_stacks", "Show environments, servers and zones as the files declare them."),
    "plan": CommandEntry(
        "cli.flags.plan", "Show what a stack declares, ring by ring, offline: no engine, account, network or secret."
    ),
    "check": CommandEntry("cli.flags.check", "Check stack files, account quotas and every policy rule, offline."),
    "editions": CommandEntry(
        "cli.flags.editions",
        "Show who enforces which protection in each edition of Kong, or what one stack uses.",
    ),
    "doctor": CommandEntry(
        "cli.flags.doctor", "Check what a deployment needs, and name the remedy of whatever is missing."
    ),
    "diff": CommandEntry(
        "cli.flags.diff",
        "Show what a change of the stack files means: who gains which tool, what loosens, what is replaced.",
    ),
    "explain": CommandEntry(
        "cli.flags.explain", "Explain what each ring says to one call, by which line of which file."
    ),
    "who": CommandEntry("cli.flags.callers", "Show who may use one tool, by which grant, and who may not."),
    "test": CommandEntry("cli.flags.access_tests", "Test who may and may never do what, by tests/NAME.access.yaml."),
    "comment": CommandEntry(
        "cli.flags.comment",
        "Put what `ringwall diff` wrote on a pull request: exactly one comment for each environment.",
    ),
    "preview": CommandEntry(
        "cli.flags.preview",
        "Ask the engine what `up` would change, compared with what was recorded (`--refresh`: with what is real).",
    ),
    "up": CommandEntry("cli.flags.up", "Bring a server up, or an environment and then all its servers."),
    "status": CommandEntry(
        "cli.flags.status",
        "Show what of the files is deployed: resources in the backend, and whether an environment is the one in its file.",
    ),
    "outputs": CommandEntry(
        "cli.flags.outputs",
        "Show what a deployed stack exports; secrets stay masked (see `ringwall agents show ENV --reveal`).",
    ),
    "drift": CommandEntry("cli.flags.drift", "Compare what is recorded, what is real and what the files say."),
    "verify": CommandEntry("cli.flags.verify", "Try on a deployed server what an attacker and a client would."),
    "lockdown": CommandEntry(
        "cli.flags.lockdown",
        "EMERGENCY: close a server, or all servers of an environment, to everyone: edge, gateway and guard.",
    ),
    "revoke": CommandEntry(
        "cli.flags.revoke",
        "EMERGENCY: put one person or agent out of every server of an environment at once, open streams too.",
    ),
    "refresh": CommandEntry(
        "cli.flags.refresh",
        "Read what is real back into the recorded state of a server, or of an environment and all its servers.",
    ),
    "destroy": CommandEntry("cli.flags.destroy", "Take a stack down: its public name first, its protection last."),
    "cancel": CommandEntry(
        "cli.flags.cancel", "Release the lock of an update that was interrupted, after saying who holds it."
    ),
    "import": CommandEntry(
        "cli.flags.import_existing",
        "Take over an object that exists at Cloudflare or Kong instead of making a second one.",
    ),
    "adopt": CommandEntry(
        "cli.flags.adopt",
        "Take a set-up over that exists for a host name: Access application, tunnel, DNS name, Kong service and route.",
    ),
    "repair": CommandEntry(
        "cli.flags.repair",
        "Mend what an interrupted run left: objects that were being made, changed or deleted when it ended.",
    ),
    "schema": CommandEntry("cli.flags.schema", "Print the JSON Schema of a file format, for editors."),
    "migrate": CommandEntry(
        "cli.flags.migrate", "Bring stack files and tool locks to the current version; comments and blank lines stay."
    ),
    "local": CommandEntry(
        "cli.flags.local", "Run the guard of one server on this machine, and the server behind it, until Ctrl-C."
    ),
    "demo": CommandEntry(
        "cli.flags.demo", "Put four rings around a real MCP server on this machine, and try to get past them."
    ),
    "lock": CommandEntry("cli.flags.lock", "Tool locks: what servers may offer, pinned in Git."),
    "host": CommandEntry("cli.flags.host", "What origin hosts run, as files."),
    "guard": CommandEntry("cli.flags.guard", "Run the guard, and sign the configuration it runs by."),
    "audit": CommandEntry("cli.flags.audit", "Prove, search, watch and export a guard's audit log."),
    "gateway": CommandEntry("cli.flags.gateway", "What Kong holds for an environment, as a file."),
    "keys": CommandEntry("cli.flags.keys", "Keep the issuers' signing keys at the gateway."),
    "agents": CommandEntry("cli.flags.agents", "Show agents, and rotate their service tokens."),
    "hosted": CommandEntry("cli.flags.hosted", "Clients that run in their vendor's cloud."),
    "engine": CommandEntry("cli.flags.engine", "The Pulumi engine that previews and applies."),
    "help": CommandEntry("cli.flags.help_page", "Show the help of a command, or of all."),
    "version": CommandEntry("cli.flags.version", "Print the version."),
}
