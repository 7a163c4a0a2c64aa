"""Each mistake in a stack file is exactly one line: file with its line, key, what is wrong, what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.bad_files import ENVIRONMENT, EXTERNAL, HOSTED, ONE, Mistake, lines, make
from tests.support.projects import write_project

E = "config.ringwall:environment"
S = "config.ringwall:server"
UNKNOWN = "unknown key"

MISTAKES: dict[str, Mistake] = {
    # Shape of any manifest
    "an unknown key, its name nearly right": Mistake(
        ONE, "    host: dev-1", "    hots: dev-1\n    host: dev-1", "hots", f"{S}.hots", UNKNOWN, "write host, or remove it"
    ),
    "an unknown key like none": Mistake(
        ONE, "      agents: [ci]\n    posture", "      agents: [ci]\n      zzz: 1\n    posture", "zzz", f"{S}.access.zzz",
        UNKNOWN, "remove it; known here: agents, clients, hosted_clients, people",
    ),
    "an unknown key in a named entry": Mistake(
        ENVIRONMENT, "gateway_port: 8010", "gateway-port: 8010", "gateway-port", f"{E}.hosts.dev-2.gateway-port", UNKNOWN,
        "write gateway_port, or remove it",
    ),
    "an unknown key in an entry of a list": Mistake(
        ONE, "        read_only: false", "        readonly: false", "readonly", f"{S}.grants.1.readonly", UNKNOWN,
        "write read_only, or remove it",
    ),
    "an unknown key in an optional part": Mistake(
        HOSTED, "          project_id: project-1234", "          project: project-1234\n          project_id: project-1234",
        "project: ", f"{S}.guard.engines.lakera.project", UNKNOWN, "write project_id, or remove it",
    ),
    "a missing key": Mistake(
        ONE, "    guard_port: 9010\n", "", "ringwall:server", f"{S}.guard_port", "a required key is missing", "add it"
    ),
    "a required key, its name nearly right": Mistake(
        ONE, "    guard_port: 9010", "    gaurd_port: 9010", "gaurd_port", f"{S}.gaurd_port", UNKNOWN,
        "write guard_port, which is required",
    ),
    "a wrong type of number": Mistake(
        ONE, "guard_port: 9010", 'guard_port: "9010"', "guard_port", f"{S}.guard_port", "must be a whole number",
        "write it without quotes",
    ),
    "a fraction": Mistake(
        ONE, "guard_port: 9010", "guard_port: 9010.5", "guard_port", f"{S}.guard_port", "must be a whole number",
        "write it without quotes",
    ),
    "a truth for a number": Mistake(
        ONE, "guard_port: 9010", "guard_port: true", "guard_port", f"{S}.guard_port", "must be a whole number",
        "write it without quotes",
    ),
    "a number for text": Mistake(
        ENVIRONMENT, "      zone: example.com", "      zone: 12", "zone: 12", f"{E}.cloudflare.zone",
        "must be text", "quote it",
    ),
    "a version number that YAML makes a fraction": Mistake(
        ENVIRONMENT, "      admin_uri: http://127.0.0.1:8001", "      admin_uri: http://127.0.0.1:8001\n      version: 3.9",
        "version: 3.9", f"{E}.gateway.version", "must be text", "quote it",
    ),
    "text for a truth": Mistake(
        ONE, "read_only: false", "read_only: no", "read_only", f"{S}.grants.1.read_only", "must be true or false",
        "write it without quotes",
    ),
    "text for a mapping": Mistake(
        ONE, "      url: http://127.0.0.1:3000/mcp", "      http://127.0.0.1:3000/mcp", "origin", f"{S}.origin",
        "must be a mapping", "write it as key: value lines, or as {} when it has none",
    ),
    "nothing for a mapping": Mistake(
        ENVIRONMENT, "dev-1: {}", "dev-1:", "dev-1", f"{E}.hosts.dev-1", "must be a mapping",
        "write it as key: value lines, or as {} when it has none",
    ),
    "a list for a mapping": Mistake(
        ENVIRONMENT, "    hosts:\n      dev-1: {}\n      dev-2:\n        gateway_port: 8010\n", "    hosts: [dev-1]\n",
        "hosts", f"{E}.hosts", "must be a mapping", "write it as key: value lines",
    ),
    "text for a list": Mistake(
        ENVIRONMENT, "    countries: [NO, SE]\n    identity", "    countries: SE\n    identity", "countries: SE",
        f"{E}.countries", "must be a list", "write it as [a, b]",
    ),
    "a number in a list of text": Mistake(
        ENVIRONMENT, "    countries: [NO, SE]\n    identity", "    countries: [NO, 46]\n    identity", "countries: [NO, 46]",
        f"{E}.countries.1", "must be text", "quote it",
    ),
    "an empty list where somebody must be": Mistake(
        ENVIRONMENT, "    countries: [NO, SE]\n    identity", "    countries: []\n    identity", "countries: []",
        f"{E}.countries", "must not be empty", "give at least 1, or remove the key",
    ),
    "an entry that is there twice": Mistake(
        ENVIRONMENT, "    countries: [NO, SE]\n    identity", "    countries: [SE, SE]\n    identity", "countries: [SE, SE]",
        f"{E}.countries", "names SE twice", "remove one of the two",
    ),
    "a word that is none of the known": Mistake(
        ENVIRONMENT, "topology: colocated", "topology: clustered", "topology", f"{E}.topology", "is not a value it can have",
        "write colocated, hybrid or central",
    ),
    "a word that is near to a known": Mistake(
        ENVIRONMENT, "topology: colocated", "topology: Co-located", "topology", f"{E}.topology",
        "is not a value it can have", "write colocated (it can be colocated, hybrid or central)",
    ),
    "another version of the manifest": Mistake(
        ONE, "    version: 1", "    version: 2", "version", f"{S}.version", "is not a value it can have", "write 1"
    ),
    "a truth for the version": Mistake(
        ONE, "    version: 1", "    version: true", "version", f"{S}.version", "is not a value it can have", "write 1"
    ),
    "a number for a truth": Mistake(
        ONE, "{all: true}", "{all: 1}", "all: 1", f"{S}.grants.0.to.all", "is not a value it can have", "write true"
    ),
    "a number below its range": Mistake(
        ONE, "guard_port: 9010", "guard_port: 80", "guard_port", f"{S}.guard_port", "must be at least 1024", "correct it"
    ),
    "a number above its range": Mistake(
        ONE, "guard_port: 9010", "guard_port: 70000", "guard_port", f"{S}.guard_port", "must be at most 65535", "correct it"
    ),
    "a number that is not positive": Mistake(
        HOSTED, "requests_per_minute: 30", "requests_per_minute: 0", "requests_per_minute",
        f"{S}.limits.requests_per_minute", "must be more than 0", "correct it",
    ),
    "a value of the wrong form": Mistake(
        ENVIRONMENT, 'zone_id: "0bf20bf20bf20bf20bf20bf20bf20bf2"', "zone_id: example", "zone_id", f"{E}.cloudflare.zone_id",
        "must be 32 lower-case hexadecimal digits", "correct it",
    ),
    "a name of the wrong form": Mistake(
        ENVIRONMENT, "dev-1: {}", "Dev_1: {}", "Dev_1", f"{E}.hosts.Dev_1",
        "the name must be lower-case letters, digits and -, at most 40, a letter first", "rename it",
    ),
    "neither of two forms": Mistake(
        ENVIRONMENT, '"{vault://env/log-endpoint}"', "log.example.com", "url: log", f"{E}.logs.http.url",
        'must be an https URL (http only on loopback) or must be a reference such as "{vault://env/log-token}"',
        "write it such as https://login.example.com/path",
    ),
    # Values
    "a country that is none": Mistake(
        HOSTED, "countries: [NO]", "countries: [EU]", "countries", f"{S}.countries.0",
        "must be an ISO 3166-1 alpha-2 country code in capitals", "write an ISO 3166-1 alpha-2 code, such as SE",
    ),
    "a country by another list's code": Mistake(
        HOSTED, "countries: [NO]", "countries: [UK]", "countries", f"{S}.countries.0",
        "must be an ISO 3166-1 alpha-2 country code in capitals", "write GB",
    ),
    "a country by its name": Mistake(
        HOSTED, "countries: [NO]", "countries: [Sweden]", "countries", f"{S}.countries.0",
        "must be an ISO 3166-1 alpha-2 country code in capitals", "write SE",
    ),
    "a range with host bits": Mistake(
        ENVIRONMENT, "192.0.2.0/24", "192.0.2.1/24", "192.0.2.1", f"{E}.agents.ci.addresses.0",
        "must be an address range in CIDR form, its host bits zero", "write it such as 203.0.113.0/24",
    ),
    "the whole internet": Mistake(
        ENVIRONMENT, "203.0.113.0/24", "0.0.0.0/0", "0.0.0.0/0", f"{E}.hosted_clients.claude-ai.addresses.0",
        "is the whole internet", "name the ranges it really uses",
    ),
    "an unquoted date": Mistake(
        ENVIRONMENT, "group: Engineering", "group: 2026-01-01", "2026-01-01", f"{E}.groups.engineers.idp_groups.0.group",
        "an unquoted date (2026-01-01), which Pulumi rewrites",
        'write "2026-01-01"; if a tool took the quotes off, `git diff` shows where',
    ),
    "a duplicate key": Mistake(
        ONE, "    guard_port: 9010", "    guard_port: 9010\n    host: dev-2", "host: dev-2", f"{S}.host",
        "the key appears twice (first on line 4)", "remove one of the two",
    ),
    "an issuer with a key address in clear": Mistake(
        ENVIRONMENT, "jwks_uri: https:", "jwks_uri: http:", "jwks_uri", f"{E}.issuers.keycloak.jwks_uri",
        "must be an https URL (http only on loopback)", "write it such as https://login.example.com/path",
    ),
    "an issuer of the reserved name": Mistake(
        ENVIRONMENT, "      keycloak:\n        issuer:", "      access:\n        issuer:", "access:", f"{E}.issuers.access",
        "access is the name of Cloudflare Access itself", "rename it",
    ),
    # The environment
    "an agent that may call from anywhere": Mistake(
        ENVIRONMENT, "        countries: [SE]\n        addresses: [192.0.2.0/24]\n", "        posture: [encrypted]\n", "ci:",
        f"{E}.agents.ci", "does not say where it calls from", "add countries or addresses",
    ),
    "a secret version without the end of the one before": Mistake(
        ENVIRONMENT, "        addresses: [192.0.2.0/24]", "        secret_version: 2", "ci:", f"{E}.agents.ci",
        "needs secret_version above 1 and previous_secret_expires_at together", "give both, or neither",
    ),
    "a moment that is not UTC": Mistake(
        ENVIRONMENT, "        addresses: [192.0.2.0/24]",
        '        secret_version: 2\n        previous_secret_expires_at: "2026-03-01T12:00:00+01:00"', "previous_secret",
        f"{E}.agents.ci.previous_secret_expires_at", "must be a moment in UTC as RFC 3339 writes it",
        'write it such as "2026-03-01T12:00:00Z"',
    ),
    "an agent with an unknown posture rule": Mistake(
        ENVIRONMENT, "        posture: [encrypted]", "        posture: [patched]", "patched", f"{E}.agents.nightly.posture",
        "patched is not in posture", "correct it (known: encrypted); or add it to posture",
    ),
    "a group of an unknown identity provider": Mistake(
        ENVIRONMENT, "provider: okta", "provider: entra", "provider: entra", f"{E}.groups.engineers.idp_groups.0.provider",
        "entra is not in identity_providers", "correct it (known: okta); or add it to identity_providers",
    ),
    "a posture key of another kind of rule": Mistake(
        ENVIRONMENT, "        require_all: true", "        require_all: true\n        enabled: true", "enabled",
        f"{E}.posture.encrypted.enabled", "does not belong to disk_encryption", "remove it",
    ),
    "a posture rule that asks for nothing": Mistake(
        ENVIRONMENT, "        require_all: true\n", "", "encrypted:", f"{E}.posture.encrypted",
        "disk_encryption needs require_all or check_disks", "add it",
    ),
    "a colocated production environment": Mistake(
        ENVIRONMENT, "    version: 1", "    version: 1\n    production: true", "topology", f"{E}.topology",
        "a production environment must not be colocated: a shell injected on that host could rewrite the gateway",
        "use topology hybrid or central",
    ),
    "a gateway on the port of its own status API": Mistake(
        ENVIRONMENT, "gateway_port: 8010", "gateway_port: 8100", "gateway_port", f"{E}.hosts.dev-2.gateway_port",
        "port 8100 is Kong's own status port", "choose another",
    ),
    "a guard address outside the central topology": Mistake(
        ENVIRONMENT, "gateway_port: 8010", "guard_address: guard.example.com", "guard_address",
        f"{E}.hosts.dev-2.guard_address", "takes no guard_address in the colocated topology", "remove it",
    ),
    "a licensed edition of another line": Mistake(
        ENVIRONMENT, "http://127.0.0.1:8001", 'http://127.0.0.1:8001\n      edition: enterprise\n      version: "3.14.0.12"',
        "3.14.0.12", f"{E}.gateway.version",
        "edition enterprise is supported here on Kong 3.15, whose schemas its plugins are held to, not 3.14.0.12",
        'write "3.15.0.4"',
    ),
    "a vulnerable patch level": Mistake(
        ENVIRONMENT, "http://127.0.0.1:8001", 'http://127.0.0.1:8001\n      edition: ai\n      version: "3.15.0.2"',
        "3.15.0.2", f"{E}.gateway.version",
        "Kong 3.15.0.2: ai-mcp-oauth2's verification of JWTs has a known vulnerability (Kong docs, "
        "ai-mcp-oauth2: fixed in 3.14.0.12 and 3.15.0.3)",
        'write "3.15.0.3" or a later one',
    ),
    "Kong AI Gateway 2": Mistake(
        ENVIRONMENT, "http://127.0.0.1:8001", 'http://127.0.0.1:8001\n      edition: ai\n      version: "2.1"',
        '"2.1"', f"{E}.gateway.version",
        "Kong AI Gateway 2.x has its control plane in Konnect alone and entities of its own instead of plugins, and "
        "Ringwall's Pulumi provider for Kong cannot reach it",
        'run Kong Gateway 3.15 with an AI licence: write "3.15.0.4"',
    ),
    "a Kong line that OSS does not have": Mistake(
        ENVIRONMENT, "http://127.0.0.1:8001", 'http://127.0.0.1:8001\n      version: "3.10.0"', "3.10.0",
        f"{E}.gateway.version", "Kong OSS ends at 3.9.3 and is supported here on 3.9, not 3.10.0", 'write "3.9.3"',
    ),
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
    # Secrets
    "a nested secure value": Mistake(
        ENVIRONMENT, "            group: Engineering", "            group: {secure: v1:abc}", "secure",
        f"{E}.groups.engineers.idp_groups.0.group.secure", "a nested secure: value, which Pulumi keeps readable",
        'use a reference: "{vault://env/NAME}" for the gateway, or {env: NAME} / {file: /path} for the host; and rotate '
        "the value, it has been in a file",
    ),
    # Beside the manifest
    "the key above the manifest, its name nearly right": Mistake(
        ONE, "config:", "confg:", "confg", "confg", UNKNOWN, "write config, or remove it"
    ),
    "an unknown configuration key": Mistake(
        ENVIRONMENT, "config:\n", "config:\n  cloudflare:apitoken: x\n", "apitoken", "config.cloudflare:apitoken",
        "unknown key: providers are explicit and read nothing from here", "write cloudflare:apiToken, or remove it",
    ),
    "a provider token in clear": Mistake(
        ENVIRONMENT, "config:\n", "config:\n  cloudflare:apiToken: abc\n", "apiToken", "config.cloudflare:apiToken",
        "a secret in clear", "run `pulumi config set --secret cloudflare:apiToken` and rotate the value",
    ),
    "a provider token beside a secure one": Mistake(
        ENVIRONMENT, "config:\n", "config:\n  kong:kongAdminToken: {secure: a, plain: b}\n", "kongAdminToken",
        "config.kong:kongAdminToken", "a secret in clear",
        "run `pulumi config set --secret kong:kongAdminToken` and rotate the value",
    ),
    "an unknown key of the stack file": Mistake(
        ENVIRONMENT, "config:\n", "encryptionSalt: v1\nconfig:\n", "encryptionSalt", "encryptionSalt", UNKNOWN,
        "write encryptionsalt, or remove it",
    ),
    "two manifests in one file": Mistake(
        ONE, "config:\n", "config:\n  ringwall:environment: {}\n", "ringwall:environment", "config.ringwall:environment",
        "a stack of kind server has no such manifest", "remove it",
    ),
    "no manifest": Mistake(
        ENVIRONMENT, "  ringwall:environment:\n", "  pulumi:tags:\n", "config", "config", "holds no ringwall:environment",
        "write the manifest under ringwall:environment",
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
