"""What Compose and Kubernetes have in common: users, arguments and small scripts of a host's containers."""

from __future__ import annotations

import io
import shlex
from typing import Any

from ruamel.yaml import YAML

from operations.host.declared import CONFIGURATION, SCRIPT, declare_script
from operations.host.host_file import HostFile
from operations.host.kong_conf import kong_conf
from operations.host.machine import HostMember, Machine
from operations.host.server_process import server_process

GUARD = 10001
KONG = 10002
CONNECTOR = 10003
#: The first server's user; the others follow.
FIRST_SERVER = 10010
#: The group of whoever may write to a server's socket: the guard alone is in it, besides the server.
GUARD_GROUP = GUARD
#: Where Kong's image looks for its settings.
KONG_FOLDER = "/etc/kong"
#: Reads each variable from a file, as a container's environment can be read by whoever may inspect it.
READ_VARIABLES = (
    'for file in /run/secrets/variables/*; do if [ -f "$file" ]; then export "${file##*/}=$(cat "$file")"; fi; done; '
    'exec "$@"'
)


def server_user(member: HostMember) -> int:
    return FIRST_SERVER + member.number


def short(member: HostMember) -> str:
    """The server's name, as part of a container's."""
    return member.bundle.server


def socket_listener(place: str, target: str) -> list[str]:
    """Arguments of socat: a Unix socket that the guard's group may use, one connection each to the target."""
    return [f"UNIX-LISTEN:{place},fork,mode=0660,unlink-early", target]


def start_script(member: HostMember) -> str:
    """Runs the command of a stdio server with exactly its arguments; socat's own syntax would split them."""
    process = server_process(member)
    change = f"cd {shlex.quote(process.directory)}\n" if process.directory else ""
    return f"#!/bin/sh\n{change}exec {shlex.join(process.command or ())}\n"


def kong_files(machine: Machine, *, prefix: str) -> list[HostFile]:
    """Kong's settings, and the configuration of a node without a control plane; none of them holds a secret."""
    if machine.declared is None:
        return [HostFile("kong.conf", kong_conf(machine))]
    script = declare_script(machine)
    place = f"{prefix if script else KONG_FOLDER}/{CONFIGURATION}"
    files = [
        HostFile("kong.conf", kong_conf(machine, declared_at=place)),
        HostFile(CONFIGURATION, machine.declared.text),
    ]
    return [*files, HostFile(SCRIPT, script, 0o755)] if script else files


def kong_command(machine: Machine, *, prefix: str) -> list[str]:
    """What Kong's container runs: its image's own command, after the secrets are in the configuration."""
    command = ["/docker-entrypoint.sh", "kong", "docker-start"]
    if declare_script(machine) is None:
        return command
    files = [f"{KONG_FOLDER}/{CONFIGURATION}", f"{prefix}/{CONFIGURATION}"]
    return ["/bin/sh", f"{KONG_FOLDER}/{SCRIPT}", *files, *command]


def needed_images(machine: Machine, *helpers: str) -> list[str]:
    """The names of the images that the host's containers need, with those of `helpers`."""
    names = ["ringwall"] if machine.guarded else []
    if machine.kong_runs_here:
        names += ["cloudflared", "kong"]
    return [*names, *helpers, *(member.stack for member in machine.servers)]


def yaml_text(comment: str, *documents: Any) -> str:
    """YAML with a comment before it; keys stand in their order."""
    stream = io.StringIO()
    writer = YAML()
    writer.default_flow_style = False
    writer.representer.ignore_aliases = lambda *_: True
    writer.width = 4096
    writer.indent(mapping=2, sequence=4, offset=2)
    for number, document in enumerate(documents):
        stream.write("---\n" if number else f"# {comment}\n")
        writer.dump(document, stream)
    return stream.getvalue()
