"""A server of every kind on one host, each the same that tries to get out, and what an operator adds."""

from __future__ import annotations

import json
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from components.guard.settings import build_guard_config
from guard.bundle.bundle import render, sign
from guard.bundle.keys import create_key_pair, load_private_key
from model.canonical import canonical_json
from model.guard_config import GuardConfig
from model.project import load_environment, open_project
from model.tool_lock import to_yaml
from tests.containment.booted import Booted
from tests.support.guard_process import Upstream, lock_of

HERE = Path(__file__).resolve().parent


@dataclass(frozen=True)
class Guarded:
    """One server: its guard's port, where it opens another port, its own, and how the stack file names it."""

    title: str
    guard_port: int
    open_port: int
    port: int | None
    origin: str
    egress: tuple[str, ...] = ()


_NAMED = ("api.example.net:443", "files.example.net:8443")
GUARDED = {
    "web": Guarded("URL", 9010, 7771, 3000, "url: http://127.0.0.1:3000/mcp"),
    "local": Guarded("socket", 9011, 7772, None, "socket: /run/mcp-local/mcp.sock"),
    "command": Guarded("command", 9012, 7773, None, "command: [/opt/ringwall/bin/hostile, --open, '7773', --stdio]"),
    "caller": Guarded("URL, named", 9013, 7774, 3001, "url: http://127.0.0.1:3001/mcp", _NAMED),
    "tool": Guarded(
        "command, named", 9014, 7775, None, "command: [/opt/ringwall/bin/hostile, --open, '7775', --stdio]", _NAMED
    ),
}
_STARTED = {
    "web": "--open 7771 --http 3000",
    "local": "--open 7772 --unix /run/mcp-local/mcp.sock",
    "caller": "--open 7774 --http 3001",
}
_ENVIRONMENT = """\
config:
  ringwall:environment:
    version: 1
    cloudflare:
      account_id: "00000000000000000000000000000001"
      zone: example.com
      zone_id: "00000000000000000000000000000002"
      team: example
    topology: hybrid
    hosts:
      dev-1: {}
    gateway:
      admin_uri: https://kong.example.com
    countries: [SE]
"""
_SERVER = """\
config:
  ringwall:server:
    version: 1
    host: dev-1
    hostname: NAME.example.com
    guard_port: PORT
    origin:
      ORIGIN
      egress: EGRESS
    access:
      people:
        emails: [ada@example.com]
    grants:
      - to: {all: true}
        tools: ["*"]
        read_only: false
"""


def write_project(folder: Path, servers: Mapping[str, Guarded]) -> None:
    """The files of a project with these servers."""
    stacks = folder / "stacks"
    stacks.mkdir(parents=True)
    (folder / "Pulumi.yaml").write_text(
        f"name: mcp\nruntime: python\nmain: stacks\nstackConfigDir: stacks\nbackend:\n  url: file://{folder}/state\n"
    )
    (stacks / "Pulumi.dev.yaml").write_text(_ENVIRONMENT)
    asked = Upstream(command=(sys.executable, str(HERE / "attempts.py"), "--open", "7776", "--stdio"))
    lock = to_yaml(lock_of(asked))
    for name, server in servers.items():
        origin = server.origin
        if name == "web":  # the one with a secret of the guard's
            origin += "\n      headers:\n        x-key: {env: SERVER_KEY}"
        text = _SERVER.replace("NAME", name).replace("PORT", str(server.guard_port)).replace("ORIGIN", origin)
        (stacks / f"Pulumi.dev.{name}.yaml").write_text(text.replace("EGRESS", json.dumps(server.egress)))
        (stacks / f"dev.{name}.lock.yaml").write_text(lock)


def start_scripts(root: Path, servers: Mapping[str, Guarded]) -> None:
    """What the operator provides: the program that starts a server with a URL or a socket."""
    for name in servers.keys() & _STARTED.keys():
        arguments = _STARTED[name]
        file = root / f"local/lib/ringwall/dev.{name}"
        file.write_text(f"#!/bin/sh\nexec /opt/ringwall/bin/hostile {arguments}\n")
        file.chmod(0o755)


def provide(machine: Booted, project: Path, scratch: Path) -> None:
    """What the README asks for: each guard's signed configuration and key, and the file of variables."""
    private, public, _ = create_key_pair(scratch / "keys")
    demo = {"demo": {"principal": "person:ada@example.com", "email": "ada@example.com"}}
    for server in load_environment(open_project(project), "dev").servers.values():
        hostnames = dict.fromkeys(server.manifest.hostnames, "local")
        document: dict[str, Any] = build_guard_config(server, hostnames, {}).dump() | {"identity": demo}
        config = GuardConfig.model_validate(json.loads(canonical_json(document)))
        folder = machine.file(f"/etc/ringwall/{server.stack}")
        signed = sign(config, sequence=1, denied=(), key=load_private_key(private))
        (folder / "guard.bundle.json").write_text(render(signed))
        (folder / "guard-signing.pub").write_bytes(public.read_bytes())
    variables = machine.file("/etc/ringwall/guard.env")
    variables.write_text("SERVER_KEY=key-of-the-web-server\n")
    variables.chmod(0o600)
