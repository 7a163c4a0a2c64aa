"""What Compose and Kubernetes have in common: users, arguments and small scripts of a host's containers."""

from __future__ import annotations

import io
import shlex
from collections.abc import Sequence
from typing import Any

from ruamel.yaml import YAML

from operations.host.machine import Machine, Member

GUARD = 10001
KONG = 10002
CONNECTOR = 10003
#: The first server's user; the others follow.
FIRST_SERVER = 10010
#: The group of whoever may write to a server's socket: the guard alone is in it, besides the server.
GUARD_GROUP = GUARD
#: Reads each variable from a file, as a container's environment can be read by whoever may inspect it.
READ_VARIABLES = (
    'for file in /run/secrets/variables/*; do if [ -f "$file" ]; then export "${file##*/}=$(cat "$file")"; fi; done; '
    'exec "$@"'
)


def server_user(member: Member) -> int:
    return FIRST_SERVER + member.number


def short(member: Member) -> str:
    """The server's name, as part of a container's."""
    return member.bundle.server


def socket_listener(place: str, target: str) -> list[str]:
    """Arguments of socat: a Unix socket that the guard's group may use, one connection each to the target."""
    return [f"UNIX-LISTEN:{place},fork,mode=0660,unlink-early", target]


def start_script(member: Member) -> str:
    """Runs the command of a stdio server with exactly its arguments; socat's own syntax would split them."""
    origin = member.bundle.origin
    change = f"cd {shlex.quote(origin.directory)}\n" if origin and origin.directory else ""
    return f"#!/bin/sh\n{change}exec {shlex.join(member.command or ())}\n"


def needed_images(machine: Machine, *, helpers: Sequence[str]) -> list[str]:
    """The names of the images that the host's containers need, but for helpers that none needs."""
    names = ["ringwall"]
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
