"""Each mistake in a stack file is exactly one line: file with its line, key, what is wrong, what to do."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.bad_files import ENVIRONMENT, HOSTED, ONE, Mistake, lines, make
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
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_one_mistake_is_one_line(tmp_path: Path, mistake: str) -> None:
    root = write_project(tmp_path, every_shape=True)
    expected = make(root, MISTAKES[mistake])
    assert lines(root) == [expected]
