"""Each mistake in what a server says of itself is exactly one line, as in `test_bad_files`."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.bad_files import ENVIRONMENT, EXTERNAL, HOSTED, ONE, Mistake, lines, make
from tests.support.projects import write_project

E = "config.ringwall:environment"
S = "config.ringwall:server"
UNKNOWN = "unknown key"

MISTAKES: dict[str, Mistake] = {
    # One server
    "an origin that is not loopback": Mistake(
        ONE, "http://127.0.0.1:3000/mcp", "http://0.0.0.0:3000/mcp", "0.0.0.0", f"{S}.origin.url", "0.0.0.0 is not loopback",
        "the guard runs on the server's own machine: bind the server to 127.0.0.1 there, and write "
        "http://127.0.0.1:3000/mcp",
    ),
    "an origin by a name that DNS decides": Mistake(
        ONE, "http://127.0.0.1:3000/mcp", "http://localhost.example.com:3000/mcp", "localhost.", f"{S}.origin.url",
        "localhost.example.com is not loopback",
        "the guard runs on the server's own machine: bind the server to 127.0.0.1 there, and write "
        "http://127.0.0.1:3000/mcp",
    ),
    "an origin without a scheme": Mistake(
        ONE, "http://127.0.0.1:3000/mcp", "127.0.0.1:3000/mcp", "url:", f"{S}.origin.url", "has no scheme",
        "write http://127.0.0.1:3000/mcp",
    ),
    "an origin that speaks https": Mistake(
        ONE, "http://127.0.0.1:3000/mcp", "https://127.0.0.1:3000/mcp", "url:", f"{S}.origin.url",
        "is https, and the guard speaks http on loopback",
        "have the server speak http on loopback, and write http://127.0.0.1:3000/mcp",
    ),
    "a host name with scheme, path and capitals": Mistake(
        ONE, "one.example.com", "https://One.Example.com/mcp", "hostname:", f"{S}.hostname",
        "must be a full lower-case host name", "write one.example.com",
    ),
    "a wildcard for a host name": Mistake(
        ONE, "one.example.com", '"*.example.com"', "hostname:", f"{S}.hostname", "must be a full lower-case host name",
        "wildcards are not possible: write one host name, such as github.example.com",
    ),
    "an origin without a port": Mistake(
        ONE, "http://127.0.0.1:3000/mcp", "http://127.0.0.1/mcp", "url:", f"{S}.origin.url", "must name its port",
        "write it such as http://127.0.0.1:3000/mcp",
    ),
    "an origin of two kinds": Mistake(
        ONE, "http://127.0.0.1:3000/mcp", "http://127.0.0.1:3000/mcp\n      socket: /run/a.sock", "origin", f"{S}.origin",
        "must have exactly one of url, socket and command", "remove the others, or add one",
    ),
    "variables for a server that is not started here": Mistake(
        HOSTED, "socket: /run/hosted/mcp.sock", "socket: /run/hosted/mcp.sock\n      environment: {A: {env: B}}",
        "environment: {A", f"{S}.origin.environment", "belongs to command", "remove it",
    ),
    "a secret reference to two places": Mistake(
        EXTERNAL, "{file: /etc/server/key}", "{file: /etc/server/key, env: KEY}", "API_KEY",
        f"{S}.origin.environment.API_KEY", "must have exactly one of env and file", "write {env: NAME} or {file: /path}",
    ),
    "access for nobody": Mistake(
        ONE, "      people:\n        groups: [engineers]\n      agents: [ci]\n    posture: [encrypted]", "      {}",
        "access", f"{S}.access", "admits nobody", "give people, agents or hosted_clients",
    ),
    "a grant to all and to some": Mistake(
        ONE, "{agents: [ci]}", "{all: true, agents: [ci]}", "all: true, agents", f"{S}.grants.1.to",
        "must have either all: true or at least one named principal", "write one of the two",
    ),
    "a grant to nobody": Mistake(
        ONE, "{agents: [ci]}", "{}", "to: {}", f"{S}.grants.1.to",
        "must have either all: true or at least one named principal", "write one of the two",
    ),
    "a grant of nothing": Mistake(
        ONE, "        tools: [create_ticket]\n", "", "agents: [ci]}", f"{S}.grants.1", "grants nothing",
        "give tools, prompts or resources",
    ),
    "two OAuth modes on one server": Mistake(
        EXTERNAL, "      mode: external\n", "", "issuer", f"{S}.oauth.issuer",
        "belongs to mode external; never both modes on one server", "remove it, or write mode: external",
    ),
    "an external mode without its audience": Mistake(
        EXTERNAL, "      audience: https://external.example.com/mcp\n", "", "oauth", f"{S}.oauth",
        "mode external needs issuer and audience", "add both",
    ),
    "no guard engine": Mistake(
        HOSTED, "        embedded: {}\n        lakera:\n          project_id: project-1234\n"
        "          api_key: {env: LAKERA_API_KEY}\n", "        {}\n", "engines", f"{S}.guard.engines", "names no engine",
        "give embedded, lakera, prisma_airs, bedrock, model_armor, azure_content_safety or http",
    ),
    "a guard on its origin's port": Mistake(
        ONE, "guard_port: 9010", "guard_port: 3000", "guard_port", f"{S}.guard_port", "port 3000 is the origin's own port",
        "choose another",
    ),
    "a hosted client on the server's own name": Mistake(
        HOSTED, "hosted-claude.example.com", "hosted.example.com", "          hostname",
        f"{S}.access.hosted_clients.claude-ai.hostname",
        "hosted.example.com is in this file already: a hosted client has a name, an audience and grants of its own",
        "choose another",
    ),
    # A server against its environment
    "an unknown host": Mistake(
        ONE, "host: dev-1", "host: dev-9", "dev-9", f"{S}.host",
        "dev-9 is not in the environment's hosts",
        "did you mean dev-2? (known: dev-1, dev-2); or add it to Pulumi.dev.yaml",
    ),
    "an unknown group": Mistake(
        ONE, "groups: [engineers]", "groups: [admins]", "admins", f"{S}.access.people.groups",
        "admins is not in the environment's groups", "correct it (known: engineers); or add it to Pulumi.dev.yaml",
    ),
    "an unknown agent": Mistake(
        ONE, "      agents: [ci]\n    posture", "      agents: [ci, bot]\n    posture", "bot", f"{S}.access.agents",
        "bot is not in the environment's agents", "correct it (known: ci, nightly); or add it to Pulumi.dev.yaml",
    ),
    "an unknown posture rule": Mistake(
        ONE, "posture: [encrypted]", "posture: [patched]", "patched", f"{S}.posture",
        "patched is not in the environment's posture", "correct it (known: encrypted); or add it to Pulumi.dev.yaml",
    ),
    "an unknown issuer": Mistake(
        EXTERNAL, "issuer: keycloak", "issuer: okta", "issuer: okta", f"{S}.oauth.issuer",
        "okta is not in the environment's issuers", "correct it (known: keycloak); or add it to Pulumi.dev.yaml",
    ),
    "a host name outside the zone": Mistake(
        ONE, "one.example.com", "one.example.org", "one.example.org", f"{S}.hostname",
        "one.example.org is outside the zone example.com", "use a name that ends in .example.com",
    ),
    "a host name that only ends like the zone": Mistake(
        ONE, "one.example.com", "oneexample.com", "oneexample.com", f"{S}.hostname",
        "oneexample.com is outside the zone example.com", "use a name that ends in .example.com",
    ),
    "a hosted client's name outside the zone": Mistake(
        HOSTED, "hosted-claude.example.com", "claude.example.org", "claude.example.org",
        f"{S}.access.hosted_clients.claude-ai.hostname", "claude.example.org is outside the zone example.com",
        "use a name that ends in .example.com",
    ),
    "a host name of another server": Mistake(
        ONE, "one.example.com", "hosted-claude.example.com", "hosted-claude", f"{S}.hostname",
        "hosted-claude.example.com is dev.hosted's host name", "choose another",
    ),
    "a sink of the environment's kind": Mistake(
        HOSTED, "      file:\n        path: /var/log/kong/hosted.log", "      http:\n        url: https://logs.example.com",
        "http:", f"{S}.logs.http",
        "the environment has a http sink already, and this one would silence it here",
        "use another kind of sink here, or remove one of the two",
    ),
    "the gateway's port": Mistake(
        ONE, "guard_port: 9010", "guard_port: 8000", "guard_port", f"{S}.guard_port",
        "port 8000 on host dev-1 belongs to the gateway of host dev-1", "choose another",
    ),
    "the port of Kong's status API": Mistake(
        ONE, "guard_port: 9010", "guard_port: 8100", "guard_port", f"{S}.guard_port",
        "port 8100 on host dev-1 belongs to Kong's status API on host dev-1", "choose another",
    ),
    "another server's guard port on the same host": Mistake(
        ONE, "guard_port: 9010", "guard_port: 9052", "guard_port", f"{S}.guard_port",
        "port 9052 on host dev-1 belongs to dev.external (guard_port)", "choose another",
    ),
    "traces sent in clear": Mistake(
        ONE, "    guard_port: 9010", "    guard_port: 9010\n    guard: {traces: {endpoint: http://otlp.example.com/v1/traces}}",
        "endpoint", f"{S}.guard.traces.endpoint",
        "must be an https URL (http only on loopback)", "write it such as https://login.example.com/path",
    ),
    "a guard that serves its metrics on its own port": Mistake(
        ONE, "    guard_port: 9010", "    guard_port: 9010\n    guard_admin_port: 9010", "guard_admin_port",
        f"{S}.guard_admin_port", "port 9010 is the guard's port for traffic", "choose another",
    ),
    "a guard that serves its metrics on its origin's port": Mistake(
        ONE, "    guard_port: 9010", "    guard_port: 9010\n    guard_admin_port: 3000", "guard_admin_port",
        f"{S}.guard_admin_port", "port 3000 is the origin's own port", "choose another",
    ),
    "a guard port so high that the admin port above it is none": Mistake(
        ONE, "guard_port: 9010", "guard_port: 64536", "ringwall:server", f"{S}.guard_admin_port",
        "is 65536 unless given (guard_port + 1000), and no port is over 65535", "add it",
    ),
    "another server's guard port as admin port": Mistake(
        ONE, "    guard_port: 9010", "    guard_port: 9010\n    guard_admin_port: 9052", "guard_admin_port",
        f"{S}.guard_admin_port", "port 9052 on host dev-1 belongs to dev.external (guard_port)", "choose another",
    ),
    "the gateway's port as admin port": Mistake(
        ONE, "    guard_port: 9010", "    guard_port: 9010\n    guard_admin_port: 8000", "guard_admin_port",
        f"{S}.guard_admin_port", "port 8000 on host dev-1 belongs to the gateway of host dev-1", "choose another",
    ),
    "a Redis with its password in the URL": Mistake(
        HOSTED, "    guard:\n", "    guard:\n      redis: {url: 'redis://:hunter2@127.0.0.1:6379/0'}\n", "redis",
        f"{S}.guard.redis.url", "looks like a URL with a password in clear",
        'use a reference: "{vault://env/NAME}" for the gateway, or {env: NAME} / {file: /path} for the host; and rotate '
        "the value, it has been in a file",
    ),
    # Grants against the tool lock
    "a grant that matches no tool": Mistake(
        ONE, "tools: [create_ticket]", "tools: [delete_*]", "delete_", f"{S}.grants.1.tools",
        "delete_* matches no tool of the lock", "correct it, or run `ringwall lock approve dev.one`",
    ),
    "a read-only grant of a tool that writes": Mistake(
        ONE, "        read_only: false\n", "", "create_ticket", f"{S}.grants.1.tools",
        "create_ticket has risk write and the grant is read-only, so it would grant nothing",
        "add read_only: false to grant it, or remove it",
    ),
    "a read-only grant of a pattern of tools that write": Mistake(
        ONE, "[list_tickets, get_ticket]", "[list_tickets, run_*]", "run_", f"{S}.grants.0.tools",
        "run_* has risk execute and the grant is read-only, so it would grant nothing",
        "add read_only: false to grant it, or remove it",
    ),
    "a grant of an unknown prompt": Mistake(
        ONE, "tools: [create_ticket]", "prompts: [sort]", "sort", f"{S}.grants.1.prompts",
        "sort matches no prompt of the lock", "correct it, or run `ringwall lock approve dev.one`",
    ),
    "arguments of a tool that the grant does not name": Mistake(
        ONE, "        read_only: false", "        read_only: false\n        arguments: {get_ticket: {}}", "arguments",
        f"{S}.grants.1.arguments.get_ticket", "is not among the grant's tools", "add it to tools, or remove it",
    ),
    "arguments that are no JSON Schema": Mistake(
        ONE, "        read_only: false", "        read_only: false\n        arguments: {create_ticket: {type: txt}}",
        "arguments", f"{S}.grants.1.arguments.create_ticket",
        'cannot be enforced: JSON Schema 2020-12 does not allow "txt" there (at /type)',
        "correct the schema",
    ),
    "arguments by a schema from elsewhere": Mistake(
        ONE, "        read_only: false",
        "        read_only: false\n        arguments: {create_ticket: {$ref: 'https://example.com/a.json'}}",
        "arguments", f"{S}.grants.1.arguments.create_ticket",
        "cannot be enforced: a reference in it leads out of it or nowhere, and none is ever fetched (at /$ref)",
        "correct the schema",
    ),
    "arguments by a keyword that nobody enforces": Mistake(
        ONE, "        read_only: false", "        read_only: false\n        arguments: {create_ticket: {maxLenght: 5}}",
        "arguments", f"{S}.grants.1.arguments.create_ticket",
        "cannot be enforced: maxLenght is no keyword that would be enforced", "correct the schema",
    ),
    "a grant to an agent that is not admitted": Mistake(
        ONE, "{agents: [ci]}", "{agents: [nightly]}", "nightly", f"{S}.grants.1.to.agents",
        "nightly is not admitted by access.agents", "add it to access.agents too",
    ),
    # Clients that register
    "a client that is nearly known": Mistake(
        ONE, "      agents: [ci]\n    posture", "      agents: [ci]\n      clients: [vs-code]\n    posture", "vs-code",
        f"{S}.access.clients.0", "vs-code is no client that is known by name",
        "write vscode, or give its redirect URIs: {name: vs-code, redirect_uris: [https://…]}",
    ),
    "a client of one's own by a known name": Mistake(
        ONE, "      agents: [ci]\n    posture",
        "      agents: [ci]\n      clients: [{name: cursor, redirect_uris: ['https://desk.example.com/cb']}]\n    posture",
        "clients:", f"{S}.access.clients.0.name", "cursor is a client that is known by name",
        "write cursor alone, or choose another name",
    ),
    "a client of one's own without where it returns to": Mistake(
        ONE, "      agents: [ci]\n    posture", "      agents: [ci]\n      clients: [{name: desk}]\n    posture", "clients:",
        f"{S}.access.clients.0.redirect_uris", "a required key is missing", "add it",
    ),
    "a client twice": Mistake(
        ONE, "      agents: [ci]\n    posture", "      agents: [ci]\n      clients: [cursor, cursor]\n    posture",
        "clients:", f"{S}.access.clients", "names cursor twice", "remove one of the two",
    ),
    "a redirect to a whole host": Mistake(
        ONE, "      agents: [ci]\n    posture",
        "      agents: [ci]\n      clients: [{name: desk, redirect_uris: ['https://desk.example.com/*']}]\n    posture",
        "clients:", f"{S}.access.clients.0.redirect_uris.0", "lets every page of desk.example.com receive sign-ins",
        "name the client's path, such as https://desk.example.com/oauth/callback or https://desk.example.com/oauth/*",
    ),
    "clients of a server whose issuer is external": Mistake(
        EXTERNAL, "    access:\n", "    access:\n      clients: [cursor]\n", "clients:", f"{S}.access.clients",
        "clients register at the external authorization server, which Access does not keep",
        "allow their redirect URIs there, and remove the key",
    ),
    "a hosted client that returns to a wildcard": Mistake(
        ENVIRONMENT, "redirect_uris: [https://claude.example.com/callback]", "redirect_uris: ['https://*.example.com/cb']",
        "redirect_uris", f"{E}.hosted_clients.claude-ai.redirect_uris.0",
        "holds * in its host: anyone with such a name receives sign-ins", "write each host by name",
    ),
    "a hosted client that returns to a machine": Mistake(
        ENVIRONMENT, "redirect_uris: [https://claude.example.com/callback]", "redirect_uris: ['http://127.0.0.1/cb']",
        "redirect_uris", f"{E}.hosted_clients.claude-ai.redirect_uris.0",
        "must be https: a hosted client runs in its vendor's cloud", "write the vendor's own https redirect URI",
    ),
    "a limit of an unknown tool": Mistake(
        HOSTED, "requests_per_minute: 30", "tools: {nothing: {}}", "nothing", f"{S}.limits.tools.nothing",
        "no such tool in the lock", "correct the name",
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_one_mistake_is_one_line(tmp_path: Path, mistake: str) -> None:
    root = write_project(tmp_path, every_shape=True)
    expected = make(root, MISTAKES[mistake])
    assert lines(root) == [expected]
