"""Project folders for tests: an environment and servers of every shape, written as a user would write them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from model.canonical import digest
from model.tool_lock import LockedServer, PromptEntry, ToolEntry, ToolLock, readable_description, to_yaml

ACCOUNT = "0af1" * 8
ZONE = "0bf2" * 8
#: The file of a zone's stack that keeps one server to two countries.
ZONE_STACK = f"""\
config:
  ringwall:zone:
    version: 1
    cloudflare:
      zone: example.com
      zone_id: "{ZONE}"
    rules:
      - hostnames: [one.example.com]
        countries: [NO, SE]
"""

PULUMI_YAML = """\
name: {name}
runtime:
  name: python
  options:
    toolchain: pip
    virtualenv: .venv
main: stacks
stackConfigDir: stacks
backend:
  url: file://{state}
"""

ENVIRONMENT = """\
# What the environment's people and agents share.
config:
  ringwall:environment:
    version: 1
    cloudflare:
      account_id: "{account}"
      zone: example.com
      zone_id: "{zone}"
      team: example
    topology: {topology}
    hosts:
      dev-1: {{}}
      dev-2:
        gateway_port: 8010
    gateway:
      admin_uri: http://127.0.0.1:8001
    countries: [NO, SE]
    identity_providers:
      okta:
        id: 11111111-2222-3333-4444-555555555555
        type: okta
    groups:
      engineers:
        domains: [example.com]
        idp_groups:
          - provider: okta
            group: Engineering
    posture:
      encrypted:
        type: disk_encryption
        platforms: [mac, windows]
        require_all: true
    agents:
      ci:
        countries: [SE]
        addresses: [192.0.2.0/24]
      nightly:
        countries: [NO, SE]
        posture: [encrypted]
    hosted_clients:
      claude-ai:
        addresses: [203.0.113.0/24]
        source: https://docs.example.com/addresses
        redirect_uris: [https://claude.example.com/callback]
    issuers:
      keycloak:
        issuer: https://login.example.org/realms/tools
        jwks_uri: https://login.example.org/realms/tools/certs
    logs:
      http:
        url: "{{vault://env/log-endpoint}}"
        headers:
          x-log-token: "{{vault://env/log-token}}"
"""

SERVER = """\
config:
  ringwall:server:
    version: 1
    host: dev-1

    hostname: {name}.example.com   # kept, with its blank line
    guard_port: {guard_port}
    origin:
      url: http://127.0.0.1:{port}/mcp
    access:
      people:
        groups: [engineers]
      agents: [ci]
    posture: [encrypted]
    grants:
      - to: {{all: true}}
        tools: [list_tickets, get_ticket]
      - to: {{agents: [ci]}}
        tools: [create_ticket]
        read_only: false
"""

HOSTED = """\
config:
  ringwall:server:
    version: 1
    host: dev-2
    hostname: hosted.example.com
    guard_port: 9051
    origin:
      socket: /run/hosted/mcp.sock
    access:
      people:
        emails: [ada@example.com]
      agents: [ci, nightly]
      hosted_clients:
        claude-ai:
          hostname: hosted-claude.example.com
          people:
            groups: [engineers]
    countries: [NO]
    cors:
      origins: [https://app.example.com]
    grants:
      - to: {hosted_clients: [claude-ai], emails: [ada@example.com]}
        tools: ["*_ticket*"]
    limits:
      requests_per_minute: 30
    logs:
      file:
        path: /var/log/kong/hosted.log
      otlp:
        traces: https://otlp.example.com/v1/traces
    guard:
      engines:
        embedded: {}
        lakera:
          project_id: project-1234
          api_key: {env: LAKERA_API_KEY}
"""

EXTERNAL = """\
config:
  ringwall:server:
    version: 1
    host: dev-1
    hostname: external.example.com
    guard_port: 9052
    origin:
      command: [node, server.js]
      environment:
        API_KEY: {file: /etc/server/key}
    oauth:
      mode: external
      issuer: keycloak
      audience: https://external.example.com/mcp
      scopes: [tickets.read]
    access:
      people:
        domains: [example.com]
    grants:
      - to: {all: true}
        tools: [list_tickets]
"""


def tool(name: str, risk: str, **extra: Any) -> ToolEntry:
    definition = {
        "name": name,
        "description": f"{name.replace('_', ' ').capitalize()}.",
        "inputSchema": {"type": "object", "properties": {"id": {"type": "string"}}},
        **extra,
    }
    return ToolEntry.model_validate(
        {
            "name": name,
            "description": readable_description(definition),
            "sha256": digest(definition),
            "definition": definition,
            "risk": risk,
        }
    )


def lock() -> ToolLock:
    prompt = {"name": "triage", "description": "Sort new tickets."}
    return ToolLock(
        server=LockedServer(name="tickets", version="1.0", protocol_versions=("2025-11-25",)),
        tools=(
            tool("create_ticket", "write"),
            tool("get_ticket", "read"),
            tool("list_tickets", "read"),
            tool("run_report_command", "execute"),
        ),
        prompts=(
            PromptEntry(
                name="triage", description=readable_description(prompt), sha256=digest(prompt), definition=prompt
            ),
        ),
    )


def write_server(root: Path, stack: str, text: str) -> None:
    (root / "stacks" / f"Pulumi.{stack}.yaml").write_text(text, encoding="utf-8")
    (root / "stacks" / f"{stack}.lock.yaml").write_text(to_yaml(lock()), encoding="utf-8")


def server_text(name: str, number: int = 0) -> str:
    return SERVER.format(name=name, guard_port=9010 + number, port=3000 + number)


def write_project(root: Path, *, topology: str = "colocated", servers: int = 1, every_shape: bool = False) -> Path:
    """A project with environment `dev` and servers `one`, `two`…; `every_shape` adds `hosted` and `external`."""
    (root / "stacks").mkdir(parents=True, exist_ok=True)
    state = root / ".ringwall" / "state"
    state.mkdir(parents=True, exist_ok=True)
    (root / "Pulumi.yaml").write_text(PULUMI_YAML.format(name="ringwall", state=state), encoding="utf-8")
    (root / "stacks" / "__main__.py").write_text("from plan.program import main\n\nmain()\n", encoding="utf-8")
    environment = ENVIRONMENT.format(account=ACCOUNT, zone=ZONE, topology=topology)
    (root / "stacks" / "Pulumi.dev.yaml").write_text(environment, encoding="utf-8")
    words = ["one", "two", "three", "four"]
    for number in range(servers):
        name = words[number] if number < len(words) else f"server-{number}"
        write_server(root, f"dev.{name}", server_text(name, number))
    if every_shape:
        write_server(root, "dev.hosted", HOSTED)
        write_server(root, "dev.external", EXTERNAL)
    return root
