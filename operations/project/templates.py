"""The text of the files that `init` and `onboard` write, comments included.

A string stands plain only where every YAML reader takes it for that very string, else as a JSON string: Norway is "NO".
"""

from __future__ import annotations

import json
import re
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from model.name_patterns import literal
from model.text import visible

#: The import of `main` in a project's program, today and in projects that were made before the function moved.
PROGRAM_IMPORT = "from plan.program import main"
FORMER_PROGRAM_IMPORT = "from components.program import main"
PROGRAM = f"{PROGRAM_IMPORT}\n\nmain()\n"
SCHEMA_FILE = ".ringwall/stack.schema.json"
#: `.venv` without a slash: it may be a link, which Git does not take for a folder.
IGNORED = (".ringwall/", ".venv", "__pycache__/")

_PULUMI_YAML = """\
# One folder of environments and servers; `ringwall` and plain `pulumi` both start here.
name: {name}
description: MCP servers, each behind four rings
runtime:
  name: python
  options:
    toolchain: pip
    # For the plain pulumi CLI, which finds Ringwall in .venv: `ringwall init` makes one that leads to its own, and in a
    # clone `ringwall engine install` does. ringwall itself does not use this line.
    virtualenv: .venv
main: stacks
stackConfigDir: stacks
backend:
  # Where Pulumi keeps state. A team shares one, such as s3://bucket; moving needs `pulumi stack export` and `import`.
  # A relative folder is the project's own: run plain pulumi from here, or as `pulumi -C DIR`.
  url: {backend}
"""

_ENVIRONMENT = """\
# yaml-language-server: $schema=../{schema}
# Environment {name}: what exists once per Cloudflare account and Kong gateway.
# Every key: `ringwall schema environment`. No secret belongs here: the Cloudflare token is CLOUDFLARE_API_TOKEN or
# `pulumi config set --secret cloudflare:apiToken`, the Kong token KONG_ADMIN_TOKEN or kong:kongAdminToken.
config:
  ringwall:environment:
    version: 1
    # Production protects tunnels and Access applications, and keeps Kong's Admin API off the origin hosts.
    production: {production}
    cloudflare:
      account_id: {account_id}
      zone: {zone}
      zone_id: {zone_id}
      team: {team}

    # colocated: gateway and servers on one host, for development. hybrid: Kong's control plane lives elsewhere.
    topology: {topology}
    hosts:
{hosts}
    gateway:
      admin_uri: {admin_uri}
      edition: oss
      version: "3.9.3"

    # From where people may come, unless a server says otherwise.
    countries: {countries}
"""

_AGENTS = """\

    # One Access service token each. Narrow each one: where it calls from is part of its identity.
    agents:
"""

_SERVER = """\
# yaml-language-server: $schema=../{schema}
# Server {name} of environment {environment}. Every key: `ringwall schema server`.
config:
  ringwall:server:
    version: 1
    host: {host}
    hostname: {hostname}
    guard_port: {guard_port}
    origin:
{origin}

    # Who may reach the server at all; people must also come from the environment's countries.
    access:
{access}

    # What they may use once they are in. A tool that no grant names is neither listed nor callable; the same holds for
    # prompts and resources. One that can write needs a grant of its own with read_only: false.
{grants}
"""


@dataclass(frozen=True)
class EnvironmentAnswers:
    """The answers that `init` was given."""

    name: str
    account_id: str
    zone: str
    zone_id: str
    team: str
    countries: tuple[str, ...]
    hosts: tuple[str, ...]
    admin_uri: str
    topology: str
    production: bool
    agents: tuple[str, ...] = ()
    secrets_provider: str | None = None


@dataclass(frozen=True)
class ServerAnswers:
    """The answers that `onboard` was given or found out. `origin` and `access` are manifest values."""

    environment: str
    name: str
    host: str
    hostname: str
    guard_port: int
    origin: dict[str, Any]
    access: dict[str, Any]
    tools: tuple[str, ...] = field(default=())
    """The names of the tools to grant."""
    left_out: Mapping[str, str] = field(default_factory=dict)
    """What else the server offers, by name, and why it is not granted."""
    page_command: str | None = None
    """The command by which a browser's tools may open pages of the guard's own machine."""
    secrets_provider: str | None = None


_PLAIN = re.compile(r"[A-Za-z/][A-Za-z0-9._/@-]*(://?[A-Za-z0-9._/@:-]*[A-Za-z0-9/])?")
#: Words that some YAML reader takes for something else than text (YAML 1.1 bool and null types).
_WORDS = frozenset(["y", "n", "yes", "no", "on", "off", "true", "false", "null"])


def scalar(value: str | bool | int) -> str:
    """A value as one line of YAML source that all readers read alike."""
    if isinstance(value, str) and _PLAIN.fullmatch(value) and value.lower() not in _WORDS:
        return value
    return _quoted(value)


def _quoted(value: str | bool | int) -> str:
    """A JSON string, but for characters beyond U+FFFF: JSON writes two surrogates, which YAML takes for two characters."""
    text = json.dumps(value, ensure_ascii=False)
    return "".join(char if " " <= char <= "~" else _escaped(char) for char in text)


def _escaped(char: str) -> str:
    return f"\\u{ord(char):04x}" if ord(char) < 0x10000 else f"\\U{ord(char):08x}"


def inline(values: Sequence[str]) -> str:
    """A list of text in one line; either all of its items are quoted or none."""
    plain = all(scalar(value) == value and ":" not in value for value in values)
    return "[" + ", ".join(value if plain else _quoted(value) for value in values) + "]"


def block(value: Any, indent: int) -> str:
    """A manifest value of mappings, lists of text and scalars, in block form."""
    pad = " " * indent
    lines = []
    for key, item in value.items():
        if isinstance(item, dict) and item:
            lines += [f"{pad}{key}:", block(item, indent + 2)]
        elif isinstance(item, dict):
            lines.append(f"{pad}{key}: {{}}")
        elif isinstance(item, list | tuple):
            lines.append(f"{pad}{key}: {inline(item)}")
        else:
            lines.append(f"{pad}{key}: {scalar(item)}")
    return "\n".join(lines)


def pulumi_yaml(name: str, backend: str) -> str:
    """The text of Pulumi.yaml."""
    return _PULUMI_YAML.format(name=name, backend=scalar(backend))


def environment_file(answers: EnvironmentAnswers) -> str:
    """The text of an environment's stack file."""
    text = _ENVIRONMENT.format(
        schema=SCHEMA_FILE,
        name=answers.name,
        production=scalar(answers.production),
        account_id=scalar(answers.account_id),
        zone=scalar(answers.zone),
        zone_id=scalar(answers.zone_id),
        team=scalar(answers.team),
        topology=answers.topology,
        hosts=block({host: {} for host in answers.hosts}, 6),
        admin_uri=scalar(answers.admin_uri),
        countries=inline(answers.countries),
    )
    if answers.agents:
        text += _AGENTS + block({agent: {"countries": answers.countries} for agent in answers.agents}, 6) + "\n"
    return text + _provider(answers.secrets_provider)


def server_file(answers: ServerAnswers) -> str:
    """The text of a server's stack file."""
    return _SERVER.format(
        schema=SCHEMA_FILE,
        name=answers.name,
        environment=answers.environment,
        host=scalar(answers.host),
        hostname=scalar(answers.hostname),
        guard_port=answers.guard_port,
        origin=block(answers.origin, 6),
        access=block(answers.access, 6),
        grants="\n".join([_grants(answers.tools, answers.left_out), *_pages(answers.page_command)]),
    ) + _provider(answers.secrets_provider)


def _grants(tools: Sequence[str], left_out: Mapping[str, str]) -> str:
    lines = ["    grants: []"]
    if tools:
        lines = ["    grants:", "      - to: {all: true}", "        tools:"]
        lines += [f"          - {scalar(literal(tool))}" for tool in tools]
    return "\n".join([*lines, *_reasons(left_out)])


def _reasons(left_out: Mapping[str, str]) -> list[str]:
    """A comment that says which tools no grant names and why, one reason after the other."""
    if not left_out:
        return []
    names: dict[str, list[str]] = {}
    for name, reason in left_out.items():
        names.setdefault(visible(reason), []).append(visible(name))
    lines = [
        "",
        "    # Granted to nobody; to grant one, name it above, or in a grant of its own with read_only: false.",
    ]
    for reason, group in names.items():
        text = f"{reason}: {', '.join(group)}"
        lines += textwrap.wrap(
            text,
            120,
            initial_indent="    #   ",
            subsequent_indent="    #     ",
            break_long_words=False,
            break_on_hyphens=False,
        )
    return lines


def _pages(command: str | None) -> list[str]:
    """A comment on addresses of the guard's own machine, which a browser's user may be there to open."""
    if command is None:
        return []
    return [
        "",
        "    # Its tools open no page of the guard's own machine, such as http://localhost:3000. Where they are there for",
        "    # that, have the lock say so, and name the port in the grant's `arguments`:",
        f"    #   {command}",
    ]


def _provider(url: str | None) -> str:
    return f"secretsprovider: {scalar(url)}\n" if url else ""
